"""What an inspector shows, as plain values: made on the turn thread, in a turn that is undone, and drawn elsewhere.

An object that is looked at has an address: how a person would refer to it, and the steps from there, each the title of
a view and the number of a row in it.  So what is plain can be looked at as well, and what one looks at can be kept, and
is found again as it is then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from piety.browser.brief import TooLong, brief, in_time
from piety.browser.drawing import Drawing, draw, wake
from piety.browser.paging import PAGE
from piety.browser.views import PATIENCE, Actions, Failed, Form, Table, chosen, view_of, views_of
from piety.errors import PietyError
from piety.objects.resolving import resolve

if TYPE_CHECKING:
    from piety.objects.image import Image


class Step(NamedTuple):
    """From an object to one that a view of it shows."""

    title: str
    row: int


class Address(NamedTuple):
    """Where an object is found."""

    ref: str
    steps: tuple[Step, ...] = ()

    def below(self, title: str, row: int) -> Address:
        """The address of what a row of a view stands for."""
        return Address(self.ref, (*self.steps, Step(title, row)))


class Sight(NamedTuple):
    """An object as it is seen: what it is, its views, and one of them."""

    head: str
    titles: tuple[str, ...]
    title: str
    drawing: Drawing
    is_doing: bool = False  # whether the rows are actions, to be done and not opened


def look(image: Image, address: Address, title: str | None, width: int, rows: int = PAGE) -> Sight:
    """What there is to see at an address; of a view that is not there, the first.  Raises `PietyError`."""
    with image.look():
        try:
            obj = in_time(lambda: find(image, address), PATIENCE)
        except TooLong:
            raise PietyError(f"it takes more than {PATIENCE:g} s to get there") from None
        wake(obj)
        views = views_of(obj)
        titles = tuple(each.title for each in views)
        view = chosen(views, title if title in titles else None)
        data = view.make()
        return Sight(brief(obj, width), titles, view.title, draw(data, width, rows), type(data) is Actions)


def find(image: Image, address: Address) -> Any:
    """The object at an address; called in a turn.  Raises `PietyError` if it is not there any more."""
    obj = resolve(image, address.ref, address.ref)
    for step in address.steps:
        obj = opened(view_of(obj, step.title).make(), step.row)
    return obj


def opened(data: Any, row: int) -> Any:
    """What a row of a view stands for.  Raises `PietyError`."""
    kind = type(data)
    try:
        if kind is Form:
            return data.pairs[row][1]
        if kind is Actions:
            return list(data.actions.values())[row]
        if kind is Table:
            place, items = None, []
            while True:
                items, following = data.page(place)
                if row < len(items) or following is None:
                    return data.opens(items[row])
                place, row = following, row - len(items)
    except (IndexError, LookupError):
        raise PietyError("what was there is gone") from None
    raise PietyError(data.why if kind is Failed else "there is nothing to open here")


def act(image: Image, address: Address, source: str) -> Any:
    """Evaluate a source with `self` bound to the object at an address; called in a turn, which counts."""
    return image.run_source(source, self=find(image, address))


def press(image: Image, address: Address) -> Any:
    """Do what an action at an address does; called in a turn, which counts."""
    return find(image, address)()
