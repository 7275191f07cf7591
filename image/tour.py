"""A guided tour of Piety, to be typed along.

    >>> import tour
    >>> tour.start()

Each chapter is a few lines to read and a few to type: what stands behind `>>> `, and `... ` where it goes on; below it
stands what you will see.  `tour.next()` turns the page, `tour.back()` turns it back.  Change what you type, and see
what happens: nothing can break that a new home would not mend.

This module is itself an example of what it tells about: a module that lives in the image and keeps its place there.
"""

__state__ = ("place",)

place = 0  # the chapter that lies open; `__state__` names it, so it is there after a stop

CHAPTERS = (
    """\
What you make stays

A name that you give is there tomorrow. No file, no save, no load.

    >>> total = 40 + 2
    >>> total
    42

The last value that was shown is called `it`, or `_`.

    >>> it + 1
    43
    >>> [_, total]
    [43, 42]
""",
    """\
Things keep together

Two names for one list are still two names for one list after a stop. So it is
with whatever holds other things.

    >>> shopping = ["apples"]
    >>> fridge = {"door": shopping, "shelf": []}
    >>> shopping.append("snakes")
    >>> fridge
    {'door': ['apples', 'snakes'], 'shelf': []}
    >>> fridge["door"] is shopping
    True
""",
    """\
All or nothing

Each statement is a *turn*: it happens whole, or it leaves no trace. This one
goes wrong half-way.

    >>> shopping.append("bread"); fridge.clear(); 1 / 0
    Traceback (most recent call last):
    ...
    ZeroDivisionError: division by zero
    >>> fridge
    {'door': ['apples', 'snakes'], 'shelf': []}

It is the same when you press Ctrl-C, when the disk is full, and when somebody
trips over the cable.
""",
    """\
Classes, and changing them

What you define is kept as source, what you make of it as objects.

    >>> class Dog:
    ...     def __init__(self, name):
    ...         self.name = name
    ...         self.tricks = []
    ...     def __repr__(self):
    ...         return f"{self.name} can {self.tricks}"
    >>> fido = Dog("Fido")
    >>> fido.tricks.append("sit")
    >>> fido
    Fido can ['sit']

Define the class again, and the dogs that live already are dogs of the new
kind.

    >>> class Dog:
    ...     def __init__(self, name):
    ...         self.name = name
    ...         self.tricks = []
    ...     def __repr__(self):
    ...         return f"{self.name}, who can {' and '.join(self.tricks)}"
    ...     def learn(self, trick):
    ...         self.tricks.append(trick)
    ...         return self
    >>> fido.learn("roll over")
    Fido, who can sit and roll over

The source of all that you have defined: print(image.source("workspace"))
""",
    """\
Modules

Programs that are more than a few lines live in modules. A module is a source
in the image: give it a name, and it can be imported. Of its variables those
live on that `__state__` names.

    >>> image.modules["visits"] = '''
    ... __state__ = ("count",)
    ... count = 0
    ... def visit():
    ...     global count
    ...     count += 1
    ...     return f"visit {count}"
    ... '''
    >>> import visits
    >>> visits.visit()
    'visit 1'
    >>> visits.visit()
    'visit 2'

Save new source, and the module goes on with it. Its variables keep their
values.

    >>> image.modules["visits"] = image.modules["visits"].replace(
    ...     "visit {", "welcome for time {")
    >>> visits.visit()
    'welcome for time 3'

The tour is such a module: print(image.modules["tour"])
From outside, `piety code import` and `piety code export` carry modules between
files and the image.
""",
    """\
The world

Beneath it all is one object, the *world*. What hangs on it stays, like a
variable, and every module can reach it.

    >>> world.friends = {"adam": "apples", "eve": "snakes"}
    >>> world
    <world: friends>
    >>> world.friends["adam"]
    'apples'

Big tables that change often go into a BTree: then only what changes is
written.

    >>> from BTrees.OOBTree import OOBTree
    >>> world.words = OOBTree({"rose": 3, "lily": 1})
    >>> world.words["tulip"] = 2
    >>> list(world.words)
    ['lily', 'rose', 'tulip']
""",
    """\
What cannot be stored

An open file, a lock, a generator: Python cannot write them down. You can use
them until the system stops, and Piety says so once.

    >>> squares = (number * number for number in range(10, 20))
    note: squares holds a generator (...), which cannot be stored; ...
    >>> next(squares)
    100
    >>> next(squares)
    121
""",
    """\
Tasks

A *task* gets turns of its own, while you do other things. This one gets one
each time somebody sends it a message.

    >>> def greet(name):
    ...     print(f"Hello {name}!")
    >>> greeter = spawn(message, greet)
    >>> send(greeter, "Adam"); send(greeter, "Eve")
    >>> transcript()
    <transcript of ... characters>
    Hello Adam!
    Hello Eve!

What a task prints goes to the *transcript*. A turn of a task that fails is
undone, and waits for you with its message.

    >>> def greet(name):
    ...     print(f"Hello {name.upper()}!")
    >>> send(greeter, 42)
    >>> greeter.state, len(failures()), failures()[0].error
    ('failed', 1, "AttributeError: 'int' object has no attribute 'upper'")
    >>> failures()[0].discard()

Other events are every(seconds), at(time), after(seconds), changed(object) and
signal(name). A clock, in a module:

    >>> import clock
    >>> london = clock.Clock("london", seconds=3600)
    >>> tasks()["london"]
    <task ... 'london': waiting for every(3600)>
""",
    """\
Texts, and an editor to change

What you write is a *text*, and what was done to it can be undone.

    >>> poem = texts.new("poem", "A rose is a rose\\nis a rose.\\n")
    >>> ed.s(poem, "1,$", "rose", "snake", "g")
    >>> ed.n(poem)
    1       A snake is a snake
    2       is a snake.
    >>> poem.undo()
    >>> print(poem, end="")
    A rose is a rose
    is a rose.

`ed` is a line editor; ed(poem) takes its commands at a terminal: ,n shows the
text, 1s/rose/lily/ changes it, u undoes that, q leaves. It is a module like
yours, and the source of a module is a text: let it edit itself.

    >>> source = image.modules.text("ed")
    >>> ed.s(source, "/start = f/", r"{number}\\\\t", "{number:3} | ")
    >>> source.save() > 0
    True
    >>> ed.n(poem)
      1 | A rose is a rose
      2 | is a rose.
    >>> source.undo(); source.save() > 0
    True
    >>> ed.p(poem, "/is a/")
    A rose is a rose
    >>> del texts["poem"]
""",
    """\
The past

Nothing of it is gone. Give this moment a name, and do something foolish.

    >>> snapshot("before the accident")
    <snapshot 'before the accident' of ...>
    >>> shopping.clear(); fridge.clear()
    >>> diff("shopping", "before the accident")
    ~ shopping
    ...
    >>> past = at("before the accident")
    >>> past["fridge"].keys()
    dict_keys(['door', 'shelf'])

So bring it back: one thing at a time, or everything, with `piety rollback` at
your own shell. Here the two share a list, and they shall do so again.

    >>> revert("shopping", "before the accident")
    ~ shopping
    ...
    >>> fridge["door"] = shopping

What you are not sure of, try out first. Nothing of it happens.

    >>> with trial() as t:
    ...     t.evaluate("del fido, shopping"); print(t.diff())
    - fido = ...
    - shopping = ...
    >>> fido
    Fido, who can sit and roll over
    >>> del past, snapshots["before the accident"]
""",
    """\
Found by what it is

There are no folders here. Keep a thing, with what you know of it, and ask for
it by any of that, in any order.

    >>> keep(fido, home="kennel", tags=["dog", "old"])
    <entry of a plain Dog: home='kennel', tag='dog', tag='old'>
    >>> keep(poem, home="shelf", author="me")
    <entry of Text ...: home='shelf', author='me'>
    >>> find("tag:dog home:kennel").first
    Fido, who can sit and roll over
    >>> find("rose").first is poem
    True

What it is, when it changed, and the words in it, nobody had to say. To see by
what you could narrow it down, ask for its facets.

    >>> find("home:*").facets()["home"]
    {'kennel': 1, 'shelf': 1}

A query can be kept too; and a task can wait for what it will find.

    >>> listener = spawn(found(find("home:shelf")), print)
    >>> keep("a postcard", home="shelf")
    <entry of a plain str: home='shelf'>
    >>> listener.cancel()
    >>> for each in find("home:*").entries: forget(each)
    >>> del listener, each
""",
    """\
Looked at from several sides

An object can be seen in several ways: they stand in the second line. A class
adds its own with @view.

    >>> show(fido)
    Fido, who can sit and roll over
    [Attributes]  Class
    ...
    name    'Fido'
    tricks  ['sit', 'roll over']
    >>> show([1, 5, 2, 8], "plot")
    [1, 5, 2, 8]
    Items  [Plot]  Value
    ...
    ▁▅▂█  1 ... 8

`piety desk fido`, typed at your own shell, opens a desktop: there you go from
object to object, and see at once what changes.
""",
    """\
Time to stop

Leave with `exit`, or pull the plug: it makes no difference. Then start
`piety` again. When you are back, the tour is where you left it, so just type

    tour.next()
""",
    """\
Welcome back

Here is everything, and it still hangs together.

    >>> fido
    Fido, who can sit and roll over
    >>> fridge["door"] is shopping
    True
    >>> visits.visit()
    'welcome for time 4'

The generator is lost. In its place lies a note that says what it was, and how
to make it again.

    >>> squares
    <Lost: a generator (...), made by turn 'squares = ...'; ...>

The tasks are still waiting.

    >>> london.task.state, greeter.state
    ('waiting', 'waiting')
    >>> london.end(); greeter.cancel()

That was the tour. To take your things away again, delete them; or keep them,
and go on.

    >>> del total, shopping, fridge, squares, fido, london, greeter
    >>> del poem, source, world.friends, world.words
    >>> total
    Traceback (most recent call last):
    ...
    NameError: name 'total' is not defined
""",
)


def start():
    """Open the first chapter."""
    _open(0)


def next():
    """Go on to the next chapter."""
    _open(place + 1)


def back():
    """Go back to the chapter before."""
    _open(place - 1)


def _open(number):
    global place
    if not 0 <= number < len(CHAPTERS):
        print("That was the last chapter. tour.start() begins again." if number > 0 else "This is the first chapter.")
        return
    place = number
    print(f"\n-- {number + 1} of {len(CHAPTERS)}: {CHAPTERS[number]}")
    if number + 1 < len(CHAPTERS):
        print("-- tour.next() goes on" + (", tour.back() goes back" if number else ""))
