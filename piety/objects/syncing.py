"""A folder of the host and what was kept of it, kept the same: `sync` goes both ways.

What changed on the host comes in, as when it is kept again (`takingin.py`); what was edited here, or laid into the
folder here, is written out, if the host's file is as it was when it was taken.  Where both have changed, both are left,
and that is told: nobody loses.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from piety.errors import PietyError
from piety.objects.files import File, Folder, Node
from piety.objects.takingin import Tell, kept_from, parts_of, shown_path

if TYPE_CHECKING:
    from piety.objects.image import Image


class WritingOut:
    """Writes out what was changed here; `tell` is told of what cannot be written."""

    def __init__(self, image: Image, tell: Tell) -> None:
        self._image, self._tell = image, tell
        self.written = self.left = 0

    def run(self, path: str) -> None:
        """All that was kept from a path; called in a turn.  Raises `PietyError` if nothing was."""
        node = kept_from(self._image, path)
        if node is None:
            raise PietyError(f"nothing was kept from {shown_path(path)}; keep it first")
        self._write(node, path)

    def _write(self, node: Node, path: str) -> None:
        try:
            if isinstance(node, Folder):
                if not os.path.lexists(path):
                    os.mkdir(path, 0o700)
                    os.chmod(path, node.mode)
                for each in list(node):
                    self._write(each, os.path.join(path, each.name))
            elif isinstance(node, File) and (node.is_edited or node.is_own):
                self._write_file(node, path)
        except OSError as error:
            self.left += 1
            self._tell(f"{shown_path(path)} cannot be written: {error.strerror or error}")

    def _write_file(self, node: File, path: str) -> None:
        found = os.lstat(path) if os.path.lexists(path) else None
        expected = None if node.is_own else (node.mtime, node.taken[0])
        if (None if found is None else (found.st_mtime_ns, found.st_size)) != expected:
            return  # taking in has told of it
        new = f"{path}.{os.urandom(4).hex()}.new"
        try:
            with open(new, "xb") as file:
                os.chmod(new, node.mode)
                for part in parts_of(node):
                    file.write(part)
                file.flush()
                os.fsync(file.fileno())
            os.replace(new, path)
        except BaseException:
            if os.path.exists(new):
                os.unlink(new)
            raise
        found = os.lstat(path)
        node.mtime = found.st_mtime_ns
        node.is_taken(found.st_size)
        self.written += 1
