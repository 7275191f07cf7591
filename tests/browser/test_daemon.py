"""The system as a process of its own: how it comes up, is asked, goes down, and is killed."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from served import PATIENCE, PIETY, Served, Talk
from terminals import CTRL_C, Terminal

import piety
from piety.browser import wire


def test_it_starts_and_stops(served: Served) -> None:
    """Each says so; what was made is there the next time."""
    done = served.piety("start")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"the system of {served.home} runs (process {served.process})\n"
    served.evaluate("total = 40 + 2")
    assert served.piety("stop").stdout == "stopped\n"
    assert not (served.home / "socket").exists()
    assert served.evaluate("total") == "42\n"  # it rests: this opens the image


def test_when_stop_returns_the_image_is_free(served: Served) -> None:
    """Nobody has to wait a little and try again."""
    for _ in range(3):
        served.start()
        assert served.piety("stop").returncode == 0
        piety.open(served.home).close()


def test_a_process_of_its_own(served: Served) -> None:
    """It has left the terminal and the session of whoever started it."""
    process = served.start()
    assert os.getsid(process) == process
    assert int(served.evaluate("import os; os.getppid()")) != os.getpid()


def test_a_running_one_is_not_started_again(served: Served) -> None:
    """One line, and the one that runs goes on."""
    process = served.start()
    for command in (("start",), ("run",)):
        done = served.piety(*command)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
        assert done.stderr.startswith("piety: the ")
    assert int(served.evaluate("import os; os.getpid()")) == process


def test_why_it_does_not_start_is_one_line(served: Served) -> None:
    """As that of a command on a resting system."""
    (served.home / "image" / "image.fs").write_bytes(b"Dear diary,\n")
    done = served.piety("start")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "is no image" in done.stderr


def test_a_program_that_has_the_image_is_no_system(served: Served) -> None:
    """So nobody can be asked."""
    with piety.open(served.home):
        assert served.piety("status").returncode == 1


@pytest.mark.parametrize("command", ["start", "run", "eval"])
def test_a_named_home_is_not_made_by_the_way(tmp_path: Path, command: str) -> None:
    """A mistyped name is told."""
    arguments = [command, "--home", str(tmp_path / "nowhere"), *(["1"] if command == "eval" else [])]
    done = subprocess.run([*PIETY, *arguments], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "there is no home" in done.stderr
    assert not (tmp_path / "nowhere").exists()


# -- asking it


def test_the_status_tells_whether_it_runs(served: Served) -> None:
    """For people and for programs, and by the exit status."""
    assert (served.piety("status").returncode, served.piety("status").stdout) == (1, "no system runs\n")
    process = served.start()
    done = served.piety("status")
    assert done.returncode == 0
    assert f"(process {process})" in done.stdout
    facts = json.loads(served.piety("status", "--json").stdout)
    assert (facts["pid"], facts["running"], facts["terminals"]) == (process, None, [])


def test_the_status_counts_the_tasks_that_have_failed(served: Served) -> None:
    """As long as nobody has dealt with them."""
    served.start()
    assert "failed" not in served.piety("status").stdout
    served.evaluate("a = spawn(message, int); b = spawn(message, int); send(a, 'x'); send(b, 'y')")
    while served.status()["failed"] != 2:  # until their turns are over
        pass
    assert "\n2 tasks failed: piety tasks\n" in served.piety("status").stdout
    assert json.loads(served.piety("status", "--json").stdout)["failed"] == 2
    served.evaluate("a.cancel(); failures()[-1].discard(); send(b, 'z')")
    while served.status()["failed"] != 1:
        pass
    assert "\n1 task failed: piety tasks\n" in served.piety("status").stdout


def test_the_status_shows_where_a_turn_is(served: Served) -> None:
    """The user's code alone, from the outermost call on: a turn over the limit, and what runs now."""
    served.start()
    served.evaluate("turn_limit(0.1)")
    with served.talk() as talk:
        spin(talk, "def deep():\n    while True: pass\ndeep()")
        while (told := served.piety("status").stdout).count("the last hog") == 0:
            pass
        stack = json.loads(served.piety("status", "--json").stdout)["running_stack"]
        served.piety("interrupt")
    assert re.search(r"the last hog: .* s\n  File \"<statement \d+>\", line 4, in <module>\n    deep\(\)\n", told)
    assert stack.startswith('  File "<statement ')
    assert stack.count("  File ") == 2


def test_the_tasks_can_be_watched(served: Served) -> None:
    """On a terminal, each second anew, until Ctrl-C; which leaves also while a turn is waited for."""
    served.start()
    served.evaluate("first = spawn(message, print, name='adam')")
    terminal = Terminal("tasks", "--watch", has_prompt=False)
    try:
        terminal.sees("to leave: Ctrl-C")
        terminal.sees("adam")
        served.evaluate("second = spawn(message, print, name='eve')")
        terminal.sees("eve")
        with served.talk() as talk:
            spin(talk)
            terminal.sees("waiting for a turn")
            terminal.types(CTRL_C)
            assert terminal.ends() == 0
    finally:
        terminal.stop()
    assert served.evaluate("1 + 1") == "2\n"


def test_what_rests_is_not_watched(served: Served) -> None:
    """It does not change; one line says so."""
    done = served.piety("tasks", "--watch")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)


def test_where_no_turn_runs_none_is_interrupted(served: Served) -> None:
    """Said in one line, resting or running."""
    done = served.piety("interrupt")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    served.start()
    assert served.piety("interrupt").stdout == "no turn runs\n"
    assert served.evaluate("1 + 1") == "2\n"


def test_stopping_what_does_not_run(served: Served) -> None:
    """It is as it should be."""
    for options in ([], ["--now"]):
        done = served.piety("stop", *options)
        assert (done.returncode, done.stdout, done.stderr) == (0, "no system runs\n", "")


# -- in the foreground


def test_run_ends_when_there_is_nothing_to_do(served: Served) -> None:
    """What is due by now is done before."""
    served.evaluate("done = []")
    served.evaluate("def work(): done.append(1)")
    served.evaluate("t = spawn(after(0), work)")
    done = served.piety("run", "--until-idle")
    assert (done.returncode, done.stderr) == (0, "")
    assert served.evaluate("done") == "[1]\n"


@pytest.mark.parametrize("way", ["run", "start"])
def test_hooks_and_counts_of_a_system_that_comes_up_and_goes_down(served: Served, way: str) -> None:
    """Each time, also when it runs in the foreground: hooks are called, and what was counted of tasks is kept."""
    served.evaluate("done = []")
    served.evaluate("def up(): done.append('up')")
    served.evaluate("def down(): done.append('down')")
    served.evaluate("def work(): done.append('task')")
    served.evaluate("h, g, t = on_resume(up), on_stop(down), spawn(message, work)")
    for _ in range(2):
        served.evaluate("send(t, 1)")
        if way == "start":
            served.start()
            served.evaluate("1")
            served.piety("stop")
        else:
            assert served.piety("run", "--until-idle").returncode == 0
    assert served.evaluate("done") == f"{['up', 'task', 'down'] * 2}\n"
    assert served.evaluate("[row['turns'] for row in tasks().rows()]") == "[2]\n"


def test_safe_suspends_what_would_run(served: Served) -> None:
    """No task and no hook gets a turn."""
    served.evaluate("done = []")
    served.evaluate("def work(): done.append(1)")
    served.evaluate("t = spawn(after(0), work); h = on_resume(work)")
    assert served.piety("run", "--until-idle", "--safe").returncode == 0
    assert served.evaluate("done, t.state") == "([], 'suspended')\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_it_gracefully(served: Served, number: signal.Signals) -> None:
    """Ctrl-C where no turn runs, or SIGTERM: the hooks are called, and the exit status is 0."""
    served.evaluate("stopped = 0")
    served.evaluate("def note():\n    global stopped\n    stopped += 1")
    served.evaluate("h = on_stop(note)")
    reading, writing = os.pipe()
    command = [*PIETY, "run", "--ready", str(writing)]
    with subprocess.Popen(command, env=served.environment, pass_fds=[writing]) as process:
        os.close(writing)
        with open(reading) as ready:
            assert ready.readline() == "ready\n"
        served.evaluate("1")  # the turn loop is there
        process.send_signal(number)
        assert process.wait(PATIENCE) == 0
    assert served.evaluate("stopped") == "1\n"


# -- turns that do not end


def spin(talk: Talk, source: str = "while True: pass") -> None:
    """Have a turn run that does not end; when this returns, it does."""
    talk.ask("evaluate", source=f"input('begun')\n{source}")
    talk.until(wire.ASK)
    talk.send(wire.LINE, b"\n")


def test_who_waits_for_a_turn_says_so(served: Served) -> None:
    """What runs, for how long, and how to stop it; then the command goes on."""
    served.start()
    for command in (
        ("eval", "1 + 1"),
        ("tasks",),
        ("code", "list"),
        ("check",),
        ("code", "export", str(served.home / "out")),
    ):
        with served.talk() as talk:
            spin(talk)
            waiter = served.begin(*command)
            assert waiter.stderr is not None
            told = waiter.stderr.readline()
            assert re.fullmatch(
                r"piety: waiting for a turn that runs for \d+ s: input\('begun'\) \.\.\.; to stop it: piety interrupt\n",
                told,
            )
            assert served.piety("interrupt").stdout == "interrupted: input('begun') ...\n"
            assert waiter.communicate(timeout=PATIENCE)[1] == ""
            assert waiter.returncode == 0


def test_a_command_does_not_wait_for_its_own_turn(served: Served) -> None:
    """That it takes long is its own affair."""
    served.start()
    assert served.piety("eval", "import time\ntime.sleep(2.2); 1").stderr == ""
    assert served.piety("shell", stdin="import time\ntime.sleep(1.2); 1\n").stderr == ""


def test_stop_says_for_what_it_waits(served: Served) -> None:
    """And what ends it at once."""
    served.start()
    with served.talk() as talk:
        spin(talk)
        done = served.piety("stop")
    assert done.stdout == "stopped\n"
    assert re.fullmatch(
        r"piety: waiting for a turn that runs for \d s: input.*; to end it at once: piety stop --now\n", done.stderr
    )


def test_a_system_that_cannot_answer_is_told(served: Served) -> None:
    """A call holds the interpreter, so nobody hears the socket."""
    served.start()
    with served.talk() as talk:
        spin(talk, "sum(range(10**12))")
        for command in ("eval", "1"), ("status",), ("stop",):
            waiter = served.begin(*command)
            assert waiter.stderr is not None
            told = waiter.stderr.readline()
            assert told == "piety: waiting for the system, which does not answer; to end it at once: piety stop --now\n"
            waiter.kill()
            waiter.communicate()
        assert served.piety("stop", "--now").stdout == "stopped\n"


def test_stop_interrupts_a_turn_that_goes_on(served: Served) -> None:
    """After the time of grace; what it did is undone."""
    served.start()
    with served.talk() as talk:
        talk.ask("evaluate", source="spun = 1; input('begun')\nwhile True: pass")
        talk.until(wire.ASK)
        talk.send(wire.LINE, b"\n")
        assert served.piety("stop").stdout == "stopped\n"
    assert served.evaluate("'spun' in globals()") == "False\n"


def test_stop_now_ends_what_cannot_be_interrupted(served: Served) -> None:
    """A turn that catches every interrupt, say; what was reported is there."""
    served.start()
    served.evaluate("reported = 1")
    with served.talk() as talk:
        source = "input('begun')\nwhile True:\n    try:\n        while True: pass\n    except KeyboardInterrupt: pass"
        talk.ask("evaluate", source=source)
        talk.until(wire.ASK)
        talk.send(wire.LINE, b"\n")
        assert served.piety("stop", "--now").stdout == "stopped\n"
    assert served.evaluate("reported") == "1\n"


@pytest.mark.parametrize("who", [["interrupt"], None])
def test_a_command_that_runs_the_users_code_is_named_and_can_be_stopped(
    served: Served, tmp_path: Path, who: list[str] | None
) -> None:
    """By anybody, or by its own Ctrl-C; here a check imports a module that does not come to its end."""
    flag = tmp_path / "flag"
    wait = f"import os\nwhile os.path.exists({str(flag)!r}): pass\n"
    with piety.open(served.home) as image:
        image.modules["slow"] = f"{wait}from persistent import Persistent\nclass A(Persistent): pass"
        image.evaluate("import slow; kept = slow.A()")
    flag.touch()
    served.start()
    command = served.begin("check")
    while (running := served.status()["running"]) is None:
        pass
    assert running == "piety check"
    if who:
        assert served.piety(*who).stdout == "interrupted: piety check\n"
    else:
        command.send_signal(signal.SIGINT)
    assert ("stopped" if who else "Aborted!") in command.communicate(timeout=PATIENCE)[1]
    assert command.returncode == (2 if who else 1)
    while served.status()["running"]:
        pass
    assert served.evaluate("1 + 1") == "2\n"


STUBBORN = """
import sys, threading, piety
from piety.scheduler import hooks, system
system.LOOK = system.STUBBORN = 0.01
running = None

def hang():
    stopping = threading.Thread(target=running.stop, args=(0.01,))
    while True:
        try:
            if stopping.ident is None: stopping.start()
            while True: pass
        except KeyboardInterrupt: pass

with piety.open(sys.argv[1]) as image:
    running = system.System(image)
    offer = image.offer
    image.offer = lambda name: hang if name == "hang" else offer(name)
    hooks.LIMIT = 0.01
    image.evaluate("kept = 1")
    image.evaluate(sys.argv[2])
    running.evaluate(sys.argv[3])
    running.run()
"""


@pytest.mark.parametrize(
    ("before", "source"), [("0", "kept = 2; hang()"), ("h = on_resume(lambda: hang())", "0")], ids=["turn", "hook"]
)
def test_stop_ends_in_the_middle_of_what_refuses_to_be_stopped(served: Served, before: str, source: str) -> None:
    """As if killed, after some time; what was reported is there."""
    command = [sys.executable, "-c", STUBBORN, str(served.home), before, source]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 1
    assert "does not let itself be stopped" in done.stderr
    assert served.evaluate("kept") == "1\n"


@pytest.mark.parametrize("way", ["leave", "interrupt", "stop"])
def test_a_debugger_that_nobody_answers_holds_up_nobody(served: Served, way: str) -> None:
    """It catches Ctrl-C and asks again; the answer is that the input has ended."""
    served.start()
    with served.talk() as talk:
        talk.ask("evaluate", source="asked = 1; breakpoint()")
        assert b"(Pdb)" in talk.until(wire.ASK)
        if way == "interrupt":
            served.piety("interrupt")
        elif way == "stop":
            assert ends(served, "stop") == "stopped\n"
    if way != "stop":
        assert ends(served, "eval", "1 + 1") == "2\n"


def ends(served: Served, *arguments: str) -> str:
    """What a command says that must come to its end within twice the time of grace."""
    process = served.begin(*arguments)
    try:
        return process.communicate(timeout=10)[0]
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("whose", ["a person", "a task"])
def test_a_turn_limit_stops_a_turn_by_itself(served: Served, whose: str) -> None:
    """It is undone and told; the system goes on."""
    served.start()
    served.evaluate("turn_limit(0.3, interrupt=True)")
    served.evaluate("def spin():\n    world.spun = 1\n    while True: pass")
    with served.talk() as talk:
        source = "spin()" if whose == "a person" else "t = spawn(after(0), spin)"
        talk.ask("evaluate", source=source)
        assert talk.until(wire.EXIT) == (b"1" if whose == "a person" else b"0")
    while served.status()["hog"] is None:  # the turn of a task may not have begun yet
        pass
    with served.talk() as talk:
        talk.ask("evaluate", source="hasattr(world, 'spun'), [f.error for f in failures()]")
        said = b"".join(body for kind, body in talk.rest() if kind == wire.OUT)
    assert said == (b"(False, [])\n" if whose == "a person" else b"(False, ['KeyboardInterrupt'])\n")
    hog = json.loads(served.piety("status", "--json").stdout)["hog"]
    assert hog["turn"] == ("spin()" if whose == "a person" else "task spin")
    assert hog["seconds"] >= 0.3


# -- pulling the plug


def test_killed_and_started_again(served: Served) -> None:
    """What was reported is there, the turn that ran is not, and the socket that was left is no hindrance."""
    served.start()
    served.evaluate("kept = 1")
    with served.talk() as talk:
        talk.ask("evaluate", source="lost = 1; input('begun')")
        talk.until(wire.ASK)
        served.kill()
    assert (served.home / "socket").exists()
    assert served.piety("status").stdout == "no system runs\n"
    assert served.evaluate("kept") == "1\n"  # it rests
    first = served.process
    assert served.start() != first
    assert served.evaluate("kept, 'lost' in globals()") == "(1, False)\n"


def test_a_socket_of_nobody_is_replaced(served: Served) -> None:
    """The image tells who has this home."""
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(served.home / "socket"))
    served.start()
    assert served.evaluate("1 + 1") == "2\n"


@pytest.mark.parametrize("what", ["a file", "a dangling link"])
def test_what_is_no_socket_is_left_and_told(served: Served, what: str) -> None:
    """Somebody's file in the place of the socket: one line names it."""
    place = served.home / "socket"
    if what == "a file":
        place.write_text("mine")
    else:
        place.symlink_to("nowhere")
    done = served.piety("start")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert str(place) in done.stderr


def test_the_log_is_bounded(served: Served) -> None:
    """A start keeps the end of a long one."""
    log = served.home / "log"
    log.write_bytes(b"old\n" * 1_000_000)
    served.start()
    assert 0 < log.stat().st_size < 1 << 20


def test_only_its_owner_may_read_the_log(served: Served) -> None:
    """What turns have said to nobody in particular may be as private as the image."""
    served.start()
    assert (served.home / "log").stat().st_mode & 0o077 == 0


def test_two_that_start_it_at_the_same_time(served: Served) -> None:
    """One wins, and the other hears of it in one line; the system runs once."""
    both = [served.begin("start") for _ in range(2)]
    told = []
    for process in both:
        output, errors = process.communicate(timeout=PATIENCE)
        told.append((process.returncode, output.count("\n") + errors.count("\n")))
    assert sorted(told) == [(0, 1), (2, 1)] or told == [(0, 1), (0, 1)]
    assert served.evaluate("1 + 1") == "2\n"


def test_a_command_on_a_running_system_imports_no_store() -> None:
    """The client passes on what is said: no ZODB, nothing of the image."""
    modules = (
        "import sys, piety.cli, piety.browser.remote, piety.daemon; print([n for n in sys.modules if 'ZODB' in n])"
    )
    done = subprocess.run([sys.executable, "-c", modules], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_safe_is_heard_wherever_it_is_said(tmp_path: Path) -> None:
    """And never silently forgotten."""
    served = Served(tmp_path / "home")
    served.evaluate("t = spawn(every(1), print)")
    try:
        assert served.piety("--safe", "start").returncode == 0
        assert served.evaluate("t.state") == "'suspended'\n"
        assert "all tasks are suspended" in served.piety("status").stdout
        for arguments in ("--safe",), ("--safe", "shell"), ("--safe", "tasks"), ("--safe", "stop"):
            done = served.piety(*arguments)
            assert (done.returncode, done.stderr.count("\n")) == (2, 1), arguments
    finally:
        served.stop_for_good()
    served.evaluate("t.resume()")
    assert served.piety("--safe", "run", "--until-idle").returncode == 0
    assert served.evaluate("t.state") == "'suspended'\n"
