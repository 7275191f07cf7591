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

from piety.objects.changes import never_changes
from piety.objects.variables import MISSING, SYSTEM_NAMES

if TYPE_CHECKING:
    from piety.objects.workspace import Evaluator


class WorkspaceModule(types.ModuleType):
    """What `import workspace` gives; its attributes are the variables and definitions, resting or not."""

    def __getattr__(self, name: str) -> Any:
        evaluator: Evaluator = self.__dict__["__piety__"]
        if evaluator.is_over and name in evaluator.defined:  # the pickler asks
            return evaluator.defined[name]
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


@never_changes
class Reflection:
    """Python's own functions that work on names, told of those that rest in the workspace.

    Each looks at the frame that calls it, so it must be called directly.  One that is kept in the image is that of the
    workspace again when it is loaded.
    """

    def __init__(self, evaluator: Evaluator) -> None:
        self._evaluator = evaluator

    def __reduce__(self) -> tuple[Any, ...]:
        return of_workspace, ()

    def functions(self) -> dict[str, Callable[..., Any]]:
        """What takes the place of Python's own, by name."""
        return {name: getattr(self, name) for name in ("dir", "exec", "globals", "locals", "vars")}

    def exec(self, source: Any, /, globals: Any = None, locals: Any = None, **others: Any) -> None:
        frame = sys._getframe(1)
        if locals is None:
            locals = frame.f_locals if globals is None else globals
        if globals is None:
            globals = frame.f_globals
        if isinstance(source, str) and globals is locals is self._evaluator.namespace:
            self._evaluator.run(source)
            return
        if isinstance(source, (str, bytes)):
            source = self._evaluator.compile(source, "<string>", "exec")  # not with the __future__ of this file
        exec(source, globals, locals, **others)

    def dir(self, *args: Any) -> list[str]:
        if args:
            return dir(*args)
        here = sys._getframe(1).f_locals
        return sorted({*here, *(self._evaluator.names() if here is self._evaluator.namespace else ())})

    def globals(self) -> dict[str, Any]:
        return self._all(sys._getframe(1).f_globals)

    def locals(self) -> Any:
        return self._all(sys._getframe(1).f_locals)

    def vars(self, *args: Any) -> Any:
        return vars(*args) if args else self._all(sys._getframe(1).f_locals)

    def _all(self, here: Any) -> Any:
        if here is self._evaluator.namespace:
            for name in self._evaluator.names():
                if name not in here and (value := self._evaluator.own(name)) is not MISSING:
                    here[name] = value
        return here


def of_workspace() -> Reflection:
    """The functions of the workspace that is open in this process."""
    from piety.objects.workspace import NAME

    evaluator: Evaluator = sys.modules[NAME].__dict__["__piety__"]
    return evaluator.reflection
