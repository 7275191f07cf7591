"""What is known of an object without being told: facts, and the words in it.

For any object: its class (`kind`), when it was made and kept, its size, and its public attributes, as far as their
values can be facts.  Properties are not asked.  A class says more with

    def __facts__(self): yield "author", self.author     # further facts
    def __text__(self): return self.body                 # the words, instead of all texts in its attributes

What has a media type is asked by that (`mediafacts.py`).  And userland has its own extractors, for a class or a media
type; each is a function of the object, which stays in the image with its name:

    extract(Note, function)    extract("text/x-recipe", function)    extract(Note, None)

One that fails leaves the fact `unreadable`, which says why.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import FunctionType
from typing import Any

from persistent import Persistent
from persistent.mapping import PersistentMapping

from piety.errors import PietyError
from piety.objects.entries import DERIVED, Entry
from piety.objects.files import File, Folder, Node, by_name
from piety.objects.image import current
from piety.objects.mediafacts import by_media
from piety.objects.texts import Text
from piety.objects.values import Key, key
from piety.objects.world import Content, Module

VERSION = 1  # of what is derived; an index that was made with another is made anew
WORDS = 1_000_000  # characters of an object in which words are found
MANY = 100  # values of one attribute
SHORT = 100  # characters of an attribute that is a fact; longer ones are found by their words
DEEP = 4  # containers within each other in which texts are looked for

Pairs = Iterator[tuple[str, Any]]


class Derived:
    """What is known of an object: facts (name, value and key), and the text in which words are found."""

    def __init__(self, facts: Iterable[tuple[str, Any]], text: str) -> None:
        self.facts: list[tuple[str, Any, Key]] = []
        self.text = text
        self.add(facts)

    def add(self, facts: Iterable[tuple[str, Any]]) -> None:
        """Add pairs of name and value, as far as the value can be that of a fact."""
        for name, value in facts:
            try:
                known = key(value)
            except PietyError:
                continue  # it stays an attribute of the object
            self.facts.append((name, value, known))


Extractors = tuple[tuple[Any, Callable[[Any], Any]], ...]  # a class or a media type, and the function


def derive(entry: Entry, extractors: Extractors = ()) -> Derived:
    """All facts of an entry, given and derived, but those that the log tells (`changed`, `by`)."""
    obj = entry.object
    facts: list[tuple[str, Any]] = [*entry.facts, ("kind", kind_of(obj))]
    facts.append(("created", datetime.datetime.fromtimestamp(entry.created, datetime.UTC)))
    facts.append(("kept", datetime.datetime.fromtimestamp(entry.kept, datetime.UTC)))
    text = ""
    try:
        text = _text(obj)[:WORDS]
        facts += _own_facts(obj, text)
        for function in extractors_of(obj, extractors):
            facts += _told(function(obj))
    except Exception as error:  # what the object's own code raises
        facts.append(("unreadable", f"{type(error).__name__}: {error}"[:200]))
    return Derived(facts, text)


def kind_of(obj: Any) -> str:
    """The full name of an object's class."""
    kind = type(obj)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _text(obj: Any) -> str:
    own = getattr(type(obj), "__text__", None)
    if own is not None:
        return str(own(obj))
    if isinstance(obj, Text):
        return str(obj)
    if isinstance(obj, File):
        return obj.characters(WORDS)
    if isinstance(obj, Module):
        return obj.source.data.decode("utf-8", "replace")
    if isinstance(obj, Node):
        return obj.name
    return "\n".join(_strings(_attributes(obj) if isinstance(obj, Persistent) else obj, DEEP))


def _strings(value: Any, depth: int) -> Iterator[str]:
    """The texts in plain objects."""
    if isinstance(value, str):
        yield value
    elif depth and isinstance(value, Mapping) and type(value).__module__ == "builtins":
        for each in value.values():
            yield from _strings(each, depth - 1)
    elif depth and type(value) in (list, tuple, set, frozenset):
        for each in value:
            yield from _strings(each, depth - 1)
    elif depth and not isinstance(value, (Persistent, type)) and isinstance(getattr(value, "__dict__", None), dict):
        for each in vars(value).values():
            yield from _strings(each, depth - 1)


def _attributes(obj: Any) -> dict[str, Any]:
    """What hangs on an object under public names."""
    if isinstance(obj, Persistent):
        obj._p_activate()
    found = obj.data if isinstance(obj, PersistentMapping) else obj
    if not isinstance(found, dict):
        found = getattr(found, "__dict__", {})
    return {name: value for name, value in found.items() if type(name) is str and not name.startswith("_")}


def _own_facts(obj: Any, text: str) -> Pairs:
    if isinstance(obj, Text):
        yield "size", len(obj)
        if obj.name:
            yield "name", obj.name
    elif isinstance(obj, File):
        yield "size", obj.size
    elif isinstance(obj, Module):
        yield from (("name", obj.name), ("size", len(obj.source.data)))
    if isinstance(obj, Node):
        yield from _of_node(obj)
    elif not isinstance(obj, (Text, Module, Content)):
        yield from _of_attributes(obj)
    if text:
        yield "words", len(text.split())
    own = getattr(type(obj), "__facts__", None)
    if own is not None:
        yield from _told(own(obj))
    media = media_of(obj)
    if media:
        yield "media", media
        yield from by_media(media, text, obj.parts() if isinstance(obj, File) else ())


def _told(facts: Any) -> Pairs:
    """What somebody's own code tells: pairs, or a dictionary."""
    for name, value in () if facts is None else facts.items() if isinstance(facts, dict) else facts:
        yield from ((str(name).casefold(), each) for each in _several(value))


def extract(what: Any, function: Callable[[Any], Any] | None) -> None:
    """Have a function tell further facts of the entries of a class, or of a media type; None ends that.

    It gives pairs of name and value, or a dictionary.  Raises `PietyError` for what cannot be kept.
    """
    if not isinstance(what, (type, str)):
        raise PietyError(f"extract({what!r}, ...): say a class or a media type")
    if function is not None and not isinstance(function, FunctionType):
        raise PietyError(f"extract(..., {function!r}): give it a function with a name")
    world = current().world
    others = tuple(pair for pair in world.extractors if pair[0] != what)
    world.extractors = others if function is None else (*others, (what, function))


def extractors_of(obj: Any, extractors: Extractors) -> Iterator[Callable[[Any], Any]]:
    """The functions that tell something of an object."""
    for what, function in extractors:
        if isinstance(obj, what) if isinstance(what, type) else what == media_of(obj):
            yield function


def media_of(obj: Any) -> str:
    """The media type of what is a file, or could be one; "" if it is none."""
    if isinstance(obj, File):
        return obj.media
    if isinstance(obj, Module):
        return "text/x-python"
    return by_name(obj.file or obj.name or "") or "text/plain" if isinstance(obj, Text) else ""


def _of_node(node: Node) -> Pairs:
    yield "name", node.name
    if not isinstance(node, Folder) and "." in node.name[1:]:
        yield "suffix", node.name.rpartition(".")[2]
    if node.folder is not None:
        yield "folder", node.folder
    yield "modified", datetime.datetime.fromtimestamp(node.mtime / 1e9, datetime.UTC)


def _of_attributes(obj: Any) -> Pairs:
    for name, value in _attributes(obj).items():
        if name.isidentifier() and (folded := name.casefold()) not in DERIVED:
            yield from ((folded, each) for each in _several(value) if type(each) is not str or len(each) <= SHORT)


def _several(value: Any) -> Iterable[Any]:
    if type(value) in (set, frozenset, list, tuple):
        return value if len(value) <= MANY else ()
    return (value,)
