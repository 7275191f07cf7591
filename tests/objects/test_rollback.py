"""Going back: the whole system to a moment, or one turn; all that is in memory follows."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from conftest import System

from piety.errors import CommitFailed, PietyError
from piety.objects.check import check_image
from piety.objects.history import Query, rows
from piety.objects.rollback import of_turn, to_moment, told


def back(system: System, when: str = "then") -> list[str]:
    """Roll back to a snapshot; what is to be said of it.  Nothing is broken then."""
    notices = system.image.roll_back(when).notices
    assert list(check_image(system.image)) == []
    return notices


def undo(system: System, what: str | None = None) -> list[str]:
    """Undo the last turn, or the one that is called so."""
    with system.image.look():
        tids = [row.tid for row in rows(system.image, Query(), 0) if row.what == what]
    notices = system.image.undo(tids[0] if what is not None else None).notices
    assert list(check_image(system.image)) == []
    return notices


# -- what follows


def test_variables_go_back_and_come_back(system: System) -> None:
    system.run("a = [1]; b = a; c = {'k': {'j': 1}}; d = 'old'", "snapshot('then')")
    system.run("a.append(2)", "c['k']['j'] = 2; d = 'new'", "del b", "e = 5")
    back(system)
    assert system.run("a, b is a, c, d") == ([1], True, {"k": {"j": 1}}, "old")
    assert isinstance(system.fail("e"), NameError)
    system.run("b.append(7)")
    assert system.elsewhere("a, b is a") == ["([1, 7], True)"]
    undo(system)
    undo(system, "roll back to " + told_of(system))
    assert system.run("a, c, d, e") == ([1, 2], {"k": {"j": 2}}, "new", 5)
    assert isinstance(system.fail("b"), NameError)


def told_of(system: System) -> str:
    with system.image.look():
        return next(
            row.what.removeprefix("roll back to ")
            for row in rows(system.image, Query(), 0)
            if row.what.startswith("roll back to ")
        )


def test_objects_in_memory_go_back(system: System) -> None:
    system.run("from persistent import Persistent\nclass Box(Persistent): pass", "box = Box(); box.n = 1; box.tags = ['a']")
    system.run("world.boxes = [box]", "snapshot('then')", "box.n = 2; box.tags.append('b'); box.extra = Box()")
    back(system)
    assert system.run("box.n, box.tags, hasattr(box, 'extra'), world.boxes[0] is box") == (1, ["a"], False, True)
    undo(system)
    assert system.run("box.n, box.tags, type(box.extra) is Box") == (2, ["a", "b"], True)


def test_functions_follow_wherever_they_are_held(system: System) -> None:
    system.run("def f(): return 'old'", "held = [f]", "snapshot('then')", "def f(): return 'new'", "def g(): return 1")
    assert system.run("held[0]()") == "new"
    back(system)
    assert system.run("held[0](), f(), held[0] is f") == ("old", "old", True)
    assert isinstance(system.fail("g()"), NameError)
    undo(system)
    assert system.run("held[0](), f(), g()") == ("new", "new", 1)


def test_classes_follow_in_place(system: System) -> None:
    system.run("class A:\n    limit = 1\n    def m(self): return 'old'", "a = A(); kinds = [A]", "snapshot('then')")
    system.run("class A:\n    def m(self): return 'new'\n    def n(self): return 2", "a.x = 1")
    assert system.run("a.m(), a.n()") == ("new", 2)
    back(system)
    assert system.run("a.m(), a.limit, hasattr(a, 'n'), hasattr(a, 'x'), type(a) is A") == ("old", 1, False, False, True)
    undo(system)
    assert system.run("a.m(), a.n(), a.x, kinds[0] is A") == ("new", 2, 1, True)


def test_an_instance_in_use_follows_though_nobody_names_its_class(system: System) -> None:
    system.run("class A:\n    def m(self): return 'old'", "a = A()", "snapshot('then')", "class A:\n    def m(self): return 'new'")
    assert system.run("a.m()") == "new"
    back(system)
    assert system.run("a.m()") == "old"


def test_imports_go_back(system: System) -> None:
    system.run("import json as tool", "snapshot('then')", "import math as tool, string")
    assert system.run("tool.__name__, string.__name__") == ("math", "string")
    back(system)
    assert system.run("tool.__name__") == "json"
    assert isinstance(system.fail("string"), NameError)


def test_modules_follow(system: System) -> None:
    system.run("image.modules['m'] = 'def f(): return \"old\"\\nLIMIT = 1\\n'", "import m; held = m.f", "snapshot('then')")
    system.run("image.modules['m'] = 'def f(): return \"new\"\\nOTHER = 2\\n'", "image.modules['n'] = 'x = 1\\n'", "import n")
    assert system.run("m.f(), held(), n.x") == ("new", "new", 1)
    back(system)
    assert system.run("m.f(), held(), m.LIMIT, hasattr(m, 'OTHER')") == ("old", "old", 1, False)
    assert isinstance(system.fail("import n"), ImportError)
    assert system.run("'n' in image.modules") is False
    undo(system)
    assert system.run("import n; m.f(), held(), m.OTHER, n.x") == ("new", "new", 2, 1)


def test_a_module_that_was_deleted_comes_back(system: System) -> None:
    system.run("image.modules['p'] = ''", "image.modules['p.q'] = 'x = 1\\n'", "from p import q", "snapshot('then')")
    system.run("del q", "del image.modules['p']")
    assert isinstance(system.fail("import p.q"), ImportError)
    back(system)
    assert system.run("q.x, 'p.q' in image.modules") == (1, True)
    assert system.elsewhere("q.x") == ["1"]


def test_a_module_that_took_the_place_of_one_of_the_host(system: System) -> None:
    system.run("import colorsys; colorsys.__file__", "snapshot('then')")
    system.image.modules.save("colorsys", "mine = 1\n", over_host=True)
    assert system.run("import colorsys; colorsys.mine") == 1
    back(system)
    assert system.run("import colorsys; hasattr(colorsys, 'rgb_to_hsv')") is True
    undo(system)
    assert system.run("import colorsys; colorsys.mine") == 1


def test_variables_of_modules_go_back(system: System) -> None:
    system.run("image.modules['m'] = '__state__ = \"n\", \"items\"\\nn = 1\\nitems = []\\ndef add(): items.append(n)\\n'")
    system.run("import m; m.add()", "snapshot('then')", "m.n = 2; m.add()")
    system.run("image.modules['m'] = '__state__ = \"n\", \"other\"\\nn = 1\\nother = 5\\n'")
    assert system.run("m.n, m.other") == (2, 5)
    back(system)
    assert system.run("m.add(); m.n, m.items") == (1, [1, 1])
    assert system.elsewhere("m.n, m.items") == ["(1, [1, 1])"]


def test_source_that_fails_now_is_told(system: System) -> None:
    """A definition of then needs what is not there any more on the host."""
    import sys
    import types

    system.run("def f(): return 1", "f()", "snapshot('then')")
    sys.modules["gone_soon"] = types.ModuleType("gone_soon")
    try:
        system.run("import gone_soon as f", "f", "snapshot('other')", "def f(): return 2", "f()")
    finally:
        del sys.modules["gone_soon"]
    (notice,) = back(system, "other")
    assert "f: ModuleNotFoundError" in notice
    assert isinstance(system.fail("f"), ImportError)
    back(system)
    assert system.run("f()") == 1


def test_texts_go_back_with_their_undo(system: System) -> None:
    system.run("t = texts.new('letter', 'one\\n')", "t.write('two\\n'); m = t.mark(1)", "snapshot('then')")
    system.run("t.write('three\\n')", "t.insert(0, 0, 'zero\\n')", "t.undo()")
    back(system)
    assert system.run("str(t), m.line, len(t.history())") == ("one\ntwo\n", 1, 1)
    system.run("t.undo()")
    assert system.run("str(t)") == "one\n"
    undo(system)
    undo(system, "roll back to " + told_of(system))
    assert system.run("str(t), m.line, len(t.history())") == ("one\ntwo\nthree\n", 1, 4)
    system.run("t.redo()")
    assert system.run("str(t)") == "zero\none\ntwo\nthree\n"


def test_trees_come_back_whole(system: System) -> None:
    system.run("from BTrees.OOBTree import OOBTree; tree = OOBTree({str(n): n for n in range(3000)})", "snapshot('then')")
    system.run("for n in range(3000, 9000): tree[str(n)] = n", "for n in range(0, 3000, 2): del tree[str(n)]", "tree.clear()")
    back(system)
    assert system.run("len(tree), dict(tree) == {str(n): n for n in range(3000)}") == (3000, True)
    undo(system)
    assert system.run("len(tree)") == 0


def test_what_cannot_be_stored_stays_if_it_was_not_touched(system: System) -> None:
    system.run("import threading; lock = threading.Lock()", "lock.acquire()", "n = 1", "snapshot('then')", "n = 2")
    back(system)
    assert system.run("lock.locked(), n") == (True, 1)


def test_what_is_shown_follows(system: System) -> None:
    system.run("items = [1]", "snapshot('then')")
    system.image.evaluate("items.append(2); items", show=True)
    back(system)
    system.run("_.append(9)")
    assert system.run("items in ([1], [1, 9])") is True
    assert system.elsewhere("items in ([1], [1, 9])") == ["True"]


# -- what stays


def test_snapshots_and_what_was_typed_survive(system: System) -> None:
    system.run("x = 1", "snapshot('then', note='n')", "x = 2", "snapshot('later')", "x = 3")
    with system.image.turn("typed") as world:
        world.history[1] = "x = 3"
    back(system)
    assert system.run("x, list(snapshots), snapshots['then'].note, dict(world.history)") == (
        1,
        ["later", "then"],
        "n",
        {1: "x = 3"},
    )
    back(system, "later")
    assert system.run("x") == 2
    back(system)
    assert system.run("x, at('later')['x']") == (1, 2)


def test_going_back_costs_what_has_changed(system: System) -> None:
    system.run("from BTrees.IOBTree import IOBTree; world.tree = IOBTree({n: str(n) for n in range(50_000)}); n = 0")
    system.run("snapshot('then')", "n = 1", "world.tree[7] = 'x'")
    before = system.image.storage.getSize()
    going = system.image.roll_back("then")
    assert len(going.changes) == 2
    assert system.image.storage.getSize() - before < 5_000


def test_nothing_to_go_back_to_writes_nothing(system: System) -> None:
    system.run("x = 1", "snapshot('then')")
    before = system.file()
    assert system.image.roll_back("then").changes == []
    assert system.file() == before


def test_what_would_change_is_told_and_leaves_no_trace(system: System) -> None:
    system.run("x = 1; t = texts.new('letter')", "def f(): pass", "snapshot('then')", "x = 2; t.write('a'); y = 1")
    before = system.file()
    with system.image.look():
        lines = list(told(system.image, to_moment(system.image, "then")))
        told_of_undo = list(told(system.image, of_turn(system.image)))
    assert system.file() == before
    assert "variable x" in "\n".join(lines)
    assert "Text 'letter'" in "\n".join(lines)
    assert "made later will be out of reach" in lines[0]
    assert told_of_undo[0].startswith("undo of x = 2; t.write('a'); y = 1: ")


def test_moments_to_which_nothing_goes_back(system: System) -> None:
    for when, why in {"1999-01-01": "nothing before that", "nonsense": "neither the name"}.items():
        with pytest.raises(PietyError, match=why):
            system.image.roll_back(when)


@contextmanager
def full_disk(system: System, room: int) -> Iterator[None]:
    """No file gets longer than the image is now, and this room."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (system.image.storage.getSize() + room, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_loses_nothing(system: System) -> None:
    system.run("items = ['a' * 50_000]", "def f(): return 'old'", "snapshot('then')", "items.clear()", "def f(): return 'new'")
    with full_disk(system, 1_000), pytest.raises(CommitFailed, match="make room"):
        system.image.roll_back("then")
    assert system.run("items, f()") == ([], "new")
    back(system)
    assert system.run("len(items[0]), f()") == (50_000, "old")


# -- one turn


def test_undo_takes_back_the_last_turn_and_undo_again_brings_it_back(system: System) -> None:
    system.run("x = 1", "x = 2")
    undo(system)
    assert system.run("x") == 1
    undo(system)
    assert system.run("x") == 2
    with system.image.look():
        assert [row.what for row in rows(system.image, Query(), 2)] == ["redo of x = 2", "undo of x = 2"]


def test_one_turn_among_others_is_undone(system: System) -> None:
    system.run("x = [1]; y = [1]", "x.append(2)", "y.append(2)", "z = 1", "w = 2")
    undo(system, "x.append(2)")
    assert system.run("x, y, z") == ([1], [1, 2], 1)
    undo(system, "z = 1")
    assert isinstance(system.fail("z"), NameError)
    assert system.run("x, y, w") == ([1], [1, 2], 2)


def test_a_turn_on_which_another_stands_is_not_undone(system: System) -> None:
    system.run("x = [1]", "x.append(2)", "x.append(3)")
    with pytest.raises(PietyError, match=r"cannot be undone alone.*x\.append\(3\)"):
        undo(system, "x.append(2)")
    assert system.run("x") == [1, 2, 3]


def test_a_turn_whose_object_is_held_later_is_not_undone(system: System) -> None:
    system.run("from persistent.list import PersistentList", "a = PersistentList()", "world.held = a")
    with pytest.raises(PietyError, match=r"world\.held = a"):
        undo(system, "a = PersistentList()")
    undo(system, "world.held = a")
    undo(system, "a = PersistentList()")
    assert isinstance(system.fail("a"), NameError)


def test_what_was_done_and_taken_back_since_is_not_in_the_way(system: System) -> None:
    system.run("x = [1]", "x.append(2)", "x.append(3)")
    undo(system, "x.append(3)")
    undo(system, "x.append(2)")
    assert system.run("x") == [1]


def test_there_is_an_end_of_undoing(system: System) -> None:
    with system.image.look():
        first = rows(system.image, Query(), 0)[-1]
    assert first.what == "a new image"
    with pytest.raises(PietyError, match="nothing to undo"):
        system.image.undo(bytes(8))
