"""The victim of `tools/torture --tasks`: a running system, with all that its tasks have and do.

A child process runs the system of the home (`piety run`, forked instead of started, which is faster).  Its tasks are
those of `torture_workload.py`.  This process is a front: over the socket it asks for one turn after the other, and each
answer tells how far everything is.  In some rounds the system is told to stop shortly before it is killed.
"""

from __future__ import annotations

import ast
import os
import random
import re
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import piety.browser.terminal  # noqa: F401  a child that had to import this would be starting most of its life
from piety import daemon
from piety.browser import remote, wire
from piety.objects import storage

WORKLOAD = Path(__file__).with_name("torture_workload.py")
BIRTH = "import workload; world.ledger = workload.Ledger({log!r})"
STOPS = 0.25  # of the rounds
LONGEST_STOP = 0.1  # seconds from being told to stop to the kill
PATIENCE = 30.0  # seconds that the system has at the end for what was begun

ANSWERED = "then Ledger.answered"  # the tasks that wait for an answer of the host, one for each errand
# Which tasks there are besides, and how many.
ONCE = "relay stumble sink hear skip once catch_up mend rest aside".split()
TASKS = Counter({**dict.fromkeys(ONCE, 1), "shoot": 5, "ring": 12})
MAY_FAIL = ("waiting", "retrying", "failed")
STATES = {"stumble": MAY_FAIL, ANSWERED: MAY_FAIL, "aside": ("suspended",)}  # of the others: waiting
LINE = re.compile(r"<(stumble|sink) (\d+) \2>")


class Tasks:
    """The running system of a home, and what it has told of itself."""

    longest = 1.0

    def __init__(self, home: Path, records: int) -> None:
        self._home, self._records = home, records
        self._errands = home / "errands"
        self._told: dict[str, int] = {}  # the last report
        self._there: dict[str, int] = {}  # what the image had after the last kill
        self._names: dict[int, str] = {}  # of the errands that were done, their effect_id
        self._lines = 0  # of those in the file
        self._failed = 0
        self._ends = Counter[str]()
        self._unheard = 0

    def begin(self, image: Any) -> None:
        image.modules["workload"] = WORKLOAD.read_text()
        assert image.evaluate(BIRTH.format(log=str(self._errands))).error is None

    # -- a child that is killed

    def suffer(self, seconds: float) -> list[str]:
        """Let the system run for a while and kill it; what is wrong."""
        stop = random.random() * LONGEST_STOP if random.random() < STOPS else None
        child, ready = self._start()
        killer = threading.Thread(target=kill, args=(child, seconds, stop))
        killer.start()
        was_ready = hears(ready)
        faults = []
        try:
            while was_ready:
                self._told = ast.literal_eval(self._ask("world.ledger.front()"))
        except wire.Gone:
            pass
        except Refused as error:
            faults.append(f"the front was told: {error}")
        killer.join()
        status = os.waitpid(child, 0)[1]
        is_killed = os.WIFSIGNALED(status)
        where = "starting" if not was_ready else "running" if stop is None else "stopping"
        self._ends[where if is_killed else "stopped"] += 1
        if not is_killed and (stop is None or status != 0):
            faults.append(f"the system ended by itself, with status {status}")
        return faults

    def _start(self) -> tuple[int, int]:
        """The process of a new system, and a file that tells when it is ready."""
        ready, tell = os.pipe()
        child = os.fork()
        if child == 0:
            status = 1
            try:
                log = os.open(self._home / daemon.LOG, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
                os.dup2(log, 1)
                os.dup2(log, 2)
                storage.INDEX_RECORDS = self._records
                status = daemon.run(str(self._home), ready=tell)
            finally:
                os._exit(status)
        os.close(tell)
        return child, ready

    def _ask(self, source: str) -> str:
        """Have a turn evaluated; what it answered.  Raises `Gone` and `Refused`."""
        connection = remote.connect(str(self._home))
        try:
            remote.request(connection, "evaluate", source=source)
            said = b""
            while (frame := connection.receive())[0] != wire.EXIT:
                said += frame[1]
        finally:
            connection.close()
        if frame[1] != b"0":
            raise Refused(said.decode())
        return said.decode()

    def finish(self, image: Any) -> None:
        """Begin nothing new from now on."""
        assert image.evaluate("world.ledger.end()").error is None

    def wait(self) -> list[str]:
        """Let a last system do what is left, and stop it; what is wrong."""
        child, ready = self._start()
        hears(ready)
        until = time.monotonic() + PATIENCE
        left = "all"
        try:
            while (left := self._ask("world.ledger.left()").strip()) != "0" and time.monotonic() < until:
                time.sleep(0.01)
            os.kill(child, signal.SIGTERM)
        except (wire.Gone, Refused) as error:
            os.kill(child, signal.SIGKILL)
            return [f"at the end the system does not answer: {error}"]
        finally:
            status = os.waitpid(child, 0)[1]
        return [f"at the end {left} things were never done"] * (left != "0") + [f"the end: {status}"] * (status != 0)

    # -- what is left of it

    def look(self, image: Any) -> Iterator[str]:
        """What is wrong in the image after a kill."""
        with image.look() as world:
            ledger, tasks = world.ledger, world.tasks
            yield from ledger.wrong
            yield from self._lost(ledger.report())
            yield from ways(ledger)
            yield from tables(tasks, TASKS + Counter({ANSWERED: len(ledger.errands)}))
            yield from self._errands_wrong(ledger, tasks)
            yield from pages(ledger)
            yield from (f"{hook!r}" for hook in tasks.hooks.values() if hook.quarantine)
            self._failed = max(self._failed, tasks.newest_failure)

    def _lost(self, there: dict[str, int]) -> Iterator[str]:
        """What was told, or was there earlier, and is not there."""
        for name, number in there.items():
            least = max(self._told.get(name, 0), self._there.get(name, 0))
            if number < least:
                yield f"{name}: {least} was told, and {number} is there"
        name = "sent, front"
        known = max(self._told.get(name, 0), self._there.get(name, 0))
        if there[name] > known + 1:
            yield f"{name}: {known} was told, and {there[name]} is there"
        self._unheard += there[name] > known
        if there["hooks at stops"] < self._ends["stopped"]:
            yield f"{self._ends['stopped']} systems have stopped, and {there['hooks at stops']} hooks were called then"
        self._there = there

    def _errands_wrong(self, ledger: Any, tasks: Any) -> Iterator[str]:
        lines = self._errands.read_text().splitlines() if self._errands.exists() else []
        for line in lines[self._lines :]:
            number, name = line.split()
            if self._names.setdefault(int(number), name) != name:
                yield f"errand {number} had two names, {name} and {self._names[int(number)]}"
        self._lines = len(lines)
        still_asked = [effect.call[1][1] for effect in tasks.effects.values()]
        waiting = [task for task in tasks.table.values() if task.name == ANSWERED]
        brought = [effect.call[1][1] for task in waiting for effect in task.happened]
        if sorted(still_asked + brought) != list(ledger.errands):
            yield f"errands {list(ledger.errands)} are open, {still_asked} asked, and {brought} brought"
        done = {*range(1, ledger.asked + 1)} - {*still_asked}
        if not done <= self._names.keys():
            yield f"errands {sorted(done - self._names.keys())} are answered and were never done"
        if too_early := [number for number in self._names if number > ledger.asked]:
            yield f"errands {too_early} were done, and never asked for by a turn that is there"

    def rows(self) -> dict[str, object]:
        """What the table says."""
        there = self._there
        return {
            **{f"killed while {where}": self._ends[where] for where in ("starting", "running", "stopping")},
            "stopped before the kill": self._ends["stopped"],
            "sends, none lost": sum(there[name] for name in there if name.startswith("sent")),
            "told to the front": there["sent, front"],
            "done but not yet told": self._unheard,
            "timer ticks and shots": sum(there[name] for name in there if name.startswith(("ticks", "shots"))),
            "effects answered": there["errands answered"],
            "effects done again": self._lines - len(self._names),
            "failures mended": self._failed,
        }


class Refused(Exception):
    """The system answered that the turn failed."""


def kill(child: int, seconds: float, stop: float | None) -> None:
    """Kill a process after a while; with `stop` it is told to stop, and killed so many seconds later."""
    time.sleep(seconds)
    if stop is not None:
        os.kill(child, signal.SIGTERM)
        time.sleep(stop)
    os.kill(child, signal.SIGKILL)


def hears(ready: int) -> bool:
    """Wait until a system is ready, or was killed before."""
    with open(ready, "rb") as answer:
        return answer.read() == b"ready\n"


def ways(ledger: Any) -> Iterator[str]:
    """What is wrong with messages and signals: those not taken must wait, in their order, and no others."""
    for way in ledger.ways:
        waiting = [number for found, number in way.task.messages if found is way]
        if waiting != list(range(way.taken + 1, way.sent + 1)):
            yield f"{way.task.name}: {way.sent} were sent and {way.taken} taken, and there wait {waiting}"
    front, ring, to_stumble, to_sink = ledger.ways
    if front.taken + ring.taken != to_stumble.sent or to_stumble.taken != to_sink.sent:
        yield f"what is taken and what is passed on are not as many: {ledger.report()}"
    if ledger.heard + len(ledger.hearer.happened) != to_sink.taken:
        yield f"{to_sink.taken} signals: {ledger.heard} were heard, and {len(ledger.hearer.happened)} wait"
    found = Counter((place, token) for place, task in enumerate(ledger.ring) for token in task.messages)
    if found != Counter((token.place, token) for token in ledger.tokens):
        yield f"of {len(ledger.tokens)} tokens these are in the ring: {[place for place, _token in found.elements()]}"


def tables(tasks: Any, expected: Counter[str]) -> Iterator[str]:
    """What is wrong with the tasks: which there are, their states, and where they will be found when it is time."""
    there = Counter(task.name for task in tasks.table.values())
    if there != expected:
        yield f"these tasks are too few: {dict(expected - there)}, and these too many: {dict(there - expected)}"
    due, ready, failed = set(), set(), {}
    for number, task in tasks.table.items():
        if task.state not in STATES.get(task.name, ("waiting",)):
            yield f"{task!r} may not be in this state"
        queue = task.event.queue
        if task.state == "retrying" or (task.state == "waiting" and queue is None):
            due.add((task.due, number))
        elif task.state == "waiting" and getattr(task, queue):
            ready.add(number)
        elif task.state == "failed":
            failed[task.failure] = task
    for name, wanted in (("due", due), ("ready", ready)):
        if wanted != (found := {*getattr(tasks, name)}):
            yield f"tasks.{name} lacks {wanted - found} and has {found - wanted} too much"
    if failed != {number: failure.task for number, failure in tasks.failures.items()}:
        yield f"these tasks have failed: {failed}, and these failures are there: {list(tasks.failures.values())}"


def pages(ledger: Any) -> Iterator[str]:
    """What is wrong in the transcript: each turn that took a number has printed it whole, the last last."""
    numbers: dict[str, list[int]] = {"stumble": [], "sink": []}
    for line in str(ledger.pages).splitlines():
        if (found := LINE.fullmatch(line)) is None:
            yield f"the transcript has {line!r}"
        else:
            numbers[found[1]].append(int(found[2]))
    for way, printed in zip(ledger.ways[2:], numbers.values(), strict=True):
        if printed != list(range(way.taken + 1 - len(printed), way.taken + 1)) or (way.taken and not printed):
            yield f"{way.task.name} took {way.taken}, and has printed {printed}"
