"""Modules in the image: saving, new source for what runs, variables that live on, and from and to the host."""

from __future__ import annotations

import importlib
import linecache
import subprocess
import sys
import traceback
from pathlib import Path
from typing import Any

import pytest
from conftest import System

import piety
from piety.errors import NameTaken, NoModule, PietyError

COUNTER = """\
__state__ = ("counter", "notes", "shelf")

counter = 0
notes: list = []
shelf = {"top": notes}
limit = 3


def up(by=1):
    global counter
    counter += by
    notes.append(counter)
    return counter


def forget():
    global counter
    del counter


def listed():
    return "counter" in globals(), sorted(name for name in globals() if name in __state__)
"""

SHAPES = """\
class Shape:
    sides = 0

    def __init__(self, name):
        self.name = name

    def describe(self):
        return f"{self.name} has {self.sides} sides"

    def gone(self):
        return "here"


class Square(Shape):
    sides = 4

    def describe(self):
        return super().describe() + "!"

    @property
    def corners(self):
        return self.sides


def make(name):
    return Square(name)
"""


def module(name: str) -> Any:
    """A module of the image, outside of a turn."""
    return importlib.import_module(name)


# -- saving and asking


def test_modules_are_a_mapping_of_names_to_sources(image: piety.Image) -> None:
    """With the usual operations, and errors that name the module."""
    image.modules["notes"] = "x = 1\r\n"
    assert "notes" in image.modules
    assert image.modules["notes"] == "x = 1\n"
    assert "notes" in list(image.modules)
    assert len(image.modules) == len(list(image.modules))
    del image.modules["notes"]
    assert "notes" not in image.modules
    with pytest.raises(NoModule, match="no module 'notes'"):
        image.modules["notes"]
    with pytest.raises(NoModule, match="no module 'notes'"):
        del image.modules["notes"]


@pytest.mark.parametrize("name", ["", "two words", "a..b", ".a", "a.", "1st", "a/b"])
def test_a_name_that_is_none_is_told(image: piety.Image, name: str) -> None:
    """Before anything else happens."""
    with pytest.raises(PietyError, match="cannot be a module's name"):
        image.modules[name] = ""


def test_saving_runs_the_source(image: piety.Image) -> None:
    """By importing it."""
    image.modules["notes"] = "import sys\nsys.said = __name__"
    assert sys.said == "notes"  # type: ignore[attr-defined]
    del sys.said  # type: ignore[attr-defined]


def test_saving_is_a_turn(system: System) -> None:
    """What was saved last is there in another process."""
    system.image.modules["notes"] = "x = 1"
    system.image.modules["notes"] = "x = 2"
    assert system.elsewhere("import notes; notes.x") == ["2"]


def test_a_child_makes_its_module_a_package(system: System) -> None:
    """Also one that runs already: it finds the child, and tracebacks find its lines."""
    system.run("image.modules['notes'] = 'def name(): return 1 / zero'", "import notes")
    held = system.image.evaluate("notes.name").value
    system.image.modules["notes.store"] = "from . import name\nfrom notes import __path__ as path"
    assert held is module("notes").name
    assert system.run("import notes.store; notes.store.path, notes.__file__") == (
        ["image:notes"],
        "image:notes/__init__.py",
    )
    assert "return 1 / zero" in system.image.evaluate("notes.name()").traceback
    assert system.elsewhere("import notes.store as s; s.path, s.__package__") == ["(['image:notes'], 'notes')"]


def test_a_child_without_a_package_is_told(image: piety.Image) -> None:
    """The line says what to save first."""
    with pytest.raises(PietyError, match=r"'pkg.mod' needs a package to be in: save 'pkg' first"):
        image.modules["pkg.mod"] = ""
    image.modules["pkg"] = ""
    with pytest.raises(PietyError, match=r"save 'pkg.sub' first"):
        image.modules["pkg.sub.mod"] = ""


def test_deleting_a_package_takes_what_is_in_it(system: System, tmp_path: Path) -> None:
    """Modules, files and variables; a list that a variable elsewhere shares stays there."""
    (tmp_path / "box").mkdir()
    for name, text in {"__init__.py": "", "lid.py": "__state__ = 'open',\nopen = [1]", "label.txt": "fragile"}.items():
        (tmp_path / "box" / name).write_text(text)
    system.image.modules.import_paths([tmp_path / "box"])
    system.image.modules["boxes"] = ""
    system.run("import box.lid; mine = box.lid.open", "mine.append(2)")
    del system.image.modules["box"]
    assert [name for name in system.image.modules if name.startswith("box")] == ["boxes"]
    assert not list(system.image.world.modules.files.keys("box/", "box0"))
    assert "No module named 'box'" in str(system.fail("import box.lid"))
    assert system.elsewhere("mine") == ["[1, 2]"]


def test_a_deletion_that_fails_leaves_the_module_running(system: System) -> None:
    """With its variables."""
    system.image.modules["notes"] = COUNTER
    system.run("import notes", "notes.up()")
    before = sys.modules["notes"]
    system.fail("del image.modules['notes']; 1 / 0")
    assert sys.modules["notes"] is before
    assert system.run("notes.up()") == 2
    assert system.elsewhere("import notes; notes.up()") == ["3"]


# -- the host's names


@pytest.mark.parametrize("name", ["json", "sys", "pytest", "piety", "this"])
def test_a_name_of_the_host_is_refused(image: piety.Image, name: str) -> None:
    """Of the standard library, of an installed package, of Piety itself."""
    with pytest.raises(NameTaken, match=name):
        image.modules[name] = "x = 1"
    assert name not in image.modules


def test_the_check_runs_nothing(image: piety.Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module of the host that would do harm when it is imported."""
    (tmp_path / "loud").mkdir()
    (tmp_path / "loud" / "__init__.py").write_text("raise SystemExit('I was run')")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(NameTaken, match="--over-host"):
        image.modules["loud"] = "x = 1"
    assert "loud" not in sys.modules


def test_a_name_of_the_host_is_taken_when_that_is_said(system: System) -> None:
    """It is said once."""
    system.image.modules.save("this", "x = 'mine'", over_host=True)
    assert system.run("import this; this.x") == "mine"
    system.image.modules["this"] = "x = 'mine too'"  # it has the name already
    assert system.run("this.x") == "mine too"
    assert system.elsewhere("import this; this.x") == ["'mine too'"]


@pytest.mark.parametrize("name", ["sys", "piety", "ZODB", "workspace", "__main__", "builtins"])
def test_some_names_are_never_given(image: piety.Image, name: str) -> None:
    """Python or the store could not start again."""
    with pytest.raises(NameTaken, match="cannot be replaced"):
        image.modules.save(name, "", over_host=True)


def test_a_folder_in_the_path_or_a_file_in_the_current_one_takes_no_name(
    image: piety.Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are not what a person calls installed."""
    (tmp_path / "papers").mkdir()
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "draft.py").write_text("x = 1")
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.syspath_prepend(str(tmp_path / "here"))
    image.modules["papers"] = "x = 1"
    image.modules.import_paths([Path("draft.py")])
    assert {"papers", "draft"} <= set(image.modules)


# -- variables that live on


def test_state_lives_on(system: System) -> None:
    """With what the variables share among each other."""
    system.image.modules["notes"] = COUNTER
    assert system.run("import notes", "notes.up()", "notes.up()") == 2
    assert system.elsewhere("import notes; notes.up(), notes.counter, notes.notes") == ["(3, 3, [1, 2, 3])"]
    assert system.run("notes.notes is notes.shelf['top'], notes.counter") == (True, 3)


def test_state_is_found_when_it_changes_in_place(system: System) -> None:
    """At any depth."""
    system.image.modules["notes"] = COUNTER
    system.run("import notes", "notes.shelf['deep'] = {'k': [1]}", "notes.shelf['deep']['k'].append(2)")
    assert system.elsewhere("import notes; notes.shelf") == ["{'top': [], 'deep': {'k': [1, 2]}}"]


def test_only_state_lives_on(system: System) -> None:
    """Other variables have the value that the source gives, after a resume."""
    system.image.modules["notes"] = COUNTER
    system.run("import notes; notes.limit = 9")
    assert system.run("notes.limit") == 9
    assert system.elsewhere("import notes; notes.limit") == ["3"]


def test_state_is_shared_with_the_workspace(system: System) -> None:
    """Also while the module is not loaded; giving one name up leaves the others."""
    system.image.modules["notes"] = COUNTER
    system.run("import notes", "mine = notes.notes", "mine.append('a')")
    assert system.run("notes.notes is mine") is True
    both = "import notes; notes.notes is mine, notes.shelf['top'] is mine"
    assert system.elsewhere("mine.append('b')", "mine", both) == [
        "None", "['a', 'b']", "(True, True)"
    ]  # fmt: skip
    assert system.elsewhere("mine = 0", "import notes; notes.notes") == ["None", "['a', 'b']"]
    assert system.run("notes.notes, notes.shelf['top'] is notes.notes, mine") == (["a", "b"], True, 0)


def test_an_imported_name_is_a_copy_as_always(system: System) -> None:
    """`from notes import counter` does not follow."""
    system.image.modules["notes"] = COUNTER
    assert system.run("import notes; from notes import counter", "notes.up()", "counter, notes.counter") == (0, 1)


def test_state_is_set_and_deleted_from_outside(system: System) -> None:
    """What was deleted gets its first value when the module is loaded next."""
    system.image.modules["notes"] = COUNTER
    system.run("import notes", "notes.counter = 5", "del notes.shelf")
    assert system.run("notes.up()") == 6
    assert "shelf" in str(system.fail("notes.shelf"))
    assert system.elsewhere("import notes; notes.up(), notes.shelf") == ["(7, {'top': []})"]  # its first value again


def test_a_function_deletes_state(system: System) -> None:
    """`del` looks in the namespace only, so the name must be there in time."""
    system.image.modules["notes"] = COUNTER
    system.run("import notes", "notes.up()")
    system.run("notes.forget()")
    assert isinstance(system.fail("notes.up()"), NameError)
    system.run("notes.counter = 10")
    system.resume()
    system.run("import notes; notes.forget()")  # in the turn that loads it, too
    assert isinstance(system.fail("notes.counter"), AttributeError)


def test_state_that_was_assigned_is_deleted(system: System) -> None:
    """In one turn, though it was never looked at."""
    system.image.modules["notes"] = COUNTER
    system.run("import notes; notes.up()", "notes.counter = 5; del notes.counter")
    assert isinstance(system.fail("notes.counter"), AttributeError)
    system.run("total = 1", "total = 2; del total")
    assert isinstance(system.fail("total"), NameError)


def test_state_at_rest_is_seen(system: System) -> None:
    """By all the ways in which Python looks for names."""
    system.image.modules["notes"] = COUNTER
    system.run("import notes")
    assert system.run("hasattr(notes, 'counter'), hasattr(notes, 'nothing')") == (True, False)
    assert system.run("'counter' in dir(notes)") is True
    assert system.run("sorted(set(vars(notes)) & set(notes.__state__))") == ["counter", "notes", "shelf"]
    assert system.run("'shelf' in notes.__dict__") is True
    assert system.run("notes.listed()") == (True, ["counter", "notes", "shelf"])
    assert system.run("import inspect; 'counter' in dict(inspect.getmembers(notes))") is True
    assert "counter" in system.run("names = {}; exec('from notes import *', names); sorted(names)")


def test_state_with_a_getattr_of_the_module(system: System) -> None:
    """The variables go before it."""
    system.image.modules["notes"] = (
        "__state__ = 'counter',\ncounter = 1\ndef __getattr__(name):\n    return f'made {name}'\n"
    )
    assert system.run("import notes", "notes.counter, notes.other") == (1, "made other")
    assert system.elsewhere("import notes; notes.counter += 1; notes.counter", "notes.counter, notes.other") == [
        "2",
        "(2, 'made other')",
    ]


def test_new_source_keeps_state(system: System) -> None:
    """The very objects; also if the turn had changed them before."""
    system.image.modules["notes"] = COUNTER
    system.run("import notes", "notes.up()", "held = notes.notes")
    system.image.modules["notes"] = COUNTER.replace("counter = 0", "counter = 100")
    assert system.run("notes.up(), notes.notes is held") == (2, True)
    system.run("notes.up(); image.modules['notes'] = image.modules['notes'] + '\\nx = 1'; notes.up()")
    assert system.run("notes.counter, notes.x") == (4, 1)
    assert system.elsewhere("import notes; notes.counter, notes.notes is held") == ["(4, True)"]


def test_reload_keeps_state(system: System) -> None:
    """As saving does."""
    system.image.modules["notes"] = COUNTER
    system.run("import notes, importlib", "notes.up(); importlib.reload(notes); notes.up()", "importlib.reload(notes)")
    assert system.run("notes.counter, notes.notes") == (2, [1, 2])


def test_a_name_added_to_state_lives_on_from_then(system: System) -> None:
    """Functions that were made before see it too."""
    source = (
        "{}counter = 0\n"
        "def up():\n    global counter\n    counter += 1\n    return counter\n"
        "def look():\n    return counter\n"
    )
    system.image.modules["notes"] = source.format("")
    system.run("import notes; from notes import look")
    held = module("notes").up
    system.image.modules["notes"] = source.format("__state__ = ('counter',)\n")
    assert module("notes").up is held
    assert system.run("notes.up()", "notes.up()", "notes.up(), look(), notes.counter") == (3, 3, 3)
    system.fail("notes.up(); 1 / 0")
    assert system.run("look()") == 3
    assert system.elsewhere("import notes; notes.up()", "look()") == ["4", "4"]


def test_a_name_taken_from_state_loses_its_value(system: System) -> None:
    """Unless the turn fails; a list that others share stays theirs."""
    system.image.modules["notes"] = COUNTER
    system.run("import notes", "notes.up(); notes.up()", "mine = notes.notes")
    less = COUNTER.replace('"counter", "notes", "shelf"', '"shelf",')
    system.fail(f"image.modules['notes'] = {less!r}; 1 / 0")
    assert system.run("notes.counter") == 2
    system.image.modules["notes"] = less
    assert system.run("notes.counter, notes.notes, notes.shelf, mine") == (0, [], {"top": [1, 2]}, [1, 2])
    assert set(system.image.world.modules.table["notes"].variables) == {"shelf"}
    assert system.elsewhere("import notes; notes.counter, notes.shelf['top'] is mine") == ["(0, True)"]
    system.image.modules["notes"] = COUNTER
    assert system.run("notes.counter") == 0


def test_a_name_taken_from_state_of_a_module_that_does_not_run(system: System, tmp_path: Path) -> None:
    """The same, by `piety code import`."""
    system.image.modules["notes"] = COUNTER
    system.run("import notes", "notes.up()", "mine = notes.notes")
    system.resume()
    (tmp_path / "notes.py").write_text(COUNTER.replace('"counter", "notes", "shelf"', '"counter",'))
    system.image.modules.import_paths([tmp_path / "notes.py"])
    assert set(system.image.world.modules.table["notes"].variables) == {"counter"}
    assert system.run("import notes; notes.counter, notes.notes, mine") == (1, [], [1])


@pytest.mark.parametrize(
    "source",
    [
        "__state__ = make()",
        "__state__ = 3",
        "__state__ = ()",
        "__state__ = 'two words',",
        "__state__ = 'f',\ndef f(): pass",
        "__state__ = '__name__',",
    ],
)
def test_state_must_be_a_list_of_variables(image: piety.Image, source: str) -> None:
    """Known without running the source; the error has the line."""
    with pytest.raises(SyntaxError, match="__state__ must be a plain list of variables") as caught:
        image.modules["notes"] = source
    assert (caught.value.filename, caught.value.lineno) == ("image:notes.py", 1)


def test_a_failed_turn_leaves_state_as_it_was(system: System) -> None:
    """Rebound, changed in place, deleted."""
    system.image.modules["notes"] = COUNTER
    system.run("import notes", "notes.up()")
    system.fail("notes.up(); notes.shelf['x'] = 1; del notes.notes; 1 / 0")
    assert system.run("notes.counter, notes.notes, notes.shelf") == (1, [1], {"top": [1]})


def test_a_failed_turn_parts_what_it_joined(system: System) -> None:
    """An empty list in place of another one is no other value, but it must not be the same object afterwards."""
    system.image.modules["notes"] = "__state__ = 'a', 'd'\na = []\nd = {'w': []}\n"
    system.run("import notes; mine = {'w': []}")
    system.fail("notes.d['w'] = notes.a; mine['w'] = notes.a; 1 / 0")
    assert system.run("notes.d['w'] is notes.a, mine['w'] is notes.a") == (False, False)


def test_a_turn_that_reads_state_writes_nothing(system: System) -> None:
    """By all the ways to look."""
    system.image.modules["notes"] = COUNTER
    system.run("import notes")
    system.resume()
    before = system.file()
    assert system.run("notes.counter, notes.shelf, vars(notes)['notes'], notes.listed()")
    assert system.file() == before


# -- new source that fails


@pytest.mark.parametrize(
    ("more", "error"),
    [
        ("def (", SyntaxError),
        ("x = '\\ud800'.encode()", UnicodeEncodeError),
        ("raise KeyboardInterrupt", KeyboardInterrupt),
        ("raise SystemExit(3)", SystemExit),
        ("import nothing_of_this_name", ModuleNotFoundError),
        ("\0", SyntaxError),
    ],
)
def test_source_that_fails_leaves_the_old_module_running(system: System, more: str, error: type[BaseException]) -> None:
    """Classes, functions, names and the image are as before."""
    system.image.modules["shapes_"] = SHAPES + "table = {'make': make}\nlimit = 1\n"
    system.run("import shapes_; from shapes_ import make; tile = make('tile'); Square = shapes_.Square")
    before, describe = dict(vars(module("shapes_"))), module("shapes_").Square.describe
    file = system.file()
    new = (
        SHAPES.replace('sides"', 'edges"')
        .replace("sides = 4", "sides = 5")
        .replace("return self.sides", "return 0")
        .replace("Square(name)", "None")
    )
    with pytest.raises(error):
        system.image.modules["shapes_"] = new + "limit = 2\nextra = 1\n" + more
    assert vars(module("shapes_")) == before
    assert module("shapes_").Square.describe is describe
    assert system.run("tile.describe(), tile.corners, make('x').describe()") == (
        "tile has 4 sides!",
        4,
        "x has 4 sides!",
    )
    assert system.file()[1] == file[1]
    assert system.image.modules["shapes_"] == SHAPES + "table = {'make': make}\nlimit = 1\n"
    assert "extra" not in system.run("import inspect; inspect.getsource(shapes_)")


def test_source_that_fails_within_a_turn_is_undone_alone(system: System) -> None:
    """If the turn catches the error, the rest of it counts."""
    system.image.modules["notes"] = COUNTER
    system.run("import notes; notes.up()")
    system.run(
        "try:\n    image.modules['notes'] = 'counter = 9; 1 / 0'\nexcept ZeroDivisionError as error:\n"
        "    said = str(error)"
    )
    assert system.run("said, notes.counter, notes.up()") == ("division by zero", 1, 2)
    system.run("try:\n    image.modules['fresh'] = 'x = 1; 1 / 0'\nexcept ZeroDivisionError:\n    pass")
    assert "fresh" not in system.image.modules
    assert "fresh" not in sys.modules
    assert system.elsewhere("import notes; notes.counter", "'fresh' in image.modules") == ["2", "False"]


FAILS = "def share(n):\n    return 1 / n\n\n\nshare(0)\n"


@pytest.mark.parametrize("before", [None, "def share(n):\n    return n.old\n"])
def test_the_traceback_of_source_that_fails_shows_its_lines(system: System, before: str | None) -> None:
    """Also in a function of it; later tracebacks show the lines of what goes on running."""
    if before is not None:
        system.run(f"image.modules['notes'] = {before!r}", "import notes")
    told = system.image.evaluate(f"image.modules['notes'] = {FAILS!r}").traceback
    assert 'File "image:notes.py", line 5, in <module>\n    share(0)\n' in told
    assert 'File "image:notes.py", line 2, in share\n    return 1 / n\n' in told
    if before is not None:
        assert "    return n.old\n" in system.image.evaluate("notes.share(0)").traceback
    else:
        assert linecache.getlines("image:notes.py") == []


def test_the_traceback_of_source_that_fails_shows_its_lines_outside_of_a_turn(system: System, tmp_path: Path) -> None:
    """To a program of the host, and to the code that catches the error."""
    system.run("image.modules['notes'] = 'def share(n): return n.old'", "import notes")
    with pytest.raises(ZeroDivisionError) as saved:
        system.image.modules["notes"] = FAILS
    assert "    return 1 / n\n" in "".join(traceback.format_exception(saved.value))
    (tmp_path / "notes.py").write_text(FAILS)
    with pytest.raises(ZeroDivisionError) as imported:
        system.image.modules.import_paths([tmp_path / "notes.py"])
    assert "    share(0)\n" in "".join(traceback.format_exception(imported.value))
    caught = f"try: image.modules['notes'] = {FAILS!r}\nexcept ZeroDivisionError: said = traceback.format_exc()"
    assert "    return 1 / n\n" in system.run(f"import traceback\n{caught}", "said")
    assert "return n.old" in system.image.evaluate("notes.share(0)").traceback
    assert system.image.modules["notes"] == "def share(n): return n.old"


def test_a_new_module_that_fails_is_not_there(system: System) -> None:
    """And can be saved once it is mended."""
    file = system.file()
    with pytest.raises(ZeroDivisionError):
        system.image.modules["notes"] = "x = 1\n1 / 0\n"
    assert "notes" not in system.image.modules
    assert "notes" not in sys.modules
    assert system.file()[1] == file[1]
    system.image.modules["notes"] = "x = 1"
    assert module("notes").x == 1


def test_saving_at_the_shell_is_a_part_of_that_turn(system: System) -> None:
    """It fails with it, and what follows in the turn sees it."""
    system.image.modules["shapes_"] = SHAPES
    system.run("import shapes_; tile = shapes_.make('tile')")
    new = SHAPES.replace("sides = 4", "sides = 5")
    system.fail(f"image.modules['shapes_'] = {new!r}; assert tile.corners == 5; 1 / 0")
    assert system.run("tile.corners, shapes_.make('x').sides") == (4, 4)
    assert system.image.modules["shapes_"] == SHAPES
    assert system.run(f"image.modules['shapes_'] = {new!r}; found = tile.corners", "found, tile.corners") == (5, 5)
    assert system.elsewhere("tile.corners, found") == ["(5, 5)"]


# -- failed turns and modules


def test_a_failed_turn_leaves_a_module_unimported(system: System) -> None:
    """And its package without it."""
    system.image.modules["pkg"] = ""
    system.image.modules["pkg.mod"] = "x = 1"
    system.resume()
    system.fail("import pkg.mod; 1 / 0")
    assert not {"pkg", "pkg.mod"} & set(sys.modules)
    system.run("import pkg")
    system.fail("import pkg.mod; 1 / 0")
    assert not hasattr(module("pkg"), "mod")
    assert system.run("import pkg.mod; pkg.mod.x") == 1


def test_a_failed_turn_leaves_the_globals_of_modules(system: System) -> None:
    """Bound to what they were bound to."""
    system.image.modules["notes"] = COUNTER
    system.run("import notes")
    before = module("notes").up
    system.fail("notes.limit = 7; notes.extra = 1; notes.up = None; del notes.listed; 1 / 0")
    assert system.run("notes.limit, hasattr(notes, 'extra'), hasattr(notes, 'listed')") == (3, False, True)
    assert module("notes").up is before


def test_an_import_that_fails_and_is_caught_can_be_tried_again(system: System, tmp_path: Path) -> None:
    """Nothing of the first try is left."""
    (tmp_path / "later.py").write_text("import flag\nassert flag.up\n")
    system.image.modules["flag"] = "up = False"
    system.image.modules.import_paths([tmp_path / "later.py"])
    system.run("import flag\ntry:\n    import later\nexcept AssertionError:\n    pass")
    assert "later" not in sys.modules
    assert system.run("flag.up = True; import later; later.flag.up") is True


# -- classes and functions that are edited while they are used


def edit(system: System, old: str, new: str, setup: str) -> None:
    """Save a module, use it, save it with other source."""
    system.image.modules["live"] = old
    system.run("import live", setup)
    system.image.modules["live"] = new


def test_instances_follow_their_class(system: System) -> None:
    """The class object stays, so do bound methods and functions."""
    new = (
        SHAPES.replace("has", "shows")
        .replace("sides = 4", "sides = 6")
        .replace('    def gone(self):\n        return "here"\n', "")
    )
    edit(system, SHAPES, new, "tile = live.make('tile'); kind = live.Square; made = live.make; bound = tile.describe")
    assert system.run("tile.describe(), tile.corners, hasattr(tile, 'gone')") == ("tile shows 6 sides!", 6, False)
    assert system.run("type(tile) is kind is live.Square, made is live.make, isinstance(made('x'), kind)") == (
        True,
        True,
        True,
    )
    assert system.run("bound()") == "tile shows 6 sides!"
    assert system.elsewhere("tile.describe(), type(tile) is kind") == ["('tile shows 6 sides!', True)"]


def test_functions_held_elsewhere_follow(system: System) -> None:
    """Plain, decorated, without a name, and those that a later edit handed out."""
    old = (
        "import functools\n\ndef plain(x=1):\n    return 'old', x\n\n"
        "@functools.lru_cache\ndef cached(x):\n    return 'old', x\n\n"
        "quick = lambda: 'old'\nTABLE = {'plain': plain}\n"
    )
    edit(
        system,
        old,
        old.replace("old", "new").replace("x=1", "x=2, *, y=3"),
        "held = [live.plain, live.cached, live.quick, live.TABLE['plain']]",
    )
    assert system.run("held[0](), held[0](y=4), held[1](5), held[2]()") == (("new", 2), ("new", 2), ("new", 5), "new")
    assert system.run("held[0] is live.plain is live.TABLE['plain']") is True
    system.image.modules["live"] = old.replace("old", "third")
    assert system.run("[each() for each in (held[0], held[3], live.TABLE['plain'])]") == [("third", 1)] * 3


def test_names_that_are_gone_from_the_source_are_gone(system: System) -> None:
    """What was set from outside stays."""
    edit(system, "A = 1\nB = 2\ndef f(): pass\nclass C: pass\nimport json\n", "B = 3\n", "live.extra = 4")
    assert system.run("[name for name in ('A', 'B', 'f', 'C', 'json', 'extra') if hasattr(live, name)]") == [
        "B",
        "extra",
    ]


def test_children_of_a_package_stay_when_it_is_saved(system: System) -> None:
    """Though its source no longer imports them."""
    system.image.modules["pkg"] = ""
    system.image.modules["pkg.mod"] = "x = 1"
    system.image.modules["pkg"] = "from . import mod\nimport pkg.mod\n"
    system.image.modules["pkg"] = "import pkg.mod"
    system.image.modules["pkg"] = ""
    assert system.run("import pkg; pkg.mod.x") == 1


LIVE = {
    "super without arguments": (
        "class A:\n    def f(self): return 'a'\nclass B(A):\n"
        "    def f(self): return super().f() + 'OLD'\n", "it_ = live.B()", "it_.f()", "aNEW",
    ),
    "class methods and static methods": (
        "class A:\n    @classmethod\n    def make(cls): return cls, 'OLD'\n    @staticmethod\n"
        "    def s(): return __class__, 'OLD'\n",
        "it_ = live.A()", "it_.make() == (live.A, 'NEW') and it_.s() == (live.A, 'NEW')", True,
    ),
    "slots": ("class A:\n    __slots__ = ('x',)\n"
    "    def f(self): return self.x, 'OLD'\n", "it_ = live.A(); it_.x = 1", "it_.f()", (1, "NEW")),
    "a dataclass": (
        "from dataclasses import dataclass\n@dataclass(order=True)\nclass A:\n    x: int\n    y: str = 'OLD'\n"
        "    def f(self): return 'OLD'\n",
        "it_ = live.A(1)", "it_, it_.f(), live.A(1).y, it_ < live.A(2), type(it_) is live.A", None,
    ),
    "a dataclass with slots": (
        "from dataclasses import dataclass\n@dataclass(slots=True)\nclass A:\n    x: int\n"
        "    def f(self): return self.x, 'OLD'\n",
        "it_ = live.A(1)", "it_.f(), type(it_) is live.A, it_ == live.A(1)", ((1, "NEW"), True, True),
    ),
    "a persistent class": (
        "from persistent import Persistent\nclass A(Persistent):\n"
        "    def f(self): return 'OLD'\n", "it_ = live.A(); world.it = it_", "world.it.f()", "NEW",
    ),
    "an abstract class": (
        "from abc import ABC, abstractmethod\nclass A(ABC):\n    @abstractmethod\n    def f(self): ...\n"
        "class B(A):\n    def f(self): return 'OLD'\n",
        "it_ = live.B()", "it_.f(), isinstance(it_, live.A)", ("NEW", True),
    ),
    "a class in a class": ("class A:\n    class B:\n"
    "        def f(self): return 'OLD'\n", "kind = live.A", "kind.B().f()", "NEW"),
    "a property": ("class A:\n    @property\n    def p(self): return 'OLD'\n    @p.setter\n"
    "    def p(self, v): self.v = 'OLD'\n", "it_ = live.A()", "it_.p", "NEW"),
    "an enum": ("from enum import Enum\nclass A(Enum):\n    x = 1\n"
    "    def f(self): return 'OLD'\n", "kind = live.A", "live.A.x.f()", "NEW"),
}  # fmt: skip


@pytest.mark.parametrize("case", LIVE)
def test_live_instances_of(system: System, case: str) -> None:
    """Each kind of class: the old instance has the new behaviour, here and after a resume."""
    source, setup, question, answer = LIVE[case]
    edit(system, source, source.replace("OLD", "NEW"), setup)
    shown = system.show(question)
    assert "OLD" not in shown or case == "a dataclass"
    assert answer is None or shown == repr(answer)
    assert system.elsewhere("import live", question)[-1] == shown


def test_bound_methods_and_inner_instances_follow(system: System) -> None:
    """And go back if the new source fails."""
    source = (
        "class A:\n    class B:\n        def f(self): return 'OLD'\n"
        "    def g(self): return super().__repr__() and 'OLD'\n"
    )
    system.image.modules["live"] = source
    live = module("live")
    bound, plain, inner = live.A().g, live.A.g, live.A.B()
    with pytest.raises(ZeroDivisionError):
        system.image.modules["live"] = source.replace("OLD", "BAD") + "1 / 0"
    assert (bound(), plain(live.A()), inner.f()) == ("OLD", "OLD", "OLD")
    system.image.modules["live"] = source.replace("OLD", "NEW")
    assert (bound(), plain(live.A()), inner.f()) == ("NEW", "NEW", "NEW")
    assert live.A.g is plain


@pytest.mark.parametrize(
    ("old", "new", "first"),
    [
        ("from enum import Enum\nclass A(Enum):\n"
        "    x = 1\n", "from enum import Enum\nclass A(Enum):\n    y = 2\n    x = 1\n", "live.A.x"),
        ("class A:\n    __slots__ = ('p',)\n", "class A:\n    __slots__ = ('p', 'q')\n", "live.A()"),
        ("import functools\n@functools.cache\ndef A(): return 1\n", "def A(): return 2", "None"),
    ],
    ids=["an enum", "slots", "a decorated function"],
)  # fmt: skip
def test_what_cannot_follow_is_the_new_one_after_a_resume(system: System, old: str, new: str, first: str) -> None:
    """Nothing is lost: the image has it by its name."""
    edit(system, old, new, f"kept = [live.A, {first}]")
    assert system.notices("kept.append(1)") == []
    assert system.elsewhere(f"kept[0] is live.A, type(kept[1]) is type({first})") == ["(True, True)"]


def test_an_enum_of_the_shell_is_defined_again(system: System) -> None:
    """Members that were kept are members of the new one after a resume."""
    system.run("from enum import Enum", "class Colour(Enum):\n    red = 1", "kept = [Colour.red]")
    system.run("class Colour(Enum):\n    red = 1\n    blue = 2")
    assert system.notices("kept.append(Colour.blue)") == []
    assert system.elsewhere("kept == [Colour.red, Colour.blue]") == ["True"]


def test_instances_of_a_class_that_is_gone_keep_their_state(system: System) -> None:
    """Until the class is back."""
    source = "class A:\n    def __init__(self): self.tags = []\n"
    edit(system, source, "", "thing = live.A()")
    assert system.notices("thing.tags.append(1)") == []
    system.resume()
    system.image.modules["live"] = source  # it is back
    system.resume()
    assert system.run("thing.tags") == [1]


def test_inheritance_changes_under_live_instances(system: System) -> None:
    """And changes back if the turn fails."""
    old = "class A:\n    def f(self): return 'a'\nclass B:\n    def f(self): return 'b'\nclass C(A):\n    pass\n"
    edit(system, old, old.replace("C(A)", "C(B)"), "thing = live.C()")
    assert system.run("thing.f(), isinstance(thing, live.B), isinstance(thing, live.A)") == ("b", True, False)
    system.fail(f"image.modules['live'] = {old!r}; assert thing.f() == 'a'; 1 / 0")
    assert system.run("thing.f()") == "b"


def test_a_class_that_is_gone_leaves_its_instances(system: System) -> None:
    """As long as the process lives they work."""
    edit(system, "class A:\n    def f(self): return 'still'\n", "", "thing = live.A()")
    assert system.run("thing.f()") == "still"
    assert system.run("hasattr(live, 'A')") is False


def test_overloads_and_dispatch_work_after_an_edit(system: System) -> None:
    """Functions that share a name are not mistaken for each other."""
    source = (
        "from functools import singledispatch\n@singledispatch\ndef f(x): return 'OLD other'\n"
        "@f.register\ndef _(x: int): return 'OLD int'\n@f.register\ndef _(x: str): return 'OLD str'\n"
    )
    edit(system, source, source.replace("OLD", "NEW"), "pass")
    assert system.run("live.f(1), live.f('x'), live.f(1.5)") == ("NEW int", "NEW str", "NEW other")


def test_code_of_an_edited_module_can_be_stored(system: System) -> None:
    """Old and new references are references to the same."""
    source = "def f(): return 'OLD'\nclass A:\n    def g(self): return 'OLD'\n"
    edit(system, source, source.replace("OLD", "NEW"), "held = [live.f, live.A]")
    assert system.notices("held.append(live.f); held.append(live.A().g)") == []
    assert system.elsewhere("[each() for each in (held[0], held[2], held[3])]") == ["['NEW', 'NEW', 'NEW']"]


def test_builtins_are_pythons_own_after_an_edit(system: System) -> None:
    """What the edit needed is gone."""
    edit(
        system,
        "def f():\n    class A: pass\n    return A",
        "def f():\n    class A: x = 1\n    return A\ndef g(): return len.__self__",
        "pass",
    )
    assert system.run("live.f().x, live.g() is __import__('builtins')") == (1, True)
    assert system.run("live.f.__builtins__ is live.g.__builtins__ is vars(__import__('builtins'))") is True


# -- compiled code


COUNT_COMPILES = """
import builtins, sys
import piety
import piety.objects.image, piety.objects.workspace, transaction, traceback
real, compiled = builtins.compile, []
def counting(source, filename, *args, **kwargs):
    compiled.append(filename)
    return real(source, filename, *args, **kwargs)
builtins.compile = counting
with piety.open() as image:
    outcome = image.evaluate("notes.up(), pkg.mod.helper(), hello(), Greeter().greet()")
    print(outcome.value, outcome.traceback)
print([name for name in compiled if name.startswith("image:")])
"""


def test_a_second_start_compiles_nothing(system: System) -> None:
    """Neither modules nor the definitions of the workspace."""
    system.image.modules["notes"] = COUNTER
    system.image.modules["pkg"] = ""
    system.image.modules["pkg.mod"] = "import notes\ndef helper():\n    return notes.counter\n"
    system.run("def hello():\n    return 'hello'", "class Greeter:\n    def greet(self):\n        return hello()")
    system.run("import pkg.mod, notes")
    system.image.close()
    child = subprocess.run(
        [sys.executable, "-c", COUNT_COMPILES],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(piety.__file__).parents[1],
    )
    assert child.stdout == "(1, 1, 'hello', 'hello') \n[]\n"


def test_a_turn_that_only_imports_writes_nothing(system: System) -> None:
    """The file is the same to the last byte."""
    system.image.modules["notes"] = COUNTER
    system.image.modules["pkg"] = ""
    system.image.modules["pkg.mod"] = "from notes import notes"
    system.resume()
    before = system.file()
    with system.image.turn("import"):
        import pkg.mod  # type: ignore[import-not-found]

        assert pkg.mod.notes == []
    assert system.file() == before


def test_code_of_another_python_is_compiled_anew_and_kept(system: System) -> None:
    """That of the Python used before is kept too, older ones go."""
    system.image.modules["notes"] = "x = 1"
    record = system.image.world.modules.table["notes"]
    with system.image.turn("another Python was here"):
        ((tag, data),) = record.code
        record.code = (("cpython-38-old", b"not for us"), ("cpython-37-older", b"neither"))
    system.resume()
    assert system.run("import notes; notes.x") == 1
    assert system.image.world.modules.table["notes"].code == ((tag, data), ("cpython-38-old", b"not for us"))


def test_an_import_between_turns_writes_nothing(system: System) -> None:
    """Though it has to compile."""
    system.image.modules["notes"] = "x = 1"
    with system.image.turn("another Python was here"):
        system.image.world.modules.table["notes"].code = ()
    system.resume()
    before = system.file()
    assert module("notes").x == 1
    system.run("1")
    assert system.file() == before


# -- from and to the host


def test_a_folder_comes_back_byte_for_byte(system: System, tmp_path: Path) -> None:
    """Any line ends and encodings, data, modules that others hide; and doing it twice writes nothing."""
    contents = {
        "box/__init__.py": b"", "box/Upper.py": b"", "box/_under.py": b"", "box/sub/__init__.py": b"",
        "box/crlf.py": b"x = 1\r\ny = 2\r\n", "box/bom.py": b"\xef\xbb\xbfx = 1", "box/no_end.py": b"x = 1",
        "box/old.py": b"# coding: latin-1\nx = '\xe9'\n", "box/feed.py": b"x = 1\x0c\ny = 2\n", "box/sub/empty.py": b"",
        "box/data/a.bin": bytes(range(256)), "box/data/empty": b"", "box/py.typed": b"", "box/2to3.py": b"not python (",
        "box/plain/inner.py": b"x = 1", "box/twice.py": b"x = 'file'", "box/twice/__init__.py": b"x = 'package'",
    }  # fmt: skip
    for place, data in contents.items():
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).write_bytes(data)
    (tmp_path / "box" / "__pycache__").mkdir()
    (tmp_path / "box" / "__pycache__" / "x.pyc").write_bytes(b"no")
    names = system.image.modules.import_paths([tmp_path / "box"])
    assert {"box", "box.crlf", "box.plain.inner", "box.twice", "box.Upper"} <= set(names)
    before = system.file()
    assert system.image.modules.import_paths([tmp_path / "box"]) == names
    assert system.file() == before
    system.resume()
    system.image.modules.export(tmp_path / "out")
    written = {
        file.relative_to(tmp_path / "out").as_posix(): file.read_bytes()
        for file in (tmp_path / "out").rglob("*")
        if file.is_file()
    }
    assert {place: data for place, data in written.items() if place.startswith("box/")} == contents
    assert system.run("import box.twice, box.plain.inner, box.old; box.twice.x, box.old.x") == ("package", "\xe9")


def test_importing_does_not_run_what_is_not_running(system: System, tmp_path: Path) -> None:
    """The sources are kept until somebody imports them."""
    (tmp_path / "calm.py").write_text("raise SystemExit('I was run')")
    system.image.modules.import_paths([tmp_path / "calm.py"])
    assert isinstance(system.fail("import calm"), SystemExit)


def test_importing_gives_running_modules_their_new_source(system: System, tmp_path: Path) -> None:
    """But does not run again what is the same."""
    system.image.modules["notes"] = COUNTER
    system.run("import notes; notes.up(); notes.limit = 8")
    (tmp_path / "notes.py").write_text(COUNTER)
    system.image.modules.import_paths([tmp_path / "notes.py"])
    assert system.run("notes.limit") == 8  # nothing new: it did not run again
    (tmp_path / "notes.py").write_text(COUNTER + "def new(): return counter\n")
    system.image.modules.import_paths([tmp_path / "notes.py"])
    assert system.run("notes.new(), notes.limit") == (1, 3)


@pytest.mark.parametrize("place", ["missing.py", "missing", "plain", "text.txt", "my-script.py"])
def test_what_is_no_module_is_told_in_one_line(image: piety.Image, tmp_path: Path, place: str) -> None:
    """And what was named beside it is not imported either."""
    (tmp_path / "plain").mkdir()
    (tmp_path / "text.txt").write_text("x")
    (tmp_path / "my-script.py").write_text("x = 1")
    (tmp_path / "good.py").write_text("x = 1")
    with pytest.raises(PietyError, match=place.removesuffix(".py")) as caught:
        image.modules.import_paths([tmp_path / "good.py", tmp_path / place])
    assert "\n" not in str(caught.value)
    assert "good" not in image.modules


def test_one_bad_file_of_many_and_nothing_is_imported(system: System, tmp_path: Path) -> None:
    """The error names the file of the host."""
    (tmp_path / "box").mkdir()
    for name in ("__init__", "a", "z"):
        (tmp_path / "box" / f"{name}.py").write_text("x = 1")
    (tmp_path / "box" / "m.py").write_text("x = 1\ndef (\n")
    before = system.file()
    with pytest.raises(SyntaxError) as caught:
        system.image.modules.import_paths([tmp_path / "box"])
    assert (caught.value.filename, caught.value.lineno) == (str(tmp_path / "box" / "m.py"), 2)
    assert system.file()[1] == before[1]
    assert not [name for name in system.image.modules if name.startswith("box")]


# -- the command line


def piety_code(*arguments: str | Path) -> tuple[int, str]:
    """Run `piety code ...`; its exit status, and all that it said."""
    from click.testing import CliRunner

    from piety.cli import piety as command

    done = CliRunner().invoke(command, ["code", *map(str, arguments)])
    assert done.exception is None or isinstance(done.exception, SystemExit)
    return done.exit_code, done.output


@pytest.fixture
def closed(system: System) -> System:
    """A fresh home that nobody has open."""
    system.image.close()
    return system


def test_userland_takes_the_place_of_modules_that_the_host_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is installed beside Piety, a home can be made, and the tour is the tour."""
    host = tmp_path / "host"
    host.mkdir()
    for name in ("clock", "tour"):
        (host / f"{name}.py").write_text("raise ImportError('this is of the host')\n")
    monkeypatch.syspath_prepend(str(host))
    with piety.open(tmp_path / "home", create=True) as image:
        outcome = image.evaluate("import clock, tour\nclock.Clock, tour.start")
        assert outcome.error is None, outcome.traceback


def test_userland_comes_back_byte_for_byte(closed: System, tmp_path: Path) -> None:
    """`piety code export image/` of a fresh home changes nothing in the repository."""
    assert piety_code("export", tmp_path / "out")[0] == 0
    userland = Path(piety.__file__).parents[1] / "image"
    written = {
        file.relative_to(tmp_path / "out"): file.read_bytes()
        for file in (tmp_path / "out").rglob("*")
        if file.is_file()
    }
    assert written == {
        file.relative_to(userland): file.read_bytes()
        for file in userland.rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }
    assert Path("tour.py") in written


def test_code_is_listed_and_shown(closed: System, tmp_path: Path) -> None:
    """Names, lines and state; the source as it is."""
    (tmp_path / "notes.py").write_bytes(COUNTER.encode())
    assert piety_code("import", tmp_path / "notes.py") == (0, "imported 1 module: notes\n")
    listed = piety_code("list")[1].splitlines()
    assert any(
        line.split()[:3] == ["notes", "22", "lines"] and line.endswith("state: counter, notes, shelf")
        for line in listed
    )
    assert piety_code("show", "notes") == (0, COUNTER)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("show", "nothing"), "no module 'nothing' in the image"),
        (("import", "nothing.py"), "nothing.py is not there; nothing was imported"),
        (
            ("import", "plain"),
            "plain is neither a .py file nor a package (a folder with __init__.py); nothing was imported",
        ),
        (("import", "bad.py"), "bad.py, line 2: "),
        (("import", "good.py", "bad.py"), "bad.py, line 2: "),
        (("import", "deep.py"), "deep.py, line 1: "),
        (("import", "json.py"), "the host can import 'json'"),
        (("import", "latin.py"), "latin.py, line 1: "),
        (("import", "folder.py"), "folder.py is neither a .py file nor a package"),
        (("export", "good.py"), "cannot be written"),
    ],
)
def test_a_mistake_is_one_line(
    closed: System, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], told: str
) -> None:
    """With exit status 2, and nothing written."""
    (tmp_path / "plain").mkdir()
    for name, text in {
        "good": "x = 1",
        "bad": "x = 1\ndef (\n",
        "deep": "(" * 5000 + ")" * 5000,
        "json": "x = 1",
    }.items():
        (tmp_path / f"{name}.py").write_text(text)
    (tmp_path / "latin.py").write_bytes(b"x = '\xe9'\n")
    (tmp_path / "folder.py").mkdir()
    monkeypatch.chdir(tmp_path)
    before = closed.file()[1]
    status, said = piety_code(*arguments)
    assert status == 2
    assert told in said
    assert len(said.splitlines()) == 1
    assert said.startswith("piety: ")
    assert closed.file()[1] == before


def test_the_globals_function_of_a_module_can_be_kept(system: System) -> None:
    """It is that of the module again, and carries nothing of the process with it."""
    system.image.modules["shed"] = (
        "__state__ = ('tools', 'n')\ntools = [globals]\nn = 1\ndef look(): return tools[0]()['n']"
    )
    assert system.notices("import shed; shed.n = 2; shed.tools.append(3)") == []
    assert system.run("shed.look()") == 2
    assert system.elsewhere("import shed; shed.look(), len(shed.tools)") == ["(2, 2)"]
