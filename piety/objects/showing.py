"""What a person means by a reference, and how an object is shown in full."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from persistent import Persistent
from ZODB.utils import u64

from piety.errors import PietyError
from piety.objects.entries import Entry
from piety.objects.files import File, Folder, Link
from piety.objects.naming import number_of
from piety.objects.takingin import kept_from
from piety.objects.texts import Text
from piety.objects.world import Module

if TYPE_CHECKING:
    from piety.objects.image import Image

LONGEST = 100_000  # characters of a text that are shown


def resolve(image: Image, ref: str, path: str, is_entry: bool = False) -> Any:
    """The object that is meant: 0x1f, a variable, what was kept from a path, or an expression.

    Called in a turn; with `is_entry` a plain object that was kept is given as its entry.  Raises `PietyError`.
    """
    if not ref.startswith("0x") and ref not in image.world.workspace.variables:
        if (node := kept_from(image, path)) is not None:
            return node
        if "/" in ref and not ref.isidentifier():
            raise PietyError(f"{ref!r} is no object, and nothing was kept from there")
    elif not ref.startswith("0x"):
        value = image.run_source(ref)
        if is_entry and not isinstance(value, Persistent):
            raise PietyError(f"{ref} is plain, and told from others by no number; say the one that piety find shows")
        return value
    obj = image.connection.get(number_of(image, ref))
    return obj if is_entry or not isinstance(obj, Entry) else obj.object


def shown(image: Image, ref: str, path: str) -> str:
    """An object: its facts, if it was kept, and its text or its repr.  Raises `PietyError`."""
    obj = resolve(image, ref, path, is_entry=True)
    number = u64(obj._p_oid) if isinstance(obj, Persistent) else None
    lines = []
    if number is not None and image.world.entries is not None and number in image.world.entries:
        facts = facts_of(image, number)
        width = max(map(len, facts))
        lines = [f"{name:{width}}  {', '.join(values)}" for name, values in facts.items()]
        lines.append("")
    value = obj.object if isinstance(obj, Entry) else obj
    return "\n".join([*lines, _content(value)])


def facts_of(image: Image, number: int) -> dict[str, list[str]]:
    """The facts of an entry as they are written, by name."""
    from piety.objects.answering import Answering
    from piety.objects.finding import class_finder, spelled_fact
    from piety.objects.following import as_of_this_turn

    found: dict[str, list[str]] = {}
    index = image.find_index
    with as_of_this_turn(image, index):
        for name, value in Answering(index, class_finder(image)).facts(number):
            found.setdefault(name, []).append(spelled_fact(image, index, name, value))
    return found


def _content(obj: Any) -> str:
    if isinstance(obj, Folder):
        return "\n".join(f"{u64(each._p_oid):#x}  {each!r}" for each in obj) or "nothing lies in it"
    if isinstance(obj, Link):
        return f"it points to {obj.target}"
    if isinstance(obj, File):
        return obj.characters(LONGEST) or f"{obj.size:,} bytes of {obj.media}"
    if isinstance(obj, Text):
        return str(obj)[:LONGEST]
    if isinstance(obj, Module):
        return obj.source.data.decode("utf-8", "replace")[:LONGEST]
    own = getattr(type(obj), "__text__", None)
    return str(own(obj))[:LONGEST] if own is not None else repr(obj)
