"""Types along what a text shows, and compares what comes with what the text says.

A text is Markdown.  Two kinds of its blocks are run, in order and in one home, each in the state that the one before
it left; every other block is passed over:

    ```console                          a person's own shell: `$ ` begins a command, `> ` goes on with it
    $ piety eval "1 + 1"
    2
    ```
    ```pycon                            the shell of Piety: `>>> ` begins a source, `... ` goes on with it
    >>> 40 + 2
    42
    ```

At a terminal the lines of `ed` stand behind its prompt, `*`; the lines of text that such a command takes follow it.
`$ piety` alone starts the system, as it does at a terminal, and begins a shell, whose `>>> ` lines may stand in the same
block; `exit` ends it, and so does the end of the block.  What a shell says by way of greeting is not compared.  The
system runs on, until the text stops it, or ends.  `$ export NAME=VALUE` counts for all that follows.  In what is
expected, `...` stands for anything (right below a source it goes on with that).
`python tests/walkthrough.py FILE` runs one text and prints what differs.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_BLOCK = re.compile(r"^```(console|pycon)[^\n]*\n(.*?)^```", re.DOTALL | re.MULTILINE)
_GOES_ON = {"$ ": "> ", ">>> ": "... "}
_INPUT = re.compile(r"\*[^\n]*[aic]\n(?!(?s:.*\n)?\.\n)")  # a command of `ed` that takes lines, up to a line with a dot
_SHELLS = ("piety", "piety shell", "tools/piety")
_MARK = "-- the end of this example --"


@dataclass
class Example:
    """Something typed, and what the text says comes of it."""

    line: int
    prompt: str  # "$ ", ">>> " or "*"
    source: str
    expected: str = ""
    block: int = 0  # where it stands; examples of one block share a shell


@dataclass
class Difference:
    """An example that gave something else."""

    example: Example
    got: str

    def __str__(self) -> str:
        example = self.example
        return f"line {example.line}: {example.prompt}{example.source}expected:\n{example.expected}got:\n{self.got}"


def examples(text: str) -> Iterator[Example]:
    """The examples of a text, in order."""
    for number, block in enumerate(_BLOCK.finditer(text)):
        first = text.count("\n", 0, block.start(2)) + 1
        example = None
        for line, content in enumerate(block[2].splitlines(), first):
            prompt = content[:4] if content.startswith(">>>") else content[:2]
            if example is not None and _INPUT.match(example.prompt + example.source):
                example.source += content + "\n"
            elif prompt.strip() in ("$", ">>>") or content.startswith("*"):
                if example is not None:
                    yield example
                prompt = "*" if content.startswith("*") else prompt.strip() + " "
                example = Example(line, prompt, content[len(prompt) :] + "\n", block=number)
            elif example is None:
                raise ValueError(f"line {line}: a block begins with a prompt, not with {content!r}")
            elif not example.expected and (content + " ").startswith(_GOES_ON.get(example.prompt, "\n")):
                example.source += content[len(_GOES_ON[example.prompt]) :] + "\n"
            else:
                example.expected += content + "\n"
        if example is not None:
            yield example


class Walkthrough:
    """One home, and the shells in which examples are typed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        commands = folder / "bin"
        commands.mkdir()
        piety = commands / "piety"
        piety.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m piety "$@"\n')
        piety.chmod(0o755)
        (folder / "work").mkdir()
        root = Path(__file__).resolve().parent.parent
        self.environment = {
            **os.environ,
            "PATH": f"{commands}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(root),
            "HOME": str(folder),
            "PIETY_HOME": str(folder / "home"),
        }
        self._shell: subprocess.Popen[str] | None = None
        self._started: set[str] = set()  # homes whose systems may run

    def differences(self, text: str) -> Iterator[Difference]:
        """Run all examples of a text; those that gave something else."""
        block = -1
        try:
            for example in examples(text):
                if example.block != block or example.prompt == "$ ":
                    self.close()
                block = example.block
                got = self._run(example)
                if got is not None and not matches(example.expected, got.expandtabs()):
                    yield Difference(example, got)
        finally:
            self.close()
            for home in self._started:
                self._command(f"piety stop --now --home '{home}'")

    def _run(self, example: Example) -> str | None:
        """What comes of an example; None if that is not compared."""
        source = example.source.strip()
        if example.prompt == ">>> ":
            return self._type(example.source)
        if example.prompt == "*":
            return "".join(map(self._enter, example.source.splitlines(keepends=True)))
        if source in _SHELLS:  # the shell begins with its first example
            self._command("piety start")
            self._started.add(self.environment["PIETY_HOME"])
            return None
        if source.startswith("export "):
            name = source.removeprefix("export ").partition("=")[0]
            self.environment[name] = self._command(f'{source}; printf %s "${name}"')
            return ""
        return self._command(example.source)

    def _command(self, source: str) -> str:
        """Give a command to a person's own shell; what that shows."""
        return subprocess.run(
            ["sh", "-c", source], env=self.environment, cwd=self._folder / "work", text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
        ).stdout  # fmt: skip

    def _type(self, source: str) -> str:
        if self._shell is None:
            self._shell = subprocess.Popen(
                ["piety", "shell"], env=self.environment, cwd=self._folder / "work", text=True,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            )  # fmt: skip
            self._type("")  # it greets, or says that it makes a home
        assert self._shell.stdin is not None
        assert self._shell.stdout is not None
        self._shell.stdin.write(f"{source}print({_MARK!r})\n")
        self._shell.stdin.flush()
        got = ""
        for line in self._shell.stdout:
            if line.endswith(f"{_MARK}\n"):
                return got + line.removesuffix(f"{_MARK}\n")
            got += line
        self.close()  # it ended
        return got

    def _enter(self, line: str) -> str:
        """Type a line to the job in the foreground, which needs a terminal."""
        raise NotImplementedError

    def close(self) -> None:
        """End the shell, if one runs."""
        if self._shell is not None:
            self._shell.communicate()
            self._shell = None


def matches(expected: str, got: str) -> bool:
    """Whether two outputs are the same but for white space at the ends of lines, and `...` for anything."""
    pattern = ".*".join(map(re.escape, _trimmed(expected).split("...")))
    return re.fullmatch(pattern, _trimmed(got), re.DOTALL) is not None


def _trimmed(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.strip("\n").splitlines())


def run(file: Path) -> list[str]:
    """Run a text in a home of its own; what differs."""
    with tempfile.TemporaryDirectory() as folder:
        return [str(each) for each in Walkthrough(Path(folder)).differences(file.read_text(encoding="utf-8"))]


if __name__ == "__main__":
    found = [each for name in sys.argv[1:] for each in run(Path(name))]
    print("\n".join(found))
    sys.exit(bool(found))
