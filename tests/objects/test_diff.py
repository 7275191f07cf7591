"""What is different between two moments, and of one thing; bringing back what it was."""

from __future__ import annotations

import pytest
from BTrees.check import check
from conftest import System

from piety.errors import PietyError
from piety.objects.check import check_image
from piety.objects.diff import Diff

NOTES = """
from persistent import Persistent
from BTrees.OOBTree import OOBTree
from BTrees.IOBTree import IOBTree
class Note(Persistent):
    def __init__(self, title):
        self.title = title
        self.tags = []
    def __repr__(self): raise SystemExit
"""


def told(found: Diff) -> list[str]:
    return repr(found).splitlines()


@pytest.fixture
def noted(system: System) -> System:
    """An image with some of everything, and a snapshot "then"."""
    system.run(NOTES, "x = 1; rows = [1, 2]; def_ = 3", "def f(a):\n    return a + 1\n")
    system.run("world.note = Note('first'); world.tree = IOBTree(); texts['letter'] = Text('one\\ntwo\\n')")
    system.run("for n in range(500): world.tree[n] = Note(str(n))")
    system.image.modules["m"] = "a = 1\nb = 2\n"
    system.run("snapshot('then')")
    return system


# -- two moments


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        ("x = 2", ["~ x: 1 -> 2"]),
        ("y = 'new'", ["+ y = 'new'"]),
        ("del x", ["- x = 1"]),
        ("rows.append(3)", ["~ rows", "    + [2]: 3"]),
        ("other = rows", ["+ other = [1, 2]"]),
        ("def f(a):\n    return a + 2\n", ["~ f (code)", "    @@ -1,2 +1,2 @@", "     def f(a):", "    -    return a + 1",
                                          "    +    return a + 2"]),
        ("del f", ["- f (code)", "    @@ -1,2 +0,0 @@", "    -def f(a):", "    -    return a + 1"]),
        ("world.note.title = 'second'", ["~ world.note", "    .title: 'first' -> 'second'"]),
        ("world.note.tags.append(7)", ["~ world.note", "    + .tags[0]: 7"]),
        ("world.extra = 5", ["~ world", "    + .extra: 5"]),
        ("texts['letter'].insert(1, 0, 'and ')", ["~ text 'letter'", "    @@ -1,2 +1,2 @@", "     one", "    -two",
                                                  "    +and two"]),
        ("del texts['letter']", ["- text 'letter'", "    @@ -1,2 +0,0 @@", "    -one", "    -two"]),
        ("texts['new'] = Text('a\\n')", ["+ text 'new'", "    @@ -0,0 +1,1 @@", "    +a"]),
        ("del world.tree[3]", ["~ world.tree", "    - [3]: Note *"]),
        ("world.tree[77] = 5; world.tree[-1] = 6", ["~ world.tree", "    + [-1]: 6", "    [77]: Note * -> 5"]),
        ("world.tree[77].title = 'changed'", ["~ Note *", "    .title: '77' -> 'changed'"]),
        ("image.modules['m'] = 'a = 1\\nb = 3\\n'", ["~ module m", "    ~ the rest", "    @@ -1,2 +1,2 @@", "     a = 1",
                                                     "    -b = 2", "    +b = 3"]),
        ("x = 2; x = 1; rows = [1, 2]", ["no difference"]),
        ("texts['letter'].insert(0, 0, 'a'); texts['letter'].delete((0, 0), (0, 1))", ["no difference"]),
        ("world.small = OOBTree({1: 2})", ["~ world", "    + .small: OOBTree *"]),
    ],
)  # fmt: skip
def test_what_a_turn_has_changed(noted: System, source: str, lines: list[str]) -> None:
    """And the other way round, it is the opposite."""
    noted.run(source)
    found = told(noted.image.diff("then"))
    assert len(found) == len(lines)
    for line, expected in zip(found, lines, strict=True):
        if "*" in expected:
            before, _, after = expected.partition("*")
            assert line.startswith(before), found
            assert line.endswith(after), found
        else:
            assert line == expected, found
    noted.run("snapshot('now')")
    signs = {"+": "-", "-": "+", "~": "~"}
    there, back = noted.image.diff("then", "now"), noted.image.diff("now", "then")
    assert [(signs[each.sign], each.what) for each in there] == [(each.sign, each.what) for each in back]


def test_a_tree_that_grows_is_told_by_its_keys(noted: System) -> None:
    """Its nodes are split, and other keys move: nothing is said of these."""
    noted.run("for n in range(1000, 1400): world.tree[n] = n", "for n in range(100, 130): del world.tree[n]")
    (found,) = (each for each in noted.image.diff("then") if each.what == "world.tree")
    signs = [line.partition(":")[0] for line in found.lines]
    assert signs == [f"- [{n}]" for n in range(100, 130)] + [f"+ [{n}]" for n in range(1000, 1400)]


def test_a_small_tree_that_becomes_a_large_one(noted: System) -> None:
    noted.run("world.small = OOBTree({1: 2})", "snapshot('small')", "for n in range(200): world.small[n] = n")
    (found,) = (each for each in noted.image.diff("small") if each.what == "world.small")
    assert (len(found.lines), found.lines[1]) == (200, "[1]: 2 -> 1")


def test_what_was_rolled_back_is_no_difference(noted: System) -> None:
    noted.run("x = 2; world.note.title = 'other'", "world.tree.clear()")
    noted.image.roll_back("then")
    assert told(noted.image.diff("then")) == ["no difference"]


def test_a_class_that_is_gone_is_told_as_broken(noted: System) -> None:
    noted.image.modules["kinds"] = "from persistent import Persistent\nclass Odd(Persistent):\n    n = 1\n"
    noted.run("import kinds; world.odd = kinds.Odd()", "snapshot('odd')", "world.odd.n = 2", "del kinds")
    del noted.image.modules["kinds"]
    noted.resume()
    found = told(noted.image.diff("odd"))
    assert "~ world.odd" in found
    assert "    + .n: 2" in found


def test_large_values_are_clipped_and_can_be_seen_whole(noted: System) -> None:
    noted.run("x = 'a' * 5000", "rows = list(range(500))")
    found = noted.image.diff("then")
    assert len(repr(found)) < 20_000
    with noted.image.look():
        assert "a" * 5000 in found.full
        assert "more" not in found.full
    assert "lines more" in repr(found)


def test_looking_writes_nothing(noted: System) -> None:
    noted.run("x = 2; world.tree[3] = 4; world.note.title = 'b'")
    before = noted.file()
    assert len(noted.image.diff("then")) == 3
    assert noted.file() == before


# -- one thing


def test_of_one_thing_only(noted: System) -> None:
    noted.run("x = 2; world.note.title = 'b'; world.tree[3] = 4; texts['letter'].insert(0, 0, 'A')")
    assert noted.show("diff('x', 'then')") == "~ x: 1 -> 2"
    assert noted.show("diff(world.note, 'then')").splitlines() == ["~ world.note", "    .title: 'first' -> 'b'"]
    assert noted.show("diff(world.tree, 'then')").splitlines()[0] == "~ world.tree"
    assert noted.show("diff(texts['letter'], 'then')").splitlines()[-3:] == ["    -one", "    +Aone", "     two"]
    assert noted.show("diff(f, 'then')") == "no difference"
    assert noted.show("diff(rows, 'then')") == "no difference"


def test_what_the_turn_that_runs_has_done_counts(noted: System) -> None:
    shown = noted.show("rows.append(9); world.note.title = 'now'\n[repr(diff(rows, 'then')), repr(diff(world.note, 'then'))]")
    assert "+ [2]: 9" in shown
    assert "'first' -> 'now'" in shown
    assert noted.run("rows") == [1, 2, 9]


def test_history_has_each_turn_that_changed_a_thing(noted: System) -> None:
    noted.run("x = 2", "world.note.title = 'b'", "x = 3", "del x", "world.tree[3] = 0", "x = 4")
    noted.run("def f(a):\n    return a + 3\n", "image.modules['m'] = 'a = 7\\n'")
    for n in range(200):  # the table of the variables is split into buckets
        noted.run(f"variable_{n} = {n}")
    first = "x = 1; rows = [1, 2]; def_ = 3"
    assert [row.what for row in noted.run("history('x')")] == ["x = 4", "del x", "x = 3", "x = 2", first]
    assert next(row.what for row in noted.run("history(world.note)")) == "world.note.title = 'b'"
    assert [row.what for row in noted.run("history(f)")] == ["def f(a): ...", "def f(a): ..."]
    assert next(row.what for row in noted.run("history(world.tree)")) == "world.tree[3] = 0"
    assert next(row.what for row in noted.run("history('m')")) == "image.modules['m'] = 'a = 7\\n'"
    assert noted.run("[row.past['x'] for row in history('x') if row.what != 'del x']") == [4, 3, 2, 1]


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("3", "this int is plain, and no variable holds it; say what does, or its name"),
        ("Note('new')", "this Note was made in the turn that runs, and has no history yet"),
        ("'nobody'", "'nobody' gives no object (NameError: name 'nobody' is not defined)"),
        ("'0xffff'", "there is no object 0xffff"),
    ],
)
@pytest.mark.parametrize("call", ["history({})", "diff({}, 'then')", "revert({}, 'then')"])
def test_what_has_no_history_is_told(noted: System, what: str, message: str, call: str) -> None:
    assert str(noted.fail(call.format(what))) == message


# -- bringing back what it was


def test_a_thing_is_brought_back_and_nothing_else(noted: System) -> None:
    noted.run("x = 2; rows.append(3); world.note.tags.append(1); world.note.title = 'b'; texts['letter'].insert(0, 0, 'A')")
    noted.run("def f(a):\n    return a + 2\n", "image.modules['m'] = 'a = 5\\n'", "import m")
    assert noted.show("revert(rows, 'then')").splitlines() == ["~ rows", "    - [2]: 3"]
    assert noted.run("revert(f, 'then'); revert('m', 'then'); revert(world.note, 'then'); f(1), m.b") == (2, 2)
    assert noted.run("rows, x, world.note.title, world.note.tags") == ([1, 2], 2, "first", [])
    assert noted.run("str(texts['letter'])") == "Aone\ntwo\n"
    noted.run("revert(texts['letter'], 'then')")
    assert noted.run("str(texts['letter'])") == "one\ntwo\n"
    noted.run("texts['letter'].undo()")
    assert noted.run("str(texts['letter'])") == "Aone\ntwo\n"
    assert noted.elsewhere("rows, f(1), world.note.title") == ["([1, 2], 2, 'first')"]
    assert list(check_image(noted.image)) == []


def test_a_tree_is_brought_back_with_all_its_nodes(noted: System) -> None:
    noted.run("for n in range(500, 2000): world.tree[n] = n", "for n in range(0, 400): del world.tree[n]")
    noted.run("revert(world.tree, 'then')")
    assert noted.run("list(world.tree) == list(range(500)), world.tree[3].title") == (True, "3")
    check(noted.run("world.tree"))
    assert list(check_image(noted.image)) == []
    assert noted.elsewhere("list(world.tree) == list(range(500))") == ["True"]


def test_a_tree_that_an_object_holds_goes_with_it(noted: System) -> None:
    noted.run("world.note.pages = OOBTree({1: 'a'})", "snapshot('paged')")
    noted.run("for n in range(300): world.note.pages[n] = n", "world.note.title = 'long'")
    noted.run("revert(world.note, 'paged')")
    assert noted.run("dict(world.note.pages), world.note.title") == ({1: "a"}, "first")
    check(noted.run("world.note.pages"))


def test_previewing_changes_nothing(noted: System) -> None:
    noted.run("rows.append(3); world.note.title = 'b'")
    before = noted.file()
    with noted.image.look():
        assert noted.image.run_source("repr(revert(rows, 'then', dry_run=True))").splitlines()[0] == "~ rows"
    assert noted.file() == before
    assert noted.run("revert(world.note, 'then', dry_run=True); world.note.title") == "b"


def test_a_turn_that_fails_brings_nothing_back(noted: System) -> None:
    noted.run("rows.append(3); world.note.title = 'b'; world.tree[3] = 4")
    noted.fail("revert(rows, 'then'); revert(world.note, 'then'); revert(world.tree, 'then'); 1 / 0")
    assert noted.run("rows, world.note.title, world.tree[3]") == ([1, 2, 3], "b", 4)


@pytest.mark.parametrize(
    ("made", "what", "reason"),
    [
        ("y = 1", "'y'", "variable y was not there at 'then' of *; to be without it: del y"),
        ("def g(): pass", "g", "definition g was not there at 'then' of *; to be without it: del g"),
        ("world.new = Note('new')", "world.new", "object * was not there at 'then' of *"),
        ("image.modules['p'] = ''", "'p'", "module p was not there at 'then' of *; to be without it: del image.modules['p']"),
    ],
)
def test_what_was_not_there_is_told(noted: System, made: str, what: str, reason: str) -> None:
    noted.run(made)
    error = str(noted.fail(f"revert({what}, 'then')"))
    place = 0
    for part in reason.split("*"):
        assert part in error[place:], error
        place = error.index(part, place) + len(part)


def test_what_refers_to_a_class_that_is_gone_is_refused(noted: System) -> None:
    noted.image.modules["kinds"] = "class Plain:\n    pass\n"
    noted.run("import kinds; world.note.held = kinds.Plain()", "snapshot('held')", "world.note.held = None; del kinds")
    del noted.image.modules["kinds"]
    noted.resume()
    error = noted.fail("revert(world.note, 'held')")
    assert isinstance(error, PietyError)
    assert "held, a kinds.Plain then, which cannot be found" in str(error)
    assert noted.run("world.note.held") is None
