"""Members in, a call's pieces out."""

from __future__ import annotations

import json

from ccproxy.policy.compat.toolbox import declared
from ccproxy.policy.compat.writing import Writing
from tests.policy.compat.cases import PATCH, READ, WRITE
from tests.tools import Recorder


def test_the_pieces_are_one_json_text() -> None:
    recorder, tool = Recorder(), declared(WRITE)
    writing = Writing(recorder, 7, "i", tool)
    writing.open(tool.parameter("content"))
    for piece in ('a"', "\n\\", "😀", "\ud83d"):
        writing.piece(piece)
    writing.close()
    writing.whole(tool.parameter("file_path"), ["b"])
    writing.end()
    [(key, text)] = recorder.named("tool_arguments")
    assert key == 7
    assert list(json.loads(text).items()) == [("content", 'a"\n\\😀\ud83d'), ("file_path", ["b"])]
    assert recorder.calls[0] == ("tool_start", 7, "i", "Write", "function")
    assert recorder.calls[-1] == ("tool_end", 7)


def test_a_member_counts_once() -> None:
    recorder, tool = Recorder(), declared(READ)
    writing = Writing(recorder, 0, "i", tool)
    path = tool.parameter("file_path")
    writing.whole(path, "a")
    writing.open(path)
    writing.piece("b")
    writing.close()
    writing.whole(path, "c")
    writing.end()
    assert recorder.named("tool_arguments") == [(0, '{"file_path":"a"}')]


def test_free_text_is_no_json() -> None:
    recorder, tool = Recorder(), declared(PATCH)
    writing = Writing(recorder, 0, "i", tool)
    writing.open(tool.parameter("input"))
    writing.piece('a "b"')
    writing.close()
    writing.whole(tool.parameter("other"), "x")
    writing.end()
    assert recorder.calls == [
        ("tool_start", 0, "i", "apply_patch", "custom"),
        ("tool_arguments", 0, 'a "b"'),
        ("tool_end", 0),
    ]


def test_all_at_once_takes_the_declared_types() -> None:
    recorder = Recorder()
    Writing(recorder, 0, "i", declared(READ)).all({"filePath": 5, "limit": "7"})
    assert recorder.named("tool_arguments") == [(0, '{"file_path":"5","limit":7}')]


def test_without_members_and_cut() -> None:
    recorder = Recorder()
    Writing(recorder, 0, "i", declared(READ)).end()
    Writing(recorder, 1, "j", declared(READ)).cut()
    assert recorder.named("tool_arguments") == [(0, "{}"), (1, "{")]
