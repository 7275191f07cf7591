"""How far something is that takes long, shown on a terminal."""

from __future__ import annotations

import sys
from time import monotonic
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import TracebackType

QUIET = 0.3  # seconds of which nothing is shown


class Progress:
    """Call it with what is being done, how much is done, and of how much; in a `with`, at the end of which it is gone.

    It shows nothing where the standard error is no terminal.
    """

    def __init__(self) -> None:
        self._what = ""
        self._since = 0.0
        self._bar: Any = None
        self._shown = self._total = 0

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, kind: type[BaseException] | None, _error: object, _trace: TracebackType | None) -> None:
        self._finish(is_whole=kind is None)

    def __call__(self, what: str, done: int, total: int) -> None:
        if what != self._what:
            self._finish(is_whole=True)
            self._what, self._since = what, monotonic()
        if self._bar is None and not self._begin(total):
            return
        if done - self._shown >= self._total // 200 or done >= self._total > self._shown:
            self._bar.update(min(done, self._total) - self._shown)
            self._shown = min(done, self._total)

    def _begin(self, total: int) -> bool:
        if sys.stderr is None or not sys.stderr.isatty() or total <= 0 or monotonic() - self._since < QUIET:
            return False
        from click import progressbar

        self._bar, self._shown, self._total = progressbar(length=total, label=self._what, file=sys.stderr), 0, total
        self._bar.render_progress()
        return True

    def _finish(self, is_whole: bool) -> None:
        if self._bar is not None:
            if is_whole:
                self._bar.update(self._total - self._shown)
            self._bar.render_finish()
            self._bar = None
