"""Who edits a text, in which turn, and when."""

from __future__ import annotations

import time

from piety.errors import NoTurn
from piety.objects.image import current


class Author:
    """Who edits, with what, when, and in which turn; that is None outside of an image."""

    def __init__(self, who: str, what: str, turn: int | None) -> None:
        self.who, self.what, self.turn = who, what, turn
        self.when = time.time()


def author_now(by: str | None, what: str | None = None) -> Author:
    """Who edits now; `by` says it if it is not who the turn is of, and `what` with what, if not with the turn."""
    try:
        image = current()
    except NoTurn:
        return Author(by or "somebody", what or "an edit", None)
    return Author(by or image.who, what or image.what, image.turn_number)
