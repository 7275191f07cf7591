"""`piety ed`: from a pipe and at a terminal, on a resting and on a running system."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pexpect
import pytest
from served import Served

import piety


@pytest.fixture(params=["rests", "runs"])
def folder(request: pytest.FixtureRequest, served: Served, tmp_path: Path) -> Path:
    """A folder with a file, and a home whose system rests or runs, with a text."""
    with piety.open(served.home, create=True) as image:
        assert image.evaluate("texts.new('letter', 'one\\ntwo\\n')").error is None
    if request.param == "runs":
        served.start()
    work = tmp_path / "work"
    work.mkdir()
    (work / "notes.txt").write_text("alpha\nbeta\n")
    return work


def ed(folder: Path, *arguments: str, typed: str | bytes) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-P", "-m", "piety", "ed", *arguments],
        input=typed if isinstance(typed, bytes) else typed.encode(), cwd=folder, capture_output=True, check=False,
    )  # fmt: skip


def test_a_text_of_the_image_is_edited_from_a_pipe(folder: Path) -> None:
    """What is done stays; the exit status is that of ed."""
    done = ed(folder, "letter", typed="$a\nthree\n.\n1s/one/1/p\n")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"8\n1\n", b"")
    done = ed(folder, "-s", "letter", typed=",p\nfoo\nq\n")
    assert (done.returncode, done.stdout) == (1, b"1\ntwo\nthree\n?\n")


def test_a_file_is_edited_from_a_pipe(folder: Path) -> None:
    """By the name that it has where the command is given, whatever folder the system runs in."""
    done = ed(folder, "notes.txt", typed="g/a$/s//A/\nf\nw\nr notes.txt\n,n\nw copy.txt\nQ\n")
    assert done.stdout.decode().splitlines() == [
        "11", "notes.txt", "11", "11", "1\talphA", "2\tbetA", "3\talphA", "4\tbetA", "22",
    ]  # fmt: skip
    assert (folder / "notes.txt").read_text() == "alphA\nbetA\n"
    assert (folder / "copy.txt").read_text() == "alphA\nbetA\n" * 2
    done = ed(folder, "notes.txt", typed="1d\n")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (2, b"?")
    assert (folder / "notes.txt").read_text() == "alphA\nbetA\n"


def test_a_file_is_that_of_the_folder(folder: Path) -> None:
    """Not a text of the same name, which is another file."""
    ed(folder, "notes.txt", typed="1d\nw\nq\n")
    (folder / "deep").mkdir()
    (folder / "deep" / "notes.txt").write_text("deep\n")
    done = ed(folder / "deep", "notes.txt", typed=",p\nf\n")
    assert done.stdout == b"5\ndeep\nnotes.txt\n"
    done = ed(folder / "deep", "notes.txt", typed="f\nw\n")
    assert done.stdout == b"5\nnotes.txt\n5\n"
    (folder / "deep" / "letter").write_text("a file\n")
    assert ed(folder / "deep", "letter", typed="").stdout == b"8\n"
    assert ed(folder / "deep", "./letter", typed="f\n").stdout == b"7\n./letter\n"


def test_what_cannot_be_opened_is_told_in_one_line(folder: Path) -> None:
    """A folder; a file that is not there is new."""
    done = ed(folder, "/", typed="q\n")
    assert (done.returncode, done.stdout, done.stderr) == (2, b"", b"piety: /: Is a directory\n")
    done = ed(folder, "new.txt", typed="a\nx\n.\nw\nq\n")
    assert (done.returncode, done.stdout) == (0, b"2\n")
    assert done.stderr == b"new.txt: No such file or directory\n"
    assert (folder / "new.txt").read_text() == "x\n"
    done = ed(folder, "new.txt", typed="H\nr nosuch\n")
    assert (done.returncode, done.stdout) == (1, b"2\n?\nCannot open input file\n")
    assert done.stderr == b"nosuch: No such file or directory\n"


def test_bytes_that_are_no_characters_come_through(folder: Path) -> None:
    """Typed, read, printed and written."""
    (folder / "notes.txt").write_bytes(b"\xff\x80 caf\xe9\n")
    done = ed(folder, "-s", "notes.txt", typed=b"a\n\xfe\n.\n,p\nw\nq\n")
    assert done.stdout == b"\xff\x80 caf\xe9\n\xfe\n"
    assert (folder / "notes.txt").read_bytes() == b"\xff\x80 caf\xe9\n\xfe\n"


def test_a_long_script_goes_through(folder: Path) -> None:
    """In as many turns as it needs; its last line needs no end."""
    done = ed(folder, "-s", "letter", typed="".join(f"$a\nline {n}\n.\n" for n in range(5_000)) + "$=\n1,$-1d\n,p")
    assert done.stdout == b"5002\nline 4999\n"


def test_at_a_terminal_ctrl_c_ends_what_goes_on(folder: Path) -> None:
    """And ed goes on."""
    child = pexpect.spawn(sys.executable, ["-m", "piety", "ed", "letter"], cwd=str(folder), timeout=10, encoding="utf-8")
    child.setecho(False)
    child.expect_exact("8\r\n")
    child.sendline("P")
    child.expect_exact("*")
    child.sendline("G/./")
    child.expect_exact("one\r\n")
    child.sendintr()
    child.expect_exact("?\r\n*")
    child.sendline("h")
    child.expect_exact("Interrupt\r\n*")
    child.sendline(",p")
    child.expect_exact("one\r\ntwo\r\n*")
    child.sendline("q")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0


def test_two_who_edit_one_text_see_each_other(served: Served) -> None:
    """Line by line, if the system runs; what one has done the other may not undo by mistake."""
    served.piety("eval", "texts.new('letter', 'one\\ntwo\\n')")
    served.start()
    one, other = served.begin("ed", "letter"), served.begin("ed", "letter")
    sessions = (one, other)
    for each in sessions:
        assert answer(each) == "8"
    tell(one, "1s/one/ONE/p")
    assert answer(one) == "ONE"
    tell(other, "1p")
    assert answer(other) == "ONE"
    tell(other, "1i", "zero", ".", "$p")
    assert answer(other) == "two"
    tell(one, "u", ",p")
    assert [answer(one) for _ in range(3)] == ["zero", "one", "two"]
    for each in sessions:
        tell(each, "q")
        each.communicate()
        assert each.returncode == 0


def test_who_goes_away_in_the_middle_leaves_what_was_done(served: Served) -> None:
    """And the system serves the next."""
    served.piety("eval", "texts.new('letter', 'one\\n')")
    served.start()
    gone = served.begin("ed", "letter")
    assert answer(gone) == "4"
    tell(gone, "a", "two", ".", "p")
    assert answer(gone) == "two"
    gone.kill()
    gone.communicate()
    assert served.piety("ed", "letter", stdin=",p\n").stdout == "8\none\ntwo\n"


def test_a_home_without_the_editor_says_what_to_do(served: Served) -> None:
    """One that was made before there was one, or where it was deleted."""
    served.piety("eval", "texts.new('letter', 'one\\n'); del image.modules['ed']")
    done = served.piety("ed", "letter", stdin="q\n")
    assert done.returncode == 2
    assert done.stderr.startswith("piety: this image has no module ed; take it in with: piety code import")
    assert "NameError" in served.piety("eval", "ed").stderr


def tell(session: subprocess.Popen[str], *lines: str) -> None:
    assert session.stdin is not None
    session.stdin.write("".join(f"{line}\n" for line in lines))
    session.stdin.flush()


def answer(session: subprocess.Popen[str]) -> str:
    assert session.stdout is not None
    return session.stdout.readline().rstrip("\n")
