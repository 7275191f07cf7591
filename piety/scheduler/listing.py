"""`tasks()`: all tasks as a table, and each of them by its number or name."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

from piety.objects.image import Image, current
from piety.objects.turns import one_line
from piety.scheduler import clock
from piety.scheduler.failures import clip
from piety.scheduler.tasks import Task, is_broken, name_of_task, tasks_of

SHOWN = 100  # rows: more than a person reads, and a hundred thousand tasks would scroll everything else away
WIDEST = 60  # characters of a name or an event
COLUMNS = ("number", "name", "state", "waits for", "turns", "seconds", "failures", "next due")

Row = dict[str, Any]


class Listing:
    """The tasks that have not ended.  `tasks()["clock"]` and `tasks()[3]` are single ones."""

    def __init__(self, image: Image) -> None:
        self._image = image
        self._tasks = tasks_of(image)

    def __getitem__(self, key: int | str) -> Task:
        return self._tasks.find(key)

    def __iter__(self) -> Iterator[Task]:
        return iter(list(self._tasks.table.values()))

    def __len__(self) -> int:
        return len(self._tasks.table)

    def __contains__(self, key: object) -> bool:
        return any(key in (number, name_of_task(task)) or key is task for number, task in self._tasks.table.items())

    def rows(self, most: int | None = None) -> list[Row]:
        """What is known of each task, as plain values; the times in seconds since the epoch."""
        return [self.row(task, number) for number, task in islice(self._tasks.table.items(), most)]

    def row(self, task: Task, number: int | None = None) -> Row:
        """What is known of one."""
        number = task.number if number is None else number
        if is_broken(task):
            values = (number, one_line(name_of_task(task), WIDEST), "broken", clip(type(task)), 0, 0.0, 0, None)
            return dict(zip(COLUMNS, values, strict=True))
        loop = self._image.system.loop if self._image.system is not None else None
        turn = loop.turns.get(number) if loop is not None else None
        turns, seconds, failures = (
            turn.counts.now() if turn is not None else self._tasks.totals.get(number, (0, 0.0, 0))
        )
        due = loop.timers.when(number, task.due) if loop is not None else task.due
        name, event = one_line(str(task.name), WIDEST), one_line(clip(task.event), WIDEST)
        shown = (number, name, task.state, event, turns, round(seconds, 6), failures, due)
        return dict(zip(COLUMNS, shown, strict=True))

    def __brief__(self) -> str:
        return f"<{len(self):,} tasks>"

    def __repr__(self) -> str:
        more = len(self) - SHOWN
        text = table(self.rows(SHOWN))
        return f"{text}\n... and {more:,} more" if more > 0 else text


def table(rows: list[Row]) -> str:
    """Rows as text, in columns."""
    if not rows:
        return "no tasks"
    lines = [COLUMNS, *(tuple(shown_cell(name, row[name]) for name in COLUMNS) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(COLUMNS))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def shown_cell(name: str, value: Any) -> str:
    """A value as it stands in the table."""
    if value is None:
        return ""
    if name == "next due":
        return clock.shown(value, with_zone=False)
    return f"{value:.3f}" if name == "seconds" else str(value)


def tasks() -> Listing:
    """All tasks that have not ended: a table to look at, and `tasks()[name]`."""
    return Listing(current())
