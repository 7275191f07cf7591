"""Several commands on one resting home at the same time: they come one after the other."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from served import PATIENCE, Served
from terminals import Terminal

import piety
from piety import daemon, waiting
from piety.errors import PietyInUse

HOLD = "import sys, piety; image = piety.open(sys.argv[1]); print(1, flush=True); sys.stdin.read()"


@contextlib.contextmanager
def held(home: Path) -> Iterator[subprocess.Popen[str]]:
    """Another program has the image, until its standard input ends."""
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", HOLD, str(home)], stdin=pipe, stdout=pipe, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "1\n"
        yield holder


def test_all_have_their_turn(served: Served) -> None:
    """None is sent away, and each does its work."""
    served.evaluate("n = 0")
    for process in [served.begin("eval", "n += 1") for _ in range(6)]:
        assert process.communicate(timeout=PATIENCE) == ("", "")
    assert served.evaluate("n") == "6\n"


def test_the_first_ones_make_the_default_home_once(home: Path) -> None:
    """One of them says so, and all go on in it."""
    environment = {**os.environ, "PIETY_HOME": str(home)}
    command = [sys.executable, "-P", "-m", "piety", "eval", "1 + 1"]
    pipe = subprocess.PIPE
    several = [subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=environment) for _ in range(4)]
    told = [each.communicate(timeout=PATIENCE) for each in several]
    assert [output for output, _errors in told] == ["2\n"] * 4
    assert "".join(errors for _output, errors in told) == f"piety: a new home at {home}\n"


@pytest.mark.parametrize("command", [("eval", "1 + 1"), ("start",), ("run", "--until-idle"), ("shell",)])
def test_who_waits_says_for_whom(served: Served, command: tuple[str, ...]) -> None:
    """And goes on when the image is free."""
    with held(served.home) as holder:
        waiter = served.begin(*command)
        assert waiter.stderr is not None
        told = waiter.stderr.readline()
        assert told.startswith(f"piety: waiting for process {holder.pid} ({sys.executable} -c import sys, piety; ")
        assert told.endswith(f" ...), which has the image in {served.home}\n")
        assert holder.stdin is not None
        holder.stdin.close()
        assert waiter.communicate(timeout=PATIENCE)[1] == ""
        assert waiter.returncode == 0


def test_nobody_waits_for_ever(served: Served) -> None:
    """The last line names who has the image."""
    with held(served.home) as holder:
        done = served.piety("start")
        assert (done.returncode, done.stderr.count("\n")) == (2, 2)
        last = done.stderr.splitlines()[1]
        assert last.startswith(f"piety: the image in {served.home} is in use by process {holder.pid} (")
        assert last.endswith("; try again when that has ended, or end it")


def test_those_who_come_and_go_are_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many they are: each has its own time."""
    clock = iter(range(1000))
    monkeypatch.setattr(waiting, "monotonic", lambda: float(next(clock)))
    monkeypatch.setattr(waiting, "sleep", lambda _seconds: None)
    holders = iter([*range(10**9, 10**9 + 20)])
    told: list[str] = []

    def begin() -> str:
        if (pid := next(holders, None)) is not None:
            raise PietyInUse("in use", pid)
        return "begun"

    assert waiting.when_free("home", begin, told.append) == "begun"
    assert told[-1] == f"waiting for process {10**9 + 19}, which has the image in home"
    holders = iter([10**9] * 20)
    with pytest.raises(PietyInUse, match=f"in use by process {10**9}, also after 5 s") as raised:
        waiting.when_free("home", begin, told.append)
    assert raised.value.pid == 10**9


def test_who_starts_it_hears_that_another_was_faster(served: Served) -> None:
    """The process that was to be the system tells its starter."""
    served.start()
    reading, writing = os.pipe()
    command = [sys.executable, "-P", "-m", "piety", "run", "--ready", str(writing)]
    with subprocess.Popen(command, env=served.environment, pass_fds=[writing], stderr=subprocess.DEVNULL) as process:
        os.close(writing)
        with open(reading) as ready:
            assert ready.read().startswith(f"the system of {served.home} runs already; ")
        assert process.wait(PATIENCE) == 2


def test_a_system_that_runs_is_not_waited_for(served: Served) -> None:
    """Where another one was to run; what to do is said at once."""
    served.start()
    for command in (("start",), ("run", "--until-idle")):
        assert served.piety(*command).stderr == (
            f"piety: the system of {served.home} runs already; to see it: piety status; to stop it: piety stop\n"
        )


def test_two_terminals_that_start_it_are_both_attached(home: Path) -> None:
    """Whoever comes second attaches to what the first has started."""
    opened = []
    try:
        pipe = subprocess.PIPE
        environment = {**os.environ, "PIETY_HOME": str(home)}
        command = [sys.executable, "-P", "-m", "piety", "start"]
        other = subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=environment)
        opened.append(Terminal())
        other.communicate(timeout=PATIENCE)
        opened[0].enters("40 + 2")
        opened[0].sees("42\r\n")
    finally:
        for each in opened:
            each.stop()
        daemon.stop(str(home), now=True)


def test_a_program_is_shown_in_whole_words() -> None:
    """A long command is cut between two of them."""
    command = [sys.executable, "-c", "print(flush=True);input()", *("word" for _ in range(100))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()  # before that it may have no command line yet
        shown = waiting.program(process.pid)
        process.communicate(b"\n")
    assert shown.startswith(f"process {process.pid} ({sys.executable} -c print(flush=True);input() word")
    assert shown.endswith("word ...)")
    assert len(shown) < 130


def test_its_own_process_is_not_waited_for(home: Path) -> None:
    """It would wait for itself."""
    with piety.open(home, create=True), pytest.raises(PietyInUse, match="this process has the image"):
        waiting.when_free(str(home), lambda: piety.open(home), pytest.fail)
