"""Completion names what may come, and asks no object anything."""

from __future__ import annotations

import functools
import sys
import types
from pathlib import Path
from typing import Any

import pytest

import piety
from piety.browser.completion import attribute, completions, members
from piety.objects.variables import MISSING


def names(image: piety.Image, line: str) -> list[str]:
    """What is offered for a line."""
    return completions(image, line)[1]


class Trap:
    """Everything that a completion could ask raises, or leaves a trace."""

    asked: list[str] = []  # noqa: RUF012 - shared on purpose
    plain = 5

    def __init__(self) -> None:
        self.own = [1]

    @property
    def danger(self) -> None:
        self.asked.append("property")

    @functools.cached_property
    def late(self) -> None:
        self.asked.append("cached property")

    def __getattr__(self, name: str) -> Any:
        self.asked.append(f"getattr {name}")
        raise RuntimeError

    def __getattribute__(self, name: str) -> Any:
        if name != "asked":
            Trap.asked.append(f"getattribute {name}")
        return object.__getattribute__(self, name)

    def __dir__(self) -> Any:
        self.asked.append("dir")
        raise RuntimeError

    def __eq__(self, other: object) -> bool:
        self.asked.append("eq")
        raise RuntimeError

    __hash__ = None  # type: ignore[assignment]

    @property
    def __class__(self) -> Any:  # type: ignore[override]
        Trap.asked.append("class")
        raise RuntimeError


class TrapMeta(type):
    """A class of classes that is as bad."""

    def __getattribute__(cls, name: str) -> Any:
        Trap.asked.append(f"meta {name}")
        return type.__getattribute__(cls, name)

    def __dir__(cls) -> Any:
        Trap.asked.append("meta dir")
        return []

    def __instancecheck__(cls, each: Any) -> bool:
        Trap.asked.append("meta instancecheck")
        return True


class Tricky(metaclass=TrapMeta):
    """Its class is a trap."""

    def method(self) -> None: ...


class HiddenDict:
    """Its dictionary is a property."""

    __slots__ = ("slot",)

    def __init__(self) -> None:
        self.slot = [1]

    @property
    def __dict__(self) -> Any:  # type: ignore[override]
        Trap.asked.append("dict")
        raise RuntimeError


class Word(str):
    """A name that is no plain string."""

    def startswith(self, *_: Any) -> bool:
        Trap.asked.append("startswith")
        return True


def test_no_object_is_asked(image: piety.Image, monkeypatch: pytest.MonkeyPatch) -> None:
    """Properties, __getattr__, __dir__, __class__, metaclasses and odd names: all are seen, none is used."""
    trap, tricky, hidden = Trap(), Tricky(), HiddenDict()
    tricky.__dict__[Word("odd")] = 1
    traps = types.ModuleType("traps")
    traps.trap = trap  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "traps", traps)
    image.evaluate("import traps")
    Trap.asked.clear()
    assert {"own", "danger", "late", "plain"} <= members(trap)
    assert {"own", "danger"} <= set(names(image, "x = f(traps.trap."))
    assert names(image, "traps.trap.danger.") == []
    assert attribute(trap, "own") == [1]
    assert attribute(trap, "plain") == 5
    assert attribute(trap, "danger") is attribute(trap, "late") is attribute(trap, "nothing") is MISSING
    assert "method" in members(tricky)
    assert "odd" not in members(tricky)
    assert "method" in members(Tricky)
    assert "slot" in members(hidden)
    assert attribute(hidden, "slot") == [1]
    assert Trap.asked == []


def test_a_huge_dictionary_is_looked_at_in_part(image: piety.Image) -> None:
    """A million attributes do not stop the person who types."""
    trap = Trap()
    object.__getattribute__(trap, "__dict__").update((f"a{number}", number) for number in range(100_000))
    assert len(members(trap)) < 20_000


def test_names_of_the_workspace(image: piety.Image) -> None:
    """Variables, definitions, builtins and keywords; those with an underscore only if one was typed."""
    image.evaluate("wombat = 1\ndef wander(): pass\n_hidden = 2")
    assert completions(image, "x = wa") == ("wa", ["wander"])
    assert names(image, "f(wom") == ["wombat"]
    assert {"while", "with", "wombat", "wander", "world"} <= set(names(image, "w"))
    assert "len" in names(image, "")
    assert "_hidden" not in names(image, "")
    assert "_hidden" in names(image, "_h")


@pytest.mark.parametrize("line", ["f().", "'a'.", "3.", "x[0].", "(x).", "é.b.", "nothing.", "wombat().x.", "a b.c d."])
def test_nothing_is_guessed(image: piety.Image, line: str) -> None:
    """What would have to run to be known gives no names."""
    assert names(image, line) == []


def test_attributes_along_a_path(image: piety.Image) -> None:
    """Through dictionaries of objects, modules and classes, as they lie in memory."""
    image.evaluate("import types\nbox = types.SimpleNamespace(inner=types.SimpleNamespace(treasure=1))")
    image.evaluate("import os\nbox, os.sep", show=True)
    assert names(image, "box.inner.tr") == ["treasure"]
    assert names(image, "os.path.jo") == ["join"]
    assert names(image, "str.upp") == ["upper"]
    assert "index" in names(image, "_.")


def test_modules_after_import(image: piety.Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the image and of the host, in packages too; none of them is imported for that."""
    image.modules["notebook"] = "x = 1\n"
    package = tmp_path / "zebras"
    package.mkdir()
    (package / "__init__.py").write_text("raise SystemExit\n")
    (package / "stripes.py").write_text("raise SystemExit\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert names(image, "import noteb") == ["notebook"]
    assert names(image, "import os, zebr") == ["zebras"]
    assert names(image, "import zebras.") == ["stripes"]
    assert names(image, "from zebras import s") == ["stripes"]
    assert names(image, "from zebras.") == ["stripes"]
    assert names(image, "from collections import namedt") == ["namedtuple"]
    assert names(image, "from collections import (deque, namedt") == ["namedtuple"]
    assert names(image, "import zebras.stripes.x") == names(image, "from ..nowhere import x") == []
    assert "zebras" not in sys.modules


def test_nothing_is_loaded_touched_or_written(home: Path) -> None:
    """A ghost stays one, a variable at rest stays at rest, and the file stays as it is."""
    with piety.open(home, create=True) as image:
        image.modules["animals"] = (
            "from persistent import Persistent\n"
            "class Horse(Persistent):\n"
            "    def __init__(self): self.name = 'Fury'\n"
            "    def run(self): pass\n"
        )
        image.evaluate("import animals\nworld.horse = animals.Horse()\nnumbers = [1, 2, 3]\nclass Cart: pass\n")
    with piety.open(home) as image:
        size = (home / "image" / "image.fs").stat().st_size
        assert {"numbers", "Cart"} <= set(names(image, ""))
        assert names(image, "numbers.") == names(image, "Cart.") == []
        image.evaluate("world.horse", show=True)
        horse = image.world.horse
        horse._p_deactivate()
        assert names(image, "it.r") == ["run"]
        assert names(image, "world.horse.r") == ["run"]
        assert names(image, "it.name.") == []
        assert horse._p_changed is None
        image.evaluate("numbers.append(4)")
        assert names(image, "numbers.appe") == ["append"]
        with image.turn("look what was touched"):
            assert image._turns.variables.touched() == []
    with piety.open(home) as image:
        assert image.evaluate("numbers").value == [1, 2, 3, 4]
        assert (home / "image" / "image.fs").stat().st_size - size < 1000
