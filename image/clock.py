"""Clocks: tasks that write the time into transcripts.

    >>> import clock
    >>> london = clock.Clock("london", seconds=1)
    >>> london
    >>> london.seconds = 0.2     change how often, while it runs
    >>> london.stop()            and go on: london.start()
    >>> london.end()

A clock is a persistent object with a task; both are in the image, so it goes on after a restart.
Any condition can say whether it may tick: `london.task.enabled = lets_it`.
`alternate()` makes one that says yes every other time.
"""

from datetime import datetime

from persistent import Persistent

from piety import Transcript, every, spawn


class Clock(Persistent):
    """I write the time into my transcript, each so many seconds."""

    def __init__(self, name="clock", seconds=1.0, out=None):
        self.name = name
        self.transcript = Transcript(kept=2_000) if out is None else out
        self.task = spawn(every(seconds), self.tick, name=name, out=self.transcript)

    def tick(self):
        """One turn of mine."""
        print(f"{self.name} {datetime.now().astimezone():%H:%M:%S}")

    @property
    def seconds(self):
        """How many seconds lie between two ticks.  Assigning another number begins anew with that."""
        return self.task.event.period

    @seconds.setter
    def seconds(self, seconds):
        self.task.event = every(seconds)

    def stop(self):
        """Be silent until `start`."""
        self.task.suspend()

    def start(self):
        """Go on."""
        self.task.resume()

    def end(self):
        """Stop for good."""
        self.task.cancel()

    def __repr__(self):
        return f"<clock {self.name!r}, {self.task.state}>\n{self.transcript.tail(5)}".rstrip()


class Alternate(Persistent):
    """A condition that is true every other time."""

    def __init__(self):
        self.yes = False

    def __call__(self):
        self.yes = not self.yes
        return self.yes


def alternate():
    """A condition that is true every other time: `clock.task.enabled = alternate()`."""
    return Alternate()
