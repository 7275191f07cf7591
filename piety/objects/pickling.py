"""How an object becomes the bytes of a record.

ZODB stores each persistent object as two pickles (its class, its state).  This pickler writes them, and adds three
rules of Piety's:

- code (functions, classes, modules) is written as a reference to its module, never by value;
- what cannot be written (a file, a lock, a generator) is *volatile*: a note is written in its place, and the object
  is listed in `volatile`, so that the person can be told (see `lost.py`);
- an exception is written so that it can be made again, whatever its class wants to be called with.

The bytes are ordinary pickles of protocol 3, which ZODB's own tools read.  The standard library's pickler is used,
because ZODB's own has no `reducer_override`, the hook on which the rules above stand.  It calls itself for each object
within another; what is nested too deep for that is written by the pickler of `deep.py`, under the same rules.  How a
record is read is ZODB's, until the code of some object fails: see `forgiving.py`.
"""

from __future__ import annotations

import copyreg
import importlib
import sys
import types
from _pickle import Pickler  # what `pickle` is made of, without the rest of it
from collections.abc import Callable
from io import BytesIO
from typing import Any

from persistent import Persistent
from persistent.wref import WeakRef

from piety.objects.broken import Missing, find
from piety.objects.redefine import is_retired

PROTOCOL = 3  # the newest that ZODB's reader and its `noload` understand

_CODE = (type, types.FunctionType, types.BuiltinFunctionType)
_NAMELESS = (type(None), type(Ellipsis), type(NotImplemented))  # classes that pickle has words of its own for


class Rules:
    """What is written for an object, whichever pickler writes it.

    `reference(obj)` gives the persistent reference of a persistent object; `note(obj)` the `Lost` that stands for a
    volatile one.  `volatile` collects the volatile objects met since it was last cleared.
    """

    memo: Any  # its copy is a dictionary: the id of each object in the record -> its number there, and itself
    has_own_stack = False  # whether a RecursionError can only come from an object's own code

    def __init__(self, file: BytesIO, reference: Callable[[Any], Any], note: Callable[[Any], Any]) -> None:
        super().__init__(file, PROTOCOL)  # type: ignore[call-arg]  # the pickler that it is mixed into
        self.reference = reference
        self._note = note
        self.volatile: list[Any] = []

    def persistent_id(self, obj: Any) -> Any:
        # type(obj), not isinstance: `__class__` may be a property of the user's
        if issubclass(type(obj), (Persistent, WeakRef)):
            return self.reference(obj)
        return None

    def reducer_override(self, obj: Any) -> Any:
        kind = type(obj)
        if kind is Missing:
            return find, (obj.__module__, obj.__name__)
        if issubclass(kind, _CODE):
            if is_bound(obj):
                return obj.__reduce_ex__(PROTOCOL)
            if is_importable(obj) or any(obj is each for each in _NAMELESS):
                return NotImplemented
            return (find, (obj.__module__, obj.__qualname__)) if is_retired(obj) else self._volatile(obj)
        if kind is types.ModuleType or issubclass(kind, types.ModuleType):
            name = getattr(obj, "__name__", "")
            return (importlib.import_module, (name,)) if sys.modules.get(name) is obj else self._volatile(obj)
        try:
            reduced = reduce(obj)
        except Exception as error:  # the object says that it cannot be pickled, or fails while it is asked
            if type(error) is RecursionError and not self.has_own_stack:  # perhaps only for being asked so deep
                raise
            return self._volatile(obj)
        if not isinstance(reduced, tuple) or not 2 <= len(reduced) <= 6 or not callable(reduced[0]):
            if isinstance(reduced, str) and is_importable(obj, reduced):
                return NotImplemented
            return (find, (obj.__module__, obj.__qualname__)) if is_retired(obj) else self._volatile(obj)
        return reduced

    def _volatile(self, obj: Any) -> Any:
        self.volatile.append(obj)
        return self._note(obj).__reduce__()


class RecordPickler(Rules, Pickler):
    """Pickles one record after another into `file`, as deep as Python's own stack allows."""


def reduce(obj: Any) -> Any:
    """What pickle itself would ask an object for, in the same order."""
    kind = type(obj)
    registered = copyreg.dispatch_table.get(kind)
    if registered is not None:
        return registered(obj)
    reduced = obj.__reduce_ex__(PROTOCOL)
    if issubclass(kind, BaseException) and kind.__reduce__ is BaseException.__reduce__:
        # It knows with what it was made, which an `__init__` of the user's may have changed: so do not call that.
        return (copyreg.__newobj__, (kind, *reduced[1]), *reduced[2:])  # type: ignore[attr-defined]
    return reduced


def is_bound(code: Any) -> bool:
    """Whether this is a built-in method of some object, `[].append` say: an object and a name."""
    return type(code) is types.BuiltinFunctionType and not isinstance(code.__self__, (types.ModuleType, type(None)))


def is_importable(code: Any, name: str | None = None) -> bool:
    """Whether a function or class, or what goes by `name` in its module, can be found again there."""
    module = getattr(code, "__module__", None)
    if module is None:  # the type of None, say
        return getattr(type(code), "__module__", "") == "builtins"
    found: Any = sys.modules.get(module)
    finder = getattr(type(found), "find_code", getattr)  # the workspace: look at its definitions, bring no variable in
    for part in (name or code.__qualname__).split("."):
        found = finder(found, part, None) if finder is getattr else finder(found, part)
        finder = getattr
        if found is None:
            return False
    return found is code
