"""What an inspector shows, as plain values: made on the turn thread, in a turn that is undone, and drawn elsewhere.

An object that is looked at has an address: how a person would refer to it, and the steps from there, each the title of
a view and the number of a row in it.  So what is plain can be looked at as well, and what one looks at can be kept, and
is found again as it is then.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from persistent import Persistent
from ZODB.utils import u64

from piety.browser.brief import TooLong, brief, failure, in_time
from piety.browser.drawing import Drawing, draw, row_name, wake
from piety.browser.highlight import language_of
from piety.browser.sheet import Window, Writer, window_of
from piety.browser.views import PATIENCE, Actions, Code, Failed, Form, Table, Tree, chosen, view_of, views_of
from piety.errors import PietyError
from piety.objects import rope
from piety.objects.edits import Place
from piety.objects.reading import Reading
from piety.objects.resolving import resolve
from piety.objects.revisions import history
from piety.objects.shown import RESULT
from piety.objects.texts import Text
from piety.objects.variables import MISSING

if TYPE_CHECKING:
    from piety.objects.image import Image


FAR = 1_000  # rows among which one is looked for that has another number by now
LONGEST = 1_000_000  # characters of a str that are shown; a text has no such limit


class Step(NamedTuple):
    """From an object to one that a view of it shows."""

    title: str
    row: int
    name: str | None = None  # of the row, if it has one: when others come and go, it has another number


class Address(NamedTuple):
    """Where an object is found."""

    ref: str
    steps: tuple[Step, ...] = ()

    def below(self, title: str, row: int, name: str | None = None) -> Address:
        """The address of what a row of a view stands for."""
        return Address(self.ref, (*self.steps, Step(title, row, name)))


class Sight(NamedTuple):
    """An object as it is seen: what it is, its views, and one of them: rows, or characters in a window."""

    head: str
    titles: tuple[str, ...]
    title: str
    drawing: Drawing
    is_doing: bool = False  # whether the rows are actions, to be done and not opened
    window: Window | None = None
    language: str = ""
    is_editable: bool = False
    line: int | None = None  # which is to be seen first


class Around(NamedTuple):
    """The part of a text that is to be seen: around a place, or a line."""

    place: Place = 0
    line: int | None = None
    known: int = 0  # how much of what others have done to it is known: see `sheet.py`
    is_first: bool = False  # whether the line that a `Code` names is to be seen instead


def look(
    image: Image,
    address: Address,
    title: str | None,
    width: int,
    rows: int,
    writer: Writer,
    around: Around,
) -> Sight:
    """What there is to see at an address; of a view that is not there, the first.  Raises `PietyError`."""
    with image.look():
        try:
            obj = in_time(lambda: find(image, address), PATIENCE)
        except TooLong:
            raise PietyError(f"it takes more than {PATIENCE:g} s to get there") from None
        sight = sight_of(obj, title, width, rows, writer, around)
        if address.steps and address.steps[-1].title == "History":
            return sight._replace(head=f"{address.steps[-1].row} changes ago: {sight.head}")
        return sight


def sight_of(obj: Any, title: str | None, width: int, rows: int, writer: Writer, around: Around) -> Sight:
    """The same of an object; called in a turn that is undone."""
    wake(obj)
    views = views_of(obj)
    titles = tuple(each.title for each in views)
    view = chosen(views, title if title in titles else None)
    data = view.make()
    sight = Sight(brief(obj, width), titles, view.title, Drawing(()), type(data) is Actions)
    if (characters := characters_of(data)) is None:
        return sight._replace(drawing=draw(data, width, rows))
    line = data.line if type(data) is Code else None
    return sight._replace(
        window=_window(characters, writer, around if line is None or not around.is_first else Around(line=line)),
        language=_language(data),
        is_editable=_is_editable(data),
        line=line,
    )


def characters_of(data: Any) -> Reading | str | None:
    """The characters of a view, if that is what it gives: of a str that is very long, the first of them."""
    if type(data) is Code:
        data = data.source
    if issubclass(type(data), str):
        return str.__getitem__(data, slice(LONGEST))
    return data if issubclass(type(data), Reading) else None


def _window(text: Reading | str, writer: Writer, around: Around) -> Window:
    characters = text.rope if isinstance(text, Reading) else rope.build([text])
    place = around.place if around.line is None else rope.start_of_line(characters, around.line)
    if isinstance(text, Text):
        return writer.window(text, place, around.known)
    return window_of(characters, place)._replace(epoch=writer.epoch)


def _language(data: Any) -> str:
    if type(data) is Code:
        return data.language
    if isinstance(data, Text):
        return language_of(data.file or data.name or "")
    return ""


def _is_editable(data: Any) -> bool:
    return isinstance(data, Text) or (type(data) is Code and (isinstance(data.source, Text) or data.edit is not None))


def find(image: Image, address: Address) -> Any:
    """The object at an address; called in a turn.  Raises `PietyError` if it is not there any more."""
    if address.ref.startswith(RESULT):
        obj = image.result(address.ref)
        if obj is MISSING:
            raise PietyError("what this gave was not kept; evaluate it again")
    else:
        obj = resolve(image, address.ref, address.ref)
    for step in address.steps:
        try:
            obj = opened(view_of(obj, step.title).make(), step.row, step.name)
        except PietyError:
            raise
        except Exception as error:  # somebody's code: what a table asks for
            raise PietyError(f"it cannot be opened: {failure(error)}") from error
    return obj


def view_at(image: Image, address: Address, title: str) -> Any:
    """What a view of the object at an address gives; called in a turn."""
    return view_of(find(image, address), title).make()


def text_at(image: Image, address: Address, title: str) -> Text:
    """The text that a view shows, to be edited; called in a turn that counts.  Raises `PietyError` if it cannot be."""
    data = view_at(image, address, title)
    if type(data) is Code:
        data = data.edit() if data.edit is not None and not isinstance(data.source, Text) else data.source
    if isinstance(data, Text):
        return data
    raise PietyError("this cannot be edited")


def opened(data: Any, row: int, name: str | None = None) -> Any:
    """What a row of a view stands for; the row of this name, if it is another one by now.  Raises `PietyError`."""
    kind = type(data)
    try:
        if kind is Form:
            return _named(data.pairs, row, name)[1]
        if kind is Actions:
            return _named(list(data.actions.items()), row, name)[1]
        if kind is Tree:
            return next(islice(data.walk(), row, None))[1]
        if kind is Table:
            return data.opens(_item(data, row, name))
    except (IndexError, LookupError, StopIteration):
        raise PietyError("what was there is gone") from None
    raise PietyError(data.why if kind is Failed else "there is nothing to open here")


def _named(pairs: list[tuple[str, Any]], row: int, name: str | None) -> tuple[str, Any]:
    if name is None or (row < len(pairs) and str(pairs[row][0]) == name):
        return pairs[row]
    return next(pair for pair in pairs if str(pair[0]) == name)


def _item(table: Table, row: int, name: str | None) -> Any:
    """The item of a row; if that has another name by now, the nearest one of that name."""
    items = list(islice(_items(table), row, row + 1))
    if name is None or (items and row_name(table, items[0]) == name):
        return items[0]
    some = enumerate(islice(_items(table), max(FAR, 2 * row)))
    alike = [(abs(at - row), at, item) for at, item in some if row_name(table, item) == name]
    if not alike:
        raise LookupError
    return min(alike, key=lambda each: each[:2])[2]


def _items(table: Table) -> Iterator[Any]:
    items, place = table.page()
    yield from items
    while place is not None:
        items, place = table.page(place)
        yield from items


def act(image: Image, address: Address, source: str) -> Any:
    """Evaluate a source with `self` bound to the object at an address; called in a turn, which counts.

    If that object is gone meanwhile, only a source that names it fails.
    """
    try:
        bound = {"self": find(image, address)}
    except PietyError:
        if re.search(r"\bself\b", source):
            raise
        bound = {}
    return image.run_source(source, **bound)


def press(image: Image, address: Address) -> Any:
    """Do what an action at an address does; called in a turn, which counts."""
    return find(image, address)()


def address_of(image: Image, value: Any, source: str = "") -> Address:
    """Where a value is found from now on; called in the turn that has it."""
    if source.strip() in image.world.workspace.variables:
        return Address(source.strip())
    if isinstance(value, Persistent) and isinstance(value._p_oid, bytes):
        return Address(f"{u64(value._p_oid):#x}")
    return Address(image.keep_result(value))


def reference_of(image: Image, address: Address) -> str:
    """How one refers to the object at an address, from anywhere.  Raises `PietyError` if it is plain."""
    if not address.steps and not address.ref.startswith(RESULT):
        return address.ref
    with image.look():
        obj = find(image, address)
        if isinstance(obj, Persistent) and isinstance(obj._p_oid, bytes):
            return f"{u64(obj._p_oid):#x}"
    raise PietyError("this is plain, and told from others by no number; n gives it a name")


def moments_of(image: Image, address: Address) -> int:
    """How many changes of an object are known.  Raises `PietyError` if it has no history of its own."""
    with image.look():
        return len(history(find(image, address)))


def turn_of_change(image: Image, address: Address, at: int) -> bytes:
    """The number of the turn that has changed an object, so many changes ago; called in a turn.

    Raises `PietyError` if there is none.
    """
    found = history(find(image, address))
    if at >= len(found):
        raise PietyError("it has no earlier state")
    return found[at].tid
