"""Earlier responses: how a request is merged with them, and what the routes say of them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openai.types.responses import ResponseInputItem, ResponseItem, ResponseItemList
from pydantic import TypeAdapter

from ccproxy.errors import RequestError
from ccproxy.model import Context
from ccproxy.protocols.base import Call, Kept
from ccproxy.protocols.responses.history import ANSWER, DELETE, HISTORY, INPUT
from ccproxy.protocols.responses.requests_in import read_request
from ccproxy.protocols.responses.terms import write_error

INPUT_ITEMS: TypeAdapter[Any] = TypeAdapter(list[ResponseInputItem])
HI = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]}
CALL = {"id": "fc_1", "type": "function_call", "call_id": "call_1", "name": "f", "arguments": "{}", "status": "completed"}
RESULT = {"type": "function_call_output", "call_id": "call_1", "output": "fine"}
ANSWERED: dict[str, Any] = {"id": "resp_1", "object": "response", "output": [CALL], "instructions": "Be brief."}


def context() -> Context:
    return Context(client="responses", upstream="other")


def kept(*said: Any, answer: dict[str, Any] = ANSWERED) -> Kept:
    return Kept(json.dumps(said).encode(), answer)


@pytest.mark.parametrize(
    ("document", "id"),
    [
        ({}, ""),
        ({"previous_response_id": None}, ""),
        ({"previous_response_id": ""}, ""),
        ({"previous_response_id": "r"}, "r"),
    ],
)
def test_which_response_a_request_names(document: dict[str, Any], id: str) -> None:
    assert HISTORY.previous(document) == id


@pytest.mark.parametrize("id", [1, True, ["r"], {}])
def test_an_id_is_text(id: Any) -> None:
    with pytest.raises(RequestError) as error:
        HISTORY.previous({"previous_response_id": id})
    assert error.value.param == "previous_response_id"


def test_earlier_turns_come_first_and_nothing_else_of_them() -> None:
    document = {"model": "m", "previous_response_id": "resp_1", "input": [RESULT], "temperature": 0}
    shared = context()
    merged = HISTORY.merge(document, kept(HI), shared)
    assert merged == {"model": "m", "input": [HI, CALL, RESULT], "temperature": 0}
    assert document["input"] == [RESULT]
    INPUT_ITEMS.validate_python(merged["input"])
    request = read_request(merged, shared, Call())
    assert [message.role for message in request.messages] == ["user", "assistant", "tool"]
    assert request.system == []
    assert shared.echo["previous_response_id"] == "resp_1"


@pytest.mark.parametrize(("given", "turns"), [("hi", [HI]), ([HI], [HI]), ([], []), (None, [])])
def test_every_spelling_of_the_input_is_merged_and_kept(given: Any, turns: list[Any]) -> None:
    document = {"previous_response_id": "resp_1", "input": given}
    assert HISTORY.merge(document, kept(), context())["input"] == [CALL, *turns]
    assert json.loads(HISTORY.said(document) or b"") == turns


@pytest.mark.parametrize("given", [1, True, {}])
def test_no_other_input_is_merged(given: Any) -> None:
    with pytest.raises(RequestError) as error:
        HISTORY.merge({"previous_response_id": "resp_1", "input": given}, kept(), context())
    assert error.value.param == "input"


@pytest.mark.parametrize(("store", "is_kept"), [(None, True), (True, True), (False, False)])
def test_store_false_is_not_kept(store: Any, is_kept: bool) -> None:
    assert (HISTORY.said({"input": "hi", "store": store}) is not None) is is_kept


def test_an_unknown_id_is_the_error_that_the_protocols_clients_know() -> None:
    error = HISTORY.unknown("resp_9")
    assert error.status == 404
    document: Any = write_error(error)["error"]
    assert (document["code"], document["param"]) == ("previous_response_not_found", "previous_response_id")
    assert document["type"] == "invalid_request_error"
    assert "resp_9" in document["message"]
    assert HISTORY.missing("resp_9").status == 404


def test_the_answer_is_shown_as_it_was() -> None:
    assert HISTORY.views[ANSWER]("resp_1", kept(), {}) == ANSWERED
    with pytest.raises(RequestError) as error:
        HISTORY.views[ANSWER]("resp_1", kept(), {"stream": "true"})
    assert error.value.param == "stream"


def test_only_a_deletion_forgets() -> None:
    assert HISTORY.forgets == {DELETE}
    assert HISTORY.views[DELETE]("resp_1", kept(), {}) == {"id": "resp_1", "object": "response", "deleted": True}


TURNS = [{"role": "user", "content": [{"type": "input_text", "text": f"{n}"}]} for n in range(3)]


def listed(query: dict[str, str]) -> Any:
    return HISTORY.views[INPUT]("resp_1", kept(*TURNS, CALL, RESULT), query)


def test_input_items_are_the_sdks() -> None:
    document = listed({})
    assert (document["object"], document["has_more"], len(document["data"])) == ("list", False, 5)
    ResponseItemList.model_validate(document)
    TypeAdapter(list[ResponseItem]).validate_python(document["data"])
    ids = [item["id"] for item in document["data"]]
    assert len(set(ids)) == 5
    assert ids[1] == "fc_1"
    assert ids == [item["id"] for item in listed({"order": "asc"})["data"]][::-1]


def test_pages_join_up() -> None:
    seen: list[Any] = []
    query = {"order": "asc", "limit": "2"}
    while True:
        page = listed(query)
        seen += page["data"]
        if not page["has_more"]:
            break
        query["after"] = page["last_id"]
    assert seen == listed({"order": "asc"})["data"]
    assert listed({"after": seen[0]["id"]})["data"] == []


def test_nothing_was_said() -> None:
    document = HISTORY.views[INPUT]("resp_1", kept(), {})
    assert (document["data"], document["first_id"], document["last_id"]) == ([], None, None)


@pytest.mark.parametrize("limit", ["0", "101", "-1", "x", "9" * 5_000])
def test_a_page_has_a_size(limit: str) -> None:
    with pytest.raises(RequestError) as error:
        listed({"limit": limit})
    assert error.value.param == "limit"
