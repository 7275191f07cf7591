"""What an image is, in a few facts; counting them loads no object of the user's."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from persistent.TimeStamp import TimeStamp

import piety

if TYPE_CHECKING:
    from piety.objects.image import Image


def describe_image(image: Image) -> dict[str, Any]:
    """The facts by name: texts and whole numbers, so that they can be written as JSON.

    `objects` counts what is stored, also what nothing refers to any more.  Sizes are in bytes.
    """
    storage, world = image.storage, image.world
    with storage.log() as log:
        last = next(log.backwards())
    return {
        "home": str(image.home),
        "format": world.format,
        "objects": len(storage),
        "size": storage.getSize(),
        "index_size": _size(f"{storage.getName()}.index"),
        "modules": len(world.modules.table),
        "variables": len(world.workspace.variables),
        "definitions": len(world.workspace.definitions),
        "last_turn": last.what,
        "last_turn_by": last.who,
        "last_turn_at": _local(last.tid),
        "python": platform.python_version(),
        "piety": piety.__version__,
        "zodb": version("ZODB"),
    }


def _size(name: str) -> int:
    try:
        return os.path.getsize(name)
    except OSError:  # no index has been saved yet
        return 0


def _local(tid: bytes) -> str:
    """The moment of a transaction as local time with its offset: the number of a transaction is its time."""
    moment = datetime.fromtimestamp(TimeStamp(tid).timeTime(), UTC)
    return moment.astimezone().isoformat(timespec="seconds")
