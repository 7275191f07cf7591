"""Threads that work beside the turns: they may not read or wake what rests in the image, and print for themselves."""

from __future__ import annotations

from threading import get_ident

_apart: set[int] = set()


def stay_apart() -> None:
    """From now on, this thread works beside the turns."""
    _apart.add(get_ident())


def is_apart() -> bool:
    """Whether this thread does."""
    return get_ident() in _apart
