"""Keeping, finding, narrowing, forgetting."""

from __future__ import annotations

from typing import Any

import pytest
from conftest import System

import piety
from piety.objects import answering
from piety.objects.query import parse

BEGIN = """
import datetime
from persistent import Persistent
class Person(Persistent):
    def __init__(self, name): self.name = name
class Note(Persistent):
    def __init__(self, title, body='', pages=1): self.title, self.body, self.pages = title, body, pages
class Letter(Note): pass
me, you = Person('Ada'), Person('Müller')
lisp = Note('Lisp', 'Garbage collection in old Lisp systems, explained by a gardener', 5)
dear = Letter('Dear', 'the garbageCollector ran; see snake_case_name', 2)
plain = [1, 'a plain sentence']
keep(lisp, project='Lisp', tags={'draft', 'old'}, author=me, due=datetime.date(2026, 12, 24), done=False)
keep(dear, project='letters', author=you)
keep(plain, tag='plain')
def titles(f): return sorted(getattr(each, 'title', '-') for each in f)
"""


@pytest.fixture
def begun(system: System) -> System:
    system.run(BEGIN)
    return system


@pytest.mark.parametrize(
    ("query", "titles"),
    {
        "": "- Dear Lisp", "kind:note": "Dear Lisp", "kind:letter": "Dear", "kind:workspace.note": "Dear Lisp", "kind:list": "-",
        "project:lisp": "Lisp", "PROJECT:LISP": "Lisp", "project:l*": "Dear Lisp", "project:*": "Dear Lisp", "-project:*": "-",
        "tag:draft tag:old": "Lisp", "tags:plain": "-", "garbage": "Dear Lisp" , "GARBAGE": "Dear Lisp", '"garbage collection"': "Lisp",
        '"collection garbage"': "", "garb*": "Dear Lisp", "gard*": "Lisp", "collector": "Dear", "snake_case_name": "Dear", "case": "Dear",
        "pages>3": "Lisp", "pages>=2": "Dear Lisp", "pages<=2 pages>1": "Dear", "pages:5": "Lisp", "pages=5.0": "Lisp", "pages:lisp": "",
        "due<2027": "Lisp", "due:2026-12-24": "Lisp", "due:2026-12": "Lisp", "due>2026-12-24": "", "due>=2026-12-24": "Lisp", "done:false": "Lisp",
        "created>=today": "- Dear Lisp", "changed<yesterday": "", 'changed>"3 hours ago"': "- Dear Lisp", "project:lisp OR tag:plain": "- Lisp",
        "kind:note -project:letters": "Lisp", "kind:note (project:lisp OR pages:2) -garbage": "", "NOT (tag:plain OR kind:letter)": "Lisp",
        "sentence plain": "-", "title:dear": "Dear", "title>m": "", "title<e": "Dear",
    }.items(),
)  # fmt: skip
def test_a_query(begun: System, query: str, titles: str) -> None:
    """Each of these finds what it says."""
    assert " ".join(begun.run(f"titles(find({query!r}))")) == titles


def test_words_within_other_parts(begun: System) -> None:
    """Also the same word in several places."""
    assert begun.run("titles(find('garbage project:lisp (garbage OR garbage)'))") == ["Lisp"]
    assert begun.run("titles(find('project:lisp (garbage OR tag:none) -nothing (garbage OR -garbage)'))") == ["Lisp"]
    assert begun.run("titles(find('garbage project:lisp (garbage OR garbage)', at='now'))") == ["Lisp"]


def test_a_nested_query_is_counted_once(begun: System, monkeypatch: pytest.MonkeyPatch) -> None:
    """To choose the part that gives the entries, the parts within it are not counted again and again."""
    counted: list[Any] = []
    count = answering.Answering._count
    monkeypatch.setattr(answering, "ENOUGH", 1)  # as if there were many entries
    monkeypatch.setattr(
        answering.Answering, "_count", lambda self, query, most: counted.append(query) or count(self, query, most)
    )
    nested = "garbage"
    for _ in range(8):
        nested = f"(kind:note pages>0 OR ({nested} kind:note))"
    assert begun.run(f"titles(find({nested!r}))") == ["Dear", "Lisp"]
    assert len(counted) < 200


def test_by_values(begun: System) -> None:
    """In Python facts are named; values may be objects and classes."""
    assert begun.run("titles(find(author=me)), titles(find(kind=Note)), titles(find(kind=Letter))") == (["Lisp"], ["Dear", "Lisp"], ["Dear"])
    assert begun.run("titles(find(pages=between(3, 5))), titles(find('pages:2..5')), titles(find('pages:2..4'))") == (
        ["Lisp"],
        ["Dear", "Lisp"],
        ["Dear"],
    )
    assert begun.run("str(find('pages:2..5', changed=between('1 hour ago', 'today')).query)") == (
        'pages:2..5 changed:"1 hour ago..today"'
    )
    assert begun.run("len(find(changed=between('1 hour ago', 'now'))) == len(find('changed:\"1 hour ago..now\"')) > 0")
    assert begun.run("titles(find(tags={'draft', 'old'})), titles(find(pages=above(3))), titles(find(pages=below(3)))") == (["Lisp"], ["Lisp"], ["Dear"])
    assert begun.run("titles(find(text='garbage collection')), titles(find(changed=since('today'), kind=Note))") == (["Lisp"], ["Dear", "Lisp"])
    assert begun.run("titles(find('pages>0', where=lambda o: o.pages % 2))") == ["Lisp"]
    assert begun.run("find(author=me).narrow('garbage').first is lisp, find(author=you).narrow(pages=9).first") == (True, None)
    assert begun.run("find(tag='plain').first, find(kind=Person)") [0] == [1, "a plain sentence"]


def test_plain_objects(begun: System) -> None:
    """They are the same as those of the variables that hold them, before and after a stop; forgotten, they are gone."""
    begun.run("class Dog:\n    def __init__(self, name): self.name, self.tricks = name, []\nfido = Dog('Fido'); keep(fido, home='kennel')")
    assert begun.image.notices == []
    assert begun.run("find(home='kennel').first is fido, find('name:fido kind:dog').first is fido") == (True, True)
    begun.run("fido.tricks.append('sit'); rows = [fido]; keep(rows, home='list')")
    assert begun.run("find('tricks:sit').first is fido, find(home='list').first[0] is fido") == (True, True)
    assert begun.elsewhere("find('tricks:sit').first is fido, find(home='list').first is rows, rows[0] is fido") == ["(True, True, True)"]
    begun.run("find(home='kennel').first.tricks.append('roll')")
    assert begun.run("fido.tricks, len(find('tricks:roll'))") == (["sit", "roll"], 1)
    begun.run("del fido, rows")
    assert begun.elsewhere("find(home='kennel').first.tricks, find(home='list').first[0] is find(home='kennel').first") == ["(['sit', 'roll'], True)"]
    begun.fail("find(home='kennel').first.tricks.append('x'); 1 / 0")
    assert begun.run("find(home='kennel').first.tricks") == ["sit", "roll"]
    begun.run("then = image.storage.lastTransaction(); forget(find(home='kennel').entries[0]); e = find(home='list').entries[0]; forget(e)")
    assert begun.run("e.object, len(find('home:kennel OR home:list')), len(world.plain)") == (None, 0, 1)
    assert begun.run("find(home='kennel', at=then).first.tricks") == ["sit", "roll"]
    begun.image.undo()
    assert begun.run("find(home='kennel').first.tricks") == ["sit", "roll"]


def test_facts_may_be_taken_away(begun: System) -> None:
    begun.run("keep(lisp, project=None, tags={'new'})")
    assert begun.run("titles(find('project:lisp')), titles(find('tag:draft')), titles(find('tag:new author:*'))") == ([], [], ["Lisp"])
    begun.run("entry(lisp).add(tag='b'); entry(lisp).remove(tag='new'); entry(lisp).set(author=you)")
    assert begun.run("entry(lisp).values('tag'), entry(lisp)['author'] is you, titles(find(author=you, tag='b'))") == (["b"], True, ["Lisp"])


def test_forgetting_leaves_the_object(begun: System) -> None:
    begun.run("forget(lisp)")
    assert begun.run("titles(find('kind:note')), lisp.pages, entry(lisp)") == (["Dear"], 5, None)
    begun.image.undo()
    assert begun.run("titles(find('kind:note'))") == ["Dear", "Lisp"]
    assert "nothing to forget" in str(begun.fail("forget(me)"))


def test_a_turn_sees_its_own_changes(begun: System) -> None:
    """Also those of a trial, and what fails leaves nothing."""
    assert begun.run("lisp.pages = 9; n = Note('New', 'fresh'); keep(n, project='lisp'); titles(find('project:lisp')), titles(find('pages:9')), titles(find('fresh'))") == (["Lisp", "New"], ["Lisp"], ["New"])
    begun.fail("keep(Note('Bad'), project='lisp'); lisp.pages = 1; assert len(find('project:lisp')) == 3 and not find('pages:9'); 1/0")
    assert begun.run("titles(find('project:lisp')), titles(find('pages:9'))") == (["Lisp", "New"], ["Lisp"])
    assert begun.run("with trial() as t: forget(n); print(titles(find('project:lisp')))\ntitles(find('project:lisp'))") == ["Lisp", "New"]
    assert begun.image.evaluate("with trial(): forget(n); print(titles(find('project:lisp')))").output == "['Lisp']\n"


def test_a_function_may_go_on_changing_what_it_holds(begun: System) -> None:
    """To ask lets memory rest, but takes nothing away from who holds it."""
    begun.run("""
lisp.marks = []
def work():
    marks = lisp.marks
    marks.append(1)
    assert titles(find('marks:1')) == ['Lisp']
    marks.append(2)
    assert titles(find('marks:2')) == ['Lisp']
    marks.append(3)
work()""")
    assert begun.run("lisp.marks, titles(find('marks:3'))") == ([1, 2, 3], ["Lisp"])


def test_as_of_a_moment(begun: System) -> None:
    """What there was, with the words and facts of then."""
    then = begun.image.storage.lastTransaction()
    begun.run("lisp.body = 'other words'; entry(lisp).set(project='x'); forget(dear); keep(Note('Late', 'garbage'), project='lisp')")
    assert begun.run("titles(find('project:lisp')), titles(find('garbage'))") == (["Late"], ["Late"])
    begun.run(f"then = {then!r}")
    assert begun.run("titles(find('project:lisp', at=then)), titles(find('garbage', at=then)), titles(at(then).find('kind:note'))") == (["Lisp"], ["Dear", "Lisp"], ["Dear", "Lisp"])
    assert begun.run("find('project:lisp', at=then).first.body, find('gard*', at=then).snippets()[0][1]") == (
        "Garbage collection in old Lisp systems, explained by a gardener", "Lisp Garbage collection in old Lisp systems, explained by a [gardener]",
    )  # fmt: skip
    assert begun.run("find('kind:note', at=then).facets()['project']") == {"Lisp": 1, "letters": 1}


def test_facets(begun: System) -> None:
    """By which facts what was found can be narrowed."""
    facets = begun.run("f = find('kind:note').facets(); f['project'], f['tag'], list(f)[:3], f.count, f['pages'], f['author']")
    assert facets[:2] == ({"Lisp": 1, "letters": 1}, {"draft": 1, "old": 1})
    assert facets[3] == 2
    assert [name.partition(" ")[2] for name in facets[5]] == ["Person 'Ada'", "Person 'Müller'"]
    assert "project" in begun.show("find().facets()")


def test_a_query_is_kept_and_stays_up_to_date(begun: System) -> None:
    begun.run("keep(find(project='lisp'), name='mine')")
    begun.run("keep(Note('New'), project='lisp')")
    assert begun.run("titles(find(name='mine').first)") == ["Lisp", "New"]
    begun.resume()
    assert begun.run("titles(find(name='mine').first), len(find(name='mine').first)") == (["Lisp", "New"], 2)
    assert begun.elsewhere("titles(find(name='mine').first)") == ["['Lisp', 'New']"]


def test_results_in_order(begun: System) -> None:
    """The newest first; where words are asked for, the best."""
    begun.run("a = Note('A', 'snake ' + 'other words ' * 50); b = Note('B', 'snake snake'); keep(a)\nkeep(b)")
    begun.run("a.pages = 2")
    assert begun.run("[each.title for each in find('snake -snake_case_name')], find('kind:note').first is a") == (["B", "A"], True)
    assert begun.run("f = find('kind:note'); [each.title for each in f[:2]], f[0] is f.first, len(f[1:]) == len(f) - 1, a in f, me in f") == (["A", "B"], True, True, True, False)


def test_by_whom(begun: System) -> None:
    """Who changed it last."""
    begun.image.evaluate("lisp.pages = 7", user="a gnome")
    assert begun.run("titles(find(by='a gnome'))") == ["Lisp"]
    begun.run("lisp.pages = 8")
    assert begun.run("titles(find(by='a gnome'))") == []


def test_a_class_says_more_of_itself(begun: System) -> None:
    """With `__facts__` and `__text__`; one that fails is found by that."""
    begun.run("""
class Song(Persistent):
    def __init__(self, words): self.words, self.hidden = words, 'invisible ink'
    def __facts__(self): yield 'Length', len(self.words); yield 'first', [self.words[:1], 'x']
    def __text__(self): return self.words
class Bad(Persistent):
    def __facts__(self): raise ValueError('no facts')
song = Song('la la'); keep(song); keep(Bad(), tag='bad')
""")
    assert begun.run("find('length:5').first is song, find('first:x').first is song, len(find('invisible')), len(find('la'))") == (True, True, 0, 1)
    assert begun.run("len(find('unreadable:valueerror*')), len(find('tag:bad'))") == (1, 1)


def test_an_object_whose_class_is_gone(begun: System) -> None:
    """It is found by what it was given."""
    begun.run("del Letter")
    begun.resume()
    assert begun.run("len(find('project:letters')), len(find('kind:letter'))") == (1, 1)
    (begun.home / "image" / "find.sqlite").unlink(missing_ok=True)
    begun.resume()
    assert begun.run("len(find('project:letters')), len(find('kind:letter'))") == (1, 1)


@pytest.mark.parametrize(
    ("source", "said"),
    {
        "find('project:')": "project: >>here>>", "find('(a')": "ends too early", "find('a OR')": "ends too early", "find('>3')": "before '>'",
        "find('a \"b')": "quotation mark", "find(at='never')": "neither the name of a snapshot nor a time", "find(pages=object())": "a fact cannot be a object",
        "find(pages=float('nan'))": "no number", "keep(lisp, kind='x')": "derived", "keep(lisp, text='x')": "no name for a fact", "keep(lisp, x={1: 2})": "a dict",
        "since('never')": "is no time", "keep(at(image.storage.lastTransaction()).evaluate('me'))": "of the past", "find('((((((' * 2000)": "",
        "entry(lisp).set(size=3)": "derived", "find('-')": "ends too early", "find('()')": "cannot be read",
    }.items(),
)  # fmt: skip
def test_a_mistake_is_one_line(begun: System, source: str, said: str) -> None:
    """It says what is wrong, and where."""
    error = begun.fail(source)
    assert isinstance(error, piety.PietyError)
    assert said in str(error)
    assert len(str(error).splitlines()) == 1


def test_an_unknown_fact_is_told(begun: System) -> None:
    assert "no entry has a fact 'projct'; did you mean 'project'?" in begun.show("find('projct:lisp')")


def test_names_that_are_odd(system: System) -> None:
    """Half characters, other scripts, long texts, huge and tiny numbers."""
    system.run(r"""
from persistent import Persistent
class N(Persistent): pass
n = N(); n.body = 'half \udcff character, and 世界'; n.größe = 3
keep(n, name='\ud800x', long='a' * 100_000, huge=10**400, small=-10**30, tiny=1e-300, empty='', zero=0, no=False)
""")
    for query in ["世界", "half", "größe:3", "GRÖSSE:3", "huge>1", "small<-5", "tiny>0 tiny<1", "zero:0", "no:false", 'empty:""', "long:aaa*"]:
        assert system.run(f"len(find({query!r}))") == 1, query
    assert system.run(r"len(find(name='\ud800x')), len(find(long='a' * 100_000)), len(find(huge=10**400)), len(find(zero=False))") == (1, 1, 1, 0)


def test_written_forms() -> None:
    """A query shows as it would be written."""
    for text in ["a b", 'a OR "b c"', "-(a b)", "(a OR b) c", "x:y*", "x>=3", 'x:"a b"', "-a", '"a b*"']:
        assert str(parse(text)) == text
