"""Watching folders of the host, to keep them the same as what was kept of them (`piety keep --watch`).

A change on the host is told by the library; one in the image is seen by the size of its file.  What comes of it is said
by the verb `sync`.
"""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any

import click

from piety.errors import PietyError
from piety.home import Home
from piety.objects.image import IMAGE_FILE

if TYPE_CHECKING:
    from types import TracebackType

SETTLE = 0.2  # seconds for which nothing must change before it is looked at: who writes a file has done so then
LOOK = 1.0  # seconds between two looks at the image


class Watching:
    """Watches from the beginning of a `with` on; `run` keeps both the same."""

    def __init__(self, home: Home, paths: list[str]) -> None:
        self._home, self._paths = home, paths
        self._changed = threading.Event()
        self._observer: Any = None
        self._size = -1

    def __enter__(self) -> Watching:
        from watchdog.events import FileSystemEvent, FileSystemEventHandler
        from watchdog.observers import Observer

        changed = self._changed

        class Handler(FileSystemEventHandler):
            def on_any_event(self, event: FileSystemEvent) -> None:
                if event.event_type not in ("opened", "closed_no_write"):
                    changed.set()

        self._observer = Observer()
        try:
            for path in self._paths:
                folder = path if os.path.isdir(path) else os.path.dirname(path)
                self._observer.schedule(Handler(), folder, recursive=os.path.isdir(path))
            self._observer.start()
        except OSError as error:
            raise PietyError(f"{self._paths[0]} cannot be watched: {error.strerror or error}") from error
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._observer.stop()
        self._observer.join()

    def run(self) -> int:
        """Until Ctrl-C; the exit status."""
        click.echo("watching; to leave: Ctrl-C")
        try:
            while True:
                if self._changed.wait(LOOK):
                    while self._changed.is_set():  # until it is quiet
                        self._changed.clear()
                        self._changed.wait(SETTLE)
                    self._sync()
                elif self._image_size() != self._size:
                    self._sync()
        except KeyboardInterrupt:
            click.echo()
            return 0

    def _sync(self) -> None:
        try:
            self._home.perform("sync", paths=self._paths)
        except PietyError as error:
            click.echo(str(error), err=True)
        self._size = self._image_size()

    def _image_size(self) -> int:
        try:
            return os.path.getsize(f"{self._home.place}/{IMAGE_FILE}")
        except OSError:
            return -1
