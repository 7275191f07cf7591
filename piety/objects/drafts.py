"""The text of a module: what is edited is a draft, and saving it is the turn that runs it.

    t = image.modules.text("notes")
    t.replace("apples", "snakes")
    t.save()

The source of a module is kept byte for byte, and so is its text: bytes that are no UTF-8 are lone surrogates in it, as
with a file of the host.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from piety.objects.changes import watches_itself
from piety.objects.hostfiles import encoded
from piety.objects.image import open_image
from piety.objects.texts import Text

if TYPE_CHECKING:
    from piety.objects.world import Module


@watches_itself
class Draft(Text):
    """The text of one module."""

    def __init__(self, module: Module) -> None:
        super().__init__(_decoded(module))
        self.module = module

    @property
    def is_saved(self) -> bool:
        """Whether this is what the module runs."""
        return encoded(str(self)) == self.module.source.data

    def save(self, path: str | None = None, force: bool = False) -> int:
        """Save it as the source of the module, and run that; with a path, write it to a file of the host instead.

        Raises what the source raises; then the module goes on as it was, and the draft stays.
        """
        if path is not None:
            return super().save(path, force)
        data = encoded(str(self))
        open_image().modules.save(self.module.name, data)
        return len(data)

    def reload(self, path: str | None = None) -> None:
        """Forget the draft: be what the module runs; with a path, what is in a file of the host."""
        if path is not None:
            super().reload(path)
        else:
            self.set(_decoded(self.module))

    def __repr__(self) -> str:
        state = "" if self.is_saved else ", not saved"
        return f"<the text of module {self.module.name}{state}: {len(self.lines):,} lines>"


def follow(module: Module) -> None:
    """The module has another source: so has its text, if there is one."""
    draft = module.draft
    if draft is not None and not draft.is_saved:
        draft.reload()


def _decoded(module: Module) -> str:
    data: bytes = module.source.data
    return data.decode("utf-8", "surrogateescape")
