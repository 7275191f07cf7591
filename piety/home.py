"""The home that a command is about: resting or running, its verbs are done there."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from piety import places, streams
from piety.deferred import starting
from piety.errors import HomeExists, PietyError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from piety.browser.wire import Wire
    from piety.objects.image import Image
    from piety.verbs import Say


class Home:
    """A home by the name that somebody gave it; None is the default one."""

    def __init__(self, named: str | None = None) -> None:
        self._is_named = bool(named)
        self.place = places.absolute(named or None)  # `--home ""` names none

    def command(self, words: str = "") -> str:
        """A command on this home, to suggest."""
        return places.command(words, self.place)

    def running(self) -> Wire | None:
        """A connection to the system that runs there; None if it rests."""
        if not os.path.exists(f"{self.place}/{places.SOCKET}"):
            return None
        from piety import daemon

        return daemon.connect(self.place)

    def open(self) -> Image:
        """Its image, as soon as it is free; the default home is made at its first use, a named one is not."""
        from piety.waiting import when_free

        return when_free(self.place, self._open, streams.tell)

    def _open(self) -> Image:
        from piety import boot

        if not self._is_named and not boot.is_home(self.place):
            try:
                image = boot.make(self.place)
            except HomeExists:  # another command was faster
                return boot.open(self.place)
            streams.tell(f"a new home at {self.place}")
            return image
        return boot.open(self.place)

    def make_at_first_use(self) -> None:
        """Make the home if it is the default one and not there."""
        from piety import boot

        if not boot.is_home(self.place):
            self.open().close()

    def start(self, safe: bool) -> int:
        """Start its system in a process of its own; the number of that."""
        from piety import daemon

        self.make_at_first_use()
        return daemon.start(self.place, safe, streams.tell)

    def start_if_it_rests(self, safe: bool) -> None:
        """The same; that another command was faster is as well."""
        try:
            self.start(safe)
        except PietyError:
            if safe or self.running() is None:
                raise

    def reach(self) -> Wire | Image:
        """A connection to the system that runs there, or its image if it rests."""
        from piety.waiting import when_free

        return when_free(self.place, lambda: self.running() or self._open(), streams.tell)

    def perform(self, verb: str, **arguments: Any) -> int:
        """Do a verb, on the system that runs or on the resting image; the exit status."""
        connection = self.running()
        if connection is None:
            with starting():  # what opening an image needs
                from piety import verbs
                from piety.objects.image import Image
            there = self.reach()
            if isinstance(there, Image):
                from piety.progress import Progress

                with there as image, Progress() as progress:
                    status = verbs.VERBS[verb](image, verbs.Say(streams.out, streams.err, progress), **arguments)
                    while isinstance(status, verbs.More):
                        status = status.work(image)
                    return status if isinstance(status, int) else status()
            connection = there
        from piety.browser import remote

        return remote.perform(connection, verb, **arguments)


def say() -> Say:
    """Where the verbs of this process say things."""
    from piety.verbs import Say

    return Say(streams.out, streams.err)


def status_of(work: Callable[[], int]) -> int:
    """The exit status of what a command does; a person's mistake is one line, not a traceback."""
    try:
        return work()
    except PietyError as error:
        streams.tell(str(error))
        return 2
    except BrokenPipeError:  # the reader of our output went away: nothing to say, nobody to say it to
        sys.stderr.close()
        return 1
