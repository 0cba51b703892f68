"""Compat mode over real sockets: each SDK, each upstream protocol, and a model that only ever writes text.

The task has two turns: a call, then an answer that stands on the call's result.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ccproxy.policy.compat.prompt import written
from tests.fakes.clients import CLIENTS, SYSTEM
from tests.fakes.meaning import SCENARIOS, WEATHER, Meaning
from tests.fakes.server import Asked, Scripted, Upstream, ccproxy_process, config_for, free_port
from tests.fakes.wires import ANSWERS, CONTENT_TYPES, STREAMS

PROTOCOLS = list(CLIENTS)
PAIRS = [pytest.param(client, upstream, id=f"{client}-{upstream}") for client in PROTOCOLS for upstream in PROTOCOLS]
STREAMED = [pytest.param(True, id="stream"), pytest.param(False, id="whole")]


def words_script(asked: Asked, model: str) -> Scripted:
    """The scenario as a model without tool calls would write it; in pieces of 40 bytes, since calls come in pieces."""
    meaning = SCENARIOS[model]
    calls = [written(call.name, list(call.arguments.items())) for call in meaning.calls]
    text = "\n\n".join(filter(None, [meaning.text, *calls]))
    said = Meaning(text=text, finish="stop", input=meaning.input, output=meaning.output)
    if not asked.streams:
        return Scripted(200, "application/json", [json.dumps(ANSWERS[asked.protocol](said)).encode()])
    stream = STREAMS[asked.protocol](said)
    return Scripted(200, CONTENT_TYPES[asked.protocol], [stream[i : i + 40] for i in range(0, len(stream), 40)])


@pytest.fixture(scope="module")
def wordy() -> Iterator[Upstream]:
    with Upstream(words_script).running() as running:
        yield running


@pytest.fixture(scope="module")
def address(wordy: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    port = free_port()
    folder: Path = tmp_path_factory.mktemp("ccproxy-compat")
    with ccproxy_process(config_for(wordy.port, port), folder, port) as running:
        yield running


def texts_in(value: Any) -> str:
    """Every string of a document."""
    if isinstance(value, dict):
        return "\n".join(texts_in(inner) for inner in value.values())
    if isinstance(value, list):
        return "\n".join(texts_in(inner) for inner in value)
    return value if isinstance(value, str) else ""


def keys_in(value: Any) -> set[str]:
    if isinstance(value, dict):
        return set(value).union(*map(keys_in, value.values()))
    return set().union(*map(keys_in, value)) if isinstance(value, list) else set()


NATIVE = {"tools", "tool_choice", "tool_calls", "toolConfig", "functionCall", "functionResponse", "tool_use_id", "call_id"}


@pytest.mark.parametrize("stream", STREAMED)
@pytest.mark.parametrize(("client", "speaks"), PAIRS)
def test_a_task_with_a_tool(client: str, speaks: str, stream: bool, address: str, wordy: Upstream) -> None:
    first = CLIENTS[client](f"{address}/to-{speaks}/compat", "tool", stream)
    assert first.said() == SCENARIOS["tool"].said()
    asked = wordy.asked[-1]
    assert asked.protocol == speaks
    assert not keys_in(asked.document) & NATIVE
    assert '<tool name="get_weather">' in texts_in(asked.document)
    assert SYSTEM in texts_in(asked.document)

    second = CLIENTS[client](f"{address}/to-{speaks}/compat_mode", "result", stream)
    assert second.said() == SCENARIOS["result"].said()
    asked = wordy.asked[-1]
    assert not keys_in(asked.document) & NATIVE
    told = texts_in(asked.document)
    assert written("get_weather", list(WEATHER.items())) in told
    assert '<tool_result name="get_weather">\n' in told
    assert "sunny" in told.partition('<tool_result name="get_weather">\n')[2]


@pytest.mark.parametrize("stream", STREAMED)
@pytest.mark.parametrize(("client", "speaks"), PAIRS)
def test_text_and_two_calls(client: str, speaks: str, stream: bool, address: str) -> None:
    understood = CLIENTS[client](f"{address}/to-{speaks}/compat", "parallel", stream)
    expected = SCENARIOS["parallel"].said()
    assert understood.said() == {**expected, "text": f"{expected['text']}\n\n"}
    ids = [call.id for call in understood.calls if call.id]
    assert len(ids) == len(set(ids))
