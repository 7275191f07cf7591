"""Who refers to whom, in both directions, and what takes how much room."""

from __future__ import annotations

import pytest
from conftest import System

import piety

BEGIN = """
from persistent import Persistent
from BTrees.OOBTree import OOBTree
class Note(Persistent):
    def __init__(self, title): self.title, self.friends = title, []
class Letter(Note): pass
world.notes = [Note('a'), Letter('b')]; a, b = world.notes
a.friends.append(b)
tree = OOBTree({n: Note(str(n)) for n in range(500)}); world.tree = tree; deep = tree[250]
"""


@pytest.fixture
def begun(system: System) -> System:
    system.run(BEGIN)
    return system


def test_who_points_at(begun: System) -> None:
    """The objects that refer to it; for a node of a BTree, the tree."""
    assert (
        begun.run("[each is world or each is a or type(each).__name__ for each in who_points_at(b)].count(True)") == 2
    )
    assert "<variable deep>" in begun.run("list(map(repr, who_points_at(deep)))")
    assert begun.run("tree in who_points_at(deep), len(who_points_at(deep))") == (True, 2)
    assert begun.run("who_points_at(tree[3]) == [tree]")
    assert begun.run("a.friends.clear(); [each is a for each in who_points_at(b)]").count(True) == 0


def test_path_to(begun: System) -> None:
    """As it would be written at the shell; the shortest way, and over the entries only where there is no other."""
    assert begun.run("path_to(b), path_to(a.friends[0])") == ("b", "b")  # a variable is a shorter way than world.notes[1]
    assert begun.run("del a, b; path_to(world.notes[0])") == "world.notes[0]"
    assert begun.run("path_to(world.tree[3])") == "tree[3]"
    assert begun.run("path_to(world)") == "world"
    assert begun.run("c = Note('c'); keep(c); del c; path_to(find(title='c').first)") is not None
    assert "entries" in begun.run("path_to(find(title='c').first)")
    begun.run("x = world.notes.pop(); y = [x]; del x")
    assert begun.run("path_to(y[0])") in ("y[0]", "world.notes[0].friends[0]")
    begun.run("forget(find(title='c').first); z = image.connection.get")
    assert begun.run("lone = world.tree.pop(3); o = lone._p_oid; del lone; path_to(z(o))") is None


def test_instances_are_those_of_subclasses_too(begun: System) -> None:
    assert begun.run("len(instances(Note)), len(instances('letter')), instances(Letter)[0] is world.notes[1]") == (
        502,
        1,
        True,
    )
    assert begun.run("n = Note('new'); world.new = n; len(instances(Note)), instances(Note)")[0] == 503
    assert begun.run("len(instances('nothing'))") == 0


def test_linked(begun: System) -> None:
    """What its facts name, and whose facts name it."""
    begun.run("keep(a, author=b); keep([1], about=a)")
    assert begun.run("linked(b) == [a], b in linked(a), [1] in linked(a), len(linked(a))") == (True, True, True, 2)


def test_sizes_and_what_came_since(begun: System) -> None:
    before = begun.image.storage.lastTransaction()
    by_kind = {row["kind"]: row for row in begun.run("sizes()")}
    assert by_kind["workspace.Note"]["objects"] == 501
    assert begun.run("sizes(image.storage.lastTransaction())").rows == []
    begun.run("world.more = [Note('x' * 1000) for _ in range(10)]")
    with begun.image.look():
        from piety.objects.references import sizes

        rows = {row["kind"]: row for row in sizes(before)}
    assert rows["workspace.Note"]["more_objects"] == 10
    assert rows["workspace.Note"]["more_bytes"] > 10_000


def test_what_has_no_place(begun: System) -> None:
    """One clear line."""
    for source, said in {"who_points_at([1])": "a plain list", "path_to(Note('x'))": "not stored yet"}.items():
        error = begun.fail(source)
        assert isinstance(error, piety.PietyError)
        assert said in str(error)
