"""A rollback while the system runs: tasks, timers, work on the host and jobs go on from the state of then."""

from __future__ import annotations

import os
from pathlib import Path

from running import Running

NOTE = "def note(path, text):\n    with open(path, 'a') as file: file.write(text + '\\n')\n    return text.upper()"
WAIT = "def wait(began, gate):\n    with open(began, 'wb', 0) as file: file.write(b'x')\n    with open(gate, 'rb', 0) as file: file.read(1)"
TAKE = "got = []\ndef take(what): got.append(what)"


def back(running: Running, when: str = "then") -> None:
    """Roll back as a command does, between two passes."""
    future = running.system.call(lambda image: image.roll_back(when).notices)
    running.go()
    assert future.result(0) == []


def test_tasks_and_what_was_sent_to_them_go_back(running: Running) -> None:
    running.run(TAKE, "a = spawn(message, take, enabled=False)", "send(a, 1)", "snapshot('then')")
    running.run("b = spawn(message, take)", "send(b, 2); a.enabled = True")
    running.go()
    assert sorted(running.run("got")) == [1, 2]
    back(running)
    assert running.run("len(tasks()), got, len(a.messages)") == (1, [], 1)
    running.run("a.enabled = True")
    running.go()
    assert running.run("got") == [1]
    running.image.undo()
    running.run("send(a, 3)")
    running.go()
    assert running.failed() == []


def test_a_task_with_the_number_of_one_that_is_gone(running: Running) -> None:
    running.run(TAKE, "snapshot('then')", "def other(what): got.append('other')", "t = spawn(message, other)", "send(t, 1)")
    running.go()
    assert running.run("got") == ["other"]
    number = running.run("t.number")
    back(running)
    running.run("u = spawn(message, take)", "send(u, 1)")
    running.go()
    assert running.run("got, u.number") == ([1], number)
    assert running.run("tasks()[u.number] is u") is True


def test_timers_go_on_as_after_a_stop(running: Running) -> None:
    running.run(TAKE, "t = spawn(every(1), take)", "snapshot('then')")
    running.ticks(3, 1)
    running.run("t.event = every(100)", "u = spawn(after(5), take)")
    running.ticks(3, 1)
    assert running.run("len(got)") == 3
    back(running)
    assert running.run("t.event, got") == (running.run("every(1)"), [])
    running.ticks(4, 1)
    assert running.run("len(got)") == 4
    running.ticks(10, 1)
    assert running.run("len(got)") == 14
    assert running.failed() == []


def test_a_task_that_has_failed_since_goes_on(running: Running) -> None:
    running.run(TAKE, "t = spawn(message, take)", "snapshot('then')", "def take(what): 1 / 0", "send(t, 1)")
    running.go()
    assert running.run("t.state") == "failed"
    back(running)
    running.run("send(t, 2)")
    running.go()
    assert running.run("t.state, got, len(failures())") == ("waiting", [2], 0)
    assert running.system.status()["failed"] == 0


def test_a_rollback_to_before_there_were_tasks(running: Running) -> None:
    running.run("x = 1", "snapshot('then')", TAKE, "t = spawn(message, take)", "send(t, 1)")
    running.go()
    back(running)
    running.run(TAKE, "t = spawn(message, take)", "send(t, 5)")
    running.go()
    assert running.run("got, len(tasks())") == ([5], 1)


def test_an_image_older_than_its_tasks_table(running: Running) -> None:
    with running.image.storage.log() as log:
        *_, newer, _oldest = log.backwards()
        first = newer.tid
    running.run(TAKE, "t = spawn(message, take)")
    future = running.system.call(lambda image: image.roll_back(first).notices)
    running.go()
    assert future.result(0) == []
    running.run(TAKE, "t = spawn(message, take)", "send(t, 5)")
    running.go()
    assert running.run("got") == [5]


def test_the_answer_of_the_host_to_what_is_gone_is_dropped(running: Running, tmp_path: Path) -> None:
    for name in "began", "gate":
        os.mkfifo(tmp_path / name)
        running.run(f"{name} = {str(tmp_path / name)!r}")
    began, gate = (os.open(tmp_path / name, os.O_RDWR) for name in ("began", "gate"))
    running.run(TAKE, WAIT, "snapshot('then')", "e = host(wait, began, gate, then=take)")
    running.system.loop.pass_once()
    running.system.loop.pass_once()
    assert os.read(began, 1) == b"x"
    back(running)
    running.run("n = 1", f"path = {str(tmp_path / 'notes')!r}", NOTE, "f = host(note, path, 'again', then=take)")
    os.write(gate, b"x")
    running.until("len(got) > 0")
    running.go()
    assert running.run("[each.value for each in got], f.state") == (["AGAIN"], "done")


def test_work_on_the_host_that_was_asked_for_then_is_done_again(running: Running, tmp_path: Path) -> None:
    path = tmp_path / "ids"
    note = "def note(path):\n    from piety import effect_id\n    with open(path, 'a') as file: file.write(effect_id() + '\\n')"
    running.run(note, f"path = {str(path)!r}")
    running.run("e = host(note, path); snapshot('then')")
    running.until("e.state == 'done'")
    back(running)
    running.until("e.state == 'done'")
    assert path.read_text().split() == [running.run("e.id")] * 2


def test_a_job_goes_back_and_the_prompt_with_it(running: Running) -> None:
    def enter(source: str) -> str | None:
        future = running.system.evaluate(source, session="1")
        running.go()
        return future.result(0).prompt

    assert enter("def take(line): world.line = line") is None
    assert enter("j = job(take, prompt='take> ')") == "take> "
    running.run("snapshot('then')")
    assert enter("leave()") is None
    back(running)
    look = running.system.look_at("1")
    running.go()
    assert look.result(0).prompt == "take> "
    line = running.system.enter("hello", "1")
    running.go()
    assert line.result(0).error is None
    assert running.run("world.line") == "hello"


def test_fronts_are_told(running: Running) -> None:
    told: list[int] = []
    running.system.on_return = lambda: told.append(1)
    running.run("x = 1", "snapshot('then')", "x = 2")
    back(running)
    back(running)
    assert told == [1]  # the second had nothing to do


def test_what_waits_for_a_socket_goes_back(running: Running) -> None:
    opened: list[frozenset[str]] = []
    running.system.loop.on_doors = opened.append
    running.run(TAKE, "t = spawn(lines('door'), take)", "snapshot('then')")
    running.go()
    running.run("t.cancel()")
    running.go()
    assert opened[-1] == frozenset()
    back(running)
    assert opened[-1] == frozenset({"door"})


def test_a_diff_tells_of_tasks_what_a_person_knows_of_them(running: Running) -> None:
    running.run(TAKE, "a = spawn(message, take, name='clerk'); b = spawn(message, take, name='other')", "snapshot('then')")
    running.run("a.suspend(); send(b, 1)", "c = spawn(message, take, name='new')")
    running.go()
    told = repr(running.image.diff("then")).splitlines()
    assert "~ a" in told
    assert any("suspended" in line for line in told)
    assert "~ got" in told
    assert not any("_tree" in line or "Queue" in line or "world.tasks" in line for line in told)


# -- trials


def test_no_effect_leaves_a_trial(running: Running, tmp_path: Path) -> None:
    """No task is started or sent to, nothing is asked of the host, no signal given."""
    running.run(NOTE, TAKE, "a = spawn(message, take); b = spawn(signal('s'), take)")
    source = f"host(note, {str(tmp_path / 'noted')!r}, 'tried', then=take); send(a, 1); notify('s'); c = spawn(every(1), take)"
    running.run(f"with trial() as t:\n    {source}\n    assert len(tasks()) == 4 and len(t.diff()) > 0")
    running.go(10)
    assert running.run("got, len(tasks())") == ([], 2)
    assert not (tmp_path / "noted").exists()
    assert running.failed() == []
    running.run(f"with trial() as t:\n    {source}; t.keep()")
    running.until("[each for each in got if getattr(each, 'value', None) == 'TRIED']")
    assert 1 in running.run("got")
    assert (tmp_path / "noted").read_text() == "tried\n"
    assert running.failed() == []


def test_a_trial_in_a_task(running: Running) -> None:
    """And what the task does around it happens."""
    running.run("got = []")
    running.run(
        "def work(what):\n    got.append(what)\n    with trial() as t:\n        got.append('tried')\n        if what == 2: t.keep()\n"
        "    got.append(len(got))"
    )
    running.run("t = spawn(message, work); send(t, 1); send(t, 2)")
    running.go()
    assert running.run("got") == [1, 1, 2, "tried", 4]
    assert running.failed() == []


def test_watchers_are_told_of_what_was_kept_only(running: Running) -> None:
    running.run(TAKE, "from persistent import Persistent\nclass C(Persistent): n = 0", "world.c = C(); world.d = C()")
    running.run("w = spawn(changed(world.c), take)")
    running.run("with trial(): world.c.n = 5")
    running.go()
    assert running.run("len(got)") == 0
    running.run("world.c.n = 1\nwith trial() as t:\n    world.c.n = 2; t.keep()\nworld.d.n = 3")
    running.go()
    assert running.run("len(got)") == 1
