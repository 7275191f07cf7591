"""The texts of the image by name: what code finds under the name `texts`."""

from __future__ import annotations

import os
from collections.abc import Iterator, MutableMapping
from typing import Any

from BTrees.OOBTree import OOBTree

from piety.errors import NoText, PietyError
from piety.objects import hostfiles
from piety.objects.changes import never_changes
from piety.objects.image import current
from piety.objects.texts import Text


@never_changes
class Texts(MutableMapping[str, Text]):
    """The texts of the image by name; `texts()` lists them."""

    @property
    def _table(self) -> Any:
        table = current().world.texts
        return {} if table is None else table

    def __getitem__(self, name: str) -> Text:
        try:
            text: Text = self._table[name]
        except KeyError:
            raise NoText(f"there is no text {name!r}; texts() lists those that are") from None
        return text

    def __setitem__(self, name: str, text: Text) -> None:
        if type(name) is not str or not name:
            raise PietyError(f"{name!r} is no name for a text; take a str")
        if not isinstance(text, Text):
            raise PietyError(f"texts[{name!r}] = ...: give it a Text, not a {type(text).__qualname__}")
        if text.name not in (None, name) and self._table.get(text.name) is text:
            raise PietyError(f"this text is called {text.name!r} already; del texts[{text.name!r}] first")
        world = current().world
        if world.texts is None:
            world.texts = OOBTree()
        if (old := world.texts.get(name)) is not None and old is not text:
            old.name = None
        world.texts[name] = text
        text.name = name

    def __delitem__(self, name: str) -> None:
        text = self[name]
        del self._table[name]
        text.name = None

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name in self._table

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._table))

    def __len__(self) -> int:
        return len(self._table)

    def __call__(self) -> Listing:
        """All of them, to look at."""
        return Listing(self)

    def new(self, name: str, string: str = "") -> Text:
        """A new text of this name.  Raises `PietyError` if there is one."""
        if name in self:
            raise PietyError(f"there is a text {name!r} already; take another name, or del texts[{name!r}] first")
        text = Text(string)
        self[name] = text
        return text

    def __repr__(self) -> str:
        return f"<texts: {', '.join(self) or 'none'}>"


class Listing:
    """The texts as a table: name, lines, characters, file."""

    def __init__(self, texts: Texts) -> None:
        self.texts = texts

    def __repr__(self) -> str:
        rows = [
            f"{name:24} {len(text.lines):10,} lines {len(text):14,} characters  {text.file or ''}".rstrip()
            for name, text in self.texts.items()
        ]
        return "\n".join(rows) or "no texts"


texts = Texts()


def open_file(path: str | os.PathLike[str], name: str | None = None) -> Text:
    """The text of a file of the host: the one that was opened before, or a new one, called as the file is.

    One that was opened before, and not edited since, takes what is in the file now.  A file that is not there is made
    when the text is saved.  Raises `PietyError` if it cannot be read.
    """
    place = os.path.abspath(os.path.expanduser(os.fspath(path)))
    for text in texts.values():
        if text.file == place:
            if text.is_saved and hostfiles.stamp(place) not in ((), text._stamp):
                text.reload()
            return text
    text = Text()
    if os.path.lexists(place):
        hostfiles.load(text, place)
    else:
        text.file = place
    texts[name or _free(os.path.basename(place))] = text
    return text


def _free(name: str) -> str:
    if name not in texts:
        return name
    number = 2
    while f"{name} {number}" in texts:
        number += 1
    return f"{name} {number}"
