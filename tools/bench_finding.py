"""The benchmarks of finding: the same documents as files, in SQLite with a schema made for them, and in an image.

The documents are what lies on this machine: pieces of up to 600 characters of the sources, headers and texts under
`/usr` and of Python itself.  Each has a project (the folder it comes from), a suffix, a year (of its file), an author
(one of a thousand, by lot) and a link to the piece before it.

    files       a file for each, with the facts in its first lines; found with grep, moved with mv, remembered by git
    SQLite      a table with an index for each fact, FTS5 for the words, and a table of what was
    Piety       an object for each, kept with its facts

Each question is asked of all three, and must find the same.
"""

from __future__ import annotations

import contextlib
import os
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import piety

Figure = tuple[str, list[tuple[float, float]], float]

NO_LIMIT = float("inf")
PLACES = ("/usr/share", "/usr/lib", "/usr/include", sys.base_prefix)
ENDINGS = (".py", ".txt", ".md", ".rst", ".h", ".c", ".html", ".pm", ".tcl", ".el", ".pl", ".sh", ".cmake")
PIECE = 600  # characters
MOVED = 10_000  # documents that are reorganised
NEW = 1_000  # documents that come later
TURNS = 300  # turns that commit one document
GIT = 100_000  # documents up to which git is asked: more take it minutes
PER_FOLDER = 1_000

BEGIN = """
from persistent import Persistent
class Document(Persistent):
    def __init__(self, body): self._body = body
    def __text__(self): return self._body
"""


class Document(NamedTuple):
    """A piece of a file."""

    number: int
    project: str
    suffix: str
    year: int
    author: str
    link: int  # the number of the one before it
    body: str

    @property
    def place(self) -> str:
        return f"{self.number // PER_FOLDER:04}/{self.number:07}.txt"


def documents(count: int) -> Iterator[Document]:
    """So many pieces of what lies on this machine; always the same."""
    chance, number = random.Random(1), 0
    while True:
        begin = number
        for path in _sources():
            try:
                text, year = path.read_text("ascii"), time.gmtime(path.stat().st_mtime).tm_year
            except (OSError, UnicodeDecodeError):
                continue
            for at in range(0, len(text), PIECE):
                body = text[at : at + PIECE]
                author = f"a{chance.randrange(1000)}"
                project = re.sub(r"\W", "", path.parent.name.lower()) or "none"
                yield Document(number, project, path.suffix[1:], year, author, max(number - 1, 0), body)
                number += 1
                if number >= count:
                    return
        assert number > begin, "there is no text on this machine"


def _sources() -> Iterator[Path]:
    for place in PLACES:
        for folder, folders, names in os.walk(place):
            folders.sort()
            yield from (Path(folder, name) for name in sorted(names) if name.endswith(ENDINGS))


def timed(work: Callable[[], object]) -> float:
    """How long it takes, in seconds."""
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


class AsFiles:
    """A file for each document."""

    name = "files"

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "files"
        self.folder.mkdir()

    def put(self, found: list[Document]) -> None:
        for each in found:
            path = self.folder / each.place
            path.parent.mkdir(exist_ok=True)
            head = f"project: {each.project}\nsuffix: {each.suffix}\nyear: {each.year}\nauthor: {each.author}\n"
            link = f"{each.link // PER_FOLDER:04}/{each.link:07}.txt"
            path.write_text(f"{head}link: {link}\n\n{each.body}")

    def _grep(self, *arguments: str, among: str = "") -> str:
        environment = {**os.environ, "LC_ALL": "C"}
        if among:
            command = ["xargs", "-0", "grep", "-lZ", *arguments]
        else:
            command = ["grep", "-rlZ", *arguments, "."]
        pipe = subprocess.PIPE
        done = subprocess.run(
            command, cwd=self.folder, input=among or None, text=True, stdout=pipe, env=environment, check=False
        )
        return done.stdout

    def one(self, project: str) -> int:
        return self._grep("-x", f"project: {project}").count("\0")

    def three(self, project: str, suffix: str, year: int) -> int:
        found = self._grep("-x", f"project: {project}")
        for line in (f"suffix: {suffix}", f"year: {year}"):
            found = self._grep("-x", line, among=found) if found else ""
        return found.count("\0")

    def between(self, low: int, high: int) -> int:
        years = "|".join(str(year) for year in range(low, high + 1))
        return self._grep("-xE", f"year: ({years})").count("\0")

    def words(self, word: str) -> int:
        return self._grep("-iE", f"(^|[^[:alnum:]]){word}($|[^[:alnum:]])").count("\0")

    def linked(self, number: int) -> int:
        return self._grep("-xF", f"link: {number // PER_FOLDER:04}/{number:07}.txt").count("\0")

    def move(self, numbers: list[int]) -> None:
        target = self.folder / "moved"
        target.mkdir()
        places = "\0".join(f"{number // PER_FOLDER:04}/{number:07}.txt" for number in numbers)
        subprocess.run(["xargs", "-0", "mv", "-t", "moved"], cwd=self.folder, input=places, text=True, check=True)

    def dangling(self) -> int:
        command = ["grep", "-rh", "^link: "]
        done = subprocess.run(command, cwd=self.folder, stdout=subprocess.PIPE, check=True, text=True)
        links = {line.removeprefix("link: ") for line in done.stdout.splitlines()}
        return sum(not (self.folder / link).exists() for link in links)

    def git(self, *arguments: str) -> str:
        identity = ["-c", "user.email=me@example.org", "-c", "user.name=me", "-c", "gc.auto=0"]
        command = ["git", *identity, *arguments]
        return subprocess.run(command, cwd=self.folder, stdout=subprocess.PIPE, check=False, text=True).stdout

    def size(self) -> int:
        done = subprocess.run(["du", "-s", "-B1", self.folder], stdout=subprocess.PIPE, check=True, text=True)
        return int(done.stdout.split()[0])


class InSQLite:
    """A row for each document."""

    name = "SQLite"

    def __init__(self, folder: Path) -> None:
        self.path = folder / "documents.sqlite"
        self.db = sqlite3.connect(self.path, isolation_level=None)
        self.db.executescript("""
            PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA cache_size = -64000;
            CREATE TABLE documents(id INTEGER PRIMARY KEY, project, suffix, year, author, link, since, body);
            CREATE TABLE was(id, project, since, until);
            CREATE INDEX by_project ON documents(project); CREATE INDEX by_suffix ON documents(suffix);
            CREATE INDEX by_year ON documents(year); CREATE INDEX by_author ON documents(author);
            CREATE INDEX by_link ON documents(link); CREATE INDEX was_by_project ON was(project);
            CREATE TABLE told(id);
            CREATE VIRTUAL TABLE words USING fts5(body, content='documents', content_rowid='id',
                tokenize="unicode61 remove_diacritics 2");
        """)

    def put(self, found: list[Document], since: int = 0) -> None:
        for begin in range(0, len(found), 1_000):
            rows = [(*each[:6], since, each.body) for each in found[begin : begin + 1_000]]
            self.db.execute("BEGIN")
            self.db.executemany("INSERT INTO documents VALUES(?, ?, ?, ?, ?, ?, ?, ?)", rows)
            words = [(each.number, each.body) for each in found[begin : begin + 1_000]]
            self.db.executemany("INSERT INTO words(rowid, body) VALUES(?, ?)", words)
            self.db.execute("COMMIT")

    def _count(self, sql: str, *values: Any) -> int:
        return len([row[0] for row in self.db.execute(sql, values)])

    def one(self, project: str) -> int:
        return self._count("SELECT id FROM documents WHERE project = ?", project)

    def three(self, project: str, suffix: str, year: int) -> int:
        return self._count(
            "SELECT id FROM documents WHERE project = ? AND suffix = ? AND year = ?", project, suffix, year
        )

    def between(self, low: int, high: int) -> int:
        return self._count("SELECT id FROM documents WHERE year BETWEEN ? AND ?", low, high)

    def words(self, word: str) -> int:
        return self._count("SELECT rowid FROM words WHERE words MATCH ? ORDER BY rank", f'"{word}"')

    def linked(self, number: int) -> int:
        return self._count("SELECT id FROM documents WHERE link = ?", number)

    def move(self, numbers: list[int]) -> None:
        self.db.execute("BEGIN")
        rows = [(number,) for number in numbers]
        self.db.executemany("INSERT INTO was SELECT id, project, since, 1 FROM documents WHERE id = ?", rows)
        self.db.executemany("UPDATE documents SET project = 'moved', since = 1 WHERE id = ?", rows)
        self.db.execute("COMMIT")

    def then(self, project: str) -> int:
        return self._count(
            "SELECT id FROM documents WHERE project = ?1 AND since <= 0 "
            "UNION SELECT id FROM was WHERE project = ?1 AND since <= 0 AND until > 0",
            project,
        )

    def size(self) -> int:
        self.db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return self.path.stat().st_size


class InImage:
    """An object for each document."""

    name = "Piety"

    def __init__(self, folder: Path) -> None:
        self.home = folder / "home"
        self.image = piety.open(self.home, create=True)
        assert self.image.evaluate(BEGIN).error is None
        self._objects: list[bytes] = []
        self.before: bytes = b""  # the moment before the reorganisation

    def put(self, found: list[Document]) -> None:
        """Keep them, in turns of a thousand."""
        for begin in range(0, len(found), 1_000):
            with self.image.turn("put"):
                kind, get = self.image.definition("Document"), self.image.connection.get
                for each in found[begin : begin + 1_000]:
                    obj = kind(each.body)
                    self._objects.append(self.image.number_of(obj))
                    link = get(self._objects[each.link])
                    facts = {"project": each.project, "suffix": each.suffix, "year": each.year, "author": each.author}
                    piety.keep(obj, link=link, **facts)

    def catch_up(self) -> None:
        with self.image.look():
            len(piety.find("project:none"))

    def _count(self, query: str = "", **facts: Any) -> int:
        with self.image.look():
            return len(piety.find(query, **facts).numbers(in_order="text" in facts))

    def one(self, project: str) -> int:
        return self._count(project=project)

    def three(self, project: str, suffix: str, year: int) -> int:
        return self._count(year=year, suffix=suffix, project=project)

    def between(self, low: int, high: int) -> int:
        return self._count(year=piety.between(low, high))

    def words(self, word: str) -> int:
        return self._count(text=word)

    def linked(self, number: int) -> int:
        with self.image.look():
            return len(piety.find(link=self.image.connection.get(self._objects[number])).numbers(in_order=False))

    def move(self, numbers: list[int]) -> None:
        self.before = self.image.storage.lastTransaction()
        with self.image.turn("move"):
            get = self.image.connection.get
            for number in numbers:
                piety.keep(get(self._objects[number]), project="moved")

    def then(self, project: str) -> int:
        return self._count(project=project, at=self.before)

    def size(self) -> int:
        return sum(each.stat().st_size for each in (self.home / "image").iterdir())


def finding(folder: Path, objects: int) -> Iterator[Figure]:
    """Finding: the same questions of files, SQLite and Piety, over a thousand documents and more."""
    counts = [count for count in (1_000, 10_000, 100_000, 1_000_000) if count <= objects]
    for count in counts:
        place = folder / str(count)
        place.mkdir()
        yield from _compared(place, count, is_last=count == counts[-1])
        shutil.rmtree(place)


def _compared(folder: Path, count: int, is_last: bool) -> Iterator[Figure]:
    found = list(documents(count))
    files, sqlite, image = AsFiles(folder), InSQLite(folder), InImage(folder)
    said = f"{count:,}: "
    copy = folder / "copy"
    in_sqlite, in_image = timed(lambda: sqlite.put(found)), timed(lambda: image.put(found))
    until_found = in_image + timed(image.catch_up)
    files.put(found)
    yield f"{said}put in until it is found / SQLite", [(until_found, in_sqlite)], NO_LIMIT
    times = []
    for _ in range(3 if count <= GIT else 1):
        times.append((_keep(folder / "kept", files.folder), _copy(files.folder, copy)))
    most = 4.0 if count >= 100_000 else NO_LIMIT  # of fewer, the start of the command is most of it
    yield f"{said}put in files / cp -r", times, most
    yield f"{said}put in, as objects / cp -r of files", [(in_image, copied) for _kept, copied in times], NO_LIMIT

    middle = found[len(found) // 2]
    word = max((word for word in re.findall(r"[a-z]{5,12}", middle.body)), key=len, default="return")
    questions: list[tuple[str, Callable[[Any], int], float, float]] = [
        ("by one fact", lambda each: each.one(middle.project), 3.0, 0.01),
        ("by three facts", lambda each: each.three(middle.project, middle.suffix, middle.year), 3.0, 0.01),
        ("by a range", lambda each: each.between(middle.year, middle.year + 1), 3.0, 0.01),
        ("by a word", lambda each: each.words(word), 2.0, NO_LIMIT),
        ("by a word of many", lambda each: each.words("return"), 2.0, NO_LIMIT),
        # One row takes SQLite 5 µs, which is less than a call of find() takes before it asks SQLite.
        ("by a link", lambda each: each.linked(middle.number), NO_LIMIT, 0.01),
    ]
    for what, ask, most, most_grep in questions:
        numbers = {each.name: ask(each) for each in (files, sqlite, image)}  # warm
        more = numbers["Piety"] - numbers["SQLite"]  # it finds the parts of words in camelCase too
        assert more == 0 or ("word" in what and more > 0), (what, numbers)
        assert "word" in what or numbers["files"] == numbers["SQLite"], (what, numbers)
        runs = 9 if count < 1_000_000 else 5
        pairs = [(timed(partial(ask, image)), timed(partial(ask, sqlite))) for _ in range(runs)]
        at_large = is_last and count >= 1_000_000
        yield f"{said}{what} ({numbers['Piety']:,}) / SQLite", pairs, most if at_large else NO_LIMIT
        times = [(timed(partial(ask, image)), timed(partial(ask, files))) for _ in range(3)]
        yield f"{said}{what} / grep", times, most_grep if at_large else NO_LIMIT

    yield from _reorganised(said, found, files, sqlite, image, middle)
    yield from _told(said, count, files, sqlite, image)
    yield f"{said}GB on disk / files", [(image.size() / 1e9, files.size() / 1e9)], NO_LIMIT
    yield f"{said}GB on disk / SQLite", [(image.size() / 1e9, sqlite.size() / 1e9)], NO_LIMIT
    image.image.close()
    sqlite.db.close()
    yield f"{said}GB of memory to ask by a word / SQLite", [_memory(image, sqlite, word)], NO_LIMIT
    yield from _killed(said, folder, found[:20_000])


def _keep(home: Path, source: Path) -> float:
    """How long `piety keep` takes for a folder of files."""
    environment = {**os.environ, "PIETY_HOME": str(home)}
    command = [sys.executable, "-P", "-m", "piety"]
    subprocess.run([*command, "new"], check=True, env=environment, stdout=subprocess.DEVNULL)
    arguments = [*command, "keep", str(source)]
    taken = timed(lambda: subprocess.run(arguments, check=True, env=environment, stdout=subprocess.DEVNULL))
    shutil.rmtree(home)
    return taken


def _copy(source: Path, target: Path) -> float:
    taken = timed(lambda: subprocess.run(["cp", "-r", source, target], check=True))
    shutil.rmtree(target)
    return taken


def _reorganised(
    said: str, found: list[Document], files: AsFiles, sqlite: InSQLite, image: InImage, middle: Document
) -> Iterator[Figure]:
    """Give many another project; and ask what was before."""
    numbers = random.Random(2).sample(range(len(found)), min(MOVED, len(found) // 2))
    use_git = len(found) <= GIT
    if use_git:
        files.git("init", "-q")
        files.git("add", ".")
        files.git("commit", "-q", "-m", "before")
    with_git = timed(lambda: files.move(numbers))
    if use_git:
        with_git += timed(lambda: (files.git("add", "-A"), files.git("commit", "-q", "-m", "moved")))
    in_image = timed(lambda: image.move(numbers))
    in_sqlite = timed(lambda: sqlite.move(numbers))
    what = f"reorganise {len(numbers):,}"
    yield f"{said}{what} / mv{' and git commit' if use_git else ''}", [(in_image, with_git)], NO_LIMIT
    yield f"{said}{what} / SQLite", [(in_image, in_sqlite)], NO_LIMIT
    if len(found) <= GIT:
        yield f"{said}dangling links after that / mv (thousands)", [(0.0, files.dangling() / 1e6)], NO_LIMIT
    image.catch_up()
    assert image.then(middle.project) == sqlite.then(middle.project)
    yield (
        f"{said}as of before that / SQLite",
        [(timed(lambda: image.then(middle.project)), timed(lambda: sqlite.then(middle.project))) for _ in range(9)],
        NO_LIMIT,
    )
    if use_git:
        command = ("grep", "-l", "-e", f"^project: {middle.project}$", "HEAD~1")
        asked = [(timed(lambda: image.then(middle.project)), timed(lambda: files.git(*command))) for _ in range(3)]
        yield f"{said}as of before that / git grep", asked, NO_LIMIT
        shutil.rmtree(files.folder / ".git")


heard: list[Any] = []


def hear(news: Any) -> None:
    """What a task does with its news."""
    heard.append(news.what)


def _told(said: str, count: int, files: AsFiles, sqlite: InSQLite, image: InImage) -> Iterator[Figure]:
    """Which of a thousand new ones are of a project: a standing query, a trigger, and grep over what is newer."""
    body = "something new"
    new = [Document(count + n, "fresh" if n % 100 == 0 else "stale", "txt", 2026, "a0", 0, body) for n in range(NEW)]
    sqlite.db.execute(
        "CREATE TRIGGER tell AFTER INSERT ON documents WHEN new.project = 'fresh' "
        "BEGIN INSERT INTO told VALUES(new.id); END"
    )
    stamp = files.folder / "stamp"
    stamp.touch()
    os.utime(stamp, (time.time() - 2,) * 2)
    for old in files.folder.rglob("*.txt"):
        os.utime(old, (1e9, 1e9))

    def in_sqlite() -> None:
        sqlite.put(new, since=2)
        assert sqlite.db.execute("SELECT count(*) FROM told").fetchone() == (NEW // 100,)

    def in_image() -> None:
        from piety.scheduler.system import System

        with image.image.turn("wait"):
            piety.spawn(piety.found(piety.find(project="fresh")), hear)
        system = System(image.image)
        heard.clear()
        image.put(new)
        for _ in range(100):
            system.loop.pass_once()
            if len(heard) == NEW // 100:
                break
            time.sleep(0.01)
        else:
            raise AssertionError("it was not told")
        image.image.system = None

    def as_files() -> None:
        files.put(new)
        script = "find . -newer stamp -name '*.txt' -print0 | xargs -0 grep -lx 'project: fresh' | wc -l"
        done = subprocess.run(script, shell=True, cwd=files.folder, stdout=subprocess.PIPE, check=True)
        assert int(done.stdout) == NEW // 100

    told = timed(in_image)
    yield f"{said}put in 1,000 and be told of 10 / SQLite", [(told, timed(in_sqlite))], NO_LIMIT
    yield f"{said}put in 1,000 and be told of 10 / find", [(told, timed(as_files))], NO_LIMIT


def standing(folder: Path, objects: int) -> Iterator[Figure]:
    """What finding costs those who commit: turns that keep a document each, one in ten of which some task waits for."""
    del objects
    homes = []
    for name in ("none", "index", "queries"):
        image = InImage(folder / name)
        if name == "queries":
            with image.image.turn("wait"):
                for n in range(1_000):
                    piety.spawn(piety.found(piety.find(project=f"p{n}")), hear)
        image.image.close()
        homes.append(image.home)
    none, index, queries = homes
    yield (
        "a turn where there is an index / where there is none",
        [(_turns(index, ask=True), _turns(none, ask=False)) for _ in range(7)],
        1.10,
    )
    yield (
        "a turn with 1,000 standing queries / without",
        [(_looked_at(queries), _looked_at(none)) for _ in range(7)],
        2.0,
    )


def _turns(home: Path, ask: bool) -> float:
    with piety.open(home) as image:
        if ask:
            with image.look():
                len(piety.find("project:p1"))
        _keep_one(image, 0)
        return timed(lambda: [_keep_one(image, number) for number in range(TURNS)])


def _keep_one(image: Any, number: int) -> None:
    with image.turn("put"):
        piety.keep(image.definition("Document")(f"document {number}"), project=f"p{number * 7_919 % 10_000}")


def _looked_at(home: Path) -> float:
    """What turns and all that the system does for them take, without the time in which it waits for more turns."""
    from piety.scheduler.system import System

    with piety.open(home) as image:
        system = System(image)
        image.system = system

        def until_quiet() -> float:
            taken, quiet = 0.0, 0
            while quiet < 30:  # in this time it looks for news
                begin = image.storage.lastTransaction()
                taken += timed(system.loop.pass_once)
                quiet = quiet + 1 if image.storage.lastTransaction() == begin else 0
                time.sleep(0.005)
            return taken

        _keep_one(image, 0)
        until_quiet()  # the tasks are loaded
        taken = 0.0
        for number in range(TURNS):
            taken += timed(partial(_keep_one, image, number)) + timed(system.loop.pass_once)
        taken += until_quiet()
        image.system = None
        return taken


def _memory(image: InImage, sqlite: InSQLite, word: str) -> tuple[float, float]:
    """What a process takes that asks one question, in GB."""
    sql = "SELECT rowid FROM words WHERE words MATCH ? ORDER BY rank"
    asked = (
        f"import piety\nwith piety.open({str(image.home)!r}) as image, image.look(): len(piety.find({word!r}))",
        f"import sqlite3\nlist(sqlite3.connect({str(sqlite.path)!r}).execute({sql!r}, [{word!r}]))",
    )
    taken = []
    for source in asked:
        tell = f"{source}\nprint(open('/proc/self/status').read())"  # getrusage tells what the parent took, if more
        done = subprocess.run([sys.executable, "-P", "-c", tell], check=True, stdout=subprocess.PIPE, text=True)
        (peak,) = re.findall(r"VmHWM:\s*(\d+) kB", done.stdout)
        taken.append(int(peak) * 1024 / 1e9)
    return taken[0], taken[1]


def _killed(said: str, folder: Path, found: list[Document]) -> Iterator[Figure]:
    """Pull the plug in the middle of putting in: how many documents are half there afterwards."""
    killed = folder / "killed"
    killed.mkdir()
    for name in ("InImage", "InSQLite", "AsFiles"):
        source = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from pathlib import Path
from bench_finding import {name}, documents
store = {name}(Path({str(killed)!r}))
found = list(documents({len(found)}))
for begin in range(0, len(found), 500):
    store.put(found[begin : begin + 500])
    print(begin, flush=True)
"""
        with subprocess.Popen([sys.executable, "-c", source], stdout=subprocess.PIPE) as child:
            assert child.stdout is not None
            for _ in range(min(3, len(found) // 500)):
                child.stdout.readline()
            child.send_signal(signal.SIGKILL)
    with piety.open(killed / "home") as opened, opened.look() as world:
        kept = len(world.entries)
        assert kept >= 500
        assert len(piety.find()) == kept
        half = sum(len(each.facts) != 5 for each in world.entries.values())
    paths = list((killed / "files").rglob("*.txt"))
    half_files = sum(not path.read_text().endswith(f"\n\n{found[int(path.stem)].body}") for path in paths)
    with contextlib.closing(sqlite3.connect(killed / "documents.sqlite")) as db:
        rows = db.execute("SELECT id, body FROM documents").fetchall()
        half_rows = sum(found[number].body != body for number, body in rows)
        db.execute("INSERT INTO words(words) VALUES('integrity-check')")  # raises if a document has not its words
    assert len(paths) >= 500 <= len(rows)
    told = f"{said}half documents after kill -9, {half} of {kept:,}"
    yield f"{told} / files, {half_files} of {len(paths):,}", [(half / 1e3, max(half_files, 1) / 1e3)], 0.0
    yield f"{told} / SQLite, {half_rows} of {len(rows):,}", [(half / 1e3, max(half_rows, 1) / 1e3)], 0.0
