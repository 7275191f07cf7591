"""New definitions in place of old ones, without losing what holds the old ones.

A class that is defined again stays the same class object with new contents, so its live instances have the new
behaviour at once.  A function that is defined again stays the same function object with new code, so callbacks held
elsewhere follow.  Where Python does not allow that (another layout of slots, an Enum, a closure of another size) the
new object takes the name, and what holds the old one keeps it; the image then gets the name in its place, so that
after a resume it is the new one (see `retire`).

Each change returns a function that takes it back: a turn that fails calls it.
"""

from __future__ import annotations

import functools
import types
import weakref
from collections.abc import Callable
from typing import Any

Undo = Callable[[], object]  # takes a change in memory back
Journal = Callable[[Undo], None]  # is called for each change that a turn which fails must take back

# By id: a class may have a hash of its own.
_retired: weakref.WeakValueDictionary[int, Any] = weakref.WeakValueDictionary()

# What belongs to the class object itself and not to its definition.
_FIXED = frozenset(("__dict__", "__weakref__", "__slots__", "__class__"))
_attributes: Any = type.__dict__["__dict__"]  # as Python itself gets them, whatever a metaclass says
_bases: Any = type.__dict__["__bases__"]
_FUNCTION_PARTS = ("__code__", "__defaults__", "__kwdefaults__", "__doc__", "__annotations__", "__type_params__")


def held_by(code: Any) -> Any:
    """The attributes of a class or function, without a call of a metaclass's own code."""
    return _attributes.__get__(code) if issubclass(type(code), type) else vars(code)


class Contents:
    """What a class or a function holds at one moment, to go back to it."""

    def __init__(self, code: Any) -> None:
        self._code = code
        self._held = dict(held_by(code))
        if issubclass(type(code), type):
            self._bases: tuple[type, ...] = _bases.__get__(code)
        else:
            self._parts = {part: getattr(code, part) for part in _FUNCTION_PARTS if hasattr(code, part)}

    def restore(self) -> None:
        if issubclass(type(self._code), type):
            if _bases.__get__(self._code) is not self._bases:
                _bases.__set__(self._code, self._bases)
            _replace_contents(self._code, self._held)
        else:
            _fill_function(self._code, self._parts, self._held)

    def changed(self) -> list[str]:
        """The attributes that are others now; not those that Python itself makes."""
        now = held_by(self._code)
        names = [name for name in {*now, *self._held} if now.get(name, self) is not self._held.get(name, self)]
        return sorted(name for name in names if not name.startswith("__"))


def contents(value: Any) -> Contents | None:
    """The contents of a class or function; None for anything else, and for an Enum, which nobody can change."""
    if type(value) is types.FunctionType or (issubclass(type(value), type) and not _is_enum(value)):
        return Contents(value)
    return None


def update_class(old: type, new: type) -> Undo | None:
    """Give `old` the contents of `new`; None if the two do not fit, and then nothing has changed."""
    if type(old) is not type(new) or _is_enum(old) or vars(old).get("__slots__") != vars(new).get("__slots__"):
        return None
    before = Contents(old)
    try:
        if new.__bases__ != old.__bases__:
            old.__bases__ = new.__bases__
    except TypeError:
        return None
    undo: list[Undo] = [before.restore]
    contents = {name: _update_part(vars(old).get(name), value, undo) for name, value in vars(new).items()}
    _replace_contents(old, contents)
    _point_cells(new, old)
    return lambda: _run_back(undo)


def _update_part(old: Any, new: Any, undo: list[Undo]) -> Any:
    """A method or inner class of a class that is defined again: the old object with the new contents if that can be."""
    if old is new:
        return new
    same_name = getattr(old, "__qualname__", None) == getattr(new, "__qualname__", "")
    inner = isinstance(old, type) and isinstance(new, type) and same_name
    back = update_class(old, new) if inner else update_function(old, new)
    if back is None:
        if same_name:
            retire(old)
        return new
    undo.append(back)
    return old


def _run_back(undo: list[Undo]) -> None:
    for each in reversed(undo):
        each()


def retire(code: Any) -> None:
    """A class or function has lost its name, to a newer one that it could not become or to none; it is stored by it."""
    if isinstance(code, (type, types.FunctionType, functools._lru_cache_wrapper)):
        _retired[id(code)] = code


def is_retired(code: Any) -> bool:
    """Whether this very object was retired."""
    return _retired.get(id(code)) is code


def _replace_contents(cls: type, contents: dict[str, Any]) -> None:
    for name in set(held_by(cls)) - set(contents) - _FIXED:
        type.__delattr__(cls, name)
    for name, value in contents.items():
        if (
            name not in _FIXED
            and not isinstance(value, types.MemberDescriptorType)
            and held_by(cls).get(name) is not value
        ):
            type.__setattr__(cls, name, value)


def _point_cells(new: type, old: type) -> None:
    """Zero-argument `super()` and `__class__` in the new methods mean the class that stays."""
    for value in vars(old).values():
        parts = (
            value,
            getattr(value, "__func__", None),
            *(getattr(value, part, None) for part in ("fget", "fset", "fdel")),
        )
        for function in parts:
            for cell in getattr(function, "__closure__", None) or ():
                try:
                    if cell.cell_contents is new:
                        cell.cell_contents = old
                except ValueError:  # an empty cell
                    continue


def update_function(old: Any, new: Any) -> Undo | None:
    """Give the function `old` the code of `new`; None if the two do not fit."""
    if type(old) is not types.FunctionType or type(new) is not types.FunctionType or old is new:
        return None
    if old.__globals__ is not new.__globals__ or not _fit(old, new):
        return None
    before = Contents(old)
    _fill_function(old, {part: getattr(new, part) for part in before._parts}, new.__dict__)
    return before.restore


def _fit(old: types.FunctionType, new: types.FunctionType) -> bool:
    """Whether one function can have the code of the other: its closure stays, and only that of `super()` may do so."""
    free = old.__code__.co_freevars
    return free == new.__code__.co_freevars and free in ((), ("__class__",)) and old.__qualname__ == new.__qualname__


def _fill_function(function: Any, parts: dict[str, Any], attributes: dict[str, Any]) -> None:
    for part, value in parts.items():
        setattr(function, part, value)
    function.__dict__.clear()
    function.__dict__.update(attributes)


def _is_enum(cls: type) -> bool:
    return type(cls).__module__ == "enum"
