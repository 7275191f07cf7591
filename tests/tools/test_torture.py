"""The torture, shorter: twenty kills, and it must be able to tell when something is lost."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

TORTURE = Path(__file__).resolve().parent.parent.parent / "tools" / "torture"


def torture(tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run it in an environment of its own."""
    environment = {**os.environ, "HOME": str(tmp_path), "TMPDIR": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, str(TORTURE), *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_twenty_kills_lose_nothing(tmp_path: Path) -> None:
    """The table says how many turns there were, and no fault."""
    done = torture(tmp_path, "--rounds", "20")
    assert done.returncode == 0, done.stdout + done.stderr
    table = dict(line.rsplit(maxsplit=1) for line in done.stdout.splitlines())
    assert table["rounds"] == "20"
    assert table["faults"] == "0"
    assert int(table["turns, none lost"]) > 0
    assert not list(tmp_path.iterdir())


SABOTAGE = """
import os, pathlib, runpy, sys
import piety

whole, parent = piety.open, os.getpid()

def open_without_the_last_turn(home, create=False):
    file = pathlib.Path(home, "image", "image.fs")
    if not create and os.getpid() == parent:
        data = file.read_bytes()
        os.truncate(file, len(data) - 8 - int.from_bytes(data[-8:], "big"))
    return whole(home, create)

piety.open = open_without_the_last_turn
torture, home = sys.argv[1:]
sys.argv = [torture, "--rounds", "20", "--home", home]
runpy.run_path(torture, run_name="__main__")
"""


def test_a_lost_turn_is_seen(tmp_path: Path) -> None:
    """Taking the last turn away after each kill is a fault, exit status 1, and the home is kept."""
    environment = {**os.environ, "HOME": str(tmp_path), "PYTHONPATH": str(TORTURE.parent.parent)}
    command = [sys.executable, "-c", SABOTAGE, str(TORTURE), str(tmp_path / "kept")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "round " in done.stdout, done.stdout + done.stderr
    assert (tmp_path / "kept" / "home" / "image" / "image.fs").exists()
