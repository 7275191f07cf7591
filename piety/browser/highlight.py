"""Colours for source: only of the lines that are on the screen, as it is done anew with each key.

A lexer reads from the beginning; here it begins at the last line above the screen that stands at the margin and is no
blank one, but at most so many lines above it.  So the inside of a longer text in quotes may look like code.
"""

from __future__ import annotations

from bisect import bisect_right
from functools import cache
from typing import Any

from pygments.lexers import get_lexer_by_name  # type: ignore[import-untyped]
from pygments.token import Token  # type: ignore[import-untyped]

ABOVE = 60  # lines
LONG = 500  # characters of a line; of longer ones nothing is coloured

Span = tuple[int, int, str]  # of a line: from the character to the character, style

_STYLES = (
    (Token.Comment, "dim italic"),
    (Token.Literal.String.Doc, "dim green"),
    (Token.Literal.String, "green"),
    (Token.Literal.Number, "cyan"),
    (Token.Keyword, "bold magenta"),
    (Token.Name.Function, "bold blue"),
    (Token.Name.Class, "bold blue"),
    (Token.Name.Decorator, "yellow"),
    (Token.Operator.Word, "bold magenta"),
    (Token.Generic.Heading, "bold blue"),
    (Token.Generic.Subheading, "bold blue"),
    (Token.Generic.Strong, "bold"),
    (Token.Generic.Emph, "italic"),
    (Token.Generic.Inserted, "green"),
    (Token.Generic.Deleted, "red"),
)
LANGUAGES = ("python", "markdown", "diff")


@cache
def _lexer(language: str) -> Any:
    return get_lexer_by_name(language, stripnl=False, ensurenl=False)


@cache
def _style(kind: Any) -> str:
    return next((style for token, style in _STYLES if kind in token), "")


def language_of(name: str) -> str:
    """The language of a text or a file, by what it is called."""
    ending = name.rpartition(".")[2].lower()
    return {"py": "python", "workspace": "python", "md": "markdown", "diff": "diff", "patch": "diff"}.get(ending, "")


def spans(lines: list[str], language: str, above: int = 0) -> list[list[Span]]:
    """The coloured parts of each line but the first `above`, which were given to begin with."""
    if language not in LANGUAGES:
        return [[] for _ in lines[above:]]
    begin = next((at for at in range(above, -1, -1) if lines[at : at + 1] and lines[at][:1].strip()), 0)
    some = [line if len(line) <= LONG else "" for line in lines[begin:]]
    found: list[list[Span]] = [[] for _ in some]
    starts = [0]
    for line in some:
        starts.append(starts[-1] + len(line) + 1)
    for at, kind, string in _lexer(language).get_tokens_unprocessed("\n".join(some)):
        if not (style := _style(kind)):
            continue
        row = bisect_right(starts, at) - 1
        first = at - starts[row]
        for part in string.split("\n"):
            if part and row < len(found):
                found[row].append((first, first + len(part), style))
            first = 0
            row += 1
    return found[above - begin :]
