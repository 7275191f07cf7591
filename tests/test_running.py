"""The running system whole: a daemon, terminals, tasks, and a plug that is pulled in the middle of turns."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from terminals import ENTER, PASTE, PASTED, Terminal

import piety
from piety import daemon

SENDS = 10_000

# `feed` sends numbers to `relay` as long as there are some, `relay` passes each on to `sink`, which counts it.
# They get as far as they may, so that nothing is said before a terminal hears it; the plug is pulled half-way.
SETUP = f"""
from BTrees.IOBTree import IOBTree
world.seen = IOBTree()
world.fed = world.relayed = world.last = 0
def may_relay(): return world.relayed < world.last
def feed(what):
    for number in range(world.fed, min(world.fed + 20, {SENDS})):
        send(the_relay, number)
    world.fed = min(world.fed + 20, {SENDS})
    if world.fed < {SENDS}:
        send(the_feed, what)
def relay(number):
    world.relayed += 1
    send(the_sink, number)
    if world.relayed % 1000 == 0: print(world.relayed, 'are' ' relayed')
def sink(number):
    world.seen[number] = world.seen.get(number, 0) + 1
def quiet(): pass
the_sink = spawn(message, sink)
the_relay = spawn(message, relay, out=terminal(), enabled=may_relay)
the_feed = spawn(message, feed)
ticking = spawn(every(0.01), quiet)
resting = spawn(after(10**6), quiet)
put_aside = spawn(every(0.01), quiet)
put_aside.suspend()
send(the_feed, 'go')
"""
LOOK = "len(world.seen), set(world.seen.values()), world.relayed, [(t.name, t.state) for t in tasks()]"


@pytest.fixture
def place(home: Path) -> Iterator[str]:
    """A home whose system is stopped at the end, whatever runs."""
    piety.open(home, create=True).close()
    yield str(home)
    daemon.stop(str(home), now=True)


def command(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "piety", *arguments], capture_output=True, text=True, check=False, timeout=100
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout


def test_each_message_is_handled_once_whenever_the_plug_is_pulled(place: str) -> None:
    """And every task is where it was; two terminals are attached each time."""
    daemon.start(place)
    first, second = Terminal(), Terminal()
    first.types(PASTE, SETUP, PASTED, ENTER)
    for thousands in (1, 2, 3, 5):
        first.types(f"world.last = {thousands}500", ENTER)
        first.sees(f"{thousands}000 are relayed")
        second.types("world.rela", "yed > 0", ENTER)
        second.sees("True\r\n")
        daemon.stop(place, now=True)
        for terminal in (first, second):
            terminal.sees("the system stopped; what it reported done is done")
            assert terminal.ends() == 1
        daemon.start(place)
        first, second = Terminal(), Terminal()
    daemon.stop(place)
    assert first.ends() == second.ends() == 1
    command("eval", f"world.last = {SENDS}")
    command("run", "--until-idle")
    states = [
        ("sink", "waiting"),
        ("relay", "waiting"),
        ("feed", "waiting"),
        ("quiet", "waiting"),
        ("quiet", "waiting"),
    ]
    assert command("eval", LOOK) == f"({SENDS}, {{1}}, {SENDS}, {[*states, ('quiet', 'suspended')]})\n"
    assert command("check") == "nothing is broken\n"


def test_the_system_answers_while_a_turn_computes(place: str) -> None:
    """`status` tells what runs; `interrupt` stops it, from anywhere; it was undone, and the system goes on."""
    daemon.start(place)
    command("eval", "n = 1")
    spinning = subprocess.Popen(
        [sys.executable, "-m", "piety", "eval", "import sys; n = 2; print('running', file=sys.stderr)\nwhile True: pass"],
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert spinning.stderr is not None
    assert spinning.stderr.readline() == "running\n"
    assert "a turn runs for " in command("status")
    assert command("interrupt") == "interrupted: import sys; n = 2; print('running', file=sys.stderr) ...\n"
    assert "KeyboardInterrupt" in spinning.communicate()[1]
    assert spinning.returncode == 1
    assert command("eval", "n") == "1\n"
    assert command("interrupt") == "no turn runs\n"


def test_stop_now_ends_a_call_that_holds_the_interpreter(place: str) -> None:
    """Python cannot interrupt it; what was reported done is there afterwards."""
    daemon.start(place)
    command("eval", "n = 1")
    source = "import sys; n = 2; print('running', file=sys.stderr); input(); sum(range(10**12))"
    pipe = subprocess.PIPE
    holding = subprocess.Popen([sys.executable, "-m", "piety", "eval", source], stdin=pipe, stderr=pipe, text=True)
    assert holding.stdin is not None
    assert holding.stderr is not None
    assert holding.stderr.readline() == "running\n"  # the word is out, for which the interpreter was needed
    holding.stdin.write("\n")
    holding.stdin.flush()
    assert command("stop", "--now") == "stopped\n"
    assert "the system stopped before it had answered" in holding.communicate()[1]
    assert command("eval", "n") == "1\n"


def test_sigterm_finishes_the_turn_that_runs(place: str) -> None:
    """And then the system is gone, with its socket."""
    pid = daemon.start(place)
    source = "import os, signal; os.kill(os.getpid(), signal.SIGTERM); n = sum(range(10**6))"
    assert command("eval", source) == ""
    daemon.stop(place)
    assert not os.path.exists(f"{place}/socket")
    assert os.waitpid(pid, 0)[1] == 0
    assert command("eval", "n") == f"{sum(range(10**6))}\n"
