"""Functions of the workspace, to be run beside the turns.

In the workspace a name may stand for a variable that rests in the image, and only the turn thread may wake it.  So a
function that goes to a worker gets a namespace of its own: the workspace's definitions are in it (imports, functions
and classes, run anew there when they are first used), and its variables are not.
"""

from __future__ import annotations

import builtins
import types
from typing import Any

from piety.objects.image import current
from piety.objects.workspace import FILE, NAME


def apart(function: Any) -> Any:
    """What a worker may call in place of `function`; called in a turn."""
    if not isinstance(function, types.FunctionType) or function.__module__ != NAME:
        return function
    sources = {name: (each.source, each.line) for name, each in current().world.workspace.definitions.items()}
    namespace: dict[str, Any] = {"__name__": NAME, "__file__": FILE}
    namespace["__builtins__"] = _Definitions(namespace, sources)
    return types.FunctionType(
        function.__code__, namespace, function.__name__, function.__defaults__, function.__closure__
    )


class _Definitions(dict[str, Any]):
    """The builtins of such a namespace, and behind them the definitions, each run at its first use."""

    def __init__(self, namespace: dict[str, Any], sources: dict[str, tuple[str, int]]) -> None:
        super().__init__(vars(builtins))
        self._namespace = namespace
        self._sources = sources

    def __missing__(self, name: str) -> Any:
        if name not in self._sources:
            raise NameError(
                f"{name!r} is not known on the host: a function that host() calls sees the workspace's definitions, "
                "but no variables; hand over what it needs"
            )
        source, line = self._sources.pop(name)
        exec(_compiled(source, line), self._namespace)
        return self._namespace[name]


def _compiled(source: str, line: int) -> types.CodeType:
    import ast

    return compile(ast.increment_lineno(ast.parse(source), line - 1), FILE, "exec", dont_inherit=True)
