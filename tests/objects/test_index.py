"""The saved index, read as it is needed, says what the whole one says."""

from __future__ import annotations

import random
import sys
import threading
from pathlib import Path

import pytest
from ZODB.fsIndex import fsIndex

from piety.objects import index as index_file


def number(n: int) -> bytes:
    return n.to_bytes(8, "big")


def full(size: int) -> fsIndex:
    index = fsIndex()
    for n in range(size):
        index[number(n)] = n * 7 + 4
    return index


@pytest.mark.parametrize("size", [0, 1, 31, 32, 33, 65535, 65536, 65537, 200_000])
def test_index_is_equal_to_the_stock_one(tmp_path: Path, size: int) -> None:
    """Every look-up, change and walk gives what ZODB's own index gives, and it is saved to the same bytes."""
    name, stock = str(tmp_path / "image.fs.index"), full(size)
    index_file.write(stock, 12345, b"last one", name)
    index, end, last = index_file.read(name)
    assert (end, last) == (12345, b"last one")
    if size:
        assert (index.minKey(), index.maxKey()) == (stock.minKey(), stock.maxKey())
    for _ in range(100):
        key = number(random.randrange(size + 100))
        assert index.get(key) == stock.get(key)
        assert (key in index) == (key in stock)
    index[number(size + 9)] = stock[number(size + 9)] = 4
    if size > 1:
        del index[number(0)], stock[number(0)]
    assert len(index) == len(stock)
    assert list(index.items()) == list(stock.items())
    for each, file in ((index, "ours"), (stock, "stock")):
        each.save(5, str(tmp_path / file))
    assert (tmp_path / "ours").read_bytes() == (tmp_path / "stock").read_bytes()
    index_file.close(index)


def test_stock_reader_reads_what_we_write(tmp_path: Path) -> None:
    """ZODB's own tools can open the image with our index."""
    name = str(tmp_path / "image.fs.index")
    index_file.write(full(70_000), 99, b"last one", name)
    info = fsIndex.load(name)
    assert info["pos"] == 99
    assert len(info["index"]) == 70_000


def test_buckets_are_read_only_when_needed(tmp_path: Path) -> None:
    """The guard of the starting time: after a look-up all but one bucket are still on the disk."""
    name = str(tmp_path / "image.fs.index")
    index_file.write(full(500_000), 1, b"last one", name)
    index, _end, _last = index_file.read(name)
    assert index.get(number(3)) == 25
    waiting = [
        place for place in super(type(index._data), index._data).values() if isinstance(place, index_file._Place)
    ]
    assert len(waiting) == 7
    index_file.close(index)


def test_two_threads_get_one_bucket(tmp_path: Path) -> None:
    """What one of two threads stores in a bucket that both read first is not lost."""
    name = str(tmp_path / "image.fs.index")
    index_file.write(full(200_000), 1, b"last one", name)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for _ in range(20):
            index, _end, _last = index_file.read(name)
            barrier = threading.Barrier(8)

            def work(who: int, index: fsIndex = index, barrier: threading.Barrier = barrier) -> None:
                barrier.wait()
                for bucket in range(3):
                    index[number(bucket * 65536 + who)] = 999

            threads = [threading.Thread(target=work, args=(who,)) for who in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            lost = [n for bucket in range(3) for who in range(8) if index[number(n := bucket * 65536 + who)] != 999]
            index_file.close(index)
            assert lost == []
    finally:
        sys.setswitchinterval(interval)


@pytest.mark.parametrize("damage", ["cut", "tail", "garbage", "empty", "no last"])
def test_another_form_is_refused(tmp_path: Path, damage: str) -> None:
    """Whatever is not what we wrote is refused, and the index is made anew."""
    path = tmp_path / "image.fs.index"
    index_file.write(full(70_000), 1, b"last one", str(path))
    data = path.read_bytes()
    last = data.index(b"last one")
    path.write_bytes(
        {"cut": data[:5000], "tail": data + b"x", "garbage": b"garbage", "empty": b"", "no last": data[: last - 5]}[
            damage
        ]
    )
    with pytest.raises(Exception):  # noqa: B017, PT011 - any will do: the store makes the index anew
        index_file.read(str(path))
