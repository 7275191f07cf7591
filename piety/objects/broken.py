"""What stands where a class, a function or a module cannot be found.

A library was removed, a class was renamed, a definition fails: the image opens all the same, and the objects of that
class show as broken.  ZODB's `Broken` keeps an object's state.  The stand-ins here keep more, so that a record that
holds one can be written again because something beside it changed, and all is whole when the class is back:

- the name itself is written, as a call of `find`, and is looked for again whenever the record is read;
- an object remembers how it was made (called, or made bare), and the items of a subclass of list or dict;
- a name inside of a missing name (`Outer.Inner`, a class method) is missing too.
"""

from __future__ import annotations

import copyreg
import importlib
import sys
from collections.abc import Callable
from typing import Any

from ZODB import broken

__all__ = ["Missing", "find", "is_missing", "watching"]


class Missing(type):
    """The class of stand-ins: each stands for what goes by `__name__` in `__module__`."""

    reason = ""  # why it cannot be found

    def __call__(cls, *args: Any) -> Any:
        made: Any = cls.__new__(cls, *args)  # type: ignore[arg-type]
        made.__dict__["__Broken_called__"] = True
        return made

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return stand_in(cls.__module__, f"{cls.__name__}.{name}", cls.reason)

    def __repr__(cls) -> str:
        return f"<missing {cls.__module__}.{cls.__name__}>"


class _Broken(broken.Broken, metaclass=Missing):
    """An object whose class is missing."""

    __Broken_called__ = False

    def __repr__(self) -> str:
        args = ", ".join(map(repr, self.__Broken_newargs__)) if self.__Broken_called__ else ""
        return f"<broken {type(self).__module__}.{type(self).__name__}{f'({args})' if args else ''}>"

    def append(self, item: Any) -> None:
        self.__dict__.setdefault("__Broken_items__", []).append(item)

    def __setitem__(self, key: Any, value: Any) -> None:
        self.__dict__.setdefault("__Broken_pairs__", []).append((key, value))

    def __reduce_ex__(self, _protocol: Any) -> tuple[Any, ...]:
        kind, args = type(self), self.__Broken_newargs__
        made = (kind, args) if self.__Broken_called__ else (copyreg.__newobj__, (kind, *args))  # type: ignore[attr-defined]
        items, pairs = (self.__dict__.get(f"__Broken_{name}__", ()) for name in ("items", "pairs"))
        return *made, self.__Broken_state__, iter(items) if items else None, iter(pairs) if pairs else None


_stand_ins: dict[tuple[str, str], Missing] = {}  # one for each name, as there is one class for each


def stand_in(module: str, name: str, reason: str) -> Missing:
    found = _stand_ins.get((module, name))
    if found is None:
        found = _stand_ins[module, name] = Missing(name, (_Broken,), {"__module__": module})
    found.reason = reason
    return found


def find(module: str, name: str) -> Any:
    """What goes by `name` in a module, perhaps with dots in it; a stand-in if there is none."""
    if (module, name) == ("importlib", "import_module"):
        return _import_module
    try:
        found: Any = sys.modules.get(module) or importlib.import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except (Exception, SystemExit) as error:  # the module may do anything while it is imported
        return stand_in(module, name, f"{type(error).__name__}: {error}")
    return found


def _import_module(name: str) -> Any:
    """A module that an object holds."""
    try:
        return importlib.import_module(name)
    except (Exception, SystemExit) as error:
        return stand_in("importlib", "import_module", f"{type(error).__name__}: {error}")(name)


def is_missing(obj: Any) -> bool:
    """Whether `obj` is a stand-in for a class or function."""
    return type(obj) is Missing


def watching(find_class: Callable[..., Any], missing: set[Any]) -> Callable[..., Any]:
    """A `find_class` that puts every stand-in which a record needs into `missing`."""

    def watch(connection: Any, module: str, name: str) -> Any:
        found = find_class(connection, module, name)
        if is_missing(found):
            missing.add(found)
        elif found is _import_module:
            return lambda name: note(_import_module(name))
        elif (module, name) == (find.__module__, find.__name__):
            return lambda module, name: watch(connection, module, name)
        return found

    def note(made: Any) -> Any:
        if is_missing(type(made)):
            missing.add(type(made))
        return made

    return watch
