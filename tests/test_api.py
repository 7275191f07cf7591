"""`import piety`: the way into an image from a program."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from pathlib import Path

import pytest

import piety
from piety import places
from piety.errors import NoTurn


def test_import_costs_nothing() -> None:
    """`import piety` loads neither ZODB nor anything else of weight."""
    source = "import sys, piety; print(any(name.startswith(('ZODB', 'click', 'piety.')) for name in sys.modules))"
    assert (
        subprocess.run([sys.executable, "-P", "-c", source], capture_output=True, text=True, check=True).stdout
        == "False\n"
    )


def test_evaluate_gives_value_output_and_error(home: Path) -> None:
    """An outcome holds what a turn left."""
    with piety.open(home, create=True) as image:
        outcome = image.evaluate("total = 40 + 2\nprint('done')\ntotal")
        assert (outcome.value, outcome.output, outcome.error) == (42, "done\n", None)
        failed = image.evaluate("nothing_there")
        assert isinstance(failed.error, NameError)
        assert failed.value is None


def test_turn_is_all_or_nothing(home: Path) -> None:
    """A block is one turn; what it raises comes out, and nothing of it stays."""
    with piety.open(home, create=True) as image:
        with image.turn("put") as world:
            world.answer = [42]
        with contextlib.suppress(ValueError), image.turn("spoil") as world:
            world.answer.append(43)
            world.other = 1
            raise ValueError("no")
        assert image.world.answer == [42]
        assert not hasattr(image.world, "other")


def test_turns_do_not_nest(home: Path) -> None:
    """A turn within a turn is refused, and the outer one goes on."""
    with piety.open(home, create=True) as image:
        with image.turn("outer") as world:
            with pytest.raises(NoTurn, match="outer"), image.turn("inner"):
                pass
            world.x = 1
        assert image.world.x == 1


def test_one_image_in_a_process(home: Path, tmp_path: Path) -> None:
    """A second image in the same process is refused, with the way out."""
    with piety.open(home, create=True), pytest.raises(piety.PietyInUse, match="one at a time") as caught:
        piety.open(tmp_path / "second", create=True)
    assert caught.value.pid is not None
    assert not (tmp_path / "second" / "image" / "image.fs").exists()


def test_closed_image_says_so(home: Path) -> None:
    """A turn on a closed image is a mistake that is told; closing twice is none."""
    image = piety.open(home, create=True)
    image.close()
    image.close()
    with pytest.raises(NoTurn, match="closed"), image.turn("late"):
        pass


def test_log_says_who_and_what(home: Path) -> None:
    """Each transaction carries the user and one line of description, and no extension data."""
    from ZODB.FileStorage import FileStorage

    with piety.open(home, create=True) as image:
        image.evaluate("x = 1\ny = 2", user="adam")
        with image.turn("two\nlines", user="eve") as world:
            world.x = 1
    storage = FileStorage(str(home / "image" / "image.fs"), read_only=True)
    log = [(entry.user, entry.description, entry.extension) for entry in storage.iterator()]
    storage.close()
    assert log[-2:] == [(b"adam", b"x = 1 ...", {}), (b"eve", b"two ...", {})]


def test_modules_are_a_mapping(home: Path) -> None:
    """`image.modules` is name to source; saving runs it."""
    with piety.open(home, create=True) as image:
        image.modules["notes"] = "def double(n):\n    return n * 2\n"
        assert image.modules["notes"].startswith("def double")
        assert "notes" in image.modules
        assert image.evaluate("import notes; notes.double(4)").value == 8
        del image.modules["notes"]
        assert "notes" not in image.modules
        assert isinstance(image.evaluate("import notes").error, ImportError)


@pytest.mark.parametrize("place", ["", "/somewhere/else", " "])
def test_the_default_home_is_the_platforms(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, place: str) -> None:
    """Though on Linux it is told without asking the library, which takes long to import."""
    from platformdirs import user_data_dir

    monkeypatch.delenv("PIETY_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_DATA_HOME", place)
    assert places.default_home() == user_data_dir("piety")
