"""The shell on a terminal, as a person meets it: keys go in, and the screen is read."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from terminals import BACKSPACE, CTRL_BACKSLASH, CTRL_C, CTRL_D, CTRL_R, CTRL_Z, ENTER, PASTE, PASTED, TAB, UP, Terminal

import piety
from piety import daemon
from piety.browser import prompt as prompt_module


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    """What a command without a terminal does."""
    return subprocess.run([sys.executable, "-m", "piety", *arguments], capture_output=True, text=True, check=False)


@pytest.fixture
def terminals(home: Path) -> Iterator[list[Terminal]]:
    """What was opened, to be closed; and the system that they have started, to be stopped."""
    opened: list[Terminal] = []
    yield opened
    for each in opened:
        each.stop()
    daemon.stop(str(home), now=True)


@pytest.fixture
def terminal(terminals: list[Terminal]) -> Terminal:
    """A new home, resumed on a terminal."""
    terminals.append(Terminal())
    return terminals[-1]


def test_a_value_is_shown_and_stays(terminal: Terminal, terminals: list[Terminal]) -> None:
    """Typed today, there tomorrow."""
    terminal.enters("total = 40 + 2")
    terminal.prompts()
    terminal.enters("total * 10")
    terminal.sees("420\r\n")
    terminal.enters("exit")
    assert terminal.ends() == 0
    terminals.append(Terminal())
    terminals[-1].enters("total + 1")
    terminals[-1].sees("43\r\n")


@pytest.mark.parametrize("keys", ["exit\r", "quit\r", "exit()\r", "quit()\r", CTRL_D, CTRL_BACKSLASH])
def test_ways_to_leave(terminal: Terminal, keys: str) -> None:
    """All that people try."""
    terminal.types(keys)
    assert terminal.ends() == 0


def test_the_greeting_says_where_one_is_and_how_to_leave(home: Path, terminals: list[Terminal]) -> None:
    """And where to begin, as long as nobody has typed anything here."""
    terminals.append(new := Terminal())
    assert f"in {home}: what you make here stays. To leave: exit, or Ctrl-D." in " ".join(new.greeting.split())
    assert "import tour; tour.start()" in new.greeting
    new.enters("1")
    new.prompts()
    new.types(CTRL_D)
    assert new.ends() == 0
    terminals.append(again := Terminal())
    assert "To leave" in again.greeting
    assert "tour" not in again.greeting


def test_several_lines_are_indented_and_end_with_an_empty_one(terminal: Terminal) -> None:
    """Enter after a colon goes one step in, backspace one step out; an empty line ends the block."""
    terminal.enters("def sign(x):")
    terminal.sees("...")
    terminal.enters("if x < 0:")
    terminal.sees("...")
    terminal.enters("return -1")
    terminal.sees("...")
    terminal.types(BACKSPACE)
    terminal.enters("return +1")
    terminal.sees("...")
    terminal.types(ENTER)
    terminal.prompts()
    terminal.enters("sign(-5), sign(5)")
    terminal.sees("(-1, 1)\r\n")


def test_an_open_bracket_goes_on(terminal: Terminal) -> None:
    """Enter inside of brackets and long strings is a new line."""
    terminal.enters("sum([1,")
    terminal.sees("...")
    terminal.enters("2])")
    terminal.sees("3\r\n")


SOURCE = """\
def twice(x):
    y = x

    return y + x

twice(4)
twice("ab")
"""


@pytest.mark.parametrize(("before", "after"), [(PASTE, PASTED + ENTER), ("", "")])
def test_pasted_text_runs_statement_by_statement(terminal: Terminal, before: str, after: str) -> None:
    """Empty lines in functions included, whether or not the terminal says that it is a paste."""
    terminal.types(f"{before}{SOURCE}{after}")
    terminal.sees("8\r\n")
    terminal.sees("'abab'\r\n")


SESSION = """\
>>> def twice(x):
...     return x + x
...
>>> [twice(4), "..."]
[8, '...']
>>> twice("ab")
"""


@pytest.mark.parametrize(("before", "after"), [(PASTE, PASTED + ENTER), ("", "")])
def test_a_session_can_be_pasted(terminal: Terminal, before: str, after: str) -> None:
    """Its prompts are not typed, and what it shows is not either."""
    terminal.types(f"{before}{SESSION}{after}")
    terminal.sees("2004l[8, '...']\r\n")
    assert "Error" not in terminal.sees("'abab'\r\n")
    terminal.types(UP)
    terminal.sees("twice")  # the history has what is evaluated
    terminal.types(ENTER)
    terminal.sees("'abab'\r\n")


def test_a_paste_stops_where_it_fails(terminal: Terminal) -> None:
    """What comes after is not run, and what is no Python runs not at all."""
    terminal.types(PASTE, "a = 1\n1 / 0\na = 2", PASTED, ENTER)
    terminal.sees("ZeroDivisionError")
    terminal.types(PASTE, "a = 3\na = = 4", PASTED, ENTER)
    terminal.sees("SyntaxError")
    terminal.enters("'a is %d' % a")
    terminal.sees("'a is 1'")


def test_history_comes_back_after_a_restart(terminal: Terminal, terminals: list[Terminal]) -> None:
    """Up-arrow finds yesterday's lines, also the one that killed the process."""
    terminal.enters("'first'.upper()")
    terminal.sees("'FIRST'")
    terminal.enters("import os; os._exit(7)")
    terminal.sees("piety: the system stopped; what it reported done is done. To go on: piety\r\n")
    assert terminal.ends() == 1
    terminals.append(again := Terminal())
    again.types(UP)
    again.sees("import os; os._exit(7)")
    again.types(UP, ENTER)
    again.sees("'FIRST'")


def test_history_can_be_searched_to_its_beginning(home: Path, terminals: list[Terminal]) -> None:
    """Ctrl-R reads on when what it looks for is old."""
    with piety.open(home, create=True) as image:
        image.run(prompt_module.Keep(image, source) for source in ["'need' + 'le'", *map(str, range(300))])
    terminals.append(terminal := Terminal())
    terminal.types(CTRL_R)
    terminal.sees("search")
    terminal.types("need")
    terminal.sees("'le'")
    terminal.types(ENTER, ENTER)
    terminal.sees("'needle'")


def test_tab_offers_names(terminal: Terminal) -> None:
    """One name is filled in, several are a menu; Enter takes what was chosen."""
    terminal.enters("wombat = 5")
    terminal.prompts()
    terminal.types("womb", TAB, " + 1", ENTER)
    terminal.sees("6\r\n")
    terminal.types("wombat.b", TAB)
    terminal.sees("bit_length")
    terminal.types(TAB, ENTER, "()", ENTER)
    terminal.sees("2\r\n")


def test_tab_at_the_beginning_of_a_line_indents(terminal: Terminal) -> None:
    """There is nothing to complete."""
    terminal.types("if True:", ENTER, TAB, BACKSPACE, "print('indented')", ENTER, ENTER)
    terminal.sees("indented\r\n")


def test_ctrl_c_clears_the_line(terminal: Terminal) -> None:
    """What was typed is not run."""
    terminal.types("1 / 0", CTRL_C)
    terminal.prompts()
    terminal.enters("2 + 2")
    assert "Error" not in terminal.sees("4\r\n")


def test_ctrl_z_at_the_shell_says_what_it_is_for(terminal: Terminal) -> None:
    """And what was typed so far stays as it was."""
    terminal.types("40 +", CTRL_Z)
    terminal.sees("note: Ctrl-Z puts a job aside, and none is in front; to leave the shell: exit, or Ctrl-D\r\n")
    terminal.enters(" 2")
    assert "^Z" not in terminal.sees("42\r\n")


def test_ctrl_c_stops_and_undoes_a_turn(terminal: Terminal) -> None:
    """One line says where it was."""
    terminal.enters("n = 1; import sys")
    terminal.prompts()
    wait = "def wait():\n    print('run' 'ning', file=sys.stderr)\n    while True: pass\n"
    terminal.types(PASTE, wait, PASTED, ENTER)
    terminal.prompts()
    terminal.enters("n = 2; wait()")
    terminal.sees("running")
    terminal.types(CTRL_C)
    terminal.sees("interrupted, and the turn undone; it was in image:workspace.py, line ")
    terminal.sees("in wait: while True: pass\r\n")
    terminal.enters("n")
    terminal.sees("1\r\n")


@pytest.mark.parametrize("behind", ["", "n\r"])
def test_ctrl_c_just_behind_enter_is_for_what_was_entered(terminal: Terminal, behind: str) -> None:
    """Even if both come at once; and what comes behind it is the next line."""
    terminal.types(PASTE, "n = 'be' 'fore'\ndef spin():\n    while True: pass\n", PASTED, ENTER)
    terminal.prompts()
    terminal.types("n = 'while'; spin()", ENTER + CTRL_C + behind)
    terminal.sees_one_of("taken back before its turn came", "interrupted, and the turn undone")
    if not behind:
        terminal.prompts()
        terminal.enters("n")
    terminal.sees("'before'\r\n")


def test_ctrl_c_just_behind_an_answer(terminal: Terminal) -> None:
    """It is for the turn that has asked."""
    terminal.types(PASTE, "def ask():\n    if input('na' 'me? '):\n        while True: pass\n", PASTED, ENTER)
    terminal.prompts()
    terminal.enters("ask()")
    terminal.sees("name?")
    terminal.types("adam" + ENTER + CTRL_C)
    terminal.sees("interrupted, and the turn undone")


def test_errors_are_tracebacks_of_the_users_code(terminal: Terminal) -> None:
    """With the line that failed, and no line of ours."""
    terminal.enters("1 / 0")
    terminal.sees("Traceback (most recent call last):\r\n")
    assert "piety" not in terminal.sees("ZeroDivisionError: division by zero\r\n")


def test_system_exit_does_not_end_the_shell(terminal: Terminal) -> None:
    """Not even one that closes the standard input, as `exit` does."""
    terminal.enters("exit(3)")
    terminal.sees("SystemExit(3) ended the turn, which was undone; to leave the shell: exit, alone on a line")
    terminal.enters("input('still there? ').upper()")
    terminal.sees("still there?")
    terminal.enters("yes")
    terminal.sees("'YES'")


def test_input_shows_its_question(terminal: Terminal) -> None:
    """And what was printed before it; the rest of the output comes after the turn."""
    terminal.enters("print('a', 'riddle'); name = input('your na' 'me? '); print('good', name)")
    terminal.sees("a riddle\r\n")
    terminal.sees("your name?")
    terminal.enters("Ada")
    terminal.sees("good Ada\r\n")


def test_the_debugger_can_be_used(terminal: Terminal) -> None:
    """`breakpoint()` asks as `input` does."""
    terminal.enters("n = 5; breakpoint(); n = n + 1")
    terminal.sees("(Pdb)")
    terminal.enters("p n * 111")
    terminal.sees("555\r\n")
    terminal.sees("(Pdb)")
    terminal.enters("c")
    terminal.prompts()
    terminal.enters("n * 111")
    terminal.sees("666\r\n")


def test_a_long_value_is_clipped(terminal: Terminal) -> None:
    """With a word how to see all of it."""
    terminal.enters("'x' * 12_000 + 'end'")
    shown = terminal.sees("... and 2,005 characters more; to see all: print(repr(_))")
    assert shown.count("x") < 10_100
    terminal.enters("print(repr(_))")
    terminal.sees("xend'\r\n")


def test_output_without_an_end_of_line_is_not_overwritten(terminal: Terminal) -> None:
    """The prompt begins a line."""
    terminal.enters("print('par' 'tial', end='')")
    terminal.sees("partial\r\n")


def test_ctrl_c_stops_what_asks_for_input(terminal: Terminal) -> None:
    """As it stops everything else."""
    terminal.enters("n = 1")
    terminal.prompts()
    terminal.enters("n = input('na' 'me? ')")
    terminal.sees("name?")
    terminal.types(CTRL_C)
    terminal.sees("interrupted, and the turn undone")
    terminal.enters("n")
    terminal.sees("1\r\n")


def test_two_terminals_share_one_system(terminal: Terminal, terminals: list[Terminal]) -> None:
    """What one makes the other sees, and each has a prompt while the other's turn runs."""
    terminals.append(other := Terminal())
    terminal.enters("total = 42")
    terminal.prompts()
    other.enters("total")
    other.sees("42\r\n")
    terminal.enters("import sys; print('run' 'ning', file=sys.stderr)\nwhile True: pass\n")
    terminal.sees("running")
    other.types("tot", "al + 1", BACKSPACE, "2")
    other.sees("2")
    other.types(CTRL_C)
    other.prompts()
    terminal.types(CTRL_C)
    terminal.sees("interrupted, and the turn undone")
    other.enters("total + 1")
    other.sees("43\r\n")


@pytest.mark.parametrize("name", ["left-pane", 'my "own" é', "1"])
def test_a_session_has_the_name_that_was_given(terminals: list[Terminal], home: Path, name: str) -> None:
    """Whatever can be read is a name; it is not free then."""
    terminals.append(first := Terminal())
    first.types(CTRL_D)
    assert first.ends() == 0
    terminals.append(named := Terminal("attach", "--session", name))
    named.enters("terminal()")
    named.sees(f"<terminal of session {name!r}>")
    assert json.loads(command("status", "--json").stdout)["terminals"] == [name]
    terminals.append(second := Terminal("attach", "--session", name, has_prompt=False))
    assert "has a terminal already" in second.sees("; attach without")


@pytest.mark.parametrize("name", ["", " ", "a\nb", "\x1b[2J"])
def test_a_session_needs_a_name_that_can_be_read(home: Path, name: str) -> None:
    """One line; nothing else is taken for what was meant."""
    done = command("attach", "--session", name)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"piety: {name!r} is no name of a session; give it one that can be read, or none\n"


def test_ctrl_backslash_leaves_while_a_turn_runs(terminal: Terminal, terminals: list[Terminal]) -> None:
    """The turn is stopped and undone, as of any terminal that goes away."""
    terminals.append(other := Terminal())
    terminal.enters("n = 0; import sys")
    terminal.prompts()
    terminal.types(PASTE, "n = 1; print('run' 'ning', file=sys.stderr)\nwhile True: n = n + 1\n", PASTED, ENTER)
    terminal.sees("running")
    terminal.types(CTRL_BACKSLASH)
    assert terminal.ends() == 0
    other.enters("'n is %d' % n")
    other.sees("'n is 1'")


def test_what_waits_behind_another_turn_can_be_taken_back(terminal: Terminal, terminals: list[Terminal]) -> None:
    """Ctrl-C never touches the turn of another terminal."""
    terminals.append(other := Terminal())
    terminal.enters("n = 0")
    terminal.prompts()
    terminal.types(PASTE, "import sys; print('run' 'ning', file=sys.stderr)\nwhile True: pass\n", PASTED, ENTER)
    terminal.sees("running")
    other.enters("n = 1")
    other.types(CTRL_C)
    other.sees("taken back before its turn came")
    terminal.types(CTRL_C)
    terminal.sees("interrupted, and the turn undone")
    other.enters("n")
    other.sees("0\r\n")


def test_a_terminal_that_vanishes_hurts_nobody(terminal: Terminal, terminals: list[Terminal]) -> None:
    """The turn that it had asked for is stopped and undone."""
    terminals.append(other := Terminal())
    terminal.enters("n = 0; import sys")
    terminal.prompts()
    terminal.types(PASTE, "n = 1; print('run' 'ning', file=sys.stderr)\nwhile True: n = n + 1\n", PASTED, ENTER)
    terminal.sees("running")
    terminal.stop()
    other.enters("n")
    other.sees("1\r\n")


def test_a_job_is_put_aside_and_taken_up_again(terminal: Terminal, terminals: list[Terminal]) -> None:
    """With Ctrl-Z and fg(); after a killed system it is where it was."""
    terminal.types(
        PASTE,
        "entries = []\ndef note(line):\n    entries.append(line); print(len(entries), 'no' 'ted')\n",
        PASTED,
        ENTER,
    )
    terminal.prompts()
    terminal.enters("job(note, prompt='no' 'te> ')")
    terminal.sees("note>")
    terminal.enters("it rains")
    terminal.sees("1 noted")
    terminal.types(CTRL_Z)
    terminal.sees(">>>")
    terminal.enters("fg()")
    terminal.sees("note>")
    terminal.stop()
    daemon.stop(os.environ["PIETY_HOME"], now=True)
    terminals.append(again := Terminal())
    again.sees("note>")
    again.enters("it snows")
    again.sees("2 noted")
    again.types(CTRL_D)
    again.sees(">>>")
    again.enters("entries")
    again.sees("['it rains', 'it snows']")


def test_ctrl_backslash_at_the_prompt_leaves_the_job_in_front(terminal: Terminal, terminals: list[Terminal]) -> None:
    """Where Ctrl-D would end it."""
    terminal.enters("job(lambda line: None, prompt='no' 'te> ')")
    terminal.sees("note>")
    terminal.types(CTRL_BACKSLASH)
    assert terminal.ends() == 0
    terminals.append(again := Terminal())
    again.sees("note>")


# -- the history itself


class Resting:
    """What the history asks of a system, of an image that nothing else is done with."""

    def __init__(self, image: piety.Image) -> None:
        self.image = image

    def keep(self, *sources: str) -> None:
        for source in sources:
            self.image.run([prompt_module.Keep(self.image, source)])

    def history(self) -> prompt_module.ImageHistory:
        system: Any = self
        return prompt_module.ImageHistory(system)


@pytest.fixture
def resting(image: piety.Image) -> Resting:
    """The history of a new image."""
    return Resting(image)


def test_the_same_twice_in_a_row_is_kept_once(resting: Resting) -> None:
    """Also when the first time was before a restart."""
    resting.keep("a", "a", "b", "a", "a")
    assert list(resting.image.world.history.values()) == ["a", "b", "a"]


def test_the_history_is_bounded(resting: Resting, monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest go, and what is far too long never comes."""
    monkeypatch.setattr(prompt_module, "KEPT", 10)
    resting.keep(*map(str, range(25)))
    assert resting.history().keep("x" * (prompt_module.LONGEST + 1)) is None
    assert list(resting.image.world.history.values()) == [str(number) for number in range(15, 25)]


def test_the_history_is_read_in_pages(resting: Resting) -> None:
    """From the newest back; entries that are gone or are no text are passed over."""
    resting.keep(*map(str, range(250)))
    with resting.image.turn("spoil"):
        resting.image.world.history[249] = None
        for number in range(20, 200):
            del resting.image.world.history[number]
    again = resting.history()
    assert again._older() == [str(number) for number in range(249, 198, -1) if number != 248]
    assert again._older() == [str(number) for number in range(18, -1, -1)]
    assert again._older() == []


def test_a_history_that_was_spoilt_does_not_stop_the_shell(resting: Resting) -> None:
    """It is an object like others, and people change objects."""
    resting.image.evaluate("world.history = 'gone'")
    resting.keep("x")
    assert resting.history()._older() == []
