"""The boot sequence: from the name of a place to an open image.

    1. the place of the home: what was asked for, else PIETY_HOME, else the platform's folder for user data
    2. the image in it is opened for this process alone (`objects/store.py`), or made
    3. a new image is born with userland: the sources that ship in `image/`
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from piety.errors import HomeExists, NoHome
from piety.objects.image import IMAGE_FILE, Image


def default_home() -> Path:
    """PIETY_HOME, or the platform's place for user data."""
    if place := os.environ.get("PIETY_HOME"):
        return Path(place).expanduser()
    from platformdirs import user_data_path

    return user_data_path("piety")


def open(home: str | os.PathLike[str] | None = None, create: bool = False) -> Image:
    """Open the image of a home for this process alone; with `create`, make the home if it is not there.

    Raises `NoHome`, `PietyInUse` (with the number of the process that has it), `NoImage`, `DamagedImage` or
    `NewerFormat`.
    """
    place = (default_home() if home is None else Path(home).expanduser()).absolute()
    if (place / IMAGE_FILE).exists():
        return Image(place)
    if create and not (place / IMAGE_FILE.parent).exists():
        return make(place)
    if (place / IMAGE_FILE.parent).exists():
        raise NoHome(f"{place} is a home without an image ({IMAGE_FILE} is missing); put it back, or make another home with: piety new --home PLACE")
    raise NoHome(f"there is no home at {place}; make one with: piety new --home {place}")


def make(place: Path) -> Image:
    """Make a home and open its image.  Raises `HomeExists`; what fails half-way is taken away again."""
    place = place.absolute()
    folder = place / IMAGE_FILE.parent
    try:
        folder.mkdir(parents=True)
    except FileExistsError:
        raise HomeExists(f"there is a home at {place} already; resume it with: piety --home {place}") from None
    except OSError as error:
        raise NoHome(f"a home cannot be made at {place}: {error.strerror}; choose another place with --home") from error
    os.chmod(place, 0o700)
    try:
        image = Image(place, create=True)
        image.modules.import_paths(_userland())
    except BaseException:
        shutil.rmtree(folder)
        raise
    return image


def _userland() -> list[Path]:
    """The sources that a new image is born with: beside the package when installed, in `image/` in a checkout."""
    package = Path(__file__).parent
    folder = package / "userland" if (package / "userland").is_dir() else package.parent / "image"
    return sorted(path for path in folder.glob("*") if path.suffix == ".py" or (path / "__init__.py").is_file())
