"""What is no chat, and the rarer spellings of a chat, through a real ccproxy process, with the official SDKs as clients."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import anthropic
import google.genai
import google.genai.errors
import google.genai.types
import ollama
import openai
import pytest

from tests.fakes.meaning import SCENARIOS, WEATHER
from tests.fakes.operations import COUNT, vector
from tests.fakes.server import Upstream

PROTOCOLS = ["openai", "responses", "claude", "gemini", "ollama"]
EMBEDDING = ["openai", "gemini", "ollama"]
TEXTS = ["one", "three", "éclair"]
VECTORS = [vector(text, 2) for text in TEXTS]
THINKING = SCENARIOS["thinking"]


@contextmanager
def openai_client(address: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{address}/v1", api_key="sk-client", max_retries=0) as client:
        yield client


@contextmanager
def gemini_client(address: str) -> Iterator[google.genai.Client]:
    options = google.genai.types.HttpOptions(base_url=address)
    client = google.genai.Client(api_key="sk-client", http_options=options)
    try:
        yield client
    finally:
        client.close()


@contextmanager
def ollama_client(address: str) -> Iterator[ollama.Client]:
    client = ollama.Client(host=address)
    try:
        yield client
    finally:
        client._client.close()


@contextmanager
def claude_client(address: str) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=address, api_key="sk-client", max_retries=0) as client:
        yield client


def posted(url: str, document: Any = None) -> tuple[int, bytes]:
    """(status, body) of a request without an SDK."""
    body = None if document is None else json.dumps(document).encode()
    request = urllib.request.Request(url, body, {"content-type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


# ---------------------------------------------------------------------------------------------------------------------
# Embeddings


@pytest.mark.parametrize("encoding", ["base64", "float", None])
@pytest.mark.parametrize("speaks", EMBEDDING)
def test_openais_sdk_gets_vectors(speaks: str, encoding: Any, ccproxy: str, upstream: Upstream) -> None:
    """The SDK asks for base64 by itself where it is told nothing."""
    said = {} if encoding is None else {"encoding_format": encoding}
    with openai_client(f"{ccproxy}/to-{speaks}") as client:
        answer = client.embeddings.create(model="asked", input=TEXTS, dimensions=2, **said)
        one = client.embeddings.create(model="asked", input="one", **said)
    rows = [row.embedding for row in answer.data]
    if encoding == "base64":  # asked for by name, it is not decoded by the SDK
        assert all(isinstance(row, str) for row in rows)
    else:
        assert rows == VECTORS
        assert one.data[0].embedding == vector("one")
    assert answer.model == ("up" if speaks == "openai" else "asked")
    assert answer.usage.total_tokens > 0
    assert upstream.asked[-1].protocol == speaks


@pytest.mark.parametrize("speaks", EMBEDDING)
def test_geminis_sdk_gets_vectors(speaks: str, ccproxy: str) -> None:
    config = google.genai.types.EmbedContentConfig(output_dimensionality=2, task_type="RETRIEVAL_QUERY")
    with gemini_client(f"{ccproxy}/to-{speaks}") as client:
        answer = client.models.embed_content(model="asked", contents=TEXTS, config=config)
    assert [row.values for row in answer.embeddings or []] == VECTORS


@pytest.mark.parametrize("speaks", EMBEDDING)
def test_a_single_content_is_answered_as_one(speaks: str, ccproxy: str) -> None:
    url = f"{ccproxy}/to-{speaks}/v1beta/models/asked:embedContent"
    status, body = posted(url, {"content": {"parts": [{"text": "one"}]}})
    assert (status, json.loads(body)["embedding"]) == (200, {"values": vector("one")})


@pytest.mark.parametrize("speaks", EMBEDDING)
def test_ollamas_sdk_gets_vectors(speaks: str, ccproxy: str) -> None:
    with ollama_client(f"{ccproxy}/to-{speaks}") as client:
        answer = client.embed(model="asked", input=TEXTS, dimensions=2)
        legacy = client.embeddings(model="asked", prompt="one")
    assert answer.embeddings == VECTORS
    assert legacy.embedding == vector("one")


@pytest.mark.parametrize("speaks", ["claude", "responses"])
def test_an_upstream_without_embeddings_is_not_asked(speaks: str, ccproxy: str, upstream: Upstream) -> None:
    before = len(upstream.asked)
    with openai_client(f"{ccproxy}/to-{speaks}") as client, pytest.raises(openai.BadRequestError, match=speaks):
        client.embeddings.create(model="asked", input="one")
    assert len(upstream.asked) == before


def test_token_ids_stay_with_their_own_protocol(ccproxy: str, upstream: Upstream) -> None:
    with openai_client(f"{ccproxy}/to-gemini") as client, pytest.raises(openai.BadRequestError, match="token ids"):
        client.embeddings.create(model="asked", input=[[1, 2], [3]])


def test_claude_has_no_embeddings(ccproxy: str) -> None:
    status, body = posted(f"{ccproxy}/to-openai/v1/claude/embeddings", {"model": "asked", "input": "one"})
    document = json.loads(body)
    assert (status, document["type"], document["error"]["type"]) == (501, "error", "api_error")
    assert "embeddings" in document["error"]["message"]


# ---------------------------------------------------------------------------------------------------------------------
# Counts

WORDS = "The quick brown fox jumps over the lazy dog. " * 20


def count_of(client_speaks: str, address: str) -> int:
    if client_speaks == "claude":
        with claude_client(address) as claude:
            messages: Any = [{"role": "user", "content": WORDS}]
            return claude.messages.count_tokens(model="asked", messages=messages, system="Be brief.").input_tokens
    if client_speaks == "gemini":
        with gemini_client(address) as gemini:
            return gemini.models.count_tokens(model="asked", contents=WORDS).total_tokens or 0
    with openai_client(address) as responses:
        return responses.responses.input_tokens.count(model="asked", input=WORDS).input_tokens


@pytest.mark.parametrize("speaks", PROTOCOLS)
@pytest.mark.parametrize("client", ["claude", "gemini", "responses"])
def test_a_count_is_the_upstreams_or_an_estimate(client: str, speaks: str, ccproxy: str, upstream: Upstream) -> None:
    before = len(upstream.asked)
    count = count_of(client, f"{ccproxy}/to-{speaks}")
    if client == speaks:
        assert count == COUNT
        assert len(upstream.asked) == before + 1
        assert "sk-up" in json.dumps(upstream.asked[-1].headers)
    else:
        assert 200 < count < 300
        assert len(upstream.asked) == before


# ---------------------------------------------------------------------------------------------------------------------
# Ollama's other routes


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("speaks", PROTOCOLS)
def test_generate(speaks: str, stream: bool, ccproxy: str, upstream: Upstream) -> None:
    with ollama_client(f"{ccproxy}/to-{speaks}") as client:
        asked: dict[str, Any] = {"model": "thinking", "prompt": "Why?", "system": "Be brief.", "think": True}
        chunks = list(client.generate(**asked, stream=True)) if stream else [client.generate(**asked)]
    assert "".join(chunk.response for chunk in chunks) == THINKING.text
    assert "".join(chunk.thinking or "" for chunk in chunks) == THINKING.thinking
    last = chunks[-1]
    assert (last.done, last.done_reason, last.prompt_eval_count) == (True, "stop", THINKING.input)
    went_up = json.dumps(upstream.asked[-1].document)
    assert "Why?" in went_up
    assert "Be brief." in went_up
    assert upstream.asked[-1].path == ("api/generate" if speaks == "ollama" else upstream.asked[-1].path)


def test_a_model_that_is_elsewhere_is_loaded_at_once(ccproxy: str, upstream: Upstream) -> None:
    before = len(upstream.asked)
    with ollama_client(f"{ccproxy}/to-openai") as client:
        whole = client.generate(model="asked")
        (chunk,) = client.chat(model="asked", messages=[], stream=True)
    assert (whole.done, whole.done_reason, whole.model) == (True, "load", "asked")
    assert (chunk.done, chunk.done_reason) == (True, "load")
    assert len(upstream.asked) == before


def test_raw_prompts_stay_with_ollama(ccproxy: str) -> None:
    with ollama_client(f"{ccproxy}/to-openai") as client, pytest.raises(ollama.ResponseError, match="raw") as refused:
        client.generate(model="text", prompt="x", raw=True)
    assert refused.value.status_code == 400


def test_show_ps_and_version(ccproxy: str, upstream: Upstream) -> None:
    before = len(upstream.asked)
    with ollama_client(f"{ccproxy}/to-claude") as client:
        shown = client.show("anything")
        assert shown.modelinfo is not None
        assert shown.modelinfo["general.architecture"]
        assert shown.capabilities is not None
        assert "tools" in shown.capabilities
        assert client.ps().models == []
    status, body = posted(f"{ccproxy}/api/version")
    assert (status, list(json.loads(body))) == (200, ["version"])
    assert len(upstream.asked) == before


# ---------------------------------------------------------------------------------------------------------------------
# Rarer spellings of a chat


@pytest.mark.parametrize("speaks", PROTOCOLS)
def test_geminis_stream_is_an_array_without_alt(speaks: str, ccproxy: str) -> None:
    contents = [{"role": "user", "parts": [{"text": "hi"}]}]
    url = f"{ccproxy}/to-{speaks}/v1beta/models/text:streamGenerateContent"
    status, body = posted(url, {"contents": contents})
    chunks = [google.genai.types.GenerateContentResponse(**chunk) for chunk in json.loads(body)]
    assert (status, "".join(chunk.text or "" for chunk in chunks)) == (200, SCENARIOS["text"].text)
    assert [c.finish_reason.value for chunk in chunks for c in chunk.candidates or [] if c.finish_reason] == ["STOP"]


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("speaks", PROTOCOLS)
def test_legacy_functions(speaks: str, stream: bool, ccproxy: str, upstream: Upstream) -> None:
    """One call comes back as `function_call`; what an upstream of another protocol is asked has it as a tool."""
    function = {"name": "get_weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}
    asked: dict[str, Any] = {"model": "tool", "messages": [{"role": "user", "content": "hi"}], "functions": [function]}
    with openai_client(f"{ccproxy}/to-{speaks}") as client:
        if stream:
            deltas = [c for chunk in client.chat.completions.create(**asked, stream=True) for c in chunk.choices]
            calls: list[Any] = [one.delta.function_call for one in deltas if one.delta.function_call]
            finish = [one.finish_reason for one in deltas if one.finish_reason]
        else:
            (choice,) = client.chat.completions.create(**asked).choices
            calls, finish = [choice.message.function_call], [choice.finish_reason]
    if speaks != "openai":  # there the upstream's own answer passes, and ours knows no functions
        assert "".join(call.name or "" for call in calls) == "get_weather"
        assert json.loads("".join(call.arguments or "" for call in calls)) == WEATHER
        assert finish == ["function_call"]
    assert "get_weather" in json.dumps(upstream.asked[-1].document)
