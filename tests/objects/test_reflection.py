"""How code sees names that rest, when it asks for them in another way than by using one."""

from __future__ import annotations

import pytest

from tests.conftest import System


def test_names_are_listed_whether_they_rest_or_not(system: System) -> None:
    """`dir()`, `globals()`, `locals()` and `vars()` know of variables and definitions."""
    system.run("x = 1; _private = 2", "def f(): pass", "import json")
    system.resume()
    names = {"x", "_private", "f", "json"}
    assert names <= set(system.run("dir()"))
    for lister in ("globals", "locals", "vars"):
        system.resume()
        assert system.run(f"{names!r} <= set({lister}())")
        assert system.run(f"'x' in {lister}(), 'y' in {lister}(), {lister}()['x'], {lister}().get('y')") == (
            True,
            False,
            1,
            None,
        )
    assert system.image.names() == sorted(names)
    assert (
        system.run("def g(a):\n    b = 1\n    return sorted(locals()), dir(), sorted(vars())\ng(1)")
        == (["a", "b"],) * 3
    )
    assert system.run("def h(): return globals()['x']\nh()") == 1


def test_globals_can_be_changed(system: System) -> None:
    """As in any module."""
    system.run("globals()['x'] = [1]", "globals().update(y=x)", "globals().setdefault('x', 5)", "x.append(2)")
    system.resume()
    assert system.run("x is y, x") == (True, [1, 2])
    system.run("del globals()['x']", "globals().pop('y')")
    assert system.run("'x' in globals() or 'y' in globals()") is False
    assert system.elsewhere("'x' in globals() or 'y' in globals()") == ["False"]


@pytest.mark.parametrize(
    ("call", "value"),
    [
        ("exec('x += 1; y = x')", "(6, 6)"),
        ("exec(b'y = x + 1')", "(5, 6)"),
        ("exec(compile('x = y = 7', 'f', 'exec'))", "(7, 7)"),
        ("exec('y = x', {'x': 1})", "(5, 0)"),
        ("exec('y = x', globals(), {})", "(5, 0)"),
        ("exec('y = a', {'a': 8}, globals())", "(5, 8)"),
        ("def f(): exec('y = x')\nf()", "(5, 0)"),
        ("def f(): exec('global y; y = x')\nf()", "(5, 5)"),
    ],
)
def test_exec_runs_where_python_says(system: System, call: str, value: str) -> None:
    """In the namespace that calls it, or those that it is given."""
    system.run("x = 5; y = 0")
    system.resume()
    system.run(call)
    assert system.elsewhere("(x, y)") == [value]


def test_attributes_of_the_workspace_are_its_names(system: System) -> None:
    """Variables and definitions alike; what is missing or fails is an AttributeError."""
    system.run("x = [1]", "def f(): return 2", "import tomllib as helper\nassert helper", "import workspace")
    system.resume()
    assert system.run("workspace.x, workspace.f(), hasattr(workspace, 'y')") == ([1], 2, False)
    with system.image.turn("lose a library") as world:
        world.workspace.definitions["helper"].source = "import no_such_module as helper"
        world.workspace.definitions["helper"].code.clear()
    system.resume()
    error = system.fail("workspace.helper")
    assert isinstance(error, AttributeError)
    assert "the definition of 'helper' in the workspace fails" in str(error)


def test_functions_on_names_can_be_kept(system: System) -> None:
    """They are the workspace's own again, and carry nothing of the process with them."""
    assert system.notices("tools = [dir, vars]; look = globals; x = 1") == []
    assert system.notices("look()['x']") == []
    assert system.elsewhere("'x' in tools[0](), 'x' in tools[1](), look()['x'], look == globals") == [
        "(True, True, 1, True)"
    ]
    with system.image.look() as world:
        assert len(system.image._connection.stored(world.workspace.variables["tools"])) < 300
