"""`previous_response_id` and the routes of kept responses: OpenAI's SDK through a real ccproxy process, with upstreams that
keep nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import openai
import pytest

from tests.fakes.meaning import SCENARIOS
from tests.fakes.operations import operations_script
from tests.fakes.server import Upstream, ccproxy_process, config_for, free_port

KEEPS_NOTHING = ["openai", "claude", "gemini", "ollama"]
TOOLS: Any = [{"type": "function", "name": "get_weather", "parameters": {"type": "object"}, "strict": False}]
QUESTION, WORDS = "What is it like in Zürich?", "18 degrees, a light breeze"
UNKNOWN = "previous_response_not_found"


@pytest.fixture(scope="module")
def asked() -> Iterator[Upstream]:
    with Upstream(operations_script).running() as running:
        yield running


@pytest.fixture(scope="module", params=["memory", "sqlite"])
def address(request: pytest.FixtureRequest, asked: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A ccproxy with two keys, and each kind of store."""
    port, folder = free_port(), tmp_path_factory.mktemp("turns")
    path = folder / "turns.db" if request.param == "sqlite" else ""
    config = config_for(asked.port, port) + f"\n[keys]\nanna = 'cs-anna'\nbert = 'cs-bert'\n[store]\npath = '{path}'\n"
    with ccproxy_process(config, folder, port) as running:
        yield running


@contextmanager
def client(address: str, group: str, key: str = "cs-anna") -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{address}/{group}/v1", api_key=key, max_retries=0) as made:
        yield made


def create(sdk: openai.OpenAI, stream: bool, **said: Any) -> Any:
    if not stream:
        return sdk.responses.create(**said)
    with sdk.responses.stream(**said) as events:
        return events.get_final_response()


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("speaks", KEEPS_NOTHING)
def test_a_conversation_goes_on_by_the_id_of_its_last_answer(
    speaks: str, stream: bool, address: str, asked: Upstream
) -> None:
    with client(address, f"to-{speaks}") as sdk:
        first = create(sdk, stream, model="tool", input=QUESTION, instructions="Be terse.", tools=TOOLS)
        (call,) = first.output
        result: Any = [{"type": "function_call_output", "call_id": call.call_id, "output": WORDS}]
        second = create(sdk, stream, model="result", previous_response_id=first.id, input=result, tools=TOOLS)
        went_up = asked.asked[-1].document
        third = create(sdk, stream, model="text", previous_response_id=second.id, input="And tomorrow?")
        last = json.dumps(asked.asked[-1].document, ensure_ascii=False)
    assert (second.previous_response_id, third.previous_response_id) == (first.id, second.id)
    assert second.output_text == SCENARIOS["result"].text
    text = json.dumps(went_up, ensure_ascii=False)
    assert "Be terse." not in text  # instructions are those of one request alone
    for turns in (text, last):
        assert turns.index(QUESTION) < turns.index("days") < turns.index(WORDS)
        if speaks in ("openai", "claude"):
            assert turns.count("call_a1") == 2  # the call, and the result that names it
    assert last.index(WORDS) < last.index(SCENARIOS["result"].text) < last.index("And tomorrow?")
    assert "previous_response_id" not in text + last


def test_what_the_upstream_of_another_group_said_stays_in_its_group(address: str) -> None:
    with client(address, "to-claude") as sdk, client(address, "to-openai") as elsewhere:
        first = sdk.responses.create(model="text", input="hi")
        with pytest.raises(openai.NotFoundError) as refused:
            elsewhere.responses.create(model="text", previous_response_id=first.id, input="hi")
        assert refused.value.code == UNKNOWN


@pytest.mark.parametrize("key", ["cs-anna", "cs-bert"])
def test_an_answer_is_got_and_deleted_by_its_own_key_alone(key: str, address: str, asked: Upstream) -> None:
    own = key == "cs-anna"
    with client(address, "to-openai") as sdk, client(address, "to-openai", key) as asking:
        made = sdk.responses.create(model="text", input=QUESTION)
        before = len(asked.asked)
        if own:
            assert asking.responses.retrieve(made.id) == made
            (item,) = asking.responses.input_items.list(made.id)
            assert QUESTION in str(item.to_dict())
            asking.responses.delete(made.id)
        for question in (asking.responses.retrieve, asking.responses.delete, asking.responses.input_items.list):
            with pytest.raises(openai.NotFoundError, match=made.id):
                question(made.id)
        with pytest.raises(openai.NotFoundError) as refused:
            asking.responses.create(model="text", previous_response_id=made.id, input="hi")
        assert (refused.value.code, refused.value.param) == (UNKNOWN, "previous_response_id")
        assert len(asked.asked) == before
        if not own:
            assert sdk.responses.retrieve(made.id).id == made.id


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_store_false_is_not_kept(stream: bool, address: str) -> None:
    with client(address, "to-claude") as sdk:
        made = create(sdk, stream, model="text", input="hi", store=False)
        with pytest.raises(openai.NotFoundError):
            sdk.responses.retrieve(made.id)


def test_an_upstream_that_keeps_answers_gets_the_id(address: str, asked: Upstream) -> None:
    with client(address, "to-responses") as sdk:
        sdk.responses.create(model="text", previous_response_id="resp_elsewhere", input="hi")
        assert asked.asked[-1].document["previous_response_id"] == "resp_elsewhere"
        made = sdk.responses.create(model="text", input="hi")
        with pytest.raises(openai.NotFoundError):
            sdk.responses.retrieve(made.id)
