"""Piety: a live Python system whose whole state lives in one object store, the image.

    import piety

    with piety.open("~/work", create=True) as image:
        outcome = image.evaluate("total = 40 + 2")
        print(outcome.value, outcome.output, outcome.error)

The package has three parts: `objects` (the store), `browser` (what a person uses) and, directly here, the command
line and the boot sequence.  `docs/reading.md` tells in which order to read them.

Names are imported at their first use, so that `import piety` costs nothing.
"""

from __future__ import annotations

TYPE_CHECKING = False  # for type checkers it is True; `typing` takes half as long to import as Python to start
if TYPE_CHECKING:
    from typing import Any

    from piety.boot import open
    from piety.errors import PietyError, PietyInUse
    from piety.objects.image import Image
    from piety.objects.lost import Lost, LostError
    from piety.objects.turns import Outcome

__all__ = ["Image", "Lost", "LostError", "Outcome", "PietyError", "PietyInUse", "open"]
__version__ = "0.1"

_PLACES = {
    "open": "piety.boot",
    "PietyError": "piety.errors",
    "PietyInUse": "piety.errors",
    "Image": "piety.objects.image",
    "Outcome": "piety.objects.turns",
    "Lost": "piety.objects.lost",
    "LostError": "piety.objects.lost",
}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    place = _PLACES.get(name) or import_module("piety.scheduler.names").NAMES.get(name)
    if place is None:
        raise AttributeError(f"module 'piety' has no attribute {name!r}")
    return getattr(import_module(place), name)
