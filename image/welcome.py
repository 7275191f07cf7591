"""What somebody sees who opens a desktop for the first time.

It is an object like any other: its class says how it may be seen, and its text can be changed here.
"""

from piety import Code, Label, Table, view

WELCOME = """\
# Welcome to Piety

All that you see lives in one image, and goes on where you left it.
Press **Tab** here for the tour, to be typed along in the workspace below.
**Ctrl-\\** leaves; the system goes on.

- **Enter** opens what a row stands for, **Left** goes back, **:** evaluates.
- In a text, **Ctrl-D** does a line, **Ctrl-P** prints what it gives.
- **Ctrl-G** finds anything. **F1** and a key tells what the key does.
- **Ctrl-W Down** goes to the pane below, **Ctrl-W v** splits this one.
"""


class Welcome:
    """Leads into the tour."""

    @view("Welcome", priority=10)
    def text(self):
        return Code(WELCOME, "markdown")

    @view("Tour", priority=12)
    def chapters(self):
        import tour

        titles = [(chapter.partition("\n")[0], chapter) for chapter in tour.CHAPTERS]
        return Table(["chapter"], titles, lambda pair: [Label(pair[0])], lambda pair: pair[1])

    def __repr__(self):
        return "<welcome>"

welcome = Welcome()
