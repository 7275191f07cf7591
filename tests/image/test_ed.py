"""The line editor in an image: at the shell, for scripts, and with others who edit the same text."""

from __future__ import annotations

import os
import types
from pathlib import Path
from typing import Any

import pytest
from conftest import System
from gnu_ed import Scripts, by_gnu, by_ours, needs_gnu_ed
from running import Running

from piety.objects.turns import Outcome

LETTER = "t = texts.new('letter', 'one\\ntwo apples\\nthree apples\\nfour\\n')"


def lines(system: System) -> list[str]:
    return list(system.run("list(t.lines)"))


def said(system: System, source: str) -> str:
    """What a source prints."""
    outcome = system.image.evaluate(source)
    assert outcome.error is None, outcome.traceback
    assert outcome.notices == []
    return outcome.output


@pytest.fixture
def letter(system: System) -> System:
    """An image with a text."""
    system.run(LETTER)
    return system


@pytest.fixture
def session(letter: System) -> System:
    """A session of `ed` on the text, which is kept in a variable."""
    letter.run("e = ed.begin(t)")
    return letter


def typed(system: System, *entered: str) -> str:
    """What a session says to lines, each in a turn of its own."""
    return "".join(said(system, f"e.enter({line!r})") for line in entered)


# -- as an API


def test_a_script_edits_a_text(letter: System) -> None:
    """With the addresses and patterns of ed; each is one group of the log, called by its command."""
    letter.run("ed.s(t, '1,$', 'apples', 'snakes')")
    assert lines(letter) == ["one", "two snakes", "three snakes", "four"]
    letter.run("ed.do(t, '1')", "ed.do(t, '/snake/,+2d')")
    assert lines(letter) == ["one", "four"]
    assert letter.run("[group.what for group in t.history()]") == ["ed /snake/,+2d", "ed 1,$s/apples/snakes/"]
    letter.run("t.undo(); t.undo()")
    assert "apples" in letter.run("str(t)")


def test_the_api_has_a_function_for_each_command(letter: System) -> None:
    """That edits or prints."""
    letter.run("ed.a(t, '$', ['five', 'six/seven'])", "ed.i(t, 1, 'zero')", "ed.c(t, '/two/', 'TWO\\nTWO')")
    assert lines(letter) == ["zero", "one", "TWO", "TWO", "three apples", "four", "five", "six/seven"]
    letter.run("ed.d(t, 1)", "ed.j(t, '1,3')", "ed.m(t, 1, '$')", "ed.t(t, '1', 0)", "ed.s(t, '$-1', '/', '\\n')")
    assert lines(letter) == ["three apples", "three apples", "four", "five", "six", "seven", "oneTWOTWO"]
    letter.run("ed.g(t, ',', 'e$', 's/$/!/\\na\\nbehind\\n.')")
    assert lines(letter)[3:6] == ["five!", "behind", "six"]
    letter.run("ed.a(t, 0, ['.', '1,$d'])", "ed.c(t, '1,2', '')")
    assert lines(letter)[0] == "three apples"
    assert said(letter, "ed.p(t, 1)") == "three apples\n"
    assert said(letter, "ed.n(t, '1,2')") == "1\tthree apples\n2\tthree apples\n"


def test_a_script_hears_why_something_cannot_be_done(letter: System) -> None:
    """As an exception, with the words of ed and the command; what the command has not done is not done."""
    assert str(letter.fail("ed.do(t, '99d')")) == "Invalid address: 99d"
    assert "No match" in str(letter.fail("ed.s(t, ',', 'pears', 'x')"))
    assert "nosuch/file: No such file" in str(letter.fail("ed.r(t, '$', 'nosuch/file')"))
    assert "end-of-file" in str(letter.fail("ed.do(t, 's/one/x\\\\')"))
    assert "Unmatched" in str(letter.fail("ed.s(t, 1, '\\\\(', 'x')"))
    assert lines(letter)[0] == "one"


def test_a_pattern_that_would_take_for_ever_is_given_up(
    letter: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And nothing is changed."""
    from piety.objects import searching

    monkeypatch.setattr(searching, "PATIENCE", 0.05)
    letter.run("import ed as module; module.PATIENCE = 0.05", "t.lines[0] = 'a' * 50")
    for command in (r"1s/\(a\|aa\)*$/x/", r"/\(a\|aa\)*$/d", r"g/\(a\|aa\)*$/d"):
        assert "takes" in str(letter.fail(f"ed.do(t, {command!r})"))
    assert lines(letter)[0] == "a" * 50


def test_what_one_text_has_is_kept_exactly(letter: System) -> None:
    """NUL, carriage returns, bytes that are no UTF-8, and wide, combining and right-to-left characters."""
    strange = ["\0nul", "dos\r", "\udcff\udc80", "漢字 é e\u0301 \u05d0\u05d1 \U0001f40d", ""]
    letter.run(f"t.set(''.join(f'{{line}}\\n' for line in {strange!r}))", "ed.m(t, 1, '$')", "ed.s(t, ',', '$', '.')")
    assert lines(letter) == [f"{line}." for line in [*strange[1:], strange[0]]]


# -- as a session


def test_what_is_typed_in_a_session_is_a_group_for_each_command(session: System) -> None:
    """Also the lines of an `a`, each of which is a turn."""
    typed(session, "1a", "x", "y", ".", "2,3p")
    assert lines(session)[:4] == ["one", "x", "y", "two apples"]
    assert session.run("[group.what for group in t.history()]") == ["ed 1a"]
    typed(session, "1a", "z", ".")
    typed(session, "u")
    assert lines(session)[:3] == ["one", "x", "y"]
    typed(session, "u", "u")
    assert lines(session)[:3] == ["one", "x", "y"]


def test_a_long_input_is_undone_at_once(session: System) -> None:
    """Though it is several groups of the log."""
    typed(session, "a", *map(str, range(60)), ".")
    assert session.run("len(t.history())") > 1
    typed(session, "u")
    assert lines(session) == ["one", "two apples", "three apples", "four"]
    typed(session, "u")
    assert lines(session)[-2:] == ["58", "59"]


def test_a_session_goes_on_after_a_restart(session: System) -> None:
    """In the middle of a command, of input, and of a global command that asks."""
    typed(session, "2kx", "2s/two/2\\")
    session.resume()
    typed(session, "TWO/", "$a")
    session.resume()
    assert typed(session, "five", ".", "'xp") == "?\n"  # it was replaced
    assert lines(session) == ["one", "2", "TWO apples", "three apples", "four", "five"]
    assert typed(session, "G/apples/") == "TWO apples\n"
    session.resume()
    assert typed(session, "s/apples/pears/", "") == "three apples\n"
    typed(session, "u")
    assert lines(session)[2] == "TWO apples"


def test_others_may_edit_while_a_session_goes_on(session: System) -> None:
    """The current line, marks and the place of input stay with their lines, and `u` takes back what is one's own."""
    typed(session, "2kx", "3s/three/3/")
    session.run("t.edit([(0, 0, 'zero\\nzero\\n')], by='eve')")
    assert typed(session, ".=", "'x=", ".p") == "5\n4\n3 apples\n"
    typed(session, "u")
    assert lines(session) == ["zero", "zero", "one", "two apples", "three apples", "four"]
    typed(session, "'xa", "first")
    session.run("t.edit([(0, 10, '')], by='eve')")
    typed(session, "second", ".")
    assert lines(session) == ["one", "two apples", "first", "second", "three apples", "four"]


def test_undo_says_so_where_others_have_changed_the_same_line(session: System) -> None:
    """And leaves the text alone."""
    typed(session, "2s/two/2/")
    session.run("t.edit([(4, 5, 'TWO')], by='eve')")
    assert typed(session, "u", "h").startswith("?\ngroup 1 (ed 2s/two/2/) cannot be undone: eve has changed")
    assert lines(session)[1] == "TWO apples"


def test_a_global_command_that_asks_ends_when_others_edit(session: System) -> None:
    """Its lines might be others."""
    typed(session, "H", "G/apples/")
    session.run("t.edit([(0, 0, 'zero\\n')], by='eve')")
    assert typed(session, "d") == "?\nSomebody else has changed the text\n"
    assert typed(session, "d") == ""
    assert lines(session) == ["zero", "one", "three apples", "four"]


def test_a_text_without_a_file_needs_no_second_q(session: System) -> None:
    """Nothing is lost."""
    typed(session, "1d", "q")
    assert session.run("e.has_ended, e.status") == (True, 0)


def test_the_source_of_a_module_is_edited_and_run(system: System) -> None:
    """`w` is the turn that runs it."""
    system.run("image.modules['fruit'] = 'def eat():\\n    return 1\\n'", "import fruit")
    system.run("t = image.modules.text('fruit')", "e = ed.begin(t)")
    assert typed(system, "$s/1/2/", "w", "wq") == "24\n24\n"
    assert system.run("fruit.eat()") == 2
    system.run("e = ed.begin(t)")
    typed(system, "1s/:/")
    assert typed(system, "w", "h") == "?\nSyntaxError: expected ':' (image:fruit.py, line 1)\n"
    assert typed(system, "u", "$a", "1 / 0", ".", "w", "h") == "?\nZeroDivisionError: division by zero (image:fruit.py, line 3)\n"
    assert system.run("fruit.eat(), t.is_saved") == (2, False)
    assert typed(system, "q", "q") == "?\n"
    assert said(system, "ed.begin('fruit')") == "30\n"


def test_several_texts_in_one_session(session: System, tmp_path: Path) -> None:
    """Each with its own place; what was yanked in one is put into another."""
    (tmp_path / "a.txt").write_text("a\n")
    (tmp_path / "b.txt").write_text("b1\nb2\n")
    session.run("texts.new('poem', 'rose\\n')")
    assert typed(session, "2y", f"B {tmp_path}/a.txt {tmp_path}/b.txt", "b") == (
        "2\n   letter\n   b.txt\n . a.txt\n"
    )
    typed(session, "x", "b poem", "x", "b letter")
    assert typed(session, ".=", "b") == "4\n . letter\n   b.txt\n*  a.txt\n   poem\n"
    assert session.run("str(texts['poem'])") == "rose\ntwo apples\n"
    assert typed(session, "D", "b a.txt", "H", "D", "D", "b") == (
        "?\nWarning: buffer modified\n   b.txt\n . poem\n"
    )


# -- files


@pytest.fixture
def file(tmp_path: Path, system: System) -> Path:
    """A file, and a session on it."""
    path = tmp_path / "notes.txt"
    path.write_text("one\ntwo\n")
    system.run(f"t = open_file({str(path)!r})", "e = ed.begin(t)")
    return path


def test_a_file_is_read_and_written(file: Path, system: System) -> None:
    """Through its text, which knows what is in it."""
    assert typed(system, "1d", "w", "q") == "4\n"
    assert file.read_text() == "two\n"
    assert system.run("t.is_saved")
    assert system.run("e.has_ended")


def test_what_is_not_written_needs_a_second_q(file: Path, system: System) -> None:
    """The text keeps it, but the file has it not."""
    assert typed(system, "1d", "q") == "?\n"
    assert not system.run("e.has_ended")
    typed(system, "q")
    assert system.run("e.has_ended")
    assert file.read_text() == "one\ntwo\n"


def test_a_file_that_was_changed_outside_needs_a_second_w(file: Path, system: System) -> None:
    """What somebody else has written is not lost by a single letter."""
    typed(system, "H", "1d")
    file.write_text("somebody else\n")
    assert typed(system, "w") == "?\nWarning: the file was changed by somebody else\n"
    assert file.read_text() == "somebody else\n"
    assert typed(system, "w") == "4\n"
    assert file.read_text() == "two\n"


def test_a_file_that_cannot_be_written_stays_as_it_is(
    file: Path, system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk, a folder that is not there, a file that is a folder, half a character."""
    typed(system, "H", "1d")
    for place in (f"{file}/x", "/nosuch/folder/x", str(file.parent)):
        assert typed(system, f"w {place}") == "?\nCannot open output file\n"

    def full(_file: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert typed(system, "w") == "?\nCannot open output file\n"
    monkeypatch.undo()
    assert file.read_text() == "one\ntwo\n"
    typed(system, "1s/two/\ud800/")
    assert "half character" in typed(system, "w")
    assert sorted(path.name for path in file.parent.iterdir() if path.is_file()) == ["notes.txt"]
    assert file.read_text() == "one\ntwo\n"


def test_what_cannot_be_appended_whole_is_not_appended(
    file: Path, system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is as long as before."""
    typed(system, "a", "\ud800", ".")
    assert typed(system, "W") == "?\n"
    assert file.read_text() == "one\ntwo\n"


def test_a_device_is_written_to_and_not_replaced(file: Path, system: System) -> None:
    """As `w /dev/stdout` and the like."""
    assert typed(system, "w /dev/null") == "8\n"
    assert not Path("/dev/null").is_file()


def test_opening_a_file_again_takes_what_is_there(file: Path, system: System) -> None:
    """If nothing was done to the text since it was read."""
    file.write_text("other\n")
    assert said(system, f"ed.begin({str(file)!r})") == "6\n"
    system.run("t.lines[0] = 'mine'")
    file.write_text("another\n")
    assert said(system, f"ed.begin({str(file)!r})") == "5\n"


# -- at the shell


class Terminal:
    """A person at a terminal of a running system."""

    def __init__(self, running: Running, name: str) -> None:
        self._running, self.name = running, name

    def types(self, source: str) -> Outcome:
        return self._done(self._running.system.evaluate(source, show=True, session=self.name))

    def enters(self, *entered: str | None) -> str:
        """What the job in the foreground says to lines; None is Ctrl-D."""
        said = ""
        for line in entered:
            outcome = self._done(self._running.system.enter(line, self.name))
            assert outcome.error is None, outcome.traceback
            assert outcome.notices == []
            said, self.prompt = said + outcome.output, outcome.prompt
        return said

    def _done(self, future: Any) -> Outcome:
        self._running.go()
        outcome: Outcome = future.result(timeout=0)
        return outcome


@pytest.fixture
def running(system: System) -> Running:
    running = Running(system)
    running.run(LETTER)
    return running


@pytest.fixture
def terminal(running: Running) -> Terminal:
    return Terminal(running, "1")


def test_ed_is_a_job_at_the_shell(running: Running, terminal: Terminal) -> None:
    """With a prompt for commands and none for text; q leaves."""
    outcome = terminal.types("ed(t)")
    assert (outcome.output, outcome.prompt) == ("33\n", "*")
    assert terminal.enters("2p", "a") == "two apples\n"
    assert terminal.prompt == ""
    terminal.enters("here", ".")
    assert terminal.prompt == "*"
    terminal.enters("q")
    assert terminal.prompt is None
    assert running.run("t.lines[2]") == "here"


@pytest.mark.parametrize("end", ["q", None])
def test_the_place_is_kept(running: Running, terminal: Terminal, end: str | None) -> None:
    """From one session to the next, however it ended, also after a restart; it moves with what others do."""
    terminal.types("ed(t)")
    terminal.enters("2", end)
    running.run("t.edit([(0, 0, 'zero\\n')], by='eve')")
    running.resume(1, killed=True)
    terminal.types("ed(t)")
    assert terminal.enters(".=") == "3\n"


def test_a_session_at_the_shell_goes_on_after_a_pulled_plug(running: Running, terminal: Terminal) -> None:
    """In the middle of what is typed."""
    terminal.types("ed(t)")
    terminal.enters("2kx", "0a", "first")
    running.resume(1, killed=True)
    terminal.enters("second", ".", "'xp")
    assert running.run("list(t.lines)[:4]") == ["first", "second", "one", "two apples"]
    terminal.enters("u")
    assert running.run("t.lines[0]") == "one"


def test_two_terminals_edit_one_text(running: Running, terminal: Terminal) -> None:
    """Turn by turn; each undoes what is its own."""
    other = Terminal(running, "2")
    terminal.types("ed(t)")
    other.types("ed(t)")
    terminal.enters("1s/one/1/")
    other.enters("$s/four/4/", "$a", "five", ".")
    terminal.enters("1i", "zero", ".")
    assert running.run("list(t.lines)") == ["zero", "1", "two apples", "three apples", "4", "five"]
    other.enters("u")
    assert running.run("list(t.lines)") == ["zero", "1", "two apples", "three apples", "4"]
    terminal.enters("u")
    assert running.run("list(t.lines)") == ["1", "two apples", "three apples", "4"]
    assert running.run("{group.who for group in t.history()}") == {
        f"{running.run('image.who')} at 1", f"{running.run('image.who')} at 2",
    }  # fmt: skip


def test_ed_itself_can_be_changed_while_it_is_used(running: Running, terminal: Terminal) -> None:
    """It is a module of the image."""
    terminal.types("ed(t)")
    source = running.run("image.modules['ed']")
    assert source.count('"No match"') == 3
    running.run("image.modules['ed'] = image.modules['ed'].replace('\"No match\"', '\"Not a trace\"')")
    assert terminal.enters("H", "/pears/") == "?\nNot a trace\n"
    assert terminal.enters("1p") == "one\n"
    running.run("ed.s(t, 1, 'one', '1')")
    assert running.run("t.lines[0]") == "1"


# -- compared with GNU ed


@needs_gnu_ed
def test_it_does_what_gnu_ed_does_also_within_an_image(system: System, tmp_path: Path) -> None:
    """Where the edits of one turn are in one group of the log, if nobody says where a command ends."""
    with system.image.turn("scripts"):
        import ed  # type: ignore[import-not-found]

        module = types.SimpleNamespace(begin=ed.begin)
        extra = {letter: ed.COMMANDS.pop(letter) for letter in "bBD"}
        for seed in range(100_000, 100_500):
            script = Scripts(seed).script()
            assert by_ours(script, tmp_path / "ours", module) == by_gnu(script, tmp_path / "gnu"), script
        ed.COMMANDS.update(extra)
