"""Going back while people are attached: what they see, and what they do next, is of the state of then."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from served import Served
from terminals import CTRL_C, ENTER, Terminal

import piety
from piety import daemon
from piety.objects.check import check_image

NOTE = "the system went back to an earlier state"


def command(*arguments: str) -> str:
    """What a command without a terminal says; it must succeed."""
    words = [sys.executable, "-m", "piety", *arguments]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def terminals(home: Path) -> Iterator[list[Terminal]]:
    """Two terminals at one system, which is stopped at the end."""
    opened = [Terminal(), Terminal()]
    yield opened
    for each in opened:
        each.stop()
    daemon.stop(str(home), now=True)


def test_whoever_is_attached_goes_on_with_the_state_of_then(terminals: list[Terminal]) -> None:
    """A variable, a module, a text and a task, at two terminals; and back again."""
    one, other = terminals
    for source in (
        "got = []; x = 'old'",
        "take = lambda what: got.append(what)",
        "t = spawn(message, take, name='taker'); texts['t'] = Text('old text')",
        "image.modules['m'] = 'version = 1'; import m; m.version",
    ):
        one.enters(source)
        one.prompts()
    command("snapshot", "then")
    for source in (
        "take = lambda what: got.append(-what)",
        "x = 'new'; send(t, 1); texts['t'].set('new text')",
        "image.modules['m'] = 'version = 2'",
    ):
        other.enters(source)
        other.prompts()
    command("eval", "got")  # the task has had its turn
    command("snapshot", "changed")
    command("rollback", "then")
    look = "x, str(texts['t']), m.version, len(t.messages)"
    for terminal in terminals:
        terminal.sees(NOTE)
        terminal.enters(look)
        terminal.sees("('old', 'old text', 1, 0)")
    one.enters("send(t, 7)")
    one.prompts()
    other.enters("got")
    other.sees("[7]")
    command("rollback", "changed")
    for terminal in terminals:
        terminal.sees(NOTE)
        terminal.enters("x, str(texts['t']), m.version, got")
        terminal.sees("('new', 'new text', 2, [-1])")


def test_a_job_and_its_prompt_go_back(terminals: list[Terminal]) -> None:
    one, _other = terminals
    one.enters("hear = lambda line: print(line)")
    one.prompts()
    command("snapshot", "then")
    one.enters("j = job(hear, 'say> ')")
    one.sees("say> ")
    command("rollback", "then")
    one.sees(NOTE)
    one.enters("40 + 2")
    one.sees("42")


def test_a_turn_that_runs_ends_first(terminals: list[Terminal]) -> None:
    """The rollback waits for it, and takes back what it did."""
    one, _other = terminals
    one.enters("x = 1")
    one.prompts()
    command("snapshot", "then")
    one.enters("import time; print('begun', file=__import__('sys').stderr); time.sleep(1); x = 2")
    one.sees("begun")
    command("rollback", "then")
    one.sees(NOTE)
    one.enters("x")
    one.sees("1\r\n")


def test_ed_goes_on_with_the_text_of_then(terminals: list[Terminal]) -> None:
    one, _other = terminals
    one.enters("t = texts['t'] = Text('one\\ntwo\\nthree\\n')")
    one.prompts()
    command("snapshot", "then")
    one.enters("ed(t)")
    one.sees("*")
    one.types("1,2d", ENTER)
    one.sees("*")
    command("rollback", "then")
    one.sees(NOTE)
    one.types(CTRL_C)
    one.enters("str(t)")
    one.sees("'one\\ntwo\\nthree\\n'")


@pytest.mark.parametrize("after", range(6))
def test_a_pulled_plug_leaves_all_of_it_or_nothing(served: Served, after: int) -> None:
    """The system is killed while it goes back and forth."""
    served.start()
    served.evaluate("from BTrees.IOBTree import IOBTree; rows = []; world.tree = IOBTree(); image.modules['m'] = 'n = 0'")
    served.piety("snapshot", "empty")
    served.evaluate("rows.extend(range(1000)); world.tree.update({n: [n] * 50 for n in range(2000)})")
    served.evaluate("image.modules['m'] = 'n = 1'")
    served.piety("snapshot", "full")
    for turn in range(after):
        served.piety("rollback", ("empty", "full")[turn % 2])
    going = served.begin("rollback", ("empty", "full")[after % 2])
    assert going.stdout is not None
    going.stdout.read(1)  # it says what it will do, and does it
    served.kill()
    going.communicate()
    with piety.open(served.home) as image:
        assert list(check_image(image)) == []
        there = image.evaluate("import m; len(rows), len(world.tree), m.n").value
        assert there in ((0, 0, 0), (1000, 2000, 1))


def test_what_a_home_is_born_with_is_not_undone_by_accident(served: Served) -> None:
    """A person who tries `undo` at once keeps the tour and the editor."""
    done = served.piety("undo")
    assert (done.stdout + done.stderr).startswith("nothing has changed since"), done
    assert "tour" in served.piety("code", "list").stdout
    served.evaluate("x = 1")
    assert served.piety("undo").returncode == 0
    assert "tour" in served.piety("code", "list").stdout
