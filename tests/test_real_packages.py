"""Packages that nobody here wrote: their own tests pass against the code in the image as they do from files.

Each is taken into an image by the command line; the system is stopped hard while it runs; after the resume the suite
runs in a turn.  The copy on the host cannot be reached from there: the Python that runs it has every installed package
but this one.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import venv
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]

# Top-level packages, and the folders in them that hold their tests.
SUITES = {
    "toolz": (["toolz", "tlz"], ["toolz/tests", "toolz/sandbox/tests"]),
    "arpeggio": (["arpeggio"], ["arpeggio/tests"]),
}


class Suite:
    """A package that is installed here: copies of its code and of its tests, and processes that run them."""

    def __init__(self, name: str, folder: Path) -> None:
        self.packages, tests = SUITES[name]
        self.home, self.sources, self.tests, self.others = (
            folder / each for each in ("home", "sources", "tests", "others")
        )
        site = Path(str(find_spec(name).origin)).parents[1]  # type: ignore[union-attr]
        without_caches = shutil.ignore_patterns("__pycache__")
        for package in self.packages:
            shutil.copytree(site / package, self.sources / package, ignore=without_caches)
        for place in tests:
            shutil.copytree(
                site / place,
                self.tests / place.replace("/", "_"),
                ignore=shutil.ignore_patterns("__pycache__", "__init__.py"),
            )
        (self.tests / "pytest.ini").write_text("[pytest]\n")
        self.others.mkdir()
        for entry in site.iterdir():
            if entry.name not in self.packages and entry.suffix != ".pth":
                (self.others / entry.name).symlink_to(entry)
        venv.create(folder / "venv", symlinks=True)
        self.executable = str(folder / "venv" / "bin" / "python")

    def environment(self, *folders: Path) -> dict[str, str]:
        """An environment in which Python imports from these folders only, and from the other packages."""
        path = os.pathsep.join(map(str, (*folders, ROOT, ROOT / "tests", self.others)))
        return {**os.environ, "PYTHONPATH": path, "PIETY_HOME": str(self.home), "PYTHONDONTWRITEBYTECODE": "1"}

    def piety(self, *arguments: str) -> str:
        return self.python("-m", "piety", *arguments)

    def python(self, *arguments: str, path: tuple[Path, ...] = ()) -> str:
        command = [self.executable, *arguments]
        done = subprocess.run(
            command, env=self.environment(*path), cwd=self.tests, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def stop_hard(self) -> None:
        """Start the system, let it use the package, and pull the plug."""
        source = (
            f"import piety, sys; image = piety.open(); outcome = image.evaluate('import {self.packages[0]}; x = 1'); "
            "print(outcome.error, flush=True); sys.stdin.read()"
        )
        command = [self.executable, "-c", source]
        with subprocess.Popen(
            command, env=self.environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as system:
            assert system.stdout is not None
            assert system.stdout.readline() == "None\n"
            system.kill()

    def call(self) -> str:
        """The source that runs the tests."""
        return f"import suite; suite.run({str(self.tests)!r}, {self.packages}, {str(self.tests / 'answer.json')!r})"

    def answer(self) -> Any:
        return json.loads((self.tests / "answer.json").read_text())


@pytest.mark.parametrize("name", SUITES)
def test_its_own_tests_pass_from_the_image_as_from_files(name: str, tmp_path: Path) -> None:
    """The same tests, with the same results, and every tested module from the image."""
    suite = Suite(name, tmp_path)
    suite.python("-c", suite.call(), path=(suite.sources,))
    files = suite.answer()
    suite.piety("new")
    suite.piety("code", "import", "--over-host", *(str(suite.sources / package) for package in suite.packages))
    shutil.rmtree(suite.sources)
    suite.stop_hard()
    suite.piety("eval", suite.call())
    image = suite.answer()
    assert set(files["results"].values()) >= {"passed"}
    assert image["places"]
    assert {place for place in image["places"].values() if not str(place).startswith("image:")} == set()
    assert image["results"] == files["results"]
