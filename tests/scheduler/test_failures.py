"""Failures: what is kept of a turn that failed, and what can be done about it."""

from __future__ import annotations

import pytest
from running import Running

from piety.errors import PietyError
from piety.scheduler.failures import Outdated
from piety.scheduler.tasks import TaskEnded

RAISED = [
    "SystemExit",
    "KeyboardInterrupt",
    "GeneratorExit",
    "MemoryError",
    "Mine",
    "type('Own', (BaseException,), {})",
]
FLAKY = "got = []; fails = True\ndef take(what):\n    got.append(what)\n    if fails: 1 / 0"


@pytest.mark.parametrize("error", RAISED)
def test_no_error_of_a_task_takes_the_system_along(running: Running, error: str) -> None:
    """Whatever a handler raises, and whatever the error says of itself."""
    running.run(
        "class Mine(Exception):\n    def __str__(self): raise SystemExit\n    def __repr__(self): raise SystemExit"
    )
    running.run(f"def bad(): raise {error}", "def deep(): deep()", "def good(): world.good = True")
    running.run("for f in bad, deep, good: spawn(after(1), f)")
    running.go(1)
    assert running.failed() == ["bad", "deep"]
    assert running.run("world.good, failures()[1].error.split(':')[0]") == (True, "RecursionError")
    running.show("failures()")


def test_what_is_kept_of_a_failure(running: Running) -> None:
    """What the turn was about, the error, its source lines, the local names, and what was printed; over a restart."""
    running.run(
        "def take(what):\n    long = 'x' * 1000\n    print('so far')\n    1 / 0",
        "t = spawn(message, take)",
        "send(t, 'm')",
    )
    running.go()
    running.resume(killed=True)
    about, error, traceback, output = running.run("f = failures()[0]; f.about, f.error, f.traceback, f.output")
    assert (about, error, output) == ("message 'm'", "ZeroDivisionError: division by zero", "so far\n")
    assert "    1 / 0" in traceback
    assert running.run("f.frames[-1].source, f.frames[-1].names['what']") == ("1 / 0", "'m'")
    assert running.run("len(f.frames[-1].names['long'])") <= 120
    assert running.run("world.transcript") is None or "so far" not in running.run("str(world.transcript)")


def test_local_names_are_shown_as_they_were_when_it_failed(running: Running) -> None:
    """Not as they are after the turn was undone."""
    running.run(
        "from persistent import Persistent\nclass Sum(Persistent):\n    n = 0\n    def __repr__(self): return f'{self.n}'"
    )
    running.run(
        "world.sum = Sum()", "def add(s):\n    s.n += 1\n    1 / 0", "t = spawn(message, add)", "send(t, world.sum)"
    )
    running.go()
    assert running.run("failures()[0].frames[-1].names['s'], world.sum.n") == ("1", 0)


HOSTILE = (
    "class M:\n    def __repr__(self):\n        world.trace = 1; globals()['seen'] = 1\n        {0}\n        return 'm'"
)


@pytest.mark.parametrize("then", ["pass", "1 / 0", "raise SystemExit", "raise KeyboardInterrupt"])
def test_what_is_shown_leaves_no_trace(running: Running, then: str) -> None:
    """A repr that fails hides nothing else; one that changes the image has not done so."""
    running.run(
        HOSTILE.format(then), "def take(what):\n    other = 5\n    1 / 0", "t = spawn(message, take)", "send(t, M())"
    )
    running.go()
    assert running.run("t.state, failures()[0].frames[-1].names['other']") == ("failed", "5")
    assert running.run("hasattr(world, 'trace'), 'seen' in globals()") == (False, False)


def test_a_turn_that_fails_is_tried_again_with_pauses(running: Running) -> None:
    """Each longer than the one before; then the task has failed, and `retry` tries the same turn."""
    running.run(FLAKY + "\n", "tries = []\ndef take(what):\n    if fails: 1 / 0\n    got.append(what)")
    running.run("t = spawn(message, take, retry=Retry(2, 10, 3))", "send(t, 1)", "send(t, 2)")
    running.go()
    states = []
    for seconds in (9, 1, 29, 1):
        running.go(seconds)
        states.append(running.run("t.state, t.tries"))
    assert states == [("retrying", 1), ("retrying", 2), ("retrying", 2), ("failed", 3)]
    running.resume(killed=True)
    running.run("fails = False", "failures()[0].retry()")
    running.go()
    assert running.run("got, t.tries, len(failures())") == ([1, 2], 0, 0)


def test_a_timer_is_tried_again_as_it_was(running: Running) -> None:
    """With the same time; nothing that was to be caught up is lost."""
    running.run("got = []; fails = True\ndef take(when):\n    if fails: 1 / 0\n    got.append(when)")
    running.run("t = spawn(every(10, missed='catch_up'), take, retry=Retry(5, 1, 1)); first = t.due")
    running.go(35)
    running.run("fails = False")
    running.go(1)
    assert running.run("[each - first for each in got]") == [0, 10, 20]


@pytest.mark.parametrize(
    ("event", "retried", "discarded"), [("after(1)", 1, 0), ("every(10)", 2, 1), ("message", 2, 1)]
)
def test_a_failure_is_retried_or_discarded(running: Running, event: str, retried: int, discarded: int) -> None:
    """The same turn, or the next one."""
    running.run("got = []; fails = True\ndef take(what):\n    if fails: 1 / 0\n    got.append(what)")
    running.run(f"a = spawn({event}, take); b = spawn({event}, take)")
    if event == "message":
        running.run("for t in a, b: send(t, 1); send(t, 2)")
    running.go(10)
    running.run("fails = False", "fs = list(failures())", "fs[0].retry(); fs[1].discard()")
    running.go()
    count = running.run("len(got)")
    running.ticks(10, 1)
    assert running.run("len(got)") == retried + discarded
    assert count == (1 if event != "message" else 3)
    assert running.run("len(failures()), b.state") == (0, "done" if event == "after(1)" else "waiting")


def test_a_failure_of_which_the_task_has_gone_on_takes_nothing_from_it(running: Running) -> None:
    """An old one only forgets itself."""
    running.run(FLAKY, "t = spawn(message, take)", "for n in 1, 2: send(t, n)")
    running.go()
    running.run("f = failures()[0]", "fails = False", "t.suspend()", "t.resume()")
    running.run("fails = True\ndef take(what):\n    if what == 2: 1 / 0\n    got.append(what)", "got.clear()")
    running.go()
    assert isinstance(running.fail("f.retry()"), Outdated)
    running.run("f.discard()", "f.discard()")
    assert running.run("got, list(t.messages), t.state, len(failures())") == ([1], [2], "failed", 1)
    running.run("failures()[0].discard()")
    running.go()
    assert running.run("list(t.messages), t.state, len(failures())") == ([], "waiting", 0)


def test_a_failure_of_a_task_that_ended_can_be_discarded(running: Running) -> None:
    """But not retried."""
    running.run(FLAKY, "t = spawn(message, take)", "send(t, 1)")
    running.go()
    running.run("t.cancel()")
    assert isinstance(running.fail("failures()[0].retry()"), TaskEnded)
    running.run("failures()[0].discard()")
    assert running.run("t.state, len(failures())") == ("cancelled", 0)


def test_a_restart_forgets_the_tries(running: Running) -> None:
    """The first failure after it is the first."""
    running.run(FLAKY, "t = spawn(message, take, retry=Retry(1, 1))", "send(t, 1)")
    running.go()
    running.run("t.restart()", "send(t, 2)")
    running.go()
    assert running.run("t.state, t.tries") == ("retrying", 1)


def test_a_handler_that_is_gone_fails(running: Running) -> None:
    """And when it is there again, the turn is tried again; so is one that could not be stored."""
    running.run(
        "got = []\ndef take(what): got.append(what)",
        "t = spawn(message, take); u = spawn(message, lambda m: got.append(m))",
    )
    running.run("del take", "send(t, 1); send(u, 2)")
    running.resume()
    running.go()
    assert running.run("t.state, u.state") == ("failed", "failed")
    running.run("def take(what): got.append(what)", "t.action = u.action = take", "for f in failures(): f.retry()")
    running.go()
    assert sorted(running.run("got")) == [1, 2]


def test_a_handler_that_is_edited_is_called_as_it_is_now(running: Running) -> None:
    """Also if it takes other arguments."""
    running.run("got = []\ndef take(what): got.append(what)", "t = spawn(message, take)", "send(t, 1)")
    running.go()
    running.run("def take(): got.append('none')", "send(t, 2)")
    running.go()
    assert running.run("got") == [1, "none"]


def test_one_that_cannot_be_written_fails_alone(running: Running) -> None:
    """Those that were to be committed with it are done a little later."""
    running.run(
        "from persistent import Persistent\nclass Bad(Persistent):\n    def __getstate__(self): raise ValueError"
    )
    running.run("def a(): world.bad = Bad()\ndef b(): world.b = 1\ndef c(): world.c = 2\ndef d(): 1 / 0")
    running.run("for f in b, d, a, c: spawn(after(1), f)")
    running.go(1)
    running.go(1)
    running.go(1)
    assert sorted(running.failed()) == ["a", "d"]
    assert running.run("hasattr(world, 'bad'), world.b, world.c") == (False, 1, 2)


def test_nothing_is_told_from_turns_whose_batch_was_undone(running: Running) -> None:
    """One that failed after others is taken anew, as they are."""
    running.run(
        "n = 0\ndef a():\n    global n\n    n += 1\ndef b():\n    if n: 1 / 0", "for f in a, b: spawn(after(1), f)"
    )
    with running.full_disk():
        running.go(1)
    running.run("n = -1")
    running.go(1)
    assert running.run("n") == 0
    assert running.failed() == []


@pytest.mark.parametrize("seconds", [0, 1e-3, 1, 1e300])
def test_pauses_have_an_end(running: Running, seconds: float) -> None:
    """However often something is tried."""
    running.run(f"r = Retry(100_000, seconds={seconds!r})")
    pauses = running.run("[r.wait(n) for n in (1, 2_000, 99_999, 100_000, 100_001)]")
    assert pauses[-1] is None
    assert all(0 <= each <= 86_400 * 365 for each in pauses[:-1])


MINE = (
    "from piety.scheduler.tasks import Task\n"
    "class Mine(Task):\n    def step(self, value):\n        if fails: 1 / 0\n        got.append(value); return self.event",
    "from persistent import Persistent\nclass Note(Persistent): pass",
    "got = []; fails = True; note = Note()\ndef take(what): got.append(what)",
    "def mine(event, name):\n    m = Mine(event, name)\n    world.tasks.add(m)\n    return m",
)


@pytest.mark.parametrize("event", ["message", "signal('s')", "changed(note)", "every(1e5)"])
def test_a_task_whose_class_is_gone_is_listed_and_hurts_nobody(running: Running, event: str) -> None:
    """In safe mode neither; it is whole again when the class is, and can be taken out before."""
    running.run(*MINE, "t = spawn(signal('s'), take); u = spawn(changed(note), take); v = spawn(message, take)")
    running.run(f"m = mine({event}, 'm1'); mine({event}, 'm2')", "del Mine")
    for safe in False, True:
        running.resume(safe=safe)
        row = running.show("tasks()").splitlines()[4].split()
        assert row[:5] == ["4", "m1", "broken", "<missing", "workspace.Mine>"]
        assert running.run("tasks()['m1'] is m, tasks()['take'] is t, 'm2' in tasks(), 7 in tasks()") == (
            True, True, True, False)  # fmt: skip
        if safe:
            running.run("for each in t, u, v: each.resume()")
        running.run("got.clear(); notify('s'); note.a = 1; send(v, 1)")
        running.go()
        assert running.run("'s' in got, note in got, 1 in got, len(got)") == (True, True, True, 3)
    running.run("world.tasks.forget(5)")
    running.run("tables = world.tasks.due, world.tasks.signals, world.tasks.watched")
    assert running.run("len(tasks()), sum(number == 5 for table in tables for _key, number in table)") == (4, 0)
    running.run(MINE[0], "fails = False")
    running.resume()
    running.run("m.send(1); m.suspend(); m.event = message; m.resume()")
    running.go()
    assert running.run("m.state, got[-1]") == ("waiting", 1)


def test_a_failure_of_a_task_whose_class_is_gone(running: Running) -> None:
    """Is shown, and can be discarded."""
    running.run(*MINE, "m = mine(message, 'm'); m.send(1)")
    running.go()
    running.run("del Mine")
    running.resume()
    assert "'m'" in running.show("failures()")
    assert isinstance(running.fail("failures()[0].retry()"), PietyError)
    running.run("failures()[0].discard()")
    assert running.run("len(failures())") == 0


@pytest.mark.parametrize("event", ["S('s')", "C(note)", "C(tree)"])
@pytest.mark.parametrize("how", ["cancel()", "restart()", "event = message"])
def test_an_event_that_fails_to_end_leaves_nothing_behind(running: Running, event: str, how: str) -> None:
    """Nobody finds its task where it waits no more."""
    running.run(
        MINE[1],
        "from BTrees.OOBTree import OOBTree",
        "from piety.scheduler.events import Changed, Signal\nclass S(Signal):\n    def end(self, tasks, task): 1 / 0\n"
        "class C(Changed):\n    def end(self, tasks, task): 1 / 0",
        "note = Note(); tree = OOBTree(); got = []\ndef take(what): got.append(what)",
        f"t = spawn({event}, take)",
    )
    running.run(f"t.{how}")
    left = running.run("len(world.tasks.signals), len(world.tasks.watched), len(world.tasks.trees)")
    assert sum(left) == (0 if how != "restart()" else 2 if "tree" in event else 1)
    running.run("t.cancel()", "notify('s'); note.a = 1; tree[1] = 1")
    running.go()
    assert running.run("got, len(world.tasks.signals), len(world.tasks.watched)") == ([], 0, 0)


def test_an_event_whose_class_is_gone_does_not_hide_it_from_the_others(running: Running) -> None:
    """Its task fails when it happens, and who told it does not."""
    running.run(
        "from piety.scheduler.events import Signal\nclass S(Signal): pass", "got = []\ndef take(what): got.append(what)"
    )
    running.run("t = spawn(S('s'), take); u = spawn(signal('s'), take)", "del S")
    running.resume()
    assert running.run("notify('s')") == 2
    running.go()
    assert running.run("got, t.state, u.state") == (["s"], "failed", "waiting")


@pytest.mark.parametrize("retry", ["5", "Bad()", "Gone()"])
def test_a_retry_whose_own_code_fails_is_none(running: Running, retry: str) -> None:
    """The task has failed, and the loop has nothing more to do."""
    running.run("def bad(what): 1 / 0", "class Gone: pass\nclass Bad(Retry):\n    def wait(self, tries): 1 / 0")
    running.run(f"t = spawn(message, bad, retry={retry})", "del Gone")
    running.resume()
    running.run("send(t, 1)")
    running.go()
    assert running.run("t.state, len(failures())") == ("failed", 1)
    assert running.system.loop.is_idle


def test_a_failure_that_cannot_be_recorded_is_not_tried_for_ever(running: Running) -> None:
    """Because of the task itself: it gets no turns, and what is known is told; the others go on."""
    running.run(*MINE, "import sys\nMine.__getstate__ = lambda self: sys.exit() if fails else Task.__getstate__(self)")
    running.run("fails = False; m = mine(message, 'm'); v = spawn(message, take)", "m.send(1)", "fails = True")
    running.run("send(v, 2)")
    told: list[int] = []
    for _ in range(8):
        running.go(1)
        told.append(running.run("len(world.tasks.failures)"))
    assert running.system.loop.is_idle
    assert 1 <= told[3] == told[-1] <= 2  # it may have been about to get its next turn already
    assert running.run("got, 'ZeroDivisionError' in failures()[0].error, len(world.tasks.ready)") == ([2], True, 0)
    running.run("fails = False", "for f in failures(): f.discard()", "m.restart(); m.send(3)")
    running.go()
    assert running.run("got, len(failures())") == ([2, 3], 0)


def test_only_turns_that_were_taken_are_counted(running: Running) -> None:
    """Not that the loop has looked for more."""
    running.run("def take(what): 1 / what", "t = spawn(message, take)", "for n in 1, 2, 0, 3: send(t, n)")
    running.go()
    (turn,) = running.system.loop.turns.values()
    assert (turn.counts.turns, turn.counts.failures) == (3, 1)


def test_a_full_disk_and_a_clock_that_is_set_back(running: Running) -> None:
    """What waited for room goes on when there is some, whatever the clock says."""
    running.run("got = []\ndef take(what): got.append(what)", "t = spawn(message, take)", "send(t, 1)")
    with running.full_disk():
        running.go()
    running.now -= 3600
    running.go()
    assert running.run("got") == [1]


@pytest.mark.parametrize("event", ["message", "every(1)", "every(1, missed='catch_up')"])
def test_a_task_whose_class_is_gone_holds_up_nobody_when_it_is_ready(running: Running, event: str) -> None:
    """It gets no turn, and what is committed beside it is not undone."""
    running.run(*MINE, f"v = spawn(message, take); m = mine({event}, 'm'); m.send(1)", "del Mine")
    running.resume()
    for n in range(3):
        running.run(f"send(v, {n})")
        running.now += 1
        running.system.loop.pass_once()
        assert len(running.run("got")) == n + 1
    assert running.failed() == []
