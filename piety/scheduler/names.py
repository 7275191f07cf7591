"""The names of the running system that code has without an import, at the shell; elsewhere `from piety import ...`."""

from __future__ import annotations

_MODULES = {
    "events": "after at changed every lines message signal",
    "tasks": "notify send spawn",
    "listing": "tasks",
    "failures": "failures",
    "effects": "effect_id host",
    "retries": "Retry",
    "output": "Transcript transcript",
    "hooks": "hooks on_resume on_stop",
    "watch": "turn_limit",
    "sessions": "fg job jobs leave terminal",
}
_OBJECTS = {"texts": "Text", "bookshelf": "open_file texts"}
NAMES = {name: f"piety.scheduler.{module}" for module, names in _MODULES.items() for name in names.split()}
NAMES |= {name: f"piety.objects.{module}" for module, names in _OBJECTS.items() for name in names.split()}
