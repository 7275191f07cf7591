"""Which timers are due, without looking at those that are not.

The image has them in `tasks.due` by time; here are those that this process has seen: they lie in a heap.  What the
image has is read up to now, never further, so a hundred thousand sleeping tasks cost nothing until they wake.  The
first time, that is what passed while the system was stopped, and periodic timers that have ticked since they began;
it is read in slices, so that the start does not wait for it.

The clock may be set back, in a stop too.  A periodic timer then stands too far ahead, and goes on at an earlier time.
"""

from __future__ import annotations

import heapq
import itertools
import math

from piety.scheduler import clock
from piety.scheduler.events import Due, Every
from piety.scheduler.tasks import Tasks

# A timer that was read: when it is due next, where it stands in the image, and its event if it repeats.
Armed = tuple[float, float, Every | None]

SLICE = 2_000  # timers that are read at once: some 5 ms


class Timers:
    """The timers of one image.  `alive` is when the system was last known to run, `started` when it began to again."""

    def __init__(self, tasks: Tasks, alive: float, started: float) -> None:
        self._due = tasks.due
        self._alive, self._started = alive, started
        self._heap: list[tuple[float, int]] = []
        self._armed: dict[int, Armed] = {}
        self._read: tuple[float, float] = (-math.inf, 0)  # what the image has up to here was read
        self._stored: float | None = None  # when the first of the others is due; None if there is none,
        self._is_stored_known = False  # or it was not looked up since the image changed
        self._now = alive  # when it was asked last what is due

    def image_changed(self) -> None:
        """A turn has written something: there may be other timers."""
        self._is_stored_known = False

    def arm(self, number: int, due: float | None) -> None:
        """Somebody has done something to this task: its timer stands in the image at `due`, or it has none."""
        event = None if due is None else self._due.get((due, number))
        armed = self._armed.get(number)
        if armed is not None and armed[1:] == (due, event):
            return
        self._armed.pop(number, None)
        if due is not None and ((due, number) <= self._read or _is_too_far(due, event)):
            self._set(number, due, due, event)

    def pop(self, now: float) -> list[tuple[int, Due]]:
        """The tasks whose timers are due, in order; periodic ones are set to their next time."""
        if now < self._now:
            self._go_back()
        self._now = now
        stored = self._first_stored()
        if stored is not None and stored <= now:
            self._read_up_to(now)
        found = []
        heap, armed_timers = self._heap, self._armed
        while heap and heap[0][0] <= now:
            when, number = heap[0]
            armed = armed_timers.get(number)
            if armed is None or armed[0] != when:  # it was set to another time
                heapq.heappop(heap)
                continue
            found.append((number, (armed[1], when)))
            event = armed[2]
            if event is None or event.missed == "catch_up":
                heapq.heappop(heap)
                del armed_timers[number]
            else:
                following = event.next(when, now)
                armed_timers[number] = following, armed[1], event
                heapq.heapreplace(heap, (following, number))
        return found

    def next(self) -> float | None:
        """When the next timer is due; None if there is none."""
        while self._heap and self.when(self._heap[0][1], None) != self._heap[0][0]:  # it was set to another time
            heapq.heappop(self._heap)
        known, stored = self._heap[0][0] if self._heap else None, self._first_stored()
        return known if stored is None else stored if known is None else min(known, stored)

    def when(self, number: int, due: float | None) -> float | None:
        """When a task's timer is due next, that stands in the image at `due`."""
        return self._armed[number][0] if number in self._armed else due

    def _set(self, number: int, when: float, due: float, event: Every | None) -> None:
        if event is not None and _is_too_far(when, event):
            when = event.earlier(when, clock.now())
        self._armed[number] = when, due, event
        heapq.heappush(self._heap, (when, number))

    def _go_back(self) -> None:
        """The clock was set back: nothing that comes in periods waits until it is as late again."""
        known = list(self._armed.items())
        stored = self._due.items(self._read, excludemin=True)
        for number, (when, due, event) in known + [(number, (due, due, event)) for (due, number), event in stored]:
            if _is_too_far(when, event):
                self._set(number, when, due, event)

    def _first_stored(self) -> float | None:
        if not self._is_stored_known:
            first = next(iter(self._due.keys(self._read, excludemin=True)), None)
            self._stored, self._is_stored_known = (None if first is None else first[0]), True
        return self._stored

    def _read_up_to(self, now: float) -> None:
        entries = self._due.items(self._read, (now, math.inf), excludemin=True)
        taken = list(itertools.islice(entries, SLICE))
        for (due, number), event in taken:
            armed = self._armed.get(number)
            if armed is None or armed[1:] != (due, event):  # else it was too far, and goes on at an earlier time
                self._set(number, self._after_a_stop(due, event), due, event)
        self._read = taken[-1][0] if len(taken) == SLICE else (now, math.inf)
        self._is_stored_known = False

    def _after_a_stop(self, due: float, event: Every | None) -> float:
        """When a timer is due next that stands in the image at a time that has passed."""
        if event is None or event.missed == "catch_up" or due > self._started:
            return due
        return event.next(due, self._alive if event.missed == "once" else self._started)


def _is_too_far(when: float, event: Every | None) -> bool:
    """Whether a periodic timer is due later than if it began now: then the clock was set back."""
    return event is not None and when > event.first(clock.now())
