"""How a person is told of an object that is known by its record only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ZODB.utils import u64

from piety.errors import PietyError
from piety.objects.variables import MISSING, Group
from piety.objects.world import Definition

if TYPE_CHECKING:
    from piety.objects.image import Image


def described(image: Image, oid: bytes, record: bytes) -> str:
    """The kind of an object and its name, if it has one; else its number.  Nothing of it is loaded."""
    number = f"{u64(oid):#x}"
    try:
        kind, state = image.connection.take_apart(record, image.find_class)
    except Exception:  # damaged bytes, or code of the object's own that fails
        return f"object {number}"
    kind = kind[0] if type(kind) is tuple else kind
    if kind is Group:
        return "variable " + ", ".join(name.removeprefix("workspace.") for name in state["values"])
    if kind is Definition:
        return f"definition {state['source'].strip().partition(chr(10))[0][:60]!r}"
    name = state.get("name") if type(state) is dict else None
    return f"{kind.__name__} {name!r}" if type(name) is str else f"{kind.__name__} {number}"


def number_of(image: Image, ref: str) -> bytes:
    """The number of the object that a person means: 0x1f, the name of a variable, or an expression that gives it.

    Called in a turn.  Raises `PietyError` if there is no such object, or it is plain.
    """
    if ref.startswith("0x"):
        try:
            oid = int(ref, 16).to_bytes(8, "big")
        except (ValueError, OverflowError):
            oid = b""
        if not image.storage.has(oid):
            raise PietyError(f"there is no object {ref}")
        return oid
    if (group := image.world.workspace.variables.get(ref)) is not None:
        oid = group._p_oid
        value = image.peek(ref)
        value = group.values.get(f"workspace.{ref}") if value is MISSING else value
    else:
        try:
            value = image.run_source(ref)
        except Exception as error:
            raise PietyError(f"{ref!r} gives no object ({type(error).__name__}: {error})") from error
        oid = b""
    found: Any = getattr(value, "_p_oid", None)
    oid = found if type(found) is bytes else oid
    if not oid:
        raise PietyError(f"{ref!r} is a plain {type(value).__qualname__}, which has no history of its own")
    return bytes(oid)
