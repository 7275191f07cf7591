"""Panes tile, split, resize and stack; and all is there again afterwards."""

from __future__ import annotations

from collections.abc import Callable

from desktops import DOWN, ENTER, LEAVE, LEFT, RIGHT, TAB, UP, Desk, ctrl
from served import Served

W = ctrl("w")


def corners(text: str) -> int:
    """How many panes there are."""
    return text.count("╭") + text.count("┏")


def borders(text: str) -> int:
    """Where two panes meet, in the second line."""
    return next((at for at in range(1, 100) if all(each in "│┃" for each in text.splitlines()[1][at : at + 2])), 0)


def test_the_screen_is_split(desks: Callable[..., Desk]) -> None:
    """To the right, and below; one goes from pane to pane, and closes them."""
    desk = desks("garden")
    desk.sees("'sunny'")
    desk.types(W, "v")
    desk.until(lambda text: text.count("'sunny'  [") == 2)
    desk.types(":", "world.modules", ENTER)
    desk.sees("<modules of the image>")
    desk.types(W, "s")
    desk.until(lambda text: text.count(" garden ") == 2 and corners(text) == 3)
    assert len([line for line in desk.text.splitlines() if corners(line) == 2]) == 1
    desk.types(W, "c", W, "c")
    desk.until(lambda text: corners(text) == 1)
    desk.types(W, "c")
    desk.sees("this is the last pane")
    desk.leaves()


def test_one_goes_from_pane_to_pane(desks: Callable[..., Desk]) -> None:
    desk = desks("garden")
    desk.sees("'sunny'")
    desk.types(W, "v")
    desk.until(lambda text: text.count("'sunny'  [") == 2)
    desk.types(DOWN, ENTER)  # in the right one
    desk.sees("<Note 'lisp'>  ")
    desk.until(lambda text: "'l'" in text)
    desk.types(W, LEFT, ENTER)
    desk.sees("'tomatoes'")
    desk.types(W, RIGHT, LEFT)
    desk.sees_no_more("'l'")
    assert "'tomatoes'" in desk.text
    desk.types(W, "w", LEFT)
    desk.sees_no_more("'tomatoes'\n", "0  'tomatoes'")


def test_a_pane_is_made_wider_and_has_the_whole_screen(desks: Callable[..., Desk]) -> None:
    desk = desks("garden")
    desk.sees("'sunny'")
    desk.types(W, "v")
    desk.until(lambda text: bool(borders(text)))
    before = borders(desk.text)
    desk.types(W, "<", W, "<")
    desk.until(lambda text: borders(text) > before + 5)
    desk.types(W, "z")
    desk.until(lambda text: not borders(text))
    desk.types(W, "z")
    desk.until(lambda text: bool(borders(text)))


def test_panes_lie_on_each_other(desks: Callable[..., Desk]) -> None:
    desk = desks("garden")
    desk.sees("'sunny'")
    desk.types(W, "t", DOWN, ENTER)
    desk.sees("[garden]", "'l'")
    desk.types(W, "n")
    desk.sees_no_more("'l'")
    desk.types(W, "n")
    desk.sees("'l'")
    desk.types(W, "c")
    desk.sees_no_more("'l'", "[garden]")


def test_all_is_there_again(desks: Callable[..., Desk], running: Served) -> None:
    """The panes, their sizes, where one was, and what was written to be evaluated; also after a pulled plug."""
    desk = desks()
    desk.sees("Welcome to Piety")
    desk.types(W, DOWN, "some words", ENTER, "others", W, "v")
    desk.until(lambda text: text.count("some words\n") == 0 and text.count("│some words") == 2)
    desk.types(W, UP, ctrl("e"), "half a line")
    desk.sees("half a line")
    desk.types(LEAVE)
    desk.until_it_ends()
    again = desks()
    again.sees("Welcome to Piety", "half a line")
    again.until(lambda text: text.count("│some words") == 2)
    thin = str.maketrans("┏┓┗┛", "╭╮╰╯")  # one was in the line
    before = desk.text.translate(thin).splitlines()[:27]
    again.until(lambda text: text.translate(thin).splitlines()[:27] == before)
    running.kill()
    running.start()
    third = desks()
    third.sees("Welcome to Piety", "half a line")
    third.until(lambda text: text.count("│some words") == 2)


def test_one_comes_forward_again(desks: Callable[..., Desk]) -> None:
    """Where one has gone back from is kept."""
    desk = desks("garden")
    desk.sees("'sunny'")
    desk.types(DOWN, ENTER)
    desk.sees("'l'")
    desk.types(TAB, TAB, TAB)
    desk.sees("title ")
    desk.types(LEFT)
    desk.sees_no_more("title ")
    desk.types("\x1b[1;3C")
    desk.sees("title ")
    desk.types("\x1b[1;3D")
    desk.sees_no_more("title ")


def test_a_small_terminal(desks: Callable[..., Desk]) -> None:
    """80x24 is enough for four panes; 20x5 shows something, and comes back, with what was opened meanwhile."""
    desk = desks("garden", columns=80, rows=24)
    desk.sees("'sunny'")
    desk.types(W, "v", W, "s", W, LEFT, W, "s")
    desk.until(lambda text: corners(text) == 4)
    desk.until(lambda text: text.count("'sunny'  [") == 4)
    desk.resizes(5, 20)
    desk.types(DOWN, ENTER)
    desk.resizes(24, 80)
    desk.until(lambda text: corners(text) == 4 and "'l'" in text)
    desk.leaves()


def test_the_column_that_one_is_in_is_seen_when_the_terminal_is_made_smaller(desks: Callable[..., Desk]) -> None:
    desk = desks("garden", columns=110, rows=24)
    desk.sees("'sunny'")
    desk.types(DOWN, ENTER)
    desk.sees("'l'", "'sunny'  [")
    desk.resizes(24, 40)
    desk.until(lambda text: "'l'" in text and "'sunny'  [" not in text)
    desk.leaves()


def test_the_mouse(desks: Callable[..., Desk]) -> None:
    """A click chooses a row, another one opens it; a title shows a view; a pane is gone to; a wheel turns."""
    desk = desks("garden")
    desk.sees("'note'")
    desk.clicks("'note' ")
    desk.clicks("'note' ")
    desk.sees("'l'")
    desk.clicks("Attributes")
    desk.sees("title ")
    desk.types(W, "v")
    desk.until(lambda text: corners(text) == 2)
    desk.clicks("'sunny' ")
    desk.clicks("'sunny' ")
    desk.sees("'basil'")


def test_a_border_is_drawn_with_the_mouse(desks: Callable[..., Desk]) -> None:
    """From either side of it; also in panes within others."""
    desk = desks("garden")
    desk.sees("'note'")
    desk.types(W, "v", W, "s", W, "v")
    desk.until(lambda text: corners(text) == 4)
    at = borders(desk.text)
    desk.drags(at, 10, 30)
    desk.until(lambda text: abs(borders(text) - 30) <= 1)
    desk.drags(borders(desk.text) + 1, 10, 60)
    desk.until(lambda text: abs(borders(text) - 60) <= 1)
    below = desk.text.splitlines()[20]
    inner = below.index("││", 65)
    desk.drags(inner, 20, inner - 5)
    desk.until(lambda text: abs(text.splitlines()[20].index("││", 62) - (inner - 5)) <= 1)


def test_a_second_key_that_means_nothing(desks: Callable[..., Desk]) -> None:
    """Nor does one without a command; none is written anywhere."""
    desk = desks("garden")
    desk.sees("'sunny'")
    desk.types(W, "y", "y", "\x1b[24~", DOWN, ENTER)
    desk.sees("'l'")
    assert corners(desk.text) == 1


