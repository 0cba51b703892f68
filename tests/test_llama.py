"""llama.cpp's server, which speaks three of the protocols in its own way, behind a real ccproxy process and the five SDKs.

The model is small and what it says is of no use: each answer is compared with what the server said on the wire in that very
exchange, read by `fakes/recorded.py`. Skipped where the two packages are not installed; `.ci/run` tries to.
"""

from __future__ import annotations

import http.client
import json
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import anthropic
import google.genai
import ollama
import openai
import pytest

from ccproxy.codec import jsontext
from tests.fakes.clients import CLIENTS, SCHEMAS, Refused
from tests.fakes.listener import Listener, Overheard
from tests.fakes.llama import MISSING, MODEL, fetched, llama_process
from tests.fakes.meaning import Meaning
from tests.fakes.recorded import meaning_of
from tests.fakes.server import ccproxy_process, free_port

pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)} (see .ci/run)")

SPEAKS = {"openai": "/v1/chat/completions", "responses": "/v1/responses", "claude": "/v1/messages"}
BASE_PATHS = {"openai": "/v1", "responses": "/v1", "claude": ""}
ACROSS = [pytest.param(client, speaks, id=f"{client}-{speaks}") for client in CLIENTS for speaks in SPEAKS]
TAKEN_AS_IT_IS = ("responses", "responses")
"""Whose streams are the server's own bytes, which lack the `output_index` that the official SDK counts items by (b11549):
it fails on them with or without ccproxy."""
STREAMED = [param for param in ACROSS if param.values != TAKEN_AS_IT_IS]
ANSWERS = [pytest.param(*p.values, True, id=f"{p.id}-stream") for p in STREAMED] + [
    pytest.param(*p.values, False, id=f"{p.id}-whole") for p in ACROSS
]
STREAMS = [pytest.param(True, id="stream"), pytest.param(False, id="whole")]
FINISH = {"end_turn": "stop", "stop_sequence": "stop", "tool_use": "tool_calls"}


def limited(client: str, tokens: int) -> dict[str, Any]:
    """What a client's request says to be answered in few tokens, always the same ones."""
    return {
        "openai": {"max_completion_tokens": tokens, "temperature": 0},
        "responses": {"max_output_tokens": tokens, "temperature": 0},
        "claude": {"max_tokens": tokens, "extra_body": {"temperature": 0}},  # the SDK has no word for it
        "gemini": {"max_output_tokens": tokens, "temperature": 0},
        "ollama": {"options": {"num_predict": tokens, "temperature": 0}},
    }[client]


def stopped(client: str, sequences: list[str]) -> dict[str, Any]:
    """The same with stop sequences; Responses has none."""
    key = {"openai": "stop", "claude": "stop_sequences", "gemini": "stop_sequences", "ollama": "options"}[client]
    more = limited(client, 12)
    return {**more, key: {**more["options"], "stop": sequences} if client == "ollama" else sequences}


class Served(NamedTuple):
    """Addresses, and what the server between them said. `/to-PROTOCOL` of ccproxy is overheard, `/straight-PROTOCOL` is
    not, `/lost-PROTOCOL` leads to routes that the server does not have."""

    ccproxy: str
    llama: str
    overheard: list[Overheard]

    def last(self, speaks: str) -> Overheard:
        found = next(one for one in reversed(self.overheard) if one.path.startswith(SPEAKS[speaks]))
        assert found.done.wait(20)
        return found


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder: Path = tmp_path_factory.mktemp("llama")
    port = free_port()
    with llama_process(folder) as llama, Listener(llama).running() as listener:
        config = _config(port, {"to": f"http://127.0.0.1:{listener.port}", "straight": llama, "lost": f"{llama}/lost"})
        with ccproxy_process(config, folder, port) as ccproxy:
            yield Served(ccproxy, llama, listener.overheard)


def _config(port: int, ways: dict[str, str]) -> str:
    lines = [f"[server]\nport = {port}\n"]
    for way, address in ways.items():
        for speaks, base_path in BASE_PATHS.items():
            name = f"{way}-{speaks}"
            lines.append(f'[providers.{name}]\nprotocol = "{speaks}"\nbase_url = "{address}{base_path}"\n')
            lines.append(f'[groups.{name}.models]\n"*" = "{name}/*"\n')
    return "\n".join(lines)


def judged(meaning: Meaning) -> dict[str, Any]:
    said = meaning.said()
    said["finish"] = FINISH.get(said["finish"], said["finish"])
    return said


def heard_and_said(served: Served, client: str, speaks: str, scenario: str, stream: bool, more: dict[str, Any]) -> Any:
    """What the SDK understood, and what the server said to make it so."""
    heard = CLIENTS[client](f"{served.ccproxy}/to-{speaks}", scenario, stream, **more)
    said = served.last(speaks)
    assert json.loads(said.asked).get("stream", False) == stream
    return heard, meaning_of(speaks, said.said, stream)


# ---------------------------------------------------------------------------------------------------------------------
# Answers


@pytest.mark.parametrize(("client", "speaks", "stream"), ANSWERS)
def test_an_answer_that_is_cut_at_the_limit(client: str, speaks: str, stream: bool, served: Served) -> None:
    """llama.cpp's Responses route calls a cut answer completed (b11549), so that nobody behind it can know better."""
    heard, said = heard_and_said(served, client, speaks, "text", stream, limited(client, 4))
    assert judged(heard) == judged(said)
    assert heard.finish == ("length" if speaks != "responses" else "stop")
    assert heard.output == (4 if speaks != "responses" or client == speaks else 16)  # OpenAI takes no less there
    assert heard.input > 20
    assert heard.text


@pytest.mark.parametrize(("client", "speaks", "stream"), ANSWERS)
def test_tools_in_the_request(client: str, speaks: str, stream: bool, served: Served) -> None:
    """Whether the model calls one is its own affair; the server takes the definitions, and what comes is legal."""
    heard, said = heard_and_said(served, client, speaks, "tool", stream, limited(client, 4))
    asked = json.loads(served.last(speaks).asked)
    assert [tool.get("function", tool)["name"] for tool in asked["tools"]] == list(SCHEMAS)
    assert judged(heard) == judged(said)


@pytest.mark.parametrize("stream", STREAMS)
@pytest.mark.parametrize("speaks", ["openai", "claude"])
@pytest.mark.parametrize("client", ["openai", "claude", "gemini", "ollama"])
def test_a_stop_sequence(client: str, speaks: str, stream: bool, served: Served) -> None:
    """Any common vowel ends the answer, which has one within its first few tokens."""
    vowels = ["a", "e", "i", "o"]
    heard, said = heard_and_said(served, client, speaks, "text", stream, stopped(client, vowels))
    assert judged(heard) == judged(said)
    assert heard.finish in ("stop", "stop_sequence")
    assert not set(vowels) & set(heard.text)
    assert heard.output < 12


@pytest.mark.parametrize(("client", "speaks"), STREAMED)
def test_a_tool_result_in_the_history(client: str, speaks: str, served: Served) -> None:
    heard, said = heard_and_said(served, client, speaks, "result", True, limited(client, 2))
    assert judged(heard) == judged(said)
    assert "sunny" in served.last(speaks).asked.decode()


@pytest.mark.parametrize("speaks", SPEAKS)
def test_its_own_streams_pass_as_they_are(speaks: str, served: Served) -> None:
    path, document = LONG[speaks]
    limit = "max_output_tokens" if speaks == "responses" else "max_tokens"
    body = jsontext.dumps({"model": MODEL, "stream": True, **document, limit: 3})
    request = urllib.request.Request(f"{served.ccproxy}/to-{speaks}{path}", body, {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        passed = answer.read()
    assert passed == served.last(speaks).said
    assert served.last(speaks).asked == body


# ---------------------------------------------------------------------------------------------------------------------
# Beside answers


def test_counts_are_the_servers(served: Served) -> None:
    words = "The quick brown fox jumps over the lazy dog."
    with anthropic.Anthropic(base_url=f"{served.ccproxy}/to-claude", api_key="k", max_retries=0) as claude:
        counted = claude.messages.count_tokens(model=MODEL, messages=[{"role": "user", "content": words}]).input_tokens
    assert served.overheard[-1].path.startswith("/v1/messages/count_tokens")
    assert counted == json.loads(served.overheard[-1].said)["input_tokens"]
    with openai.OpenAI(base_url=f"{served.ccproxy}/to-responses/v1", api_key="k", max_retries=0) as responses:
        assert responses.responses.input_tokens.count(model=MODEL, input=words).input_tokens == counted
    assert served.overheard[-1].path.startswith("/v1/responses/input_tokens")


def test_embeddings(served: Served) -> None:
    address = f"{served.ccproxy}/to-openai"
    texts = ["one", "another"]
    with openai.OpenAI(base_url=f"{address}/v1", api_key="k", max_retries=0) as client:
        answer = client.embeddings.create(model=MODEL, input=texts, encoding_format="float")
    rows = [row.embedding for row in answer.data]
    said = json.loads(served.overheard[-1].said)
    assert rows == [row["embedding"] for row in said["data"]]
    assert answer.usage.prompt_tokens == said["usage"]["prompt_tokens"]
    assert rows[0] != rows[1]
    gemini = google.genai.Client(api_key="k", http_options=google.genai.types.HttpOptions(base_url=address))
    embedded = gemini.models.embed_content(model=MODEL, contents=texts).embeddings or []
    gemini.close()
    assert [row.values for row in embedded] == [pytest.approx(row, abs=1e-5) for row in rows]
    spoken = ollama.Client(host=address)
    assert list(spoken.embed(model=MODEL, input=texts).embeddings) == [pytest.approx(row, abs=1e-5) for row in rows]
    spoken._client.close()


def test_its_models_are_listed(served: Served) -> None:
    """The list is asked for in the background, the first answer may come before it."""
    names: list[str] = []
    deadline = time.monotonic() + 20
    while not names and time.monotonic() < deadline:
        with openai.OpenAI(base_url=f"{served.ccproxy}/to-openai/v1", api_key="k", max_retries=0) as client:
            names = [model.id for model in client.models.list()]
    assert names == [MODEL]


# ---------------------------------------------------------------------------------------------------------------------
# Errors and ends


@pytest.mark.parametrize("stream", STREAMS)
@pytest.mark.parametrize(("client", "speaks"), ACROSS)
def test_a_route_that_the_server_does_not_have(client: str, speaks: str, stream: bool, served: Served) -> None:
    with pytest.raises(Refused, match="File Not Found") as refused:
        CLIENTS[client](f"{served.ccproxy}/lost-{speaks}", "text", stream)
    assert refused.value.status == 404


@pytest.mark.parametrize("stream", STREAMS)
@pytest.mark.parametrize(("client", "speaks"), ACROSS)
def test_a_request_that_the_server_refuses(client: str, speaks: str, stream: bool, served: Served) -> None:
    """The model sees no pictures."""
    with pytest.raises(Refused, match="image input is not supported") as refused:
        CLIENTS[client](f"{served.ccproxy}/to-{speaks}", "image", stream)
    assert refused.value.status == served.last(speaks).status


STORY = "Write a very long story about the sea."
TURN = [{"role": "user", "content": STORY}]
LONG: dict[str, tuple[str, dict[str, Any]]] = {
    "openai": ("/v1/chat/completions", {"messages": TURN, "max_tokens": 1500, "temperature": 0}),
    "responses": ("/v1/responses", {"input": STORY, "max_output_tokens": 1500, "temperature": 0}),
    "claude": ("/v1/messages", {"messages": TURN, "max_tokens": 1500, "temperature": 0}),
    "gemini": (
        "/v1beta/models/m:streamGenerateContent?alt=sse",
        {"contents": [{"parts": [{"text": STORY}]}], "generationConfig": {"maxOutputTokens": 1500, "temperature": 0}},
    ),
    "ollama": ("/api/chat", {"messages": TURN, "options": {"num_predict": 1500, "temperature": 0}}),
}
"""Route and request of an answer that goes on for a while."""


@pytest.mark.parametrize(("client", "speaks"), ACROSS)
def test_a_client_that_goes_away_frees_the_servers_slot(client: str, speaks: str, served: Served) -> None:
    path, document = LONG[client]
    connection = http.client.HTTPConnection(urlsplit(served.ccproxy).netloc, timeout=60)
    body = jsontext.dumps({"model": "m", "stream": True, **document})
    connection.request("POST", f"/straight-{speaks}{path}", body, {"content-type": "application/json"})
    answer = connection.getresponse()
    assert answer.status == 200, answer.read()
    assert answer.read1(100)
    assert is_busy(served)
    answer.close()
    connection.close()
    deadline = time.monotonic() + 30
    while is_busy(served) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not is_busy(served)


def is_busy(served: Served) -> bool:
    return any(slot["is_processing"] for slot in fetched(f"{served.llama}/slots"))
