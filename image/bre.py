r"""Basic regular expressions, as in `ed`, `grep` and `sed`.

    >>> import bre
    >>> bre.compile(r"\(ab*\)\1").search("xabbabb").span()
    (1, 7)

A pattern is translated to the syntax of the library `regex`, which finds the longest of the leftmost matches, as POSIX
wants it, and can be told to give up after a while.  What is a mistake, and how it is called, is as in glibc:

    c  .  [...]        a character, any, one of several: [a-z], [^abc], [[:alpha:]]
    \(...\)  \1        a group, and the text that it has matched
    *  \{m,n\}         any number of what stands before it, or so many;  \+ and \? are one or more, and one at most
    \|                 the one or the other
    ^  $               the start and the end of the line, where a pattern, a group or an alternative starts and ends
    \<  \>  \b  \B     the start and the end of a word, either, neither;  \w \W a character of a word or not
    \s  \S  \`  \'     white space or not;  the start and the end of the line anywhere in a pattern

What stands where it can mean nothing of this is itself: a `*` at the start, a `^` in the middle.
"""

from functools import lru_cache

# No character stands for a line end, so that a pattern can be looked for in many lines at once.
SPACE = "\\t\\x0b\\f\\r \\u1680\\u2000-\\u2006\\u2008-\\u200a\\u2028\\u2029\\u205f\\u3000"
WORD = "[[:alnum:]_]"
CHARACTERS = {"\\w": WORD, "\\W": "[^[:alnum:]_\\n]", "\\s": f"[{SPACE}]", "\\S": f"[^{SPACE}\\n]"}
ANCHORS = {
    "\\<": f"(?<!{WORD})(?={WORD})",
    "\\>": f"(?<={WORD})(?!{WORD})",
    "\\b": f"(?:(?<!{WORD})(?={WORD})|(?<={WORD})(?!{WORD}))",
    "\\B": f"(?:(?<!{WORD})(?!{WORD})|(?<={WORD})(?={WORD}))",
    "\\`": "^",
    "\\'": "$",
}
CLASSES = "alpha digit alnum upper lower space blank punct print graph cntrl xdigit".split()
MOST_TIMES = 32767  # the largest count of a repetition, in glibc
# What \{m\} repeats is copied m times, so this bounds what a pattern takes: 30 MB and a tenth of a second at most.
MOST_PARTS = 100_000
TOO_BIG = "Regular expression too big"
UNMATCHED = "Unmatched [, [^, [:, [., or [="
DIGITS = frozenset("0123456789")


class BadPattern(Exception):
    """What is wrong with a pattern, in the words of glibc."""


@lru_cache(maxsize=100)
def compile(pattern, ignores_case=False):
    """The pattern as an object of `regex`, for one line or for many.  Raises BadPattern."""
    import regex  # takes 30 ms, so it waits for the first pattern

    flags = regex.POSIX | regex.MULTILINE | regex.VERSION0
    if ignores_case:
        flags |= regex.IGNORECASE
    try:
        return regex.compile(translate(pattern), flags, cache_pattern=False)
    except (regex.error, RecursionError, MemoryError) as error:
        raise BadPattern(TOO_BIG) from error


def translate(pattern):
    """The same pattern in the syntax of `regex`.  Raises BadPattern."""
    return Translation(pattern).whole()


class Translation:
    """A pattern that is being read, from the left: `token` is what comes next, "" at the end."""

    def __init__(self, pattern):
        self.pattern = pattern
        self.at = 0
        self.groups = 0
        self.parts = 0  # how many characters and the like, each as often as it is repeated
        self.closed = set()  # the groups that a \1 here may mean
        self.step(0)

    def step(self, width=None):
        """Go on to the next token: a character, or two that begin with a backslash."""
        self.at += len(self.token) if width is None else width
        self.token = self.pattern[self.at : self.at + 1]
        if self.token == "\\":
            self.token = self.pattern[self.at : self.at + 2]

    @property
    def rest(self):
        return self.pattern[self.at :]

    def whole(self):
        result = self.alternatives(0)
        if self.token:
            raise BadPattern("Unmatched ( or \\(")
        return result

    def alternatives(self, depth):
        branches, before, after = [], set(self.closed), set(self.closed)
        while True:
            self.closed = set(before)  # a group of another alternative has matched nothing
            branches.append(self.branch(depth))
            after |= self.closed
            if self.token != "\\|":
                break
            self.step()
        self.closed = after
        return "|".join(branches)

    def branch(self, depth):
        parts = []
        while self.token not in ("", "\\|") and not (self.token == "\\)" and depth):
            parts.append(self.anchor(not parts) or self.repeated(depth))
        return "".join(parts)

    def anchor(self, is_start):
        """A place, if one comes next, else None."""
        found = ANCHORS.get(self.token)
        if self.token == "^" and is_start:
            found = "^"
        elif self.token == "$" and self.pattern[self.at + 1 : self.at + 3] in ("", "\\|", "\\)"):
            found = "$"
        if found is not None:
            self.step()
        return found

    def repeated(self, depth):
        """What stands for characters, with the repetitions that follow it."""
        before = self.parts
        part = self.atom(depth)
        while True:
            if self.token in ("*", "\\+", "\\?"):
                part += self.token[-1]
                self.step()
            elif self.token == "\\{":
                part += self.interval(before)
            else:
                return part
            if self.token in ("*", "\\{"):
                raise BadPattern("Invalid preceding regular expression")
            part = f"(?:{part})"

    def atom(self, depth):
        token = self.token
        self.parts += 1
        if token == "\\(":
            return self.group(depth)
        if token == "[":
            return self.bracket()
        if token == "\\":
            raise BadPattern("Trailing backslash")
        if token == "\\{":
            raise BadPattern("Invalid preceding regular expression")
        if token == "\\)":
            raise BadPattern("Unmatched ( or \\(")
        self.step()
        if token == ".":
            return "."
        if token in CHARACTERS:
            return CHARACTERS[token]
        if token[0] == "\\" and token[1] in "123456789":
            if int(token[1]) not in self.closed:
                raise BadPattern("Invalid back reference")
            return f"(?:{token})"
        return quoted(token[-1])

    def group(self, depth):
        self.step()
        self.groups += 1
        number = self.groups
        inside = self.alternatives(depth + 1)
        if self.token != "\\)":
            raise BadPattern("Unmatched ( or \\(")
        self.step()
        self.closed.add(number)
        return f"({inside})"

    def interval(self, before):
        r"""A repetition \{m\}, \{m,\}, \{,n\} or \{m,n\} of what there is since there were `before` parts."""
        end = self.pattern.find("\\}", self.at)
        inside = self.pattern[self.at + 2 : end if end >= 0 else None]
        low, comma, high = inside.partition(",")
        is_good = inside != "" and set(low + high) <= DIGITS
        if end < 0 and (not comma or (set(low) <= DIGITS and "," not in high)):
            raise BadPattern("Unmatched \\{")
        if end < 0 or not is_good or (low and high and int(low) > int(high)):
            raise BadPattern("Invalid content of \\{\\}")
        self.parts = before + (self.parts - before) * max(1, int(low or 0))
        if int(high or low or 0) > MOST_TIMES or self.parts > MOST_PARTS:
            raise BadPattern(TOO_BIG)
        self.step(end + 2 - self.at)
        return f"{{{low or 0}{comma}{high}}}"

    # -- [...]

    def bracket(self):
        self.step()
        start = "["
        if self.token == "^":
            start = "[^\\n"
            self.step(1)
        if not self.rest:
            raise BadPattern(UNMATCHED)
        parts = [self.member(True)]
        while not self.rest.startswith("]"):
            parts.append(self.member(False))
        self.step(1)
        return f"{start}{''.join(parts)}]"

    def member(self, is_first):
        """One character of a bracket expression, a range of them, or a class."""
        low, is_class = self.element(is_first)
        if is_class or not self.rest.startswith("-") or self.rest.startswith("-]"):
            return low if is_class else quoted(low)
        self.step(1)
        high, is_class = self.element(True)
        if is_class or low > high:
            raise BadPattern("Invalid range end")
        return f"{quoted(low)}-{quoted(high)}"

    def element(self, hyphen_is_plain):
        """A character or a class, and whether it is a class."""
        rest = self.rest
        if not rest:
            raise BadPattern(UNMATCHED)
        if rest[:2] in ("[.", "[=", "[:"):
            return self.named(rest)
        if rest[0] == "-" and not hyphen_is_plain and not rest.startswith("-]"):
            raise BadPattern("Invalid range end")
        self.step(1)
        return rest[0], False

    def named(self, rest):
        """A class or character by its name: [:alpha:], [.x.], [=x=]."""
        kind = rest[1]
        end = rest.find(kind + "]", 2)
        if end < 0:
            raise BadPattern(UNMATCHED)
        name = rest[2:end]
        self.step(end + 2)
        if kind == ":":
            if name not in CLASSES:
                raise BadPattern("Invalid character class name")
            return SPACE if name == "space" else f"[:{name}:]", True
        if len(name) != 1:
            raise BadPattern("Invalid collation character")
        return (name, False) if kind == "." else (quoted(name), True)


def quoted(character):
    """A character that stands for itself."""
    return character if character.isalnum() or ord(character) > 127 else f"\\x{ord(character):02x}"
