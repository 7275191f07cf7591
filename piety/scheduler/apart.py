"""Code of the workspace, to be run beside the turns.

In the workspace a name may stand for a variable that rests in the image, and only the turn thread may wake it.  So what
a worker is to call is handed over as bytes, and the workspace's code in it is found in a namespace of the worker's own:
the definitions are in it (imports, functions and classes, run anew when they are first used), and the variables are
not.  Modules of the image are shared with the turns, if they are loaded; those that the workspace imports are loaded
for this.  What comes back is handed over in the same way, and its classes are those of the workspace again.

So a function of a module in the image reaches that module's memory beside the turns.  One that assigns its variables is
refused.  What cannot be seen beforehand is not: functions that this one calls, and what is changed inside of an object.

    Call      what is handed over: a function with what it is called with
    Answer    what comes back: a value, or an error
"""

from __future__ import annotations

import ast
import builtins
import dis
import functools
import importlib
import io
import pickle
import sys
import types
from collections.abc import Iterable
from typing import Any

from persistent import Persistent

from piety.errors import PietyError
from piety.objects.image import current
from piety.objects.pickling import reduce
from piety.objects.workspace import FILE, NAME


class Call:
    """A function and its arguments, as bytes; made in a turn.  Raises `PietyError` for what cannot be handed over."""

    def __init__(self, call: tuple[Any, ...]) -> None:
        file = io.BytesIO()
        try:
            _Pickler(file).dump(call)
        except PietyError:
            raise
        except Exception as error:
            raise PietyError(
                f"host({name_of(call[0])}, ...) cannot be handed over: {error}; "
                "give it plain values and a named function"
            ) from error
        self._bytes = file.getvalue()
        _require_no_assignments(call[0])
        definitions = current().world.workspace.definitions
        self._sources = {name: (each.source, each.line) for name, each in definitions.items()}
        self._not_loaded = _load_modules(source for source, _line in self._sources.values())

    def run(self) -> Answer:
        """Call it, in a worker."""
        namespace: dict[str, Any] = {"__name__": NAME, "__file__": FILE}
        namespace["__builtins__"] = definitions = _Definitions(namespace, self._sources)
        try:
            function, args, keywords = _Unpickler(io.BytesIO(self._bytes), definitions).load()
            value, error = function(*args, **keywords), None
        except BaseException as caught:  # SystemExit too: it ends the work, not the worker
            error = self._not_loaded.get(caught.name or "", caught) if isinstance(caught, ImportError) else caught
            value, error.__traceback__ = None, None
        return Answer(value, error)


class Answer:
    """A value or an error, as bytes where that is possible: else it is what it is, and can be used but not kept."""

    def __init__(self, value: Any, error: BaseException | None) -> None:
        self._given = value, error
        self._bytes = b""
        file = io.BytesIO()
        try:
            _AnswerPickler(file).dump(self._given)
        except BaseException:  # its own code
            return
        self._bytes = file.getvalue()

    def take(self) -> tuple[Any, BaseException | None]:
        """The value and the error, in a turn."""
        return pickle.loads(self._bytes) if self._bytes else self._given


class _Pickler(pickle.Pickler):
    def persistent_id(self, obj: Any) -> None:
        if issubclass(type(obj), Persistent):
            raise PietyError(
                f"a persistent {type(obj).__qualname__} cannot be handed to the host, where no turn protects it; "
                "give plain values"
            )


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: io.BytesIO, definitions: _Definitions) -> None:
        super().__init__(file)
        self._definitions = definitions

    def find_class(self, module: str, name: str) -> Any:
        return self._definitions.find(name) if module == NAME else super().find_class(module, name)


class _AnswerPickler(pickle.Pickler):
    def reducer_override(self, obj: Any) -> Any:
        kind = type(obj)
        if issubclass(kind, (type, types.FunctionType)) and obj.__module__ == NAME:
            return _find, (obj.__qualname__,)
        return reduce(obj) if issubclass(kind, BaseException) else NotImplemented


def _find(name: str) -> Any:
    """A function or class of the workspace."""
    found: Any = sys.modules[NAME]
    for part in name.split("."):
        found = getattr(found, part)
    return found


class _Definitions(dict[str, Any]):
    """The builtins of such a namespace, and behind them the definitions, each run at its first use."""

    def __init__(self, namespace: dict[str, Any], sources: dict[str, tuple[str, int]]) -> None:
        super().__init__(vars(builtins))
        self._namespace = namespace
        self._sources = dict(sources)

    def __missing__(self, name: str) -> Any:
        if name not in self._sources:
            raise NameError(
                f"{name!r} is not known on the host: a function that host() calls sees the workspace's definitions, "
                "but no variables; hand over what it needs"
            )
        source, line = self._sources.pop(name)
        # No syntax tree with other line numbers: in Python 3.11 a second thread that makes one may fail (SystemError).
        exec(compile("\n" * (line - 1) + source, FILE, "exec", dont_inherit=True), self._namespace)
        return self._namespace[name]

    def find(self, qualname: str) -> Any:
        """A function or class, perhaps in a class."""
        first, *rest = qualname.split(".")
        found: Any = self._namespace[first] if first in self._namespace else self[first]
        for part in rest:
            found = getattr(found, part)
        return found


def _require_no_assignments(function: Any) -> None:
    """Refuse a function that assigns variables of a module in the image."""
    function = getattr(function, "__func__", function)
    code, module = getattr(function, "__code__", None), getattr(function, "__module__", None)
    if code is None or module is None or module not in current().modules:
        return
    if names := sorted(_assigned(code)):
        raise PietyError(
            f"host({name_of(function)}, ...): it assigns {', '.join(names)} in the module {module}, and only a turn "
            "may do that; let it give back the value"
        )


def _assigned(code: types.CodeType) -> set[str]:
    """The global names that a function, or one in it, assigns or deletes."""
    names = {each.argval for each in dis.get_instructions(code) if each.opname in ("STORE_GLOBAL", "DELETE_GLOBAL")}
    return names.union(*(_assigned(each) for each in code.co_consts if isinstance(each, types.CodeType)))


def _load_modules(sources: Iterable[str]) -> dict[str, BaseException]:
    """Load what these import from the image: a worker finds only modules that are loaded.  Why some are not."""
    modules = current().modules
    failed: dict[str, BaseException] = {}
    for name in {name for source in sources if source.startswith(("import ", "from ")) for name in _imported(source)}:
        if name not in sys.modules and name in modules:
            try:
                importlib.import_module(name)
            except Exception as error:  # if the work needs it, it fails with that
                failed[name] = error
    return failed


@functools.lru_cache(1_000)
def _imported(source: str) -> tuple[str, ...]:
    names = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return tuple(names)


def name_of(function: Any) -> str:
    """How a person would call a function."""
    return str(getattr(function, "__qualname__", type(function).__qualname__))
