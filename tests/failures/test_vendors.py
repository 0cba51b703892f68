"""Lines of several sections that the table of vendor quirks answers (`ccproxy.policy.quirks`)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ccproxy.model import Traits
from ccproxy.policy.fitting import repaired
from ccproxy.policy.vendors import BUILT_IN
from ccproxy.protocols.failures import read_error
from tests.policy.test_vendors import CALLED, HI, asked, sent


def history_at(client: str, where: str, messages: list[Any]) -> list[dict[str, Any]]:
    """The messages as they go up to a chat completions vendor."""
    prepared, _ = sent(client, "openai", where, {"model": "alias", "max_tokens": 9, "messages": messages})
    told: list[dict[str, Any]] = json.loads(prepared.body)["messages"]
    return told


def test_f031_mistral_gets_ids_of_nine_letters_and_digits() -> None:
    """Any other id is refused there; call and result carry the same one, in every turn."""
    first = history_at("claude", "@api.mistral.ai mistral-large", CALLED)
    id = first[1]["tool_calls"][0]["id"]
    assert len(id) == 9
    assert id.isalnum()
    assert first[2]["tool_call_id"] == id
    assert history_at("claude", "@api.mistral.ai mistral-large", [*CALLED, HI])[: len(first)] == first


@pytest.mark.parametrize(("where", "member"), [("deepseek-v4-pro", "deepseek"), ("kimi-k2.5", "moonshot")])
def test_f131_thoughts_go_back_to_vendors_that_want_them(where: str, member: str) -> None:
    """Without their own words vendors refuse the next turn or think worse; others never see them."""
    hosts = {"deepseek": "@api.deepseek.com", "moonshot": "@api.moonshot.ai"}
    assert history_at("claude", f"{hosts[member]} {where}", CALLED)[1]["reasoning_content"] == "Look."
    assert "reasoning_content" not in history_at("claude", "@api.openai.com gpt-4.1", CALLED)[1]


def test_f231_a_failed_generation_is_asked_for_once_more() -> None:
    """Groq answers 400 when its model wrote a call that does not parse; the same request may well succeed."""
    request = {"model": "m", "messages": [HI]}
    body = b'{"error": {"message": "Failed to call a function.", "code": "tool_use_failed", "failed_generation": "<f>"}}'
    error = read_error("openai", 400, [], body)
    groq = BUILT_IN.traits("", "api.groq.com", "m", "/chat/completions")
    assert repaired(request, error, groq, print) == request
    assert repaired(request, error, Traits(), print) is None


@pytest.mark.parametrize("member", ["prompt_cache_retention", "prompt_cache_options", "stream_options", "client_metadata"])
def test_f274_what_a_strict_responses_upstream_refuses_is_left_out_and_asked_again(member: str) -> None:
    """Knobs of the cache and the client's own notes: the request can do without, so one refusal is enough to learn."""
    request = {"model": "m", "input": "Hi", member: {}}
    body = json.dumps({"error": {"message": f"Unsupported parameter: '{member}'", "param": member, "code": None}})
    error = read_error("responses", 400, [], body.encode())
    strict = BUILT_IN.traits("", "strict.example", "m", "/responses")
    assert repaired(request, error, strict, lambda sentence: None) == {"model": "m", "input": "Hi"}


@pytest.mark.parametrize("model", ["o3", "gpt-5", "openai/o4-mini"])
def test_f288_reasoning_models_of_openai_get_what_they_take(model: str) -> None:
    """max_tokens under its new name, and no sampling values, which they refuse."""
    up = asked("claude", "openai", model, temperature=0.5, top_p=0.9)
    assert up["max_completion_tokens"] == 100
    assert not up.keys() & {"max_tokens", "temperature", "top_p"}
    plain = asked("claude", "openai", "gpt-4.1", temperature=0.5)
    assert (plain["max_tokens"], plain["temperature"]) == (100, 0.5)


@pytest.mark.parametrize("where", ["@api.mistral.ai mistral-large", "@x.services.ai.azure.com Mistral-Large-2411"])
def test_f292_mistral_keeps_the_old_name_of_the_limit(where: str) -> None:
    """On Azure too, where the new name is a 400."""
    prepared, _ = sent("openai", "openai", where, {"model": "alias", "messages": [HI], "max_completion_tokens": 9})
    document = json.loads(prepared.body)
    assert document["max_tokens"] == 9
    assert "max_completion_tokens" not in document
