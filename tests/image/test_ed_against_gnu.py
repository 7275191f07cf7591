"""Our `ed` and GNU ed do the same, on thousands of generated scripts."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from gnu_ed import Done, Script, Scripts, by_gnu, by_ours, needs_gnu_ed

PORTIONS, SCRIPTS = 12, 500

# What a generator would take long to come to.
KNOWN = {
    "pages": (["1z3", "z", "z2", ".=", "0z", "$z"], "".join(f"{n}\n" for n in range(60))),
    "long lines": ([",l", "1s/x/\\\ty\\\\/", "1l"], "x" * 200 + "\n\x01\x7f\x1b\b\f\v$\\ é漢\n"),
    "marks": (["2ka", "3kb", "'a,'bd", "u", "'ap", "'bm0", "'b=", "2,3j", "'ap"], "a\nb\nc\nd\ne\n"),
    "undo": (["g/./s/$/!/", "u", ",n", "u", ",n", "2,3d", "1i", "x", ".", "u", ",n", "u", "u", ",n"], "a\nb\nc\nd\n"),
    "lists": (["g/b/i\\", "before\\", ".\\", "a\\", "behind", ",n", "v/b/s/e/E/\\", "t$", ",n"], "a b\nc\nb\n"),
    "asked": (["G/./", "s/^/>/p", "", "&", "d", ",n", "V/>/l", "&", "x", "&", ",n"], "a\nb\nc\nd\n"),
    "yanked": (["2,3y", "0x", "$x", ",n", "2d", "x", ",n", "s/./&&/", "x", ",n"], "a\nb\nc\nd\n"),
    "files": (["f", "f new", "f", "w", "1w other", "r other", ",n", "W other", "E other", ",n", "e"], "a\nb\n"),
    "errors": (["H", "99p", "3,2p", "zzz", "s/(/x", "s/\\(/x/", "'zp", "kA", "r nosuch", "u 3"], "a\nb\nc\n"),
    "explained": (["foo", "h", "H", "bar", "H", "baz", "hp", "P", "p", "P"], "a\n"),
    "classes": ([f"g/{each}/n" for each in ("[[:alpha:]]", "[]a]", "[^]a]", "[a-c]\\{2\\}", "^*b", "a\\|b", "\\<b")], "a]\nbc\n*b\n"),
    "searches": (["/b/", "//", "//;//p", "?a?,/c/p", "/b/+1p", "?b?-1p", "/B/Ip", "2;/b/p", "/nosuch/"], "a\nb\nc\nb\na\n"),
    "counts": (["s/a/x/2", "s/a/y/2g", "s", "sg", "s3", "sp", ",n", "s/x/[&]/gn", "s/\\(.\\)\\(.\\)/\\2\\1/l"], "aaaaaaaa\naaaa\n"),
}  # fmt: skip


@pytest.fixture(autouse=True)
def has_no_more_than_gnu_ed(ed: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the commands."""
    for letter in "bBD":
        monkeypatch.delitem(ed.COMMANDS, letter)


def compared(ed: Any, script: Script, folder: Path) -> tuple[Done, Done]:
    return by_ours(script, folder / "ours", ed), by_gnu(script, folder / "gnu")


@needs_gnu_ed
@pytest.mark.parametrize("portion", range(PORTIONS))
def test_ours_does_what_gnu_ed_does(ed: Any, portion: int, tmp_path: Path) -> None:
    """The same output, exit status and files for each script; the buffer is what `,n` shows and `w` writes."""
    scripts = [Scripts(seed).script() for seed in range(portion * SCRIPTS, (portion + 1) * SCRIPTS)]
    with ThreadPoolExecutor(2) as workers:
        expected = list(workers.map(lambda each: by_gnu(each[1], tmp_path / str(each[0])), enumerate(scripts)))
    for script, done in zip(scripts, expected, strict=True):
        assert by_ours(script, tmp_path / "ours", ed) == done, script


@needs_gnu_ed
@pytest.mark.parametrize("name", KNOWN)
@pytest.mark.parametrize("is_silent", [True, False])
def test_ours_does_what_gnu_ed_does_in_known_scripts(ed: Any, name: str, is_silent: bool, tmp_path: Path) -> None:
    """Each command, and each error."""
    lines, text = KNOWN[name]
    script = Script([*lines, ",n", "w", "q"], text, is_silent, {"other": "one\ntwo\n"})
    ours, gnu = compared(ed, script, tmp_path)
    assert ours == gnu
