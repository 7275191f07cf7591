"""Where one statement of Python ends and the next begins, for sources that arrive line by line.

The two questions of a shell: is what a person typed so far whole, or does it want more lines (`is_whole`); and how is
a stream of lines cut into statements, each as soon as it is known to be whole (`statements`).  What was copied from a
session, prompts and all, is made what was typed there first (`without_prompts`).
"""

from __future__ import annotations

import ast
import re
import tokenize
import warnings
from codeop import compile_command
from collections.abc import Iterable, Iterator
from typing import Literal

_BLOCK_WORDS = frozenset("if for while try with def class async @".split())
_GOES_ON = frozenset("elif else except finally".split())
_BLOCKS = (
    ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.For, ast.AsyncFor, ast.While, ast.If,
    ast.With, ast.AsyncWith, ast.Try, ast.TryStar, ast.Match,
)  # fmt: skip
_LAYOUT = frozenset((tokenize.COMMENT, tokenize.NL, tokenize.INDENT, tokenize.DEDENT))
_WRONG = (SyntaxError, ValueError, OverflowError, MemoryError, RecursionError)  # what compiling raises

_BEGINS_STATEMENT = re.compile(r"(def|class|import|from|with|while|try|return|raise|del|assert|global|pass)\b|@")
# Whether a bracket was left open by mistake is asked at each line, up to so many: asking takes longer with each.
# Where a line begins as no expression does it is always asked.
_ASKED = 200


_PROMPT = re.compile(r"[ \t]*(?:>>>|\.\.\.)(?: |(?=\r?\n?\Z))")


def without_prompts(lines: Iterable[str]) -> Iterator[str]:
    """The lines as they are; but if the first begins with `>>> `, what was typed at this prompt and at `... `.

    Lines without a prompt are output then, as in a doctest, and left out.
    """
    is_session: bool | None = None
    for line in lines:
        found = _PROMPT.match(line)
        if is_session is None and line.strip():
            is_session = found is not None and line.lstrip().startswith(">>>")
        if not is_session:
            yield line
        elif found is not None:
            yield line[found.end() :]


def judge(source: str) -> Literal["whole", "more", "wrong"]:
    """Whether a source is whole, the beginning of something right, or wrong whatever follows."""
    with warnings.catch_warnings():  # running it will warn, once
        warnings.simplefilter("ignore")
        try:
            code = compile_command(source[:-1] if source.endswith("\\\n") else source, symbol="exec")
        except _WRONG as error:
            # Python 3.12 takes this for wrong too
            return "more" if "unterminated triple-quoted f-string" in str(error) else "wrong"
    return "more" if code is None else "whole"


def is_whole(source: str) -> bool:
    """Whether a source that a person types is ready to run: nothing is open, and a block has its empty line.

    What can never become right is ready too: running it says what is wrong.
    """
    if judge(source) == "more":
        return False
    last = source.rpartition("\n")[2]
    if not last.strip():
        return True
    try:
        body = ast.parse(source).body
    except _WRONG:
        return last == source or not last[0].isspace()  # a wrong line inside of a block can still be mended
    return not body or not isinstance(body[-1], _BLOCKS)


def statements(lines: Iterable[str]) -> Iterator[str]:
    """Cut a stream of lines into the statements that begin at the margin, each as soon as it is whole.

    A simple statement is whole with its last line; a block when the next statement begins, so that blank lines and
    comments inside it are no matter.  What is wrong comes out as it is, up to where the next statement seems to begin.
    """
    source = _Lines(iter(lines))
    while source.has_more():
        try:
            yield from _cut(source)
        except (SyntaxError, tokenize.TokenError):
            source.read_block()
        if not all(map(_is_blank, source.taken)):
            yield source.give(len(source.taken))


def _cut(source: _Lines) -> Iterator[str]:
    """The same as far as Python's tokenizer can follow; the last block, or what is wrong, stays in `source.taken`."""
    given = depth = 0
    first = last = ""  # words of the line that is read, as the grammar counts lines
    block = decorated = source.open = False  # what the statement is that was begun
    for kind, word, (row, _), (end_row, _), _ in tokenize.generate_tokens(source.read):
        if kind == tokenize.ERRORTOKEN:
            raise SyntaxError(word)
        depth += (kind == tokenize.INDENT) - (kind == tokenize.DEDENT)
        if kind == tokenize.NEWLINE:
            block = block or first in _BLOCK_WORDS or (first == "match" and last == ":")
            decorated = first == "@" and depth == 0
            first = ""
            source.open = False
            if not block:
                yield source.give(end_row - given)
                given = end_row
        elif kind not in _LAYOUT:
            if not first and depth == 0 and not decorated and word not in _GOES_ON:  # a statement begins here
                before = source.give(row - 1 - given)
                given = row - 1
                if block:
                    yield before
                block = False
            first = first or word
            last = word
            source.open = True


class _Lines:
    """The stream: `taken` is what was read of it and not given out yet, and `_next` what was only looked at."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines
        self._next: str | None = None
        self.taken: list[str] = []
        self.open = False  # whether `taken` ends in the middle of a bracket or string

    def has_more(self) -> bool:
        self.taken.clear()
        while self._look() and _is_blank(self._look()):
            self._next = None
        return bool(self._look())

    def read(self) -> str:
        """The next line for the tokenizer; "" at the end, and where a bracket seems to be open by mistake."""
        line = self._look()
        if self.open and _at_margin(line):
            if _BEGINS_STATEMENT.match(line) and judge("".join(self.taken) + line) == "wrong":
                return ""
            if len(self.taken) < _ASKED and judge("".join(self.taken)) == "wrong":
                return ""
        return self._take().encode("utf-8", "replace").decode()  # half a character is no reason to stop, from 3.12 on

    def read_block(self) -> None:
        """Read on to where a block ends in which the tokenizer lost its way."""
        if self.taken and _first_word(self.taken[0]) in _BLOCK_WORDS:
            while (line := self._look()) and (not _at_margin(line) or _first_word(line) in _GOES_ON):
                self._take()

    def give(self, count: int) -> str:
        given = "".join(self.taken[:count])
        del self.taken[:count]
        return given

    def _look(self) -> str:
        if self._next is None:
            self._next = next(self._lines, "")
        return self._next

    def _take(self) -> str:
        line, self._next = self._look(), None
        if line:
            self.taken.append(line)
        return line


def _is_blank(line: str) -> bool:
    return not line.partition("#")[0].strip()


def _first_word(line: str) -> str:
    return "@" if line.startswith("@") else re.split(r"\W", line, maxsplit=1)[0]


def _at_margin(line: str) -> bool:
    return line[:1] not in ("", " ", "\t", "\f", "#", "\r", "\n")
