"""The workspace: what is typed becomes definitions and variables, and is there tomorrow."""

from __future__ import annotations

import inspect

import pytest

from piety.objects.workspace import KEPT_SOURCES
from tests.conftest import System


def definitions(system: System) -> list[str]:
    """The names of the workspace's definitions."""
    return list(system.image.world.workspace.definitions)


def variables(system: System) -> list[str]:
    """The names of its variables."""
    return list(system.image.world.workspace.variables)


# -- definitions


@pytest.mark.parametrize(
    ("sources", "fact"),
    [
        (["def f(): return 1"], "f() == 1"),
        (["def f(): return 1", "def f(): return 2"], "f() == 2"),
        (["class A:\n    def m(self): return 1"], "A().m() == 1"),
        (["async def f(): pass"], "f.__code__.co_flags & 128"),
        (["f = lambda x: x + 1"], "f(1) == 2"),
        (["def f(): return 1", "f = 5"], "f == 5"),
        (["f = 5", "def f(): return 1"], "f() == 1"),
        (["f = 5", "def f(): return 1", "class f: pass", "f = 6"], "f == 6"),
        (["class f: pass", "f = lambda: 3"], "f() == 3"),
        (["def f(n): return n", "from functools import cache", "f = cache(f)"], "f(3) == 3 and hasattr(f, 'cache_info')"),
        (["from functools import cache\n@cache\ndef f(n): return n if n < 2 else f(n - 1) + f(n - 2)"], "f(50) == 12586269025"),
        (["def deco(f):\n    def inner(): return f() + 1\n    return inner", "@deco\ndef g(): return 1"], "g() == 2"),
        (["def g(): return h()", "def h(): return 1"], "g() == 1"),
        (["class A: pass", "class B(A):\n    def __init__(self): super().__init__()", "b = B()"], "isinstance(b, A)"),
        (["class A:\n    class In: pass\ni = A.In()"], "type(i) is A.In"),
        (["class A:\n    @classmethod\n    def make(cls): return cls()\n    @staticmethod\n    def two(): return 2"], "type(A.make()) is A and A.two() == 2"),
        (["import abc\nclass A(abc.ABC):\n    @abc.abstractmethod\n    def m(self): ...\nclass B(A):\n    def m(self): return 1"], "B().m() == 1"),
        (["class Meta(type):\n    def __call__(cls): return super().__call__()\nclass A(metaclass=Meta): pass\na = A()"], "type(a) is A"),
        (["import typing\nT = typing.TypeVar('T')\nclass Box(typing.Generic[T]): pass\nb = Box()"], "type(b) is Box"),
        (["class A:\n    def __init_subclass__(cls, **k): cls.k = k\nclass B(A, x=1): pass"], "B.k == {'x': 1}"),
        (["if True:\n    def f(): return 1\n    class A: pass\n    import json"], "f() == 1 and A() and json.dumps(1)"),
        (["try:\n    import no_such_module as x\nexcept ImportError:\n    x = None"], "x is None"),
        (["for i in range(2):\n    def f(): return 1"], "f() == 1 and i == 1"),
        (["with open('/dev/null'):\n    def f(): return 1"], "f() == 1"),
        (["exec('def f(): return 1')"], "f() == 1"),
        (["exec('x = 1\\ny = x + 1')"], "(x, y) == (1, 2)"),
        (["def f(): return 1\nx = f()\ndef g(): return x + f()\ny = g()"], "(x, y, g()) == (1, 2, 2)"),
        (["n = 3\nclass A:\n    n = n + 1\n    l = [n for _ in range(2)]"], "A.n == 4 and A.l == [3, 3]"),
        (["n = 3"], "[n + i for i in range(n)] == [3, 4, 5] and sum(n for _ in 'ab') == 6 and (lambda n: n)(9) == 9"),
        (["from dataclasses import dataclass, field", "@dataclass\nclass A:\n    x: list = field(default_factory=list)", "a = A()"], "a == A()"),
        (["a, (b, *c) = 1, (2, 3, 4)"], "(a, b, c) == (1, 2, [3, 4])"),
        (["def f(): return __name__"], "f() == 'workspace' == __name__ == f.__module__"),
        (["if (y := 10) > 5: z = y"], "(y, z) == (10, 10)"),
        (["match [1, 2]:\n    case [a, b]: c = a + b"], "c == 3"),
        (["def f():\n    global made\n    made = [1]\nf()"], "made == [1]"),
        (["def f():\n    def g():\n        nonlocal x\n        x += 1\n        return x\n    x = 1\n    return g()"], "f() == 2"),
        (["def 变(é): return é"], "变(1) == 1"),
        (["class A:\n    x: int = 1\n    def m(self, y: 'A') -> int: return 1"], "A.__annotations__ == {'x': int}"),
    ],
)  # fmt: skip
def test_what_was_defined_is_there_tomorrow(system: System, sources: list[str], fact: str) -> None:
    """Here, after a resume, and in another process."""
    system.run(*sources)
    assert system.run(fact)
    system.resume()
    assert system.run(fact)
    assert system.elsewhere(f"bool({fact})") == ["True"]


@pytest.mark.parametrize(
    ("sources", "fact"),
    [
        (["import json"], "json.dumps(1) == '1'"),
        (["import xml.dom", "import xml.sax"], "xml.dom.__name__ + xml.sax.__name__ == 'xml.domxml.sax'"),
        (["import xml.dom, xml.sax, json"], "xml.dom.__name__ + xml.sax.__name__ == 'xml.domxml.sax' and json"),
        (["import os.path as p"], "p.join('a', 'b') == 'a/b'"),
        (["from os import path as p, sep"], "p.join('a', 'b') == 'a' + sep + 'b'"),
        (["from string import *"], "digits == '0123456789'"),
        (["from string import *\nx = digits[0]"], "x == '0'"),
        (["from collections import (\n    deque,\n    Counter as C,\n)"], "deque and C"),
        (["from __future__ import annotations", "def f(x: Unknown): pass"], "f.__annotations__ == {'x': 'Unknown'}"),
        (["import workspace", "x = 5"], "workspace.x == 5 and 'x' in dir(workspace)"),
        (["import json", "import json"], "json"),
        (["import json as j", "import pickle as j"], "j.__name__ == 'pickle'"),
    ],
)
def test_imports_are_there_tomorrow(system: System, sources: list[str], fact: str) -> None:
    """One definition per name; they run when the name is first used."""
    system.run(*sources)
    assert system.run(fact)
    system.resume()
    assert system.run(fact)


def test_the_newest_definition_counts(system: System) -> None:
    """And the source holds one per name."""
    system.run("import json", "def f(): return 1", "class A: pass", "def f(): return 2", "import json")
    source = system.image.source("workspace")
    assert source == "import json\n\n\nclass A: pass\n\n\ndef f(): return 2\n"
    compile(source, "workspace", "exec")


def test_a_definition_that_becomes_a_variable_leaves_the_source(system: System) -> None:
    """A name is one or the other."""
    system.run("def f(): pass", "f = 1")
    assert (definitions(system), variables(system)) == ([], ["f"])
    system.run("def f(): pass")
    assert (definitions(system), variables(system)) == (["f"], [])
    system.run("del f")
    assert (definitions(system), variables(system)) == ([], [])
    assert isinstance(system.fail("f"), NameError)


def test_instances_have_the_methods_of_the_newest_class(system: System) -> None:
    """The class is edited in place: same class object, new behaviour."""
    system.run(
        "class A:\n    def m(self): return 1",
        "a = A(); held = [A]",
        "class A:\n    def m(self): return 2\n    def n(self): return 3",
    )
    assert system.run("a.m(), a.n(), held[0] is A, type(a) is A") == (2, 3, True, True)
    system.run("class A:\n    def n(self): return super().__repr__()[:4] + str(__class__ is A)")
    assert system.run("a.n(), hasattr(a, 'm')") == ("<worTrue", False)
    assert system.elsewhere("a.n(), hasattr(a, 'm')") == ["('<worTrue', False)"]


def test_a_function_held_elsewhere_follows_its_new_definition(system: System) -> None:
    """A callback need not be set again."""
    system.run("def f(x=1): return x", "held = [f]", "def f(x=2, *, y=3): return x, y")
    assert system.run("held[0](), held[0] is f") == ((2, 3), True)


def test_a_class_of_another_layout_takes_the_name(system: System) -> None:
    """Python cannot edit it; what holds the old one keeps it."""
    system.run("class A: pass", "a = A()", "class A:\n    __slots__ = ()")
    assert system.run("type(a) is A, hasattr(A(), '__dict__')") == (False, False)


def test_a_definition_runs_when_its_name_is_first_used(system: System) -> None:
    """So resuming costs nothing for what nobody uses, and one that no longer runs hurts only those who use it."""
    system.run(
        "import sys; sys.ran = []", "def f(x=sys.ran.append('f')): return 1", "class A:\n    sys.ran.append('A')"
    )
    system.run("sys.ran.clear()")
    system.resume()
    assert system.run("sys.ran") == []
    assert system.run("f(), sys.ran") == (1, ["f"])
    system.run("del sys.ran")


def test_a_definition_that_can_no_longer_run_says_so(system: System) -> None:
    """The others go on."""
    system.run("import os; os.environ['THERE'] = '1'", "class A:\n    there = os.environ['THERE']", "def f(): return 1")
    system.run("del os.environ['THERE']")
    system.resume()
    assert "KeyError: 'THERE'" in str(system.fail("A"))
    assert system.run("f()") == 1


def test_tracebacks_show_the_source(system: System) -> None:
    """Of definitions as of what was just typed, after a resume too, and each line at its place."""
    system.run("def f():\n    x = 1\n    return x / 0  # here", "def g():\n    return f()")
    system.resume()
    outcome = system.image.evaluate("1 + 1\ng()  # there")
    assert [line.strip() for line in outcome.traceback.splitlines() if "^" not in line] == [
        "Traceback (most recent call last):",
        'File "<statement 1>", line 2, in <module>',
        "g()  # there",
        'File "image:workspace.py", line 7, in g',
        "return f()",
        'File "image:workspace.py", line 3, in f',
        "return x / 0  # here",
        "ZeroDivisionError: division by zero",
    ]


def test_inspect_shows_the_source(system: System) -> None:
    """`inspect.getsource` works on what was typed."""
    system.run(
        "class A:\n    def m(self):\n        return 1",
        "@staticmethod\ndef f():\n    return 2",
        "def g():\n    return 3",
    )
    system.resume()
    assert inspect.getsource(system.run("g")) == "def g():\n    return 3\n"
    assert inspect.getsource(system.run("A.m")) == "    def m(self):\n        return 1\n"
    assert inspect.getsource(system.run("A")) == "class A:\n    def m(self):\n        return 1\n"


def test_what_is_set_on_a_class_from_outside_is_said_once(system: System) -> None:
    """It is in memory only, so a person should know."""
    system.run("class A:\n    n = 1", "def f(): pass")
    (notice,) = system.notices("A.n = 2")
    assert "A.n was set from outside its definition" in notice
    assert system.notices("A.n += 1") == []
    assert "f.calls" in system.notices("f.calls = 1")[0]
    assert system.run("A.n") == 3
    system.resume()
    assert system.run("A.n") == 1


# -- del


@pytest.mark.parametrize(
    "delete",
    ["del x", "def f():\n    global x\n    del x\nf()", "exec('del x')", "if True:\n    del x", "del (x, y)", "for x in [1]: pass\ndel x",
     "try:\n    1/0\nexcept ZeroDivisionError as x: pass", "with open('/dev/null'): del x",
     "import workspace\ndel workspace.x"],
)  # fmt: skip
def test_a_resting_variable_can_be_deleted(system: System, delete: str) -> None:
    """From wherever Python allows it."""
    system.run("x = [1]; y = [2]")
    system.resume()
    system.run(delete)
    assert isinstance(system.fail("x"), NameError)
    assert system.elsewhere("'x' in globals()") == ["False"]


def test_a_function_that_deletes_works_after_a_resume(system: System) -> None:
    """It finds the variable at rest, and the failed turn gives it back."""
    system.run("x = [1]\ndef f():\n    global x\n    del x")
    system.resume()
    system.fail("f(); 1 / 0")
    assert system.run("x") == [1]
    system.run("f()")
    assert isinstance(system.fail("x"), NameError)
    assert isinstance(system.fail("f()"), NameError)


def test_a_definition_that_was_not_deleted_after_all_stays(system: System) -> None:
    """The statement failed before it came to it."""
    system.run("def f(): return 1")
    system.resume()
    system.run("try: del missing, f\nexcept NameError: pass")
    assert system.run("f()") == 1
    assert definitions(system) == ["f"]
    assert system.elsewhere("f()") == ["1"]


# -- _ and it


def show(system: System, source: str) -> str:
    """As the shell does: evaluate, and show the value."""
    outcome = system.image.evaluate(source, show=True)
    assert outcome.error is None, outcome.traceback
    return system.image.show(outcome.value)


def test_the_last_value_is_kept_by_the_shell_that_showed_it(system: System) -> None:
    """Not by the image."""
    assert show(system, "40 + 2") == "42"
    assert system.run("_, it") == (42, 42)
    show(system, "x = 1")
    assert system.run("_ + 1") == 43
    system.resume()
    assert isinstance(system.fail("_"), NameError)


def test_showing_a_value_writes_nothing(system: System) -> None:
    """Whatever it is a part of."""
    system.run(
        "from persistent import Persistent\nclass N(Persistent): pass\nx = [[1]]; world.n = N(); world.n.l = [[1]]; world.l = {}"
    )
    file = system.file()
    for source in (
        "x",
        "x[0]",
        "_",
        "world",
        "world.n",
        "world.n.l",
        "_[0]",
        "it",
        "world.l",
        "[1, 2]",
        "{'a', 'b'}",
        "N",
        "lambda: 1",
    ):
        show(system, source)
    assert system.file() == file


@pytest.mark.parametrize(
    "place",
    [
        "x",
        "x[0]",
        "x[1]['k']",
        "p.n",
        "world.n",
        "world.n.l",
        "world.n.d['k']",
        "world.tree['a']",
        "world.l",
        "q",
        "pair[1]",
        "closure()",
    ],
)
def test_a_change_to_the_last_value_is_not_lost(system: System, place: str) -> None:
    """`_.append(1)` reaches what was shown: at once, some turns later, and again."""
    system.run(
        "from persistent import Persistent\nfrom BTrees.OOBTree import OOBTree\n"
        "class L(list): pass\nclass N(Persistent):\n    def append(self, v): self.l.append(v)\n    def __len__(self): return len(self.l)\n"
        "class P: pass\ndef make(v): return lambda: v"
    )
    system.run(
        "x = [[], {'k': []}]; p = P(); p.n = []; world.n = N(); world.n.l = L(); world.n.d = {'k': []}; q = world.n"
    )
    system.run(
        "world.tree = OOBTree(a=[]); world.tree['a'] = []; world.l = []; pair = (1, []); closed = []; closure = make(closed)"
    )
    system.resume()
    if place == "closure()":
        system.run("closure = make(closed)")
    show(system, place)
    system.run("_.append(1)")
    system.run("y = 1", "x, p, world.n.l, world.tree['a'], world.l")
    system.fail("y = 2; 1 / 0")
    system.run("it.append(2)")
    show(system, f"z = {place}")
    system.run("_.append(3)")
    assert system.run(f"len({place})") == (5 if place == "x" else 3)
    if place == "closure()":
        place = "closed"
    assert system.elsewhere(f"len({place})", f"len({place})")[1] == ("5" if place == "x" else "3")


def test_the_last_value_can_become_a_variable(system: System) -> None:
    """And is one with it then."""
    show(system, "[5]")
    system.run("k = _")
    system.run("_.append(1)")
    assert system.run("k is _") is True
    assert system.elsewhere("k") == ["[5, 1]"]


def test_the_last_value_stays_a_part_of_what_others_join(system: System) -> None:
    """The record may be another one by then."""
    system.run("a = [1]; b = [2]; c = [3]")
    show(system, "a")
    system.run("b.append(a)", "c.append(b)", "del a", "_.append(9)")
    assert system.elsewhere("c") == ["[3, [2, [1, 9]]]"]


def test_a_failed_turn_does_not_leave_its_changes_in_the_last_value(system: System) -> None:
    """It is that of the variable again, or nothing."""
    system.run("x = [[1]]")
    show(system, "x")
    system.fail("_.append(2); 1 / 0")
    assert system.run("_, _ is x") == ([[1]], True)
    show(system, "x[0]")
    system.fail("x[0].append(2); 1 / 0")
    assert isinstance(system.fail("_"), NameError)
    system.run("y = 1")
    assert system.elsewhere("x") == ["[[1]]"]


def test_the_last_value_may_be_set(system: System) -> None:
    """`for _ in ...` is no variable."""
    system.run("x = [[1], [2]]", "for _ in x: pass", "_.append(3)")
    assert variables(system) == ["x"]
    assert system.elsewhere("x") == ["[[1], [2, 3]]"]


def test_a_repr_that_fails_is_told(system: System) -> None:
    """The value is there all the same, and the repr has changed nothing."""
    system.run(
        "class A:\n    def __repr__(self): items.append(1); raise ValueError('no\\nrepr')", "items = []; a = A()"
    )
    assert show(system, "a") == "<A whose repr fails with ValueError: no ...>"
    assert system.run("items") == []
    system.run("class B:\n    def __repr__(self): raise KeyboardInterrupt")
    assert "fails with KeyboardInterrupt" in show(system, "B()")


def test_a_definition_that_needs_itself_says_so(system: System) -> None:
    """Its name means nothing until it has run, as in any module."""
    system.run("def f(): return 1", "g = None")
    with system.image.turn("break it") as world:
        world.workspace.definitions["f"].source = "f = f"
        world.workspace.definitions["f"].code.clear()
    system.resume()
    assert isinstance(system.fail("f()"), NameError)
    assert system.run("1") == 1


def test_the_oldest_sources_are_let_go(system: System) -> None:
    """A loop that makes ever new ones must not fill the memory."""
    for number in range(KEPT_SOURCES + 5):
        system.run(f"x = {number}")
    assert len(system.image._turns.evaluator._kept) == KEPT_SOURCES
    assert system.run("x = 0; x") == 0
