"""A folder and what was kept of it stay the same, both ways; where both have changed, nobody loses."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
from conftest import System
from served import PIETY, Served

from piety.objects.syncing import WritingOut
from piety.objects.takingin import TakingIn


class Sync:
    """A folder that is kept."""

    def __init__(self, system: System, folder: Path) -> None:
        self.system, self.folder = system, folder
        self.said: list[str] = []

    def sync(self) -> tuple[int, int, int, int]:
        """New, changed, gone, written out."""
        image = self.system.image
        taking = TakingIn(image, {}, self.said.append)
        taking.begin([str(self.folder)])
        while taking.go_on():
            pass
        writing = WritingOut(image, self.said.append)
        with image.turn("sync"):
            writing.run(str(self.folder))
        return taking.new, taking.changed, taking.gone, writing.written

    def run(self, source: str) -> Any:
        return self.system.run(source)


@pytest.fixture
def kept(system: System, tmp_path: Path) -> Sync:
    folder = tmp_path / "notes"
    folder.mkdir()
    (folder / "a.txt").write_text("one\n")
    (folder / "b.txt").write_text("two\n")
    (folder / "b.txt").chmod(0o640)
    kept = Sync(system, folder)
    assert kept.sync() == (2, 0, 0, 0)
    kept.run(f"from piety.objects.takingin import kept_from\nfrom piety.objects.files import File\ntop = kept_from(image, {str(folder)!r})")
    return kept


def test_nothing_to_do_writes_nothing(kept: Sync) -> None:
    before = kept.system.file()
    assert kept.sync() == (0, 0, 0, 0)
    assert kept.system.file() == before


def test_what_was_edited_here_is_written_out(kept: Sync) -> None:
    kept.run("top['b.txt'].text.insert(0, 0, 'all ')")
    assert kept.sync() == (0, 0, 0, 1)
    assert (kept.folder / "b.txt").read_text() == "all two\n"
    assert (kept.folder / "b.txt").stat().st_mode & 0o777 == 0o640
    assert kept.sync() == (0, 0, 0, 0)
    (kept.folder / "b.txt").write_text("theirs\n")
    assert kept.sync() == (0, 1, 0, 0)
    assert kept.run("str(top['b.txt'].text)") == "theirs\n"
    kept.run("top['b.txt'].text.undo()")
    assert kept.sync() == (0, 0, 0, 1)
    assert (kept.folder / "b.txt").read_text() == "all two\n"


def test_what_was_laid_into_it_here_is_written_out(kept: Sync) -> None:
    kept.run("f = File('new.txt', 0o644, 0); f.content = b'fresh'; top.put(f); keep(f)")
    assert kept.sync() == (0, 0, 0, 1)
    assert (kept.folder / "new.txt").read_bytes() == b"fresh"
    assert kept.sync() == (0, 0, 0, 0)
    (kept.folder / "new.txt").unlink()
    assert kept.sync() == (0, 0, 1, 0)
    assert kept.run("'new.txt' in top, len(find('name:new.txt'))") == (False, 0)


def test_what_both_have_changed_is_left(kept: Sync) -> None:
    kept.run("top['a.txt'].text.insert(0, 0, 'my ')")
    (kept.folder / "a.txt").write_text("your one\n")
    assert kept.sync() == (0, 0, 0, 0)
    assert "both are left" in kept.said[0]
    assert (kept.folder / "a.txt").read_text() == "your one\n"
    assert kept.run("str(top['a.txt'].text)") == "my one\n"
    (kept.folder / "a.txt").write_text("my one\n")  # whoever settles it
    assert kept.sync() == (0, 0, 0, 0)
    (kept.folder / "a.txt").write_text("on\n")
    assert kept.sync() == (0, 1, 0, 0)
    kept.run("f = File('c.txt', 0o644, 0); f.content = b'mine'; top.put(f)")
    (kept.folder / "c.txt").write_text("yours")
    kept.said.clear()
    assert kept.sync() == (0, 0, 0, 0)
    assert "both are left" in kept.said[0]
    assert (kept.folder / "c.txt").read_text() == "yours"


def test_interrupted_while_writing_it_goes_on(kept: Sync, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was written, and is not known to be, is the same as here."""
    kept.run("top['a.txt'].text.insert(0, 0, 'my ')")
    with kept.system.image.look():  # a turn that is undone
        WritingOut(kept.system.image, print).run(str(kept.folder))
    assert (kept.folder / "a.txt").read_text() == "my one\n"
    assert kept.sync() == (0, 0, 0, 0)
    assert kept.said == []
    kept.run("top['a.txt'].text.insert(0, 0, 'x')")

    def full(*_places: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", full)
        assert kept.sync() == (0, 0, 0, 0)
    assert "No space left" in kept.said[0]
    assert sorted(each.name for each in kept.folder.iterdir()) == ["a.txt", "b.txt"]


@pytest.mark.parametrize("runs", [False, True])
def test_a_folder_that_is_watched(served: Served, tmp_path: Path, runs: bool) -> None:
    """On a resting and on a running system; each change is told when it has been taken."""
    folder = tmp_path / "watched"
    folder.mkdir()
    (folder / "a.txt").write_text("one\n")
    if runs:
        served.start()
    command = [*PIETY, "keep", str(folder), "--watch", "--tag", "seen"]
    watch = subprocess.Popen(command, env=served.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        assert watch.stdout is not None
        assert watch.stdout.readline() == "1 new\n"
        assert watch.stdout.readline().startswith("watching")
        (folder / "b.txt").write_text("two words\n")
        assert watch.stdout.readline() == "1 new\n"
        assert "b.txt" in served.piety("find", "tag:seen", "words").stdout
        served.evaluate("find('name:a.txt').first.text.insert(0, 0, 'my ')")
        assert watch.stdout.readline() == "1 written out\n"
        assert (folder / "a.txt").read_text() == "my one\n"
        (folder / "b.txt").unlink()
        assert watch.stdout.readline() == "1 gone\n"
        watch.send_signal(signal.SIGINT)
        assert watch.wait(20) == 0
    finally:
        watch.kill()
        watch.communicate()
