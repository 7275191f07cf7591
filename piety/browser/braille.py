"""A picture as lines: each character has eight dots; drawn is what there is less of, the dark or the light.

It needs Pillow, if that is installed.  Greys become patterns of dots (Floyd and Steinberg, "An adaptive algorithm for
spatial greyscale", 1976, as Pillow does it).
"""

from __future__ import annotations

import io
import warnings

_FIRST = 0x2800  # the character of Unicode that has no dot
_BITS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))  # of the dots of a character, by line and column
LARGEST = 50_000_000  # pixels
PALE = 230  # greys from here on are white
HALF = 128  # between black and white


def _darker(grey: int) -> int:
    """What is thin is grey when it is made smaller, and is to be seen all the same."""
    return 255 if grey > PALE else grey * 2 // 3


def braille(data: bytes, width: int, lines: int) -> list[str]:
    """The picture, as large as it can be.  Raises ImportError without Pillow, and ValueError for what is no picture."""
    from PIL import Image, ImageOps, ImageStat, UnidentifiedImageError

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a large one: what is too large is told below
        try:
            with Image.open(io.BytesIO(data)) as picture:
                if picture.width * picture.height > LARGEST:
                    raise ValueError(f"it has more than {LARGEST:,} pixels")
                part = min(2 * width / picture.width, 4 * lines / picture.height)
                size = max(int(picture.width * part), 2), max(int(picture.height * part), 4)
                shown = picture.convert("RGBA")
                paper = Image.new("RGBA", shown.size, "white")
                grey = Image.alpha_composite(paper, shown).convert("L").resize(size)
                if ImageStat.Stat(grey).mean[0] < HALF:
                    grey = ImageOps.invert(grey)
                dots = grey.point(_darker).convert("1")
        except UnidentifiedImageError:
            raise ValueError("it is no picture that is known here") from None
        except (OSError, SyntaxError, Image.DecompressionBombError) as error:
            raise ValueError(str(error)) from None
    found = []
    for top in range(0, size[1], 4):
        line = ""
        for left in range(0, size[0], 2):
            bits = 0
            for y, row in enumerate(_BITS):
                for x, bit in enumerate(row):
                    if left + x < size[0] and top + y < size[1] and not dots.getpixel((left + x, top + y)):
                        bits |= bit
            line += chr(_FIRST + bits)
        found.append(line)
    return found
