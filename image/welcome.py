"""What somebody sees who opens a desktop for the first time.

It is an object like any other: its class says how it may be seen, and its text can be changed here.
"""

from piety import Code, Label, Table, view

WELCOME = """\
# Welcome to Piety

All that you see lives in one image: objects, code, texts, tasks, and this desktop.
It goes on where you left it, also after a pulled plug.

- **Enter** opens what a row stands for, **Left** goes back, **Tab** shows another view.
- **:** evaluates, with `self` bound to the object of the column.
- In a text, **Ctrl-D** does a line, **Ctrl-P** prints what it gives, **Ctrl-O** opens it.
- **Ctrl-G** finds anything: commands, objects, code, texts, tasks, snapshots.
- **F1** and a key tells what the key does, with its source. **Ctrl-W v** splits the screen.
- **Ctrl-\\** leaves. The system goes on.

Press **Tab** here for the tour: a chapter at a time, to be typed along in the workspace below.
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
