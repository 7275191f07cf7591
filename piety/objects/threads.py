"""Threads that work beside the turns: they may not read or wake what rests in the image, and print for themselves."""

from __future__ import annotations

from threading import local

_here = local()  # not by number: that of a thread that has ended is given to another one


def stay_apart() -> None:
    """From now on, this thread works beside the turns."""
    _here.is_apart = True


def is_apart() -> bool:
    """Whether this thread does."""
    return getattr(_here, "is_apart", False)
