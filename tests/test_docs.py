"""The documents agree with the code."""

from __future__ import annotations

import importlib
import pkgutil
import re
from pathlib import Path

import pytest
from persistent import Persistent

import piety

ROOT = Path(__file__).parent.parent
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def python_files() -> list[str]:
    return [str(path.relative_to(ROOT)) for folder in ("piety", "image") for path in (ROOT / folder).rglob("*.py")]


def test_reading_order_names_files_that_exist() -> None:
    """Every path in the order of reading is there."""
    paths = re.findall(r"`((?:piety|image|tests|tools)/[\w/.]+|README\.md)`", (ROOT / "docs/reading.md").read_text())
    assert len(paths) > 10
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_reading_order_leaves_no_module_out() -> None:
    """Every module of Piety has its place in the order of reading, but for those that hold only a docstring."""
    text = (ROOT / "docs/reading.md").read_text()
    named = [
        path for path in python_files() if f"`{path}`" not in text and not path.endswith(("__init__.py", "__main__.py"))
    ]
    assert named == []


def stored_classes() -> list[type]:
    """The persistent classes that Piety itself stores; `_private` ones only live in memory."""
    modules = [info.name for info in pkgutil.walk_packages(piety.__path__, "piety.") if "__main__" not in info.name]
    return [
        each
        for name in modules
        for each in vars(importlib.import_module(name)).values()
        if isinstance(each, type)
        and issubclass(each, Persistent)
        and each.__module__ == name
        and not each.__name__.startswith("_")
    ]


def test_format_describes_each_stored_class_and_attribute() -> None:
    """docs/format.md has every class that Piety stores, with each attribute that its instances get."""
    text = (ROOT / "docs/format.md").read_text()
    classes = stored_classes()
    assert len(classes) >= 6
    for each in classes:
        assert f"`{each.__module__}.{each.__qualname__}`" in text
        source = Path(importlib.import_module(each.__module__).__file__ or "").read_text()
        body = source[source.index(f"class {each.__name__}(") :].split("\n\n\n")[0]
        for name in re.findall(r"self\.(?!_v_|_p_)(\w+)(?:: [^=]+)? = ", body):  # what begins with _v_ is not stored
            assert f"`{name}`" in text, f"{each.__qualname__}.{name}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    """A link in a document leads to a file of the project."""
    for link in re.findall(r"\]\(([^)#:]+)\)", document.read_text()):
        assert (document.parent / link).exists(), link


def test_files_list_in_readme_is_complete() -> None:
    """The Files list of the README has each thing at the top of the tree."""
    text = (ROOT / "README.md").read_text()
    listed = text[text.index("## Files") :]
    names = [
        path.name for path in ROOT.iterdir() if not path.name.startswith(".") and path.name not in ("build", "dist")
    ]
    unlisted = {"README.md", "pyproject.toml"} | {name for name in names if name.endswith(".egg-info")}
    assert [name for name in names if name not in listed and name not in unlisted] == []
