"""How what is done in an editor gets into the texts of the image, and back.

What is typed is on the screen already; what else is done to a text (undo, replace, print it) is a turn, and comes back
with where the cursor is to go.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from piety.browser.brief import clipped
from piety.browser.inspecting import act, characters_of, text_at, view_at
from piety.browser.sheet import Typed, Window
from piety.browser.views import Code
from piety.objects.edits import Place, Selection
from piety.objects.reading import Reading
from piety.objects.searching import Found
from piety.objects.texts import Text
from piety.objects.tracebacks import frames_of

if TYPE_CHECKING:
    from piety.browser.columns import Column
    from piety.browser.desktop import Desktop
    from piety.objects.image import Image

LONGEST = 10_000  # characters of a repr that is put into a text


def type_into(desk: Desktop, column: Column, typed: Typed) -> None:
    """Have done to the text what was typed; what follows within a second is written together with it."""
    image, address, writer, title = desk.system.image, column.address, column.writer, column.wanted or ""

    def work() -> Window:
        text = text_at(image, address, title)
        writer.type(text, typed)
        _tell_others(column, text)
        return writer.window(text, typed.start, typed.known)

    future = desk.system.type(work, desk.session, lambda window: desk.soon_here(_take, desk, column, window))
    desk.soon(_finish(desk, column, future))


OPEN: set[Desktop] = set()  # the desktops that are open


def _tell_others(column: Column, text: Text) -> None:
    """Show at once what was typed where the same text is shown; what is typed is written a second later only.

    Called in the turn that types.  If that is undone, each is shown again as it is.
    """
    for desk in list(OPEN):
        for other in () if desk.is_frozen else desk.columns():
            if other is not column and (window := other.writer.again(text)) is not None:
                desk.soon_here(_take, desk, other, window)


def change(
    desk: Desktop,
    work: Callable[[Text, Callable[[], Selection]], Selection | None],
    label: str,
    column: Column | None = None,
) -> None:
    """Change the text of a column in a turn: `work(text, selected)`, where the second tells what is selected by now.

    It may give what is to be selected then; else the cursor stays with the characters around it.
    """
    column = column or desk.column
    image, address, writer, title = desk.system.image, column.address, column.writer, column.wanted or ""
    marked = column.editor.sheet.marked()

    def whole() -> None:
        text = text_at(image, address, title)
        selection = work(text, lambda: writer.place(text, marked))
        window = writer.window(text, writer.place(text, marked)[1], marked.known, selection)
        desk.soon_here(_take, desk, column, window, True)

    future = desk.system.work(whole, clipped(label, 60), desk.say_from_anywhere, session=desk.session)
    desk.soon(_finish(desk, column, future))


def _take(desk: Desktop, column: Column, window: Window, sees: bool = False) -> None:
    if column in desk.columns() and not desk.is_over:
        column.editor.sheet.take(window)
        column.editor.show()
        if sees:
            column.editor.see()


async def _finish(desk: Desktop, column: Column, future: Any) -> None:
    outcome = await asyncio.wrap_future(future)
    if outcome.error is not None:
        desk.tell(outcome)
        column.forget_typing()
        desk.ask_for(column)
    elif outcome.output:
        desk.tell(outcome)


def put_result(desk: Desktop, source: str) -> None:
    """Evaluate a source, and write what it gives behind what is selected; else tell it."""
    column = desk.column
    image, address = desk.system.image, column.address
    is_editable = column.editor.is_editable
    sheet = column.editor.sheet
    if sheet.anchor == sheet.place:
        sheet.place = sheet.anchor = sheet.end_of(sheet.line_of(sheet.place))

    def work(text: Text, selected: Callable[[], Selection]) -> Selection:
        string = _told(act(image, address, source))
        end = selected()[1]  # not before: the source may edit this very text
        text.edit([(end, end, string)])
        return end, end + len(string)

    if is_editable:
        change(desk, work, source, column)
    else:
        desk.work(lambda: print(_told(act(image, address, source)).strip()), source, column)


def _told(value: Any) -> str:
    string = repr(value)
    return f" {string[:LONGEST]}{'...' if len(string) > LONGEST else ''}"


def save(desk: Desktop) -> None:
    """Save the text of a column.  If that fails, the cursor goes to the line where it does, and the text stays."""
    column = desk.column
    image, address, title = desk.system.image, column.address, column.wanted or ""
    line: int | None = None

    def work() -> None:
        nonlocal line
        data = view_at(image, address, title)
        text = characters_of(data)
        if type(data) is Code and data.save is not None:
            try:
                print(data.save() or "saved")
            except Exception as error:
                line = _line_of(error, data)
                raise
        elif isinstance(text, Text) and text.file is not None:
            print(f"{text.save():,} bytes in {text.file}")
        else:
            print("it is in the image, so it is kept; there is nothing to save it to")

    def then(outcome: Any) -> None:
        if outcome.error is not None and line is not None:
            column.editor.go_to_line(line)
        desk.follow()

    desk.work(work, f"save {column.address.ref}", column, then=then)


def _line_of(error: BaseException, code: Code) -> int | None:
    """The number of the line in which an error lies, in the characters of a code; None if it lies elsewhere."""
    if code.file is None:
        return None
    if isinstance(error, SyntaxError):
        is_here = error.lineno is not None and str(error.filename).startswith(code.file)
        return max((error.lineno or 1) - 1 - code.first, 0) if is_here else None
    found = [line for frame, line in frames_of(error) if frame.f_code.co_filename.startswith(code.file)]
    return max(found[-1] - 1 - code.first, 0) if found else None


async def next_match(desk: Desktop, column: Column, pattern: str) -> tuple[Place, Place] | None:
    """Where a pattern matches next in the text of a column; from the end on to the beginning.  Raises `PietyError`."""
    address, title = column.address, column.wanted or ""
    sheet = column.editor.sheet
    start = sheet.place if not sheet.selected else sheet.selection[0] + 1

    def work(image: Image) -> tuple[Place, Place] | None:
        with image.look():
            text = characters_of(view_at(image, address, title))
            text = text if isinstance(text, Reading) else Text(str(text))
            found: Found | None = text.find(pattern, text.where(min(start, len(text)))) or text.find(pattern)
            return None if found is None else (found.first, found.last)

    found: tuple[Place, Place] | None = await desk.call(work, "a search")
    return found
