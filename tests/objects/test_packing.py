"""Packing lets go of the old past and of nothing else; forks and backups are whole."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from conftest import System
from ZODB.FileStorage.fspack import GC, FileStoragePacker

import piety
from piety import boot
from piety.errors import PietyError
from piety.objects import transfer
from piety.objects.check import check_image
from piety.objects.history import Query, rows
from piety.objects.portable import Portable, no_tick
from piety.objects.transfer import Packing
from piety.transport import take_in

BEGIN = """
from persistent import Persistent
from BTrees.IOBTree import IOBTree
class Note(Persistent):
    def __init__(self, n): self.n = n
rows = [1]; world.notes = IOBTree({n: Note(n) for n in range(200)}); texts["t"] = Text("one\\n")
"""


def nothing(_what: str, _done: int, _total: int) -> None:
    """Nobody wants to know how far it is."""


def pack(system: System, keep: str = "0", tick: Any = nothing) -> str:
    """Pack; what came of it.  Nothing is broken then."""
    with system.image.look():
        packing = Packing(system.image, keep)
    said = packing.run(tick)
    assert list(check_image(system.image)) == []
    return said


@pytest.fixture
def begun(system: System) -> System:
    system.run(BEGIN, "snapshot('then')")
    system.run("for n in range(50): rows.append(n)", "texts['t'].insert(0, 0, 'a')", "del world.notes[5]")
    for n in range(20):
        system.run(f"world.notes[7].n = {n}; large = bytes(10_000) + bytes([{n}])")
    return system


def test_private_names_are_there() -> None:
    """Those that the head of `packing.py` lists."""
    assert {"copyToPacktime", "copyDataRecords", "copyOne", "pack", "close"} <= set(dir(FileStoragePacker))
    assert {"findReachableAtPacktime", "findReachableFromFuture", "findrefs"} <= set(dir(GC))


def test_the_present_stays_and_the_file_shrinks(begun: System) -> None:
    before = begun.image.storage.getSize()
    assert pack(begun).startswith("packed: ")
    assert begun.image.storage.getSize() < before - 150_000
    look = "len(rows), len(world.notes), world.notes[7].n, str(texts['t'])"
    assert begun.run(look) == (51, 199, 19, "aone\n")
    begun.run("rows.append(0); world.notes[5] = Note(5)")
    assert begun.elsewhere(look) == ["(52, 200, 19, 'aone\\n')"]
    assert list(check_image(begun.image)) == []


def test_a_snapshot_that_is_packed_lives_on_as_a_file(begun: System) -> None:
    assert "then-" in _plan(begun)
    pack(begun)
    (path,) = (begun.home / "snapshots").iterdir()
    with Portable(path) as snapshot:
        snapshot.verify()
    for _ in range(2):
        assert begun.run("len(at('then')['rows']), at('then').world.notes[5].n, str(at('then').texts['t'])") == (1, 5, "one\n")
        assert begun.run("[each.name for each in snapshots()]") == ["then"]
        told = repr(begun.image.diff("then"))
        assert "+ [1]: 0" in told
        assert "- [5]: Note" in told
        begun.resume()
    assert str(begun.fail("at('then').world.notes[5].n = 3")).endswith("is of the past, which cannot be changed; change the one of now")
    assert pack(begun) == "nothing was packed"


def _plan(system: System) -> str:
    with system.image.look():
        return Packing(system.image, "0").plan


def test_going_back_to_it_brings_what_was_let_go(begun: System) -> None:
    pack(begun)
    begun.run("rows = 'lost'")
    begun.image.roll_back("then")
    assert list(check_image(begun.image)) == []
    assert begun.run("rows, world.notes[5].n, world.notes[7].n, str(texts['t'])") == ([1], 5, 7, "one\n")
    assert begun.elsewhere("rows, world.notes[5].n") == ["([1], 5)"]
    begun.image.undo()
    assert begun.run("rows, len(world.notes), world.notes[7].n") == ("lost", 199, 19)
    assert list(check_image(begun.image)) == []


def test_what_was_before_is_told(begun: System) -> None:
    with begun.image.look():
        old = rows(begun.image, Query(), 0)[-2].tid
    pack(begun)
    begun.run("x = 1")
    with pytest.raises(PietyError, match="was packed away, but for snapshots"):
        begun.image.past(old)
    with pytest.raises(PietyError, match="the turns before this were packed away"):
        begun.image.undo(old)
    with pytest.raises(PietyError, match="was packed away"):
        begun.image.roll_back(old)


def test_what_was_kept_can_be_looked_at(begun: System) -> None:
    """A pack that keeps some turns, and then another one."""
    begun.run("rows = ['kept']", "snapshot('kept')", "rows = ['later']", "snapshot('later')")
    with begun.image.look():
        packing = Packing(begun.image, "0")
        packing._turn = begun.image.snapshots["kept"].tid
    packing.run(nothing)
    assert begun.run("at('kept')['rows'], at('later')['rows'], rows") == (["kept"], ["later"], ["later"])
    begun.image.roll_back("kept")
    assert begun.run("rows") == ["kept"]
    assert begun.run("at('later')['rows']") == ["later"]
    pack(begun)
    assert begun.run("at('kept')['rows'], at('later')['rows'], rows") == (["kept"], ["later"], ["kept"])
    assert len(list((begun.home / "snapshots").iterdir())) == 3


def test_what_comes_back_later_is_kept(begun: System) -> None:
    """Out of reach up to where is packed, and within reach again by a turn after that."""
    begun.run("world.box = Note('box'); world.box.inner = Note('inner')", "snapshot('boxed')", "del world.box")
    with begun.image.look():
        packing = Packing(begun.image, "0")
    begun.image.roll_back("boxed")
    packing.run(nothing)
    assert list(check_image(begun.image)) == []
    assert begun.run("world.box.inner.n") == "inner"


def test_what_is_in_memory_is_kept(begun: System) -> None:
    begun.image.evaluate("world.notes[9]", show=True)
    begun.run("del world.notes[9]", "1", "2")
    pack(begun)
    begun.run("world.again = _")
    assert begun.run("world.again.n") == 9
    assert list(check_image(begun.image)) == []
    assert begun.elsewhere("world.again.n") == ["9"]


def test_turns_go_on_while_it_packs(begun: System) -> None:
    steps = 0

    def turn(_what: str, _done: int, _total: int) -> None:
        nonlocal steps
        steps += 1
        if steps % 40 == 0:
            begun.run(f"rows.append('turn {steps}'); world.notes[{1000 + steps}] = Note({steps})")

    size = begun.run("len(rows)")
    pack(begun, tick=turn)
    assert steps > 200
    assert begun.run("len(rows), len([n for n in world.notes if n > 1000])") == (size + steps // 40, steps // 40)
    assert begun.elsewhere("rows[-1], world.notes[1040].n") == [f"('turn {steps // 40 * 40}', 40)"]


def test_other_threads_can_read_and_write_meanwhile(begun: System) -> None:
    """As in a running system: the pack has a thread of its own."""
    with begun.image.look():
        packing = Packing(begun.image, "0")
    thread = threading.Thread(target=packing.run, args=(nothing,))
    thread.start()
    count = 0
    while thread.is_alive():
        begun.run("rows.append(world.notes[8].n); world.notes[8].n += 1")
        count += 1
    thread.join()
    begun.run("1")
    assert begun.run("world.notes[8].n") == 8 + count
    assert list(check_image(begun.image)) == []


@pytest.mark.parametrize("step", [1, 100, 250])
def test_one_that_is_stopped_leaves_all_as_it_was(begun: System, step: int) -> None:
    steps = 0

    def stop(_what: str, _done: int, _total: int) -> None:
        nonlocal steps
        steps += 1
        if steps == step:
            raise KeyboardInterrupt

    before = begun.file()[1]
    with pytest.raises(KeyboardInterrupt):
        pack(begun, tick=stop)
    assert begun.file()[1] == before
    assert not list(begun.home.rglob("*.pack"))
    begun.run("x = 1")  # no lock was left
    assert pack(begun).startswith("packed")


def test_one_at_a_time_reads_or_replaces_the_file(begun: System, tmp_path: Path) -> None:
    refused = []

    def others(_what: str, done: int, _total: int) -> None:
        if not refused:
            for other in (lambda: backup(begun, tmp_path / "backup"), lambda: pack(begun)):
                with pytest.raises(PietyError, match="is going on; try again when it is done"):
                    other()
                refused.append(done)

    assert pack(begun, tick=others).startswith("packed")
    assert len(refused) == 2
    assert "written to" in backup(begun, tmp_path / "backup")


def test_a_full_disk_leaves_all_as_it_was(begun: System, monkeypatch: pytest.MonkeyPatch) -> None:
    before = begun.file()[1]
    real = os.replace

    def full(source: Any, target: Any) -> None:
        if str(source).endswith(".pack"):
            raise OSError(28, "No space left on device")
        real(source, target)

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(PietyError, match="nothing was packed: No space left on device"):
        pack(begun)
    monkeypatch.undo()
    assert begun.file()[1] == before
    begun.run("x = 1")
    assert pack(begun).startswith("packed")


def test_too_little_room_is_told_beforehand(begun: System, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "_RESERVE", 1 << 62)
    with pytest.raises(PietyError, match=r"packing may need .* of disk until it is done, and .* are free; make room"):
        pack(begun)


def test_what_is_no_duration_is_told(begun: System) -> None:
    with pytest.raises(PietyError, match="'soon' is no duration; say it as '30 days', '12 hours' or '0'"):
        pack(begun, "soon")
    assert pack(begun, "3 days") == "nothing was packed"


KILLED = """
import os, random, signal, sys
import piety
from piety.objects.transfer import Packing
steps, last = 0, int(sys.argv[2])
def tick(what, done, total):
    global steps
    steps += 1
    if steps == last: os.kill(os.getpid(), signal.SIGKILL)
real = os.replace
def replace(source, target):
    if last < 0 and str(source).endswith(".pack"):
        if last == -1: os.kill(os.getpid(), signal.SIGKILL)
        real(source, target)
        os.kill(os.getpid(), signal.SIGKILL)
    real(source, target)
os.replace = replace
with piety.open(sys.argv[1]) as image:
    with image.look(): packing = Packing(image, "0")
    packing.run(tick)
"""


@pytest.mark.parametrize("step", [1, 60, 200, 300, -1, -2])
def test_a_pulled_plug_leaves_one_or_the_other(begun: System, step: int) -> None:
    """Also right before and right after the new file takes the place of the old one."""
    begun.image.close()
    command = [sys.executable, "-c", KILLED, str(begun.home), str(step)]
    killed = subprocess.run(command, capture_output=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    begun.image = piety.open(begun.home)
    assert list(check_image(begun.image)) == []
    assert begun.run("len(rows), len(world.notes), world.notes[7].n, at('then')['rows']") == (51, 199, 19, [1])
    assert not list(begun.home.rglob("*.pack"))
    assert pack(begun).startswith("packed" if step != -2 else "nothing")


def test_a_system_that_stops_meanwhile_is_not_changed(begun: System) -> None:
    """Another process may have the image then."""
    with begun.image.look():
        packing = Packing(begun.image, "0")
    begun.image.close()
    before = begun.file()[1]
    with pytest.raises(Exception, match=r"the system stops|closed"):
        packing.run(nothing)
    assert begun.file()[1] == before
    begun.image = piety.open(begun.home)
    assert begun.run("len(rows)") == 51


def test_any_number_of_packs_between_any_turns(system: System) -> None:
    """A random program with snapshots, going back and packs, against a plain list of what there was."""
    chance = random.Random(11)
    system.run(BEGIN, "n = 0; world.kept = []")
    now: tuple[int, list[int]] = (0, [])
    named: dict[str, tuple[int, list[int]]] = {}
    for step in range(120):
        what = chance.choice(["turn"] * 5 + ["snapshot", "back", "pack", "resume"])
        if what == "turn":
            system.run(f"n = {step}; world.kept = world.kept + [n]; world.notes[n % 40] = Note(n); world.notes.pop(n % 31, 0)")
            now = step, [*now[1], step]
        elif what == "snapshot":
            system.run(f"snapshot('s{step}')")
            named[f"s{step}"] = now
        elif what == "back" and named:
            name = chance.choice(list(named))
            system.image.roll_back(name)
            now = named[name]
        elif what == "pack":
            pack(system)
        elif what == "resume":
            system.resume()
        assert system.run("n, world.kept") == now
        if named:
            name = chance.choice(list(named))
            assert system.run(f"at({name!r})['n'], at({name!r}).world.kept") == named[name]
    assert list(check_image(system.image)) == []
    for name, then in named.items():
        system.image.roll_back(name)
        assert system.run("n, world.kept") == then
        assert list(check_image(system.image)) == []


# -- forks


def fork(system: System, when: str, place: Path) -> None:
    with system.image.look():
        beginning = transfer.fork(system.image, when)
    boot.found(str(place), beginning(no_tick))


def look_there(place: Path, source: str) -> str:
    """What an image shows, in a process of its own."""
    command = [sys.executable, "-m", "piety", "--home", str(place), "eval", source]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_a_fork_is_a_home_of_its_own(begun: System, tmp_path: Path) -> None:
    before = begun.file()
    fork(begun, "then", tmp_path / "fork")
    assert begun.file() == before
    assert look_there(tmp_path / "fork", "rows.append('fork'); rows, world.notes[5].n, [*snapshots]") == (
        "([1, 'fork'], 5, ['then'])"
    )
    assert look_there(tmp_path / "fork", "rows") == "[1, 'fork']"
    assert begun.run("len(rows), rows[-1]") == (51, 49)
    assert (tmp_path / "fork" / "image" / "image.fs").stat().st_size < begun.image.storage.getSize()
    assert (tmp_path / "fork").stat().st_mode & 0o777 == 0o700


def test_a_fork_of_a_packed_snapshot(begun: System, tmp_path: Path) -> None:
    pack(begun)
    fork(begun, "then", tmp_path / "fork")
    assert look_there(tmp_path / "fork", "rows, world.notes[5].n") == "([1], 5)"


def test_a_fork_needs_a_new_place_and_a_moment(begun: System, tmp_path: Path) -> None:
    with pytest.raises(PietyError, match="there is a home"):
        fork(begun, "then", begun.home)
    with pytest.raises(PietyError, match="is neither the name of a snapshot nor a time"):
        fork(begun, "nowhere", tmp_path / "fork")
    assert not (tmp_path / "fork").exists()


# -- backups


def backup(system: System, folder: Path) -> str:
    return transfer.backup(system.image, str(folder))()


def test_a_backup_is_brought_up_to_date_and_restored(begun: System, tmp_path: Path) -> None:
    folder = tmp_path / "backup"
    first = sum(path.stat().st_size for path in _backed(begun, folder))
    begun.run("rows.append('second')")
    assert sum(path.stat().st_size for path in _backed(begun, folder)) < first / 20
    assert backup(begun, folder).startswith("nothing is new")
    pack(begun)
    _backed(begun, folder)
    begun.run("rows.append('third')")
    _backed(begun, folder)
    take_in(str(folder), str(tmp_path / "restored"))
    assert look_there(tmp_path / "restored", "rows[-2:], at('then')['rows'], len(world.notes)") == (
        "(['second', 'third'], [1], 199)"
    )


def _backed(system: System, folder: Path) -> set[Path]:
    before = set(folder.rglob("*"))
    assert "written to" in backup(system, folder)
    return {path for path in set(folder.rglob("*")) - before if path.suffix in (".fs", ".deltafs")}


def test_a_damaged_backup_is_refused(begun: System, tmp_path: Path) -> None:
    folder = tmp_path / "backup"
    (path,) = _backed(begun, folder)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(PietyError, match=r"is damaged .*; nothing was made of it"):
        take_in(str(folder), str(tmp_path / "restored"))
    assert not (tmp_path / "restored").exists()
