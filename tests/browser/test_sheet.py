"""What two people type into one text at once comes to the same text for both, and nothing of it is torn apart."""

from __future__ import annotations

from collections import deque

from hypothesis import given
from hypothesis import strategies as st

import piety
from piety.browser.sheet import LINES, MOST, Sheet, Typed, Writer, window_of
from piety.objects import rope
from piety.objects.texts import Text

# Who does something; what: type, erase, go, let one thing that was typed arrive, undo; and where.
DOING = st.lists(st.tuples(st.booleans(), st.sampled_from("ttegaau"), st.integers(0, 40)), max_size=40)
BEGIN = "apples and snakes\nbeans\n"


class Person:
    """Somebody who types, with some of what was typed still on its way."""

    def __init__(self, name: str, text: Text) -> None:
        self.name, self.text = name, text
        self.sheet, self.writer = Sheet(), Writer()
        self.way: deque[Typed] = deque()
        self.look()

    def look(self) -> None:
        self.sheet.take(self.writer.window(self.text, self.sheet.place, self.sheet.known))

    def arrive(self) -> None:
        if self.way:
            self.writer.type(self.text, self.way.popleft())
            self.look()

    def does(self, what: str, number: int) -> None:
        sheet = self.sheet
        if what == "t":
            self.way.append(sheet.type(sheet.place, sheet.place, self.name))
        elif what == "e" and sheet.place:
            self.way.append(sheet.type(sheet.place - 1, sheet.place, ""))
        elif what == "g":
            sheet.place = sheet.anchor = min(number, sheet.end)
        elif what == "a":
            self.arrive()


@given(DOING)
def test_two_people_come_to_the_same_text(doing: list[tuple[bool, str, int]]) -> None:
    text = Text(BEGIN)
    people = Person("A", text), Person("b", text)
    for is_second, what, number in doing:
        if what == "u" and text.version:
            text.edit([(0, min(3, len(text)), "~")])  # by somebody else
        else:
            people[is_second].does(what, number)
    for person in people:
        while person.way:
            person.arrive()
    for person in people:
        person.look()
        assert person.sheet.text == str(text)
        assert not person.sheet.pending
        assert 0 <= person.sheet.place <= len(text)


@given(st.lists(st.tuples(st.booleans(), st.booleans()), max_size=60))
def test_each_ones_words_stay_together(steps: list[tuple[bool, bool]]) -> None:
    """One types at the beginning, the other one at the end; whatever arrives when."""
    words = {False: "ABCDEFGHIJKLMNOPQRSTUVWXYZ" * 3, True: "abcdefghijklmnopqrstuvwxyz" * 3}
    text = Text("  ")
    people = Person("", text), Person("", text)
    people[0].sheet.place, people[1].sheet.place = 0, 2
    count = [0, 0]
    for who, arrives in steps:
        if arrives:
            people[who].arrive()
        else:
            people[who].name = words[who][count[who]]
            count[who] += 1
            people[who].does("t", 0)
    for person in people:
        while person.way:
            person.arrive()
    assert str(text) == f"{words[False][: count[0]]}  {words[True][: count[1]]}"


def test_one_who_only_looks_is_shown_what_another_one_types() -> None:
    """As the part that was asked for last; nothing, if that was one of another text."""
    text, writer, looker = Text(BEGIN), Writer(), Writer()
    sheet = Sheet()
    sheet.take(looker.window(text, 3, 0))
    sheet.place = 10
    writer.type(text, Sheet().type(0, 0, "new "))
    window = looker.again(text)
    assert window is not None
    sheet.take(window)
    assert (sheet.text, sheet.place) == (f"new {BEGIN}", 14)
    assert looker.again(Text("other")) is None


def test_a_key_is_seen_before_it_arrives() -> None:
    person = Person("x", Text(BEGIN))
    person.does("t", 0)
    assert person.sheet.text == f"x{BEGIN}"
    assert str(person.text) == BEGIN
    assert person.sheet.line(0) == "xapples and snakes"


def test_a_text_that_was_given_an_earlier_state_is_looked_at_anew(image: piety.Image) -> None:
    text = Text(BEGIN)
    with image.turn("a text"):
        image.world.one = text
    with image.look():
        person = Person("x", text)
        person.does("t", 0)
        person.arrive()
        assert person.sheet.text.startswith("xapples")
    with image.look():  # the turn above was undone
        person.look()
        assert person.sheet.text == BEGIN


def test_a_window_is_a_part() -> None:
    lines = rope.build(f"line {n}\n" for n in range(10_000))
    window = window_of(lines, rope.start_of_line(lines, 5_000))
    assert window.line == 5_000 - LINES
    assert window.text.startswith(f"line {window.line}\n")
    assert window.lines == 10_001
    assert window.text.count("\n") == 2 * LINES + 1
    long = window_of(rope.build(["x" * 10_000_000]), 5_000_000)
    assert (len(long.text), long.start, long.line) == (2 * MOST, 5_000_000 - MOST, 0)


def test_places_of_a_sheet() -> None:
    sheet = Sheet()
    sheet.take(window_of(rope.build([BEGIN]), 0))
    assert [sheet.line(n) for n in range(-1, 4)] == ["", "apples and snakes", "beans", "", ""]
    assert (sheet.line_of(17), sheet.line_of(18), sheet.last_line) == (0, 1, 2)
    assert (sheet.start_of(1), sheet.end_of(1), sheet.end_of(2)) == (18, 23, 24)
    sheet.anchor, sheet.place = 23, 18
    assert sheet.selected == "beans"
