"""Output: what a task prints goes to its place, when the turn is on disk."""

from __future__ import annotations

import pytest
from running import Running

from piety.errors import PietyError


def test_each_turn_is_written_whole(running: Running) -> None:
    """Those of two tasks follow each other, and a failed one is not there."""
    running.run("def say(name):\n    print(name, 1)\n    print(name, 2)\n    if name == 'bad': 1 / 0")
    running.run("for name in 'a', 'bad', 'b': send(spawn(message, say), name)")
    running.go()
    assert running.run("str(world.transcript)") == "a 1\na 2\nb 1\nb 2\n"
    assert running.run("failures()[0].output") == "bad 1\nbad 2\n"


def test_a_task_prints_to_its_own_place(running: Running) -> None:
    """A transcript, an object with `write`, or nowhere; over a restart too."""
    running.run(
        "class Place:\n    def __init__(self): self.lines = []\n    def write(self, text): self.lines.append(text)"
    )
    running.run(
        "def say(what): print(what)", "ts = [spawn(message, say, out=o) for o in (Transcript(), Place(), None)]"
    )
    for n in range(3):
        running.run(f"for t in ts: send(t, {n})")
        running.go()
        running.resume()
    assert running.run("str(ts[0].out), ts[1].out.lines, ts[2].out") == ("0\n1\n2\n", ["0\n", "1\n", "2\n"], None)
    assert running.run("world.transcript") is None


def test_a_place_that_fails_fails_the_turn(running: Running) -> None:
    """And what was printed is kept with the failure."""
    running.run(
        "class Place:\n    def write(self, text): 1 / 0", "def say(what):\n    world.said = what\n    print(what)"
    )
    running.run("t = spawn(message, say, out=Place()); send(t, 'hello')")
    running.go()
    assert running.run("failures()[0].output, hasattr(world, 'said')") == ("hello\n", False)
    assert isinstance(running.fail("spawn(message, say, out=5)"), PietyError)


@pytest.mark.parametrize("size", [1, 99, 5_000])
def test_a_transcript_is_bounded(running: Running, size: int) -> None:
    """However it is written to, and the end is what it keeps."""
    running.run(f"def say(n): print('x' * {size}, n)", "t = spawn(message, say, out=Transcript(1000))")
    running.run("for n in range(60): send(t, n)")
    running.go()
    length, text = running.run("len(t.out), str(t.out)")
    assert length == len(text) <= 1000
    assert text.endswith(" 59\n")


def test_nothing_is_printed_that_could_not_be_written(running: Running) -> None:
    """Nor twice, when it can be."""
    running.run("def say(n): print(n)", "t = spawn(message, say)", "send(t, 1)")
    with running.full_disk():
        running.go()
    running.go(1)
    assert running.run("str(world.transcript)") == "1\n"


@pytest.mark.parametrize("deed", ["sys.stdout.close()", "sys.stdout = io.StringIO()", "sys.stdout = None"])
def test_what_a_turn_does_to_the_standard_output_ends_with_it(running: Running, deed: str) -> None:
    """The turns beside it print as always."""
    running.run("import sys, io", f"def say(n):\n    print(n)\n    if n == 1: {deed}")
    running.run("for n in range(3): send(spawn(message, say), n)")
    running.go()
    running.run("send(spawn(message, say), 3)")
    running.go()
    printed = running.run("str(world.transcript)").split()
    assert [each for each in printed if each != "1"] == ["0", "2", "3"]
    assert running.failed() == []
    assert running.under.image.evaluate("print(4)").output == "4\n"


def test_a_line_is_of_one_task(running: Running) -> None:
    """Also one that its task has not ended yet: another begins its own."""
    running.run("def say(what): print(what, end='')", "t = spawn(message, say); u = spawn(message, say)")
    for task, text in ("t", "a"), ("t", "b\n"), ("t", "c"), ("u", "d"), ("u", "e\n"), ("t", "f\n"):
        running.run(f"send({task}, {text!r})")
        running.go()
    assert running.run("str(world.transcript)") == "ab\nc\nde\nf\n"


def test_what_a_worker_prints_is_in_no_turn(running: Running, capfd: pytest.CaptureFixture[str]) -> None:
    """It works beside them; its words go to the log."""
    running.run("def say(what): print(what)", "t = spawn(message, say)")
    running.run("for n in range(100): send(t, n)", "for n in range(20): host(print, 'hosted')")
    running.go()
    assert "hosted" not in running.run("str(world.transcript)")
    assert capfd.readouterr().out.count("hosted") == 20


def test_a_transcript_from_before_texts_is_read(running: Running) -> None:
    """Its writes lay in a BTree."""
    running.run(
        "from BTrees.LOBTree import LOBTree",
        "world.old = Transcript(100)",
        "for name in ('_base', '_version'): delattr(world.old, name)",
        "world.old._parts, world.old._size = LOBTree({7: 'adam\\n', 8: 'eve\\n'}), 9",
    )
    running.resume()
    assert running.run("str(world.old), len(world.old), world.old.tail(1)") == ("adam\neve\n", 9, "eve\n")
    running.run("world.old.write('snake\\n')")
    running.resume()
    assert running.run("str(world.old), world.old.kept") == ("adam\neve\nsnake\n", 100)
