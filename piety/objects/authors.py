"""Who edits a text, in which turn, and when."""

from __future__ import annotations

import time

from piety.errors import NoTurn
from piety.objects.image import Image, current


class Author:
    """Who edits, with what, when, and in which turn; that is None outside of an image."""

    def __init__(self, who: str, what: str, turn: int | None) -> None:
        self.who, self.what, self.turn = who, what, turn
        self.when = time.time()


def open_image() -> Image:
    """The image that is open in this process.  Raises `NoTurn` if none is."""
    image = Image._open
    if image is None:
        raise NoTurn("no image is open; open one with piety.open")
    return image


def author_now(by: str | None) -> Author:
    """Who edits now; `by` says it if it is not who the turn is of."""
    try:
        image = current()
    except NoTurn:
        return Author(by or "somebody", "an edit", None)
    return Author(by or image.who, image.what, image.turn_number)
