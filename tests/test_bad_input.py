"""Damage and bad input: one clear line, exit status 2, no traceback of ours, and the files as they were."""

from __future__ import annotations

import os
import random
import shlex
import shutil
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from persistent.mapping import PersistentMapping
from transaction import TransactionManager
from ZODB.DB import DB
from ZODB.FileStorage import FileIterator, FileStorage

import piety
from piety import waiting
from piety.cli import piety as command
from piety.errors import DamagedImage, PietyError
from piety.objects.check import check_image
from piety.objects.world import FORMAT

FILE = Path("image") / "image.fs"


def call(place: Path, *arguments: str, stdin: str = "") -> tuple[int, str, str]:
    """Run the command in this process: the exit status, its output, its errors."""
    done = CliRunner().invoke(command, ["--home", str(place), *arguments], input=stdin)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.stdout, done.stderr


def run(place: Path, *arguments: str, stdin: str = "") -> tuple[int, str, str]:
    """The same in a process of its own, where what the libraries log is seen."""
    line = [sys.executable, "-P", "-m", "piety", *arguments, "--home", str(place)]
    environment = {**os.environ, "PYTHONPATH": str(Path(piety.__file__).parent.parent)}
    done = subprocess.run(line, env=environment, input=stdin, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


def complaint(place: Path, *arguments: str, by: Callable[..., tuple[int, str, str]] = call) -> str:
    """The one line of a command that cannot be tried; the image's file is not touched."""
    file = place / FILE
    before = file.read_bytes() if file.is_file() else None
    status, output, errors = by(place, *(arguments or ("eval", "1")))
    assert (status, output) == (2, "")
    assert errors.startswith("piety: ")
    assert errors.count("\n") == 1
    assert (file.read_bytes() if file.is_file() else None) == before
    return errors.strip()


@pytest.fixture
def place(home: Path) -> Path:
    """A home in which three turns were done."""
    with piety.open(home, create=True) as image:
        for number in range(3):
            assert image.evaluate(f"a{number} = {number}").error is None
    return home


def turns(place: Path) -> list[int]:
    """Which of the three turns are there."""
    status, output, errors = call(place, "eval", "[n for n in range(5) if f'a{n}' in globals()]")
    assert status == 0, errors
    return [int(each) for each in output.strip("[]\n").split(",") if each]


def last_turn(place: Path) -> int:
    """Where the last turn begins in the file."""
    data = (place / FILE).read_bytes()
    return len(data) - 8 - int.from_bytes(data[-8:], "big")


def damage_a_turn(place: Path, length: int) -> None:
    """Write over the length of the last but one."""
    data = bytearray((place / FILE).read_bytes())
    last = last_turn(place)
    begin = last - 8 - int.from_bytes(data[last - 8 : last], "big")
    data[begin + 8 : begin + 16] = struct.pack(">Q", length)
    (place / FILE).write_bytes(data)


# -- homes


def test_no_home_there(tmp_path: Path) -> None:
    """It says how to make one."""
    place = tmp_path / "nowhere"
    assert complaint(place) == f"piety: there is no home at {place}; make one with: piety new --home {place}"
    assert not place.exists()


def test_home_is_a_file(tmp_path: Path) -> None:
    """Somebody's file is not a home, and none is made in its place."""
    (tmp_path / "file").write_text("mine")
    assert "no home" in complaint(tmp_path / "file")
    assert "Not a directory" in complaint(tmp_path / "file", "new")
    assert (tmp_path / "file").read_text() == "mine"


def test_home_without_an_image(place: Path) -> None:
    """No new image takes the place of one that is missing."""
    (place / FILE).unlink()
    assert "is a home without an image" in complaint(place)
    assert not (place / FILE).exists()


def test_new_where_a_home_is(place: Path) -> None:
    """It is left as it is."""
    assert f"there is a home at {place} already" in complaint(place, "new")


def test_home_in_use_names_the_process(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its number and its command."""
    monkeypatch.setattr(waiting, "PATIENCE", 0.0)
    hold = "import sys, piety; image = piety.open(sys.argv[1]); print(1, flush=True); input()"
    line = [sys.executable, "-c", hold, str(place)]
    environment = {**os.environ, "PYTHONPATH": str(Path(piety.__file__).parent.parent)}
    with subprocess.Popen(line, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "1\n"
        told = complaint(place)
        holder.communicate("\n")
    assert f"in use by process {holder.pid} ({sys.executable} -c import sys, piety" in told
    assert turns(place) == [0, 1, 2]


def test_home_in_use_by_this_process(place: Path) -> None:
    """A program that opens two images hears which it has."""
    with piety.open(place), pytest.raises(PietyError, match="this process has the image in"):
        piety.open(place)


def test_two_that_make_the_same_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The slower one hears that it is there, and leaves nothing."""
    rename = os.rename

    def lose(source: str, target: str) -> None:
        shutil.copytree(source, target)
        rename(source, target)

    monkeypatch.setattr(os, "rename", lose)
    with pytest.raises(PietyError, match="there is a home at"):
        piety.open(home, create=True)
    monkeypatch.undo()
    assert os.listdir(home) == ["image"]
    piety.open(home).close()


def test_plug_pulled_at_birth(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no home then, and making it again works."""

    class Killed(BaseException):
        pass

    def kill(*_args: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", kill)
        patch.setattr(shutil, "rmtree", kill)
        with pytest.raises(Killed):
            piety.open(home, create=True)
    assert "there is no home" in complaint(home)
    assert call(home, "new")[0] == 0
    assert turns(home) == []


# -- files that are no image


NOT_IMAGES = {
    "a text": b"Dear diary,\n",
    "nothing": b"",
    "a short text": b"hi",
    "zeros": bytes(5000),
    "a picture": b"\x89PNG\r\n\x1a\n" + bytes(100),
}


@pytest.mark.parametrize("content", NOT_IMAGES)
def test_file_that_is_no_image(place: Path, content: str) -> None:
    """It says so, and does not touch it."""
    (place / FILE).write_bytes(NOT_IMAGES[content])
    told = complaint(place)
    assert ("is empty" if content == "nothing" else "is no image") in told


@pytest.mark.parametrize("root", [{}, {"world": "an adventure"}, {"world": PersistentMapping()}])
def test_database_of_another_application(place: Path, root: dict[str, object]) -> None:
    """A ZODB file, but none of ours; whatever its root holds."""
    (place / FILE).unlink()
    database = DB(FileStorage(str(place / FILE), create=True))
    transactions = TransactionManager()
    connection = database.open(transactions)
    connection.root().update(root)
    connection.root()["filler"] = "x" * 100
    transactions.commit()
    connection.close()
    database.close()
    assert "is a ZODB file, but not an image of Piety" in complaint(place)


def test_image_from_a_newer_format(place: Path) -> None:
    """It names both, and says what to use."""
    with piety.open(place) as image, image.turn("the future") as world:
        world.format = FORMAT + 1
    assert f"has format {FORMAT + 1}, and this Piety reads up to {FORMAT}; use a newer Piety" in complaint(place)


# -- damage


@pytest.fixture
def little_memory() -> Iterator[None]:
    """Limits what this process may take: one wrong bit can make a pickle ask for 30 GB, before it is found out."""
    resource = pytest.importorskip("resource", reason="limits are a thing of Unix")
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (4 << 30, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


@pytest.mark.parametrize("with_index", [True, False])
@pytest.mark.parametrize("lost", [1, 8, 9, 30])
def test_file_cut_within_its_last_turn(place: Path, lost: int, with_index: bool) -> None:
    """Only that turn is lost; what is left of it is kept beside the image, and one line says so."""
    if not with_index:
        (place / "image" / "image.fs.index").unlink()
    os.truncate(place / FILE, (place / FILE).stat().st_size - lost)
    status, output, errors = run(place, "eval", "a1")
    assert (status, output) == (0, "1\n")
    assert errors.count("\n") == 1
    assert "image.fs.tr0" in errors
    assert turns(place) == [0, 1]
    assert call(place, "check")[0] == 0


def test_file_cut_deep(place: Path) -> None:
    """The turns that are whole are there."""
    os.truncate(place / FILE, last_turn(place) - 20)
    assert turns(place) == [0]
    assert call(place, "check")[0] == 0


@pytest.mark.parametrize("by", [call, run])
@pytest.mark.parametrize("length", [5, 1 << 40])
def test_turn_damaged_in_the_middle(place: Path, by: Callable[..., tuple[int, str, str]], length: int) -> None:
    """With its index the image opens and `piety check` tells; without it, it is refused and not touched."""
    damage_a_turn(place, length)
    (place / "image" / "image.fs.index").rename(place / "index")
    assert "is damaged" in complaint(place, by=by)
    assert not list((place / "image").glob("*.tr*"))
    (place / "image" / "image.fs.index").unlink(missing_ok=True)
    (place / "index").rename(place / "image" / "image.fs.index")
    assert turns(place) == [0, 1, 2]
    status, output, _errors = by(place, "check")
    assert status == 1
    assert "the log is damaged" in output


def test_what_can_be_read_can_be_saved(place: Path, tmp_path: Path) -> None:
    """The command that the line gives works as it stands."""
    damage_a_turn(place, 5)
    (place / "image" / "image.fs.index").unlink()
    _before, advice = complaint(place).split("read: ")
    recovered = tmp_path / "recovered.fs"
    subprocess.run(shlex.split(advice.replace("RECOVERED", str(recovered))), check=True, capture_output=True)
    shutil.copy(recovered, place / FILE)
    assert call(place, "eval", "a0, a2")[:2] == (0, "(0, 2)\n")
    assert "a1" in call(place, "check")[1]


def test_any_damaged_byte(place: Path, little_memory: None) -> None:
    """Wherever one is: the image opens, or is refused with one line; nothing of it is lost; nothing else is raised."""
    whole = (place / FILE).read_bytes()
    _empty, _new, userland, *_turns = FileIterator(str(place / FILE))
    index = (place / "image" / "image.fs.index").read_bytes()
    rng = random.Random(8)
    opened = refused = 0
    lines = set()
    for _ in range(600):
        data = bytearray(whole)
        for _ in range(rng.choice((1, 1, 8))):
            # Most of the file is source of userland, where a wrong bit is a wrong letter; what was done since is not.
            begin = rng.choice((4, userland._tend))
            data[rng.randrange(begin, len(data))] ^= 1 << rng.randrange(8)
        (place / FILE).write_bytes(data)
        (place / "image" / "image.fs.index").write_bytes(index if rng.random() < 0.5 else b"")
        try:
            with piety.open(place) as image:
                told = list(check_image(image))
                assert all("\n" not in line for line in told)
                image.evaluate("a0, a1, a2")
            opened += 1
        except PietyError as error:
            lines.add(str(error).count("\n"))
            tails = sorted((place / "image").glob("*.tr*"))  # of a file that was cut and damaged before its end, too
            assert b"".join(each.read_bytes() for each in [place / FILE, *tails]) == data
            refused += 1
        for each in (place / "image").glob("*.tr*"):
            each.unlink()
    assert lines == {0}
    assert opened > 50
    assert refused > 50


@pytest.mark.parametrize("content", [b"", b"garbage", b"\x80\x05]\x94."])
def test_index_that_is_none(place: Path, content: bytes) -> None:
    """It is made anew, and not a word is lost about it."""
    (place / "image" / "image.fs.index").write_bytes(content)
    assert run(place, "eval", "a2") == (0, "2\n", "")
    assert (place / "image" / "image.fs.index").read_bytes() != content


# -- places that may not be written or read


@pytest.mark.parametrize("mode", [0o000, 0o400])
def test_file_that_may_not_be_opened(place: Path, mode: int) -> None:
    """The line says what may not be opened."""
    if os.getuid() == 0:
        pytest.skip("root may open everything")
    (place / FILE).chmod(mode)
    assert "cannot be opened for writing: Permission denied" in complaint(place)


@pytest.fixture
def read_only(place: Path) -> Iterator[Path]:
    """The home on a file system that cannot be written."""
    if os.getuid() != 0 or shutil.which("mount") is None:
        pytest.skip("only root can mount a read-only file system")
    bind = subprocess.run(["mount", "--bind", place, place], check=False, capture_output=True)
    if bind.returncode:
        pytest.skip("this system does not let root mount")
    try:
        subprocess.run(["mount", "-o", "remount,ro,bind", place], check=True)
        yield place
    finally:
        subprocess.run(["umount", place], check=True)


def test_home_on_a_read_only_file_system(read_only: Path) -> None:
    """It cannot be resumed there, and the line says why."""
    assert "cannot be opened for writing: Read-only file system" in complaint(read_only)
    assert "home" in complaint(read_only, "new")


# -- sources


SOURCES = {
    "a syntax error": ("1 +", "SyntaxError: invalid syntax"),
    "an indentation error": ("def f():\nreturn 1", "IndentationError"),
    "a NUL character": ("a = '\0'", "SyntaxError"),
    "deep nesting": ("(" * 5000 + ")" * 5000, "SyntaxError"),
    "a long chain": ("1" + "+1" * 50_000, "SyntaxError"),
    "a recursion": ("def f(): return f()\nf()", "RecursionError"),
    "a recursion in a repr": (
        "class A:\n    def __repr__(self): return repr(self)\nraise ValueError(A())",
        "ValueError",
    ),
    "SystemExit": ("a0 = 5; raise SystemExit(3)", "SystemExit"),
    "exit()": ("a0 = 5; import sys; sys.exit()", "SystemExit"),
    "KeyboardInterrupt": ("a0 = 5; raise KeyboardInterrupt", "KeyboardInterrupt"),
    "an exception of no kind": ("a0 = 5\nclass E(BaseException): pass\nraise E('odd')", "E: odd"),
    "an exception that cannot be shown": (
        "class E(Exception):\n    def __str__(self): raise ValueError\nraise E",
        "E: <exception str() failed>",
    ),
}


@pytest.mark.parametrize("source", SOURCES)
def test_source_that_fails(place: Path, source: str) -> None:
    """Exit status 1, the traceback of the source alone, and no trace in the image."""
    text, error = SOURCES[source]
    before = (place / FILE).read_bytes()
    status, output, errors = call(place, "eval", "-", stdin=text)
    assert (status, output) == (1, "")
    assert error in errors
    assert "bug of Piety" not in errors
    assert f"{os.sep}piety{os.sep}" not in errors
    assert (place / FILE).read_bytes() == before
    assert turns(place) == [0, 1, 2]


@pytest.mark.parametrize("source", SOURCES)
def test_source_that_fails_in_a_piped_shell(place: Path, source: str) -> None:
    """What came before it stays, and what comes after it is evaluated or not, but never with a traceback of ours."""
    text, error = SOURCES[source]
    status, _output, errors = run(place, "shell", stdin=f"a3 = 3\n{text}\n\n")
    assert status == 1
    assert error in errors
    assert "bug of Piety" not in errors
    assert f"{os.sep}piety{os.sep}" not in errors
    assert turns(place) == [0, 1, 2, 3]


def test_interrupt_ends_the_turn_and_not_the_system(place: Path) -> None:
    """A real Ctrl-C, from within: the turn leaves no trace, and the next one runs."""
    with piety.open(place) as image:
        outcome = image.evaluate("a0 = 9\nimport os, signal\nos.kill(os.getpid(), signal.SIGINT)\nwhile True: pass")
        assert isinstance(outcome.error, KeyboardInterrupt)
        assert image.evaluate("a0").value == 0


def test_damage_is_an_error_of_ours(place: Path) -> None:
    """A program can tell it from others."""
    damage_a_turn(place, 5)
    (place / "image" / "image.fs.index").unlink()
    with pytest.raises(DamagedImage):
        piety.open(place)
