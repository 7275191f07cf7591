"""What the tests stand on: a home of its own for each test, and other processes in which to resume it.

home        an empty place for a home; HOME and PIETY_HOME point into the test's own folder
image       an open image of a fresh home
system      the same with helpers: run a source, let it fail, resume here or in another process
elsewhere   evaluates sources in a process with another hash seed
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import piety

HERE = Path(__file__).resolve().parent
SEEDS = ("1", "2")  # of the other processes; a set of strings has another order in each

sys.path.insert(0, str(HERE))  # `import shapes`, in the tests and inside of images

Elsewhere = Callable[..., list[str]]


class Elsewheres:
    """The other processes, one for each hash seed, started at first use."""

    def __init__(self) -> None:
        self._children: dict[str, subprocess.Popen[str]] = {}

    def evaluate(self, home: Path, sources: list[str], seed: str) -> list[str]:
        child = self._children.get(seed) or self._start(seed)
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(json.dumps({"home": str(home), "sources": sources}) + "\n")
        child.stdin.flush()
        line = child.stdout.readline()
        assert line, f"the process with hash seed {seed} died; its last words are in the captured stderr"
        answers: list[str] = json.loads(line)
        return answers

    def _start(self, seed: str) -> subprocess.Popen[str]:
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": f"{HERE.parent}{os.pathsep}{HERE}"}
        command = [sys.executable, str(HERE / "elsewhere.py")]
        child = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._children[seed] = child
        return child

    def stop(self) -> None:
        for child in self._children.values():
            child.communicate()


class System:
    """An image under test, and what one does with it."""

    def __init__(self, home: Path, elsewhere: Elsewheres) -> None:
        self.home = home
        self._elsewhere = elsewhere
        self.image = piety.open(home, create=True)

    def run(self, *sources: str) -> Any:
        """Evaluate each source as a turn that must not fail; the value of the last."""
        value = None
        for source in sources:
            outcome = self.image.evaluate(source)
            assert outcome.error is None, f"{source!r} failed:\n{outcome.traceback}"
            value = outcome.value
        return value

    def show(self, source: str) -> str:
        """What the shell shows for a source."""
        return self.image.show(self.run(source))

    def fail(self, source: str) -> BaseException:
        """Evaluate a source that must fail; the exception."""
        outcome = self.image.evaluate(source)
        assert outcome.error is not None, f"{source!r} did not fail"
        assert "bug of Piety" not in outcome.traceback, outcome.traceback
        return outcome.error

    def notices(self, source: str) -> list[str]:
        """What is said at the end of a turn."""
        outcome = self.image.evaluate(source)
        assert outcome.error is None, outcome.traceback
        return outcome.notices

    def resume(self) -> None:
        """Stop and start, in this process."""
        self.image.close()
        self.image = piety.open(self.home)

    def elsewhere(self, *sources: str, seed: str = SEEDS[0]) -> list[str]:
        """Stop here, evaluate the sources in another process, start here again; what each source showed."""
        self.image.close()
        try:
            return self._elsewhere.evaluate(self.home, list(sources), seed)
        finally:
            self.image = piety.open(self.home)

    def file(self) -> tuple[int, bytes]:
        """The image's file: when it was written, and what is in it."""
        path = self.home / "image" / "image.fs"
        return path.stat().st_mtime_ns, path.read_bytes()


@pytest.fixture(scope="session")
def elsewheres() -> Iterator[Elsewheres]:
    """The other processes."""
    processes = Elsewheres()
    yield processes
    processes.stop()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty place for a home, in a folder of the test's own."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PIETY_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def served(home: Path) -> Iterator[Any]:
    """A home that rests, and may have a system in a process of its own; what runs at the end of the test is killed."""
    from served import Served  # This folder is on the path only after this file was read.

    served = Served(home)
    try:
        yield served
    finally:
        served.stop_for_good()


@pytest.fixture
def system(home: Path, elsewheres: Elsewheres) -> Iterator[System]:
    """An image under test, with helpers."""
    system = System(home, elsewheres)
    yield system
    system.image.close()


@pytest.fixture
def image(system: System) -> piety.Image:
    """An open image of a fresh home."""
    return system.image


@pytest.fixture
def elsewhere(home: Path, elsewheres: Elsewheres) -> Elsewhere:
    """`elsewhere(source, ..., seed="1")`: what each source shows in another process; no image may be open here."""

    def evaluate(*sources: str, seed: str = SEEDS[0]) -> list[str]:
        return elsewheres.evaluate(home, list(sources), seed)

    return evaluate
