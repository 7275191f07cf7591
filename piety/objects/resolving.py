"""What a person means by a reference."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from persistent import Persistent

from piety.errors import PietyError
from piety.objects.entries import Entry
from piety.objects.naming import number_of
from piety.objects.takingin import kept_from

if TYPE_CHECKING:
    from piety.objects.image import Image


_QUOTED = re.compile(r"""["'(\[]""")  # what no path has that somebody writes; but an expression with a slash in it


def resolve(image: Image, ref: str, path: str, is_entry: bool = False) -> Any:
    """The object that is meant: 0x1f, a variable, what was kept from a path, or an expression.

    Called in a turn; with `is_entry` a plain object that was kept is given as its entry.  Raises `PietyError`.
    """
    if ref.startswith("0x"):
        obj = image.connection.get(number_of(image, ref))
    else:
        is_variable = ref in image.world.workspace.variables
        if not is_variable and (node := kept_from(image, path)) is not None:
            return node
        if not is_variable and "/" in ref and not _QUOTED.search(ref):
            raise PietyError(f"{ref!r} is no object, and nothing was kept from there")
        try:
            obj = image.run_source(ref)
        except Exception as error:
            raise PietyError(f"{ref!r} gives no object ({type(error).__name__}: {error})") from error
        if is_entry and not isinstance(obj, Persistent):
            raise PietyError(f"{ref} is plain, and told from others by no number; say the one that piety find shows")
    return obj if is_entry or not isinstance(obj, Entry) else obj.object
