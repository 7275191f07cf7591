"""Modules that are executed at first use are ordinary modules otherwise.

Each fact is looked at in a process of its own, because what is imported stays imported.
"""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

START = "from piety.deferred import starting\nwith starting():\n    import click, ZODB, ZODB.FileStorage\n"
EAGER = "import click, ZODB, ZODB.FileStorage\n"

# All that a program can see of BTrees' families: names, classes, interfaces, pickles.
BTREES = """
import importlib, json, pickle, sys
import BTrees
from zope.interface import implementedBy, providedBy
seen = {"all": sorted(BTrees.__all__), "builder": BTrees.create_module is BTrees._module_builder.create_module}
for prefix in BTrees._FAMILIES:
    name = f"BTrees.{prefix}BTree"
    module = importlib.import_module(name)
    assert module is sys.modules[name] is getattr(BTrees, prefix + "BTree")
    facts = {"vars": sorted(vars(module)), "type": type(module).__name__, "provides": [i.__name__ for i in providedBy(module)]}
    for each, value in sorted(vars(module).items()):
        if isinstance(value, type):
            facts[each] = [value.__module__, value.__qualname__, [i.__name__ for i in implementedBy(value)]]
    tree = getattr(module, prefix + "BTree")()
    key, value = (b"ab", b"abcdef") if prefix == "fs" else ("a" if prefix[0] == "O" else 1, "b" if prefix[1] == "O" else 2)
    tree[key] = value
    back = pickle.loads(pickle.dumps(tree, 2))
    assert type(back) is type(tree) and list(back.items()) == [(key, value)]
    facts["pickle"] = pickle.dumps(tree, 2).hex()
    seen[prefix] = facts
for family in (BTrees.family32, BTrees.family64):
    assert pickle.loads(pickle.dumps(family)) is family
    seen[repr(type(family))] = {k: getattr(family, k).__name__ for k in "OO OI OU IO II IF IU UO UU UF UI".split()}
print(json.dumps(seen, sort_keys=True))
"""


def python(source: str, *arguments: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-P", "-W", "ignore", "-c", textwrap.dedent(source), *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("before", ["", "import BTrees\n", "import ZODB\n", "from BTrees.OOBTree import OOBTree\n"])
def test_families_of_btrees_are_the_same(before: str) -> None:
    """Whatever was imported first, every family is what it is without us: classes, interfaces, pickles."""
    assert python(before + START + BTREES) == python(before + EAGER + BTREES)


@pytest.mark.parametrize("name", ["ast", "inspect", "traceback"])
@pytest.mark.parametrize(
    "use",
    [
        "import NAME; assert NAME is sys.modules['NAME']",
        "from NAME import *",
        "import importlib; importlib.reload(importlib.import_module('NAME'))",
        "import NAME; NAME.mark = 1; assert NAME.mark == 1; del NAME.mark",
        "import NAME; NAME.__doc__",
        "import unittest.mock, doctest, pydoc",
    ],
)
def test_deferred_module_is_ordinary(name: str, use: str) -> None:
    """After its first use nothing tells a deferred module from one that was not."""
    show = f"import {name}; print(sorted(vars({name})), type({name}), {name}.__spec__.name, type({name}.__loader__), {name}.__file__, repr({name}))"
    source = f"import sys\n{use.replace('NAME', name)}\n{show}"
    assert python(START + source) == python(EAGER + source)


def test_nothing_stays_behind() -> None:
    """After the block the import system and the collector are as before."""
    source = "import gc, sys\nbefore = list(sys.meta_path)\n" + START + "print(before == sys.meta_path, gc.isenabled())"
    assert python(source) == "True True\n"


def test_threads_see_whole_modules() -> None:
    """Many threads that use a deferred module at once all see it executed."""
    source = START + textwrap.dedent(
        """
        import sys, threading
        sys.setswitchinterval(1e-6)
        import inspect, traceback, BTrees
        bad, barrier = [], threading.Barrier(16)
        def use():
            barrier.wait()
            try:
                inspect.Signature, inspect.unwrap, traceback.walk_stack, BTrees.LLBTree.LLTreeSet, BTrees.family64.II.BTree
            except BaseException as error:
                bad.append(error)
        threads = [threading.Thread(target=use) for _ in range(16)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
        print(bad)
        """
    )
    assert python(source) == "[]\n"


def test_execution_that_failed_is_tried_again(tmp_path: Path) -> None:
    """A module whose code raises is no worse off than after an ordinary import."""
    (tmp_path / "shaky.py").write_text("import os\nif os.environ.get('FAIL'): raise ImportError('no')\nx = 1\n")
    source = """
        import os, sys
        sys.path.insert(0, sys.argv[1])
        from piety.deferred import deferring
        with deferring("shaky"):
            import shaky
        os.environ["FAIL"] = "1"
        try:
            shaky.x
        except ImportError:
            print("failed")
        del os.environ["FAIL"]
        print(shaky.x)
    """
    assert python(source, str(tmp_path)) == "failed\n1\n"


@pytest.mark.parametrize(
    "init",
    [
        "X = 1\n",  # made without a builder
        "from ._module_builder import build\nX = build('OO')\n",  # under another name
        "from ._module_builder import create_module\nX = create_module('OO').OOBTree\n",  # looks inside of what it makes
    ],
)
def test_another_btrees_is_executed_as_it_is(tmp_path: Path, init: str) -> None:
    """A version of BTrees that is built in another way is imported as usual, only slower."""
    package = tmp_path / "BTrees"
    package.mkdir()
    (package / "__init__.py").write_text(init)
    make = "def create_module(p):\n    m = types.ModuleType(p)\n    m.OOBTree = 1\n    return m\n"
    (package / "_module_builder.py").write_text("import types\n" + make + "build = create_module\n")
    if "build(" in init:
        (package / "_module_builder.py").write_text("import types\n" + make.replace("create_module", "build"))
    source = """
        import sys
        sys.path.insert(0, sys.argv[1])
        from piety.deferred import deferring
        with deferring():
            import BTrees
        print(bool(BTrees.X), BTrees.__file__.startswith(sys.argv[1]))
    """
    assert python(source, str(tmp_path)) == "True True\n"


def test_eval_executes_nothing_that_is_deferred(home: Path) -> None:
    """The guard of the starting time: a later version of a library that uses one of them is noticed here."""
    source = """
        import atexit, sys
        from piety import deferred, __main__
        def report():
            waiting = {object.__getattribute__(module, "__dict__")["__name__"] for module in deferred._waiting}
            print(sorted(set(deferred.SELDOM) & set(sys.modules) - waiting), len([name for name in waiting if name.startswith("BTrees.")]) >= 18)
            print([name for name in ("click", "dataclasses", "pathlib", "locale", "json") if name in sys.modules])
        atexit.register(report)
        sys.argv[1:] = ["eval", "1"]
        __main__.main()
    """
    python(source, LANG="en_US.UTF-8")  # the home is made
    assert python(source, LANG="en_US.UTF-8") == "1\n[] True\n[]\n"
