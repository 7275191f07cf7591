"""The desktop, as a person meets it: keys go over the socket, and what comes back is read off a terminal."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable

from desktops import CTRL_T, DOWN, END, ENTER, ESCAPE, LEAVE, LEFT, PATIENCE, TAB, Desk
from served import Served
from terminals import Terminal

import piety
from piety.browser import screens, wire
from piety.objects.image import user_name


def goes_to_the_attributes_of_lisp(desk: Desk) -> None:
    """From the garden."""
    desk.sees("'note'")
    desk.types(DOWN, ENTER)
    desk.sees("'l'")
    desk.types(TAB, TAB, TAB)
    desk.sees("title    'lisp'")


def test_one_goes_into_objects_and_back(desks: Callable[..., Desk]) -> None:
    """Each step is a column; Left closes it."""
    desk = desks("garden")
    desk.sees("'sunny'  ['tomatoes', 'basil']")
    desk.types(DOWN, ENTER)
    desk.sees("<Note 'lisp'>", "letter", "'l'")
    desk.types(TAB, TAB, TAB)
    desk.sees("title    'lisp'", "friends  [<Note 'dear'>]")
    desk.types(DOWN, ENTER)
    desk.sees("0  <Note 'dear'>")
    desk.types(ENTER)
    desk.sees("'d'")
    desk.types(LEFT, LEFT)
    desk.until(lambda _text: len(desk.heads()) == 2)
    assert desk.heads()[1] == "<Note 'lisp'>"
    desk.leaves()


def test_a_source_is_evaluated_with_self(desks: Callable[..., Desk], running: Served) -> None:
    """It is a turn; what comes of it is told below, and the columns follow."""
    desk = desks("lisp")
    desk.sees("'l'")
    desk.evaluates("self.title = 'ABC'; print('hello'); self.title * 2")
    desk.sees("hello", "'ABCABC'", "'A'", "<Note 'ABC'>")
    desk.types("1/0", ENTER)
    desk.sees("ZeroDivisionError: division by zero")
    assert running.evaluate("lisp.title") == "'ABC'\n"


def test_an_attribute_is_edited_in_its_place(desks: Callable[..., Desk], running: Served) -> None:
    """And what is evaluated is about the column that one is in, not the last one."""
    desk = desks("garden")
    goes_to_the_attributes_of_lisp(desk)
    desk.types("e")
    desk.sees("self.title = 'lisp'")
    desk.types(" + 'e:f'", ENTER)
    desk.sees("title    'lispe:f'", "'note'   <Note 'lispe:f'>")
    desk.types(ESCAPE)
    desk.until(lambda _text: "self.title" not in desk.text)
    desk.types(LEFT)
    desk.until(lambda _text: len(desk.heads()) == 1)
    desk.evaluates("len(self)")
    desk.sees("│2 ")
    assert running.evaluate("lisp.title") == "'lispe:f'\n"


def test_an_action_is_done(desks: Callable[..., Desk], running: Served) -> None:
    desk = desks("lisp")
    desk.sees("'l'")
    desk.types(TAB)
    desk.sees("[Shout]")
    desk.types(ENTER)
    desk.sees("<Note 'LISP'>")
    assert running.evaluate("lisp.title") == "'LISP'\n"


def test_two_desktops_follow_each_other(desks: Callable[..., Desk]) -> None:
    """And one that is frozen does not, until it is asked to."""
    one, two = desks("lisp", name="one"), desks("lisp", name="two")
    one.sees("'l'")
    two.sees("'l'")
    two.types("f")
    two.sees("frozen")
    one.evaluates("self.title = 'xyz'")
    one.sees("'x'", "'y'")
    assert "'x'" not in two.text
    two.types("f")
    two.sees("'x'", "'y'")


def test_what_is_shown_comes_back(desks: Callable[..., Desk], running: Served) -> None:
    """After leaving, and after a pulled plug; with the views and rows that were chosen."""
    desk = desks("garden")
    goes_to_the_attributes_of_lisp(desk)
    desk.leaves()
    again = desks(columns=160)
    again.sees("'sunny'", "title    'lisp'")
    again.types(DOWN, ENTER)
    again.sees("0  <Note 'dear'>")
    end = time.monotonic() + PATIENCE
    while running.evaluate("len(world.desks['desk'].layout[1][0][1])") != "3\n":
        assert time.monotonic() < end
    running.kill()
    running.start()
    third = desks(columns=160)
    third.sees("'sunny'", "title    'lisp'", "0  <Note 'dear'>")


def test_a_long_turn_holds_up_no_key(desks: Callable[..., Desk], running: Served) -> None:
    """It is told whose it is, and can be stopped."""
    desk = desks("garden")
    desk.sees("'note'")
    with running.begin("eval", "while True: pass") as process:
        desk.sees(f"a turn of {user_name()} runs: while True: pass   (Ctrl-T stops it)")
        desk.types(":", "typed meanwhile")
        desk.sees("typed meanwhile")
        new = desks("lisp", name="new")
        new.sees("runs: while True: pass")
        new.types(":", DOWN, ENTER, LEFT, TAB)
        desk.types(ESCAPE, CTRL_T)
        _output, errors = process.communicate(timeout=PATIENCE)
    assert "KeyboardInterrupt" in errors
    desk.sees("Esc back")
    desk.sees_no_more("a turn of")
    new.sees("<Note 'lisp'>", "'l'")


def test_a_view_that_hangs_holds_up_nobody(desks: Callable[..., Desk], running: Served) -> None:
    desk = desks("lisp")
    desk.sees("'l'")
    desk.types(TAB, TAB)
    desk.types(TAB)  # it is not waited for
    desk.sees("title    'lisp'")
    assert running.evaluate("1 + 1") == "2\n"


def test_rows_that_hang_or_fail(desks: Callable[..., Desk], running: Served) -> None:
    """While they are shown, and while one goes on from them."""
    running.evaluate(
        "class Bad:\n"
        "    @view('Hang')\n"
        "    def hang(self): return Table(['x'], endless())\n"
        "    @view('Fail')\n"
        "    def fail(self): return Table(['x'], [1], opens=lambda item: 1 / 0)\n"
        "    @view('Far', priority=30)\n"
        "    def far(self): return Table(['x'], [7], opens=lambda item: list(endless()))\n"
        "def endless():\n"
        "    while True: pass\n"
        "    yield\n"
        "bad = Bad()"
    )
    desk = desks("bad")
    desk.sees("it takes more than 2 s to draw this")
    desk.types(TAB)
    desk.sees("│1")
    desk.types(ENTER)
    desk.sees("ZeroDivisionError")
    desk.types(LEFT)
    desk.until(lambda text: len(desk.heads()) == 1)
    desk.types(TAB)
    desk.sees("│7")
    desk.types(ENTER)
    desk.sees("it takes more than 2 s to get there")
    assert running.evaluate("1 + 1") == "2\n"


def test_looking_changes_nothing(desks: Callable[..., Desk], running: Served) -> None:
    """All that is written is what the desk shows."""
    desk = desks("garden")
    desk.sees("'note'")
    for key in (DOWN, ENTER, TAB, TAB, TAB, TAB, TAB, TAB, LEFT, TAB):
        desk.types(key)
    desk.until(lambda text: len(desk.heads()) == 1)
    desk.leaves()
    running.piety("stop")
    with piety.open(running.home) as image, image.storage.log() as log:
        turns = [(turn.who, turn.what) for turn in log.backwards()]
    at = next(n for n, (_who, what) in enumerate(turns) if what.startswith("from persistent"))
    assert {part for _who, what in turns[:at] for part in what.split("; ")} <= {
        "desk",
        "the turn loop",
        "start",
        "stop",
    }


def test_a_terminal_that_is_small_or_talks_garbage(desks: Callable[..., Desk], running: Served) -> None:
    """Nobody else notices; nor does one that vanishes."""
    small, other = desks("garden", name="small"), desks("garden", name="other")
    small.sees("'note'")
    other.sees("'note'")
    small.talk.send(wire.SIZE, b"5 20")
    small.talk.send(wire.SIZE, b"nonsense")
    small.talk.send(wire.SIZE, b"0 0")
    small.talk.send(wire.SIZE, b"30 110")
    small.talk.send(wire.KEYS, bytes(range(256)).replace(LEAVE.encode(), b"").replace(b"\x11", b""))
    small.talk.send(wire.KEYS, b"\x1b[<0;99999;99999M\x1b[200~" + b"\xff" * 5_000 + b"\x1b[201~")
    other.types(DOWN, ENTER)
    other.sees("<Note 'lisp'>")
    small.talk.send(b"?", b"what")
    small.talk.close()
    other.types(LEFT)
    other.until(lambda text: len(other.heads()) == 1)
    assert running.evaluate("1 + 1") == "2\n"


def test_the_colours_are_those_of_the_terminal(desks: Callable[..., Desk]) -> None:
    """Without any, one still sees where one is, and what is chosen."""
    for colours, marks in (("none", ()), ("standard", ()), ("256", (b"38;5;",)), ("truecolor", (b"38;2;",))):
        desk = desks("garden", name=colours, colours=colours)
        desk.sees("'note'")
        desk.types(DOWN, "\x17", "v")
        desk.until(lambda text: text.count("'sunny'  [") == 2)
        found = {each for each in (b"38;5;", b"38;2;") if each in desk.heard}
        assert found == set(marks), colours
        if colours == "none":
            codes = {int(code) for each in re.findall(rb"\x1b\[([0-9;]*)m", desk.heard) for code in each.split(b";")}
            assert codes <= {0, 1, 2, 3, 4, 7, 22, 39, 49}  # bold, dim, italic, underlined, reversed, and back
            assert {each.reverse for row in desk.screen.buffer.values() for each in row.values()} == {True, False}
            assert {each.underscore for row in desk.screen.buffer.values() for each in row.values()} == {True, False}
            assert "┏" in desk.text  # the pane that one is in
        desk.leaves()


def test_there_are_more_rows_at_the_end(desks: Callable[..., Desk]) -> None:
    desk = desks("list(range(350))")
    desk.sees("│0   0")
    for row in ("100  100", "200  200", "300  300", "349  349"):  # each time a hundred more
        desk.types(END)
        desk.sees(f"│{row}")


def test_what_fails_in_the_line_stays_there(desks: Callable[..., Desk], running: Served) -> None:
    desk = desks("garden")
    desk.sees("'note'")
    desk.evaluates("len(self")
    desk.sees("SyntaxError", " len(self\n")
    desk.types(")", ENTER)
    desk.sees("│2 ")


def test_a_home_without_a_welcome(desks: Callable[..., Desk], running: Served) -> None:
    """As one that was made before there was any; and a desk of a time when a desktop was one pane."""
    running.evaluate("del image.modules['welcome']")
    desk = desks()
    desk.sees("garden ", "lisp ")
    desk.leaves()
    running.evaluate(
        "from piety.browser.desks import Desk\n"
        "old = world.desks['old'] = Desk(); old.columns = (('garden', (), 'Items', 1), ('garden', (('Items', 1),), None, 0))"
    )
    desk = desks(name="old")
    desk.sees("'sunny'", "│'l'")
    desk.types(ENTER)
    desk.sees("'l'")


def test_there_is_no_such_object(desks: Callable[..., Desk], running: Served) -> None:
    """Nor is one that ends the world when it is asked for."""
    desk = desks("nothing")
    desk.sees("'nothing' gives no object")
    desks("(_ for _ in ()).throw(SystemExit)").sees("SystemExit")
    desks("[[]]").sees("0  []")
    assert running.evaluate("1 + 1") == "2\n"


def test_a_row_that_looks_like_an_action_is_none(desks: Callable[..., Desk], running: Served) -> None:
    running.evaluate(
        "class Rows:\n    @view('Rows')\n    def rows(self): return Table(['x'], [([1],), ([2],)])\nrows = Rows()"
    )
    desk = desks("rows")
    desk.sees("[1]", "[2]")
    desk.types(ENTER)
    desk.sees("0  1")
    assert desk.heads()[1] == "[1]"


def test_what_turns_print_is_not_swallowed(desks: Callable[..., Desk], running: Served) -> None:
    """Textual would take the standard output of the whole process."""
    desk = desks("garden")
    desk.sees("'note'")
    assert running.evaluate("print('out')") == "out\n"
    desk.leaves()
    assert running.evaluate("print('out')") == "out\n"


def test_the_private_names_of_textual_are_there() -> None:
    """Those that `screens.py` stands on."""
    import textual
    import textual.app
    from textual._xterm_parser import XTermParser

    assert textual.__version__ == "8.2.8"
    assert next(iter(XTermParser().feed("a"))).key == "a"  # type: ignore[attr-defined]
    with textual.app.redirect_stdout(None):  # type: ignore[attr-defined]
        assert sys.stdout is not None
    assert screens.SocketDriver.__abstractmethods__ == frozenset()


def test_it_needs_a_terminal(running: Served) -> None:
    done = running.piety("desk")
    assert (done.returncode, done.stderr) == (2, "piety: desk needs a terminal; from a pipe: piety show\n")


def test_on_a_real_terminal(served: Served) -> None:
    """The command makes the home, starts its system, takes the terminal over, and leaves it as it was."""
    one = Terminal("desk", has_prompt=False)
    try:
        one.sees("\x1b[?1049h")
        one.sees("workspace")
        one.types(LEAVE)
        one.sees("\x1b[?1049l")
        assert one.ends() == 0
        assert served.status()["pid"] == served.process
    finally:
        one.stop()


def test_a_mistake_of_ours_ends_one_desktop_and_is_told(desks: Callable[..., Desk], running: Served) -> None:
    """The others go on."""
    other = desks("garden", name="other")
    other.sees("'note'")
    with running.talk() as talk:
        talk.ask("desk", name="bad", ref=None, rows=None, columns=80, kind="xterm")
        rest = [frame for frame in talk.rest() if frame[0] in (wire.ERR, wire.EXIT)]
    assert [kind for kind, _body in rest] == [wire.ERR, wire.EXIT]
    assert rest[0][1].endswith(b"piety: a bug of Piety's ended this desktop; nothing is lost\n")
    assert rest[1][1] == b"1"
    other.types(DOWN, ENTER)
    other.sees("<Note 'lisp'>")
