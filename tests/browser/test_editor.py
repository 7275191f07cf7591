"""Texts at a desktop: read and typed into, by several people; what is written there is done."""

from __future__ import annotations

import base64
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from desktops import (
    BACKSPACE,
    CTRL_END,
    CTRL_HOME,
    CTRL_T,
    DELETE,
    DOWN,
    END,
    ENTER,
    ESCAPE,
    HOME,
    LEFT,
    RIGHT,
    SHIFT_DOWN,
    SHIFT_END,
    TAB,
    UP,
    Desk,
    ctrl,
)  # fmt: skip
from served import Served

from piety.browser.highlight import spans

BACK_TAB = "\x1b[Z"


@pytest.fixture
def letter(running: Served) -> Served:
    running.evaluate("texts.new('letter', 'Dear snake,\\nyours\\n')")
    return running


def content(served: Served, name: str = "letter") -> str:
    """What is in a text of the image."""
    value = served.evaluate(f"str(texts[{name!r}])")
    return str(eval(value))


def until_it_is(served: Served, expected: str, name: str = "letter") -> None:
    """What is typed comes to the image a moment later."""
    for _ in range(200):
        if content(served, name) == expected:
            return
    assert content(served, name) == expected


def test_what_is_typed_is_in_the_text(desks: Callable[..., Desk], letter: Served) -> None:
    desk = desks("texts['letter']")
    desk.sees("Dear snake,")
    desk.types(END, " and\thorse ü 馬", ENTER, "  indented", ENTER, "also")
    desk.sees("│Dear snake, and horse ü 馬", "│  indented", "│  also", "│yours")
    until_it_is(letter, "Dear snake, and horse ü 馬\n  indented\n  also\nyours\n")
    desk.types(BACKSPACE * 6, HOME, HOME, DELETE, DELETE)
    until_it_is(letter, "Dear snake, and horse ü 馬\nindented\nyours\n")


def test_undo_and_redo(desks: Callable[..., Desk], letter: Served) -> None:
    """Of this one's own doing; what others do stays."""
    desk = desks("texts['letter']")
    desk.sees("Dear snake,")
    desk.types("My ")
    desk.sees("│My Dear snake,")
    until_it_is(letter, "My Dear snake,\nyours\n")
    letter.evaluate("texts['letter'].write('truly\\n')")
    desk.sees("truly")
    desk.types(ctrl("z"))
    desk.sees("│Dear snake,", "truly")
    desk.types(ctrl("y"))
    desk.sees("│My Dear snake,", "truly")
    desk.types(ctrl("y"))
    desk.sees("nothing to redo")


def test_two_people_type_into_one_text(desks: Callable[..., Desk], letter: Served) -> None:
    one, two = desks("texts['letter']", name="one"), desks("texts['letter']", name="two")
    one.sees("Dear snake,")
    two.sees("Dear snake,")
    two.types(DOWN, END)
    for number in range(5):
        one.types(f"a{number}")
        two.types(f"b{number}")
    for desk in (one, two):
        desk.sees("│a0a1a2a3a4Dear snake,", "│yoursb0b1b2b3b4")
    until_it_is(letter, "a0a1a2a3a4Dear snake,\nyoursb0b1b2b3b4\n")


def test_typed_text_is_seen_while_a_turn_runs(desks: Callable[..., Desk], letter: Served) -> None:
    """And comes into the text when that is over."""
    desk = desks("texts['letter']")
    desk.sees("Dear snake,")
    with letter.begin("eval", "while True: pass") as process:
        desk.sees("runs: while True: pass")
        desk.types("My ", DOWN, END, " truly")
        desk.sees("│My Dear snake,", "│yours truly")
        desk.types(CTRL_T)
        process.communicate(timeout=30)
    until_it_is(letter, "My Dear snake,\nyours truly\n")


def test_at_most_a_second_of_typing_is_lost(desks: Callable[..., Desk], letter: Served) -> None:
    desk = desks("texts['letter']")
    desk.sees("Dear snake,")
    desk.types("My ")
    until_it_is(letter, "My Dear snake,\nyours\n")  # which has let the batch go
    desk.types("very ")
    desk.sees("│My very Dear")
    letter.kill()
    letter.start()
    again = desks("texts['letter']")
    again.sees("│My ")
    assert content(letter) in ("My Dear snake,\nyours\n", "My very Dear snake,\nyours\n")


def test_selecting_cutting_and_pasting(desks: Callable[..., Desk], letter: Served) -> None:
    desk = desks("texts['letter']")
    desk.sees("Dear snake,")
    desk.types(SHIFT_END, ctrl("x"), DOWN, ctrl("v"))
    desk.sees("│Dear snake,yours")
    desk.types(ctrl("a"), ctrl("c"), RIGHT, ctrl("v"))
    until_it_is(letter, "\nDear snake,yours\n\nDear snake,yours\n")
    desk.types("\x1b[200~pasted\rtwo\x1b[201~")
    until_it_is(letter, "\nDear snake,yours\n\nDear snake,yours\npasted\ntwo")


def test_what_is_copied_goes_to_the_terminal(desks: Callable[..., Desk], letter: Served) -> None:
    """As the clipboard of whoever sits there."""
    desk = desks("texts['letter']")
    desk.sees("Dear snake,")
    desk.types(SHIFT_END, ctrl("c"), END, "!")
    desk.sees("│Dear snake,!")
    assert b"\x1b]52;c;" + base64.b64encode(b"Dear snake,") in desk.heard


def test_the_mouse_in_a_text(desks: Callable[..., Desk], running: Served) -> None:
    """It selects; and the wheel scrolls, also far away from the cursor, which stays where it is."""
    running.evaluate("texts.new('long', ''.join(f'line {n}\\n' for n in range(5_000)))")
    desk = desks("texts['long']")
    desk.sees("│line 0 ")
    desk.drags(1, 4, 5)
    row = desk.screen.buffer
    desk.until(lambda _text: row[4][3].bg != row[5][3].bg)
    desk.types("LINE")
    desk.sees("│LINE 1 ")
    for _ in range(300):
        desk.types("\x1b[<65;10;10M")
    desk.until(lambda text: text.splitlines()[3].startswith("│line 900 "))
    desk.types("!")
    desk.sees("│LINE! 1 ")


def test_lines_are_indented(desks: Callable[..., Desk], running: Served) -> None:
    running.evaluate("texts.new('code.py', 'def f():\\n')")
    desk = desks("texts['code.py']")
    desk.sees("def f():")
    desk.types(END, ENTER, "if x:", ENTER, "pass", BACK_TAB, HOME, SHIFT_DOWN, TAB)
    until_it_is(running, "def f():\n    if x:\n        pass\n", "code.py")
    desk.types(ctrl("a"), BACK_TAB)
    until_it_is(running, "def f():\nif x:\n    pass\n", "code.py")


def test_search_and_replace(desks: Callable[..., Desk], running: Served) -> None:
    """From the cursor on to the end, and on from the beginning; replaced is in the whole text, or in what is selected."""
    running.evaluate("texts.new('long', ''.join(f'line {n}\\n' for n in range(5000)) + 'snake\\n')")
    desk = desks("texts['long']")
    desk.sees("line 0")
    desk.types(ctrl("f"), "sna.e", ENTER)
    desk.sees("│snake", "line 4999")
    desk.types(ctrl("f"), "line 4$", ENTER)
    desk.sees("│line 4 ")
    desk.types(ctrl("f"), "no such thing", ENTER)
    desk.sees("there is no 'no such thing' here")
    desk.types(ctrl("f"), "(", ENTER)
    desk.sees("is no regular expression")
    desk.types(ctrl("r"), r"line (\d)$", ENTER, r"\1 horses", ENTER)
    desk.sees("│4 horses", "│9 horses", "│3 horses", "│line 10 ")
    desk.types(CTRL_END)
    desk.sees("│snake")
    desk.types(UP, SHIFT_DOWN, ctrl("r"), "s", ENTER, "z", ENTER)
    desk.sees("│znake", "│line 4999")


def test_a_long_text_is_read_to_its_end(desks: Callable[..., Desk], running: Served) -> None:
    """Only a part is there at once; and a line may be very long."""
    running.evaluate("texts.new('long', ''.join(f'line {n}\\n' for n in range(100_000)))")
    running.evaluate("texts.new('wide', 'x' * 200_000 + ' end')")
    desk = desks("texts['long']")
    desk.sees("│line 0 ")
    desk.types(CTRL_END, UP)
    desk.sees("│line 99999")
    desk.types("\x1b[5~" * 30)
    desk.sees("│line 993")
    desk.types("!")
    desk.types(CTRL_HOME)
    desk.sees("│line 0 ")
    wide = desks("texts['wide']", name="wide")
    wide.sees("xxxx")
    wide.types(END)
    wide.sees("xxxx")
    wide.types(CTRL_END)
    wide.sees("xx end")


def test_do_it_print_it_inspect_it(desks: Callable[..., Desk], letter: Served) -> None:
    """On the line, or on what is selected; with a failure told, and nothing written."""
    letter.evaluate("texts.new('workspace', 'n = 6 * 7\\nn + 1\\n[n, lisp]\\n1 / 0\\nfor i in (1, 2):\\n    print(i)\\n')")
    desk = desks("texts['workspace']")
    desk.sees("n = 6 * 7")
    desk.types(ctrl("d"), DOWN)
    desk.types(ctrl("p"))
    desk.sees("│n + 1 43")
    assert letter.evaluate("n") == "42\n"
    desk.types(DOWN, ctrl("o"))
    desk.sees("0  42", "1  <Note 'lisp'>")
    desk.types(ctrl("w"), TAB)
    desk.types(DOWN, ctrl("d"))
    desk.sees("ZeroDivisionError: division by zero")
    desk.types(DOWN, HOME, SHIFT_DOWN, SHIFT_DOWN, ctrl("d"))
    desk.sees(" 1\n 2\n")
    until_it_is(letter, content(letter, "workspace"), "workspace")
    assert content(letter, "workspace").startswith("n = 6 * 7\nn + 1 43\n[n, lisp]\n1 / 0\nfor")


def test_any_text_can_be_evaluated(desks: Callable[..., Desk], running: Served) -> None:
    """Also one that cannot be edited, and what stands behind a prompt in the tour."""
    running.evaluate("note = '''Type this:\n\n    >>> 6 * 7\n    42\n'''")
    desk = desks("note")
    desk.sees(">>> 6 * 7")
    desk.types(DOWN, DOWN, ctrl("p"))
    desk.sees("\n 42\n")
    desk.types("x", ctrl("o"))
    desk.sees("│42")
    assert "Type this:\\n\\n    >>> 6" in running.evaluate("note")


def test_the_selection_is_kept(desks: Callable[..., Desk], letter: Served) -> None:
    desk = desks("texts['letter']", name="kept")
    desk.sees("Dear snake,")
    desk.leaves()
    desk = desks(name="kept2")
    desk.sees("Welcome")
    desk.types(ctrl("g"), "letter")
    desk.sees("text       letter")
    desk.types(ENTER)
    desk.sees("│Dear snake,")
    desk.types(DOWN, SHIFT_END)
    desk.leaves()
    again = desks(name="kept2")
    again.sees("│Dear snake,")
    again.types(ctrl("x"))
    until_it_is(letter, "Dear snake,\n\n")


def test_a_file_of_the_host(desks: Callable[..., Desk], running: Served, tmp_path: Path) -> None:
    """It is opened, edited and saved; one that others have changed is not overwritten."""
    path = tmp_path / "notes.md"
    path.write_text("# Title\n")
    desk = desks("garden")
    desk.sees("'sunny'")
    desk.types(ctrl("g"), "Text", ENTER, str(path), ENTER)
    desk.sees("│# Title")
    desk.types("#", ctrl("s"))
    desk.sees(f"9 bytes in {path}")
    assert path.read_text() == "## Title\n"
    path.write_text("other\n")
    os.utime(path, (1, 1))
    desk.types("x", ctrl("s"))
    desk.sees("changed")
    assert path.read_text() == "other\n"
    desk.types(ESCAPE, LEFT)


def test_what_cannot_be_edited_takes_no_keys(desks: Callable[..., Desk], running: Served) -> None:
    desk = desks("texts", name="x")
    running.evaluate("past_text = None")
    desk = desks("'only words'")
    desk.sees("│only words")
    desk.types("x", BACKSPACE, ctrl("z"))
    desk.sees("this cannot be edited", "│only words")


def test_colours() -> None:
    """Of the lines that are seen; each part stands where it belongs, also in a text over several lines."""
    lines = ["def f(x):", '    """one', '    two"""', "    return 12  # all"]
    found = spans(lines, "python")
    shown = [[(line[start:end], style) for start, end, style in row] for line, row in zip(lines, found, strict=True)]
    assert ("def", "bold magenta") in shown[0]
    assert ('    """one'.strip(), "dim green") in [(part.strip(), style) for part, style in shown[1]]
    assert ('two"""', "dim green") in [(part.strip(), style) for part, style in shown[2]]
    assert ("12", "cyan") in shown[3]
    assert ("# all", "dim italic") in shown[3]
    assert spans(lines, "python", above=3) == found[3:]
    assert spans(lines, "klingon") == [[], [], [], []]
