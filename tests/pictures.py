"""A picture of what is on a terminal, as SVG."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import escape
from itertools import groupby
from typing import Any

import pyte

WIDE, HIGH, SIZE = 8.43, 16.3, 14  # pixels of a cell, and of the letters in it
PAPER, INK = "#1e1e1e", "#e0e0e0"
_NAMED = {
    "black": "#000000", "red": "#cc5555", "green": "#7fb347", "brown": "#d7a63f", "blue": "#5f87d7",
    "magenta": "#b080c8", "cyan": "#5fb3b3", "white": "#d0d0d0", "default": "",
}  # fmt: skip


def svg(screen: pyte.Screen) -> str:
    """What is shown, each run of cells that look alike as one text."""
    width, height = screen.columns * WIDE + 16, screen.lines * HIGH + 16
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:g}" height="{height:g}" '
        f'viewBox="0 0 {width:g} {height:g}">',
        f'<rect width="{width:g}" height="{height:g}" rx="8" fill="{PAPER}"/>',
        f'<g font-family="DejaVu Sans Mono, Menlo, Consolas, monospace" font-size="{SIZE}" xml:space="preserve">',
    ]
    for row in range(screen.lines):
        parts += _row(screen, row)
    return "\n".join([*parts, "</g>", "</svg>", ""])


def _row(screen: pyte.Screen, row: int) -> Iterator[str]:
    cells = [screen.buffer[row][column] for column in range(screen.columns)]
    y, at = 8 + row * HIGH, 0
    papers, texts = [], []
    for look, group in groupby(cells, key=_look):
        run = list(group)
        ink, paper, weight, style, line = look
        x, string = 8 + at * WIDE, "".join(cell.data for cell in run)
        if paper:
            papers.append(f'<rect x="{x:g}" y="{y:g}" width="{len(run) * WIDE:g}" height="{HIGH}" fill="{paper}"/>')
        if string.strip():
            more = "".join(filter(None, [weight, style, line]))
            length = f' textLength="{len(run) * WIDE:g}"' if len(run) > 1 else ""
            texts.append(f'<text x="{x:g}" y="{y + 13:g}" fill="{ink}"{more}{length}>{escape(string)}</text>')
        at += len(run)
    return iter(papers + texts)


def _look(cell: Any) -> tuple[str, str, str, str, str]:
    ink, paper = _colour(cell.fg), _colour(cell.bg)
    if cell.reverse:
        ink, paper = paper or PAPER, ink or INK
    weight = ' font-weight="bold"' if cell.bold else ""
    style = ' font-style="italic"' if cell.italics else ""
    line = ' text-decoration="underline"' if cell.underscore else ""
    return ink or INK, "" if paper == PAPER else paper, weight, style, line


def _colour(name: str) -> str:
    return f"#{name}" if re.fullmatch("[0-9a-f]{6}", name) else _NAMED.get(name.removeprefix("bright"), "")


def words_of(picture: str) -> list[str]:
    """What is written in a picture, with the times and numbers taken out that are others each time."""
    text = " ".join(re.findall(r"<text[^>]*>([^<]*)</text>", picture))
    text = re.sub(r"\d[\d:-]*\.{3}", " ", text)  # one that is cut off where there is no more room
    text = re.sub(r"\d{4}-\d\d-\d\d|\d\d:\d\d:\d\d(\.\d+)?(\+\d\d:\d\d)?|0x[0-9a-f]+|[─│┃━╭╮╰╯┏┓┗┛]+", " ", text)
    return text.split()
