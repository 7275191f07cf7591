"""Tasks: what gets turns, when, and what is left of them after a stop."""

from __future__ import annotations

from running import Running

from piety.scheduler.tasks import TaskEnded

CLOCK = "n = 0\ndef tick():\n    global n\n    n += 1\nt = spawn(every(1.0), tick, name='clock')"


def test_a_task_gets_a_turn_each_time_its_event_happens(running: Running) -> None:
    """Neither before nor after."""
    running.run(CLOCK)
    running.go(0.9)
    assert running.run("n") == 0
    running.ticks(3.2, 0.1)
    assert running.run("n") == 4


def test_a_task_goes_on_after_a_restart(running: Running) -> None:
    """On the grid on which it began, whatever time the system was away."""
    running.run(CLOCK)
    running.go(1.0)
    for killed in (False, True):
        running.resume(10.3, killed=killed)
        running.go(0.69)
        before = running.run("n")
        running.go(0.02)
        assert running.run("n") == before + 1
        running.go(0.99)


def test_a_tick_that_changes_nothing_writes_nothing(running: Running) -> None:
    """Not its next time, nor any counter."""
    running.run("def tick(): pass", "t = spawn(every(1.0), tick)")
    file = running.under.file()
    running.ticks(50, 1.0)
    assert running.under.file() == file
    assert running.show("tasks()").splitlines()[1].split()[4] == "50"


def test_an_enabling_condition_is_changed_while_the_task_runs(running: Running) -> None:
    """To a bool, or to a function that tells each time."""
    running.run(CLOCK, "t.enabled = False")
    running.go(1.0)
    assert running.run("n") == 0
    running.run(
        "odd = True", "def alternate():\n    global odd\n    odd = not odd\n    return odd", "t.enabled = alternate"
    )
    running.ticks(4, 1.0)
    assert running.run("n") == 2
    running.run("t.enabled = True")
    running.ticks(2, 1.0)
    assert running.run("n") == 4


def test_each_message_is_a_turn_of_its_own(running: Running) -> None:
    """In the order in which they were sent, also those of a turn that sent many."""
    running.run("got = []", "def take(message): got.append(message)", "t = spawn(message, take)")
    running.run("for n in range(5): send(t, n)", "send(t, 'last')")
    running.go()
    assert running.run("got") == [0, 1, 2, 3, 4, "last"]


def test_a_message_of_a_turn_that_fails_was_never_sent(running: Running) -> None:
    """It is a part of that turn."""
    running.run("got = []", "def take(message): got.append(message)", "t = spawn(message, take)")
    running.fail("send(t, 1); 1 / 0")
    running.go()
    assert running.run("got, len(t.messages)") == ([], 0)


def test_a_suspended_task_gets_no_turns_and_its_messages_wait(running: Running) -> None:
    """Over a restart too."""
    running.run("got = []", "def take(message): got.append(message)", "t = spawn(message, take)", "t.suspend()")
    running.run("send(t, 1)")
    running.go()
    running.resume()
    running.go()
    assert running.run("got, t.state") == ([], "suspended")
    running.run("t.resume()")
    running.go()
    assert running.run("got, t.state") == ([1], "waiting")


def test_a_task_that_ended_takes_no_messages(running: Running) -> None:
    """And says so; `restart` brings it back, with an empty queue."""
    running.run("got = []", "def take(message): got.append(message)", "t = spawn(message, take)")
    running.run("t.suspend(); send(t, 1); t.cancel()")
    assert isinstance(running.fail("send(t, 2)"), TaskEnded)
    assert isinstance(running.fail("t.resume()"), TaskEnded)
    running.run("t.restart(); send(t, 3)")
    running.go()
    assert running.run("got") == [3]


def test_a_handler_gets_what_has_happened_if_it_wants_it(running: Running) -> None:
    """A timer's time only where the function cannot do without."""
    running.run(
        "got = []",
        "def none(): got.append('none')\ndef maybe(x='no'): got.append(x)\ndef one(x): got.append(type(x).__name__)",
        "for f in none, maybe, one: spawn(after(1), f)",
        "for f in none, maybe, one: spawn(signal('s'), f)",
    )
    running.go(1.0)
    assert running.run("got") == ["none", "no", "float"]
    running.run("got.clear(); notify('s')")
    running.go()
    assert running.run("got") == ["none", "s", "str"]


def test_what_is_counted_goes_on_after_a_stop(running: Running) -> None:
    """Turns, their time, and failures; of a system that was killed, what was counted up to the last stop."""
    running.run("def work(n):\n    sum(range(100_000))\n    if n == 3: 1 / 0", "t = spawn(message, work)")
    running.run("for n in range(4): send(t, n)")
    running.go()

    def counted() -> tuple[int, float, int]:
        (row,) = running.run("tasks().rows()")
        return row["turns"], row["seconds"], row["failures"]

    before = counted()
    assert before[0] >= 4
    assert before[1] > 0
    assert before[2] == 1
    running.resume()
    assert counted() == before
    running.run("failures()[0].discard(); send(t, 4)")
    running.go()
    after = counted()
    assert (after[0], after[2]) == (before[0] + 1, 1)
    assert after[1] > before[1]
    running.rest()
    assert counted() == after  # also as long as it rests
    running.come_up()
    running.run("send(t, 5)")
    running.go()
    running.resume(killed=True)
    assert counted() == after
