"""Facts that code tells: methods of a class, functions of userland, what a media type has."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from conftest import System

import piety
from piety.objects.takingin import TakingIn

BEGIN = """
from persistent import Persistent
class Song(Persistent):
    def __init__(self, words): self._words = words
    def __facts__(self): return {'length': len(self._words)}
class Other(Persistent): pass
song = Song('la la la'); keep(song); keep(Other(), tag='other')
def first(song): yield 'first', song._words[0]
"""


@pytest.fixture
def begun(system: System) -> System:
    system.run(BEGIN)
    return system


def test_a_function_of_userland(begun: System) -> None:
    """Is asked of what is there, and of what comes; until that is ended."""
    assert begun.run("len(find('first:l'))") == 0
    begun.run("extract(Song, first)")
    assert begun.run("len(find('first:l'))") == 1
    begun.run("keep(Song('loo'))")
    assert begun.run("len(find('first:l')), len(find('first:*'))") == (2, 2)
    then = begun.image.storage.lastTransaction()
    begun.resume()
    begun.run("extract(Song, None)")
    assert begun.run(f"len(find('first:l')), len(find('first:l', at={then!r}))") == (0, 2)
    begun.image.undo()
    assert begun.run("len(find('first:l'))") == 2


def test_code_that_changes_is_asked_again(begun: System) -> None:
    """A method, a function, and what a rollback brings back; also when the index is made anew."""
    begun.run("extract(Song, first)", "snapshot('s')")
    begun.run("def first(song): yield 'first', song._words[-1].upper() + 'x'")
    assert begun.run("len(find('first:l')), len(find('first:ax'))") == (0, 1)
    begun.run("class Song(Persistent):\n    def __init__(self, words): self._words = words\n    def __facts__(self): return {'length': -1}")
    assert begun.run("len(find('length:8')), len(find('length:-1'))") == (0, 1)
    begun.run("def unrelated(): pass")
    assert begun.run("len(find('length:-1'))") == 1
    begun.image.roll_back("s")
    assert begun.run("len(find('length:8')), len(find('first:l'))") == (1, 1)


def test_code_of_a_module(begun: System) -> None:
    begun.image.modules["songs"] = "def last(song): yield 'last', song._words[-1]\n"
    begun.run("import songs; extract(Song, songs.last)")
    assert begun.run("len(find('last:a'))") == 1
    begun.image.modules["songs"] = "def last(song): yield 'last', 'none'\n"
    assert begun.run("len(find('last:a')), len(find('last:none'))") == (0, 1)


def test_one_that_fails_is_found_by_that(begun: System) -> None:
    begun.run("def bad(song): raise ValueError('out of tune')\nextract(Song, bad)")
    assert begun.run("len(find('unreadable:*')), len(find('tag:other')), len(find('length:8'))") == (1, 1, 1)


@pytest.mark.parametrize("source", ["extract(1, first)", "extract(Song, len)", "extract(Song, 'first')"])
def test_what_is_no_extractor(begun: System, source: str) -> None:
    assert isinstance(begun.fail(source), piety.PietyError)


def tiff(model: bytes, when: bytes) -> bytes:
    """A picture of no points, with what a camera writes."""
    texts = model + b"\0", when + b"\0"
    at = 8 + 2 + 2 * 12 + 4
    entries = b""
    for tag, text in zip((0x0110, 0x0132), texts, strict=True):
        entries += struct.pack("<HHII", tag, 2, len(text), at)
        at += len(text)
    return b"II*\0" + struct.pack("<IH", 8, 2) + entries + struct.pack("<I", 0) + b"".join(texts)


FILES = {
    "m.eml": (b"From: Ada <ada@example.org>\nTo: b@c.d, e@f.g\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\nDate: Mon, 1 Jun 2026 10:00:00 +0000\n\nBody words\n", ["sender:ada@example.org", "to:e@f.g", "title:grüße", "date:2026-06-01", "body", "media:message/rfc822"]),
    "n.md": (b"Intro\n\n# The *title*\n\nSee [this](http://example.org/x).\n", ['title:"the title"', "link:http://example.org/x", "intro"]),
    "p.py": (b"import os, sys as s\nfrom a.b import c\n\nasync def runAll(): pass\nclass K: \n    def inner(self):\n        import json\n", ["defines:runAll", "defines:K", "imports:os", "imports:sys", "imports:a.b", "imports:json", "run", "-defines:inner"]),
    "old.py": (b"def f():\n    print 'no python of today'\n", ["defines:f", "media:text/x-python"]),
    "r.rst": (b"A title\n=======\n\ntext\n", ['title:"a title"']),
    "i.tif": (tiff(b"Box Brownie", b"1930:05:01 12:00:00"), ['camera:"box brownie"', "taken:1930-05-01", "taken<1931"]),
    "none.tif": (b"II*\0 no picture at all", ["media:image/tiff"]),
    "empty.jpg": (b"", ["media:image/jpeg", "size:0"]),
    "plain.png": (b"\x89PNG\r\n\x1a\n" + bytes(40), ["media:image/png"]),
    "bad.eml": (b"\x00\x01\x02 no mail", ["media:message/rfc822"]),
    "data.bin": (bytes(range(256)), ["media:application/octet-stream"]),
    "README": (b"no ending, but words\n", ["media:text/plain", "ending"]),
}  # fmt: skip


def test_media_types(system: System, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """What each tells; and what is not what its name says leaves the rest alone."""
    for name, (data, _queries) in FILES.items():
        (tmp_path / name).write_bytes(data)
    taking = TakingIn(system.image, {}, print)
    taking.begin([str(tmp_path / name) for name in FILES])
    while taking.go_on():
        pass
    for name, (_data, queries) in FILES.items():
        for query in queries:
            assert name in system.run(f"[each.name for each in find({query!r})]"), (name, query)
    assert system.run("[each.name for each in find('unreadable:*')]") == []
    assert caplog.records == []
