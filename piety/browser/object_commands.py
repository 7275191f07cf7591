"""What can be done with the objects that are shown: go into them, look at them otherwise, change them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from piety.browser.commands import ROWS, built_in
from piety.browser.inspecting import Address, find, moments_of, press, reference_of, turn_of_change
from piety.browser.views import BetweenTurns
from piety.errors import PietyError
from piety.objects.revisions import diff, revert

YES = ("y", "yes")

if TYPE_CHECKING:
    from piety.browser.columns import Column
    from piety.browser.desktop import Desktop
    from piety.browser.rows import Rows
    from piety.objects.image import Image


# -- going from one to another


@built_in("Open", "enter right", ROWS)
async def open_row(desk: Desktop) -> None:
    """Open what the row stands for as the next column; of an action, do it."""
    column, address = desk.column, desk.column.below
    if address is None or column.sight is None:
        return
    if column.sight.is_doing:
        _press(desk, column, address, str(address.steps[-1].name))
    else:
        await desk.open_column(address, column)


def _press(desk: Desktop, column: Column, address: Address, name: str) -> None:
    image = desk.system.image
    later: list[BetweenTurns] = []

    def work() -> Any:
        value = press(image, address)
        if isinstance(value, BetweenTurns):
            later.append(value)
            return None
        return value

    def finish(outcome: Any) -> None:
        if outcome.error is None and later:
            desk.soon(_between(desk, later[0]))

    desk.work(work, f"press {name}", column, then=finish)


async def _between(desk: Desktop, doing: BetweenTurns) -> None:
    if doing.question and (await desk.line.ask(f"{doing.question}? y or n: ") or "").strip().lower() not in YES:
        return
    try:
        said = await desk.call(doing.work, doing.label)
    except PietyError as error:
        said = str(error)
    desk.say("" if said is None else str(said))
    desk.follow()


@built_in("Back", "rows:left rows:backspace alt+left")
def back(desk: Desktop) -> None:
    """Go to the column on the left, and close those on the right of it."""
    pane = desk.pane
    at = pane.columns.index(desk.column)
    if at:
        pane.ahead += [column.shown for column in reversed(pane.columns[at:])]
        desk.close_columns(pane, at)
        desk.go_to_column(pane.columns[-1])


@built_in("Forward", "alt+right")
async def forward(desk: Desktop) -> None:
    """Go again where one has come back from."""
    pane = desk.pane
    if pane.ahead:
        ahead = pane.ahead
        await desk.add_column(pane, ahead.pop())
        pane.ahead = ahead


@built_in("Away", "escape")
def away(desk: Desktop) -> None:
    """Leave the line, or the column for the one on the left of it; nothing is closed."""
    if desk.line.cancel():
        return
    if desk.line.is_entered:
        desk.line.leave()
    elif desk.pane.columns.index(desk.column):
        desk.go_to_column(desk.pane.columns[desk.pane.columns.index(desk.column) - 1])


@built_in("Column on the right", "ctrl+w.tab")
def next_column(desk: Desktop) -> None:
    """Go to the next column of the pane, without changing any."""
    columns = desk.pane.columns
    desk.go_to_column(columns[(columns.index(desk.column) + 1) % len(columns)])


def _moving(name: str, key: str, to: Callable[[Rows], int], told: str) -> None:
    def move(desk: Desktop) -> None:
        desk.column.table.choose(to(desk.column.table))

    move.__doc__ = told
    built_in(name, key, ROWS)(move)


_moving("Row above", "up k", lambda rows: rows.at - 1, "Choose the row above.")
_moving("Row below", "down j", lambda rows: rows.at + 1, "Choose the row below.")
_moving("First row", "home g", lambda rows: 0, "Choose the first row.")
_moving(
    "Last row",
    "end G",
    lambda rows: len(rows.lines),
    "Choose the last row that is shown; at the end of them come more.",
)
_moving("Page of rows above", "pageup", lambda rows: rows.at - rows.page, "Choose a row a page above.")
_moving("Page of rows below", "pagedown", lambda rows: rows.at + rows.page, "Choose a row a page below.")


# -- looking otherwise


@built_in("Next view", "rows:tab ctrl+n")
def next_view(desk: Desktop) -> None:
    """Show the next view of the object."""
    _turn(desk, 1)


@built_in("View before", "rows:shift+tab ctrl+b")
def view_before(desk: Desktop) -> None:
    """Show the view before this one."""
    _turn(desk, -1)


def _turn(desk: Desktop, by: int) -> None:
    column = desk.column
    if column.sight is not None and column.sight.titles:
        titles = column.sight.titles
        now = column.wanted if column.wanted in titles else column.sight.title
        desk.show_view(column, titles[(titles.index(now) + by) % len(titles)])


@built_in("Who points here", "p", ROWS)
def who_points_here(desk: Desktop) -> None:
    """Show which objects refer to this one."""
    desk.show_view(desk.column, "Referred by")


@built_in("Freeze", "f", ROWS)
def freeze(desk: Desktop) -> None:
    """Ask nothing anew when something changes, or do so again."""
    desk.is_frozen = not desk.is_frozen
    if not desk.is_frozen:
        desk.follow()


# -- working with it


@built_in("Evaluate", "rows:: ctrl+e")
def evaluate(desk: Desktop) -> None:
    """Write something to be evaluated, with `self` bound to the object of the column."""
    desk.line.write()


@built_in("Edit", "e", ROWS)
def edit(desk: Desktop) -> None:
    """Give the attribute that is chosen another value, by an expression."""
    sight, row = desk.column.sight, desk.column.chosen
    if sight is not None and row is not None and sight.title == "Attributes":
        name, line = sight.drawing.names[row], sight.drawing.lines[row]
        is_whole = line.startswith(f"{name} ") and not line.endswith("...") and "<" not in line  # and can be read
        desk.line.write(f"self.{name} = {line.removeprefix(name).strip() if is_whole else ''}")


@built_in("Actions", "a", ROWS)
async def actions(desk: Desktop) -> None:
    """Show what can be done with what the row stands for."""
    column, address = desk.column, desk.column.below
    if address is None or column.sight is None or column.sight.is_doing:
        desk.show_view(column, "Actions")
    else:
        await desk.open_column(address, column, "Actions")


@built_in("Name it", "n", ROWS)
async def name_it(desk: Desktop) -> None:
    """Give the object of the column a name: a variable that has it."""
    column = desk.column
    name = await desk.line.ask("name: ")
    if name and name.strip():
        if not name.strip().isidentifier():
            raise PietyError(f"{name!r} is no name; take letters, digits and _")
        desk.work(lambda: _name(desk.system.image, column.address, name.strip()), f"name {name.strip()}", column)


def _name(image: Image, address: Address, name: str) -> None:
    image.run_source(f"globals()[{name!r}] = _object_", _object_=find(image, address))


@built_in("Copy its reference", "c", ROWS)
async def copy_reference(desk: Desktop) -> None:
    """Copy how one refers to the object of the column; the next column and the shell take it."""
    column = desk.column
    ref = await desk.call(lambda image: reference_of(image, column.address), "a look")
    desk.copy_to_clipboard(ref)
    desk.say(f"copied: {ref}")


# -- through time


@built_in("Earlier", "<", ROWS)
async def earlier(desk: Desktop) -> None:
    """Show the object of the column as it was before its last change; again, as it was before that."""
    await _slide(desk, 1)


@built_in("Later", ">", ROWS)
async def later(desk: Desktop) -> None:
    """Show it as it was after the next change; at last, as it is now."""
    await _slide(desk, -1)


async def _slide(desk: Desktop, by: int) -> None:
    column = desk.column
    now, at = _present(column.address)
    count = await desk.call(lambda image: moments_of(image, now), "a look")
    to = max(min(at + by, count - 1), 0)
    if to == at:
        desk.say("this is how it is now" if by < 0 else "this is the oldest that is known")
        return
    desk.show_at(column, now if to == 0 else now.below("History", to), column.wanted)
    desk.say(f"change {count - to} of {count}; = shows what is different now, R brings it back" if to else "now")


def _present(address: Address) -> tuple[Address, int]:
    """The address of the object of now, and how many changes before that one stands."""
    if address.steps and address.steps[-1].title == "History":
        return address._replace(steps=address.steps[:-1]), address.steps[-1].row
    return address, 0


@built_in("Differences", "=", ROWS)
async def differences(desk: Desktop) -> None:
    """Show what is different between the object of now and what the column shows, or before its last change."""
    column = desk.column
    now, at = _present(column.address)
    desk.work(lambda: _difference(desk.system.image, now, at or 1), "differences", column)


def _difference(image: Image, address: Address, at: int) -> Any:
    return diff(find(image, address), turn_of_change(image, address, at))


@built_in("Bring it back", "R", ROWS)
async def bring_back(desk: Desktop) -> None:
    """Give the object the state that the column shows; it asks before."""
    column = desk.column
    now, at = _present(column.address)
    if not at:
        desk.say("this is how it is now; < shows how it was before")
        return
    answer = await desk.line.ask("bring this state back? y or n: ")
    if (answer or "").strip().lower() not in YES:
        return

    def work() -> None:
        image = desk.system.image
        revert(find(image, now), turn_of_change(image, now, at))
        print("it is brought back")

    desk.show_at(column, now, column.wanted)
    desk.work(work, f"bring back a state of {now.ref}", column)
