"""Files and folders come in and go out again as they were."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import System

import piety
from piety.objects import takingin
from piety.objects.finding import find
from piety.objects.takingin import TakingIn, differences, kept_from, take_out


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A folder with what is odd in folders."""
    top = tmp_path / "tree"
    (top / "sub" / "empty").mkdir(parents=True)
    (top / "a.txt").write_text("garbage collection\n")
    (top / "nothing").write_bytes(b"")
    (top / "latin.txt").write_bytes(b"caf\xe9 \x0c latin")
    (top / "large").write_bytes(bytes(range(256)) * 1_000)
    (top / "huge").write_bytes(os.urandom(1 << 20) * 3 + b"end")
    (top / "sub" / "ü é\n.md").write_text("# A title\n\nSee [that](http://example.org).\n")
    (top / "sub" / "link").symlink_to("../a.txt")
    (top / "dangling").symlink_to("nowhere")
    (top / "loop").symlink_to("../tree")
    os.close(os.open(os.fsencode(top) + b"/odd \xff\xfe", os.O_CREAT | os.O_WRONLY, 0o640))
    (top / "a.txt").chmod(0o600)
    (top / "sub" / "empty").chmod(0o711)
    for number, path in enumerate(sorted(top.rglob("*"), reverse=True)):
        os.utime(path, ns=(10**18 + number, 10**18 + number * 1_001), follow_symlinks=False)
    return top


def listed(top: Path) -> list[tuple[Any, ...]]:
    """All that can be told of a folder."""
    rows = []
    for path in sorted(top.rglob("*")):
        found = os.lstat(path)
        what = os.readlink(path) if path.is_symlink() else path.read_bytes() if path.is_file() else b""
        mode = 0 if path.is_symlink() else stat.S_IMODE(found.st_mode)
        rows.append((str(path.relative_to(top)), stat.S_IFMT(found.st_mode), mode, found.st_mtime_ns, what))
    return rows


class Taking:
    """Keeps paths, and remembers what was said."""

    def __init__(self, image: piety.Image) -> None:
        self.image = image
        self.said: list[str] = []

    def keep(self, *paths: Path, most: int = -1, **facts: Any) -> TakingIn:
        taking = TakingIn(self.image, facts, self.said.append)
        taking.begin([str(path) for path in paths])
        while most and taking.go_on():
            most -= 1
        return taking

    def take(self, path: Path, to: Path) -> int:
        with self.image.look():
            return take_out([kept_from(self.image, str(path))], str(to), self.said.append)

    def differences(self, path: Path) -> list[str]:
        with self.image.look():
            return [f"{sign}{Path(place).name}" for sign, place in differences(self.image, str(path))]


@pytest.fixture
def taking(system: System) -> Taking:
    return Taking(system.image)


def test_the_same_comes_out_again(taking: Taking, tree: Path, tmp_path: Path) -> None:
    """Names, bytes, modes, times, links; empty and huge files."""
    done = taking.keep(tree, project="x")
    assert (done.new, done.changed, done.same, done.left) == (10, 0, 0, 0)
    assert taking.take(tree, tmp_path / "out") == 10
    assert listed(tmp_path / "out" / "tree") == listed(tree)
    assert taking.differences(tree) == []
    assert taking.take(tree, tmp_path / "out") == 0  # what is there already is the same
    assert taking.said == []


def test_results_tell_where_files_lie(taking: Taking, tree: Path) -> None:
    """As many go by the same name; the name is not told twice."""
    taking.keep(tree, project="x")
    with taking.image.look():
        found = piety.find("kind:link name:link")
        assert found.rows()[1][0]["path"] == "tree/sub/link"
        assert "  tree/sub/link  project:x\n1 found" in repr(found)
        assert "  'tree/sub/ü é\\n.md  A title'  project:x\n" in repr(piety.find("name:ü*"))


def test_a_real_tree(taking: Taking, tmp_path: Path) -> None:
    """A package of Python's own library, as it lies on the disk."""
    package = Path(os.__file__).parent / "email"
    done = taking.keep(package)
    assert done.new > 20
    taking.take(package, tmp_path)
    assert listed(tmp_path / "email") == listed(package)
    with taking.image.look():
        assert [each.name for each in find("defines:parsedate_tz name:utils.py") or find("name:utils.py")] == [
            "utils.py"
        ]
        assert len(find(defines="MIMEText")) == 1
        assert find(text="header folding").first is not None or len(find("header")) > 3


def test_interrupted_halfway_it_goes_on(
    taking: Taking, tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each portion is a turn; what was taken in is not taken again."""
    monkeypatch.setattr(takingin, "PORTION", 3)
    taking.keep(tree, most=2)
    taken = len(taking.image.world.entries)
    assert 3 < taken < 12
    done = taking.keep(tree)
    assert done.same >= taken - 4
    assert done.new + done.same == 10
    taking.take(tree, tmp_path / "out")
    assert listed(tmp_path / "out" / "tree") == listed(tree)


def test_kept_again_it_takes_what_changed(taking: Taking, tree: Path) -> None:
    taking.keep(tree, project="x")
    (tree / "a.txt").write_text("other words\n")
    (tree / "large").unlink()
    (tree / "new.txt").write_text("new")
    (tree / "nothing").chmod(0o777)
    (tree / "dangling").unlink()
    (tree / "dangling").mkdir()
    (tree / "dangling" / "inner").write_text("in")
    assert taking.differences(tree) == ["!a.txt", "!dangling", "-large", "+new.txt", "~nothing"]
    with taking.image.look():
        before = {each.name for each in find(project="x")}
    done = taking.keep(tree)
    assert (done.new, done.changed, done.gone) == (2, 2, 1)
    assert taking.differences(tree) == []
    with taking.image.look():
        assert {each.name for each in find(project="x")} == before - {"large"} | {"new.txt", "inner"}
        assert len(find("kind:link")) == 2
        assert find("other words").first.name == "a.txt"
        assert len(find("name:large")) == 0


def test_what_was_edited_here_and_there_is_left(taking: Taking, tree: Path, system: System) -> None:
    """A conflict is told, and nobody loses."""
    taking.keep(tree)
    system.run(f"from piety.objects.takingin import kept_from\nf = kept_from(image, {str(tree / 'a.txt')!r})")
    system.run("f.text.insert(0, 0, 'all ')")
    assert taking.keep(tree).left == 0
    assert system.run("f.read()") == b"all garbage collection\n"
    assert taking.differences(tree) == ["!a.txt"]
    (tree / "a.txt").write_text("theirs\n")
    assert taking.keep(tree).left == 1
    assert "both are left" in taking.said[0]
    assert system.run("f.read()") == b"all garbage collection\n"
    assert (tree / "a.txt").read_text() == "theirs\n"
    system.run("f.text.undo()")
    assert taking.keep(tree).left == 0 or system.run("f.is_edited")


def test_an_edited_file_comes_out_as_it_is_here(taking: Taking, tree: Path, system: System, tmp_path: Path) -> None:
    taking.keep(tree)
    system.run(
        f"from piety.objects.takingin import kept_from\nf = kept_from(image, {str(tree / 'latin.txt')!r})\nf.text.insert(0, 0, 'x')"
    )
    taking.take(tree / "latin.txt", tmp_path / "out")
    assert (tmp_path / "out" / "latin.txt").read_bytes() == b"xcaf\xe9 \x0c latin"


def test_what_is_there_is_not_replaced(taking: Taking, tree: Path, tmp_path: Path) -> None:
    taking.keep(tree / "a.txt")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.txt").write_text("mine")
    assert taking.take(tree / "a.txt", tmp_path / "out") == 0
    assert "is left as it is" in taking.said[0]
    assert (tmp_path / "out" / "a.txt").read_text() == "mine"


def test_what_cannot_be_read_is_told_and_the_rest_goes_on(
    taking: Taking, tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(tree / "pipe")
    real: Callable[..., Any] = open

    def fails(path: Any, *args: Any, **options: Any) -> Any:
        if str(path).endswith("latin.txt"):
            raise PermissionError(13, "Permission denied")
        return real(path, *args, **options)

    monkeypatch.setattr(takingin, "open", fails, raising=False)
    done = taking.keep(tree)
    assert done.left == 2
    assert any("latin.txt cannot be read: Permission denied" in each for each in taking.said)
    assert any("pipe is no file" in each for each in taking.said)
    with taking.image.look():
        assert len(find("kind:file")) == 6


def test_a_path_that_is_not_there(taking: Taking, tmp_path: Path) -> None:
    with pytest.raises(piety.PietyError, match="not there"):
        taking.keep(tmp_path / "nowhere")
    with pytest.raises(piety.PietyError, match="nothing was kept"):
        taking.differences(tmp_path)


def test_of_a_huge_file_memory_holds_a_part(home: Path, tmp_path: Path) -> None:
    """200 MB, in a process of its own that may take half of that beyond what it has."""
    with (tmp_path / "huge").open("wb") as file:
        for _ in range(200):
            file.write(os.urandom(1 << 20))
    source = f"""
import resource, sys, piety
from piety.objects.takingin import TakingIn, take_out, kept_from
with piety.open({str(home)!r}, create=True) as image:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    taking = TakingIn(image, {{}}, print)
    taking.begin([{str(tmp_path / "huge")!r}])
    while taking.go_on(): pass
    with image.look():
        take_out([kept_from(image, {str(tmp_path / "huge")!r})], {str(tmp_path / "out")!r}, print)
    print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True)
    assert int(done.stdout.split()[-1]) < 100
    with (tmp_path / "huge").open("rb") as one, (tmp_path / "out" / "huge").open("rb") as other:
        while part := one.read(1 << 20):
            assert other.read(1 << 20) == part
        assert other.read() == b""
