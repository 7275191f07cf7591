"""What `pip install .` gives: the command, and what a new image is born with."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
BUILD = "import os, sys, setuptools.build_meta as build; os.chdir(sys.argv[1]); print(build.build_wheel(sys.argv[2]))"


def test_wheel_carries_userland(tmp_path: Path) -> None:
    """A home made by the installed package, without the checkout, has the same modules as `image/`."""
    source, wheels, site = tmp_path / "source", tmp_path / "wheels", tmp_path / "site"
    source.mkdir()
    for name in ("piety", "image"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.cfg", "pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, source)
    command = [sys.executable, "-W", "ignore", "-c", BUILD, str(source), str(wheels)]
    subprocess.run(command, check=True, capture_output=True)
    (wheel,) = wheels.glob("piety-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
        names = archive.namelist()
    entry = next(name for name in names if name.endswith("entry_points.txt"))
    assert "piety = piety.__main__:main" in (site / entry).read_text()

    def piety(*arguments: str) -> str:
        environment = {**os.environ, "PYTHONPATH": str(site), "PIETY_HOME": str(tmp_path / "home")}
        done = subprocess.run(
            [sys.executable, "-m", "piety", *arguments],
            env=environment, cwd=tmp_path, check=False, capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    piety("new")
    assert str(site) in piety("eval", "import piety; piety.__file__")
    piety("code", "export", str(tmp_path / "out"))
    written = {path.relative_to(tmp_path / "out"): path.read_bytes() for path in (tmp_path / "out").rglob("*.*")}
    ours = {path.relative_to(ROOT / "image"): path.read_bytes() for path in (ROOT / "image").rglob("*.*")}
    assert written == {path: data for path, data in ours.items() if "__pycache__" not in path.parts}
    assert written
