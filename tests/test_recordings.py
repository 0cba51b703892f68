"""Recorded provider streams as upstreams (`CCPROXY_RECORDINGS`, see `tests/tools.py`), and our own.

Behind a real ccproxy process each is read by every protocol's official SDK; and at every cut, with other line ends and with
signs of life between its records, each gives the same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ccproxy.convert import StreamConverter, new_context
from ccproxy.model import Context
from ccproxy.protocols import PROTOCOLS as PROTOCOLS_BY_NAME
from ccproxy.pump import Relay
from tests.fakes.clients import CLIENTS, Refused
from tests.fakes.own import own_streams
from tests.fakes.server import Asked, Scripted, Upstream, ccproxy_process, config_for, free_port
from tests.fakes.wires import CONTENT_TYPES
from tests.tools import cuts, recorded, recordings

FOLDERS = ("openai-chat", "openai-responses", "claude", "gemini", "ollama", "errors", "malformed")
PROTOCOLS = {
    "openai-chat": "openai",
    "openai-responses": "responses",
    "claude": "claude",
    "gemini": "gemini",
    "ollama": "ollama",
}
CASES = recordings(*FOLDERS)
FAILURES = ("errors", "malformed")
"""Folders whose recordings are failures: the SDK has to say so, in an error of its own kind."""

EXCEPTIONS = {
    ("openai-responses--openai-gpt-5-image-out-stream", "gemini"): "the source project cut the picture, and its base64",
    ("openai-responses--openai-gpt-5-6-terra-responses-custom-tool-call-streaming", "openai"): (
        "the SDK's stream helper knows no call of a custom tool, which this upstream makes though the client has none"
    ),
}
"""(recording, client) -> why that SDK cannot read it, whoever writes the stream."""


def protocol_of(case: dict[str, Any]) -> str:
    return PROTOCOLS[case["protocol"]]


def model_of(case: dict[str, Any]) -> str:
    """The model's name that asks for the case; names alone occur in two folders."""
    return f"{case['dir']}--{case['name']}"


ACROSS = [
    pytest.param(param.values[0], client, id=f"{param.id}-{client}", marks=param.marks)
    for param in CASES
    for client in CLIENTS
    if param.values[0] is None or client != protocol_of(param.values[0])
]
"""(case, client of another protocol); what the same protocol gets is `test_a_relay_changes_nothing`."""


def _script(asked: Asked, model: str) -> Scripted:
    case = next(param.values[0] for param in CASES if model_of(param.values[0]) == model)
    stream = recorded(case)
    kind = "application/json" if case.get("stream_format") == "json-array" else CONTENT_TYPES[protocol_of(case)]
    return Scripted(200, kind, [stream[i : i + 1000] for i in range(0, len(stream), 1000)])


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder: Path = tmp_path_factory.mktemp("ccproxy")
    port = free_port()
    with Upstream(_script).running() as upstream, ccproxy_process(config_for(upstream.port, port), folder, port) as at:
        yield at


@pytest.mark.parametrize(("case", "client"), ACROSS)
def test_the_sdk_of_another_protocol_reads_it(case: dict[str, Any], client: str, address: str) -> None:
    """No SDK error for a good recording; for a failure, an error of the SDK's own kind or a good answer, never a crash."""
    if (model_of(case), client) in EXCEPTIONS:
        pytest.xfail(EXCEPTIONS[model_of(case), client])
    try:
        understood = CLIENTS[client](f"{address}/to-{protocol_of(case)}", model_of(case), True)
    except Refused:
        if case["dir"] not in FAILURES:
            raise
    else:
        assert understood.finish


@pytest.mark.parametrize("case", recordings(*PROTOCOLS))
def test_a_relay_changes_nothing(case: dict[str, Any]) -> None:
    """Every byte of a good recording passes, at every cut, up to its own end; made-up ends aside."""
    protocol = PROTOCOLS_BY_NAME[protocol_of(case)]
    stream = recorded(case)
    if case.get("stream_format") == "json-array":
        pytest.skip("an array is never relayed: upstreams are asked for events")
    for pieces in cuts(stream, rounds=2):
        relay = Relay(protocol.chat, Context(client=protocol.name, upstream=protocol.name, stream=True))
        passed = b"".join([*map(relay.feed, pieces), relay.eof()])
        assert relay.failure is None
        assert passed.startswith(stream.rstrip()) or stream.startswith(passed.rstrip())
        assert len(passed) >= len(stream.rstrip()) or relay.done


def _converted(client: str, upstream: str, pieces: list[bytes]) -> bytes:
    context = new_context(client=client, upstream=upstream, model="asked", stream=True)
    context.id, context.created = "0" * 24, 1
    stream = StreamConverter(context)
    return b"".join([*map(stream.feed, pieces), stream.close()])


@pytest.mark.parametrize("client", list(CLIENTS))
@pytest.mark.parametrize("case", CASES)
def test_every_cut_gives_the_same_bytes(case: dict[str, Any], client: str) -> None:
    stream = recorded(case)
    whole = _converted(client, protocol_of(case), [stream])
    assert whole
    assert all(_converted(client, protocol_of(case), pieces) == whole for pieces in cuts(stream))


def _with_crlf(stream: bytes, case: dict[str, Any]) -> bytes:
    return stream.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def _with_signs_of_life(stream: bytes, case: dict[str, Any]) -> bytes:
    """Before, between and behind the records: comments (with Claude its pings as well), blank lines, white space."""
    if case.get("stream_format") == "json-array":
        return b" \r\n" + b"\n\n,\r\n \n".join(_elements(stream)).join((b"[\n\n", b"\n \n]\n"))
    if case["protocol"] == "ollama":
        return b"\n\r\n" + stream.replace(b"\n", b"\n\n \r\n") + b"\n"
    ping = b'event: ping\ndata: {"type": "ping"}\n\n' if case["protocol"] == "claude" else b""
    records = stream.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n\n")
    return b": hello\n\n" + (b"\n\n: keep-alive\n\n" + ping + b":\n").join(records) + b"\n\n: bye\n\n"


def _elements(stream: bytes) -> list[bytes]:
    """The texts of a JSON array's elements."""
    text, decoder = stream.decode(), json.JSONDecoder()
    found: list[bytes] = []
    at = text.index("[") + 1
    while text[at] != "]":
        if text[at] in " \r\n\t,":
            at += 1
            continue
        _, end = decoder.raw_decode(text, at)
        found.append(text[at:end].encode())
        at = end
    return found


@pytest.mark.parametrize("client", list(CLIENTS))
@pytest.mark.parametrize("change", [None, _with_crlf, _with_signs_of_life])
@pytest.mark.parametrize("case", [*recordings(*PROTOCOLS), *own_streams(*PROTOCOLS)])
def test_cuts_line_ends_and_signs_of_life_change_nothing(
    case: dict[str, Any], change: Callable[[bytes, dict[str, Any]], bytes] | None, client: str
) -> None:
    stream = recorded(case)
    whole = _converted(client, protocol_of(case), [stream])
    assert whole
    changed = change(stream, case) if change is not None else stream
    for size in (1, 7, 1000, len(changed)):
        pieces = [changed[i : i + size] for i in range(0, len(changed), size)]
        assert _converted(client, protocol_of(case), pieces) == whole


def test_the_index_names_every_protocol() -> None:
    if CASES[0].values[0] is None:
        pytest.skip("no recorded traffic: set CCPROXY_RECORDINGS to its folder")
    assert {protocol_of(param.values[0]) for param in CASES} == set(CLIENTS), json.dumps(PROTOCOLS)
