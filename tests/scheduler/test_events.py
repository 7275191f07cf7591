"""Events: when a task gets its turns."""

from __future__ import annotations

import threading

import pytest
from running import Running

from piety.errors import PietyError

TAKE = "got = []\ndef take(what): got.append(what)"
MISSED = {"skip": [], "once": [1.0], "catch_up": [1.0, 2.0, 3.0, 4.0]}


def take(running: Running, event: str) -> float:
    """Spawn a task for an event; the time when it began to wait."""
    running.run(TAKE, f"t = spawn({event}, take)")
    return running.now


def got(running: Running, since: float) -> list[float]:
    """The times with which the task was called, in seconds after `since`."""
    return [round(each - since, 6) for each in running.run("got")]


@pytest.mark.parametrize("missed", MISSED)
@pytest.mark.parametrize("killed", [False, True])
def test_times_that_passed_during_a_stop(running: Running, missed: str, killed: bool) -> None:
    """Are forgotten, give one turn, or a turn each, whichever way the system was stopped."""
    began = take(running, f"every(1.0, missed={missed!r})")
    running.resume(4.5, killed=killed)
    running.go()
    assert got(running, began) == MISSED[missed]
    running.go(0.5)
    assert got(running, began) == [*MISSED[missed], 5.0]
    running.go(1.0)
    assert got(running, began) == [*MISSED[missed], 5.0, 6.0]


@pytest.mark.parametrize("missed", MISSED)
@pytest.mark.parametrize("killed", [False, True])
def test_a_timer_that_has_ticked_before_the_stop(
    running: Running, monkeypatch: pytest.MonkeyPatch, missed: str, killed: bool
) -> None:
    """Is not due again for what it has handled."""
    monkeypatch.setattr(
        "time.time", lambda: running.now + 0.001
    )  # the clock of the store, which commits a little later
    began = take(running, f"every(1.0, missed={missed!r})")
    running.ticks(2, 1.0)
    running.resume(0.5, killed=killed)
    running.go()
    assert got(running, began) == [1.0, 2.0]
    running.go(0.5)
    assert got(running, began) == [1.0, 2.0, 3.0]


@pytest.mark.parametrize("missed", ["skip", "once"])
def test_a_system_that_was_busy_ticks_once(running: Running, missed: str) -> None:
    """For all the times that passed meanwhile."""
    began = take(running, f"every(1.0, missed={missed!r})")
    running.go(3.5)
    running.go(0.5)
    assert got(running, began) == [1.0, 4.0]


@pytest.mark.parametrize("missed", MISSED)
def test_times_that_passed_are_not_forgotten_by_a_start_that_is_killed(
    running: Running, monkeypatch: pytest.MonkeyPatch, missed: str
) -> None:
    """Before the turn for them; nor are they delivered again after it."""
    monkeypatch.setattr(
        "time.time", lambda: running.now + 0.001
    )  # the clock of the store, which commits a little later
    began = take(running, f"every(1.0, missed={missed!r})")
    running.resume(2.5, killed=True)
    running.resume(2.0, killed=True)
    running.go()
    assert got(running, began) == MISSED[missed]
    running.resume(0.1, killed=True)
    running.go()
    assert got(running, began) == MISSED[missed]


def test_each_missed_time_is_caught_up_once_over_kills(running: Running) -> None:
    """Where a timer stands is a part of its turn."""
    began = take(running, "every(1.0, missed='catch_up')")
    running.resume(3.0, killed=True)
    running.system.loop.pass_once()
    running.resume(2.0, killed=True)
    running.system.loop.pass_once()
    running.system.loop.pass_once()
    running.resume(0.0, killed=True)
    running.go()
    assert got(running, began) == [1.0, 2.0, 3.0, 4.0, 5.0]


@pytest.mark.parametrize("event", ["at(t0 + 2)", "after(2)"])
def test_once_is_once(running: Running, event: str) -> None:
    """Also over a kill before it, at it, and after it."""
    began = take(running, event.replace("t0", repr(running.now)))
    running.resume(1.0, killed=True)
    running.go()
    assert got(running, began) == []
    running.resume(5.0, killed=True)
    running.go()
    running.resume(5.0, killed=True)
    running.go()
    assert got(running, began) == [2.0]
    assert running.run("t.state, len(tasks())") == ("done", 0)


def test_a_time_that_has_passed_comes_at_once(running: Running) -> None:
    """With `at`, and with a negative `after`."""
    running.run(TAKE, f"spawn(at({running.now - 1e6}), take); spawn(after(-5), take)")
    running.go()
    assert len(running.run("got")) == 2


def test_a_datetime_means_its_own_time_zone(running: Running) -> None:
    """Without one, that of this place."""
    running.run(TAKE, "from datetime import datetime, timezone", "t = spawn(at(datetime(2200, 1, 1)), take)")
    assert "2200-01-01 00:00:00" in running.show("t.event")
    running.run("t.event = at(datetime(2200, 1, 1, tzinfo=timezone.utc))")
    assert running.run("t.due") == 7258118400.0


@pytest.mark.parametrize("event", ["every(0)", "every(-1)", "every(1e-9)", "every(float('nan'))", "every(float('inf'))",
    "at(float('nan'))", "at(float('inf'))", "after(float('nan'))", "every(1, missed='never')", "signal(5)", "lines('a b')",
    "changed([])"])  # fmt: skip
def test_a_time_or_name_that_makes_no_sense_is_refused(running: Running, event: str) -> None:
    """At once, not when it is due."""
    assert isinstance(running.fail(event), PietyError)


@pytest.mark.parametrize("event", ["every(1e300)", "at(1e300)", "after(1e15)", "at(-1e300)"])
def test_a_time_that_no_calendar_has_is_shown_all_the_same(running: Running, event: str) -> None:
    """And the loop can wait for it."""
    running.run(TAKE, f"t = spawn({event}, take)", "t.suspend()")
    assert "take" in running.show("tasks()")
    running.run("t.resume()")
    if "-" not in event:
        threading.Timer(0.05, running.system.loop.stop).start()
        running.system.loop.run()


def test_a_tiny_period_is_one_turn_a_pass(running: Running) -> None:
    """However many times have passed."""
    running.run(TAKE, "t = spawn(every(1e-6), take)")
    for passes in range(1, 4):
        running.now += 1.0
        running.system.loop.pass_once()
        assert len(running.run("got")) == passes


def test_a_clock_that_is_set_back(running: Running) -> None:
    """Periodic tasks go on with their period, not when it is as late again."""
    running.run(TAKE, "t = spawn(every(10), take)")
    running.go(10)
    running.go(-3595)
    running.ticks(50, 1)
    assert len(running.run("got")) == 6


@pytest.mark.parametrize("missed", MISSED)
@pytest.mark.parametrize("how", ["while it runs", "in a stop", "in a kill"])
@pytest.mark.parametrize("before", [0, 35])
@pytest.mark.parametrize("back", [2, 15, 3595])
def test_a_clock_that_is_set_back_silences_nothing(
    running: Running, monkeypatch: pytest.MonkeyPatch, missed: str, how: str, before: float, back: float
) -> None:
    """Before the first tick or after some, by whatever time, again and again; nor does it give ticks in a row."""
    monkeypatch.setattr("time.time", lambda: running.now)  # the clock of the store too
    take(running, f"every(10, missed={missed!r})")
    running.go()
    running.ticks(before, 5)
    for _ in range(2):
        if how == "while it runs":
            running.go(-back)
        else:
            running.resume(-back, killed=how == "in a kill")
        running.go()
        seen = running.run("len(got)")
        running.ticks(10, 1)
        assert running.run("len(got)") == seen + 1
        running.ticks(30, 1)
        assert running.run("len(got)") == seen + 4


def test_a_clock_that_is_set_back_a_little_gives_no_tick_twice(running: Running) -> None:
    """As time servers do it; the next one comes after its period."""
    running.run(TAKE, "t = spawn(every(3600), take)")
    running.go(3600)
    running.go(-0.005)
    running.go(3599.99)
    assert len(running.run("got")) == 1
    running.go(0.02)
    assert len(running.run("got")) == 2


def test_a_clock_that_is_set_back_moves_no_single_time(running: Running) -> None:
    """Noon is at noon."""
    running.run(TAKE, f"t = spawn(at({running.now + 10}), take)")
    running.resume(-3600)
    running.go(3609)
    assert running.run("got") == []
    running.go(1)
    assert len(running.run("got")) == 1


def test_a_clock_that_is_set_ahead(running: Running) -> None:
    """Gives one turn for all that."""
    running.run(TAKE, "t = spawn(every(10), take)")
    running.go(1e6)
    running.go()
    assert len(running.run("got")) == 1


def test_changes_of_an_object(running: Running) -> None:
    """Of an attribute, and of what hangs on it; several of one turn are one, and a failed turn is none."""
    running.run(
        TAKE, "from persistent import Persistent\nclass Note(Persistent):\n    def __init__(self): self.tags = []"
    )
    running.run("note = Note()", "t = spawn(changed(note), take)")
    running.go()
    for source, turns in (("note.a = 1", 1), ("note.tags.append(1)", 2), ("note.b = 1; note.tags.append(2)", 3),
                          ("note.tags", 3), ("other = 1", 3)):  # fmt: skip
        running.run(source)
        running.go()
        assert running.run("len(got)") == turns, source
    running.fail("note.a = 2; 1 / 0")
    running.go()
    assert running.run("len(got), all(each is note for each in got)") == (3, True)


@pytest.mark.parametrize("kind", ["OOBTree.OOBTree", "OOBTree.OOTreeSet", "IOBTree.IOBTree", "LLBTree.LLTreeSet"])
def test_changes_of_a_tree(running: Running, kind: str) -> None:
    """Though a large one is made of many persistent objects; and no other tree with the same keys is told."""
    module, _, name = kind.partition(".")
    put, drop = ("{}.add({})", "{}.remove({})") if "Set" in name else ("{}[{}] = 1", "del {}[{}]")
    running.run(TAKE, f"from BTrees.{module} import {name}", f"tree, other, small = {name}(), {name}(), {name}()")
    for each in "tree", "other":
        running.run(f"for n in range(0, 20_000, 2): {put.format(each, 'n')}")
    running.run("t = spawn(changed(tree), take)", "s = spawn(changed(small), take)")
    turns = 0
    for n in 1, 5_555, 19_999:
        for how in put, drop:
            running.run(how.format("other", n))
            running.go()
            assert running.run("len(got)") == turns
            running.run(how.format("tree", n))
            running.go()
            turns += 1
            assert running.run("len(got), got[-1] is tree") == (turns, True)
        running.resume()
    running.run(f"for n in range(0, 18_000, 2): {drop.format('tree', 'n')}")
    running.run(put.format("small", 1))
    running.go()
    assert running.run("len(got), t.cancel(), s.cancel(), len(world.tasks.trees)") == (turns + 2, None, None, 0)


def test_changes_made_before_a_stop_are_told_after_it(running: Running) -> None:
    """Whichever way it was stopped, and as one."""
    running.run(TAKE, "from persistent import Persistent\nclass Note(Persistent): pass", "note = Note()")
    running.run("t = spawn(changed(note), take)", "note.a = 1", "note.a = 2")
    running.resume(killed=True)
    running.go()
    assert running.run("len(got)") == 1


def test_a_task_that_changes_what_another_watches(running: Running) -> None:
    """Wakes it; and in the next round, not within its own turn."""
    running.run(TAKE, "from persistent import Persistent\nclass Note(Persistent): pass", "note = Note()")
    running.run("def change(): note.n = 1", "a = spawn(after(1), change); b = spawn(changed(note), take)")
    running.go(1)
    assert running.run("len(got)") == 1
    running.run("b.cancel()", "note.n = 2")
    running.go()
    assert running.run("len(got), len(world.tasks.watched)") == (1, 0)


def test_a_signal_reaches_all_who_wait_for_it(running: Running) -> None:
    """And nobody else; `notify` tells how many."""
    running.run(TAKE, "for name in 'dinner', 'dinner', 'lunch': spawn(signal(name), take)")
    assert running.run("notify('dinner')") == 2
    assert running.run("notify('nobody')") == 0
    running.go()
    assert running.run("got") == ["dinner", "dinner"]


def test_signals_wait_for_a_suspended_task(running: Running) -> None:
    """Over a kill too."""
    running.run(TAKE, "t = spawn(signal('s'), take)", "t.suspend()", "notify('s')", "notify('s')")
    running.resume(killed=True)
    running.go()
    assert running.run("got") == []
    running.run("t.resume()")
    running.go()
    assert running.run("got") == ["s", "s"]


OWN = """
from piety.scheduler.events import Event, Message
class Shout(Message):
    def take(self, tasks, task, when): return super().take(tasks, task, when).upper()
    def __repr__(self): return "shout"
"""


def test_an_event_of_ones_own(running: Running) -> None:
    """Is a subclass, defined in the workspace or anywhere."""
    running.run(TAKE, OWN, "t = spawn(Shout(), take)", "send(t, 'hello')")
    running.go()
    running.resume(killed=True)
    running.run("send(t, 'again')")
    running.go()
    assert running.run("got") == ["HELLO", "AGAIN"]
    assert "shout" in running.show("tasks()")


def test_an_event_whose_class_is_gone_fails_its_task_alone(running: Running) -> None:
    """The task is in `failed`, and can be cancelled; the others go on."""
    running.run(
        TAKE, OWN, "t = spawn(Shout(), take); u = spawn(message, take)", "send(t, 'a'); send(u, 'b')", "del Shout"
    )
    running.resume()
    running.go()
    assert running.run("got, t.state") == (["b"], "failed")
    assert "take" in running.show("tasks()")
    running.resume(safe=True)
    running.run("t.cancel(); u.resume(); send(u, 'c')")
    running.go()
    assert running.run("got, len(tasks())") == (["b", "c"], 1)


@pytest.mark.parametrize("method", ["begin", "end", "pause", "take", "has_happened", "__repr__", "__eq__"])
def test_an_event_whose_own_code_fails(running: Running, method: str) -> None:
    """Takes nobody else along."""
    running.run(TAKE, OWN, f"class Bad(Shout):\n    def {method}(self, *args): 1 / 0")
    running.run("u = spawn(message, take)")
    running.image.evaluate("t = spawn(Bad(), take)")
    running.image.evaluate("send(t, 'a')")
    running.run("send(u, 'b')")
    running.go()
    assert "b" in running.run("got")
    running.image.evaluate("t.suspend()")
    running.image.evaluate("t.cancel()")
    running.show("tasks()")
    running.resume()
    running.run("send(u, 'c')")
    running.go()
    assert "c" in running.run("got")


def test_an_event_that_changes_while_the_task_is_ready(running: Running) -> None:
    """What had made it ready counts no more."""
    running.run(TAKE, "t = spawn(message, take); u = spawn(every(1), take)", "send(t, 1)")
    running.now += 1
    running.ask("t.event = every(60)", "u.event = message")
    running.go()
    assert running.run("got, t.state, u.state") == ([], "waiting", "waiting")
    running.run("send(u, 'u')")
    running.go(60)
    assert running.run("len(got), got.count('u')") == (2, 1)


@pytest.mark.parametrize("stop", ["t.suspend()", "t.cancel()", "t.suspend(); t.resume()", "t.restart()"])
def test_a_timer_that_is_stopped_while_it_is_due(running: Running, stop: str) -> None:
    """Gives no turn; one that begins anew waits its whole time."""
    running.run(TAKE, "t = spawn(every(10), take); u = spawn(after(10), take)")
    running.now += 10
    running.ask(stop, stop.replace("t.", "u."))
    running.go()
    assert running.run("got") == []
    running.go(10)
    assert running.run("len(got)") == (2 if "re" in stop else 0)


def test_a_task_changes_its_own_event_in_its_turn(running: Running) -> None:
    """And waits for that from then on."""
    running.run("got = []\ndef tick():\n    got.append(1)\n    t.event = after(5) if len(got) < 3 else message")
    running.run("t = spawn(every(1), tick)")
    running.go(1)
    running.ticks(4, 1)
    assert running.run("len(got)") == 1
    running.ticks(20, 1)
    assert running.run("len(got), t.event == message, t.state") == (3, True, "waiting")


def test_an_event_that_fails_to_be_set_changes_nothing(running: Running) -> None:
    """Anything but an event is refused."""
    running.run(TAKE, "t = spawn(every(1), take)")
    assert isinstance(running.fail("t.event = 5"), PietyError)
    assert isinstance(running.fail("t.event = message; 1 / 0"), ZeroDivisionError)
    running.go(1)
    assert running.run("len(got)") == 1


@pytest.mark.parametrize("event", ["every(10)", "every(10, missed='catch_up')", "at(t.due)", "message"])
def test_the_event_of_a_task_that_waits_to_try_again_is_changed(running: Running, event: str) -> None:
    """It waits for the new one."""
    running.run("got = []\ndef take(what):\n    if not got: got.append('failed'); 1 / 0\n    got.append(what)")
    running.run("got.append(0)\ndef take(what):\n    if fails: 1 / 0\n    got.append(what)", "fails = True")
    running.run("t = spawn(every(10), take, retry=Retry(3, 5))")
    running.go(10)
    assert running.run("t.state") == "retrying"
    running.run("fails = False", f"t.event = {event}", "got.clear()")
    assert running.run("t.state") == "waiting"
    running.run("send(t, 1)") if event == "message" else None
    running.ticks(11, 1)
    assert running.run("len(got)") == 1


@pytest.mark.parametrize("name", ["socket", "image", "log", "a" * 51, "a b", ""])
def test_a_socket_may_not_take_the_place_of_the_systems_own(running: Running, name: str) -> None:
    """Or nobody could speak to the system any more."""
    assert isinstance(running.fail(f"spawn(lines({name!r}), print)"), PietyError)
