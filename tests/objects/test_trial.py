"""Trials: nothing of them happens, in the image or in memory, unless they are kept."""

from __future__ import annotations

import pytest
from conftest import System
from hypothesis import given, settings
from hypothesis import strategies as st

import piety
from piety.objects.check import check_image

BEGIN = """
from persistent import Persistent
from BTrees.OOBTree import OOBTree
class Note(Persistent):
    def __init__(self): self.n = 0; self.tags = []
def f(): return 1
x = 1; rows = [1]; same = rows; world.note = Note(); world.tree = OOBTree({1: 1}); texts['t'] = Text('one\\n')
"""
STATE = "x, rows, same is rows, world.note.n, world.note.tags, dict(world.tree), f(), str(texts['t'])"
CHANGES = [
    "x += 1", "rows.append(x)", "world.note.n += 1", "world.note.tags.append(x)", "world.tree[x] = rows[:]",
    "def f(): return x", "texts['t'].insert(0, 0, 'a')", "world.note = Note()", "rows = [0]; same = rows",
    "for n in range(100, 200): world.tree[n] = n", "texts['t'].separate(); texts['t'].insert(0, 0, 'b'); texts['t'].undo()", "f.mark = 1", "Note.mark = 1",
]  # fmt: skip


@pytest.fixture
def begun(system: System) -> System:
    system.run(BEGIN)
    return system


def test_nothing_of_it_happened(begun: System) -> None:
    before = begun.show(STATE)
    begun.run("""
with trial() as t:
    for source in %r: t.evaluate(source)
    x = 99; rows.append(99); y = 5; del f
    assert len(t.diff()) > 5
assert rows == [1] and x == 1 and f() == 1
""" % CHANGES[:9])  # noqa: UP031
    assert begun.show(STATE) == before
    assert isinstance(begun.fail("y"), NameError)
    assert isinstance(begun.fail("t"), NameError)
    assert begun.elsewhere(STATE) == [before]
    assert list(check_image(begun.image)) == []


def test_what_was_kept_happened(begun: System) -> None:
    begun.run("with trial() as t:\n    rows.append(2); world.note.n = 5; t.evaluate('def f(): return 2'); t.keep()")
    assert begun.run("rows, same is rows, world.note.n, f()") == ([1, 2], True, 5, 2)
    assert begun.elsewhere("rows, same is rows, world.note.n, f(), t") == ["([1, 2], True, 5, 2, <trial, not running>)"]


def test_what_is_done_around_it_counts(begun: System) -> None:
    begun.run("rows.append(2)\nwith trial(): rows.append(3)\nrows.append(4)")
    assert begun.run("rows, same is rows") == ([1, 2, 4], True)


def test_a_turn_that_fails_has_no_trace_of_what_it_kept(begun: System) -> None:
    before = begun.show(STATE)
    begun.fail("rows.append(2)\nwith trial() as t:\n    rows.append(3); world.note.n = 7; t.keep()\nx = 5\n1 / 0")
    assert begun.show(STATE) == before
    begun.fail("with trial() as t:\n    rows.append(3); 1 / 0")
    assert begun.show(STATE) == before


def test_the_diff_is_of_the_trial_only(begun: System) -> None:
    shown = begun.run("rows.append(2)\nwith trial() as t:\n    t.evaluate('x = 5'); shown = repr(t.diff()); t.keep()\nshown")
    assert shown == "~ x: 1 -> 5"
    shown = begun.run("""
with trial() as t:
    world.note.n = 3
    print(t.diff())
    world.note.n = 4
    shown = repr(t.diff()), t.diff().full
    t.keep()
shown
""")
    assert shown[0].splitlines() == ["~ world.note", "    .n: 0 -> 4"]
    assert shown[1].splitlines() == ["~ world.note", "    .n: 0 -> 4"]


def test_trials_nest(begun: System) -> None:
    begun.run("""
with trial() as a:
    rows.append(2)
    with trial() as b:
        rows.append(3)
        assert rows == [1, 2, 3]
    assert rows == [1, 2], rows
    with trial() as c:
        rows.append(4); c.keep()
    assert rows == [1, 2, 4]
    assert repr(a.diff()).splitlines()[-2:] == ["    + [1]: 2", "    + [2]: 4"], a.diff()
assert rows == [1]
""")
    assert begun.run("rows") == [1]


def test_it_works_in_a_function_and_in_a_loop(begun: System) -> None:
    begun.run("def best():\n    found = {}\n    for n in range(5):\n        with trial() as t:\n"
              "            t.evaluate(f'rows.extend(range({n}))'); found[n] = sum(rows)\n    return found")  # fmt: skip
    assert begun.run("best()") == {0: 1, 1: 1, 2: 2, 3: 4, 4: 7}
    assert begun.run("rows") == [1]


def test_values_that_cannot_be_stored_stay_as_they_are(begun: System) -> None:
    begun.run("import threading; lock = threading.Lock(); held = [lock, 1]")
    begun.run("with trial():\n    held.append(2); lock2 = threading.Lock()\nassert held[0] is lock and len(held) == 2")
    assert begun.run("held[0] is lock, held[1:], lock.acquire()") == (True, [1], True)


def test_asked_outside_of_its_block_it_says_so(begun: System) -> None:
    message = "the trial does not run; ask it within its `with`"
    assert str(begun.fail("t = trial(); t.diff()")) == message
    assert str(begun.fail("t = trial()\nwith t: pass\nwith t: pass")) == "a trial is for one `with`; make another one with trial()"


@given(st.lists(st.sampled_from(CHANGES), max_size=4), st.lists(st.sampled_from(CHANGES), max_size=5), st.booleans())
@settings(max_examples=25, deadline=None)
def test_any_trial_leaves_what_was_before_or_what_it_did(
    tmp_path_factory: pytest.TempPathFactory, first: list[str], tried: list[str], is_kept: bool
) -> None:
    """The same changes without a trial are the model."""
    seen = []
    for is_model in (True, False):
        with piety.open(tmp_path_factory.mktemp("t") / "home", create=True) as image:
            for source in (BEGIN, *first):
                image.evaluate(source)
            lines = [f"t.evaluate({source!r})" for source in tried]
            if is_model:
                for source in tried if is_kept else ():
                    assert image.evaluate(source).error is None
            else:
                body = "\n    ".join([*lines, *(["t.keep()"] if is_kept else []), "pass"])
                assert image.evaluate(f"with trial() as t:\n    {body}").error is None
            seen.append(image.show(image.evaluate(STATE + ", [hasattr(f, 'mark'), hasattr(Note, 'mark')]").value))
            assert list(check_image(image)) == []
    assert seen[0] == seen[1]


def test_what_a_function_holds_can_be_changed_after_a_look(begun: System) -> None:
    """To look at the differences within a turn lets memory rest; the plain objects in it stay the same ones."""
    begun.run("""
def work():
    tags, new = world.note.tags, Note()
    world.new, more = new, new.tags
    tags.append(1); more.append(1); rows.append(1)
    len(diff(world.note, image.storage.lastTransaction()))
    tags.append(2); more.append(2); rows.append(2)
work()
""")
    assert begun.run("world.note.tags, world.new.tags, rows, same is rows") == ([1, 2], [1, 2], [1, 1, 2], True)
    assert begun.elsewhere("world.note.tags, world.new.tags, rows") == ["([1, 2], [1, 2], [1, 1, 2])"]
