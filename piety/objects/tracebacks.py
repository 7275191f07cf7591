"""What a person should see of an error."""

from __future__ import annotations

import os
from types import FrameType

from piety.errors import PietyError
from piety.objects.lost import LostError

_OURS = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep


def traceback_of(error: BaseException) -> str:
    """The text of an error: one line for a `PietyError`, else the traceback of the user's own code.

    An error with no frame of the user's in it is a bug of ours, and says so with all its frames.
    """
    if isinstance(error, PietyError):
        return f"{error}\n"
    import traceback

    told = traceback.TracebackException.from_exception(error)
    users = [frame for frame in told.stack if not frame.filename.startswith(_OURS)]
    if not users and not isinstance(error, (SyntaxError, KeyboardInterrupt)):
        return "This is a bug of Piety; the turn was undone.\n" + "".join(told.format())
    users = [frame for frame in users if not frame.filename.startswith("<frozen importlib")] or users
    for_users = isinstance(error, (LostError, SyntaxError, ImportError)) or told.stack[-1].name == "__getattr__"
    if not users or for_users or told.stack[-1].filename == users[-1].filename:
        told.stack[:] = users  # what raised is the user's code, or is meant for it
    else:
        told.stack[:] = told.stack[told.stack.index(users[0]) :]
    return "".join(told.format())


def in_one_line(error: BaseException) -> str:
    """The class of an error and what it says of itself, which may be code of the user's."""
    try:
        text = str(error)
    except BaseException as why:
        text = f"its text fails with {type(why).__name__}"
    return f"{type(error).__name__}: {' '.join(text.split())}"


def is_ours(file: str) -> bool:
    """Whether a file is a part of Piety."""
    return file.startswith(_OURS)


def frames_of(error: BaseException | None) -> list[tuple[FrameType, int]]:
    """The frames of the user's code in which an error was raised, outermost first, each with its line."""
    found = []
    step = None if error is None else error.__traceback__
    while step is not None:
        if not step.tb_frame.f_code.co_filename.startswith(_OURS):
            found.append((step.tb_frame, step.tb_lineno))
        step = step.tb_next
    return found
