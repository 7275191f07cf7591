"""Random programs, run in an image and in plain Python, with stops between the steps: both must agree.

The model is a dictionary in which plain Python executes the same sources; a source that fails is undone by going back
to a deep copy.  After every step the two must hold equal values, shared in the same places (`tests/shapes.py`), and
looking must not have written anything.
"""

from __future__ import annotations

import copy
import shutil
import tempfile
import types
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import piety

NAMES = ("a", "b", "c", "d")

DEFINITIONS = """
class Thing:
    def __init__(self, x):
        self.x = x
    def __hash__(self):
        return 7
    def __eq__(self, other):
        return isinstance(other, Thing)

class Slotted:
    __slots__ = ("x", "__dict__")
    def __init__(self, x):
        self.x = x

class Bag(list):
    pass

def push(place, value):
    if isinstance(place, list):
        place.append(value)
    elif isinstance(place, dict):
        place[value if isinstance(value, str) else len(place)] = value
    elif isinstance(place, set):
        place.add(value)
    elif isinstance(place, bytearray):
        place.append(65)
    elif isinstance(place, tuple):
        push(place[-1], value)
    else:
        place.x = value

def inner(place, depth):
    while depth:
        depth -= 1
        if isinstance(place, (list, tuple)) and place:
            place = place[depth % len(place)]
        elif isinstance(place, dict) and place:
            place = list(place.values())[depth % len(place)]
        elif hasattr(place, "x"):
            place = place.x
        else:
            break
    return place

def clear(place):
    if isinstance(place, (list, dict, set, bytearray)):
        place.clear()
    else:
        del place.x

def set_a(value):
    global a
    a = value

def delete_b():
    global b
    del b

def share(value):
    global c, d
    c, d = [value], {"k": value}

def read():
    return a, b
"""

PERSISTENT = (
    "class Box({base}):\n    pass\nworld.box = Box()\nworld.box.v = []\nworld.other = Box()\nworld.other.v = {{}}"
)

name = st.sampled_from(NAMES)
atom = st.sampled_from(
    ("0", "1", "True", "-1", "2.5", "-0.0", "float('nan')", "'x'", "'yy' * 2", "'k'", "None", "b'z'", "10**30", "(1, 't')",
     "frozenset({'p', 'q', 'r'})", "{'s', 't', 'u', 1, 1.5}", "bytearray(b'by')", "[]", "{}", "set()", "()")
)  # fmt: skip


def _expressions(leaves: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.recursive(
        leaves,
        lambda inside: st.one_of(
            st.lists(inside, max_size=3).map(lambda each: f"[{', '.join(each)}]"),
            st.tuples(inside, inside).map(lambda each: f"{{'k': {each[0]}, 2: {each[1]}}}"),
            st.tuples(inside, inside).map(lambda each: f"({each[0]}, {each[1]})"),
            inside.map(lambda each: f"Thing({each})"),
            inside.map(lambda each: f"Slotted({each})"),
            inside.map(lambda each: f"Bag([{each}])"),
            inside.map(lambda each: f"[{each}] * 2"),
            inside.map(lambda each: f"(lambda v: [v, (v, {{1: v}})])({each})"),
        ),
        max_leaves=4,
    )


plain = _expressions(atom)
expression = _expressions(st.one_of(atom, name, name))
place = st.one_of(name, st.tuples(name, st.integers(1, 4)).map(lambda each: f"inner({each[0]}, {each[1]})"))
box = st.sampled_from(("world.box", "world.other"))


def _format(text: str, *holes: st.SearchStrategy[Any]) -> st.SearchStrategy[str]:
    return st.tuples(*holes).map(lambda each: text.format(*each))


statement = st.one_of(
    _format("{} = {}", name, expression),
    _format("{} = {}", name, expression),
    _format("{} = {} = {}", name, name, expression),
    _format("{0}, {1} = {1}, {0}", name, name),
    _format("{} = {}", name, place),
    _format("{} = {}", name, name),
    _format("del {}", name),
    _format("{} += {}", name, expression),
    _format("{} += [1]", name),
    _format("push({}, {})", place, expression),
    _format("push({}, {})", place, expression),
    _format("push({}, {})", place, place),
    _format("clear({})", place),
    _format("{}[0] = {}", place, expression),
    _format("{}['k'] = {}", place, expression),
    _format("{}.x = {}", place, expression),
    _format("{}.y = {}", place, expression),
    _format("set_a({})", expression),
    _format("delete_b()"),
    _format("share({})", expression),
    _format("read()"),
    _format("print({})", name),
    _format("{}", expression),
    _format("{}.v = {}", box, plain),
    _format("push({}.v, {})", box, plain),
    _format("push(inner({}.v, {}), {})", box, st.integers(1, 3), plain),
    _format("clear({}.v)", box),
    _format("{} = {}", name, box),
    _format("push({}, [{}])", place, box),
    _format("try:\n    push({}, 1)\n    {}.nothing\nexcept Exception:\n    {} = {}", place, name, name, expression),
    _format("for {} in [{}]:\n    push({}, {})", name, expression, name, name),
    _format("{} = [v for v in {}]", name, name),
    _format("{} = __import__('copy').deepcopy({})", name, name),
)
failure = st.sampled_from(("1 / 0", "raise ValueError(1)", "[][1]", "missing", "raise SystemExit"))
source = st.one_of(
    statement,
    statement,
    st.lists(statement, min_size=2, max_size=4).map("\n".join),
    st.tuples(st.lists(statement, min_size=1, max_size=3).map("\n".join), failure).map("\n".join),
)
shown = _format("show {}", st.one_of(place, place, _format("inner({}.v, {})", box, st.integers(0, 2)), expression))
last = st.one_of(
    _format("push(_, {})", expression),
    _format("push(inner(_, {}), {})", st.integers(0, 2), expression),
    _format("clear(_)"),
    _format("{} = _", name),
    _format("{} = _\npush(_, 1)\n1 / 0", name),
)
step = st.one_of(
    *[source] * 8, shown, shown, shown, last, last, last, st.sampled_from(("resume", "1", "2", "look", "look"))
)
programs = st.lists(step, min_size=1, max_size=14)

LOOK = "__import__('shapes').shape({name: eval(name) for name in %r if name == '_' or name in globals()} | {'box': world.box, 'other': world.other})"


class Model:
    """The same in plain Python."""

    def __init__(self) -> None:
        self.names: dict[str, Any] = {"world": types.SimpleNamespace()}
        exec(DEFINITIONS + PERSISTENT.format(base="object"), self.names)

    def run(self, source: str) -> type | None:
        """Execute; what is changed by a source that fails is changed back."""
        builtins = self.names.pop("__builtins__")
        before = copy.deepcopy(self.names)
        self.names["__builtins__"] = builtins
        try:
            exec(compile(source, "<model>", "exec"), self.names)
        except BaseException as error:
            self.names.clear()
            self.names.update(before)
            self.names["__builtins__"] = builtins
            return type(error)
        return None

    def shares(self) -> bool:
        """Whether a plain object hangs on two records: that is reported, and after a stop they are two."""
        world = self.names["world"]
        variables = {name: self.names[name] for name in NAMES if name in self.names}
        held = [_held(record) for record in (vars(world.box), vars(world.other), variables)]
        return bool(held[0] & held[1] or held[0] & held[2] or held[1] & held[2])

    def look(self, names: tuple[str, ...] = NAMES) -> str:
        exec("look = " + LOOK % (names,), self.names)
        look: str = self.names.pop("look")
        return look


def _held(value: Any) -> set[int]:
    """The ids of all plain mutable objects that hang on a value, persistent objects apart."""
    found: set[int] = set()
    todo = [value]
    while todo:
        each = todo.pop()
        if id(each) in found or type(each).__name__ == "Box":
            continue
        if isinstance(each, (list, dict, set, bytearray)) or hasattr(each, "x") or hasattr(each, "y"):
            found.add(id(each))
        if isinstance(each, (list, tuple, set, frozenset)):
            todo += each
        elif isinstance(each, dict):
            todo += each.values()
        todo += getattr(each, "__dict__", {}).values() if not isinstance(each, type) else ()
        todo += [each.x] if type(each).__name__ == "Slotted" and hasattr(each, "x") else ()
    return found


def run_program(home: Path, elsewheres: Any, steps: list[str]) -> None:
    """Run the steps in an image and in the model, and compare after each."""
    model = Model()
    image = piety.open(home, create=True)
    try:
        assert image.evaluate(DEFINITIONS).error is None
        outcome = image.evaluate("from persistent import Persistent\n" + PERSISTENT.format(base="Persistent"))
        assert outcome.error is None, outcome.traceback
        for each in [*steps, "look", "1", "look"]:
            if each == "look":
                before = (home / "image" / "image.fs").read_bytes()
                names = (*NAMES, "_") if "_" in model.names else NAMES
                outcome = image.evaluate(LOOK % (names,))
                assert outcome.error is None, outcome.traceback
                assert outcome.value == model.look(names)
                assert (home / "image" / "image.fs").read_bytes() == before, "looking has written"
            elif each == "resume":
                image.close()
                image = piety.open(home)
                model.names.pop("_", None)
            elif each in ("1", "2"):
                image.close()
                before = (home / "image" / "image.fs").read_bytes()
                (shown,) = elsewheres.evaluate(home, [LOOK % (NAMES,)], each)
                assert shown == repr(model.look())
                assert (home / "image" / "image.fs").read_bytes() == before, "looking elsewhere has written"
                image = piety.open(home)
                model.names.pop("_", None)
            else:
                showing = each.startswith("show ")
                outcome = image.evaluate(each.removeprefix("show "), show=showing)
                assert "bug of Piety" not in outcome.traceback, outcome.traceback
                if showing and outcome.value is not None:
                    image.show(outcome.value)
                expected = model.run(each.replace("show ", "_ = ", 1) if showing else each)
                if expected is not None or (showing and outcome.value is None):
                    image._turns.shown.show(None)  # test_workspace tells what it is after a failure
                    model.names["_"] = None
                assert expected == (None if outcome.error is None else type(outcome.error)), outcome.traceback
                if model.shares():
                    assert any("are the same" in notice for notice in outcome.notices), "shared, and not a word"
                    return
    finally:
        image.close()


@given(steps=programs)
@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
def test_an_image_agrees_with_plain_python(elsewheres: Any, steps: list[str]) -> None:
    """Whatever is typed, in whatever order, with stops in between: the image holds what Python would hold."""
    folder = Path(tempfile.mkdtemp())
    try:
        run_program(folder / "home", elsewheres, steps)
    finally:
        shutil.rmtree(folder)
