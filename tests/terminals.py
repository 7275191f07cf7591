"""A person at a terminal: keys go in, and the screen is read."""

from __future__ import annotations

import os
import sys

import pexpect

PASTE, PASTED = "\x1b[200~", "\x1b[201~"
UP, TAB, ENTER, BACKSPACE = "\x1b[A", "\t", "\r", "\x7f"
CTRL_C, CTRL_D, CTRL_R, CTRL_Z, CTRL_BACKSLASH = "\x03", "\x04", "\x12", "\x1a", "\x1c"
PATIENCE = 10  # seconds


class Terminal:
    """A pseudo-terminal with `piety` running on it."""

    def __init__(self, *arguments: str, has_prompt: bool = True, **variables: str) -> None:
        # The answer to "where is the cursor" would have to come from a real terminal.
        environment = {**os.environ, **variables, "PROMPT_TOOLKIT_NO_CPR": "1", "TERM": "xterm"}
        command = ["-m", "piety", *arguments]
        self._child = pexpect.spawn(sys.executable, command, env=environment, timeout=PATIENCE, dimensions=(50, 200))
        self.greeting = self.prompts() if has_prompt else ""

    def sees(self, text: str) -> str:
        """Wait until a text comes; what came before it."""
        self._child.expect_exact(text.encode())
        return str(self._child.before.decode())

    def sees_one_of(self, *texts: str) -> str:
        """Wait until one of several texts comes; which one."""
        return texts[self._child.expect_exact([text.encode() for text in texts])]

    def prompts(self) -> str:
        """Wait until it asks for a source; it begins with telling the terminal to announce what is pasted."""
        return self.sees("\x1b[?2004h")

    def types(self, *keys: str) -> None:
        """Send keys, each group by itself as a person's would come."""
        for each in keys:
            self._child.send(each)

    def enters(self, source: str) -> None:
        self.types(source, ENTER)

    def ends(self) -> int:
        """Wait for the end; the exit status."""
        self._child.expect(pexpect.EOF)
        self._child.close()
        status: int = self._child.exitstatus if self._child.exitstatus is not None else -self._child.signalstatus
        return status

    def stop(self) -> None:
        self._child.close(force=True)
