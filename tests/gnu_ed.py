"""GNU ed, and ours, at the same scripts; and a generator of scripts.

    by_gnu, by_ours    what a script does: standard output, exit status, the files afterwards
    Scripts            makes scripts, the same for the same seed

What the two do differently (`image/ed.py` says it in its first lines) is not in a script, but for that this can be told
by their output.
"""

from __future__ import annotations

import contextlib
import io
import random
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from piety.objects import hostfiles
from piety.objects.texts import Text

GNU = "/usr/bin/ed"
VERSION = "GNU ed 1.19"  # another one is not quite the same: 1.22, say, shows long lines in another way, and says less


def why_not() -> str:
    """Why nothing can be compared here; "" if it can."""
    try:
        done = subprocess.run([GNU, "--version"], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return f"there is no {GNU} to compare with; install the package ed"
    found = done.stdout.partition("\n")[0]
    return "" if found == VERSION else f"{GNU} is {found}, and to be compared with is {VERSION}"


needs_gnu_ed = pytest.mark.skipif(bool(why_not()), reason=why_not())


@dataclass
class Script:
    """Lines that are typed, and how ed is called."""

    lines: list[str]
    text: str = "".join(f"{number}\n" for number in range(1, 10))
    is_silent: bool = True
    files: dict[str, str] = field(default_factory=dict)

    def lay_out(self, folder: Path) -> None:
        folder.mkdir()
        for name, text in {"f": self.text, **self.files}.items():
            (folder / name).write_bytes(text.encode("utf-8", "surrogateescape"))


@dataclass
class Done:
    """What a script did."""

    output: str
    status: int
    files: dict[str, bytes]


def by_gnu(script: Script, folder: Path) -> Done:
    script.lay_out(folder)
    typed = "".join(line + "\n" for line in script.lines).encode("utf-8", "surrogateescape")
    ran = subprocess.run(
        [GNU, *["-s"] * script.is_silent, "f"],
        input=typed, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=folder, timeout=20, check=False,
        env={"LC_ALL": "C.UTF-8"},
    )  # fmt: skip
    return Done(ran.stdout.decode("utf-8", "surrogateescape"), ran.returncode, _files(folder))


def by_ours(script: Script, folder: Path, ed: Any) -> Done:
    """The same with ours, the module `ed`."""
    script.lay_out(folder)
    output = io.StringIO()
    with contextlib.chdir(folder), contextlib.redirect_stdout(output), contextlib.redirect_stderr(io.StringIO()):
        text = Text()
        hostfiles.load(text, "f")
        editor = ed.begin(text, script.is_silent, "f")
        for line in script.lines:
            print(end=editor.prompt)
            editor.enter(line)
            if editor.has_ended:
                break
        while not editor.has_ended:
            print(end=editor.prompt)
            editor.end()
    return Done(output.getvalue(), editor.status, _files(folder))


def _files(folder: Path) -> dict[str, bytes]:
    files = {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
    shutil.rmtree(folder)
    return files


class Scripts:
    """A generator of scripts: most commands can be done, and some cannot."""

    letters = "abc"
    others = ("ä", "é", "λ", "漢", "\t", "$", "\\", ".", "*", "[", "/", "ß", "\u0301", "\u200f", "A")

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.asks = False  # whether there was a G or V

    def pick(self, choices: Sequence[Any]) -> Any:
        return self.random.choice(choices)

    def chance(self, share: float) -> bool:
        return self.random.random() < share

    def word(self, most: int = 4) -> str:
        letters = [*self.letters, "b", " ", *[self.pick(self.others)] * self.chance(0.1)]
        return "".join(self.pick(letters) for _ in range(self.random.randint(0, most)))

    def text(self) -> str:
        return "".join(self.word(6) + "\n" for _ in range(self.random.choice([0, 1, 3, 5, 8])))

    def script(self) -> Script:
        lines = ["H"] if self.chance(0.7) else []
        for _ in range(self.random.randint(1, 9)):
            lines += self.command()
        if self.chance(0.8):
            lines += [",n"] if self.chance(0.7) else ["w", ",n"]
        if self.chance(0.3):
            lines += [self.pick(["q", "Q", "wq", "q\nq", "q\nfoo\nq"])]
        lines = "\n".join(lines).split("\n")
        text = self.text()
        if self.chance(0.03):
            text = text.rstrip("\n")
        return Script(lines, text, self.chance(0.5), {"other": self.text()})

    # -- addresses

    def addresses(self) -> str:
        if self.chance(0.25):
            return ""
        if self.chance(0.4):
            return self.address()
        if self.chance(0.3):
            return self.pick([",", "%", ";", "1,$", ".,$", "1;", ",.", "1,2", "2,3"])
        ends = [self.pick(["", self.address()]) for _ in range(self.pick([2, 2, 2, 3]))]
        return self.pick([",", ",", ";", " , "]).join(ends)

    def address(self) -> str:
        base = self.pick(["", ".", "$", *"1234", "0", "12", self.search(), self.search(), "'a", "'b", "'b"])
        offset = self.pick(["", "", "", "+", "-", "+1", "-1", "++", "+2-", " 1", "-2"])
        return base + offset

    def search(self) -> str:
        delimiter = self.pick("//?")
        return f"{delimiter}{self.pattern()}{delimiter}{self.pick(['', '', '', 'I'])}"

    # -- patterns

    def pattern(self) -> str:
        if self.chance(0.1):
            return ""
        if self.chance(0.05):
            return self.pick([r"\(", r"a\{", "[", r"\1", "a**", r"\)", "[b-a]", r"a\{2,1\}", "[[:x:]]", "*a", "a^b$c"])
        return self.branch(1)

    def branch(self, depth: int) -> str:
        return "".join(self.piece(depth) for _ in range(self.pick([1, 1, 2, 3])))

    def piece(self, depth: int) -> str:
        atom = self.pick([*self.letters * 2, ".", "[ab]", "[^a]", "^", "$", "[[:space:]]", "b", "A"])
        if depth and self.chance(0.3):
            atom = rf"\({self.branch(depth - 1)}\)"
        if "^" in atom.replace("[^a]", "") or "$" in atom:  # GNU's repetitions of these are whimsical
            return atom
        return atom + self.pick(["", "", "", "", "*", r"\+", r"\?", r"\{1,2\}", r"\{2\}"])

    # -- commands

    def command(self) -> list[str]:
        makers = [
            self.simple, self.simple, self.simple, self.typed, self.destination, self.substitute, self.substitute,
            self.substitute, self.globally, self.globally, self.mark, self.file, self.session, self.rare, self.undo,
        ]  # fmt: skip
        return self.pick(makers)().split("\n")

    def suffix(self) -> str:
        return self.pick(["", "", "", "", "p", "n", "l", "pn", "q"])

    def simple(self) -> str:
        return self.addresses() + self.pick("dddjpnlyx=\x00xz").replace("\x00", "") + self.suffix()

    def typed(self) -> str:
        lines = [self.word() for _ in range(self.pick([0, 1, 1, 2]))]
        return "\n".join([self.addresses() + self.pick("aic") + self.suffix(), *lines, "."])

    def destination(self) -> str:
        return self.addresses() + self.pick("mt") + self.pick(["", self.address(), self.address()]) + self.suffix()

    def undo(self) -> str:
        return self.pick(["u", "u", "u", "up", "1u", "u\nu"])

    def substitute(self) -> str:
        if self.chance(0.15) and not self.asks:  # GNU ed prints twice when its end lacks in an answer to G
            return self.addresses() + "s" + self.pick(["", "g", "p", "gp", "2", "r", "rp", "x", "1p", "pp", "r2g"])
        return self.addresses() + self.substitution("\\\n", is_inner=self.asks)

    def substitution(self, newline: str, is_inner: bool = False) -> str:
        delimiter = self.pick("/////,|")
        end = self.pick(["", delimiter, *[delimiter + flag for flag in ["", "g", "p", "2", "gp", "3n", "I", "gI", "l", "gg"]]])
        pattern, replacement = self.pattern(), self.replacement(newline)
        if re.search(r"\\\)(\*|\\[+?{])", pattern):  # what a group has matched last is another question
            replacement = replacement.replace(r"\1", "&")
        return f"s{delimiter}{pattern}{delimiter}{replacement}{end or delimiter * is_inner}"

    def replacement(self, newline: str) -> str:
        parts = ["x", "&", r"\1", r"\&", "%", "a", "", newline, r"\\", "b"]
        return "".join(self.pick(parts) for _ in range(self.pick([0, 1, 1, 2, 3])))

    def globally(self) -> str:
        start = f"{self.addresses() if self.chance(0.3) else ''}{self.pick('gggv')}/{self.pattern()}/"
        if self.chance(0.2):
            self.asks = True
            answers = [self.pick(["", "&", "d", "p", "s/a/X/", "a\\\nx", "foo", "-p", "m0"]) for _ in range(self.pick([1, 3, 6]))]
            return "\n".join([start.replace("g", "G").replace("v", "V") + self.pick(["", "n"]), *answers])
        commands = [self.inner() for _ in range(self.pick([1, 1, 1, 2, 3]))]
        return start + "\\\n".join(commands)

    def inner(self) -> str:
        address = self.pick(["", "", "", self.address(), self.addresses()])
        kind = self.random.randrange(8)
        if kind == 0:
            lines = [self.word() for _ in range(self.pick([0, 1, 2]))]
            return "\\\n".join([address + self.pick("aic"), *lines, *["."] * self.chance(0.7)])
        if kind == 1:  # with its end: GNU ed prints twice when it lacks here
            return address + self.substitution("\\\\\\\n" if self.chance(0.2) else "x", is_inner=True)
        if kind == 2:
            return address + self.pick("mt") + self.address()
        return address + self.pick([*"ddjpnlyx=u", "", "ka", "kb", "dp", "foo", "z2", "g/a/p", "h", "H"])

    def mark(self) -> str:
        return self.addresses() + "k" + self.pick([*"aaabbb", "A", "", "ap"])

    def file(self) -> str:
        name = self.pick(["", " f", " other", " new", " other", " nosuch/x"])
        return self.pick(["", "", self.addresses()]) + self.pick(["r", "r", "w", "W", "f", "e", "E", "wq"]) + name

    def session(self) -> str:
        return self.pick(["h", "H", "P", "q", "hn", "1h", "Hp", "P"])

    def rare(self) -> str:
        return self.addresses() + self.pick(["z3", "z", "z1n", "#x", "K", "?", "pq", "z0", "sx", ";p", "\\", "y", "xn"])
