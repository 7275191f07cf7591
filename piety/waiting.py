"""Waiting for an image that another process has.

Commands on a resting home open its image, each for itself, so those that come together come one after the other: each
waits for those before it, as long as none of them takes long, and says for whom.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from time import monotonic, sleep
from typing import TypeVar

from piety.errors import PietyInUse

PATIENCE = 5.0  # seconds for one process: more than any short command takes
QUIET = 1.0  # seconds of waiting about which nothing is said
PAUSE = 0.05  # seconds between two tries
_LONGEST = 100  # characters of a command that are shown

T = TypeVar("T")


def when_free(home: str, begin: Callable[[], T], say: Callable[[str], object]) -> T:
    """What `begin` gives, which is tried for a while as long as it raises `PietyInUse`; `say` is told for whom.

    Raises `PietyInUse` with the number of the process that still has the image then.
    """
    begun = since = monotonic()
    holder = told = None
    while True:
        try:
            return begin()
        except PietyInUse as error:
            now, pid = monotonic(), error.pid
            if pid == os.getpid():
                raise
        if pid != holder:  # those before us come and go
            holder, since = pid, now
        if now - since >= PATIENCE:
            raise PietyInUse(
                f"the image in {home} is in use by {program(pid)}, also after {PATIENCE:g} s; "
                "try again when that has ended, or end it",
                pid,
            )
        if now - begun >= QUIET and told != pid:
            say(f"waiting for {program(pid)}, which has the image in {home}")
            told = pid
        sleep(PAUSE)


def program(pid: int | None) -> str:
    """A process as a person knows it: its number and its command."""
    if pid is None:
        return "another process"
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as line:
            words = [os.fsdecode(word) for word in line.read().split(b"\0")]
    except OSError:  # it has ended, or this is no Linux
        words = []
    from textwrap import shorten

    shown = shorten(" ".join(words), _LONGEST, placeholder=" ...")
    return f"process {pid} ({shown})" if shown else f"process {pid}"
