"""The file of lines: order, rotation, what is dropped, and what a broken disk does."""

from __future__ import annotations

import errno
import json
import logging
import os
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ccproxy.app.traffic import writer as module
from ccproxy.app.traffic.writer import Writer, rotated

ENOUGH = 20.0
"""Seconds; what is waited for takes milliseconds."""


def lost(count: int) -> bytes:
    return b'{"lost":%d}' % count


def writer(path: Path, max_bytes: int = 1 << 20, files: int = 3) -> Writer:
    return Writer(path, max_bytes, files, lost)


def put(writer: Writer, *lines: bytes, wait: bool = True) -> None:
    for line in lines:
        writer.put(lambda line=line: line, len(line))  # type: ignore[misc]
    if wait:
        assert writer.flush(ENOUGH)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "traffic.jsonl"


def test_lines_stand_in_the_order_in_which_they_came(path: Path) -> None:
    put(writer(path), *(b"%d" % number for number in range(200)))
    assert path.read_bytes().split() == [b"%d" % number for number in range(200)]


@pytest.mark.skipif(sys.platform == "win32", reason="modes are POSIX's")
def test_the_file_is_its_owners_alone(path: Path) -> None:
    put(writer(path), b"a")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    path.chmod(0o644)
    put(writer(path), b"b")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_it_is_rotated_by_size_and_the_oldest_goes(path: Path) -> None:
    put(writer(path, max_bytes=100), *(b"%030d" % number for number in range(30)))
    files = [path, rotated(path, 1), rotated(path, 2)]
    assert sorted(path.parent.iterdir()) == sorted(files)
    assert all(file.stat().st_size < 100 + 31 for file in files)
    numbers = [int(line) for file in reversed(files) for line in file.read_text().split()]
    assert numbers == list(range(numbers[0], 30))
    if sys.platform != "win32":
        assert all(stat.S_IMODE(file.stat().st_mode) == 0o600 for file in files)


def test_one_file_alone_is_begun_anew(path: Path) -> None:
    put(writer(path, max_bytes=20, files=1), b"a" * 30, b"b" * 30, b"c")
    assert path.read_text().split() == ["c"]
    assert list(path.parent.iterdir()) == [path]


def test_two_writers_share_a_file(path: Path) -> None:
    writers = [writer(path, max_bytes=2000, files=50) for _ in range(2)]
    for number in range(200):
        put(writers[number % 2], b"%04d%s" % (number, b"x" * 40), wait=False)
    assert all(each.flush(ENOUGH) for each in writers)
    found = [line[:4] for file in path.parent.iterdir() for line in file.read_text().split()]
    assert sorted(found) == [f"{number:04}" for number in range(200)]


class Gate:
    """A line that is being written for as long as the test wants."""

    def __init__(self) -> None:
        self.reached, self.free = threading.Event(), threading.Event()

    def __call__(self) -> bytes:
        self.reached.set()
        assert self.free.wait(ENOUGH)
        return b"slow"


@pytest.mark.parametrize(("size", "room"), [(1, "MOST_LINES"), (100, "MOST_BYTES")])
def test_what_comes_too_fast_is_dropped_and_counted(
    size: int, room: str, path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, room, 4 * size)
    gate, slow = Gate(), writer(path)
    slow.put(gate, size)
    assert gate.reached.wait(ENOUGH)
    for number in range(10):
        slow.put(lambda number=number: b"%d" % number, size)  # type: ignore[misc]
    gate.free.set()
    assert slow.flush(ENOUGH)
    put(slow, b"later")
    assert path.read_text().split() == ["slow", "0", '{"lost":7}', "1", "2", "later"]
    assert [record.getMessage() for record in caplog.records] == [
        "traffic log: 7 lines were dropped, they came faster than they could be written"
    ]


def test_one_line_larger_than_the_room_is_written_when_nothing_waits(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_BYTES", 10)
    put(writer(path), b"x" * 100)
    assert path.read_bytes() == b"x" * 100 + b"\n"


class Disk:
    """os.write of a disk that has room for so many bytes."""

    def __init__(self, room: int, monkeypatch: pytest.MonkeyPatch) -> None:
        self.room = room
        self._write = os.write
        monkeypatch.setattr(module.os, "write", self)

    def __call__(self, handle: int, data: bytes) -> int:
        if not self.room:
            raise OSError(errno.ENOSPC, "No space left on device")
        done = self._write(handle, data[: self.room])
        self.room -= done
        return done


def test_a_full_disk_is_said_once_and_when_it_is_over(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    disk, full = Disk(8, monkeypatch), writer(path)
    put(full, b"first", b"second", b"third", b"fourth")
    disk.room = 1000
    put(full, b"fifth", b"sixth")
    assert path.read_text().split("\n") == ["first", "se", '{"lost":3}', "fifth", "sixth", ""]
    assert [record.getMessage() for record in caplog.records] == [
        f"traffic log: {path} cannot be written: No space left on device; requests go on without it",
        f"traffic log: {path} can be written again; 3 lines are lost",
    ]


def a_file_in_the_way(path: Path) -> None:
    path.parent.write_text("")


def a_folder_in_the_place(path: Path) -> None:
    path.mkdir(parents=True)


def a_pipe_in_the_place(path: Path) -> None:
    path.parent.mkdir()
    os.mkfifo(path)


@pytest.mark.skipif(sys.platform == "win32", reason="pipes and error texts are POSIX's")
@pytest.mark.parametrize("obstacle", [a_file_in_the_way, a_folder_in_the_place, a_pipe_in_the_place])
def test_a_place_that_cannot_be_written_is_said_once(
    obstacle: Callable[[Path], None], path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    obstacle(path)
    put(writer(path), b"a", b"b", b"c")
    assert len(caplog.records) == 1
    assert f"{path} cannot be written: " in caplog.text


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux's device")
def test_a_device_is_no_place(caplog: pytest.LogCaptureFixture) -> None:
    put(writer(Path("/dev/full")), b"a", b"b")
    assert [record.getMessage() for record in caplog.records] == [
        "traffic log: /dev/full cannot be written: is no regular file; requests go on without it"
    ]


def test_a_rotation_that_fails_loses_lines_and_fills_no_disk(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*names: Any) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(module.os, "replace", refuse)
    put(writer(path, max_bytes=10), b"x" * 10, *[b"y" * 10] * 5)
    assert path.read_bytes() == b"x" * 10 + b"\n"
    assert len(caplog.records) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="an open file stays there")
def test_a_file_that_is_removed_is_begun_anew(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    removed = writer(path)
    put(removed, b"a")
    path.rename(path.with_name("mine"))
    put(removed, b"b", b"c")
    path.unlink()
    path.with_name("mine").unlink()
    path.parent.rmdir()
    put(removed, b"d")
    assert path.read_text() == "d\n"
    assert caplog.messages == [f"traffic log: {path} was removed or emptied; begun anew"] * 2


def test_a_line_that_cannot_be_made_is_a_bug_of_ours_and_no_more(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    broken = writer(path)
    broken.put(lambda: b"%d" % (1 // 0), 1)
    put(broken, b"next")
    assert path.read_text() == "next\n"
    assert "a line could not be made" in caplog.text


def test_the_thread_ends_when_there_is_nothing_to_do(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LINGER_SECONDS", 0.01)
    idle = writer(path)
    for line in (b"a", b"b"):
        put(idle, line)
        for thread in threading.enumerate():
            if thread.name == "ccproxy-traffic":
                thread.join(ENOUGH)
                assert not thread.is_alive()
    assert path.read_text() == "a\nb\n"


def test_without_threads_lines_are_lost_and_told(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    poor = writer(path)
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        put(poor, b"a", b"b")
    put(poor, b"c")
    assert path.read_text() == '{"lost":2}\nc\n'
    assert "2 lines were dropped" in caplog.text


def test_what_is_waiting_at_the_end_of_the_process_is_written(path: Path) -> None:
    code = f"""
import pathlib, time
from ccproxy.app.traffic.writer import Writer
writer = Writer(pathlib.Path({str(path)!r}), 1 << 20, 2, lambda count: b"lost")
for number in range(50):
    writer.put(lambda number=number: time.sleep(0.002) or b"%d" % number, 1)
"""
    subprocess.run([sys.executable, "-c", code], check=True)
    assert path.read_text().split() == [str(number) for number in range(50)]


def test_its_state_is_shown(path: Path) -> None:
    assert repr(writer(path)) == f"<Writer {path} waiting=0>"
    assert json.loads(lost(3)) == {"lost": 3}
    assert logging.getLogger("ccproxy").name == module.log.name
