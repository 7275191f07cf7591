"""A trial: see what a change would do, and have none of it happen.

    with trial() as t:
        t.evaluate("clean_up()")
        print(t.diff())
        t.keep()                    # else all is as it was before the `with`

What is done in the block lies above the image, in a savepoint of the turn that runs: nothing of it is written to the
image, told to tasks, or asked of the host, unless it is kept and the turn succeeds.
"""

from __future__ import annotations

from typing import Any

from piety.errors import PietyError
from piety.objects.diff import Diff, Difference, Worlds
from piety.objects.image import Image, current
from piety.objects.turns import Pause


class Trial:
    """What is tried; made by `trial()`, for one `with`."""

    def __init__(self) -> None:
        self._image: Image | None = None
        self._start: Pause | None = None
        self._is_kept = False

    def __enter__(self) -> Trial:
        if self._start is not None:
            raise PietyError("a trial is for one `with`; make another one with trial()")
        self._image = current()
        self._start = self._image.pause()
        return self

    def __exit__(self, *_exc: object) -> None:
        image, start = self._running()
        self._image = None
        if not self._is_kept:
            image.return_to(start)

    def _running(self) -> tuple[Image, Pause]:
        if self._image is None or self._start is None:
            raise PietyError("the trial does not run; ask it within its `with`")
        return self._image, self._start

    def evaluate(self, source: str) -> Any:
        """The value of a source that is tried; raises what it raises."""
        return self._running()[0].run_source(source)

    def keep(self) -> None:
        """Let it be as if there had been no trial: what was done is a part of the turn."""
        self._running()
        self._is_kept = True

    def diff(self, all: bool = False) -> Diff:
        """What is different from before the trial; with `all`, also what is Piety's own."""
        image, start = self._running()

        def find(longest: int) -> list[Difference]:
            self._running()
            now = image.pause()
            connection = image.connection
            oids = {oid for oid, place in now.saved.items() if start.saved.get(oid) != place}
            with connection.view(start.saved) as before, connection.view(now.saved) as after:
                found = Worlds(before, after, longest, all).differences(oids)
            own = {name for name in image.names() if image.peek(name) is self}
            return [each for each in found if each.what not in own]

        return Diff(find)

    def __reduce__(self) -> tuple[Any, ...]:
        return _over, ()

    def __repr__(self) -> str:
        return f"<trial, {'not running' if self._image is None else 'kept' if self._is_kept else 'running'}>"


def _over() -> Trial:
    """What is left of a trial in the image, if a variable has it and it was kept."""
    return Trial()


def trial() -> Trial:
    """For a `with`: what its block does is undone at its end, unless `keep` was said; a failure undoes it too."""
    return Trial()
