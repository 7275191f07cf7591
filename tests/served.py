"""A home whose system runs as a process of its own, and those who talk to it: commands, and bare sockets.

Nothing here sleeps: a test waits for a line, a frame, or the end of a connection, which is there as long as the process.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

from piety.browser import wire

PIETY = (sys.executable, "-P", "-m", "piety")
PATIENCE = 20.0  # seconds: far more than anything here takes, also on a busy machine

Done = subprocess.CompletedProcess[str]
Frame = tuple[bytes, bytes]


class Served:
    """One home.  `stop_for_good` leaves no process behind."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.piety("new")

    def piety(self, *arguments: str, stdin: str = "", cwd: Path | None = None) -> Done:
        """Run a command on this home to its end."""
        return subprocess.run(
            [*PIETY, *arguments], input=stdin, capture_output=True, text=True, check=False,
            cwd=cwd, env=self.environment, timeout=120,
        )  # fmt: skip

    def begin(self, *arguments: str) -> subprocess.Popen[str]:
        """Begin a command, to talk to it."""
        pipe = subprocess.PIPE
        command = [*PIETY, *arguments]
        return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, env=self.environment)

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "PIETY_HOME": str(self.home)}

    def start(self, *options: str) -> int:
        """Start the system; its process."""
        done = self.piety("start", *options)
        assert done.returncode == 0, done.stderr
        return self.process

    @property
    def process(self) -> int:
        """Who has the image, or had it last."""
        return int((self.home / "image" / "image.fs.lock").read_text().split()[0])

    def evaluate(self, source: str) -> str:
        """What a source that must not fail prints and shows."""
        done = self.piety("eval", source)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def status(self) -> Any:
        """What the running system says of itself."""
        with self.talk() as talk:
            talk.ask("status")
            return json.loads(talk.until(wire.OUT))

    def kill(self) -> None:
        """Pull the plug, and wait until the process is gone, and its lock on the image with it."""
        self.talk().close()  # `process` is the system, not one that read the image after it
        gone = os.pidfd_open(self.process)
        try:
            os.kill(self.process, signal.SIGKILL)
            select.select([gone], [], [], PATIENCE)
        finally:
            os.close(gone)

    def talk(self) -> Talk:
        """A bare connection to the running system."""
        return Talk(self.home)

    def stop_for_good(self) -> None:
        """Whatever the test has left: kill the system of this home, if one runs."""
        with contextlib.suppress(OSError):
            self.kill()


class Talk:
    """A bare connection: whatever the test wants goes over it."""

    def __init__(self, home: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(PATIENCE)
        try:
            self.socket.connect(wire.address(str(home)))
        except OSError:
            self.socket.close()
            raise
        self._stream = self.socket.makefile("rb")

    def __enter__(self) -> Talk:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def close(self) -> None:
        self._stream.close()
        self.socket.close()

    def send(self, kind: bytes, body: bytes = b"") -> None:
        self.socket.sendall(wire.frame(kind, body))

    def ask(self, verb: str, **arguments: Any) -> None:
        """Ask for a verb, as a client does."""
        request = {"protocol": wire.PROTOCOL, "verb": verb, "arguments": arguments}
        self.send(wire.REQUEST, json.dumps(request).encode())

    def receive(self) -> Frame | None:
        """The next frame; None at the end of the connection."""
        try:
            head = self._stream.read(5)
            if len(head) < 5:
                return None
            return head[:1], self._stream.read(int.from_bytes(head[1:], "big"))
        except ConnectionError:
            return None

    def until(self, kind: bytes) -> bytes:
        """What the next frame of a kind carries."""
        while (came := self.receive()) is not None:
            if came[0] == kind:
                return came[1]
        raise AssertionError(f"the connection ended before a frame {kind!r}")

    def rest(self) -> list[Frame]:
        """All that comes until the connection ends."""
        return list(iter(self.receive, None))
