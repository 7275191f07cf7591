"""The index is derived: whatever becomes of it, what is found is right, and nothing is lost."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import System

import piety
from piety.objects import following
from piety.objects.following import catch_up

BEGIN = """
from persistent import Persistent
class Note(Persistent):
    def __init__(self, body): self.body = body
for n in range(50): keep(Note(f'garbage {n}'), number=n, tag=['even', 'odd'][n % 2])
"""
ASK = "len(find('tag:even')), len(find('garbage')), find('number:7').first.body"
EXPECTED = (25, 50, "garbage 7")


@pytest.fixture
def begun(system: System) -> System:
    system.run(BEGIN)
    assert system.run(ASK) == EXPECTED
    return system


def index(system: System) -> Path:
    return system.home / "image" / "find.sqlite"


def test_nothing_of_it_is_in_the_image(begun: System) -> None:
    """To ask writes nothing into the image, and a turn that commits writes nothing into the index."""
    before = begun.file()
    begun.run(ASK)
    begun.image.show(begun.image.evaluate("find().facets()").value)
    assert begun.file() == before
    begun.run("x = 1")
    at = index(begun).stat().st_mtime_ns, index(begun).with_name("find.sqlite-wal").stat().st_size
    begun.run("keep(Note('late'))")
    assert (index(begun).stat().st_mtime_ns, index(begun).with_name("find.sqlite-wal").stat().st_size) == at


def test_without_it(begun: System) -> None:
    begun.image.close()
    index(begun).unlink()
    begun.image = piety.open(begun.home)
    assert begun.run(ASK) == EXPECTED


@pytest.mark.parametrize("seed", range(8))
def test_damaged(begun: System, seed: int) -> None:
    """Any byte, its beginning, its end, another file in its place."""
    begun.image.close()
    data, chance = bytearray(index(begun).read_bytes()), random.Random(seed)
    if seed == 0:
        data = bytearray(b"something else" * 1000)
    elif seed == 1:
        data = data[: len(data) // 2]
    elif seed == 2:
        data = bytearray()
    else:
        for _ in range(10 ** (seed % 4)):
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    index(begun).write_bytes(data)
    begun.image = piety.open(begun.home)
    assert begun.run(ASK) == EXPECTED


def test_damaged_while_it_is_open(begun: System) -> None:
    begun.run("x = 1")
    with index(begun).open("r+b") as file:
        file.seek(0, os.SEEK_END)
        size = file.tell()
        for place in range(0, size, 4096):
            file.seek(place)
            file.write(b"\xff" * 200)
    begun.image.find_index.db.execute("PRAGMA cache_size = 0")
    begun.run("keep(Note('garbage more'), number=51)")
    assert begun.run("len(find('tag:even')), find('number:7').first.body, len(find('number:51'))") == (
        25,
        "garbage 7",
        1,
    )


def test_an_old_one_beside_a_newer_image(begun: System, tmp_path: Path) -> None:
    begun.image.close()
    for name in ("find.sqlite", "find.stamp"):
        shutil.copy2(begun.home / "image" / name, tmp_path / name)
    begun.image = piety.open(begun.home)
    begun.run("forget(find('number:7').first); keep(Note('garbage new'), tag='even')")
    begun.image.close()
    for name in ("find.sqlite", "find.stamp"):
        shutil.copy2(tmp_path / name, begun.home / "image" / name)
    begun.image = piety.open(begun.home)
    assert begun.run("len(find('tag:even')), len(find('garbage')), find('number:7').first") == (26, 50, None)


def test_one_of_another_image(begun: System, tmp_path: Path) -> None:
    """Also one that is newer than an image that was brought back from a copy."""
    begun.image.close()
    copy = tmp_path / "copy.fs"
    shutil.copy2(begun.home / "image" / "image.fs", copy)
    begun.image = piety.open(begun.home)
    begun.run("for each in list(find('tag:odd')): forget(each)")
    assert begun.run("len(find())") == 25
    begun.image.close()
    shutil.copy2(copy, begun.home / "image" / "image.fs")
    (begun.home / "image" / "image.fs.index").unlink()
    begun.image = piety.open(begun.home)
    assert begun.run(ASK) == EXPECTED
    assert begun.run("len(find())") == 50


def test_after_a_pack_and_a_rollback(begun: System) -> None:
    from piety.objects.transfer import Packing

    begun.run("snapshot('whole')")
    facets = begun.run("find('tag:odd').facets().as_dict()")
    del facets["by"]  # a portable snapshot does not tell that
    assert (facets["tag"], list(facets["changed"].values())) == ({"odd": 25}, [25])
    begun.run("for each in list(find('tag:odd')): forget(each)")
    begun.run("extra = Note('garbage'); keep(extra); del extra")
    begun.run("forget(find('-number:*').first)")
    begun.run("del each")
    begun.resume()  # what is in memory is kept by a pack
    with begun.image.look():
        packing = Packing(begun.image, "0")
    packing.run(lambda *_told: None)
    assert begun.run("len(find('tag:odd')), len(find('tag:even'))") == (0, 25)
    assert begun.run("len(instances(Note))") == 25
    begun.image.roll_back("whole")
    assert begun.run(ASK) == EXPECTED
    begun.image.close()
    index(begun).unlink()
    begun.image = piety.open(begun.home)
    assert begun.run(ASK) == EXPECTED
    then = "find('{}', at='whole')"
    asked = [f"len({then.format(query)})" for query in ("", "tag:odd", "kind:note garbage", "kind:persistent -tag:odd")]
    assert begun.run(f"[{', '.join(asked)}]") == [50, 25, 50, 25]
    assert begun.run(f"{then.format('tag:odd')}.facets().as_dict()") == facets
    assert begun.run(f"{then.format('garb* number:7')}.snippets()[0][1]") == "[garbage] 7"
    assert begun.run("find('tag:odd', at='whole').first is at('whole').get(find('tag:odd').first)")


def test_interrupted_it_goes_on(begun: System, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was read is kept, portion by portion."""
    for n in range(20):
        begun.run(f"keep(Note('more'), number={100 + n})")
    monkeypatch.setattr(following, "PORTION", 10)
    told: list[int] = []

    def stop(done: int, _total: int) -> None:
        told.append(done)
        if len(told) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), begun.image.look():
        catch_up(begun.image, begun.image.find_index, stop)
    known = begun.image.find_index.get("turn")
    with begun.image.look():
        catch_up(begun.image, begun.image.find_index, lambda done, _total: told.append(done))
    assert told == sorted(told)
    assert begun.image.find_index.get("turn") > known
    assert begun.run("len(find('more'))") == 20


def test_a_full_disk_is_one_line(begun: System) -> None:
    """And loses nothing; it goes on when there is room again."""
    db = begun.image.find_index.db
    (pages,) = db.execute("PRAGMA page_count").fetchone()
    db.execute(f"PRAGMA max_page_count = {pages}")
    begun.run("for n in range(100): keep(Note('z' * 5000 + str(n)), tag='big')")
    error = begun.fail("len(find('tag:big'))")
    assert isinstance(error, piety.PietyError)
    assert "make room on the disk" in str(error)
    db.execute("PRAGMA max_page_count = 1000000")
    assert begun.run("len(find('tag:big'))") == 100
    assert begun.run(ASK) == EXPECTED


def test_killed_at_any_moment(home: Path) -> None:
    """Keep, ask and change, and pull the plug; what is found then is what there is."""
    source = f"""
import piety
with piety.open({str(home)!r}, create=True) as image:
    if image.world.entries is None: assert image.evaluate({BEGIN!r}).error is None
    n = 100
    while True:
        n += 1
        assert image.evaluate(f"keep(Note('garbage more'), number={{n}}, tag='more'); len(find('tag:more'))").error is None
        assert image.evaluate(f"len(find('garbage'))").error is None
        print(flush=True)
"""
    chance = random.Random(1)
    for _ in range(5):
        with subprocess.Popen([sys.executable, "-c", source], stdout=subprocess.PIPE) as child:
            assert child.stdout is not None
            for _line in range(chance.randrange(1, 30)):
                child.stdout.readline()
            child.send_signal(signal.SIGKILL)
        with piety.open(home) as image:
            outcome = image.evaluate("len(find('tag:more')), len(find('garbage')), len(world.entries)")
            assert outcome.error is None, outcome.traceback
            more, garbage, entries = outcome.value
            assert garbage == entries == more + 50
