"""Random programs that go back: what there is afterwards is what would be there if the rest had never been done.

The model is another image, in which only what was not taken back is done.  Both are looked at, and then used further:
so the undo of texts, the code of modules and what tasks have in their queues are compared too.
"""

from __future__ import annotations

from typing import Any

import pytest
from BTrees.check import check as check_tree
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

import piety
from piety.errors import PietyError
from piety.objects.check import check_image
from piety.objects.history import Query, rows

BEGIN = """
from persistent import Persistent
from BTrees.OOBTree import OOBTree
class Note(Persistent):
    def __init__(self, n): self.n = n; self.tags = []
class Plain:
    def __init__(self): self.held = []
def f(): return 0
def take(what): got.append(what)
x = 0; rows = [0]; same = rows; plain = Plain(); got = []
world.note = Note(0); world.tree = OOBTree(); t = texts["t"] = Text("one\\ntwo\\nthree\\n"); mark = t.mark(1, 1)
task = spawn(message, take, enabled=False)
"""
MODULE = "__state__ = ['seen']\nseen = []\nversion = {}\ndef see(): seen.append(version); return seen\n"
LOOK = (
    "x, rows, same is rows, plain.held, world.note.n, world.note.tags, sorted(world.tree), "
    "[each.n for each in world.tree.values()], f(), str(t), [*texts], (mark.line, mark.column), got, len(task.messages)"
)
# Who does it, and what.
CHANGES = [
    ("me", "x += 1"), ("me", "rows.append(x)"), ("me", "rows = [x]; same = rows"), ("me", "same = [7]"),
    ("me", "plain.held.append(rows)"), ("me", "world.note.n += 1"), ("me", "world.note.tags.append(x)"),
    ("me", "world.note = Note(x)"), ("me", "for n in range(x, x + 80): world.tree[n] = Note(n)"),
    ("me", "for n in list(world.tree)[5:60]: del world.tree[n]"), ("me", "world.tree.clear()"),
    ("me", "def f(): return x"), ("me", "def f(): return -1"), ("me", "class Note(Persistent):\n    n = 5; tags = ()"),
    ("me", f"image.modules['m'] = {MODULE.format(1)!r}"), ("me", f"image.modules['m'] = {MODULE.format(2)!r}"),
    ("me", "import m; m.see()"), ("me", "send(task, x)"), ("me", "texts['u'] = Text(str(x))"), ("me", "del texts['u']"),
    ("eve", "t.insert(0, 0, 'E')"), ("bob", "t.insert(1, 0, 'B')"), ("eve", "t.undo()"), ("bob", "t.undo()"),
    ("eve", "t.redo()"), ("eve", "t.delete((0, 0), (1, 1))"), ("me", "1 / 0"), ("me", "rows.append(9); 1 / 0"),
]  # fmt: skip
PROBES = [
    ("eve", "t.undo()"), ("bob", "t.undo()"), ("eve", "t.redo()"), ("me", "t.insert(1, 1, 'P')"), ("me", "t.undo()"),
    ("me", "import m; m.see()"), ("me", "send(task, 'probe'); [each for each in task.messages.values()] and None"),
    ("me", "rows.append(1); same.append(2)"), ("me", "world.tree[3] = Note(3)"), ("me", "f()"),
    ("me", "world.note.n, world.note.tags, Note(4).n"),
]  # fmt: skip

Op = tuple[str, str]
STEPS = st.lists(
    st.sampled_from(CHANGES).map(lambda op: ("do", op))
    | st.sampled_from(["snapshot", "back", "back", "undo", "undo turn", "resume"]).map(lambda what: (what, None)),
    max_size=25,
)


class Rolled:
    """An image with a program that goes back, and what of it was not taken back."""

    def __init__(self, image: piety.Image) -> None:
        self.image = image
        self.left: list[Op] = []
        self.before: list[Op] | None = None  # what was left before the last turn that changed something, if that is known
        self.named: dict[str, tuple[list[Op], str]] = {}

    def do(self, what: str, op: Any, data: st.DataObject) -> None:
        """One step of a program."""
        last = self.image.storage.lastTransaction()
        left = list(self.left)
        if what == "do":
            if self.image.evaluate(op[1], user=op[0]).error is None:
                self.left.append(op)
        elif what == "snapshot":
            name = f"s{len(self.named)}"
            assert self.image.evaluate(f"snapshot({name!r})").error is None
            self.named[name] = left, shown(self.image)
            return
        elif what == "back" and self.named:
            name = data.draw(st.sampled_from(sorted(self.named)))
            assert self.image.roll_back(name).notices == []
            self.left = list(self.named[name][0])
        elif what == "undo" and self.before is not None:
            self.image.undo()
            self.left, self.before = list(self.before), left
            return
        elif what == "undo turn":
            self._try_to_undo(data)
            return
        if self.image.storage.lastTransaction() != last:
            self.before = left

    def _try_to_undo(self, data: st.DataObject) -> None:
        """One that is refused changes nothing; another one leaves a sound image, of which no model knows more."""
        with self.image.look():
            tids = [row.tid for row in rows(self.image, Query(), 0)][1:-2]
        if not tids:
            return
        look = shown(self.image)
        try:
            self.image.undo(data.draw(st.sampled_from(tids)))
        except PietyError:
            assert shown(self.image) == look
        else:
            assert sound(self.image)
            self.image.undo()  # redo
            assert shown(self.image) == look
            self.before = None


def shown(image: piety.Image) -> str:
    """What looking at everything shows."""
    outcome = image.evaluate(LOOK)
    return image.show(outcome.value) if outcome.error is None else repr(outcome.error)


def sound(image: piety.Image) -> bool:
    """Whether nothing is broken."""
    with image.look() as world:
        if (tree := getattr(world, "tree", None)) is not None:  # the very first turn can be undone too
            check_tree(tree)
    return list(check_image(image)) == []


def resumed(image: piety.Image) -> piety.Image:
    home = image.home
    image.close()
    return piety.open(home)


def begin(folder: pytest.TempPathFactory) -> piety.Image:
    image = piety.open(folder.mktemp("model") / "home", create=True)
    assert image.evaluate(BEGIN, user="me").error is None
    return image


def replayed(image: piety.Image, ops: list[Op]) -> list[str]:
    """Do all of it, in an image that never went back; what it shows then, and after each of the probes."""
    for user, source in ops:
        outcome = image.evaluate(source, user=user)
        assert outcome.error is None, (source, outcome.traceback)
    return probed(image)


def probed(image: piety.Image) -> list[str]:
    """What it shows, and after each of the probes, and after a stop."""
    told = [shown(image)]
    for user, source in PROBES:
        outcome = image.evaluate(source, user=user)
        told.append(f"{source}: {image.show(outcome.value)} {type(outcome.error).__name__} {shown(image)}")
    return told


@given(STEPS, st.data())
@hypothesis_settings(max_examples=30, deadline=None)
def test_going_back_is_as_if_the_rest_had_not_been_done(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, Any]], data: st.DataObject
) -> None:
    image = begin(tmp_path_factory)
    try:
        rolled = Rolled(image)
        for what, op in steps:
            if what == "resume":
                image = rolled.image = resumed(image)
            else:
                rolled.do(what, op, data)
        assert sound(image)
        for name, (_left, look) in rolled.named.items():
            then = image.evaluate(f"at({name!r})['x'], at({name!r})['rows'], str(at({name!r}).texts['t'])")
            assert then.error is None
            assert look.startswith(f"({then.value[0]!r}, {then.value[1]!r}, ")
            assert repr(then.value[2]) in look
        told = probed(image)
        left = rolled.left
    finally:
        image.close()
    model = begin(tmp_path_factory)
    try:
        assert told == replayed(model, left)
    finally:
        model.close()
