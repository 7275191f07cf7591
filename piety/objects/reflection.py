"""How code sees the names of the workspace that rest: as if they were in its namespace.

Between turns the workspace's namespace is empty, and a name comes at its first touch (see `variables.py`).  Whoever
asks for names in another way than by using one, asks here:

    WorkspaceModule   what `import workspace` gives: `workspace.x`, `del workspace.x`, `dir(workspace)`
    Reflection        `dir`, `exec`, `globals`, `locals` and `vars`, as they are called in the workspace
"""

from __future__ import annotations

import sys
import types
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from piety.objects.variables import MISSING, SYSTEM_NAMES

if TYPE_CHECKING:
    from piety.objects.workspace import Evaluator


class WorkspaceModule(types.ModuleType):
    """What `import workspace` gives; its attributes are the variables and definitions, resting or not."""

    def __getattr__(self, name: str) -> Any:
        evaluator: Evaluator = self.__dict__["__piety__"]
        if name not in SYSTEM_NAMES:
            try:
                value = evaluator.own(name)
            except Exception as error:
                raise AttributeError(f"the definition of {name!r} in the workspace fails: {error}") from error
            if value is not MISSING:
                return value
        raise AttributeError(f"the workspace has no {name!r}")

    def __delattr__(self, name: str) -> None:
        evaluator: Evaluator = self.__dict__["__piety__"]
        evaluator.fetch_to_delete(name)
        super().__delattr__(name)

    def __dir__(self) -> list[str]:
        evaluator: Evaluator = self.__dict__["__piety__"]
        return evaluator.names()

    def find_code(self, name: str) -> Any:
        """The function or class of this name, if its definition has run; see `pickling.is_importable`."""
        evaluator: Evaluator = self.__dict__["__piety__"]
        return evaluator.defined.get(name)


class Reflection:
    """Python's own functions that work on names, told of those that rest in the workspace.

    Each looks at the frame that calls it, so it must be called directly.
    """

    def __init__(self, evaluator: Evaluator) -> None:
        self._evaluator = evaluator

    def functions(self) -> dict[str, Callable[..., Any]]:
        """What takes the place of Python's own, by name."""
        return {
            "dir": self._dir,
            "exec": self._exec,
            "globals": self._globals,
            "locals": self._locals,
            "vars": self._vars,
        }

    def _exec(self, source: Any, /, globals: Any = None, locals: Any = None, **others: Any) -> None:
        frame = sys._getframe(1)
        if locals is None:
            locals = frame.f_locals if globals is None else globals
        if globals is None:
            globals = frame.f_globals
        if isinstance(source, str) and locals is self._evaluator.namespace:
            self._evaluator.run(source)
            return
        if isinstance(source, (str, bytes)):
            source = self._evaluator.compile(source, "<string>", "exec")  # not with the __future__ of this file
        exec(source, globals, locals, **others)

    def _dir(self, *args: Any) -> list[str]:
        if args:
            return dir(*args)
        here = sys._getframe(1).f_locals
        return sorted({*here, *(self._evaluator.names() if here is self._evaluator.namespace else ())})

    def _globals(self) -> dict[str, Any]:
        return self._all(sys._getframe(1).f_globals)

    def _locals(self) -> Any:
        return self._all(sys._getframe(1).f_locals)

    def _vars(self, *args: Any) -> Any:
        return vars(*args) if args else self._all(sys._getframe(1).f_locals)

    def _all(self, here: Any) -> Any:
        if here is self._evaluator.namespace:
            for name in self._evaluator.names():
                if name not in here and (value := self._evaluator.own(name)) is not MISSING:
                    here[name] = value
        return here
