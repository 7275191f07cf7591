"""Importing from the image is like importing from files.

Most tests make a package of files, take it into an image, and ask the same question in both places.
"""

from __future__ import annotations

import importlib
import importlib.resources
import importlib.util
import inspect
import io
import linecache
import pdb
import pkgutil
import runpy
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import piety

GARDEN: dict[str, str | bytes] = {
    "garden/__init__.py": "'''A garden.'''\n__all__ = ['plant', 'beds']\nfrom .plants import plant\n"
    "from . import beds\nhidden = 1\n",
    "garden/plants.py": (
        "from __future__ import annotations\nfrom typing import TYPE_CHECKING\nif TYPE_CHECKING:\n"
        "    from garden.beds.bed import Bed\n\n"
        "class Plant:\n    '''Grows.'''\n\n    def grow(self, bed: Bed) -> str:\n        return 'taller'\n\n\n"
        "def plant(name):\n    # a comment\n    return name.upper()\n"
    ),
    "garden/beds/__init__.py": "from .bed import Bed\nfrom ..plants import plant\n",
    "garden/beds/bed.py": "import garden.plants as plants\nfrom ..plants import plant as again\n\nclass Bed:\n"
    "    kind = plants.plant('bed')\n",
    "garden/circle.py": "import garden.round\nNAME = 'circle'\ndef other():\n    return garden.round.NAME\n",
    "garden/round.py": "from garden import circle\nNAME = 'round'\ndef other():\n    return circle.NAME\n",
    "garden/lazy.py": "def __getattr__(name):\n    if name == 'made':\n        return 'when asked'\n"
    "    raise AttributeError(name)\n",
    "garden/fails.py": "def inner():\n    return 1 / 0\n\ninner()\n",
    "garden/wants.py": "import garden.nothing\n",
    "garden/latin.py": "# -*- coding: latin-1 -*-\nTEXT = 'caf\xe9'\n".encode("latin-1"),
    "garden/bom.py": b"\xef\xbb\xbfTEXT = 'b\xc3\xa9'\r\ndef lines():\r\n    return 2\r\n",
    "garden/run.py": "import sys\nRESULT = __name__, __package__, __spec__.name, sys.argv[0] == __file__\n"
    "def function():\n    return 'source'\n",
    "garden/__main__.py": "from . import plant\nRESULT = plant('main'), __name__\n",
    "garden/open/field.py": "from . import gate\nfrom .. import plant\nNAME = plant('field')\n",
    "garden/open/gate.py": "",
    "garden/data/words.txt": "rose\r\nlily\n",
    "garden/data/deep/root.bin": b"\0\1\xff",
    "garden/data/2to3.py": "this is no Python",
}


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """The garden as files, in a folder that nothing imports from."""
    for place, content in GARDEN.items():
        file = tmp_path / "files" / place
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return tmp_path / "files"


@pytest.fixture
def garden(image: piety.Image, files: Path) -> piety.Image:
    """An image that has the garden."""
    image.modules.import_paths([files / "garden"])
    return image


Both = Callable[[Callable[[], Any]], Any]


@pytest.fixture
def both(garden: piety.Image, files: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Both]:
    """Ask a question of the code in the image and of the same code in files: it must have one answer."""

    def ask(question: Callable[[], Any]) -> Any:
        with garden.turn("ask"):
            inside = question()
        assert all(module.__file__ is None or module.__file__.startswith("image:") for module in loaded())
        garden.close()
        monkeypatch.syspath_prepend(str(files))
        outside = question()
        assert inside == outside
        return inside

    def loaded() -> list[Any]:
        return [
            module
            for name, module in sys.modules.items()
            if name.partition(".")[0] == "garden" and hasattr(module, "__file__")
        ]

    yield ask
    for name in [name for name in sys.modules if name.partition(".")[0] == "garden"]:
        del sys.modules[name]


def load(name: str) -> Any:
    """A module by its name."""
    return importlib.import_module(name)


# -- the import statement


def test_packages_and_relative_imports(both: Both) -> None:
    """By one dot and by two; a name that two modules import is one object."""
    assert both(
        lambda: (
            load("garden").plant("rose"),
            load("garden.beds").Bed.kind,
            load("garden.beds").plant is load("garden").plant,
        )
    ) == ("ROSE", "BED", True)


@pytest.mark.parametrize(
    ("statement", "value"),
    [
        ("import garden.beds.bed as x", "x.Bed.__module__"),
        ("import garden.beds.bed", "garden.beds.bed.Bed.__qualname__"),
        ("from garden.beds import bed", "bed.__name__"),
        ("from garden import *", "sorted(name for name in globals() if name[0] != '_')"),
        ("from garden.lazy import made", "made"),
        ("import garden.lazy", "hasattr(garden.lazy, 'nothing')"),
        ("from garden import circle", "circle.other(), circle.garden.round.other()"),
        (
            "import garden.open.field",
            "garden.open.field.NAME, garden.open.__spec__.origin, getattr(garden.open, '__file__', None)",
        ),
        ("import garden.latin, garden.bom", "garden.latin.TEXT, garden.bom.TEXT, garden.bom.lines()"),
        (
            "import garden",
            "garden.__doc__, garden.__package__, garden.__spec__.parent, len(garden.__path__)",
        ),
        (
            "import garden.plants",
            "garden.plants.__package__, garden.plants.__spec__.parent, hasattr(garden.plants, '__path__')",
        ),
    ],
)
def test_imports_as_from_files(both: Both, statement: str, value: str) -> None:
    """Each form of the statement, circles, `import *`, namespaces without source, and encodings."""

    def question() -> Any:
        names: dict[str, Any] = {}
        exec(statement, names)
        return eval(value, names)

    both(question)


def test_a_missing_module_is_told_as_from_files(both: Both) -> None:
    """By its name, and the module that wanted it is not left half-made."""

    def question() -> Any:
        with pytest.raises(ModuleNotFoundError) as caught:
            load("garden.wants")
        return str(caught.value), caught.value.name, "garden.wants" in sys.modules

    assert both(question) == ("No module named 'garden.nothing'", "garden.nothing", False)


def test_a_failing_module_is_not_there_afterwards(both: Both) -> None:
    """Neither in `sys.modules` nor in its package; what it had imported stays."""

    def question() -> Any:
        with pytest.raises(ZeroDivisionError):
            load("garden.fails")
        return "garden.fails" in sys.modules, hasattr(load("garden"), "fails"), "garden.plants" in sys.modules

    assert both(question) == (False, False, True)


def test_reload_runs_the_source_again_in_the_same_module(both: Both) -> None:
    """As `importlib.reload` says: names from elsewhere stay, classes are new."""

    def question() -> Any:
        plants = load("garden.plants")
        old, plants.mark = plants.Plant, "stays"
        again = importlib.reload(plants)
        return again is plants, plants.mark, plants.Plant is old, again.__spec__.name

    assert both(question) == (True, "stays", False, "garden.plants")


def test_find_spec_imports_only_the_parents(both: Both) -> None:
    """To ask whether there is a module does not run it."""

    def question() -> Any:
        spec = importlib.util.find_spec("garden.circle")
        assert spec is not None
        return spec.name, spec.parent, "garden.circle" in sys.modules, importlib.util.find_spec("garden.nothing")

    assert both(question) == ("garden.circle", "garden", False, None)


def test_a_module_made_by_hand_from_its_spec(both: Both) -> None:
    """It gets a namespace of its own, and no place in `sys.modules`."""

    def question() -> Any:
        spec = importlib.util.find_spec("garden.bom")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module.TEXT, "garden.bom" in sys.modules

    assert both(question) == ("b\xe9", False)


# -- programs


def test_a_module_runs_as_a_program(both: Both) -> None:
    """As with `python -m`."""
    result = both(lambda: runpy.run_module("garden.run", run_name="__main__", alter_sys=True)["RESULT"])
    assert result == ("__main__", "garden", "garden.run", True)


def test_a_package_runs_by_its_main(both: Both) -> None:
    """Its `__main__.py` may import from it."""
    assert both(lambda: runpy.run_module("garden", run_name="__main__")["RESULT"]) == ("MAIN", "__main__")


def test_a_module_without_main_is_told_as_from_files(both: Both) -> None:
    """A package that cannot be run."""

    def question() -> Any:
        with pytest.raises(ImportError) as caught:
            runpy.run_module("garden.beds")
        return str(caught.value)

    both(question)


def test_a_program_shows_its_source(both: Both) -> None:
    """Though it goes by the name of `__main__` while it runs."""

    def question() -> Any:
        names = runpy.run_module("garden.run", run_name="__main__")
        code = names["function"].__code__
        return linecache.getlines(code.co_filename, names)

    assert "def function():\n" in both(question)


# -- tools that read source


def test_a_traceback_has_the_lines_and_frames_as_from_files(both: Both) -> None:
    """How a module was found and loaded is left out."""

    def question() -> Any:
        with pytest.raises(ZeroDivisionError) as caught:
            load("garden.fails")
        frames = traceback.extract_tb(caught.value.__traceback__)
        return [
            (Path(frame.filename).name, frame.lineno, frame.name, frame.line)
            for frame in frames
            if "importlib" not in frame.filename
        ]

    frames = both(question)
    assert frames[-2:] == [("fails.py", 4, "<module>", "inner()"), ("fails.py", 2, "inner", "return 1 / 0")]
    assert len(frames) == 4  # this test, `load`, and those two: none of the importer's own


def test_the_traceback_of_a_turn_begins_in_the_module(garden: piety.Image) -> None:
    """A person sees code of theirs only."""
    shown = garden.evaluate("import garden.fails").traceback
    assert "piety" not in shown
    assert "importlib" not in shown
    assert 'File "image:garden/fails.py", line 2, in inner\n    return 1 / 0' in shown


@pytest.mark.parametrize("path", ["plant", "Plant", "Plant.grow"])
def test_inspect_finds_the_source(both: Both, path: str) -> None:
    """Of a function, a class and a method, with comments and line numbers."""

    def question() -> Any:
        code: Any = load("garden.plants")
        for part in path.split("."):
            code = getattr(code, part)
        file = inspect.getsourcefile(code)
        assert file is not None
        return (
            inspect.getsource(code),
            Path(file).name,
            inspect.getmodule(code).__name__,
            inspect.getsourcelines(code)[1],
        )

    both(question)


def test_inspect_finds_the_source_of_modules_and_frames(both: Both) -> None:
    """And comments, docstrings, and the module of a code object."""

    def question() -> Any:
        plants = load("garden.plants")
        namespace: dict[str, Any] = {}
        exec(compile("def call(f):\n    return f()", "x", "exec"), namespace)
        plants.look = type(plants.plant)(namespace["call"].__code__, vars(plants))
        found = inspect.getmodule(plants.plant.__code__)
        assert found is plants
        return inspect.getsource(plants), inspect.getcomments(plants.plant), inspect.getdoc(plants.Plant)

    both(question)


def test_new_source_is_shown_once_it_is_saved(garden: piety.Image) -> None:
    """To `inspect` and in tracebacks; linecache keeps no old lines."""
    garden.modules["tool"] = "def use():\n    return 'old'\n"
    with garden.turn("look"):
        tool = load("tool")
        assert "old" in inspect.getsource(tool.use)
    garden.modules["tool"] = "# moved down\n\ndef use():\n    raise ValueError('new')\n"
    with garden.turn("look"):
        assert "new" in inspect.getsource(tool.use)
    assert "raise ValueError('new')\n" in garden.evaluate("import tool; tool.use()").traceback


def test_the_debugger_shows_lines_and_stops_at_functions(garden: piety.Image) -> None:
    """pdb makes absolute paths of all places, and must find the lines there too."""
    said = io.StringIO()
    with garden.turn("debug"):
        plants = load("garden.plants")
        debugger = pdb.Pdb(stdin=io.StringIO("break garden.plants.plant\ncontinue\nlist\nwhere\np name\n"
        "continue\n"), stdout=said, nosigint=True, readrc=False)  # fmt: skip
        debugger.use_rawinput = False
        debugger.run("garden.plants.plant('rose')", {"garden": load("garden"), "plants": plants})
    assert "# a comment" in said.getvalue()
    assert "'rose'" in said.getvalue()
    assert "Breakpoint 1 at" in said.getvalue()


# -- data beside the code


def test_resources_are_read_as_from_files(both: Both) -> None:
    """Everything that `importlib.resources` offers for files, folders and what is not there."""

    def question() -> Any:
        files = importlib.resources.files("garden")
        words = files / "data" / "words.txt"
        with words.open() as lines, words.open("rb") as raw:
            opened = list(lines), raw.read()
        with importlib.resources.as_file(words) as path:
            copied = path.read_bytes()
        return (
            words.read_text(encoding="utf-8"), words.read_bytes(), opened, copied, words.name, words.is_file(),
            words.is_dir(),
            (files / "data").is_dir(), (files / "nothing").is_file(), (files / "nothing").is_dir(),
            files.is_dir(), files.name,
            sorted(each.name for each in files.iterdir() if each.name != "__pycache__"),
            sorted(each.name for each in (files / "data").iterdir()), files.joinpath("data/deep/root.bin").read_bytes(),
            files.joinpath("plants.py").read_text().count("class"), (files / "data" / ".." / "plants.py").is_file(),
            importlib.resources.files("garden.data").joinpath("words.txt").is_file(),
        )  # fmt: skip

    both(question)


def test_what_is_no_resource_is_told_as_from_files(both: Both) -> None:
    """By exceptions of the same classes."""

    def question() -> Any:
        files = importlib.resources.files("garden")
        told = []
        for read in (
            (files / "nothing").read_text,
            (files / "data").read_bytes,
            lambda: list((files / "nothing").iterdir()),
            lambda: list((files / "plants.py").iterdir()),
        ):
            with pytest.raises(OSError, match=r"garden/(nothing|data|plants)") as caught:
                read()
            told.append(type(caught.value))
        return told

    both(question)


@pytest.mark.filterwarnings("ignore:.* is deprecated:DeprecationWarning")
def test_the_old_functions_for_resources(both: Both) -> None:
    """Packages in use still call them."""

    def question() -> Any:
        return (
            importlib.resources.is_resource("garden.data", "words.txt"),
            importlib.resources.read_text("garden.data", "words.txt"),
        )

    assert both(question) == (True, "rose\nlily\n")


if sys.version_info >= (3, 12):  # as_file takes no folders before

    def test_a_folder_of_resources_becomes_one_of_files(both: Both) -> None:
        """A copy of the whole folder, as long as the block lasts."""

        def question() -> Any:
            with importlib.resources.as_file(importlib.resources.files("garden") / "data") as folder:
                return sorted(
                    (each.relative_to(folder).as_posix(), each.read_bytes())
                    for each in folder.rglob("*")
                    if each.is_file()
                )

        assert ("deep/root.bin", b"\0\1\xff") in both(question)


def test_pkgutil_lists_and_reads_a_package(both: Both) -> None:
    """Its modules, its sub-packages, its files."""

    def question() -> Any:
        garden = load("garden")
        walked = pkgutil.walk_packages(garden.__path__, "garden.", onerror=lambda name: None)
        return (
            [(each.name, each.ispkg) for each in pkgutil.iter_modules(garden.__path__)],
            [each.name for each in walked if each.name not in ("garden.fails", "garden.wants")],
            pkgutil.get_data("garden", "data/words.txt"), pkgutil.get_data("garden.beds", "../data/words.txt"),
            pkgutil.resolve_name("garden.beds.bed:Bed").__name__,
        )  # fmt: skip

    both(question)


def test_pkgutil_lists_the_modules_of_the_image(garden: piety.Image) -> None:
    """Among those of the host."""
    with garden.turn("look"):
        assert "garden" in {each.name for each in pkgutil.iter_modules()}


def test_a_loader_reads_files_by_their_place(garden: piety.Image) -> None:
    """Sources and data, by what `__file__` says."""
    with garden.turn("look"):
        loader = load("garden").__loader__
        assert loader.get_data("image:garden/data/words.txt") == b"rose\r\nlily\n"
        assert loader.get_data(load("garden").__file__) == GARDEN["garden/__init__.py"].encode()  # type: ignore[union-attr]
        with pytest.raises(FileNotFoundError, match="image:garden/nothing"):
            loader.get_data("image:garden/nothing")


# -- the host


def test_the_host_has_its_modules_back_after_the_close(
    image: piety.Image, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The very module object that was there before."""
    (tmp_path / "hosted.py").write_text("PLACE = 'host'")
    monkeypatch.syspath_prepend(str(tmp_path))
    hosted = load("hosted")
    monkeypatch.setitem(sys.modules, "hosted", hosted)
    image.modules.save("hosted", "PLACE = 'image'", over_host=True)
    assert image.evaluate("import hosted; hosted.PLACE").value == "image"
    image.close()
    assert load("hosted") is hosted


def test_a_closed_image_leaves_nothing_in_the_process(home: Path, files: Path) -> None:
    """No module, no finder, no cache."""
    before = set(sys.modules), list(sys.meta_path), list(sys.path_hooks)
    with piety.open(home, create=True) as image:
        image.modules.import_paths([files / "garden"])
        image.evaluate("import garden.beds, pkgutil; list(pkgutil.walk_packages(garden.__path__))")
    assert {name for name in set(sys.modules) - before[0] if name.startswith("garden")} == set()
    assert [list(sys.meta_path), list(sys.path_hooks)] == list(before[1:])
    assert [place for place in sys.path_importer_cache if "image:" in place] == []


def test_the_host_has_its_module_back_after_a_deletion(
    image: piety.Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The very one that was there; if the turn fails it is put aside again."""
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "at_home.py").write_text("PLACE = 'host'")
    monkeypatch.syspath_prepend(str(tmp_path / "lib"))
    host = importlib.import_module("at_home")
    image.modules.save("at_home", "PLACE = 'image'", over_host=True)
    assert importlib.import_module("at_home") is not host
    assert image.evaluate("del image.modules['at_home']; 1 / 0").error is not None
    assert importlib.import_module("at_home") is not host
    del image.modules["at_home"]
    assert importlib.import_module("at_home") is host
    monkeypatch.delitem(sys.modules, "at_home")


def test_a_module_that_was_not_deleted_after_all_is_found(image: piety.Image, home: Path) -> None:
    """The turn that deleted it failed; it had not been loaded."""
    image.modules["pond"] = "x = 1"
    image.close()
    with piety.open(home) as again:
        assert isinstance(again.evaluate("del image.modules['pond']; 1 / 0").error, ZeroDivisionError)
        assert again.evaluate("import pond; pond.x").value == 1


def test_places_can_only_be_read(garden: piety.Image) -> None:
    """They are told apart by where they are."""
    folder = importlib.resources.files("garden")
    words = folder / "data" / "words.txt"
    assert (words.name, words.parent, str(words)) == ("words.txt", folder / "data", "image:garden/data/words.txt")
    assert len({words, folder.joinpath("data/words.txt"), folder}) == 2
    assert [each.exists() for each in (words, folder, folder / "nothing")] == [True, True, False]
    with pytest.raises(io.UnsupportedOperation, match="can only be read"):
        words.open("w")
