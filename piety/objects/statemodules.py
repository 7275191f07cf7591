"""Modules whose variables live on in the image.

A module that declares `__state__ = ("counter", "notes")` keeps those variables in the image: running its source gives
them their first values only, and after that they rest and are brought in like variables of the workspace.

    StateModule   the module object: it shows resting variables as its attributes
    State         what a module's namespace needs so that its own code finds them
"""

from __future__ import annotations

import contextlib
import importlib
import sys
import types
from collections.abc import Iterator
from typing import Any

from piety.objects.changes import never_changes
from piety.objects.variables import MISSING, RestingNames, Space

_plain_dict: Any = vars(types.ModuleType)["__dict__"]


class StateModule(types.ModuleType):
    """A module with `__state__`: its variables rest between turns, and come when they are asked for."""

    @property
    def __dict__(self) -> dict[str, Any]:  # type: ignore[override]
        """The namespace with every variable in it, as `vars` and `import *` want it."""
        if state := _state_of(self):
            state.bring_all()
        return namespace_of(self)

    def __getattr__(self, name: str) -> Any:
        state = _state_of(self)
        value = MISSING if state is None else state.bring(name)
        if value is MISSING:
            raise AttributeError(f"module {namespace_of(self)['__name__']!r} has no attribute {name!r}")
        return value

    def __delattr__(self, name: str) -> None:
        if (state := _state_of(self)) and name in (state.space.names or ()):
            state.space.fetch(name)  # though this turn assigned it: deleted is what was brought in and is gone
        super().__delattr__(name)

    def __dir__(self) -> list[str]:
        state = _state_of(self)
        return sorted({*namespace_of(self), *(state.names() if state else ())})


class AskingModule(StateModule):
    """One that has a `__getattr__` of its own, which Python would ask before ours."""

    def __getattribute__(self, name: str) -> Any:
        if state := _state_of(self):
            state.bring(name)
        return super().__getattribute__(name)


def _state_of(module: types.ModuleType) -> State | None:
    return namespace_of(module).get("__piety__")


def namespace_of(module: types.ModuleType) -> dict[str, Any]:
    """A module's namespace as it is; nothing that rests is brought in."""
    namespace: dict[str, Any] = _plain_dict.__get__(module)
    return namespace


@never_changes
class State:
    """The variables of a loaded module, as its own code finds them.

    `eager` are those that must be there as a turn begins: `del` in a function looks nowhere but in the namespace.
    None stands for all of them.
    """

    def __init__(self, module: types.ModuleType, space: Space) -> None:
        self.space = space
        self.eager: frozenset[str] | None = frozenset()
        self._first = False  # the source runs: it sees its own first values only
        self._namespace = namespace_of(module)
        builtins = RestingNames(self.bring)
        builtins["globals"] = self.globals
        self._namespace["__builtins__"] = builtins
        self._namespace["__piety__"] = self

    def __reduce__(self) -> tuple[Any, ...]:
        """The module's `globals` may be kept in the image: it is that of the module again when it is loaded."""
        return state_of, (self.space.module,)

    def bring(self, name: str) -> Any:
        """The value of a resting variable, brought into the namespace; `MISSING` if there is none."""
        if self._first or name not in (self.space.names or ()):
            return MISSING
        return self._namespace[name] if name in self._namespace else self.space.fetch(name)

    def bring_all(self) -> None:
        for name in self.names():
            self.bring(name)

    def bring_eager(self) -> None:
        for name in self.names() if self.eager is None else self.eager:
            self.bring(name)

    def names(self) -> list[str]:
        """The variables that there are, without loading them."""
        return [name for name in self.space.names or () if name in self._namespace or name in self.space.table]

    @contextlib.contextmanager
    def first_values(self) -> Iterator[None]:
        """Let the source give its variables their first values; those that have values already keep them."""
        held = self.space.present()
        deleted = self.space.brought() - set(held)
        for name in held:
            del self._namespace[name]
        self._first = True
        try:
            yield
        finally:
            self._first = False
            for name in self.names():
                if name in self.space.table and name not in deleted:
                    self._namespace.pop(name, None)
            self._namespace.update(held)

    def learn(self, code: types.CodeType, module: types.ModuleType) -> None:
        """See what the code that has run needs: which variables its functions delete, how attributes are asked for."""
        if self.eager is not None:
            self.eager = frozenset(_deleted(code)) & (self.space.names or frozenset())
        self.bring_eager()
        if "__getattr__" in self._namespace:
            module.__class__ = AskingModule

    def globals(self) -> dict[str, Any]:
        """`globals()` with every variable in it."""
        namespace = sys._getframe(1).f_globals
        if namespace is self._namespace:
            self.bring_all()
        return namespace


def state_of(name: str) -> State | None:
    """The state of a module of the image, which is imported if need be."""
    return _state_of(importlib.import_module(name))


def _deleted(code: types.CodeType) -> Iterator[str]:
    """The global names that some function in this code deletes."""
    import dis

    if dis.opmap["DELETE_GLOBAL"] in code.co_code[::2]:
        yield from (each.argval for each in dis.get_instructions(code) if each.opname == "DELETE_GLOBAL")
    for each in code.co_consts:
        if isinstance(each, types.CodeType):
            yield from _deleted(each)
