"""Reading a record in which the code of some object fails.

An `__init__` that wants another number of arguments, a `__setstate__` that was changed since: pickle gives up the
whole record for one such object.  Here it is read again, slowly, and an `Unread` takes the place of each object that
cannot be made, so that a bad one does not take the others with it.
"""

from __future__ import annotations

import copyreg
import pickle
from collections.abc import Callable
from io import BytesIO
from typing import Any, ClassVar

from ZODB.POSException import POSError

from piety.objects.lost import Lost, Unread

# The unpickler written in Python: the fast one cannot be told what to do with an object that fails.
_Unpickler: Any = pickle._Unpickler


class ForgivingUnpickler(_Unpickler):
    """Unpickles as Python's own does, but for the objects that fail."""

    dispatch: ClassVar[dict[int, Any]] = dict(_Unpickler.dispatch)

    def __init__(self, record: bytes, find_class: Callable[..., Any], persistent_load: Callable[[Any], Any]) -> None:
        super().__init__(BytesIO(record))
        self.find_class = find_class
        self.persistent_load = persistent_load
        self._parts: dict[int, list[Any]] = {}  # id of an object made here -> what `__reduce__` said of it
        self._keep: list[Any] = []  # all of them, so that no id is used twice

    def _make(self, function: Callable[..., Any], args: Any) -> None:
        parts = [function, args, None, None, None]
        try:
            made = function(*args)
        except POSError:
            raise
        except Exception as error:
            made = _unread(parts, error)
        self._keep.append(made)
        self._parts[id(made)] = parts
        self.stack.append(made)

    def load_reduce(self) -> None:
        args, function = self.stack.pop(), self.stack.pop()
        self._make(function, args)

    def load_newobj(self) -> None:
        args, kind = self.stack.pop(), self.stack.pop()
        self._make(copyreg.__newobj__, (kind, *args))  # type: ignore[attr-defined]

    def load_build(self) -> None:
        self._fill(super().load_build, self.stack[-2], 2, self.stack[-1])

    def load_appends(self) -> None:
        self._fill(super().load_appends, self.metastack[-1][-1], 3, self.stack)

    def load_setitems(self) -> None:
        self._fill(super().load_setitems, self.metastack[-1][-1], 4, self.stack)

    def load_append(self) -> None:
        self._fill(super().load_append, self.stack[-2], 3, self.stack[-1:])

    def load_setitem(self) -> None:
        self._fill(super().load_setitem, self.stack[-3], 4, self.stack[-2:])

    def _fill(self, step: Callable[[], None], obj: Any, place: int, given: Any) -> None:
        """Do a step that gives a made object its state or items; what it leaves on the stack is the object."""
        parts = self._parts.get(id(obj))
        if parts is None:  # a plain list or dict
            return step()
        parts[place] = given if place == 2 else [*(parts[place] or ()), *given]
        try:
            step()
        except POSError:
            raise
        except Exception as error:
            if place == 2 and len(self.stack) and self.stack[-1] is given:
                self.stack.pop()
            if type(obj) is not Unread:
                self._keep.append(obj)
                unread = self.stack[-1] = _unread(parts, error)
                self._parts[id(unread)] = parts
                self._keep.append(unread)
                self.memo.update([(number, unread) for number, each in self.memo.items() if each is obj])
        return None


for _name in ("reduce", "newobj", "build", "appends", "setitems", "append", "setitem"):
    ForgivingUnpickler.dispatch[getattr(pickle, _name.upper())[0]] = getattr(ForgivingUnpickler, f"load_{_name}")


def _unread(parts: list[Any], error: Exception) -> Unread:
    made = parts[1][0] if parts[0] is copyreg.__newobj__ else parts[0]  # type: ignore[attr-defined]
    if isinstance(made, Lost):  # its class could not be stored, and was told to be lost
        return Unread(f"an object of what was {made._what}", parts, made._made, made._how)
    name = f"{getattr(made, '__module__', '')}.{getattr(made, '__qualname__', made)}"
    return Unread(f"what {name} had made, which now fails with {type(error).__name__}: {error}", parts)
