"""Standing queries: a task is told what comes, changes and leaves, exactly once each."""

from __future__ import annotations

import random

import pytest
from running import Running

from piety.errors import PietyError
from piety.scheduler.standing import DELAY

BEGIN = """
from persistent import Persistent
class Note(Persistent):
    def __init__(self, title, body=''): self.title, self.body = title, body
notes = {name: Note(name, 'garbage ' + name) for name in 'abc'}
for each in notes.values(): keep(each, project='lisp')
told = []
def hear(news): told.append((news.what, news.object.title))
"""


@pytest.fixture
def begun(running: Running) -> Running:
    running.run(BEGIN, "t = spawn(found(find(project='lisp')), hear)")
    running.go(DELAY)
    assert running.run("told") == []
    return running


def told(running: Running) -> list[tuple[str, str]]:
    """What was told since we asked last."""
    running.go(DELAY)
    running.go(DELAY)
    found: list[tuple[str, str]] = running.run("heard, told[:] = told[:], []\nheard")
    return found


def test_came_changed_left(begun: Running) -> None:
    begun.run("d = Note('d'); keep(d, project='lisp'); keep(Note('x'), project='other')")
    assert told(begun) == [("came", "d")]
    begun.run("d.body = 'new words'")
    assert told(begun) == [("changed", "d")]
    begun.run("keep(d, project='other'); forget(notes['a'])")
    assert sorted(told(begun)) == [("left", "a"), ("left", "d")]
    begun.run("d.body = 'unseen'; notes['a'].body = 'unseen'")
    assert told(begun) == []
    begun.image.undo()
    begun.image.roll_back(begun.image.storage.lastTransaction())
    assert told(begun) == []


def test_what_comes_and_leaves_before_anybody_looks_is_no_news(begun: Running) -> None:
    begun.run("d = Note('d'); keep(d, project='lisp')", "forget(d)", "notes['b'].body = 'x'", "notes['b'].body = 'y'")
    assert told(begun) == [("changed", "b")]


def test_words(begun: Running) -> None:
    """Of now and of then."""
    begun.run("u = spawn(found(find('garbage -a')), hear, name='u'); t.cancel()")
    begun.go(DELAY)
    begun.run("notes['b'].body = 'tidy'; notes['c'].body = 'more garbage'; keep(Note('e', 'garbage'))")
    assert sorted(told(begun)) == [("came", "e"), ("changed", "c"), ("left", "b")]


@pytest.mark.parametrize("killed", [False, True])
def test_over_a_restart(begun: Running, killed: bool) -> None:
    """Nothing is told twice, and nothing is lost."""
    begun.run("d = Note('d'); keep(d, project='lisp')")
    begun.resume(killed=killed)
    assert told(begun) == [("came", "d")]
    begun.run("d.body = 'x'")
    begun.go(DELAY)
    begun.resume(killed=killed)
    assert told(begun) == [("changed", "d")]
    begun.resume(killed=killed)
    assert told(begun) == []


def test_without_the_index(begun: Running) -> None:
    assert told(begun) == []
    begun.run("d = Note('d'); keep(d, project='lisp')")
    begun.rest()
    begun.under.image.close()
    (begun.under.home / "image" / "find.sqlite").unlink()
    begun.under.resume()
    begun.come_up()
    assert told(begun) == [("came", "d")]


def test_suspended_it_waits(begun: Running) -> None:
    begun.run("t.suspend()", "d = Note('d'); keep(d, project='lisp')")
    assert told(begun) == []
    begun.run("t.resume()")
    assert told(begun) == [("came", "d")]


def test_after_a_rollback(begun: Running) -> None:
    """What is news is what is different from what was told, as that was then."""
    begun.run("snapshot('s')")
    begun.run("d = Note('d'); keep(d, project='lisp')")
    assert told(begun) == [("came", "d")]
    begun.image.roll_back("s")
    begun.system.follow(begun.now)
    assert begun.run("told") == []
    begun.run("e = Note('e'); keep(e, project='lisp')")
    assert told(begun) == [("came", "e")]


def test_one_that_fails_is_told_again(begun: Running) -> None:
    begun.run("def hear(news): told.append((news.what, news.object.title)); 1 / len(told[1:])")
    begun.run("d = Note('d'); keep(d, project='lisp')")
    begun.go(DELAY)
    assert begun.failed() == ["hear"]
    begun.run("def hear(news): told.append((news.what, news.object.title))", "failures()[0].retry()")
    assert told(begun) == [("came", "d")]


def test_a_quiet_system_writes_nothing(begun: Running) -> None:
    begun.run("x = 1")
    before = begun.transactions()
    for _ in range(5):
        begun.go(DELAY)
    assert begun.transactions() == before


def test_many_at_once(begun: Running) -> None:
    """More than are asked one by one."""
    begun.run("for n in range(300): keep(Note(str(n)), project='lisp')")
    assert sorted(told(begun)) == sorted(("came", str(n)) for n in range(300))


def test_a_full_disk_is_told(begun: Running) -> None:
    db = begun.image.find_index.db
    (pages,) = db.execute("PRAGMA page_count").fetchone()
    db.execute(f"PRAGMA max_page_count = {pages}")
    begun.run("d = Note('d', 'z' * 500_000); keep(d, project='lisp')")
    begun.system.loop.pass_once()
    begun.now += DELAY
    begun.system.loop.pass_once()
    assert "make room on the disk" in begun.system.status()["notices"][0]
    db.execute("PRAGMA max_page_count = 1000000")
    assert told(begun) == [("came", "d")]
    assert begun.system.status()["notices"] == []


def test_what_cannot_be_waited_for(begun: Running) -> None:
    for source in ("found(1)", "found(find(where=len))", "found(find(at=image.storage.lastTransaction()))"):
        assert isinstance(begun.fail(source), PietyError)
    assert "found(project:lisp)" in begun.show("t")


def test_a_thousand_of_them(begun: Running) -> None:
    """Each hears what is its own."""
    begun.run("""
heard = {}
def ears(n):
    def hear(news): heard.setdefault(n, []).append(news.object.title)
    return hear
class Ear(Persistent):
    def __init__(self, n): self.n = n
    def __call__(self, news): heard.setdefault(self.n, []).append(news.object.title)
for n in range(1000): spawn(found(find(number=n)), Ear(n), name=f'ear {n}')
""")
    begun.go(DELAY)
    numbers = random.Random(1).sample(range(1000), 30)
    for n in numbers:
        begun.run(f"keep(Note('note {n}'), number={n})")
    begun.go(DELAY)
    begun.go(DELAY)
    assert begun.run("heard") == {n: [f"note {n}"] for n in numbers}


def test_at_random(begun: Running) -> None:
    """Whatever happens between: what was told leads from what there was to what there is."""
    chance, seen = random.Random(7), {"a", "b", "c"}
    for _ in range(60):
        name = chance.choice("abcdefgh")
        change = chance.choice([
            f"keep(notes.setdefault({name!r}, Note({name!r})), project='lisp')", f"{name!r} in notes and entry(notes[{name!r}]) and forget(notes[{name!r}])",
            f"{name!r} in notes and keep(notes[{name!r}], project='other')", f"if {name!r} in notes: notes[{name!r}].body = 'x'",
        ])  # fmt: skip
        begun.run(change)
        if chance.random() < 0.3:
            begun.resume(killed=chance.random() < 0.5)
        elif chance.random() < 0.5:
            begun.go(DELAY)
        if chance.random() < 0.4:
            for what, title in told(begun):
                assert (title in seen) == (what != "came")
                seen = seen | {title} if what == "came" else seen - {title} if what == "left" else seen
            assert seen == set(begun.run("[each.title for each in find(project='lisp')]"))
