"""What the index answers is what asking each entry answers: now, within a turn, and as of any moment of the past."""

from __future__ import annotations

import datetime
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scanning import Scanning

import piety
from piety.objects.finding import find
from piety.objects.following import catch_up, who_wrote
from piety.objects.query import All, Any_, Between, Fact, Query, Without, Words, Written, parse, since

BEGIN = """
from persistent import Persistent
class Note(Persistent):
    def __init__(self, body): self.body = body; self.pages = len(body); self.marks = []
class Letter(Note):
    def __facts__(self): yield 'receiver', self.body[:4]
class Hidden(Persistent):
    def __init__(self, note): self.note = note
    def __text__(self): return self.note.body
world.notes = []
"""
WORDS = ["garbage", "collection", "Müller", "snakeCase", "snake_case", "lisp", "42"]
NAMES = ["project", "tag", "pages", "body", "receiver", "kind", "marks", "by", "words", "nothing"]
VALUES = [
    "lisp",
    "LISP",
    "Müller",
    "garb*",
    "*",
    "42",
    "3",
    "note",
    "letter",
    "workspace.note",
    "persistent",
    "x",
    "root",
    "3..42",
    "lisp..note",
]

words = st.lists(st.sampled_from(WORDS), min_size=1, max_size=3).map(" ".join)
values = st.one_of(st.sampled_from(["lisp", "Lisp", "müller", "x"]), st.sampled_from([3, 3.0, 42, True, -1]))
steps = st.one_of(
    st.tuples(st.just("keep"), st.sampled_from(["Note", "Letter", "Hidden"]), words, values),
    st.tuples(st.just("plain"), words, values),
    st.tuples(st.just("set"), st.integers(0, 9), values),
    st.tuples(st.just("add"), st.integers(0, 9), values),
    st.tuples(st.just("change"), st.integers(0, 9), words),
    st.tuples(st.just("mark"), st.integers(0, 9), values),
    st.tuples(st.just("forget"), st.integers(0, 9)),
    st.tuples(st.just("roll_back"), st.integers(0, 9)),
    st.tuples(st.just("undo")),
    st.tuples(st.just("catch_up")),
    st.tuples(st.just("resume")),
    st.tuples(st.just("lose_index")),
)
facts = st.builds(
    Fact, st.sampled_from(NAMES), st.sampled_from([":", "<", ">", "<=", ">="]), st.one_of(st.sampled_from(VALUES).map(Written), values)
)  # fmt: skip
between = st.builds(Between, *[st.one_of(st.sampled_from(VALUES[2:]).map(Written), values)] * 2)
leaf = st.one_of(facts, st.builds(Fact, st.sampled_from(NAMES), st.just(":"), between), st.builds(Words, words, st.booleans()))
queries: Any = st.recursive(
    leaf,
    lambda inner: st.one_of(
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: All(*parts)),
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: Any_(*parts)),
        inner.map(Without),
    ),
    max_leaves=5,
)


class Model:
    """An image, and the moments that it had."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.image = piety.open(home, create=True)
        self.moments: list[bytes] = []
        self.run(BEGIN)
        self.run("world.begun = True")  # what an undo takes back, if nothing else was done

    def run(self, source: str) -> None:
        outcome = self.image.evaluate(source)
        assert outcome.error is None, outcome.traceback
        self.moments.append(self.image.storage.lastTransaction())

    def do(self, step: tuple[Any, ...]) -> None:
        what, *rest = step
        if what == "keep":
            kind, body, value = rest
            made = f"Hidden(Note({body!r}))" if kind == "Hidden" else f"{kind}({body!r})"
            self.run(f"n = {made}; world.notes.append(n); keep(n, project={value!r}, tag=[{value!r}, 'all'])")
        elif what == "plain":
            self.run(f"e = keep([{rest[0]!r}], project={rest[1]!r})")
        elif what in ("set", "add", "change", "mark", "forget"):
            change = {
                "set": "if e: e.set(project={!r}, author=n)", "add": "if e: e.add(tag={!r})",
                "change": "getattr(n, 'note', n).body = {!r}", "mark": "getattr(n, 'note', n).marks.append({!r})", "forget": "if e: forget(n)",
            }[what].format(*rest[1:])  # fmt: skip
            self.run(f"if world.notes:\n    n = world.notes[{rest[0]} % len(world.notes)]; e = entry(n)\n    {change}")
        elif what == "roll_back":
            self.image.roll_back(self.moments[rest[0] % len(self.moments)])
            self.moments.append(self.image.storage.lastTransaction())
        elif what == "undo":
            try:
                self.image.undo()
            except piety.PietyError:
                return
            self.moments.append(self.image.storage.lastTransaction())
        elif what == "catch_up":
            with self.image.look():
                catch_up(self.image, self.image.find_index)
        else:
            self.image.close()
            if what == "lose_index":
                (self.home / "image" / "find.sqlite").unlink(missing_ok=True)
            self.image = piety.open(self.home)

    def who(self, oid: bytes, serial: bytes) -> str:
        with self.image.storage.log() as log:
            return who_wrote(self.image.storage, log, oid, serial)

    def compare_then(self, query: Query, tid: bytes) -> None:
        with self.image.look():
            found = find(query, at=tid).numbers()
            expected = Scanning(self.image.past(tid), self.who).numbers(query)
        assert len(set(found)) == len(found)
        assert set(found) == set(expected), f"{query} then"

    def compare_now(self, query: Query, source: str) -> None:
        """Within a turn that has done something, which is undone at its end."""
        with self.image.look():
            self.image.run_source(source)
            found = find(query).numbers()
            with self.image.world_at(None) as view:
                now = self.image.storage.lastTransaction()
                expected = Scanning(view, lambda oid, serial: self.who(oid, serial) or self.image.who).numbers(query)
            assert now == self.image.storage.lastTransaction()
        assert len(set(found)) == len(found)
        assert set(found) == set(expected), f"{query} now"


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(steps, max_size=12), st.lists(queries, min_size=3, max_size=8), st.data())
def test_the_index_agrees_with_asking_each(program: list[tuple[Any, ...]], asked: list[Query], data: Any) -> None:
    with tempfile.TemporaryDirectory() as name:
        model = Model(Path(name) / "home")
        try:
            for step in program:
                model.do(step)
            for query in asked:
                model.compare_now(query, "0")
                model.compare_now(
                    query,
                    "n = Note('garbage'); world.notes.append(n); keep(n, project='lisp')\nif entry(world.notes[0]): forget(world.notes[0])",
                )
                model.compare_then(query, data.draw(st.sampled_from(model.moments)))
        finally:
            model.image.close()


@given(queries)
@settings(max_examples=300, deadline=None)
def test_what_is_written_is_read(query: Query) -> None:
    """The written form of a query gives the query again, as far as it was written."""
    once = parse(str(query))
    assert parse(str(once)) == once
    assert str(parse(str(once))) == str(once)


def test_values_that_stand_for_times() -> None:
    day = datetime.datetime(2026, 11, 27, 12, 0).astimezone()
    assert any(Fact("x", ":", day).spans()[0].low in span for span in Fact("x", ":", Written("2026-11-27")).spans())
    assert not any(Fact("x", ":", day).spans()[0].low in span for span in Fact("x", ">", Written("2026-11-27")).spans())
    assert any(Fact("x", ":", day).spans()[0].low in span for span in Fact("x", ">=", Written("2026-11-27")).spans())
    assert since("2026-11-27").value == since("2026-11-27").value != since("today").value
    assert isinstance(since(day.timestamp()).value, datetime.datetime)
