"""New source for a module that runs already.

The source runs in the module's own namespace, and what others hold of the module follows:

- a class that is defined again stays the same class object, so its instances have the new behaviour at once;
- a function stays the same function object, so callbacks have the new code;
- names that the old source bound and the new one does not are gone.

If the source fails half-way, everything is as it was before.
"""

from __future__ import annotations

import ast
import builtins
import dis
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any

from piety.objects.importing import Importer, Loaded, compile_source, run, show_lines
from piety.objects.mementos import restore
from piety.objects.redefine import Journal, Undo, retire, update_class, update_function

_build_class = builtins.__build_class__  # while a source runs, another one stands there
_KEEP = "__piety_keep__"  # a decorator that the new source gets on its functions, while it runs here
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_INNER = (ast.stmt, ast.excepthandler, ast.match_case)


def run_again(importer: Importer, name: str) -> None:
    """Run a module's new source.  Raises what the source raises, and then nothing has changed."""
    loaded, record = importer.loaded[name], importer.modules.table[name]
    undo: list[Undo] = [importer.memory.memento(name, loaded.root).restore]
    outer, importer.journal = importer.journal, undo.append
    try:
        _Rerun(loaded, undo.append).run(importer, record)
    except BaseException:
        while undo:
            undo.pop()()
        raise
    finally:
        importer.journal = outer
    outer(lambda: [each() for each in reversed(undo)])


class _Rerun:
    """One run of new source.  `journal(undo)` is called for each change that a failure must take back."""

    def __init__(self, loaded: Loaded, journal: Journal) -> None:
        self._loaded = loaded
        self._namespace = loaded.namespace
        self._before = loaded.namespace.copy()
        self._old_code = loaded.code
        self._journal = journal

    def run(self, importer: Importer, record: Any) -> None:
        loaded = self._loaded
        self._journal(self._go_back)
        importer.locate(loaded.name)
        show_lines(record.path, self._namespace)
        self._journal(lambda: show_lines(record.path, self._namespace))
        importer.open_state(loaded, record)
        tree = compile_source(record.source.data, record.path, ast.PyCF_ONLY_AST)
        for function in _single_functions(tree):
            function.decorator_list.append(ast.copy_location(ast.Name(_KEEP, ast.Load()), function))
        code = compile_source(tree, record.path)
        names = vars(builtins) if loaded.state is None else self._namespace["__builtins__"]
        plain = names["__build_class__"]
        names.update({"__build_class__": self._build_class, _KEEP: self._keep})
        try:
            run(loaded, code)
        finally:
            names["__build_class__"] = plain
            del names[_KEEP]
        self._remove_old_names(self._old_code, code)
        self._follow_late()

    def _go_back(self) -> None:
        self._loaded.code = self._old_code
        restore(self._namespace, self._before)

    def _keep(self, new: Any) -> Any:
        """The decorator: the function that had this name, with the code of the new one."""
        old = self._before.get(new.__name__)
        while old is not None and type(old) is not types.FunctionType:
            old = getattr(old, "__wrapped__", None)  # a decorated one
        if old is None or old.__globals__ is not self._namespace or old.__qualname__ != new.__qualname__:
            return new
        return self._update(update_function, old, new)

    def _build_class(self, body: Any, name: str, *bases: Any, **keywords: Any) -> Any:
        """`class`: one that is defined again at the top level stays the same object."""
        new = _build_class(body, name, *bases, **keywords)
        old = self._before.get(name)
        if sys._getframe(1).f_locals is self._namespace and _is_same_class(old, new):
            return self._update(update_class, old, new)
        return new

    def _update(self, update: Callable[[Any, Any], Undo | None], old: Any, new: Any) -> Any:
        undo = update(old, new)
        if undo is None:
            return new
        self._journal(undo)
        return old

    def _remove_old_names(self, old: types.CodeType, new: types.CodeType) -> None:
        state = self._loaded.state
        for name in _bound(old) - _bound(new) - ((state and state.space.names) or set()):
            value = self._namespace.get(name)
            if sys.modules.get(f"{self._loaded.name}.{name}") is not value or value is None:  # no child of a package
                self._namespace.pop(name, None)

    def _follow_late(self) -> None:
        """What a decorator or an assignment made anew: `@dataclass(slots=True)`, a lambda, the last of overloads."""
        for name, old in self._before.items():
            new: Any = self._namespace.get(name)
            if new is old:
                continue
            if type(old) is types.FunctionType and type(new) is types.FunctionType and old.__name__ == new.__name__:
                self._namespace[name] = self._update(update_function, old, new)
            elif _is_same_class(old, new) and old.__module__ == self._loaded.name and not new.__subclasses__():
                self._namespace[name] = self._update(update_class, old, new)
            if self._namespace.get(name) is not old and getattr(old, "__module__", None) == self._loaded.name:
                retire(old)


def _is_same_class(old: Any, new: Any) -> bool:
    if not isinstance(old, type) or not isinstance(new, type):
        return False
    return (old.__module__, old.__qualname__) == (new.__module__, new.__qualname__)


def _single_functions(tree: ast.Module) -> list[Any]:
    """The functions at the top level of a source that stand alone under their name."""
    found: dict[str, list[Any]] = {}
    todo: list[Any] = [tree]
    while todo:
        for each in ast.iter_child_nodes(todo.pop()):
            if isinstance(each, _FUNCTIONS):
                found.setdefault(each.name, []).append(each)
            elif isinstance(each, _INNER) and not isinstance(each, ast.ClassDef):
                todo.append(each)
    return [each[0] for each in found.values() if len(each) == 1]


def _bound(code: types.CodeType) -> set[str]:
    return set(_stores(code))


def _stores(code: types.CodeType) -> Iterator[str]:
    return (each.argval for each in dis.get_instructions(code) if each.opname in ("STORE_NAME", "STORE_GLOBAL"))
