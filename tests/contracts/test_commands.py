"""A command does and says the same whether the system of its home runs or rests.

Each case is run on two homes that have the same past: one rests, the other's system runs.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from served import Served

Told = tuple[int, str, str]

# The numbers of statements and of objects, times, sizes, and how much the turns of the running system have done beside.
DIFFERS = r"<statement \d+>| *0x[0-9a-f]+|[\d-]+ \d\d:\d\d:\d\d(\.\d+)?( +\w+ +\d+ )?|-[0-9a-f]{16}|[\d,.]+ (MB|kB|bytes|objects?|turns?)\b"

CASES: dict[str, tuple[tuple[str, ...], str]] = {
    "a value": (("eval", "40 + 2"), ""),
    "nothing to show": (("eval", "None"), ""),
    "nothing at all": (("eval", ""), ""),
    "output and value": (("eval", "print('hello'); 'a' + 'b'"), ""),
    "output without an end of line": (("eval", "print('a', end='')"), ""),
    "much output": (("eval", "print('é' * 300_000)"), ""),
    "other scripts": (("eval", "print('Grüße, 世界'); 'ñ'"), ""),
    "half a character": (("eval", "'\\ud800'"), ""),
    "an assignment": (("eval", "kept = [1]"), ""),
    "what was kept": (("eval", "kept = [1]; kept"), ""),
    "a failure": (("eval", "print('so far'); 1 / 0"), ""),
    "a failure in a function": (("eval", "def f(x):\n    return 1 / x\nf(0)"), ""),
    "no Python": (("eval", "("), ""),
    "an exit": (("eval", "raise SystemExit(3)"), ""),
    "an interrupt of its own": (("eval", "raise KeyboardInterrupt"), ""),
    "a repr that fails": (("eval", "class Bad:\n    def __repr__(self): return 1 / 0\nBad()"), ""),
    "a notice": (("eval", "import threading; lock = threading.Lock()"), ""),
    "the standard error": (("eval", "import sys; print('aside', file=sys.stderr); 1"), ""),
    "a source from a pipe": (("eval", "-"), "def f(n):\n    return n * 2\n\nf(21)\n"),
    "a source from a file": (("eval", "-f", "source.py"), ""),
    "a file that is not there": (("eval", "-f", "nowhere.py"), ""),
    "no source": (("eval",), ""),
    "a question": (("eval", "print('well'); input('name? ').upper()"), "Ada\n"),
    "two questions": (("eval", "input('a? ') + input('b? ')"), "1\n2\n"),
    "a question to nobody": (("eval", "input('name? ')"), ""),
    "all of the input": (("eval", "import sys; sys.stdin.read()"), "a\nb\n"),
    "modules": (("code", "list"), ""),
    "the workspace": (("code", "show", "workspace"), ""),
    "a module": (("code", "show", "tour"), ""),
    "no such module": (("code", "show", "nothing"), ""),
    "importing": (("code", "import", "box.py"), ""),
    "importing no Python": (("code", "import", "wrong.py"), ""),
    "importing from nowhere": (("code", "import", "nowhere.py"), ""),
    "importing what the host has": (("code", "import", "json.py"), ""),
    "exporting": (("code", "export", "out"), ""),
    "checking": (("check",), ""),
    "tasks": (("tasks",), ""),
    "tasks as data": (("tasks", "--json"), ""),
    "a script": (("shell",), "x = 20\nx + 1\nfor i in range(2):\n    print(i)\n\nif x:\n    'shown'\n"),
    "a script that fails": (("shell",), "y = 1\ny = 2; 1 / 0\ny\nz = = 3\nraise SystemExit(5)\ny + 1\n"),
    "a script with a question": (("shell",), "print('hello'); name = input('name? ')\nAda\nname\n"),
    "a script that leaves": (("shell",), "1\nexit\n2\n"),
    "a script that leaves after a failure": (("shell",), "1 / 0\nquit()\n2\n"),
    "a script that notices": (("shell",), "import threading\nk = threading.Lock()\n"),
    "an empty script": (("shell",), ""),
    "a snapshot": (("snapshot", "first", "-m", "a note"), ""),
    "a snapshot that is there": (("snapshot", "first"), ""),
    "a snapshot without a name": (("snapshot", " "), ""),
    "something to go back from": (("eval", "gone = 1; kept = [2]"), ""),
    "another thing": (("eval", "world.thing = [1, 2]"), ""),
    "the snapshots": (("snapshots",), ""),
    "the log": (("log", "-n", "4"), ""),
    "the log of a thing": (("log", "--object", "gone"), ""),
    "the log of what is plain": (("log", "--object", "1 + 1"), ""),
    "the log of nobody": (("log", "--who", "nobody"), ""),
    "the log since a snapshot": (("log", "--since", "first"), ""),
    "the log since no time": (("log", "--since", "never"), ""),
    "what is different": (("diff", "first"), ""),
    "what is different as data": (("diff", "first", "--json"), ""),
    "what is different from the beginning": (("diff", "2 years ago"), ""),
    "what is not different": (("diff", "first", "first"), ""),
    "what would be undone": (("undo", "--dry-run"), ""),
    "undo": (("undo",), ""),
    "redo": (("undo",), ""),
    "undo of no turn": (("undo", "2001-01-01"), ""),
    "what would go back": (("rollback", "first", "--dry-run"), ""),
    "going back": (("rollback", "first"), ""),
    "going back to nothing": (("rollback", "nowhere"), ""),
    "what is there then": (("eval", "'gone' in globals(), kept"), ""),
    "a trial": (("eval", "with trial() as t: t.evaluate('kept.append(5)'); print(t.diff())"), ""),
    "bringing back": (("eval", "kept.append(3)\nrevert('kept', 'first')"), ""),
    "a fork to where something is": (("fork", "first", "."), ""),
    "exporting a moment": (("export", "first", "first.piety"), ""),
    "exporting over a file": (("export", "source.py"), ""),
    "exporting to nowhere": (("export", "nowhere/first.piety"), ""),
    "exporting to no file": (("export",), ""),
    "a backup": (("backup", "saved"), ""),
    "a pack of nothing": (("pack",), ""),
    "a pack of no time": (("pack", "--keep", "soon"), ""),
    "a pack": (("pack", "--keep", "0"), ""),
    "a snapshot that was packed": (("eval", "at('first')['kept'], 'gone' in at('first').evaluate('[*locals()]')"), ""),
    "going back to what was packed": (("rollback", "first"), ""),
    "no snapshot any more": (("snapshot", "first", "--delete"), ""),
    "no such snapshot": (("snapshot", "first", "--delete"), ""),
    "keeping": (("keep", "box.py", "json.py", "--tag", "kept", "--fact", "pages=3"), ""),
    "keeping again": (("keep", "box.py", "--fact", "pages=4"), ""),
    "keeping what is not there": (("keep", "nowhere.txt"), ""),
    "keeping with no fact": (("keep", "box.py", "--fact", "pages"), ""),
    "keeping with a derived fact": (("keep", "box.py", "--fact", "kind=x"), ""),
    "finding": (("find", "tag:kept", "pages>2"), ""),
    "finding words": (("find", "state", "OR", '"no such words"'), ""),
    "finding all": (("find",), ""),
    "finding the others": (("find", "-tag:kept", "kind:file"), ""),
    "finding nothing": (("find", "tag:nothing"), ""),
    "finding by an unknown fact": (("find", "tagg:kept"), ""),
    "finding few": (("find", "tag:kept", "--most", "1"), ""),
    "finding as data": (("find", "name:json.py", "--json"), ""),
    "facets": (("find", "tag:kept", "--facets"), ""),
    "facets as data": (("find", "tag:kept", "--facets", "--json"), ""),
    "finding as of then": (("find", "--as-of", "1 second ago", "tag:none"), ""),
    "finding as of no time": (("find", "--as-of", "never"), ""),
    "a query that ends too early": (("find", "tag:kept", "("), ""),
    "help for finding": (("find", "--help"), ""),
    "showing": (("show", "kept"), ""),
    "showing a view": (("show", "kept", "--view", "attr"), ""),
    "showing a part": (("show", "list(range(99))", "--most", "1", "--after", "7"), ""),
    "showing what is no view": (("show", "kept", "--view", "nothing"), ""),
    "showing nothing": (("show", "0x999999"), ""),
    "showing what was not kept": (("show", "out/of/place"), ""),
    "sizes": (("sizes", "--since", "1 second ago"), ""),
    "taking": (("take", "find('name:json.py').first", "--to", "taken"), ""),
    "taking from nowhere": (("take", "nowhere/x", "--to", "taken"), ""),
    "taking what is no file": (("take", "world", "--to", "taken"), ""),
    "what is the same": (("same", "box.py"), ""),
    "what was not kept": (("same", "source.py"), ""),
    "forgetting": (("forget", "find('name:json.py').first"), ""),
    "forgetting what is no entry": (("forget", "world"), ""),
    "wrong usage": (("eval", "--nonsense"), ""),
    "no such command": (("fly",), ""),
}


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Served, Served]]:
    """Two homes: one rests, the other's system runs."""
    place = tmp_path_factory.mktemp("homes")
    resting, running = Served(place / "rests"), Served(place / "runs")
    try:
        running.start()
        yield resting, running
    finally:
        running.stop_for_good()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the commands are typed."""
    (tmp_path / "source.py").write_text("total = 6 * 7\ntotal\n")
    (tmp_path / "box.py").write_text("__state__ = 'n',\nn = 1\n")
    (tmp_path / "json.py").write_text("x = 1\n")
    (tmp_path / "wrong.py").write_text("x = (\n")
    return tmp_path


# Two things are of one second in one home, and of two in the other.
SECONDS = re.compile(r'"<\.\.\.>": \d+(,\s+"<\.\.\.>": \d+)*')


def told(served: Served, arguments: tuple[str, ...], stdin: str, folder: Path) -> Told:
    """What a command does: its exit status, output, errors; without what differs from home to home."""
    (folder / "first.piety").unlink(missing_ok=True)  # of the other home
    shutil.rmtree(folder / "taken", ignore_errors=True)
    done = served.piety(*arguments, stdin=stdin, cwd=folder)
    both = [re.sub(DIFFERS, "<...>", text.replace(str(served.home), "HOME")) for text in (done.stdout, done.stderr)]
    both = [SECONDS.sub('"<...>"', text) for text in both]
    return done.returncode, both[0], both[1]


@pytest.mark.parametrize("case", CASES)
def test_the_same_running_and_resting(homes: tuple[Served, Served], folder: Path, case: str) -> None:
    """Exit status, standard output and standard error."""
    resting, running = homes
    arguments, stdin = CASES[case]
    assert told(running, arguments, stdin, folder) == told(resting, arguments, stdin, folder)


def test_info_has_the_same_facts(homes: tuple[Served, Served]) -> None:
    """Their values differ, as the homes do."""
    facts = [json.loads(served.piety("info", "--json").stdout) for served in homes]
    assert list(facts[0]) == list(facts[1])


def test_what_is_exported_is_the_same(homes: tuple[Served, Served], tmp_path: Path) -> None:
    """Byte for byte, into the folder of whoever has asked."""
    files = []
    for served, name in zip(homes, ("a", "b"), strict=True):
        assert served.piety("code", "export", name, cwd=tmp_path).returncode == 0
        out = tmp_path / name
        files.append({each.relative_to(out): each.read_bytes() for each in out.rglob("*") if each.is_file()})
    assert files[0] == files[1] != {}


def test_a_running_system_is_the_one_that_is_asked(homes: tuple[Served, Served]) -> None:
    """The command does not open the image beside it."""
    _resting, running = homes
    assert int(running.evaluate("import os; os.getpid()")) == running.process


@pytest.mark.parametrize(
    "arguments",
    [
        ("log", "--all"), ("log", "--object", "world"), ("snapshots", "--json"), ("diff", "1 hour ago"), ("diff", "looked"),
        ("rollback", "looked", "--dry-run"), ("undo", "--dry-run"), ("eval", "at('looked')['y'], at('looked').world.notes"),
        ("eval", "diff('y', 'looked')"), ("eval", "history('y')"), ("eval", "revert('y', 'looked', dry_run=True)"),
        ("find", "y"), ("find", "kind:*", "--facets"), ("find", "--as-of", "looked"), ("sizes", "--since", "looked"), ("show", "world"),
        ("check",), ("info",), ("export", "looked", "first.piety"), ("eval", "with trial() as t: t.evaluate('y = 9'); print(t.diff())"),
    ],
    ids=" ".join,
)  # fmt: skip
def test_who_only_looks_leaves_no_trace(homes: tuple[Served, Served], folder: Path, arguments: tuple[str, ...]) -> None:
    """The image's file is the same byte for byte afterwards."""
    for served in homes:
        if "looked" not in served.piety("snapshots").stdout:
            served.evaluate("y = 1; world.notes = [1]")
            served.piety("snapshot", "looked")
            served.evaluate("y = 2; world.notes.append(2)")
        file = served.home / "image" / "image.fs"
        before = file.read_bytes()
        _status, _out, _err = told(served, arguments, "", folder)
        assert file.read_bytes() == before
