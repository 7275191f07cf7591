"""A week of work: thousands of turns by a person and their tasks, and all that can be done with their past.

Each day is worked in a process of its own, and on some of them the plug is pulled.  What there has to be is known from
the number of turns alone (`week.py`).
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from BTrees.check import check as check_tree
from week import LOOK, expected

import piety
from piety import boot
from piety.objects import transfer
from piety.objects.check import check_image
from piety.objects.history import Query, rows
from piety.objects.portable import no_tick
from piety.objects.transfer import Packing
from piety.scheduler import clock
from piety.scheduler.system import System
from piety.transport import take_in

TURNS = 400  # of a day
WEEK = Path(__file__).with_name("week.py")
CLEANUP = """
world.journal.clear(); recent.clear(); del rate, Entry; del texts['diary']; clerk.cancel(); hours.suspend()
del image.modules['rules']; world.ledger.total = -1; world.ledger.mess = [1]
"""


class Home:
    """A home in which is worked."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.turns = 0

    def work(self, day: int, count: int = TURNS, kill_after: int | None = None) -> None:
        """Work for a day; or be killed after so many turns, and go on."""
        until = self.turns + count
        command = [sys.executable, str(WEEK), str(self.place), str(day)]
        if kill_after is not None:
            with subprocess.Popen([*command, str(count)], stdout=subprocess.PIPE) as process:
                assert process.stdout is not None
                for _ in range(kill_after):
                    told = process.stdout.readline()
                process.send_signal(signal.SIGKILL)
            assert process.returncode == -signal.SIGKILL
            with piety.open(self.place) as image:
                assert list(check_image(image)) == []
                there = image.evaluate("turns").value
            assert int(told) <= there <= until  # what was told is there
            count = until - there
        subprocess.run([*command, str(count)], check=True, stdout=subprocess.DEVNULL)
        self.turns = until

    @contextmanager
    def running(self) -> Iterator[tuple[piety.Image, System]]:
        """The image, with its system over it."""
        with piety.open(self.place) as image:
            system = System(image)
            yield image, system
            settle(system)
            system.loop.effects.close()

    def look(self) -> Any:
        with piety.open(self.place) as image:
            return looked(image)


def settle(system: System) -> None:
    """Let the tasks do what is to be done."""
    while system.loop.pass_once():
        pass


def looked(image: piety.Image) -> Any:
    """What is there; nothing is broken."""
    outcome = image.evaluate(LOOK)
    assert outcome.error is None, outcome.traceback
    assert list(check_image(image)) == []
    check_tree(image.evaluate("world.journal").value)
    return outcome.value


def run(image: piety.Image, source: str) -> Any:
    outcome = image.evaluate(source)
    assert outcome.error is None, outcome.traceback
    return outcome.value


def test_a_week(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(clock, "now", time.time)
    home = Home(tmp_path / "home")
    named: dict[str, int] = {}

    def evening(name: str) -> None:
        with home.running() as (image, _system):
            run(image, f"snapshot({name!r})")
        named[name] = home.turns
        assert home.look() == expected(home.turns)

    home.work(0)
    evening("monday")
    home.work(1, kill_after=150)
    evening("tuesday")
    home.work(2)
    evening("wednesday")

    # A bad clean-up, and work on top of it; back, and back from there, and back again.
    with home.running() as (image, system):
        run(image, CLEANUP)
        for number in range(10):
            run(image, f"world.ledger.mess.append({number})")
        messy = run(image, "world.ledger.mess, world.ledger.total, recent, len(world.journal), [*texts]")
        told = repr(image.diff("wednesday"))
        assert "- module rules" in told
        assert "- rate (code)" in told
        for _ in range(2):
            going = image.roll_back("wednesday")
            assert going.turns >= 11
            settle(system)
            assert looked(image) == expected(home.turns)
            image.undo()
            settle(system)
            assert run(image, "world.ledger.mess, world.ledger.total, recent, len(world.journal), [*texts]") == messy
        image.roll_back("wednesday")
        run(image, "send(clerk, 0)")  # the task is there again, and works
        settle(system)
        assert run(image, "world.ledger.count") == home.turns + 1
        assert run(image, "import rules; rules.version") == home.turns // 90
        image.roll_back("wednesday")
    assert home.look() == expected(home.turns)

    # A fork goes its own way.
    with piety.open(home.place) as image:
        with image.look():
            beginning = transfer.fork(image, "tuesday")
        boot.found(str(tmp_path / "fork"), beginning(no_tick))
    fork = Home(tmp_path / "fork")
    fork.turns = named["tuesday"]
    assert fork.look() == expected(fork.turns)
    fork.work(3, 100)
    assert fork.look() == expected(fork.turns)
    home.work(3)
    evening("thursday")

    # The past is packed, and no snapshot is lost.
    with piety.open(home.place) as image:
        with image.look():
            packing = Packing(image, "0")
        size = image.storage.getSize()
        assert packing.run(lambda *_told: None).startswith("packed")
        assert image.storage.getSize() < size / 2
        assert looked(image) == expected(home.turns)
    home.work(4, kill_after=300)
    evening("friday")

    # One is carried elsewhere, and worked on there.
    with piety.open(home.place) as image:
        for name in ("monday", "friday"):
            with image.look():
                write = transfer.export(image, name, str(tmp_path / f"{name}.piety"))
            write(no_tick)
    for name in ("monday", "friday"):
        take_in(str(tmp_path / f"{name}.piety"), str(tmp_path / name))
        there = Home(tmp_path / name)
        there.turns = named[name]
        assert there.look() == expected(there.turns)
        there.work(5, 50)
        assert there.look() == expected(there.turns)

    home.work(5)
    evening("saturday")

    # What is only tried does not happen; one thing is brought back.
    with home.running() as (image, _system):
        run(image, f"with trial() as t: t.evaluate({CLEANUP!r}); assert len(world.journal) == 0 and len(t.diff()) > 5")
        assert looked(image) == expected(home.turns)
        run(image, "world.journal.clear()")
        run(image, "revert(world.journal, 'saturday')")
        assert looked(image) == expected(home.turns)
    home.work(6, kill_after=50)
    evening("sunday")

    # At the end, every evening is there as it was.
    with piety.open(home.place) as image:
        assert run(image, "sorted(snapshots)") == sorted(named)
        for name, turns in named.items():
            there = run(image, f"at({name!r}).evaluate({LOOK!r}.replace('rate()', '0'))")
            assert there[:2] + there[3:] == expected(turns)[:2] + expected(turns)[3:]
        packed = {path.name.partition("-")[0] for path in (home.place / "snapshots").iterdir()}
        assert packed == {"monday", "tuesday", "wednesday"}  # thursday is the moment up to which was packed
        with image.look():
            labels = [row.what for row in rows(image, Query(), 0)]
        assert sum(label.startswith("turns = ") for label in labels) >= 3 * TURNS  # of the days since the pack
        assert [row.what for row in run(image, "history(rate)")][:2] == ["def rate(): return 46", "def rate(): return 45"]
        for name, turns in (("sunday", named["sunday"]), ("thursday", named["thursday"]), ("monday", named["monday"])):
            image.roll_back(name)
            assert looked(image) == expected(turns)
        image.roll_back("sunday")
        assert looked(image) == expected(home.turns)
    assert fork.look() == expected(fork.turns)
