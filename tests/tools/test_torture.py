"""The torture, shorter: some kills, and it must be able to tell when something is lost."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

TORTURE = Path(__file__).resolve().parent.parent.parent / "tools" / "torture"


def torture(tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run it in an environment of its own."""
    environment = {**os.environ, "HOME": str(tmp_path), "TMPDIR": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, str(TORTURE), *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_twenty_kills_lose_nothing(tmp_path: Path) -> None:
    """The table says how many turns there were, and no fault."""
    done = torture(tmp_path, "--rounds", "20")
    assert done.returncode == 0, done.stdout + done.stderr
    table = dict(line.rsplit(maxsplit=1) for line in done.stdout.splitlines())
    assert table["rounds"] == "20"
    assert table["faults"] == "0"
    assert int(table["turns, none lost"]) > 0
    assert not list(tmp_path.iterdir())


def test_a_running_system_keeps_what_its_tasks_do(tmp_path: Path) -> None:
    """The same with tasks that send, fail, tick, print and ask the host."""
    done = torture(tmp_path, "--tasks", "--rounds", "8", "--seed", "5")
    assert done.returncode == 0, done.stdout + done.stderr
    table = dict(line.rsplit(maxsplit=1) for line in done.stdout.splitlines())
    assert table["rounds"] == "8"
    assert table["faults"] == "0"
    for name in ("killed while running", "sends, none lost", "told to the front", "effects answered"):
        assert int(table[name]) > 0, done.stdout
    assert not list(tmp_path.iterdir())


CUT = """
import os, pathlib
import piety

whole, parent = piety.open, os.getpid()

def open_without_the_last_turn(home, create=False):
    file = pathlib.Path(home, "image", "image.fs")
    if not create and os.getpid() == parent:
        whole(home).close()  # the kill may have left the beginning of a turn, which is cut off
        data = file.read_bytes()
        os.truncate(file, len(data) - 8 - int.from_bytes(data[-8:], "big"))
    return whole(home, create)

piety.open = open_without_the_last_turn
"""
# Handles one message in some twice.
TWICE = """
import random
from piety.scheduler.tasks import Queue

take_first = Queue.take_first
Queue.take_first = lambda queue: queue.first() if random.random() < 0.1 else take_first(queue)
"""
# Gives answers of the host to some effects for which it has done nothing.
UNDONE = """
from piety.scheduler.apart import Answer
from piety.scheduler.effects import Effects

begin = Effects.begin

def begin_or_not(effects, number):
    if number % 2:
        effects.bring(number, Answer(number, None))
    else:
        begin(effects, number)

Effects.begin = begin_or_not
"""
# Does not wait again after some ticks that are to be caught up with.
UNARMED = """
import random
from piety.scheduler.events import Every

take = Every.take
Every.take = lambda self, tasks, task, when: when if random.random() < 0.5 else take(self, tasks, task, when)
"""
# Keeps a part of what some turns have printed.
HALF = """
import random
from piety.scheduler.output import Transcript

write = Transcript.write
Transcript.write = lambda self, text: write(self, text[:-3] if random.random() < 0.1 else text)
"""
RUN = """
import runpy, sys
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.mark.parametrize(
    ("sabotage", "options", "said"),
    [
        (CUT, [], "was told"),
        (CUT, ["--tasks"], "(was told|never asked for)"),  # the turn that is gone may be one that asked for an effect
        (TWICE, ["--tasks"], "tokens"),
        (UNDONE, ["--tasks"], "never done"),
        (UNARMED, ["--tasks"], "catch_up ticked"),
        (HALF, ["--tasks"], "the transcript has"),
    ],
)
def test_what_is_wrong_is_seen(tmp_path: Path, sabotage: str, options: list[str], said: str) -> None:
    """Whatever does not hold after a kill is a fault, exit status 1, and the home is kept."""
    environment = {**os.environ, "HOME": str(tmp_path), "PYTHONPATH": str(TORTURE.parent.parent)}
    place = ["--home", str(tmp_path / "kept"), "--rounds", "20", "--seed", "5"]
    command = [sys.executable, "-c", sabotage + RUN, str(TORTURE), *options, *place]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "round " in done.stdout, done.stdout + done.stderr
    assert re.search(said, done.stdout), done.stdout
    assert (tmp_path / "kept" / "home" / "image" / "image.fs").exists()
