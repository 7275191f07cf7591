"""Effects: work that is done on the host when the turn that asked for it is on disk."""

from __future__ import annotations

import ast
import os
import select
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from running import Running

from piety.errors import NoTurn, PietyError
from piety.objects.image import current
from piety.objects.threads import is_apart, stay_apart
from piety.scheduler.effects import WORKERS

NOTE = "def note(path, text):\n    with open(path, 'a') as file: file.write(text + '\\n')\n    return text.upper()"


@pytest.fixture
def notes(running: Running, tmp_path: Path) -> Any:
    """A function that writes a line into a file on the host, and what is in the file."""
    path = tmp_path / "notes"
    running.run(NOTE, f"path = {str(path)!r}")
    return lambda: path.read_text().split() if path.exists() else []


HANG = """
def hang(began, gate):
    with open(began, 'wb', 0) as file: file.write(b'x')
    with open(gate, 'rb', 0) as file: file.read(1)
    return 'back'
"""


class Hanging:
    """The function `hang(began, gate)` says that it has begun, and waits until the gate is opened."""

    def __init__(self, running: Running, folder: Path) -> None:
        self._running = running
        self._begun = 0
        for name in "began", "gate":
            os.mkfifo(folder / name)
            running.run(f"{name} = {str(folder / name)!r}")
        self._began, self._gate = (os.open(folder / name, os.O_RDWR) for name in ("began", "gate"))
        running.run(HANG)

    def __call__(self, count: int) -> None:
        """Have this many begun to hang."""
        self._running.system.loop.pass_once()
        while self._begun < count:
            assert select.select([self._began], [], [], 10)[0], f"only {self._begun} have begun"
            self._begun += len(os.read(self._began, 1000))

    def open(self) -> None:
        """Let all go that hang."""
        os.write(self._gate, b"x" * self._begun)

    def close(self) -> None:
        self.open()
        os.close(self._began)
        os.close(self._gate)


@pytest.fixture
def hanging(running: Running, tmp_path: Path) -> Iterator[Hanging]:
    """Work that hangs, until the end of the test at the latest."""
    hanging = Hanging(running, tmp_path)
    yield hanging
    hanging.close()


def test_work_is_done_after_the_commit_and_its_answer_comes_back(running: Running, notes: Any) -> None:
    """To `then`, and in the effect."""
    running.run(
        "got = []\ndef take(effect): got.append((effect.value, effect.state))", "e = host(note, path, 'a', then=take)"
    )
    assert notes() == []
    running.go()
    assert (notes(), running.run("got, e.value, len(tasks())")) == (["a"], ([("A", "done")], "A", 0))


def test_what_a_failed_turn_asked_for_is_not_done(running: Running, notes: Any) -> None:
    """Nor what could not be written."""
    running.fail("host(note, path, 'a'); 1 / 0")
    with running.full_disk():
        running.fail("host(note, path, 'b')")
        running.ask("host(note, path, 'c')")
        running.go()
    running.go(5)
    assert (notes(), running.run("len(world.tasks.effects)")) == ([], 0)


@pytest.mark.parametrize("error", ["ValueError('no')", "SystemExit(3)", "Mine(1, 2)"])
def test_an_error_comes_back(running: Running, error: str) -> None:
    """Of any class, one of the workspace too."""
    running.run(
        "class Mine(Exception):\n    def __init__(self, a, b): super().__init__(a)", f"def bad(): raise {error}"
    )
    running.run("e = host(bad)")
    running.go()
    running.resume()
    assert running.run("e.state, type(e.error).__name__") == ("failed", error.partition("(")[0])


def test_work_without_an_answer_is_done_again_under_the_same_name(running: Running, notes: Any, tmp_path: Path) -> None:
    """At least once: the name lets the function tell."""
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    running.run(
        "import os\nfrom piety import effect_id",
        "def slow(path, gate):\n    note(path, effect_id())\n    if os.path.exists(gate):\n"
        "        with open(gate) as waiting: waiting.read()",
        f"e = host(slow, path, {str(gate)!r})",
    )
    running.system.loop.pass_once()
    with open(gate, "w"):  # waits until the work is at the gate, and keeps it there
        gate.unlink()
        running.resume(killed=True)
        running.go()
        assert running.run("e.state") == "done"
        assert notes() == [running.run("e.id")] * 2


def test_what_hangs_holds_up_nobody(running: Running, notes: Any, hanging: Hanging) -> None:
    """However much of it there is; and where there is no thread left, giving up on one makes one."""
    running.run(f"hung = [host(hang, began, gate) for _ in range({WORKERS - 1})]", "e = host(note, path, 'e')")
    hanging(WORKERS - 1)
    running.until("e.state == 'done'")
    running.run("hung.append(host(hang, began, gate))")
    hanging(WORKERS)
    running.run("g = host(note, path, 'g'); f = host(note, path, 'f')")
    running.system.loop.pass_once()
    running.run("g.cancel()")
    running.system.loop.pass_once()
    running.run("hung[0].cancel()")
    running.until("f.state == 'done'")
    assert notes() == ["e", "f"]
    assert running.run("len(world.tasks.effects)") == WORKERS - 1
    running.run("for each in hung: each.cancel()")
    running.go()
    assert running.system.loop.is_idle


@pytest.mark.parametrize("room", [0, 1, 2])
def test_a_host_that_has_no_room_for_another_thread(
    running: Running, notes: Any, monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    """What is asked of it waits for the threads there are; without any it fails, and goes when there is room again."""
    start, begun = threading.Thread.start, []

    def hesitant(thread: threading.Thread) -> None:
        if thread.name == "piety-host":
            if len(begun) == room:
                raise RuntimeError("can't start new thread")
            begun.append(thread)
        start(thread)

    with monkeypatch.context() as crowded:
        crowded.setattr(threading.Thread, "start", hesitant)
        running.run("all = [host(note, path, letter) for letter in 'abc']")
        running.go()
    expected = [("done", "None")] * 3 if room else [("failed", "RuntimeError(\"can't start new thread\")")] * 3
    assert running.run("[(each.state, repr(each.error)) for each in all]") == expected
    assert len(notes()) == 3 * bool(room)
    running.run("e = host(note, path, 'e')")
    running.go()
    assert (running.run("e.state"), notes()[-1]) == ("done", "e")
    assert running.system.loop.is_idle


def test_a_worker_makes_no_syntax_tree(running: Running, notes: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python 3.11 may fail with a SystemError when two threads make one; and lines are those of the definition."""
    parse = ast.parse

    def checked(*args: Any, **keywords: Any) -> Any:
        assert not is_apart()
        return parse(*args, **keywords)

    monkeypatch.setattr(ast, "parse", checked)
    running.run("def bad():\n    return 1 / 0", "e = host(note, path, 'a')", "import traceback")
    lines = "def lines():\n    try:\n        bad()\n    except Exception as error:\n"
    running.run(f"{lines}        return traceback.format_tb(error.__traceback__)[-1]", "f = host(lines)")
    running.go()
    assert running.run("e.state, f.error") == ("done", None)
    line = running.run("world.workspace.definitions['bad'].line")
    assert f"line {line + 1}, in bad" in running.run("f.value")


def test_work_that_was_given_up(running: Running, hanging: Hanging) -> None:
    """Its task is told at once; what the function brings later is dropped, and is nobody else's answer."""
    running.run("got = []\ndef take(effect): got.append((effect.state, type(effect.error).__name__, effect.value))")
    running.run("e = host(hang, began, gate, then=take)", "g = host(hang, began, gate)")
    hanging(2)
    running.run("e.cancel(); g.cancel()")
    running.go()
    assert running.run("got, e.state, g.state, len(tasks())") == (
        [("cancelled", "Cancelled", None)], "cancelled", "cancelled", 0)  # fmt: skip
    running.run("f = host(hang, began, gate, then=take)", "e.cancel()")
    hanging(3)
    hanging.open()
    running.until("len(got) == 2")
    running.go()
    assert running.run("got[1:], e.value, f.value, f.cancel(), f.state") == (
        [("done", "NoneType", "back")], None, "back", None, "done")  # fmt: skip
    running.resume(killed=True)
    running.go()
    assert running.run("e.state, len(got)") == ("cancelled", 2)


def test_work_that_is_given_up_before_it_begins_is_never_done(running: Running, notes: Any) -> None:
    """Also by the turn that asked for it; and not if the turn that gave up is undone."""
    running.run("e = host(note, path, 'e'); e.cancel()")
    running.rest()
    running.run("f = host(note, path, 'f')", "f.cancel()", "g = host(note, path, 'g')")
    running.fail("g.cancel(); 1 / 0")
    running.come_up()
    running.go()
    assert (notes(), running.run("f.state, g.state")) == (["g"], ("cancelled", "done"))


def test_the_name_of_work(running: Running) -> None:
    """Is what the function is told, and what is shown; no other work has it."""
    running.run("from piety import effect_id", "seen = []")
    for n in range(3):
        running.run(f"e = host(effect_id); shown = repr(e); seen.append((e.id, {n} + 1))")
        running.go()
        assert running.run("e.value == e.id == seen[-1][0], e.id in shown, e.id in repr(e)") == (True, True, True)
    assert running.run("len({id for id, _ in seen}), [id.split('-')[0] == str(n) for id, n in seen]") == (3, [True] * 3)


@pytest.mark.parametrize(
    "call", ["host(lambda: 1)", "host(len, world)", "host(len, [world])", "host(iter([]).__next__, lambda: 1)"]
)
def test_what_cannot_be_handed_over_is_told_at_once(running: Running, call: str) -> None:
    """In the turn that asks, in one line."""
    assert isinstance(running.fail(call), PietyError)


@pytest.mark.parametrize("call", ["host(f, 1)", "host(partial(f, 1))", "host(P().m, 1)", "host(P.s, 1)"])
def test_code_of_the_workspace_sees_definitions_but_no_variables(running: Running, call: str) -> None:
    """Whichever way it is handed over."""
    running.run("from functools import partial\nsecret = 5\ndef helper(x): return x + 1\ndef f(x): return helper(x)")
    running.run(
        "class P:\n    def m(self, x): return helper(x)\n    @staticmethod\n    def s(x): return helper(x)",
        f"e = {call}",
    )
    running.go()
    assert running.run("e.value, e.error") == (2, None)
    running.run("def helper(x): return secret", f"e = {call}")
    running.go()
    assert "secret" in running.run("str(e.error)")


def test_objects_of_the_workspace_come_back_as_such(running: Running) -> None:
    """Their class is the one that is there; keyword arguments have their defaults."""
    running.run(
        "class P:\n    def __init__(self, x): self.x = x", "def f(p, *, by=2): return P(p.x * by)", "e = host(f, P(4))"
    )
    running.go()
    running.resume()
    assert running.run("type(e.value) is P, e.value.x") == (True, 8)


def test_an_answer_that_cannot_be_stored_is_told(running: Running) -> None:
    """It does not keep the loop busy."""
    running.run(
        "class Bad:\n    def __reduce__(self): raise SystemExit\nclass Worse:\n    def __setstate__(self, state): 1 / 0"
    )
    running.run("def f():\n    worse = Worse(); worse.x = 1\n    return worse", "e = host(Bad); d = host(f)")
    for _ in range(4):
        running.go(1)
    assert running.run("d.state") == "failed"
    assert running.run("len(world.tasks.effects)") == 0


def test_a_then_that_fails_is_a_failure(running: Running) -> None:
    """With the answer kept: `retry` tries it again, and after `discard` the task is done."""
    running.run("got = []; fails = True\ndef take(effect):\n    if fails: 1 / 0\n    got.append(effect.value)")
    running.run("host(len, 'abc', then=take)", "host(len, 'abcd', then=take)")
    running.go()
    assert len(running.failed()) == 2
    running.run(
        "fails = False", "fs = sorted(failures(), key=lambda f: f.task.number)", "fs[0].retry(); fs[1].discard()"
    )
    running.go()
    assert running.run("got, len(tasks()), len(failures())") == ([3], 0, 0)


def test_many_effects_are_each_answered_once(running: Running) -> None:
    """Whichever worker has them, while nothing can be written at times."""
    running.run("got = []\ndef take(effect): got.append(effect.value)", "for n in range(200): host(abs, -n, then=take)")
    with running.full_disk():
        running.system.loop.pass_once()
        running.system.loop.pass_once()
    for _ in range(5):
        running.go(1)
        if running.run("len(got)") < 200:
            running.system.loop._wake.wait(0.2)
    assert running.run("sorted(got) == list(range(200)), len(tasks())") == (True, 0)


def test_in_safe_mode_what_was_asked_earlier_rests(running: Running, notes: Any) -> None:
    """It may be what brought the system down."""
    running.rest()
    running.run("e = host(note, path, 'a')")
    running.come_up(safe=True)
    running.go()
    assert notes() == []
    running.resume()
    running.go()
    assert notes() == ["a"]


def test_work_may_use_modules_of_the_image(running: Running) -> None:
    """Those that the workspace imports, also when it is done after a restart; and nothing that rests."""
    running.image.modules["tools"] = "__state__ = ['n']\nn = 1\ndef double(x): return 2 * x\ndef number(): return n"
    running.image.modules["rest"] = "1"
    running.run("import tools", "def work(x): return tools.double(x)", "def other():\n    import rest")
    running.run("good = host(work, 4)", "bad = host(tools.number)", "worse = host(other)")
    running.resume(killed=True)
    running.go()
    assert running.run("good.value, bad.state, worse.state") == (8, "failed", "failed")
    assert "hand it over" in str(running.run("bad.error"))
    assert "import it in the workspace" in str(running.run("worse.error"))
    running.run("import rest", "better = host(other)")
    running.go()
    assert running.run("better.state") == "done"


def test_why_a_module_of_the_image_cannot_be_loaded(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """Is what the work fails with, not that it is not loaded."""
    running.image.modules["fragile"] = "import os\nif 'BROKEN' in os.environ: raise ValueError('the reason')\nx = 1"
    running.run("import fragile", "def work(): return fragile.x", "def other():\n    import fragile")
    monkeypatch.setenv("BROKEN", "yes")
    running.resume()
    running.run("e = host(work); d = host(other)")
    running.go()
    assert running.run("repr(e.error), repr(d.error)") == ("ValueError('the reason')",) * 2
    monkeypatch.delenv("BROKEN")
    running.run("e = host(work)")
    running.go()
    assert running.run("e.value") == 1


def test_work_that_assigns_variables_of_a_module_is_refused(running: Running) -> None:
    """In one line, when it is asked for: they are changed in turns only."""
    running.image.modules["tools"] = (
        "n = 1\ndef bump():\n    global n\n    n += 1\ndef deep():\n    def inner():\n        global n\n        del n\n"
        "    inner()\nclass T:\n    def m(self):\n        global n, k\n        n = k = 2\ndef read(): return n"
    )
    running.run("import tools")
    for function, names in ("tools.bump", "n"), ("tools.deep", "n"), ("tools.T().m", "k, n"):
        error = running.fail(f"host({function})")
        assert isinstance(error, PietyError)
        assert f"it assigns {names} in the module tools" in str(error)
        assert "\n" not in str(error)
    running.run("e = host(tools.read)", "def mine():\n    global n\n    n = 3\n    return n", "n = 1; d = host(mine)")
    running.go()
    assert running.run("e.error, d.value, n, tools.n") == (None, 3, 1, 1)


def test_work_has_no_image(running: Running) -> None:
    """Not even while a turn runs."""
    said: list[str] = []

    def work() -> None:
        stay_apart()
        try:
            current()
        except NoTurn as error:
            said.append(str(error))

    with running.image.turn("a turn that waits for the work"):
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    assert "beside the turns" in said[0]


def test_a_thread_that_gets_the_number_of_a_worker_is_none() -> None:
    """Numbers of threads are used again."""
    apart: list[bool] = []
    for work in (stay_apart, lambda: None) * 20:
        thread = threading.Thread(target=lambda work=work: (work(), apart.append(is_apart())))  # type: ignore[misc]
        thread.start()
        thread.join()
    assert apart == [True, False] * 20
