"""The modules of `image/` as modules of the host, for as long as a test file needs them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

IMAGE = str(Path(__file__).resolve().parent.parent.parent / "image")


@pytest.fixture(scope="module")
def ed() -> Iterator[Any]:
    """The line editor, outside of an image."""
    sys.path.insert(0, IMAGE)
    yield import_module("ed")
    sys.path.remove(IMAGE)
    for name in ("ed", "edplace", "bre"):
        del sys.modules[name]
