"""What a command says: to its standard output, and beside it.

A terminal that knows few letters gets the others as escapes, and what was said is seen at once.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:  # whoever evaluates one source should have the answer at once
    from typing import TextIO


def out(text: str) -> None:
    """Write to the standard output."""
    _write(sys.stdout, text)


def err(text: str) -> None:
    """Write to the standard error."""
    _write(sys.stderr, text)


def tell(text: str) -> None:
    """Tell a person about what goes on, beside the output."""
    err(f"piety: {text}\n")


def _write(stream: TextIO | None, text: str) -> None:
    if stream is None:  # it was closed before we began
        return
    try:
        stream.write(text)
    except UnicodeEncodeError:
        stream.write(text.encode(stream.encoding, "backslashreplace").decode(stream.encoding))
    stream.flush()
