"""The names of the running system that code has without an import, at the shell; elsewhere `from piety import ...`."""

from __future__ import annotations

_MODULES = {
    "objects.texts": "Text",
    "objects.bookshelf": "open_file texts",
    "objects.snapshots": "snapshot snapshots",
    "objects.revisions": "diff history revert",
    "objects.trial": "trial",
    "objects.deriving": "extract",
    "objects.entries": "entry forget keep",
    "objects.finding": "above before below between find since stream",
    "objects.references": "instances linked path_to sizes who_points_at",
    "scheduler.events": "after at changed every lines message signal",
    "scheduler.standing": "found",
    "scheduler.tasks": "notify send spawn",
    "scheduler.listing": "tasks",
    "scheduler.failures": "failures",
    "scheduler.effects": "effect_id host",
    "scheduler.retries": "Retry",
    "scheduler.output": "Transcript transcript",
    "scheduler.hooks": "hooks on_resume on_stop",
    "scheduler.watch": "turn_limit",
    "objects.history": "turns",
    "browser.commands": "command commands",
    "browser.sources": "code",
    "browser.anything": "search",
    "browser.views": "Actions Code Form Forward Label Plot Table Tree view",
    "browser.drawing": "show",
    "scheduler.sessions": "fg job jobs leave terminal",
}
USERLAND = frozenset({"ed"})  # modules of the image that can be called
NAMES = {name: f"piety.{module}" for module, names in _MODULES.items() for name in names.split()}
