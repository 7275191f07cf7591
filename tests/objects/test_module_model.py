"""Random programs over two modules with `__state__` and the workspace, beside the same programs in plain Python.

After every step both sides must hold equal values, and the same objects must be shared: between modules, with the
workspace, after resumes, after new source and after turns and saves that failed.  What is in memory only, a plain
global or the attributes of a class, must be as it was after a failure, and as the source says after a resume.
"""

from __future__ import annotations

import pickle
import random
import types
from typing import Any

import pytest
from conftest import System
from shapes import shape

SOURCE = """\
__state__ = ("a", "b", "c")
a = []
b = {"x": a}
c = 0

def push(value):
    a.append(value)

def bind(value):
    global a
    a = value

def drop():
    global c
    del c

def get():
    return c

d = []
class K:
    n = 0
    items = []
    def up(self, seen=[]): type(self).n += 1; seen.append(self.n)
def put(value): d.append(value)
"""
DEFINED = (
    "class C:\n    n = 0\n    items = []\n    def up(self): type(self).n += 1; self.items.append(self.n)",
    "def keep(value, into=[]): into.append(value)",
)
STATE = ("a", "b", "c")
VARIABLES = ("p", "q", "r")
STEPS = """
    m1.push(N) | m2.push(N) | m1.bind(m2.a) | m2.bind(m1.a) | m1.bind([N]) | m1.a = W | W = m2.a | W = m1.b
    W = [] | W.append(N)
    m1.b['y'] = m2.b | m2.b['y'] = m1.b | m1.b['w'] = W | m1.drop() | m2.drop() | del m1.a | del W | m1.c = N | m2.c = N
    m1.b.pop('y', 0) | m1.get() | m2.a | W | 1 / 0
    m1.d.append(N) | m2.put(N) | m1.d.clear() | m1.K.items.append(N) | m2.K.n = N | m1.K().up()
    C.items.append(N) | C().up() | C.n = N | keep(N) | keep.last = N
""".replace("\n", "|").split("|")

LOOK = f"""
seen = {{name: value for name, value in globals().items() if name in {VARIABLES}}}
for module in (m1, m2):
    seen.update({{f"{{module.__name__}}.{{name}}": getattr(module, name) for name in {STATE} if hasattr(module, name)}})
    seen[module.__name__] = repr((module.d, module.K.n, module.K.items, module.K.up.__defaults__))
seen["defined"] = repr((C.n, C.items, keep.__defaults__, vars(keep)))
"""


class Plain:
    """The same two modules and variables, in plain Python; it learns to go back by copying."""

    def __init__(self) -> None:
        self.names: dict[str, Any] = {"p": [], "r": [1]}
        self.names["q"] = self.names["p"]
        for name in ("m1", "m2"):
            self.names[name] = types.ModuleType(name)
            exec(SOURCE, vars(self.names[name]))
        self.define()

    def define(self) -> None:
        exec("\n".join(DEFINED), self.names)

    def look(self) -> dict[str, Any]:
        seen = {name: value for name, value in self.names.items() if name in VARIABLES}
        for module in ("m1", "m2"):
            held = vars(self.names[module])
            seen.update({f"{module}.{name}": held[name] for name in STATE if name in held})
        return seen

    def look_at_memory(self) -> dict[str, Any]:
        """What belongs to the process, without what is shared."""
        C, keep = self.names["C"], self.names["keep"]
        seen = {"defined": repr((C.n, C.items, keep.__defaults__, vars(keep)))}
        for module in (self.names["m1"], self.names["m2"]):
            seen[module.__name__] = repr((module.d, module.K.n, module.K.items, module.K.up.__defaults__))
        return seen

    def run(self, source: str) -> bool:
        before, memory = pickle.dumps(self.look()), self.look_at_memory()
        try:
            exec(source, self.names)
        except Exception:
            self._go_back(pickle.loads(before))
            self._put_back(memory)
            return False
        return True

    def _go_back(self, before: dict[str, Any]) -> None:
        for name in VARIABLES:
            self.names.pop(name, None)
        for module in ("m1", "m2"):
            for name in STATE:
                vars(self.names[module]).pop(name, None)
        for place, value in before.items():
            module, _, name = place.rpartition(".")
            (vars(self.names[module]) if module else self.names)[name] = value

    def _put_back(self, memory: dict[str, Any]) -> None:
        for name in ("m1", "m2"):
            module = self.names[name]
            module.d[:], module.K.n, module.K.items, module.K.up.__defaults__ = eval(memory[name])
        C, keep = self.names["C"], self.names["keep"]
        C.n, C.items, keep.__defaults__, attributes = eval(memory["defined"])
        vars(keep).clear()
        vars(keep).update(attributes)

    def load(self, module: str) -> None:
        """The source runs: variables that are missing get their first values, and all else new ones."""
        fresh: dict[str, Any] = {}
        exec(SOURCE, fresh)
        for name in STATE:
            vars(self.names[module]).setdefault(name, fresh[name])
        vars(self.names[module]).update(d=fresh["d"], K=fresh["K"], put=fresh["put"])


@pytest.mark.parametrize("seed", range(12))
def test_modules_and_workspace_hold_what_plain_python_holds(system: System, seed: int) -> None:
    """A failing seed is a program to be shortened: print the steps."""
    dice, plain = random.Random(seed), Plain()
    system.image.modules["m1"] = system.image.modules["m2"] = SOURCE
    system.run("import m1, m2; p = []; q = p; r = [1]", *DEFINED)
    for step in range(25):
        way = dice.choices((resume, save, save_badly, turn), (3, 2, 2, 13))[0]
        way(system, plain, dice)
        system.run("m1, m2")
        expected = shape({**plain.look(), **plain.look_at_memory()})
        assert shape(system.run(LOOK, "seen")) == expected, f"after {way.__name__}, step {step}"
        system.run("del seen, module")


def resume(system: System, plain: Plain, dice: random.Random) -> None:
    """Stop, start, and load both modules."""
    system.resume()
    plain.define()
    plain.load("m1")
    plain.load("m2")


def save(system: System, plain: Plain, dice: random.Random) -> None:
    """Save new source, from outside or in a turn that does something before."""
    name = dice.choice(("m1", "m2"))
    if dice.random() < 0.5:
        system.image.modules[name] = SOURCE + f"# {dice.random()}\n"
    else:
        system.run(f"{name}.c = 77; image.modules[{name!r}] = {SOURCE!r} + '# {dice.random()}\\n'")
        plain.run(f"{name}.c = 77")
    plain.load(name)


def save_badly(system: System, plain: Plain, dice: random.Random) -> None:
    """Save source that fails at its end."""
    name = dice.choice(("m1", "m2"))
    with pytest.raises(ZeroDivisionError):
        system.image.modules[name] = SOURCE + "b['x'].append('bad')\n1 / 0\n"


def turn(system: System, plain: Plain, dice: random.Random) -> None:
    """Some steps as one turn; if one fails, none has happened."""
    steps = [each.strip() for each in STEPS if each.strip()]
    chosen = [dice.choice(steps).replace("N", str(dice.randrange(9))) for _ in range(dice.randrange(1, 5))]
    source = "; ".join(step.replace("W", dice.choice(VARIABLES)) for step in chosen)
    outcome = system.image.evaluate(source)
    assert (outcome.error is None) == plain.run(source), f"{source}\n{outcome.traceback}"
