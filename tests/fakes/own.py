"""Our own streams (`tests/data`) as cases of the shape that recordings have: what is asked of these is asked of them too,
on every machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

DATA = Path(__file__).parent.parent / "data"

STREAMS: dict[str, tuple[str, ...]] = {
    "openai-chat": ("openai/thinking_and_tools.sse",),
    "openai-responses": ("responses/stream.sse",),
    "claude": ("claude/text.sse", "claude/tools.sse", "claude/server_tools.sse", "claude/redacted.sse"),
    "gemini": (
        "gemini/stream-calls.txt",
        "gemini/stream-grounded.txt",
        "gemini/stream-array.txt",
    ),
    "ollama": ("ollama/text.ndjson", "ollama/thinking_calls.ndjson"),
}

NOT_JUDGED: dict[str, str] = {
    "openai/text.sse": "it talks on after [DONE], which is not to be heard; test_stream of its protocol says so",
    "openai/azure.sse": "it is cut by a filter and counts nothing; test_stream of its protocol says what is heard",
    "claude/cut.sse": "a failure: it stops in the middle",
    "claude/error.sse": "a failure: it ends in an error",
    "claude/sloppy.sse": "it breaks its own protocol in ways that only the decoder forgives",
    "gemini/stream-text.txt": "it spells keys both ways, which the judge's plain reader does not follow",
    "gemini/stream-partial.txt": "its arguments stream along nested paths, which the judge's plain reader does not follow",
    "ollama/error.ndjson": "a failure: it ends in an error",
    "ollama/generate.ndjson": "an answer of /api/generate, which other protocols have no route for",
    "ollama/length.ndjson": "it talks on after its end; test_stream of its protocol says what is heard",
    "ollama/no_end.ndjson": "a failure: it stops in the middle",
}
"""The other streams -> why the judge does not compare them."""


def own_streams(*folders: str) -> list[Any]:
    """pytest parameters: the cases of these folders of the recordings."""
    return [
        pytest.param(_case(folder, name), id=f"own-{Path(name).stem}")
        for folder in folders
        for name in STREAMS.get(folder, ())
    ]


def _case(folder: str, name: str) -> dict[str, Any]:
    case = {"name": f"own-{Path(name).stem}", "dir": folder, "protocol": folder, "own": str(DATA / name)}
    return case | ({"stream_format": "json-array"} if "array" in name else {})
