"""Messages: each is handled once, whatever happens."""

from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import Any

import pytest
from conftest import System
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from running import Running

from piety.scheduler import clock

TAKE = "got = []\ndef take(what): got.append(what)"


def test_two_thousand_messages_are_each_handled_once(running: Running) -> None:
    """In order, with kills in between, each in a turn of its own."""
    running.run(TAKE, "from BTrees.OOBTree import OOBTree", "world.n = 0; world.seen = OOBTree()")
    running.run(
        "def count(k):\n    assert k == world.n\n    world.n += 1\n    world.seen[k] = world.seen.get(k, 0) + 1"
    )
    running.run("t = spawn(message, count)", "for k in range(2_000): send(t, k)")
    before = running.transactions()
    for passes in (1, 2, 5, 8):
        for _ in range(passes):
            running.system.loop.pass_once()
        running.resume(killed=True)
    running.go()
    assert running.run("world.n, len(world.seen), set(world.seen.values()), len(failures())") == (2_000, 2_000, {1}, 0)
    assert running.transactions() - before <= 2_010


def test_messages_to_a_hundred_tasks_are_few_transactions(running: Running) -> None:
    """All that is ready is committed together."""
    running.run(
        "from persistent import Persistent\nclass Sum(Persistent):\n    n = 0\n    def add(self, k): self.n += k"
    )
    running.run("world.sums = [Sum() for _ in range(100)]", "ts = [spawn(message, s.add) for s in world.sums]")
    running.run("for t in ts:\n    for k in range(20): send(t, k)")
    before = running.transactions()
    running.go()
    assert running.run("{s.n for s in world.sums}") == {190}
    assert running.transactions() - before < 400


def test_a_message_waits_while_nothing_can_be_written(running: Running) -> None:
    """And is handled once when it can; so are the failures, and what was asked for is told."""
    running.run(TAKE, "def fail(what): 1 / 0", "t = spawn(message, take); u = spawn(message, fail)")
    running.run("send(t, 1); send(u, 2)")
    with running.full_disk():
        for _ in range(5):
            asked = running.ask("got.append('asked')")
            running.go()
            assert asked[0].result(0).error is not None
            running.now += 1
    assert running.run("got") == []
    running.go(1)
    running.go(1)
    assert running.run("got, t.state, u.state") == ([1], "waiting", "failed")
    assert running.failed() == ["fail"]


def test_a_full_disk_does_not_keep_the_loop_busy(running: Running) -> None:
    """It tries again after a pause."""
    running.run(TAKE, "def fail(what): 1 / 0", "t = spawn(message, take); u = spawn(message, fail)")
    running.run("send(t, 1); send(u, 2)")
    with running.full_disk():
        running.go()
        assert running.system.loop.is_idle is False
        assert running.system.loop.pass_once() is False


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_timer_that_is_due_while_nothing_can_be_written(running: Running, when: str) -> None:
    """Gives its turn when it can be."""
    running.run(TAKE, "spawn(after(1), take); spawn(every(100), take); spawn(every(1000, missed='catch_up'), take)")
    with running.full_disk():
        running.go(1000)
    running.go(0.5 if when == "before" else 1.0)
    assert running.run("len(got)") == (0 if when == "before" else 3)


def test_a_task_receives_more_than_one_in_a_turn(running: Running) -> None:
    """`receive` takes the oldest; what it took is not handled again, nor if the turn fails."""
    running.run("got = []; fails = True")
    running.run(
        "def take(m):\n    got.append(m)\n    while (x := t.receive()) is not None: got.append(x)\n    if fails: 1/0"
    )
    running.run("t = spawn(message, take)", "for k in 1, 2, 3: send(t, k)")
    running.go()
    assert running.run("got, len(t.messages), t.state") == ([], 3, "failed")
    running.run("fails = False", "failures()[0].retry()")
    running.go()
    running.resume()
    running.go()
    assert running.run("got, len(t.messages), len(failures()), t.receive()") == ([1, 2, 3], 0, 0, None)


def test_a_task_sends_to_itself_and_to_others(running: Running) -> None:
    """It comes in turns of their own."""
    running.run("got = []\ndef take(n):\n    got.append(n)\n    if n < 5: send(t if n % 2 else u, n + 1)")
    running.run("t = spawn(message, take); u = spawn(message, take)", "send(t, 0)")
    running.go()
    assert running.run("got, len(t.messages), len(u.messages)") == ([0, 1, 2, 3, 4, 5], 0, 0)


def test_a_message_to_a_task_that_waits_for_something_else_is_kept(running: Running) -> None:
    """Until it waits for messages, or receives it."""
    running.run(TAKE, "t = spawn(signal('s'), take)", "send(t, 1)", "send(t, 2)")
    running.go()
    assert running.run("got") == []
    running.run("t.receive()", "t.event = message")
    running.go()
    assert running.run("got") == [2]


def test_any_value_can_be_sent(running: Running) -> None:
    """None too, and a persistent object is the same one on the other side."""
    running.run(TAKE, "from persistent import Persistent\nclass Note(Persistent): pass", "note = Note()")
    running.run("t = spawn(message, take)", "for v in None, 0, [], note, {'a': note}, take: send(t, v)")
    running.go()
    assert running.run("got == [None, 0, [], note, {'a': note}, take], got[3] is note, got[5] is take") == (True,) * 3


class Model:
    """What the random programs should do, in plain Python: three tasks, each sums what it is sent."""

    def __init__(self) -> None:
        self.queues = [deque[int](), deque[int](), deque[int]()]
        self.got: list[list[int]] = [[], [], []]
        self.is_failed = [False] * 3
        self.is_suspended = [False] * 3

    def send(self, task: int, value: int) -> None:
        self.queues[task].append(value)

    def go(self) -> None:
        for task, queue in enumerate(self.queues):
            while queue and not self.is_failed[task] and not self.is_suspended[task]:
                if queue[0] < 0:
                    self.is_failed[task] = True
                else:
                    self.got[task].append(queue.popleft())


TASK = st.integers(0, 2)
STEPS = st.one_of(
    st.tuples(st.just("send"), TASK, st.integers(-2, 9)),
    st.tuples(st.just("send and fail"), TASK, st.integers(-2, 9)),
    st.tuples(st.just("send to full disk"), TASK, st.integers(-2, 9)),
    st.tuples(st.sampled_from(["discard", "suspend", "resume"]), TASK, st.just(0)),
    st.tuples(st.sampled_from(["pass", "go", "stop", "kill", "full pass"]), st.just(0), st.just(0)),
)
PREPARED = """
from persistent import Persistent
class Sum(Persistent):
    def __init__(self): self.got = []
    def take(self, n):
        self.got.append(n)
        print(n)
        if n < 0: 1 / 0
sums = [Sum() for _ in range(3)]
world.ts = tuple(spawn(message, each.take, name=str(n), out=Transcript()) for n, each in enumerate(sums))
"""


def _step(running: Running, model: Model, what: str, task: int, value: int) -> None:
    if what == "send":
        running.run(f"send(world.ts[{task}], {value})")
        model.send(task, value)
    elif what == "send and fail":
        running.fail(f"send(world.ts[{task}], {value}); 1 / 0")
    elif what == "send to full disk":
        with running.full_disk():
            running.fail(f"send(world.ts[{task}], {value})")
    elif what == "full pass":
        with running.full_disk():
            running.system.loop.pass_once()
        running.now += 1
    elif what == "pass":
        running.system.loop.pass_once()
    elif what in ("stop", "kill"):
        running.resume(1.0, killed=what == "kill")
    else:
        running.go(1)
        model.go()
        _ask(running, model, what, task)


def _ask(running: Running, model: Model, what: str, task: int) -> None:
    if what == "discard" and model.is_failed[task]:
        running.run(f"[each.discard() for each in failures() if each.task is world.ts[{task}]]")
        model.queues[task].popleft()
        model.is_failed[task] = False
    elif what == "suspend":
        running.run(f"world.ts[{task}].suspend()")
        model.is_suspended[task] = model.is_suspended[task] or not model.is_failed[task]
    elif what == "resume" and not model.is_failed[task]:
        running.run(f"world.ts[{task}].resume()")
        model.is_suspended[task] = False


@hypothesis_settings(max_examples=40, deadline=None)
@given(st.lists(STEPS, max_size=25))
def test_random_programs_are_as_in_plain_python(
    tmp_path_factory: pytest.TempPathFactory, elsewheres: Any, steps: list[tuple[str, int, int]]
) -> None:
    """Sends, failing turns, kills at any moment and disks that are full: each message is handled once, in order."""
    home: Path = tmp_path_factory.mktemp("home") / "h"
    under = System(home, elsewheres)
    running = Running(under)
    model = Model()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clock, "now", lambda: running.now)
        try:
            running.run(PREPARED)
            for step in steps:
                _step(running, model, *step)
            running.go(2)
            model.go()
            assert running.run("[each.got for each in sums]") == model.got
            assert running.run("[list(each.messages) for each in world.ts]") == [list(each) for each in model.queues]
            printed = ["".join(f"{n}\n" for n in got) for got in model.got]
            assert running.run("[str(each.out) for each in world.ts]") == printed
            assert sorted(running.failed()) == [str(task) for task in range(3) if model.is_failed[task]]
        finally:
            running.image.close()
