"""How views are drawn where there are only lines: at the shell, in a file, for a screen reader.

    show(obj)                the object, what views it has, and the first of them
    show(obj, "history")     another one
    show(obj, after=50)      the rows of a table from there on

What `show` gives is drawn when it is shown, in a turn that is always undone; so to look at a thing changes nothing.
"""

from __future__ import annotations

import ast
import contextlib
import math
from collections.abc import Iterator
from itertools import islice
from typing import Any, NamedTuple

from persistent import Persistent
from wcwidth import ljust
from wcwidth import width as width_of

from piety.browser.braille import braille
from piety.browser.brief import TooLong, brief, clipped, failure, in_time
from piety.browser.views import (
    PATIENCE,
    Actions,
    Code,
    Failed,
    Form,
    Label,
    Picture,
    Plot,
    Table,
    Tree,
    chosen,
    view_of,
    views_of,
)
from piety.objects.texts import Text

WIDTH = 100  # characters of a line
LINES = 50  # of one view
MOST = 1_000_000  # lines, where no limit is set
CELL = 40  # characters of a cell, where others stand beside it
TALL = 40  # lines of a picture
BARS = " ▁▂▃▄▅▆▇█"


class Drawing(NamedTuple):
    """A view as lines."""

    lines: tuple[str, ...]
    more: str = ""  # what tells of the lines that are not there; nothing if all are
    above: str = ""  # the names of the columns of a table
    rows: int = 0  # so many of the lines stand for objects
    names: tuple[str, ...] = ()  # of the rows, by which they are known when others come and go

    def __str__(self) -> str:
        return "\n".join([*filter(None, [self.above]), *self.lines, *filter(None, [self.more])])


def draw(data: Any, width: int = WIDTH, lines: int = LINES, after: Any = None) -> Drawing:
    """What a view gives, on so many lines at most; never raises."""
    try:
        found: Drawing = in_time(lambda: _drawing(data, width, lines, after), PATIENCE)
    except TooLong:
        return Drawing((clipped(f"it takes more than {PATIENCE:g} s to draw this", width),))
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # somebody's code: what a table asks for
        return Drawing((clipped(f"this cannot be drawn: {failure(error)}", width),))
    return found


def _drawing(data: Any, width: int, lines: int, after: Any) -> Drawing:
    kind = type(data)
    if kind is Form and data.pairs:
        names = tuple(str(name) for name, _value in data.pairs[:lines])
        return _some(_form(data, width), lines)._replace(rows=len(names), names=names)
    if kind is Table:
        return _table(data, width, lines, after)
    if kind is Actions:
        drawing = _some((f"[{clipped(str(name), width - 2)}]" for name in data.actions), lines)
        return drawing._replace(rows=len(drawing.lines), names=tuple(map(str, data.actions)))
    if kind is Tree:
        drawing = _some((f"{'  ' * at}{_cell(data.told(each), width - 2 * at)}" for at, each in data.walk()), lines)
        return drawing._replace(rows=len(drawing.lines))
    if kind is Plot:
        return _some(_plot(data, width), lines)
    if kind is Picture:
        return Drawing(tuple(_picture(data, width, lines)))
    if kind is Code or issubclass(kind, (str, Text)):
        return _characters(data.source if kind is Code else data, width, lines)
    return Drawing((_one_line(data, width),))


def _one_line(data: Any, width: int) -> str:
    if type(data) is Form:
        return "nothing"
    return clipped(data.why, width) if type(data) is Failed else brief(data, width)


def _some(found: Iterator[str], lines: int) -> Drawing:
    some = tuple(islice(found, lines))
    return Drawing(some, "..." if next(found, None) is not None else "")


def _characters(text: Any, width: int, lines: int) -> Drawing:
    """A text; of a large one, no more is read than is shown."""
    if isinstance(text, Text):
        found, left = [str(line) for line in text.lines[:lines]], len(text.lines) - lines
        more = f"... {left:,} more lines" if left > 0 else ""
    else:
        found = text[: (lines + 1) * 10_000].split("\n")
        more = "..." if len(found) > lines else ""
    return Drawing(tuple(clipped(line.rstrip("\r\n").expandtabs(4), width) for line in found[:lines]), more)


def _form(form: Form, width: int) -> Iterator[str]:
    names = [clipped(str(name), CELL) for name, _value in form.pairs]
    wide = max(map(width_of, names))
    for name, (_name, value) in zip(names, form.pairs, strict=True):
        yield f"{ljust(name, wide)}  {_cell(value, width - wide - 2)}".rstrip()


def _cell(value: Any, most: int) -> str:
    """A value in a table or a form."""
    return clipped(value, most) if type(value) is Label else brief(value, max(most, 8))


def row_name(table: Table, item: Any) -> str:
    """By what the row of an item is known: its first cell."""
    return _name(table.cells(item))


def _name(cells: list[Any]) -> str:
    return _cell(cells[0], CELL) if cells else ""


def _table(table: Table, width: int, lines: int, after: Any) -> Drawing:
    items, following = table.page(after, lines)
    if not items:
        return Drawing(("nothing",))
    cells = [[Label(each) for each in table.columns], *(table.cells(item) for item in items)]
    names = tuple(_name(row) for row in cells[1:])
    count = max(map(len, cells))
    columns: list[list[str]] = []
    room = width
    for place in range(count):
        most = room if place == count - 1 else CELL  # the last one has what is left
        column = [_cell(row[place], most) if place < len(row) else "" for row in cells]
        wide = max(map(width_of, column))
        columns.append([ljust(cell, wide) for cell in column])
        room = max(room - wide - 2, CELL)
    above, *rows = (clipped("  ".join(row).rstrip(), width) for row in zip(*columns, strict=True))
    more = "" if following is None else f"... more, from {brief(following, CELL)} on"
    return Drawing(tuple(rows), more, above, len(rows), names)


def _picture(picture: Picture, width: int, lines: int) -> list[str]:
    told = f"a picture, {picture.media}, {len(picture.data):,} bytes"
    try:
        return [told, *braille(picture.data, width, min(lines - 1, TALL))] if lines > 1 else [told]
    except ImportError:  # Pillow is not installed
        return [told]
    except ValueError as error:
        return [told, clipped(f"it cannot be read: {error}", width)]


def _plot(plot: Plot, width: int) -> Iterator[str]:
    """Each series as a row of bars, from its least to its greatest number."""
    wide = max((width_of(str(name)) for name in plot.series), default=0)
    for name, numbers in plot.series.items():
        room = max(width - wide - 30, 10)
        step = max(len(numbers) / room, 1)
        shown = [float(numbers[int(n * step)]) for n in range(min(room, len(numbers)))]
        known = [each for each in shown if math.isfinite(each)]
        if not known:
            yield clipped(f"{ljust(str(name), wide)} no numbers".lstrip(), width)
            continue
        low, high = min(known), max(known)
        bars = "".join(_bar((each - low) / ((high - low) or 1)) for each in shown)
        yield clipped(f"{ljust(str(name), wide)} {bars}  {low:g} ... {high:g}".lstrip(), width)
    if plot.x:
        yield clipped(f"over {brief(plot.x[0])} ... {brief(plot.x[-1])}", width)


def _bar(part: float) -> str:
    """A bar of this part of the height; none for what is no number, or too large to be one."""
    return BARS[1 + int(part * (len(BARS) - 2))] if 0 <= part <= 1 else BARS[0]


class Showing:
    """An object that is to be shown; its repr is what one sees."""

    def __init__(self, obj: Any, title: str | None = None, after: Any = None) -> None:
        self.obj, self.title, self.after = obj, title, after

    def __repr__(self) -> str:
        return drawn(self.obj, self.title, after=self.after)


def show(obj: Any, title: str | None = None, after: Any = None) -> Showing:
    """The views of an object, and one of them: the first, or the one whose title begins so.

    Raises `PietyError` if there is no such view.
    """
    if title is not None:
        view_of(obj, title)  # or it says which there are
    return Showing(obj, title, after)


def place_of(written: str | None) -> Any:
    """A place in a table as somebody has written it: a number, another value of Python, or else a text."""
    if written is None:
        return None
    try:
        return ast.literal_eval(written)
    except (ValueError, SyntaxError):
        return written


def wake(obj: Any) -> None:
    """Load the object that somebody looks at; what hangs on it rests."""
    if issubclass(type(obj), Persistent):
        with contextlib.suppress(Exception):  # its own code fails, or its record is damaged: its views tell why
            obj._p_activate()


def drawn(obj: Any, title: str | None = None, width: int = WIDTH, lines: int = LINES, after: Any = None) -> str:
    """An object as lines: what it is, the titles of its views, and one of them.  Raises `PietyError`."""
    wake(obj)
    views = views_of(obj)
    one = chosen(views, title)
    titles = [f"[{each.title}]" if each is one else each.title for each in views]
    drawing = draw(one.make(), width, lines if lines > 0 else MOST, after)
    return "\n".join([brief(obj, width), clipped("  ".join(titles), 2 * width), "", str(drawing)])
