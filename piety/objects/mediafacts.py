"""What a media type tells of what has it: definitions of Python, titles and links, heads of mail, what cameras write.

    text/x-python       defines, imports
    text/markdown       title, link;  text/x-rst: title
    message/rfc822      sender, to, cc, title, date
    image/...           camera, artist, taken, width, height
"""

from __future__ import annotations

import datetime
import io
import logging
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from itertools import pairwise
from typing import Any

HEAD = 1 << 20  # bytes of a picture in which that stands what cameras write
Pairs = Iterator[tuple[str, Any]]

_DEFINED = re.compile(r"^(?:async[ \t]+)?(?:def|class)[ \t]+(\w+)", re.MULTILINE)
_IMPORTED = re.compile(r"^[ \t]*(?:from[ \t]+(\w[\w.]*)[ \t]+import\b|import[ \t]+(\w[\w., \t]*))", re.MULTILINE)


def _python(source: str) -> Pairs:
    """Read line by line: that takes a fiftieth of parsing it, and what is no Python of today tells its names too."""
    yield from (("defines", name) for name in dict.fromkeys(_DEFINED.findall(source)))
    names: dict[str, None] = {}
    for module, modules in _IMPORTED.findall(source):
        names |= dict.fromkeys([module] if module else [each.split()[0] for each in modules.split(",") if each.strip()])
    yield from (("imports", name) for name in names)


def _markdown(source: str) -> Pairs:
    from markdown_it import MarkdownIt

    tokens = MarkdownIt("commonmark").parse(source)
    for token, following in pairwise(tokens):
        if token.type == "heading_open" and token.tag == "h1":
            yield "title", "".join(each.content for each in following.children or ())
    for token in tokens:
        for each in token.children or ():
            if each.type == "link_open" and (href := each.attrGet("href")):
                yield "link", href


def _mail(source: str) -> Pairs:
    from email import message_from_string, policy
    from email.utils import getaddresses

    message: Any = message_from_string(source, policy=policy.default)
    for name in ("from", "to", "cc"):
        for _person, address in getaddresses([str(each) for each in message.get_all(name, [])]):
            if address:
                yield {"from": "sender"}.get(name, name), address
    if message["subject"]:
        yield "title", str(message["subject"])
    if (date := message["date"]) is not None and (when := getattr(date, "datetime", None)) is not None:
        yield "date", when


def _rest(source: str) -> Pairs:
    """The first title of reStructuredText: a line over one of its length that is all of one sign."""
    found = re.search(r"^(?P<title>\S.*)\n(?P<sign>[=\-~^*#])(?P=sign){2,}[ \t]*$", source, re.MULTILINE)
    if found is not None:
        yield "title", found["title"].strip()


def _picture(data: bytes) -> Pairs:
    import exifread

    logging.getLogger("exifread").disabled = True  # it would tell of each picture without such data
    found = exifread.process_file(io.BytesIO(data), details=False)
    for name, tag in {"camera": "Image Model", "artist": "Image Artist"}.items():
        if tag in found:
            yield name, str(found[tag]).strip()
    for tag in ("EXIF DateTimeOriginal", "Image DateTime"):
        if tag in found:
            with suppress(ValueError):  # cameras whose clock was never set write zeros
                yield "taken", datetime.datetime.strptime(str(found[tag]), "%Y:%m:%d %H:%M:%S").astimezone()
                break
    for name, tags in _SIDES.items():
        for tag in tags:
            if tag in found:
                yield name, int(str(found[tag]))
                break


_SIDES = {
    "width": ("EXIF ExifImageWidth", "Image ImageWidth"), "height": ("EXIF ExifImageLength", "Image ImageLength"),
}  # fmt: skip

TEXTS: dict[str, Callable[[str], Pairs]] = {
    "text/x-python": _python, "text/markdown": _markdown, "message/rfc822": _mail, "text/x-rst": _rest,
}  # fmt: skip
BYTES: dict[str, Callable[[bytes], Pairs]] = {
    "image/jpeg": _picture, "image/tiff": _picture, "image/webp": _picture, "image/heic": _picture,
    "image/png": _picture,
}  # fmt: skip


def by_media(media: str, text: str, parts: Iterable[bytes]) -> Pairs:
    """What is known of something of a media type; `parts` are its bytes, which are read only if they are needed."""
    if text and (of_text := TEXTS.get(media)) is not None:
        yield from of_text(text)
    elif (of_bytes := BYTES.get(media)) is not None:
        data = b""
        for part in parts:
            data += part
            if len(data) > HEAD:
                break
        if data:
            yield from of_bytes(data)
