"""The log read back."""

from __future__ import annotations

import json
import os
import random
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from ccproxy.app.traffic import reader as module
from ccproxy.app.traffic.reader import Reader
from ccproxy.app.traffic.writer import Writer, rotated

FOUR = ("from_client", "to_upstream", "from_upstream", "to_client")


def line(id: str, direction: str = "from_client", **more: Any) -> bytes:
    return json.dumps({"id": id, "direction": direction, **more}).encode()


def ids(entries: list[dict[str, Any]]) -> list[str]:
    return [entry["id"] for entry in entries]


def everything(entry: dict[str, Any]) -> bool:
    return True


def test_the_last_requests_are_whole_however_they_overlap(tmp_path: Path) -> None:
    path = tmp_path / "t"
    lines = [line("a"), line("b"), line("a", "to_client"), line("c"), line("b", "to_client"), line("c", "to_client")]
    path.write_bytes(b"\n".join(lines) + b"\n")
    assert ids(Reader(path).last(1, everything)) == ["c", "c"]
    assert ids(Reader(path).last(2, everything)) == ["b", "c", "b", "c"]
    assert ids(Reader(path).last(9, everything)) == ["a", "b", "a", "c", "b", "c"]
    assert Reader(path).last(0, everything) == []


def test_only_wanted_ones_count(tmp_path: Path) -> None:
    path = tmp_path / "t"
    lines = [line(str(n), direction, group="ab"[n % 2]) for n in range(10) for direction in FOUR]
    path.write_bytes(b"\n".join(lines) + b"\n")
    assert ids(Reader(path).last(2, lambda entry: entry["group"] == "a")) == ["6"] * 4 + ["8"] * 4
    # one wanted line is enough
    assert ids(Reader(path).last(1, lambda entry: entry["direction"] == "to_upstream")) == ["9"] * 4


@pytest.mark.parametrize("block", [1, 7, 100, 1 << 20])
def test_it_reads_backwards_over_rotated_files_in_blocks(
    block: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BLOCK", block)
    path = tmp_path / "t"
    writer = Writer(path, 400, 20, lambda count: b"")
    for number in range(30):
        for direction in FOUR:
            writer.put(lambda number=number, direction=direction: line(f"{number}", direction), 1)  # type: ignore[misc]
    assert writer.flush(20)
    assert rotated(path, 3).exists()
    assert ids(Reader(path).last(25, everything)) == [str(number) for number in range(5, 30) for _ in FOUR]
    path.unlink()  # just rotated, and nothing since
    assert ids(Reader(path).last(1, everything))


def test_what_is_not_wanted_is_not_kept(tmp_path: Path) -> None:
    path = tmp_path / "t"
    path.write_bytes(b"".join(line(str(n), direction, pad="x" * 1000) + b"\n" for n in range(3000) for direction in FOUR))
    tracemalloc.start()
    assert Reader(path).last(5, lambda entry: False) == []
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 6 * (1 << 20), "blocks of a megabyte, and few lines"


def test_what_is_no_line_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "t"
    path.write_bytes(b"\n".join([line("a"), b'{"id":"b","dir', b"", b"[]", b"\xff", line("c")]) + b"\n")
    assert ids(Reader(path).last(9, everything)) == ["a", "c"]


def test_nothing_is_there_yet(tmp_path: Path) -> None:
    path = tmp_path / "t"
    reader = Reader(path)
    assert reader.last(3, everything) == []
    assert reader.more() == []
    path.write_bytes(line("a") + b"\n" + line("b"))
    assert ids(reader.more()) == ["a"], "a line that has not ended waits"
    with path.open("ab") as file:
        file.write(b"\n")
    assert ids(reader.more()) == ["b"]
    assert "at=" in repr(reader)


def test_it_follows_through_rotations_removals_and_truncation(tmp_path: Path) -> None:
    path = tmp_path / "t"
    path.write_bytes(line("a") + b"\n")
    reader = Reader(path)
    assert ids(reader.last(1, everything)) == ["a"]
    with path.open("ab") as file:
        file.write(line("b") + b"\n")
    os.replace(path, rotated(path, 1))
    path.write_bytes(line("c") + b"\n")
    assert ids(reader.more()) == ["b", "c"]
    assert reader.more() == []
    path.write_bytes(b"")
    assert reader.more() == []
    path.write_bytes(line("d") + b"\n")
    assert ids(reader.more()) == ["d"]


def test_nothing_is_lost_and_nothing_comes_twice(tmp_path: Path) -> None:
    path, seen, rng = tmp_path / "t", [], random.Random(3)
    writer, reader = Writer(path, 500, 50, lambda count: b""), Reader(path)
    for number in range(200):
        writer.put(lambda number=number: line(f"{number}", pad="x" * rng.randint(0, 90)), 1)  # type: ignore[misc]
        if rng.random() < 0.5:
            assert writer.flush(20)
            seen += ids(reader.more())
    assert writer.flush(20)
    seen += ids(reader.more())
    assert seen == [str(number) for number in range(200)]
