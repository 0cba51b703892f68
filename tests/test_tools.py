from tests.tools import Recorder, cuts


def test_cuts_lose_nothing() -> None:
    assert all(b"".join(pieces) == b"some bytes" for pieces in cuts(b"some bytes"))


def test_recorder_joins_deltas_of_one_call_only() -> None:
    recorder = Recorder()
    recorder.text("a")
    recorder.text("b")
    recorder.tool_arguments(0, "{")
    recorder.tool_arguments(1, "{")
    recorder.tool_arguments(1, "}")
    assert recorder.calls == [("text", "ab"), ("tool_arguments", 0, "{"), ("tool_arguments", 1, "{}")]
