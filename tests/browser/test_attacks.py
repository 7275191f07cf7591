"""What has broken a desktop once: it holds now, for the one who did it and for everybody else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from desktops import BACKSPACE, DOWN, END, ENTER, ESCAPE, F4, F10, LEFT, TAB, UP, Desk, ctrl
from served import Served

from piety.browser.desks import layout_of
from piety.browser.sheet import KEPT, Sheet, Writer
from piety.errors import PietyError
from piety.objects.texts import Text

W = ctrl("w")


def test_a_row_is_known_by_its_name(desks: Callable[..., Desk], running: Served) -> None:
    """When others come before it, an open column goes on showing the same."""
    running.evaluate("texts.new('letter', 'the letter')")
    desk = desks("dict(texts)")
    desk.sees("'letter'")
    desk.types(ENTER)
    desk.sees("│the letter")
    running.evaluate("texts.new('aaa', 'another one')")
    desk.sees("'aaa'")
    desk.settles()
    assert "another one" not in desk.text.split("Text", 1)[1].split("\n", 1)[0]
    desk.types(END, "!")
    desk.sees("│the letter!")
    assert running.evaluate("str(texts['aaa'])") == "'another one'\n"
    running.evaluate("del texts['letter']")
    desk.sees("what was there is gone")
    running.evaluate("total = 40")
    desk.types(ctrl("e"), "total += 2", ENTER)  # which does not need what is gone
    desk.until(lambda text: running.evaluate("total") == "42\n")
    desk.types(ctrl("e"), "total += len(str(self))", ENTER)
    desk.sees("what was there is gone", "total += len(str(self))")
    desk.settles()
    assert running.evaluate("total") == "42\n"


def test_an_action_is_known_by_its_name(desks: Callable[..., Desk], running: Served) -> None:
    running.evaluate(
        "done, turned = [], []\n"
        "class Doing:\n"
        "    @view('Do', priority=1)\n"
        "    def do(self):\n"
        "        names = ['Save', 'Delete']\n"
        "        return Actions({name: (lambda name=name: done.append(name)) for name in (names[::-1] if turned else names)})\n"
        "doing = Doing()"
    )
    desk = desks("doing")
    desk.sees("[Save]")
    desk.types("f")
    desk.sees("frozen")
    running.evaluate("turned.append(1)")
    desk.types(ENTER)
    desk.until(lambda text: running.evaluate("done") != "[]\n")
    assert running.evaluate("done") == "['Save']\n"


def test_code_that_exits_ends_nothing(desks: Callable[..., Desk], running: Served) -> None:
    """In a search, at an address, in a view's rows: all others go on."""
    running.evaluate("class Exit:\n    @search('P')\n    def p(self, words): raise SystemExit(3)\nleaving = Exit()")
    other = desks("garden", name="other")
    other.sees("'note'")
    desk = desks("leaving")
    desk.sees("Exit")
    desk.types(ctrl("g"), "x")
    desk.sees("SystemExit")
    desk.types(ESCAPE)
    desks("__import__('sys').exit(3)", name="third").sees("SystemExit")
    other.types(DOWN, ENTER)
    other.sees("'l'")
    assert running.evaluate("1 + 1") == "2\n"


def test_sources_keep_their_bytes(desks: Callable[..., Desk], running: Served, tmp_path: Path) -> None:
    """Line ends stay what they are; what is no UTF-8 is edited as a whole only."""
    (tmp_path / "crlf.py").write_bytes(b"def one():\r\n    return 1\r\n\r\ndef two(): return 2")
    (tmp_path / "lat.py").write_bytes("# -*- coding: latin-1 -*-\ndef e(): return 'é'\n".encode("latin-1"))
    assert running.piety("code", "import", str(tmp_path / "crlf.py"), str(tmp_path / "lat.py")).returncode == 0
    desk = desks("code('crlf', 'one')")
    desk.sees("│def one():")
    desk.types(DOWN, END, "0", ctrl("s"))
    desk.sees("one is saved, and runs")
    lat = desks("code('lat')", name="lat")
    lat.sees("<the code of lat>")
    lat.types(TAB)
    lat.sees("def e(): return")
    lat.types(DOWN, END, "  # more", ctrl("s"))
    lat.sees("lat is saved, and runs")
    assert running.piety("code", "export", str(tmp_path / "out")).returncode == 0
    assert (tmp_path / "out/crlf.py").read_bytes() == b"def one():\r\n    return 10\r\n\r\ndef two(): return 2"
    assert (tmp_path / "out/lat.py").read_bytes() == "# -*- coding: latin-1 -*-\ndef e(): return 'é'  # more\n".encode("latin-1")


def test_what_is_typed_around_a_rollback_is_not_put_elsewhere() -> None:
    """It is told, with what was typed."""
    text, sheet, writer = Text("PRECIOUS\n"), Sheet(), Writer()
    sheet.take(writer.window(text, 0, 0))
    writer.type(text, sheet.type(0, 0, "junk "))
    sheet.take(writer.window(text, 0, 0))
    typed = sheet.type(0, 5, "kept?")
    other = Text("PRECIOUS\n")  # as the text is after going back, and another edit of it
    other.insert(0, 0, "x")
    with pytest.raises(PietyError, match=r"another state meanwhile; what was typed is not in it: 'kept\?'"):
        writer.type(other, typed)
    assert str(other) == "xPRECIOUS\n"


def test_many_edits_of_others_are_followed() -> None:
    text, sheet, writer = Text("0123 MARK here\n"), Sheet(), Writer()
    sheet.take(writer.window(text, 0, 0))
    typed = sheet.type(9, 9, "<t>")
    for _ in range(1_500):
        text.edit([(0, 0, "x")])
        writer.window(text, 0, 0)
    writer.type(text, typed)
    assert str(text) == "x" * 1_500 + "0123 MARK<t> here\n"
    assert KEPT > 1_500


def test_a_result_does_not_take_the_keys(desks: Callable[..., Desk], running: Served) -> None:
    """Nor does one in a pane that lies under another one end the desktop."""
    desk = desks("garden")
    desk.sees("'note'")
    with running.begin("eval", "while True: pass") as process:
        desk.sees("runs: while True")
        desk.types(ctrl("e"), "6 * 7", ENTER, F4)
        desk.types(ctrl("t"))
        process.communicate(timeout=30)
    desk.sees("<text 'workspace'")
    desk.settles()
    desk.types("typed here")
    desk.sees("│typed here")
    desk.types(W, "w", W, LEFT, W, "n")
    desk.sees("│42")
    desk.types(ctrl("e"), F10)
    desk.sees("commands>")
    desk.types(ctrl("e"), ESCAPE)
    desk.settles()
    desk.types(W, "w", W, UP)
    desk.settles()
    desk.sees("commands>")
    desk.leaves()


def test_a_property_and_its_setter_are_two(desks: Callable[..., Desk], running: Served, tmp_path: Path) -> None:
    (tmp_path / "props.py").write_text(
        "class A:\n    @property\n    def x(self): return 1\n    @x.setter\n    def x(self, value): 1 / 0\n"
    )
    assert running.piety("code", "import", str(tmp_path / "props.py")).returncode == 0
    running.evaluate("import props; t = spawn(message, lambda m: setattr(props.A(), 'x', m), name='set'); send(t, 1)")
    desk = desks("code('props')")
    desk.sees("A ", "x ")
    desk.types(DOWN, DOWN, ENTER)
    desk.sees("@x.setter", "1 / 0")
    failed = desks("failures()", name="failed")
    failed.sees("ZeroDivisionError")
    failed.types(ENTER)
    failed.sees("1 / 0")
    failed.types(ENTER)
    failed.sees("@x.setter")
    failed.types(END, BACKSPACE, "1", ctrl("s"))
    failed.sees("is saved, and runs")
    assert "def x(self, value): 1 / 1" in running.piety("code", "show", "props").stdout


def test_what_others_saved_is_not_written_over(desks: Callable[..., Desk], running: Served) -> None:
    """Unless one asks for it."""
    running.evaluate("def halve(n): return n / 2")
    desk = desks("code('', 'halve')")
    desk.sees("return n / 2")
    desk.types(END, "  # mine")
    desk.sees("edited and not saved", "# mine")
    running.evaluate("def halve(n): return n // 2")
    desk.types(ctrl("s"))
    desk.sees("halve was changed since you began to edit it")
    assert running.evaluate("halve(3)") == "1\n"
    desk.clicks("Actions")
    desk.sees("[Save over what others did]")
    desk.types(DOWN, ENTER)
    desk.until(lambda text: running.evaluate("halve(3)") == "1.5\n")


def test_what_is_printed_disturbs_no_terminal(desks: Callable[..., Desk], running: Served) -> None:
    """And however much that is, others wait for nothing."""
    desk = desks("garden")
    desk.sees("'note'")
    desk.evaluates("print('\\x1b]0;evil\\x07' + 'one\\n' * 400_000 + 'the end')")
    desk.sees("the end")
    assert b"\x1b]0;" not in desk.heard
    assert running.evaluate("1 + 1") == "2\n"


def test_two_desktops_of_one_name_take_back_their_own(desks: Callable[..., Desk], running: Served) -> None:
    running.evaluate("texts.new('letter', 'one\\ntwo\\n')")
    one, two = desks("texts['letter']"), desks("texts['letter']")
    one.sees("│two")
    two.sees("│two")
    one.types("AAA")
    two.sees("│AAAone")
    two.types(DOWN, END, "BBB")
    one.sees("│twoBBB")
    one.types(ctrl("z"))
    one.sees("│one", "│twoBBB")


def test_what_is_pasted_is_searched(desks: Callable[..., Desk], running: Served) -> None:
    """And one can leave from there."""
    running.evaluate("texts.new('plants/today', 'green')")
    desk = desks("garden")
    desk.sees("'note'")
    desk.types(ctrl("g"), "\x1b[200~plants\x1b[201~")
    desk.sees("text       plants/today")
    desk.types(ENTER)
    desk.sees("│green")
    desk.types(ctrl("g"), "nosuchthing")
    desk.sees("nothing is found")
    desk.leaves()


def test_a_desk_that_is_damaged_is_left_as_it_is(desks: Callable[..., Desk], running: Served) -> None:
    desk = desks(name="bad")
    desk.sees("Welcome")
    desk.leaves()
    for damage in ("(((1,), 0), ((1, ()),), 1, 0, '')", "(((1, 2), 0), ((1, (('world', ()),)),), 1, 0, '')", "7"):
        running.evaluate(f"world.desks['bad'].layout = {damage}")
        again = desks(name="bad")
        again.sees("the desk cannot be read, and is left as it is", "Welcome")
        again.types(W, "v")
        again.until(lambda text: text.count("Welcome to") == 2)
        again.leaves()
        assert running.evaluate("world.desks['bad'].layout").strip().replace(" ", "") == damage.replace(" ", "")


def test_a_command_has_a_name(running: Served) -> None:
    assert "a command has a name" in running.piety("eval", "command(5)(print)").stderr
    assert "none that is typed" in running.piety("eval", "command('Go', key='g.g')(print)").stderr
    assert layout_of("world").panes.keys() == {1}
