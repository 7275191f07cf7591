"""Who gets a turn: conditions, fairness, batches, tasks that act on themselves, and images without a system."""

from __future__ import annotations

import time
from concurrent.futures import Future
from typing import Any

import pytest
from running import Running

from piety.scheduler.loop import TaskTurn

TAKE = "got = []\ndef take(what): got.append(what)"


@pytest.mark.parametrize("condition", ["False", "no", "counting"])
def test_a_condition_that_is_false_keeps_nobody_busy(running: Running, condition: str) -> None:
    """Also one that changes something each time it is asked."""
    running.run(TAKE, "n = 0\ndef no(): return False\ndef counting():\n    global n\n    n += 1\n    return False")
    running.run(f"t = spawn(message, take, enabled={condition})", "send(t, 1)")
    running.go()
    assert running.system.loop.is_idle
    assert running.run("len(t.messages)") == 1


WAITS = {  # what a task waits for that is not enabled for 4.5 seconds, and the turns that it has then, and a second later
    "message": (3, 3),
    "signal('s')": (3, 3),
    "changed(note)": (1, 1),
    "every(1)": (0, 1),
    "every(1, missed='once')": (0, 1),
    "every(1, missed='catch_up')": (4, 5),
    "after(2)": (1, 1),
    "after(5)": (0, 1),
    "at(t0 + 2)": (1, 1),
}


@pytest.mark.parametrize("event", WAITS)
@pytest.mark.parametrize("way", ["spawned so", "then", "retried", "over a kill"])
def test_a_task_that_is_not_enabled_costs_nothing(
    running: Running, monkeypatch: pytest.MonkeyPatch, event: str, way: str
) -> None:
    """Nobody looks at it, whatever happens; when it is enabled, nothing was lost, and timers go on as they stood."""
    asked: list[int] = []
    work = TaskTurn.work
    running.run(TAKE, "from persistent import Persistent\nclass Note(Persistent): pass", "note = Note()")
    began = running.now
    running.run(f"t = spawn({event.replace('t0', str(began))}, take, enabled={way != 'spawned so'})", "t.enabled = 0")
    monkeypatch.setattr(TaskTurn, "work", lambda turn: (asked.append(turn.number), work(turn)))
    for n in range(3):
        running.run(f"send(t, {n}); notify('s'); note.n = {n}")
        running.go(1)
    if way == "over a kill":
        running.resume(1, killed=True)
    elif way == "retried":
        running.run("t.suspend(); t.enabled = True; t.enabled = False")
        assert running.run("t.since, t.due") == (None, None)
        running.run("t.cancel()", f"t.event = {event.replace('t0', str(began))}", "t.restart()")
        running.run("for n in range(3): send(t, n); notify('s'); note.n = -n")
        began = running.now
    running.go(began + 4.5 - running.now)
    assert running.system.loop.is_idle
    assert (asked, running.run("got, t.state, 0 in t.messages")) == ([], ([], "waiting", True))
    running.run("t.enabled = True")
    running.go()
    now = len(running.run("got"))
    running.go(1)
    assert (now, len(running.run("got"))) == WAITS[event]


def test_a_failure_of_a_task_that_is_not_enabled_is_discarded(running: Running) -> None:
    """It goes on to rest."""
    running.run("got = []; fails = True\ndef take(what):\n    if fails: 1 / 0\n    got.append(what)")
    running.run("t = spawn(every(1, missed='catch_up'), take); u = spawn(message, take); v = spawn(every(1), take)")
    running.run("send(u, 1)", "send(u, 2)")
    running.go(1)
    running.run("fails = False\nfor task in t, u, v: task.enabled = False", "for f in failures(): f.discard()")
    running.go(3)
    assert running.run("got, len(world.tasks.due), len(world.tasks.ready)") == ([], 0, 0)
    running.run("for task in t, u, v: task.enabled = True")
    running.go()
    assert running.run("len(got), 2 in got") == (4, True)
    running.go(1)
    assert running.run("len(got), len(world.tasks.due)") == (6, 2)


def test_a_condition_is_asked_again_when_something_has_changed(running: Running) -> None:
    """By another task, say; else each second, for one that looks outside of the image."""
    running.run(TAKE, "ready = False\ndef is_ready(): return ready\ndef make():\n    global ready\n    ready = True")
    running.run(
        "t = spawn(message, take, enabled=is_ready); send(t, 1); spawn(after(10), make); spawn(every(1e5), make)"
    )
    running.go()
    running.go(10)
    assert running.run("got") == [1]
    running.run("import sys", "def outside(): return hasattr(sys, 'outside')", "t.enabled = outside", "send(t, 2)")
    running.go()
    import sys

    sys.outside = True  # type: ignore[attr-defined]
    try:
        running.go(1)
    finally:
        del sys.outside  # type: ignore[attr-defined]
    assert running.run("got") == [1, 2]


def test_a_condition_that_raises_is_a_failure(running: Running) -> None:
    """Of that task; the message is still there."""
    running.run(
        TAKE, "t = spawn(message, take, enabled=lambda: 1 / 0); u = spawn(message, take)", "send(t, 1); send(u, 2)"
    )
    running.go()
    assert running.run("got, t.state, len(t.messages)") == ([2], "failed", 1)


def test_a_task_that_always_has_more_starves_nobody(running: Running) -> None:
    """What people ask for comes first, the others in turn."""
    running.run(
        TAKE, "def again(n): send(t, n + 1)", "t = spawn(message, again); u = spawn(message, take)", "send(t, 0)"
    )
    running.run("for n in range(5): send(u, n)")
    asked = running.ask("len(got)")
    for _ in range(7):
        running.system.loop.pass_once()
    assert asked[0].result(0).value == 0
    assert running.run("got") == [0, 1, 2, 3, 4]


def test_a_long_queue_starves_nobody_however_short_the_passes_are(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each task has its turn before any has a second one; a busy clock does not change that."""
    monkeypatch.setattr("piety.scheduler.loop.SLICE", 0.0)
    running.run(TAKE, "long = spawn(message, take); ticks = spawn(every(1e-6), lambda: take('tick'))")
    running.run("others = [spawn(message, take) for _ in range(5)]\nfor n in range(100): send(long, 'long')")
    running.run("for n, task in enumerate(others): send(task, n)")
    for _ in range(7):
        running.now += 1
        running.system.loop.pass_once()
    assert sorted(map(str, running.run("got"))) == ["0", "1", "2", "3", "4", "long", "tick"]
    for _ in range(4):
        running.now += 1
        running.system.loop.pass_once()
    assert sorted(running.run("got[7:]")) == ["long", "long", "tick", "tick"]


def test_ready_tasks_are_committed_together(running: Running) -> None:
    """And nothing of that leaves before it is on disk."""
    running.run("from BTrees.OOBTree import OOBTree", "world.done = OOBTree()")
    running.run("def work(n):\n    if n == 50: 1 / 0\n    world.done[n] = n\n    print(n)")
    running.run("for n in range(100): send(spawn(message, work, name=str(n)), n)")
    before = running.transactions()
    running.go()
    assert running.run("len(world.done)") == 99
    assert running.failed() == ["50"]
    assert running.transactions() - before < 40


def test_who_asked_and_is_gone_hurts_nobody(running: Running) -> None:
    """A terminal that vanishes takes back what it waits for."""
    futures: list[Future[Any]] = [*running.ask("world.x = 1"), running.system.call(lambda image: 1)]
    for future in futures:
        future.cancel()
    running.go()
    assert running.run("hasattr(world, 'x')") is True


@pytest.mark.parametrize(
    ("what", "state"), [("t.cancel()", "cancelled"), ("t.suspend()", "suspended"), ("1", "waiting")]
)
def test_a_task_acts_on_itself(running: Running, what: str, state: str) -> None:
    """In its turn, with effect after it."""
    running.run(f"n = 0\ndef f():\n    global n\n    n += 1\n    {what}", "t = spawn(every(1), f)")
    running.go(1)
    running.go(1)
    assert running.run("t.state, n") == (state, 2 if what == "1" else 1)


def test_a_task_restarts_itself(running: Running) -> None:
    """Also one that would be done."""
    running.run("n = 0\ndef f():\n    global n\n    n += 1\n    t.restart()", "t = spawn(after(1), f)")
    running.ticks(3, 1)
    assert running.run("n, t.state") == (3, "waiting")


def test_a_task_of_a_turn_that_fails_is_not_there(running: Running) -> None:
    """Its number is free, and means nothing."""
    running.run(TAKE)
    running.fail("send(spawn(message, take), 1); spawn(after(0), take); 1 / 0")
    running.run("t = spawn(after(5), take)")
    running.go(1)
    assert running.run("got, len(tasks()), t.state") == ([], 1, "waiting")


def test_methods_and_tasks_of_the_same_name(running: Running) -> None:
    """Of persistent objects, and of plain ones."""
    running.run(
        "from persistent import Persistent\nclass P(Persistent):\n    n = 0\n    def add(self, k): self.n += k\nclass Q:\n    n = 0\n    add = P.add"
    )
    running.run(
        "p = P()", "world.ts = (spawn(message, p.add), spawn(message, Q().add))", "for t in world.ts: send(t, 5)"
    )
    running.resume()
    running.go()
    assert running.run("p.n, world.ts[1].action.__self__.n, tasks()['add'] is world.ts[0]") == (5, 5, True)


def test_what_happens_in_an_image_without_a_system_is_remembered(running: Running) -> None:
    """Until one runs: tasks, messages, signals, changes, timers and effects."""
    running.rest()
    running.run(TAKE, "from persistent import Persistent\nclass Note(Persistent): pass", "note = Note()")
    running.run("t = spawn(message, take); spawn(signal('s'), take); spawn(changed(note), take); spawn(after(5), take)")
    running.run("send(t, 1)", "notify('s')", "note.a = 1", "e = host(abs, -5)")
    assert running.run("got") == []
    running.now += 5
    running.come_up()
    running.go()
    assert running.run("len(got), e.value") == (4, 5)


def test_sleeping_tasks_are_not_loaded(running: Running) -> None:
    """Neither by a start, nor by the turns of others, nor by a table that shows the first of them."""
    running.run(TAKE, "for n in range(3000): spawn(at(1e12 + n), take, name=str(n))", "t = spawn(every(1), take)")
    running.rest()
    running.now += 60
    with running.loads() as loads:
        running.come_up()
        running.ticks(5, 1)
        assert loads["Handler"] <= 1
        assert loads.total() < 120
    assert "more" in running.show("tasks()")


def test_a_limit_and_the_hog(running: Running) -> None:
    """The watch sees the turn that runs, and knows the limit without touching the image."""
    running.run("turn_limit(0.5)")
    running.go()
    turns, watch = running.image._turns, running.system._watch
    with running.loads() as loads:
        running.image._connection.cacheMinimize()
        watch.look()
        assert watch.hog is None
        turns.running = turn = running.system.loop._look_around
        turn.since = time.perf_counter() - 1.0
        watch.look()
        assert watch.hog["turn"] == "the turn loop"
        assert not loads
    turns.running = None


def test_hooks_are_called_in_order_and_the_failing_one_never_again(running: Running) -> None:
    """The system comes up, and says so; in safe mode none is called."""
    running.run("log = []\ndef a(): log.append('a')\ndef b(): log.append('b'); raise Bad\ndef c(): log.append('c')")
    running.run("class Bad(BaseException):\n    def __str__(self): raise SystemExit", "for f in a, b, c: on_resume(f)")
    running.run("on_stop(a)")
    running.system._call_hooks("resume")
    running.system._call_hooks("resume")
    running.system._call_hooks("stop")
    assert running.run("log") == ["a", "c", "a", "c", "a"]
    assert "b" in running.system.notices[0]
    assert running.run("[each.quarantine != '' for each in hooks()]") == [False, True, False, False]


def test_who_stops_the_system_while_it_comes_up_waits_for_no_more_hooks(running: Running) -> None:
    """And blames none of them."""
    running.run("called = []\ndef a(): called.append(1); image.system.stop()\ndef b(): called.append(2)")
    running.run("for f in a, b: on_resume(f)")
    running.system._call_hooks("resume")
    running.system._is_down.set()
    assert running.run("called, [each.quarantine for each in hooks()]") == ([1], ["", ""])


def test_a_report_that_is_stopped_tells_what_is_known(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody leaves the loop for it."""

    def stopped(*_args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("piety.scheduler.failures.say", stopped)
    running.run("def bad(what): print('here'); 1 / 0", "send(spawn(message, bad), 1)")
    running.go()
    assert running.run("[(each.error, each.output) for each in failures()]") == [("ZeroDivisionError", "here\n")]


def test_what_a_failure_keeps_of_the_printing_is_bounded(running: Running) -> None:
    """The end of it."""
    running.run("def bad(what): print('x' * 1_000_000); print('end'); 1 / 0", "send(spawn(message, bad), 1)")
    running.go()
    assert running.run("failures()[0].output.startswith('[900,005 characters before]')")
    assert running.run("failures()[0].output.endswith('end\\n')")


def test_safe_mode_gives_no_task_a_turn(running: Running) -> None:
    """Until a person says so; a failed one stays failed."""
    running.run(TAKE, "def bad(what): 1 / 0", "t = spawn(every(1), take); u = spawn(message, bad)", "send(u, 1)")
    running.go()
    running.resume(5, safe=True)
    running.go(5)
    assert running.run("got, t.state, u.state") == ([], "suspended", "failed")
    running.run("t.resume()")
    running.go(1)
    assert running.run("len(got)") == 1


def test_a_turn_that_only_assigns_a_variable_of_a_module_is_written(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though it has read nothing, so that nothing was brought into memory for it."""
    running.image.modules["m"] = (
        "import os\n__state__ = ['n']\ndef set():\n    global n\n    if os.environ.get('GO'): n = 7"
    )
    running.run("import m; t = spawn(every(1), m.set)")
    running.go(1.5)
    running.go(1)
    monkeypatch.setenv("GO", "yes")
    running.go(1)
    running.resume(killed=True)
    assert running.run("import m; m.n") == 7


def test_long_queues_are_emptied_together_and_in_turn(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """One commit for many messages, also for those of one task; one that fails is undone alone."""
    monkeypatch.setattr("piety.scheduler.loop.SLICE", 60.0)
    running.run("got = []", "def take(what):\n    got.append(what)\n    if what == ('u', 3): 1 / 0")
    running.run("t = spawn(message, take, name='t'); u = spawn(message, take, name='u')")
    running.run("for n in range(100): send(t, ('t', n)); send(u, ('u', n))")
    before = running.transactions()
    running.go()
    assert running.transactions() - before < 5
    got = running.run("got")
    assert got[:6] == [("t", 0), ("u", 0), ("t", 1), ("u", 1), ("t", 2), ("u", 2)]
    assert [n for name, n in got if name == "t"] == list(range(100))
    assert [n for name, n in got if name == "u"] == [0, 1, 2]
    assert running.failed() == ["u"]
    running.run("u.retry = None; got.clear(); failures()[0].discard()")
    running.go()
    assert [n for _name, n in running.run("got")] == list(range(4, 100))


def test_who_asks_does_not_wait_for_a_long_queue(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pass ends when somebody asks, as soon as each task had its turn."""
    monkeypatch.setattr("piety.scheduler.loop.SLICE", 60.0)
    running.run(TAKE, "for _ in range(2):\n    t = spawn(message, take)\n    for n in range(50): send(t, n)")
    asked: list[Future[Any]] = []
    work = TaskTurn.work

    def work_and_ask(turn: TaskTurn) -> None:
        work(turn)
        if not asked:
            asked.extend(running.ask("len(got)"))

    monkeypatch.setattr(TaskTurn, "work", work_and_ask)
    running.go()
    assert asked[0].result().value == 2
    assert running.run("len(got)") == 100


def test_who_asks_is_not_told_of_a_turn_beside_theirs_that_cannot_be_written(running: Running) -> None:
    """What they asked for is done again, without it."""
    running.run(
        "from persistent import Persistent\nclass Bad(Persistent):\n    def __getstate__(self): raise SystemExit\n"
        "def bad(): world.bad = Bad()",
        "spawn(after(1), bad)",
    )
    running.now += 2
    (asked,) = running.ask("world.mine = 1")
    running.go()
    assert asked.result().error is None
    assert running.run("world.mine, hasattr(world, 'bad')") == (1, False)
    assert running.failed() == ["bad"]


def test_a_turn_that_fails_when_its_changes_are_looked_at_fails_once(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not tried again in the same pass, though its message is first in the queue again."""
    monkeypatch.setattr("piety.scheduler.loop.SLICE", 1.0)
    running.run(
        "import sys\nfrom persistent import Persistent\nsys.asked = 0\n"
        "class Bad(Persistent):\n    def __init__(self): self.parts = []\n    def __getstate__(self):\n"
        "        if sys.asked: sys.asked += 1; raise SystemExit\n        return super().__getstate__()",
        "world.bad = Bad()\ndef touch(n):\n    sys.asked = sys.asked or 1\n    world.bad.parts.append(n)",
        "t = spawn(message, touch)\nfor n in range(3): send(t, n)",
    )
    running.go()
    assert running.failed() == ["touch"]
    assert running.run("import sys; sys.asked = 0; len(t.messages), t.state") == (3, "failed")
