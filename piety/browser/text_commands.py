"""What can be done in a text: go about in it, edit it, and do what is written there.

Any text will do, in any pane: also one that cannot be edited, such as the source of a class, can be evaluated.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from piety.browser.commands import TEXT, built_in
from piety.browser.inspecting import act
from piety.browser.object_commands import next_view, view_before
from piety.browser.writing import change, next_match, put_result, save
from piety.errors import PietyError

if TYPE_CHECKING:
    from piety.browser.desktop import Desktop
    from piety.browser.editor import Editor
    from piety.objects.edits import Place, Selection
    from piety.objects.texts import Text

INDENT = "    "
_WORD = re.compile(r"\w+")


# -- going about


def _moving(name: str, keys: str, told: str, place: Callable[[Editor], Place]) -> None:
    def move(desk: Desktop, selecting: bool) -> None:
        editor = desk.column.editor
        editor.go(place(editor), selecting)

    move.__doc__ = told
    built_in(name, keys, TEXT, is_moving=True)(move)


def _moving_lines(name: str, keys: str, told: str, by: Callable[[Editor], int]) -> None:
    def move(desk: Desktop, selecting: bool) -> None:
        editor = desk.column.editor
        editor.go_lines(by(editor), selecting)

    move.__doc__ = told
    built_in(name, keys, TEXT, is_moving=True)(move)


def _left(editor: Editor) -> Place:
    return editor.sheet.place - 1


def _right(editor: Editor) -> Place:
    return editor.sheet.place + 1


def _word_before(editor: Editor) -> Place:
    sheet = editor.sheet
    starts = [match.start() for match in _WORD.finditer(sheet.text, 0, sheet.place - sheet.window.start)]
    return sheet.window.start + (starts[-1] if starts else 0)


def _word_behind(editor: Editor) -> Place:
    sheet = editor.sheet
    match = _WORD.search(sheet.text, sheet.place - sheet.window.start)
    return sheet.end if match is None else sheet.window.start + match.end()


def _line_start(editor: Editor) -> Place:
    """Where the line begins; from behind its blanks, and else behind them."""
    sheet = editor.sheet
    line = sheet.line_of(sheet.place)
    start, string = sheet.start_of(line), sheet.line(line)
    behind = start + len(string) - len(string.lstrip())
    return behind if sheet.place != behind else start


def _line_end(editor: Editor) -> Place:
    return editor.sheet.end_of(editor.sheet.line_of(editor.sheet.place))


_moving("Left", "left", "Go one character to the left.", _left)
_moving("Right", "right", "Go one character to the right.", _right)
_moving("Word before", "ctrl+left", "Go to the beginning of the word before.", _word_before)
_moving("Word behind", "ctrl+right", "Go behind the next word.", _word_behind)
_moving(
    "Beginning of the line",
    "home",
    "Go behind the blanks with which the line begins; from there, before them.",
    _line_start,
)
_moving("End of the line", "end", "Go behind the last character of the line.", _line_end)
_moving_lines("Line above", "up", "Go to the line above.", lambda editor: -1)
_moving_lines("Line below", "down", "Go to the line below.", lambda editor: 1)
_moving_lines("Page above", "pageup", "Go up by a screen.", lambda editor: 1 - editor.rows)
_moving_lines("Page below", "pagedown", "Go down by a screen.", lambda editor: editor.rows - 1)


@built_in("Beginning of the text", "ctrl+home", TEXT, is_moving=True)
def beginning(desk: Desktop, selecting: bool) -> None:
    """Go to the first character."""
    _go_far(desk, 0, selecting)


@built_in("End of the text", "ctrl+end", TEXT, is_moving=True)
def end(desk: Desktop, selecting: bool) -> None:
    """Go behind the last character."""
    _go_far(desk, desk.column.editor.sheet.window.size, selecting)


def _go_far(desk: Desktop, place: Place, selecting: bool) -> None:
    editor = desk.column.editor
    if editor.sheet.window.has(place):
        editor.go(place, selecting)
    else:
        editor.go_to(place)


@built_in("Select all", "ctrl+a", TEXT)
def select_all(desk: Desktop) -> None:
    """Select what is there of the text: of a very long one, the part around the cursor."""
    editor = desk.column.editor
    editor.sheet.anchor = editor.sheet.window.start
    editor.go(editor.sheet.end, selecting=True)


# -- editing


@built_in("New line", "enter", TEXT)
def new_line(desk: Desktop) -> None:
    """Begin a line, as far from the margin as this one; behind a colon, farther."""
    editor = desk.column.editor
    sheet = editor.sheet
    line = sheet.part(sheet.start_of(sheet.line_of(sheet.selection[0])), sheet.selection[0])
    blanks = line[: len(line) - len(line.lstrip())]
    deeper = INDENT if editor.language == "python" and line.rstrip().endswith(":") else ""
    editor.type(f"\n{blanks}{deeper}")


@built_in("Erase before", "backspace", TEXT)
def erase_before(desk: Desktop) -> None:
    """Erase what is selected, or the character before; of blanks at the margin, one step."""
    editor = desk.column.editor
    sheet = editor.sheet
    start, end = sheet.selection
    if start == end:
        before = sheet.part(sheet.start_of(sheet.line_of(start)), start)
        start -= (len(before) - 1) % len(INDENT) + 1 if before and not before.strip(" ") else 1
    if start >= sheet.window.start:
        editor.type("", start, end)


@built_in("Erase behind", "delete", TEXT)
def erase_behind(desk: Desktop) -> None:
    """Erase what is selected, or the character behind the cursor."""
    editor = desk.column.editor
    start, end = editor.sheet.selection
    if start == end < editor.sheet.end:
        end += 1
    if start < end:
        editor.type("", start, end)


@built_in("Indent", "tab", TEXT)
def indent(desk: Desktop) -> None:
    """Move the lines that are selected away from the margin, or write blanks; if one only looks, show the next view."""
    editor = desk.column.editor
    sheet = editor.sheet
    if not (editor.is_editable and editor.is_entered):
        next_view(desk)
    elif sheet.anchor != sheet.place:
        _each_line(editor, lambda line: f"{INDENT}{line}" if line else line)
    else:
        column = sheet.place - sheet.start_of(sheet.line_of(sheet.place))
        editor.type(" " * (len(INDENT) - column % len(INDENT)))


@built_in("Indent less", "shift+tab", TEXT)
def indent_less(desk: Desktop) -> None:
    """Move the line, or those that are selected, towards the margin; if one only looks, show the view before."""
    editor = desk.column.editor
    if editor.is_editable and editor.is_entered:
        _each_line(editor, lambda line: line[min(len(INDENT), len(line) - len(line.lstrip(" "))) :])
    else:
        view_before(desk)


def _each_line(editor: Editor, changed: Callable[[str], str]) -> None:
    sheet = editor.sheet
    first, last = sheet.selection
    start, end = sheet.start_of(sheet.line_of(first)), sheet.end_of(sheet.line_of(max(last - 1, first)))
    lines = sheet.part(start, end).split("\n")
    new = "\n".join(map(changed, lines))
    if new != sheet.part(start, end):
        is_one = first == last
        editor.type(new, start, end)
        if not is_one:
            sheet.anchor = start


@built_in("Undo", "ctrl+z", TEXT)
def undo(desk: Desktop) -> None:
    """Take back what you have done to the text last; again, what came before that."""
    change(desk, _undo, "undo")


def _undo(text: Text, _selected: Any) -> Selection | None:
    text.undo()
    return text.selection()


@built_in("Redo", "ctrl+y", TEXT)
def redo(desk: Desktop) -> None:
    """Do again what was taken back."""
    change(desk, _redo, "redo")


def _redo(text: Text, _selected: Any) -> Selection | None:
    text.redo()
    return text.selection()


@built_in("Copy", "ctrl+c", TEXT)
def copy(desk: Desktop) -> None:
    """Copy what is selected; the terminal has it too, if it takes that."""
    if desk.column.editor.sheet.selected:
        desk.copy_to_clipboard(desk.column.editor.sheet.selected)


@built_in("Cut", "ctrl+x", TEXT)
def cut(desk: Desktop) -> None:
    """Copy what is selected, and erase it."""
    editor = desk.column.editor
    if editor.sheet.selected and editor.is_editable:
        copy(desk)
        editor.type("")


@built_in("Paste", "ctrl+v", TEXT)
def paste(desk: Desktop) -> None:
    """Write what was copied."""
    if desk.clipboard:
        desk.column.editor.type(desk.clipboard)


@built_in("Save", "ctrl+s", TEXT)
def save_text(desk: Desktop) -> None:
    """Save the text: of code, run it; else write its file.  If that fails the text stays as you have it."""
    save(desk)


# -- searching


@built_in("Search", "ctrl+f", TEXT)
async def search(desk: Desktop) -> None:
    """Go to the next match of a regular expression behind the cursor, from the end on to the beginning."""
    column = desk.column
    pattern = await desk.line.ask(_sought("search", desk))
    if pattern is not None and (pattern or desk.sought):
        desk.sought = pattern or desk.sought
        await _search(desk, column)


def _sought(what: str, desk: Desktop) -> str:
    return f"{what} ({desk.sought}): " if desk.sought else f"{what}: "


@built_in("Search again", "ctrl+l", TEXT)
async def search_again(desk: Desktop) -> None:
    """Go to the next match of what was searched for last."""
    if desk.sought:
        await _search(desk, desk.column)


async def _search(desk: Desktop, column: Any) -> None:
    found = await next_match(desk, column, desk.sought)
    if found is None:
        desk.say(f"there is no {desk.sought!r} here")
    else:
        column.editor.go_to(found[1], found[0])


@built_in("Replace", "ctrl+r", TEXT)
async def replace(desk: Desktop) -> None:
    """Replace all matches of a regular expression, in the lines that are selected or else in the whole text."""
    column = desk.column
    asked = await desk.line.ask(_sought("replace", desk))
    if asked is None or not (asked or desk.sought):
        return
    pattern = desk.sought = asked or desk.sought
    new = await desk.line.ask(f"replace {pattern} by: ")
    if new is not None:
        is_selected = "\n" in column.editor.sheet.selected  # within a line it is rather what was found
        change(desk, partial(_replace, pattern=pattern, new=new, is_selected=is_selected), "replace", column)


def _replace(text: Text, selected: Callable[[], Selection], pattern: str, new: str, is_selected: bool) -> None:
    start, end = selected()
    first, last = (text.where(start), text.where(end)) if is_selected else ((0, 0), None)
    if not text.replace(pattern, new, start=first, end=last):
        raise PietyError(f"there is no {pattern!r} {'in what is selected' if is_selected else 'here'}")


# -- doing what is written there


def _source(desk: Desktop) -> str:
    """What is selected, or else the line."""
    sheet = desk.column.editor.sheet
    return sheet.selected or sheet.line(sheet.line_of(sheet.place))


def _stripped(source: str) -> str:
    """Code without the margin that all its lines have, and without prompts of the shell."""
    import textwrap

    lines = textwrap.dedent(source).splitlines()
    if lines and lines[0].startswith(">>> "):
        lines = [line[4:] for line in lines if line.startswith((">>> ", "... "))]
    return "\n".join(lines).strip("\n")


@built_in("Do it", "ctrl+d", TEXT)
def do_it(desk: Desktop) -> None:
    """Evaluate what is selected, or the line, with `self` bound to the object of the column."""
    column, source = desk.column, _stripped(_source(desk))
    if source.strip():
        image = desk.system.image
        desk.work(lambda: _silent(act(image, column.address, source)), source, column, then=partial(_told_done, desk))


def _silent(_value: Any) -> None:
    return None


def _told_done(desk: Desktop, outcome: Any) -> None:
    if outcome.error is None and not outcome.output and not outcome.notices:
        desk.say("done")


@built_in("Print it", "ctrl+p", TEXT)
def print_it(desk: Desktop) -> None:
    """Evaluate it, and write what it gives behind it; where nothing can be edited, tell it."""
    source = _stripped(_source(desk))
    if source.strip():
        put_result(desk, source)


@built_in("Inspect it", "ctrl+o", TEXT)
def inspect_it(desk: Desktop) -> None:
    """Evaluate it, and open what it gives as the next column."""
    column, source = desk.column, _stripped(_source(desk))
    if source.strip():
        desk.evaluate(source, column)
