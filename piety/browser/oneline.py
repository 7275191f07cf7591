"""A line that is written: what its keys do is done at once, in the order in which they come.

Textual does what a binding says only when the key has gone up to the app and come back, after the characters that were
typed behind it.
"""

from __future__ import annotations

from collections.abc import Callable

from textual.widgets import Input


class OneLine(Input, inherit_bindings=False):
    """The widget."""

    BINDINGS = []  # noqa: RUF012  # as Textual wants it

    def __init__(self, placeholder: str, id: str | None = None) -> None:
        super().__init__(placeholder=placeholder, id=id, compact=True, select_on_focus=False)

    def write(self, value: str) -> None:
        """Have this in the line, with the cursor behind it."""
        self.value = value
        self.cursor_position = len(value)

    def pressed(self, key: str, character: str | None) -> bool:
        """Do what a key means here; whether it means anything."""
        doing: dict[str, Callable[[], None]] = {
            "left": self.action_cursor_left,
            "right": self.action_cursor_right,
            "home": self.action_home,
            "end": self.action_end,
            "backspace": self.action_delete_left,
            "delete": self.action_delete_right,
            "ctrl+left": self.action_cursor_left_word,
            "ctrl+right": self.action_cursor_right_word,
            "ctrl+u": self.action_delete_left_all,
            "ctrl+k": self.action_delete_right_all,
        }
        if key in doing:
            doing[key]()
        elif character is not None and character.isprintable():
            self.insert_text_at_cursor(character)
        else:
            return False
        return True
