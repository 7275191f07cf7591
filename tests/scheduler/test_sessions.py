"""Sessions: a terminal that is shared among jobs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from running import Running

from piety.errors import PietyError
from piety.objects.turns import Outcome
from piety.scheduler.sessions import Job

DIARY = (
    "entries = []\ndef note(line):\n    if line == '.': leave()\n    else: entries.append(line); print(len(entries))"
)


class Terminal:
    """What a person does at a terminal; each gives the outcome of a turn."""

    def __init__(self, running: Running, name: str = "1") -> None:
        self._running, self.name = running, name

    def types(self, source: str) -> Outcome:
        """At the shell."""
        return self._done(self._running.system.evaluate(source, show=True, session=self.name))

    def enters(self, line: str | None) -> Outcome:
        """To the job in the foreground."""
        return self._done(self._running.system.enter(line, self.name))

    def presses_ctrl_z(self) -> Outcome:
        return self._done(self._running.system.put_aside(self.name))

    def prompt(self) -> str | None:
        return self._done(self._running.system.look_at(self.name)).prompt

    def _done(self, future: object) -> Outcome:
        self._running.go()
        outcome: Outcome = future.result(timeout=0)  # type: ignore[attr-defined]
        return outcome


@pytest.fixture
def terminal(running: Running) -> Iterator[Terminal]:
    """A terminal at which a diary can be kept."""
    running.run(DIARY)
    return Terminal(running)


def test_a_job_takes_the_lines_of_its_terminal(running: Running, terminal: Terminal) -> None:
    """Until it leaves; the outcome says which prompt comes next."""
    assert terminal.types("job(note, prompt='note> ')").prompt == "note> "
    outcome = terminal.enters("it rains")
    assert (outcome.output, outcome.prompt) == ("1\n", "note> ")
    assert terminal.enters(".").prompt is None
    assert running.run("entries") == ["it rains"]
    assert terminal.types("jobs()").shown == "no jobs"


def test_ctrl_z_puts_a_job_aside_and_fg_goes_back(running: Running, terminal: Terminal) -> None:
    """To the last one, or to one by its number or name."""
    terminal.types("job(note, 'diary', 'note> ')")
    assert terminal.presses_ctrl_z().prompt is None
    terminal.types("job(note, 'log', 'log> ')")
    assert terminal.presses_ctrl_z().prompt is None
    assert terminal.types("jobs()").shown == "1  diary\n2  log"
    assert terminal.types("fg()").prompt == "log> "
    terminal.presses_ctrl_z()
    assert terminal.types("fg(1)").prompt == "note> "
    terminal.presses_ctrl_z()
    assert terminal.types("fg('log')").prompt == "log> "
    assert terminal.enters(None).prompt is None
    assert terminal.types("jobs()").shown == "1  diary"
    assert isinstance(terminal.types("fg('log')").error, PietyError)


def test_a_job_hears_of_ctrl_d(running: Running, terminal: Terminal) -> None:
    """In a turn: if what it does then fails the job is still there."""
    terminal.types("job(note, at_end=lambda: entries.append('bye'))")
    assert terminal.enters(None).prompt is None
    assert running.run("entries") == ["bye"]
    terminal.types("job(note, 'diary', 'note> ', at_end=lambda: 1 / 0)")
    outcome = terminal.enters(None)
    assert (type(outcome.error), outcome.prompt) == (ZeroDivisionError, "note> ")
    assert terminal.presses_ctrl_z().prompt is None


def test_a_job_is_where_it_was_after_a_restart(running: Running, terminal: Terminal) -> None:
    """In the foreground, too."""
    terminal.types("job(note, prompt='note> ')")
    terminal.enters("one")
    running.resume(killed=True)
    assert terminal.prompt() == "note> "
    assert terminal.enters("two").output == "2\n"


def test_each_terminal_has_its_own_jobs(running: Running, terminal: Terminal) -> None:
    """They share the image, and not the lines that are typed."""
    other = Terminal(running, "2")
    terminal.types("job(note, prompt='note> ')")
    assert other.prompt() is None
    assert other.types("len(entries), jobs()").shown == "(0, no jobs)"


def test_a_line_that_fails_is_undone_and_the_job_goes_on(running: Running, terminal: Terminal) -> None:
    """As any turn."""
    running.run("def bad(line): entries.append(line); 1 / 0")
    terminal.types("job(bad)")
    outcome = terminal.enters("x")
    assert isinstance(outcome.error, ZeroDivisionError)
    assert outcome.prompt == "> "
    assert running.run("entries") == []
    assert terminal.prompt() == "> "


def test_jobs_need_a_terminal(running: Running) -> None:
    """`piety eval` has none, and says so."""
    for source in ("job(print)", "jobs()", "fg()", "leave()", "terminal()"):
        assert isinstance(running.fail(source), PietyError)


def test_a_task_prints_at_the_terminal_that_spawned_it(running: Running, terminal: Terminal) -> None:
    """After its turn is on disk, and only then."""
    seen: list[tuple[str, str]] = []
    running.system.loop.on_print = lambda session, text: seen.append((session, text))
    running.run("n = 0", "def tick():\n    global n\n    n += 1\n    print('tick', n)\n    if n == 2: raise ValueError")
    terminal.types("t = spawn(every(1), tick, out=terminal())")
    running.go(1.0)
    assert seen == [("1", "tick 1\n")]
    running.go(1.0)
    assert seen == [("1", "tick 1\n")]
    assert running.run("failures()[0].output") == "tick 2\n"


def test_nothing_of_a_turn_that_failed_is_seen_at_a_terminal(running: Running, terminal: Terminal) -> None:
    """What it printed is with its failure, what it wrote there itself is gone; those beside it and after it are seen."""
    seen: list[tuple[str, str]] = []
    running.system.loop.on_print = lambda session, text: seen.append((session, text))
    running.run("def say(what):\n    here.write(f'to {what}\\n')\n    print(what)\n    if what == 'bad': 1 / 0")
    terminal.types("here = terminal(); bad, good = [spawn(message, say, out=here) for _ in range(2)]")
    running.run("send(bad, 'bad'); send(good, 'good')")
    running.go()
    assert "".join(text for _session, text in seen) == "to good\ngood\n"
    assert running.run("failures()[0].output") == "bad\n"
    running.run("send(bad, 'better'); failures()[0].discard()")
    running.go()
    assert "".join(text for _session, text in seen) == "to good\ngood\nto better\nbetter\n"


def test_a_job_is_a_persistent_object(terminal: Terminal) -> None:
    """With a repr that tells what it is."""
    assert isinstance(terminal.types("job(note, 'diary')").value, Job)
    assert terminal.presses_ctrl_z().error is None
    assert terminal.types("list(jobs())").shown == "[<job 1 'diary'>]"
