"""The log, snapshots and the past: what a person reads of them, and that reading leaves no trace."""

from __future__ import annotations

import time
from typing import Any

import pytest
from conftest import System
from hypothesis import given
from hypothesis import strategies as st

from piety.errors import PietyError
from piety.objects.history import Query, rows, turn_at
from piety.objects.moments import exactly, moment, tid_at, time_of
from piety.objects.snapshots import Snapshot, find_moment, snapshot, snapshots


def told(system: System, **query: Any) -> list[str]:
    with system.image.look():
        return [row.what for row in rows(system.image, Query(**query), 0)]


# -- the log


def test_the_log_tells_who_did_what_the_newest_first(system: System) -> None:
    system.run("x = 1", "y = 2")
    with system.image.turn("a change", user="ann") as world:
        world.n = 1
    assert told(system)[:3] == ["a change", "y = 2", "x = 1"]
    assert told(system, who="ANN") == ["a change"]


def test_turns_of_one_object(system: System) -> None:
    system.run("x = [1]", "y = 2", "x.append(2)", "world.box = [1]", "world.box.append(2)")
    assert told(system, ref="x") == ["x.append(2)", "x = [1]"]
    assert told(system, ref="world")[:2] == ["world.box.append(2)", "world.box = [1]"]
    with system.image.look() as world:
        number = f"{int.from_bytes(world._p_oid, 'big'):#x}"
    assert told(system, ref=number) == told(system, ref="world")


@pytest.mark.parametrize(
    ("ref", "why"), [("0x7fffff", "no object"), ("0xzz", "no object"), ("nothing", "NameError"), ("1 + 1", "plain int")]
)
def test_no_object(system: System, ref: str, why: str) -> None:
    with pytest.raises(PietyError, match=why):
        told(system, ref=ref)


def test_a_plain_variable_has_the_history_of_its_record(system: System) -> None:
    system.run("n = 1", "n = 2", "m = 1")
    assert told(system, ref="n") == ["n = 2", "n = 1"]


def test_turns_since_a_moment(system: System) -> None:
    system.run("x = 1", "snapshot('here')", "x = 2", "x = 3")
    assert told(system, since="here") == ["x = 3", "x = 2"]


def test_turns_of_the_system_are_shown_on_demand(system: System) -> None:
    with system.image.turn("start", user="the system") as world:
        world.n = 1
    assert "start" not in told(system)
    assert "start" in told(system, all=True)


@given(st.integers(0x03A0000000000000, 0x0600000000000000))
def test_a_turn_is_named_by_its_time(number: int) -> None:
    """What the log shows finds the turn again, and not one that came a commit later."""
    tid = number.to_bytes(8, "big")
    found = tid_at(moment(exactly(tid)))
    assert tid <= found
    assert time_of(found) - time_of(tid) < 3e-6


def test_a_turn_is_found_by_what_the_log_shows(system: System) -> None:
    system.run("x = 1", "x = 2")
    with system.image.look():
        newest, before, *_ = rows(system.image, Query(), 2)
        assert turn_at(system.image, exactly(before.tid)) == before.tid
        assert turn_at(system.image, newest.tid.hex()) == newest.tid
        with pytest.raises(PietyError, match="no turn was done"):
            turn_at(system.image, exactly(before.tid)[:-7] + ".000000")


def test_long_names_of_turns(system: System) -> None:
    with system.image.turn("x" * 199, user="é" * 250) as world:
        world.n = 1
    with system.image.look():
        (row,) = rows(system.image, Query(who="é"), 1)
    assert (row.what, row.objects) == ("x" * 199, 1)


# -- snapshots


def test_a_snapshot_names_the_moment_after_its_turn(system: System) -> None:
    system.run("x = 1; snapshot('a', note='of x'); x = 2", "x = 3")
    assert system.run("at('a')['x']") == 2
    assert "of x" in system.show("snapshots()")
    assert system.show("snapshots['a']").startswith("<snapshot 'a' of ")


def test_a_snapshot_is_not_of_what_is_committed_with_it(system: System) -> None:
    """Turns that are ready together share a transaction; what comes after the snapshot is in another one."""
    from piety.objects.image import Evaluate

    system.run("x = 0")
    sources = ["x = 1", "snapshot('a')", "x = 2", "x = 3; snapshot('b'); 1 / 0", "x = 4; snapshot('c')", "x = 5"]
    done = system.image.run(Evaluate(system.image, source) for source in sources)
    assert [type(outcome.error).__name__ for _turn, outcome in done] == ["NoneType"] * 3 + ["ZeroDivisionError"] + [
        "NoneType"
    ] * 2
    assert system.run("at('a')['x'], at('c')['x'], x, list(snapshots)") == (1, 4, 5, ["a", "c"])


@pytest.mark.parametrize("name", ["''", "' '", "'a\\nb'", "5", "None"])
def test_no_name_for_a_snapshot(system: System, name: str) -> None:
    assert "no name for a snapshot" in str(system.fail(f"snapshot({name})"))


def test_names_of_snapshots_are_unique(system: System) -> None:
    system.run("snapshot('a')")
    assert "already" in str(system.fail("snapshot('a')"))
    system.run("del snapshots['a']", "snapshot('a')")
    assert "no snapshot 'b'" in str(system.fail("snapshots['b']"))
    assert "no snapshot 'b'" in str(system.fail("del snapshots['b']"))


def test_a_snapshot_stays_as_it_is(system: System) -> None:
    system.run("snapshot('a')")
    assert "stays as it was made" in str(system.fail("snapshots['a'].note = 'other'"))
    assert "the next one" in str(system.fail("s = snapshot('b'); at(s)"))


def test_snapshots_are_there_after_a_resume(system: System) -> None:
    system.run("x = 1", "snapshot('a')", "x = 2")
    assert system.elsewhere("at('a')['x']", "[s.name for s in snapshots()]") == ["1", "['a']"]


def test_a_snapshot_writes_the_same_whatever_the_size_of_the_image(system: System) -> None:
    def written(name: str) -> int:
        before = system.image.storage.getSize()
        system.run(f"snapshot({name!r})")
        return int(system.image.storage.getSize() - before)

    written("first")
    small = written("s1")
    system.run("from BTrees.OOBTree import OOBTree; world.tree = OOBTree({n: str(n) for n in range(20_000)})")
    assert abs(written("s2") - small) < 200


# -- the past


PAST = """
from persistent import Persistent
class Note(Persistent):
    def __init__(self, text): self.text = text
    def shout(self): return self.text.upper()
"""


def test_the_past_is_beside_the_present(system: System) -> None:
    system.run(PAST, "note = Note('old'); items = [1]; world.notes = {'a': note}", "snapshot('then')")
    system.run("note.text = 'new'; items.append(2); world.notes['b'] = 5; later = 1")
    system.run("past = at('then')")
    assert system.run("past['items'], past['note'].text, past['note'].shout()") == ([1], "old", "OLD")
    assert system.run("list(past.world.notes), past.get(note).text, note.text") == (["a"], "old", "new")
    assert isinstance(system.fail("past['later']"), KeyError)
    assert system.elsewhere("past['items']", "past") == ["[1]", system.show("past")]


def test_evaluating_in_the_past(system: System) -> None:
    system.run("items = [3, 1]; factor = 10", "def f(x): return x + 1", "snapshot('then')", "items.append(5); factor = 0")
    system.run("def f(x): return x + 2", "past = at('then')")
    assert system.run("past.evaluate('len(items)')") == 2
    assert system.run("past.evaluate('y = factor; [f(x) * y for x in sorted(items)]')") == [30, 50]
    assert system.run("past.evaluate('world.workspace') is world.workspace") is False
    system.run("texts['t'] = Text('then')", "snapshot('texts')", "texts['t'].set('now')")
    assert system.run("str(at('texts').evaluate(\"texts['t']\"))") == "then"
    assert isinstance(system.fail("past.evaluate('nothing')"), NameError)
    assert isinstance(system.fail("past.evaluate('1 +')"), SyntaxError)
    assert system.run("items, factor") == ([3, 1, 5], 0)


def test_texts_modules_and_definitions_of_the_past(system: System) -> None:
    system.run("texts.new('letter', 'Dear')", "def f(): return 'old'", "image.modules['m'] = 'x = 1\\n'", "snapshot('a')")
    system.run("texts['letter'].write(' reader')", "def f(): return 'new'", "image.modules['m'] = 'x = 2\\n'")
    assert system.run("str(at('a').texts['letter']), at('a').modules['m']") == ("Dear", "x = 1\n")
    assert "'old'" in system.run("at('a').source")
    assert "'new'" not in system.run("at('a').source")


def test_the_past_cannot_be_changed(system: System) -> None:
    system.run(PAST, "world.note = Note('old')", "from BTrees.OOBTree import OOBTree; world.tree = OOBTree(a=1)")
    system.run("snapshot('a')", "world.note.text = 'new'")
    before = system.file()
    for source in ("at('a').world.note.text = 'x'", "at('a').world.x = 1", "at('a').world.tree['b'] = 2"):
        assert "is of the past" in str(system.fail(source))
    system.run("at('a').world.note.text; at('a').evaluate('world.note')")
    assert system.file() == before
    assert system.run("at('a').world.note.text, world.note.text") == ("old", "new")


def test_reading_history_leaves_no_trace(system: System) -> None:
    system.run("x = [1]", "snapshot('a')", "x.append(2)")
    before = system.file()
    told(system)
    told(system, ref="x", all=True)
    system.run("at('a')['x']; snapshots(); at('a').world; None")
    with system.image.look():
        str(rows(system.image, Query(), 5)[0])
    assert system.file() == before


def test_an_object_of_the_past_in_a_variable_does_not_stay(system: System) -> None:
    system.run(PAST, "note = Note('old')", "snapshot('a')", "note.text = 'new'")
    (notice,) = system.notices("old = at('a')['note']")
    assert "old" in notice
    assert system.run("old.text, note.text") == ("old", "new")
    assert system.run("1") == 1


def test_a_class_that_is_gone_shows_as_broken_in_the_past(system: System) -> None:
    system.run(PAST, "note = Note('old')", "snapshot('a')", "del note", "del Note")
    (state,) = system.elsewhere("at('a')['note'].__Broken_state__")
    assert state == "{'text': 'old'}"


def test_moments_that_are_none(system: System) -> None:
    for source, why in {
        "at('no such name')": "neither the name of a snapshot nor a time",
        "at('1999-01-01').world": "begins at",
        f"at({time.time() + 1000}).world": "has not come yet",
        "at(None)": "is no time",
    }.items():
        assert why in str(system.fail(source))


def test_many_moments_can_be_open(system: System) -> None:
    for n in range(30):
        system.run(f"n = {n}", f"snapshot('s{n}')")
    assert system.run("[at(f's{n}')['n'] for n in range(30)]") == list(range(30))
    assert system.run("pasts = [at(f's{n}') for n in range(30)]; [past.world for past in pasts]; None") is None
    assert system.run("[past['n'] for past in pasts]") == list(range(30))
    system.resume()
    assert system.run("pasts[7]['n']") == 7


def test_an_event_is_a_moment(system: System) -> None:
    system.run("x = 1")
    with system.image.look():
        now = find_moment(system.image, "now")
    system.run("x = 2")
    assert system.run(f"at({now.when})['x']") == 1
    with system.image.look():
        assert isinstance(snapshots, dict) is False
        assert Snapshot.__doc__ is not None
        assert snapshot.__doc__ is not None
