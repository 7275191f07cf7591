"""A home made of what was carried here: a portable snapshot, or a backup."""

from __future__ import annotations

from functools import partial
from importlib.util import find_spec
from pathlib import Path

from piety import boot, streams
from piety.objects import transfer
from piety.objects.image import user_name
from piety.objects.portable import Portable
from piety.places import command
from piety.progress import Progress


def take_in(path: str, place: str) -> None:
    """Make a home at an absolute place of what lies at a path; say what came of it.

    Raises `BadSnapshot` if it is damaged, and what `boot.found` raises; then nothing is made.
    """
    boot.require_free(place)
    with Progress() as progress:
        if transfer.is_backup(path):
            boot.found(place, transfer.fill_from_backup(path))
        else:
            with Portable(Path(path)) as snapshot:
                snapshot.verify(partial(progress, "verifying"))
                boot.found(place, transfer.fill_from(snapshot, user_name(), partial(progress, "importing")))
                missing = missing_classes(snapshot.manifest)
                for name in missing:
                    streams.tell(f"it has objects of {name}, which cannot be found here; they are broken until it is")
    streams.out(f"a new home at {place}; resume it with: {command('', place)}\n")


def missing_classes(manifest: dict[str, list[str]]) -> list[str]:
    """The host modules that records of a snapshot need, and that are not here."""
    own = {*manifest["modules"], "workspace"}
    needed = {name.partition(":")[0] for name in manifest["classes"]}
    tops = {name.partition(".")[0] for name in needed if name not in own and name.partition(".")[0] not in own}
    return sorted(name for name in tops if find_spec(name) is None)
