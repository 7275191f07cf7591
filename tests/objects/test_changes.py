"""Persistent objects: what changes in place inside of them is found, and reading them writes nothing."""

from __future__ import annotations

import pytest

from piety.objects.changes import is_immutable, never_changes
from tests.conftest import SEEDS, System

MADE = """
from BTrees.IOBTree import IOBTree
from BTrees.LOBTree import LOBTree
from BTrees.OOBTree import OOBTree, OOTreeSet
from persistent import Persistent
from persistent.list import PersistentList
from persistent.mapping import PersistentMapping

class Plain:
    def __init__(self): self.x = []

class Slots:
    __slots__ = ('x',)

class Note(Persistent):
    def __init__(self, *tags):
        self.tags = set(tags)
        self.deep = {'k': [{'j': bytearray(b'x')}]}
        self.plain = Plain()
        self.slots = Slots(); self.slots.x = []
        self.pair = (1, [2])
        self.twice = [[0]] * 2

class Own(Persistent):
    def __init__(self): self.items = []
    def __getstate__(self): return tuple(self.items)
    def __setstate__(self, state): self.items = list(state)

adam = world.adam = Note('a', 'b', 'c', 'd')
eve = world.eve = Note('e')
world.own = Own()
world.tree = OOBTree({'a': [1], 'b': {'x': []}})
world.big = IOBTree({i: [i] for i in range(500)})
world.nested = OOBTree(a=OOBTree())
world.nested['a'] = OOBTree({'b': [1]})
world.map = PersistentMapping(a=[1], n=PersistentMapping(b={'c': 1}))
world.list = PersistentList([[1], {'k': 2}])
world.plain = {'x': [1], 'set': {'p', 'q', 'r'}}
world.sets = {frozenset('abc'), frozenset('xyz')}
world.notes = [Note(), (Note(), {'k': Note()})]
"""

CHANGES = [
    ("adam.tags.add('t')", "'t' in adam.tags"),
    ("world.adam.tags.discard('a')", "'a' not in world.adam.tags"),
    ("adam.deep['k'][0]['j'].append(65)", "adam.deep == {'k': [{'j': bytearray(b'xA')}]}"),
    ("adam.plain.x.append(1)", "adam.plain.x == [1]"),
    ("adam.plain.new = []", "adam.plain.new == []"),
    ("del adam.plain.x", "not hasattr(adam.plain, 'x')"),
    ("adam.slots.x.append(1)", "adam.slots.x == [1]"),
    ("adam.slots.x = 5", "adam.slots.x == 5"),
    ("adam.pair[1].append(3)", "adam.pair == (1, [2, 3])"),
    ("adam.twice[1] = [0]", "adam.twice[0] is not adam.twice[1]"),
    ("adam.twice[1].append(5)", "adam.twice == [[0, 5], [0, 5]] and adam.twice[0] is adam.twice[1]"),
    ("adam.plain.__class__ = type(adam.slots).__mro__[-1].__class__ and Other", "type(adam.plain) is Other"),
    ("adam.plain.x = adam.tags", "adam.plain.x is adam.tags"),
    ("world.own.items.append(5)", "world.own.items == [5]"),
    ("world.tree['a'].append(2)", "world.tree['a'] == [1, 2]"),
    ("world.tree['b']['x'].append(2)", "world.tree['b'] == {'x': [2]}"),
    ("world.big[250].append('x')", "world.big[250] == [250, 'x']"),
    ("[value.append('y') for value in world.big.values()]", "all(value[-1] == 'y' for value in world.big.values())"),
    ("world.nested['a']['b'].append(2)", "world.nested['a']['b'] == [1, 2]"),
    ("world.map['a'].append(2)", "world.map['a'] == [1, 2]"),
    ("world.map['n']['b']['d'] = 2", "world.map['n']['b'] == {'c': 1, 'd': 2}"),
    ("world.list[0].append(2); world.list[1]['j'] = 3", "list(world.list) == [[1, 2], {'k': 2, 'j': 3}]"),
    ("world.plain['x'].append(2)", "world.plain['x'] == [1, 2]"),
    ("world.plain['set'].add('s')", "world.plain['set'] == set('pqrs')"),
    ("world.sets.add(frozenset('k'))", "len(world.sets) == 3"),
    ("world.notes.append(Note('n'))", "world.notes[2].tags == {'n'}"),
    ("world.notes[1][1]['k'].tags.add('n')", "world.notes[1][1]['k'].tags == {'n'}"),
    ("world.notes[1][1]['new'] = world.adam", "world.notes[1][1]['new'] is adam"),
    ("world.new = []; world.new.append(1)", "world.new == [1]"),
    ("adam.friend = eve; adam.friend.tags.add('f')", "'f' in world.eve.tags and adam.friend is eve"),
]


@pytest.fixture
def made(system: System) -> System:
    """An image with persistent objects of many kinds, resumed."""
    system.run(MADE, "class Other: pass")
    system.resume()
    return system


@pytest.mark.parametrize(("change", "fact"), CHANGES)
@pytest.mark.parametrize(
    "way", ["evaluate", "turn", "loaded before", "shown before", "after a failure", "as the second change"]
)
def test_a_change_in_place_is_not_lost(made: System, change: str, fact: str, way: str) -> None:
    """However deep it lies, and whatever was done with the object before."""
    if way == "loaded before":
        made.run(
            "adam.tags, adam.deep, world.own.items, list(world.tree.values()), list(world.big.values()), world.plain"
        )
    if way == "shown before":
        made.image.show(made.image.evaluate("world.adam.tags, world.tree['a']", show=True).value)
    if way == "after a failure":
        made.fail(f"{change}\n1 / 0")
        assert made.image.evaluate(fact).value is not True
    if way == "as the second change":
        made.run(
            "adam.tags.add('z'); adam.tags.discard('z'); adam.z = 1; world.plain['z'] = 1; world.list.append(0); world.list.pop()"
        )
        made.run("del adam.z, world.plain['z']")
    if way == "turn":
        made.run(f"def change():\n    global adam, eve\n    {change}")
        function = made.run("change")
        made.run("import math")
        with made.image.turn("change"):
            function()
    else:
        made.run(change)
    assert made.run(fact)
    assert made.elsewhere(f"bool({fact})") == ["True"]


def test_reading_writes_nothing(made: System) -> None:
    """Whatever is read, in whichever process, the file stays as it is."""
    system = made
    system.run(
        "adam.tags |= set('wxyz'); adam.nan = [float('nan')]; adam.words = ['he' + 'llo', ''.join(['hel', 'lo'])]; adam.keys = {Plain(): 1}"
    )
    looks = ["str([vars(each) for each in (adam, eve)])", "list(world.tree.items()), list(world.big.items())", "sorted(adam.tags), adam.tags",
             "world.map['n']['b'], list(world.list)", "str(world.notes)", "world.plain, world.sets", "world.own.items", "adam.plain.x",
             "import copy\ncopied = None\ndef look(): return copy.deepcopy(world.plain) == world.plain"]  # fmt: skip
    system.run(*looks)
    file = system.file()
    system.run(*looks, "look()")
    with system.image.turn("reads") as world:
        assert world.adam.tags
    system.fail("adam.tags.add('bad'); 1 / 0")
    system.run(*looks)
    system.resume()
    system.run(*looks)
    for seed in SEEDS:
        system.elsewhere(*looks, "look()", seed=seed)
    assert system.file() == file


def test_a_change_that_is_taken_back_writes_nothing(made: System) -> None:
    """It is the value that counts."""
    file = made.file()
    made.run("adam.tags.add('z'); adam.tags.remove('z')", "world.plain['x'].append(1); world.plain['x'].pop()")
    assert made.file() == file


def test_only_what_changed_is_written(made: System) -> None:
    """One bucket of a tree, one note of many."""
    made.run("world.big[250].append('x')")
    assert len(made.image._turns.changes.records) == 1


@pytest.mark.parametrize(
    ("source", "paths"),
    [
        ("x = [1]; adam.x = eve.y = x; del x", (".x", ".y")),
        ("adam.x = {'k': [[1]]}; eve.x = (0, adam.x['k'][0])", (".x['k'][0]", ".x[1]")),
        ("adam.plain = eve.plain", (".plain", ".plain")),
        ("world.tree['new'] = adam.tags", (".tags", "['new']")),
        ("world.list.append(world.plain)", (".plain", "PersistentList")),
        ("mine = adam.tags", (".tags", "mine")),
        ("mine = []; adam.x = mine", (".x", "mine")),
        ("from collections import deque\nadam.x = eve.x = deque()", (".x", ".x")),
        ("class S:\n    __slots__ = ()\nadam.x = eve.x = S()", (".x", ".x")),
    ],
)
def test_a_plain_mutable_in_two_records_is_reported_with_both_paths(
    made: System, source: str, paths: tuple[str, str]
) -> None:
    """Once; it would come back as two."""
    (notice,) = made.notices(source)
    assert "are the same" in notice
    for path in paths:
        assert path in notice
    assert made.notices("adam.tags, eve.tags, world.tree['a'], world.list[0], world.plain, adam.plain") == []


@pytest.mark.parametrize(
    "source",
    [
        "adam.x = eve.x = 'text'; adam.y = eve.y = (1, ('a',))",
        "adam.x = eve.x = frozenset({1})",
        "import datetime, decimal\nadam.x = eve.x = [datetime.date(2020, 1, 1), decimal.Decimal(1)][0]",
        "from pathlib import Path\nadam.x = eve.x = Path('/tmp')",
        "import enum\nclass Color(enum.Enum):\n    RED = 1\nadam.x = [Color.RED]; eve.x = [Color.RED]; c = [Color.RED]",
        "adam.x = [eve]; eve.x = [eve]; n = [eve]",
        "adam.x = [Note, len, print]; eve.x = [Note, len, print]",
        "import json\nadam.x = [json]; eve.x = [json]",
        "adam.x = [10**30]; eve.x = adam.x[:]",
        "import re\np = re.compile('a')\nadam.x = [p]; eve.x = [p]",
    ],
)
def test_what_cannot_be_changed_may_stand_in_two_records(made: System, source: str) -> None:
    """Nobody can tell whether it is one or two."""
    assert made.notices(source) == []


def test_what_stands_in_two_records_is_one_until_the_stop(made: System) -> None:
    """And no change to it is lost, from whichever side it comes."""
    made.run("adam.x = eve.x = mine = [1]")
    made.run("adam.x.append(2)", "y = 1", "eve.x.append(3)", "adam.tags", "mine.append(4)", "world.plain")
    assert made.run("adam.x is eve.x is mine") is True
    assert made.elsewhere("adam.x, eve.x, mine") == ["([1, 2, 3, 4], [1, 2, 3, 4], [1, 2, 3, 4])"]


def test_an_object_that_cannot_be_pickled_does_not_stop_its_note(made: System) -> None:
    """Its own code fails; the rest is written, also what is nested deep."""
    made.run(
        "class Bad:\n    def __iter__(self): raise ValueError\n    def __reduce__(self): return list, (), None, iter(self.fail())\n"
        "    def fail(self):\n        yield 1\n        raise ValueError('no')"
    )
    (notice,) = made.notices("adam.bad = Bad(); adam.good = [1]")
    assert "Note" in notice
    assert made.notices("deep = []\nfor _ in range(10_000): deep = [deep]\nadam.deeper = deep; del deep, _") == []
    made.run("adam.good.append(2)")
    assert made.run("type(adam.bad).__name__, adam.good, len(adam.deeper)") == ("Bad", [1, 2], 1)
    assert made.elsewhere("adam.good, type(adam.bad).__name__, type(adam.deeper).__name__") == [
        "([1, 2], 'Lost', 'list')"
    ]


def test_a_class_of_a_module_in_the_image_is_found_from_the_world(system: System) -> None:
    """The world holds such objects directly, and is read first of all."""
    system.image.modules["things"] = "from persistent import Persistent\nclass Thing(Persistent):\n    n = 1\n"
    system.run("import things", "world.thing = things.Thing(); world.thing.x = [1]")
    assert system.elsewhere("world.thing.x, world.thing.n, type(world.thing).__module__") == ["([1], 1, 'things')"]


@pytest.mark.parametrize("place", ["x", "world.x"])
def test_code_that_ends_the_process_cannot_stop_the_undoing(system: System, place: str) -> None:
    """What is asked how it is pickled may raise anything; the turn is undone all the same."""
    system.run(
        "from persistent import Persistent\nclass Box(Persistent): pass\n"
        "class Bomb:\n    armed = False\n    def __reduce__(self):\n        if Bomb.armed: raise SystemExit(7)\n"
        "        return Bomb, ()",
        f"{place} = Box(); {place}.items = [Bomb(), []]; y = [Bomb(), []]",
    )
    error = system.fail(f"{place}.items[1].append(1); y[1].append(1); Bomb.armed = True; 1 / 0")
    assert isinstance(error, ZeroDivisionError)
    assert system.run(f"{place}.items[1], y[1], Bomb.armed") == ([], [], False)


def test_values_of_a_class_that_never_changes_may_stand_in_two_records() -> None:
    """Each record gets a dictionary of its own: else that were found in two."""

    @never_changes
    class Value:
        def __init__(self) -> None:
            self.x = 1

    value = Value()
    assert value.__getstate__() == vars(value)
    assert value.__getstate__() is not vars(value)
    assert is_immutable(value)


def test_a_path_that_cannot_be_told_fails_no_turn(system: System) -> None:
    """A key's repr fails, and so does what its error says: the turn is on disk by then, so it is done."""
    system.run(
        "from persistent import Persistent\nclass Note(Persistent): pass\n"
        "class Sullen(Exception):\n    def __str__(self): raise self\n"
        "class Key:\n    def __repr__(self): raise Sullen",
    )
    notices = system.notices("l = []; world.table = {Key(): [l]}; world.note = Note(); world.note.l = l; del l")
    assert notices == [
        "there is more to be said of this turn, but looking failed with Sullen: its text fails with Sullen"
    ]
    assert system.elsewhere("world.note.l") == ["[]"]
