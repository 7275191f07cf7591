"""What is to be done when the system comes up, and before it stops.

Hooks run in the order in which they were given, each as a turn of its own.  One that fails, or takes longer than
`LIMIT`, is put into quarantine: it is named, and not called again until somebody says `hook.release()`; the system
comes up, or goes down, all the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from persistent import Persistent

from piety.errors import PietyError
from piety.objects.image import current
from piety.scheduler.tasks import Tasks, tasks_of

LIMIT = 10.0  # seconds for one hook: a person who starts the system waits for it

When = Literal["resume", "stop"]


class Hook(Persistent):
    """Something to call at a start or a stop.  `quarantine` says why it is not called any more, or is ""."""

    quarantine = ""
    number = 0

    def __init__(self, when: When, function: Callable[[], object]) -> None:
        self.when = when
        self.function = function

    @property
    def name(self) -> str:
        return str(getattr(self.function, "__qualname__", type(self.function).__qualname__))

    def release(self) -> None:
        """Call it again next time."""
        self.quarantine = ""

    def remove(self) -> None:
        """Never call it again."""
        tasks_of(current()).hooks.pop(self.number, None)

    def __repr__(self) -> str:
        return f"<on_{self.when} {self.name}{f', in quarantine: {self.quarantine}' if self.quarantine else ''}>"


def on_resume(function: Callable[[], object]) -> Hook:
    """Call `function()` in a turn each time the system comes up, before any task gets one."""
    return _add("resume", function)


def on_stop(function: Callable[[], object]) -> Hook:
    """Call `function()` in a turn before the system stops; not if it is killed."""
    return _add("stop", function)


def hooks() -> list[Hook]:
    """All hooks, in their order."""
    return list(tasks_of(current()).hooks.values())


def due(tasks: Tasks, when: When) -> list[Hook]:
    """Those to be called now."""
    return [hook for hook in tasks.hooks.values() if hook.when == when and not hook.quarantine]


def _add(when: When, function: Any) -> Hook:
    if not callable(function):
        raise PietyError(f"on_{when}({function!r}): give it a function that takes no arguments")
    tasks = tasks_of(current())
    hook = Hook(when, function)
    hook.number = tasks.hooks.maxKey() + 1 if tasks.hooks else 1
    tasks.hooks[hook.number] = hook
    return hook
