"""What is known of an object without being told: facts, and the words in it.

For any object: its class (`kind`), when it was made and kept, its size, and its public attributes, as far as their
values can be facts.  Properties are not asked.  A class says more with

    def __facts__(self): yield "author", self.author     # further facts
    def __text__(self): return self.body                 # the words, instead of all texts in its attributes

What has a media type is asked by that (`MEDIA`): definitions of Python, titles and links of Markdown, heads of mail.
An extractor that fails leaves the fact `unreadable`, which says why.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import pairwise
from typing import Any

from persistent import Persistent
from persistent.mapping import PersistentMapping

from piety.errors import PietyError
from piety.objects.entries import DERIVED, Entry
from piety.objects.files import File, Folder, Node, by_name
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
            with suppress(PietyError):
                self.facts.append((name, value, key(value)))


def derive(entry: Entry) -> Derived:
    """All facts of an entry, given and derived, but those that the log tells (`changed`, `by`)."""
    obj = entry.object
    facts: list[tuple[str, Any]] = [*entry.facts, ("kind", kind_of(obj))]
    facts.append(("created", datetime.datetime.fromtimestamp(entry.created, datetime.UTC)))
    facts.append(("kept", datetime.datetime.fromtimestamp(entry.kept, datetime.UTC)))
    text = ""
    try:
        text = _text(obj)[:WORDS]
        facts += _own_facts(obj, text)
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
        yield from (("size", len(obj)), ("media", by_name(obj.file or obj.name or "") or "text/plain"))
        if obj.name:
            yield "name", obj.name
    elif isinstance(obj, File):
        yield from (("size", obj.size), ("media", obj.media))
    elif isinstance(obj, Module):
        yield from (("name", obj.name), ("size", len(obj.source.data)), ("media", "text/x-python"))
    if isinstance(obj, Node):
        yield from _of_node(obj)
    elif not isinstance(obj, (Text, Module, Content)):
        yield from _of_attributes(obj)
    if text:
        yield "words", len(text.split())
    own = getattr(type(obj), "__facts__", None)
    if own is not None:
        told = own(obj)
        for name, value in told.items() if isinstance(told, dict) else told:
            yield from ((name.casefold(), each) for each in _several(value))
    if text and (extract := MEDIA.get(_media(obj))) is not None:
        yield from extract(text)


def _media(obj: Any) -> str:
    if isinstance(obj, File):
        return obj.media
    if isinstance(obj, Module):
        return "text/x-python"
    return by_name(obj.file or obj.name or "") or "" if isinstance(obj, Text) else ""


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


# -- by media type


_DEFINED = re.compile(r"^(?:async[ \t]+)?(?:def|class)[ \t]+(\w+)", re.MULTILINE)
_IMPORTED = re.compile(r"^[ \t]*(?:from[ \t]+(\w[\w.]*)[ \t]+import\b|import[ \t]+(\w[\w., \t]*))", re.MULTILINE)


def _python(source: str) -> Pairs:
    """Read line by line: that takes a fiftieth of parsing it, and what is no Python of today tells its names too."""
    yield from (("defines", name) for name in dict.fromkeys(_DEFINED.findall(source)))
    names: dict[str, None] = {}
    for module, modules in _IMPORTED.findall(source):
        names |= dict.fromkeys([module] if module else [each.split()[0] for each in modules.split(",") if each.strip()])
    yield from (("imports", name) for name in names)


def _markdown(source: str) -> Pairs:
    from markdown_it import MarkdownIt

    tokens = MarkdownIt("commonmark").parse(source)
    for token, following in pairwise(tokens):
        if token.type == "heading_open" and token.tag == "h1":
            yield "title", following.content
    for token in tokens:
        for each in token.children or ():
            if each.type == "link_open" and (href := each.attrGet("href")):
                yield "link", href


def _mail(source: str) -> Pairs:
    from email import message_from_string, policy
    from email.utils import getaddresses

    message: Any = message_from_string(source, policy=policy.default)
    for name in ("from", "to", "cc"):
        for _person, address in getaddresses([str(each) for each in message.get_all(name, [])]):
            if address:
                yield {"from": "sender"}.get(name, name), address
    if message["subject"]:
        yield "title", str(message["subject"])
    if (date := message["date"]) is not None and (when := getattr(date, "datetime", None)) is not None:
        yield "date", when


def _rest(source: str) -> Pairs:
    """The first title of reStructuredText: a line over one of its length that is all of one sign."""
    found = re.search(r"^(?P<title>\S.*)\n(?P<sign>[=\-~^*#])(?P=sign){2,}[ \t]*$", source, re.MULTILINE)
    if found is not None:
        yield "title", found["title"].strip()


MEDIA: dict[str, Callable[[str], Pairs]] = {
    "text/x-python": _python, "text/markdown": _markdown, "message/rfc822": _mail, "text/x-rst": _rest,
}  # fmt: skip
