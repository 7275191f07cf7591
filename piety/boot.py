"""The boot sequence: from the name of a place to an open image.

1. the place of the home: what was asked for, else PIETY_HOME, else the platform's folder for user data
2. the image in it is opened for this process alone (`objects/storage.py`), or made
3. a new image is born with userland: the sources that ship in `image/`
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib import import_module
from typing import Any

from piety.errors import HomeExists, NoHome, NotEmpty
from piety.objects.image import IMAGE_FILE, Image
from piety.objects.turns import SYSTEM
from piety.objects.variables import MISSING
from piety.places import Place, absolute, command

_BIRTH = ".birth-"  # begins the name of the folder in which an image is born


def is_home(place: str) -> bool:
    """Whether there is a home at this place, sound or not."""
    return os.path.exists(os.path.dirname(f"{place}/{IMAGE_FILE}"))


def open(home: Place | None = None, create: bool = False) -> Image:
    """Open the image of a home for this process alone; with `create`, make the home if it is not there.

    Raises `NoHome`, `PietyInUse` (with the number of the process that has it), `NoImage`, `DamagedImage` or
    `NewerFormat`.
    """
    place = absolute(home)
    if os.path.exists(f"{place}/{IMAGE_FILE}"):
        return _whole(Image(place))
    if is_home(place):
        raise NoHome(
            f"{place} is a home without an image ({IMAGE_FILE} is missing); "
            "put it back, or make another home with: piety new --home PLACE"
        )
    if create:
        return make(place)
    raise NoHome(f"there is no home at {place}; make one with: {command('new', place)}")


def make(home: Place | None = None) -> Image:
    """Make a home and open its image.  Raises `HomeExists`, and `NotEmpty` for a folder with anything else in it.

    The image is born beside its place and moved there when it is whole, so that a pulled plug leaves no half of one.
    """
    place = absolute(home)

    def fill(path: str) -> None:
        with _whole(Image(os.path.dirname(os.path.dirname(path)), create=True)) as image:
            # Whatever the host has; and nobody undoes that by accident.
            image.modules.import_paths(_userland(), over_host=True, user=SYSTEM)

    found(place, fill)
    return _whole(Image(place))


def require_free(place: str) -> None:
    """Raise `HomeExists`, or `NotEmpty`, if there cannot be a new home at a place."""
    if is_home(place):
        raise _there(place)
    if other := _what_lies_in(place):
        raise NotEmpty(
            f"a home needs a folder of its own, and in {place} lies {other!r}; make it in a new one with: "
            f"{command('new', os.path.join(place, 'piety'))}"
        )


def _there(place: str) -> HomeExists:
    return HomeExists(f"there is a home at {place} already; resume it with: {command('', place)}")


def found(place: str, fill: Callable[[str], None]) -> None:
    """Make a home at an absolute place, whose image file `fill(path)` makes; as `make`, which tells what it raises."""
    require_free(place)
    birth = f"{place}/{_BIRTH}{os.urandom(4).hex()}"
    made = not os.path.exists(place)
    try:
        os.makedirs(os.path.dirname(f"{birth}/{IMAGE_FILE}"))
        os.chmod(os.path.dirname(f"{birth}/{IMAGE_FILE}"), 0o700)  # what is in an image is its owner's affair
        if made:  # a folder that was there is not ours to close
            os.chmod(place, 0o700)
    except OSError as error:
        raise NoHome(f"a home cannot be made at {place}: {error.strerror}; choose another place with --home") from error
    try:
        fill(f"{birth}/{IMAGE_FILE}")
        for name in sorted(os.listdir(birth), reverse=True):  # the image last: where that is, there is a home
            os.rename(f"{birth}/{name}", f"{place}/{name}")
        os.rmdir(birth)
    except BaseException as error:
        import shutil

        shutil.rmtree(birth)
        if isinstance(error, OSError) and is_home(place):  # another process was faster
            raise _there(place) from None
        if made:
            with suppress(OSError):  # somebody else has put something there meanwhile
                os.rmdir(place)
        raise


def _what_lies_in(place: str) -> str | None:
    """Something that lies in a folder, if anything does but the beginning of a home."""
    try:
        return next((name for name in sorted(os.listdir(place)) if not name.startswith(_BIRTH)), None)
    except OSError:  # it is no folder, or none that we may read: making a home in it says so
        return None


def _whole(image: Image) -> Image:
    """An image whose code knows the names of the whole system, not only those of the store."""
    image.offer = _offer
    return image


def _offer(name: str) -> Any:
    from piety.scheduler.names import NAMES, USERLAND

    if name in USERLAND:
        with suppress(ModuleNotFoundError):  # it was deleted
            return import_module(name)
    return getattr(import_module(NAMES[name]), name) if name in NAMES else MISSING


def _userland() -> Iterator[str]:
    """The sources that a new image is born with: beside the package when installed, in `image/` in a checkout."""
    package = os.path.dirname(os.path.abspath(__file__))
    beside = os.path.join(package, "userland")
    folder = beside if os.path.isdir(beside) else os.path.join(os.path.dirname(package), "image")
    for name in sorted(os.listdir(folder)):
        path = os.path.join(folder, name)
        if name.endswith(".py") or os.path.isfile(os.path.join(path, "__init__.py")):
            yield path
