"""Views: the ways in which an object may be seen, as data that each front draws.

    class Note(Persistent):
        @view("Words", priority=10)
        def words(self): return Table(["word", "times"], Counter(self.body.split()).most_common())

A method that is marked so gives one of:

    a str or a Text                 characters
    Code(source, "python")          characters of a language
    Form([("title", self.title)])   names and values, each on a line
    Table(columns, rows)            rows of cells, read a page at a time; a cell is any object
    Tree(roots, children)           what lies below each is asked for when it is opened
    Plot({"sold": numbers})         series of numbers; `x` has what they stand over
    Forward(obj, "Items")           what a view of another object gives
    Actions({"Water": self.water})  what can be done with it, by name

The view with the least priority comes first; those that every object has begin at 40 (see `general.py`).  A view is
made when somebody looks at it, and stored nowhere; to make one changes nothing, as it is done in a turn that is undone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import FunctionType
from typing import Any

from piety.browser.brief import TooLong, failure, in_time
from piety.browser.paging import PAGE, Page, page
from piety.errors import PietyError

FIRST = 20  # the priority of a view that says nothing of it
PATIENCE = 2.0  # seconds that a view may take: no turn runs meanwhile
FAR = 10  # forwards of a view to another
DEEP = 3  # levels of a tree that are seen at once

_MARK = "__view__"


def view(title: str, priority: float = FIRST) -> Callable[[Any], Any]:
    """Mark a method as a view of the objects of its class."""
    if type(title) is not str:
        raise PietyError('a view has a title: @view("Items")')

    def mark(method: Any) -> Any:
        if type(method) is not FunctionType:
            raise PietyError(f"@view marks methods of a class, and {method!r} is none")
        setattr(method, _MARK, (title, priority))
        return method

    return mark


class Label(str):
    """A text that stands in a table or a form as it is, and not as Python would write it."""

    __slots__ = ()


class Code:
    """Characters of a language.

    The source is a str or a Text.  A str can be edited if there is `edit`, which gives a Text in its place; `save` is
    called when somebody saves that, and what it gives is told.  `line` is the number of a line to look at, from 0.
    `file` is how what Python calls the source begins, and `first` the number of its first line there: so an error leads
    here.
    """

    def __init__(
        self,
        source: Any,
        language: str = "python",
        edit: Callable[[], Any] | None = None,
        save: Callable[[], object] | None = None,
        line: int | None = None,
        file: str | None = None,
        first: int = 0,
    ) -> None:
        self.source, self.language, self.edit, self.save = source, language, edit, save
        self.line, self.file, self.first = line, file, first


class Form:
    """Names and values, each on a line."""

    def __init__(self, pairs: Iterable[tuple[str, Any]]) -> None:
        self.pairs = list(pairs)


class Table:
    """Rows of cells.

    `rows` is any collection; `cells` gives those of an item, if it is no row itself, and `opens` the object that one
    sees who opens it: without one, the last cell.
    """

    def __init__(
        self,
        columns: Sequence[str],
        rows: Any,
        cells: Callable[[Any], Sequence[Any]] | None = None,
        opens: Callable[[Any], Any] | None = None,
    ) -> None:
        self.columns = list(columns)
        self._rows = rows
        self._cells, self._opens = cells or _as_cells, opens

    def page(self, place: Any = None, count: int = PAGE) -> Page:
        """The items from a place on; see `paging.page`."""
        return page(self._rows, place, count)

    def cells(self, item: Any) -> list[Any]:
        """What stands in the row of an item."""
        return list(self._cells(item))

    def opens(self, item: Any) -> Any:
        """The object that a row stands for."""
        return self.cells(item)[-1] if self._opens is None else self._opens(item)


def _as_cells(item: Any) -> Sequence[Any]:
    return item if type(item) in (tuple, list) else (item,)


class Tree:
    """Objects, and what lies below each."""

    def __init__(self, roots: Any, children: Callable[[Any], Any], told: Callable[[Any], Any] | None = None) -> None:
        self.roots, self.children = roots, children
        self.told = told or (lambda obj: obj)  # what is shown of one

    def walk(self, deep: int = DEEP) -> Iterator[tuple[int, Any]]:
        """Each object with its depth, from the roots on, each before those below it."""
        return self._walk(self.roots, 0, deep)

    def _walk(self, objects: Any, at: int, deep: int) -> Iterator[tuple[int, Any]]:
        for each in objects:
            yield at, each
            if at + 1 < deep:
                yield from self._walk(self.children(each), at + 1, deep)


class Plot:
    """Series of numbers by name; `x` are those that they stand over, their places without it."""

    def __init__(self, series: Mapping[str, Sequence[float]], x: Sequence[float] | None = None) -> None:
        self.series, self.x = dict(series), x


class Forward:
    """What a view of another object gives: the first, or the one of this title."""

    def __init__(self, obj: Any, title: str | None = None) -> None:
        self.obj, self.title = obj, title


class Actions:
    """What can be done with an object, by name."""

    def __init__(self, actions: Mapping[str, Callable[[], Any]]) -> None:
        self.actions = dict(actions)


class BetweenTurns:
    """What an action gives that makes turns of its own, and has to be done between two: `work(image)`.

    What that gives is told.  With a `question` it is done only if that is answered with yes.
    """

    def __init__(self, work: Callable[[Any], Any], label: str, question: str = "") -> None:
        self.work, self.label, self.question = work, label, question


class Picture:
    """An image in a format that others draw: its media type and its bytes."""

    def __init__(self, media: str, data: bytes) -> None:
        self.media, self.data = media, data


class Failed:
    """What stands in the place of a view whose code fails: why."""

    def __init__(self, why: str) -> None:
        self.why = why


class View:
    """One way to see an object; `make` gives the data."""

    def __init__(self, title: str, priority: float, make: Callable[[], Any]) -> None:
        self.title, self.priority, self._make = title, priority, make

    def make(self) -> Any:
        """What is to be drawn; `Failed` if that cannot be made."""
        made: Any = self
        for _ in range(FAR):
            try:
                made = in_time(made._make, PATIENCE)
            except TooLong:
                return Failed(f"the view {self.title!r} takes more than {PATIENCE:g} s")
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # somebody's code
                return Failed(f"the view {self.title!r} fails: {failure(error)}")
            if type(made) is not Forward:
                return made
            try:
                made = view_of(made.obj, made.title)
            except PietyError as error:
                return Failed(str(error))
        return Failed(f"the view {self.title!r} forwards to itself")

    def __repr__(self) -> str:
        return f"<view {self.title!r}>"


def own_views(obj: Any) -> list[View]:
    """The views that the class of an object marks; a subclass that has another method of the name hides one."""
    found: dict[str, View] = {}
    seen: set[str] = set()
    for kind in type.__dict__["__mro__"].__get__(type(obj)):
        for name, method in vars(kind).items():
            if name not in seen and type(method) is FunctionType and (mark := vars(method).get(_MARK)) is not None:
                title, priority = mark
                found.setdefault(title, View(title, priority, _bound(method, obj)))
            seen.add(name)
    return list(found.values())


def _bound(method: Any, obj: Any) -> Callable[[], Any]:
    return lambda: method(obj)


def views_of(obj: Any) -> list[View]:
    """All views of an object, the first one first; its class's own hide general ones of the same title."""
    import piety.browser.tools  # noqa: F401  # the views of Piety's own objects
    from piety.browser.general import general_views

    found = own_views(obj)
    titles = {each.title for each in found}
    found += [each for each in general_views(obj) if each.title not in titles]
    return sorted(found, key=lambda each: each.priority)


def view_of(obj: Any, title: str | None = None) -> View:
    """The first view of an object, or the one whose title begins so, in any case.  Raises `PietyError`."""
    return chosen(views_of(obj), title)


def chosen(views: Sequence[View], title: str | None) -> View:
    """The same among the views of an object."""
    if title is None:
        return views[0]
    wanted = title.casefold()
    alike = [each for each in views if each.title.casefold().startswith(wanted)]
    if not alike:
        raise PietyError(f"there is no view {title!r}; there are {', '.join(each.title for each in views)}")
    return next((each for each in alike if each.title.casefold() == wanted), alike[0])
