"""Field failures, section K: roles, the order of messages, tool results, media."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ccproxy import convert_request
from ccproxy.conversion import prepare
from ccproxy.errors import Unsupported
from ccproxy.model import Context, Target
from ccproxy.protocols import PROTOCOLS
from ccproxy.protocols.base import Call
from tests.failures.wire import Doc, asked, context_for, deltas, heard_calls, heard_text, named, streamed

DATA = "iVBORw0KGgo="
PIXEL = f"data:image/png;base64,{DATA}"
GEMINI_3 = "gemini-3-flash-preview"
QUESTION = {"role": "user", "content": "?"}
PICTURE = {"type": "input_image", "image_url": PIXEL}
CLAUDE_PICTURE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": DATA}}
INLINE = {"inlineData": {"mimeType": "image/png", "data": DATA}}


def called(id: str, name: str = "f") -> Doc:
    """A call of Responses' history."""
    return {"type": "function_call", "call_id": id, "name": name, "arguments": "{}"}


def returned(id: str, output: Any) -> Doc:
    """Its result."""
    return {"type": "function_call_output", "call_id": id, "output": output}


def turn(*ids: str) -> Doc:
    """An OpenAI turn that calls."""
    function = {"name": "f", "arguments": "{}"}
    calls = [{"id": id, "type": "function", "function": function} for id in ids]
    return {"role": "assistant", "content": None, "tool_calls": calls}


def tool(id: str, content: str) -> Doc:
    return {"role": "tool", "tool_call_id": id, "content": content}


def claude(*messages: Doc, **more: Any) -> Doc:
    return {"model": "m", "max_tokens": 99, "messages": list(messages), **more}


USE = {"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "f", "input": {}}]}


def result(*content: Doc) -> Doc:
    return {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a", "content": list(content)}]}


def openai(*messages: Doc) -> Doc:
    return {"model": "m", "messages": list(messages)}


def responses(*items: Doc) -> Doc:
    return {"model": "m", "input": [QUESTION, *items]}


def parts(document: Doc, role: str = "user") -> list[Doc]:
    return [part for content in document["contents"] if content["role"] == role for part in content["parts"]]


def response_of(document: Doc) -> Doc:
    """The only result in a Gemini request."""
    found = [part["functionResponse"] for part in parts(document) if "functionResponse" in part]
    assert len(found) == 1
    answer: Doc = found[0]["response"]
    return answer


# -- results with pictures


def test_f235_pictures_of_parallel_results_stay_with_their_own() -> None:
    """Inside of the result where the model takes that."""
    outputs = [returned(id, [{"type": "input_text", "text": id}, PICTURE]) for id in ("a", "b")]
    document = asked("responses", "gemini", responses(called("a", "fa"), called("b", "fb"), *outputs), GEMINI_3)
    found = [part["functionResponse"] for part in parts(document) if "functionResponse" in part]
    assert [(one["name"], one["response"]["result"], one["parts"]) for one in found] == [
        ("fa", "a", [INLINE]),
        ("fb", "b", [INLINE]),
    ]
    assert INLINE not in parts(document)


def test_f235_f266_before_that_they_stand_behind_the_results_and_say_whose_they_are() -> None:
    """Older models take no media inside of a result."""
    outputs = [returned(id, [{"type": "input_text", "text": id}, PICTURE]) for id in ("a", "b")]
    document = asked("responses", "gemini", responses(called("a", "fa"), called("b", "fb"), *outputs), "gemini-2.5-flash")
    results, shown = parts(document)[1:3], parts(document)[3:]
    assert [part["functionResponse"]["name"] for part in results] == ["fa", "fb"]
    assert all("parts" not in part["functionResponse"] for part in results)
    assert ["fa" in part["text"] if "text" in part else part for part in shown] == [True, INLINE, False, INLINE]
    assert "fb" in shown[2]["text"]


MIXED = [{"type": "input_text", "text": "seen"}, PICTURE]


@pytest.mark.parametrize("output", [MIXED, json.dumps(MIXED)], ids=["parts", "parts as text"])
def test_f238_a_result_of_parts_is_read_whichever_way_it_comes(output: Any) -> None:
    """As a list, or as its JSON text."""
    document = asked("responses", "gemini", responses(called("a"), returned("a", output)), GEMINI_3)
    assert response_of(document) == {"result": "seen"}
    assert json.dumps(document).count(DATA) == 1
    assert [part["functionResponse"]["parts"] for part in parts(document) if "functionResponse" in part] == [[INLINE]]


@pytest.mark.parametrize("output", [MIXED, json.dumps(MIXED)], ids=["parts", "parts as text"])
def test_f240_a_custom_tools_pictures_are_pictures_for_openai(output: Any) -> None:
    """And its words are words."""
    use = {"type": "custom_tool_call", "call_id": "a", "name": "shot", "input": "x"}
    done = {"type": "custom_tool_call_output", "call_id": "a", "output": output}
    messages = asked("responses", "openai", responses(use, done))["messages"]
    assert messages[2] == {"role": "tool", "tool_call_id": "a", "content": "seen"}
    assert messages[3]["content"][-1] == {"type": "image_url", "image_url": {"url": PIXEL}}
    assert DATA not in json.dumps(messages[:3])


@pytest.mark.parametrize("text", ['{"a": [1]}', "[1, 2]", '[{"type": "thing"}]'])
def test_f240_other_json_stays_text(text: str) -> None:
    """Only what is parts is read as parts."""
    use = {"type": "custom_tool_call", "call_id": "a", "name": "shot", "input": "x"}
    done = {"type": "custom_tool_call_output", "call_id": "a", "output": text}
    assert asked("responses", "openai", responses(use, done))["messages"][-1]["content"] == text


@pytest.mark.parametrize(("content", "text"), [([{"type": "text", "text": "seen"}], "seen"), ([], "")])
def test_f264_a_results_picture_follows_in_a_users_message(content: list[Doc], text: str) -> None:
    """OpenAI's tool messages hold text; one without any says where to look."""
    body = claude(QUESTION, USE, result(*content, CLAUDE_PICTURE))
    messages = asked("claude", "openai", body)["messages"]
    assert [message["role"] for message in messages] == ["user", "assistant", "tool", "user"]
    assert messages[2]["content"] == (text or "[shown in the next message]")
    assert messages[3]["content"][-1] == {"type": "image_url", "image_url": {"url": PIXEL}}
    assert DATA not in json.dumps(messages[:3])


@pytest.mark.parametrize("upstream", list(PROTOCOLS))
@pytest.mark.parametrize(
    ("abilities", "seen"), [({"tools"}, False), ({"tools", "vision"}, True), (set(), True)], ids=["blind", "sees", "unsaid"]
)
def test_f243_a_model_that_is_known_to_be_blind_gets_no_picture(upstream: str, abilities: set[str], seen: bool) -> None:
    """Known from the config; in messages and results, on the same protocol, too."""
    body = claude({"role": "user", "content": [CLAUDE_PICTURE]}, USE, result(CLAUDE_PICTURE))
    context = Context(client="claude", upstream=upstream, model="m")
    target = Target(protocol=upstream, model="m", abilities=frozenset(abilities))
    raw = json.dumps(body).encode()
    prepared = prepare(raw, body, PROTOCOLS["claude"], PROTOCOLS[upstream], target, context, Call())
    assert prepared.body.count(DATA.encode()) == (2 if seen else 0)
    assert prepared.body.count(b"[image left out") == (0 if seen else 2)
    assert any("see" in note for note in context.notes) != seen


# -- results


@pytest.mark.parametrize("target", ["claude", "responses", "gemini", "ollama"])
def test_f239_a_result_that_comes_twice_goes_once(target: str) -> None:
    """The last one counts, at the first one's place."""
    body = openai(QUESTION, turn("a", "b"), tool("a", "old"), tool("b", "other"), tool("a", "new"))
    said = json.dumps(asked("openai", target, body))
    assert "old" not in said
    assert said.count("new") == said.count("other") == 1
    assert said.index("new") < said.index("other")


def test_f244_results_of_one_turn_stand_in_one_message() -> None:
    """Claude wants them all right behind the calls."""
    messages = asked("openai", "claude", openai(QUESTION, turn("a", "b"), tool("a", "1"), tool("b", "2")))["messages"]
    assert [message["role"] for message in messages] == ["user", "assistant", "user"]
    assert [block["tool_use_id"] for block in messages[2]["content"]] == ["a", "b"]


@pytest.mark.parametrize(
    "output", ["{ NSFoo = bar; }", '{"cut": [1, 2', "[not, json]", "[1] and more", "{}{}", '{"a": NaN}'], ids=str
)
def test_f254_what_only_looks_like_json_is_text(output: str) -> None:
    """For Gemini, whose results are objects."""
    document = asked("responses", "gemini", responses(called("a"), returned("a", output)))
    assert response_of(document) == {"result": output}


def test_f266_json_results_are_objects_for_gemini() -> None:
    """As they are where they are objects."""
    document = asked("responses", "gemini", responses(called("a"), returned("a", '{"deep": {"z": 1, "a": [2]}}')))
    assert response_of(document) == {"deep": {"z": 1, "a": [2]}}


@pytest.mark.parametrize("key", ["$ref", "$defs"])
def test_f259_a_result_that_holds_a_schema_is_text_for_gemini(key: str) -> None:
    """It reads references in results as names of its own."""
    text = json.dumps({"deep": [{key: "#/x"}]})
    assert response_of(asked("openai", "gemini", openai(QUESTION, turn("a"), tool("a", text)))) == {"result": text}


@pytest.mark.parametrize("target", ["openai", "responses", "gemini", "ollama"])
def test_f263_a_call_without_a_result_gets_one_that_says_so(target: str) -> None:
    """Of a session that was cancelled or compacted."""
    converted = convert_request(claude(QUESTION, USE, QUESTION), source="claude", target=target)
    assert converted.body.count(b"interrupted") == 1
    assert any("without a result" in note for note in converted.notes)


@pytest.mark.parametrize("target", ["openai", "responses", "gemini", "ollama"])
def test_f263_a_result_without_a_call_is_the_users_text(target: str) -> None:
    """Nothing is lost, and nothing answers a call that is not there."""
    body = claude(QUESTION, result({"type": "text", "text": "seen"}))
    said = json.dumps(asked("claude", target, body))
    assert said.count("seen") == 1
    assert "functionResponse" not in said
    assert "call_output" not in said
    assert '"tool"' not in said


def test_f263_the_same_toward_claude() -> None:
    """Both halves."""
    messages = asked("openai", "claude", openai(QUESTION, turn("a"), QUESTION))["messages"]
    assert [block["type"] for block in messages[2]["content"]] == ["tool_result", "text"]
    assert messages[2]["content"][0]["is_error"] is True
    assert "tool_result" not in json.dumps(asked("openai", "claude", openai(QUESTION, tool("a", "seen"))))


@pytest.mark.parametrize("target", ["openai", "ollama"])
def test_f262_calls_join_the_words_before_them(target: str) -> None:
    """One turn is one message."""
    words = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "I look."}]}
    items = [words, called("a", "fa"), called("b", "fb"), returned("a", "1"), returned("b", "2")]
    messages = asked("responses", target, responses(*items))["messages"]
    assert [message["role"] for message in messages] == ["user", "assistant", "tool", "tool"]
    assert messages[1]["content"] == "I look."
    assert [call["function"]["name"] for call in messages[1]["tool_calls"]] == ["fa", "fb"]


# -- turns


@pytest.mark.parametrize("first", [{"role": "assistant", "content": "Hi"}, turn("a")], ids=["words", "a call"])
@pytest.mark.parametrize("target", ["gemini", "claude"])
def test_f236_a_history_that_begins_with_the_model_gets_a_users_turn_before_it(target: str, first: Doc) -> None:
    """Of a client that cut its beginning off."""
    rest = [tool("a", "1")] if first["content"] is None else []
    document = asked("openai", target, openai(first, *rest, QUESTION))
    turns = document.get("contents") or document["messages"]
    assert [one["role"] for one in turns] == ["user", "model" if target == "gemini" else "assistant", "user"]
    assert json.dumps(turns[0]).count("text") or turns[0]["content"]


@pytest.mark.parametrize(
    ("target", "model", "kept"),
    [("gemini", "gemini-2.5-flash", False), ("claude", "claude-opus-4-7", False), ("claude", "claude-sonnet-4-5", True)],
)
def test_f247_a_conversation_that_ends_with_the_model_ends_with_the_user(target: str, model: str, kept: bool) -> None:
    """Except where the model goes on from a turn of its own."""
    document = asked("openai", target, openai(QUESTION, {"role": "assistant", "content": "So"}), model)
    turns = document.get("contents") or document["messages"]
    assert (turns[-1]["role"] == "user") != kept
    assert "So" in json.dumps(turns)


def test_f270_a_beginning_that_claude_goes_on_from_ends_without_blanks() -> None:
    """And only that one."""
    mine = {"role": "assistant", "content": "So: \n"}
    messages = asked("openai", "claude", openai(QUESTION, mine, QUESTION, mine), "claude-sonnet-4-5")["messages"]
    assert [message["content"][0]["text"] for message in messages] == ["?", "So: \n", "?", "So:"]


@pytest.mark.parametrize("target", ["claude", "gemini"])
@pytest.mark.parametrize("source", ["openai", "responses", "ollama"])
def test_f268_a_system_prompt_alone_gets_a_users_turn(source: str, target: str) -> None:
    """Where there must be one."""
    said = [{"role": "system", "content": "Be kind."}]
    body = {"model": "m", "input" if source == "responses" else "messages": said}
    document = asked(source, target, body)
    turns = document.get("contents") or document["messages"]
    assert [one["role"] for one in turns] == ["user"]
    assert turns[0].get("parts") or turns[0]["content"]
    assert "Be kind." in json.dumps(document.get("system") or document["systemInstruction"])


def test_f256_the_whole_history_goes_to_responses() -> None:
    """In order, with calls and results."""
    use = {"role": "assistant", "content": [{"type": "text", "text": "two"}, *USE["content"]]}
    seen = result({"type": "text", "text": "three"})
    body = claude({"role": "user", "content": "one"}, use, seen, {"role": "assistant", "content": "four"}, QUESTION)
    items = asked("claude", "responses", body)["input"]
    kinds = ["message", "message", "function_call", "function_call_output", "message", "message"]
    assert [item["type"] for item in items] == kinds
    said = json.dumps(items)
    places = [said.index(word) for word in ("one", "two", '"call_id"', "three", "four")]
    assert places == sorted(places)


@pytest.mark.parametrize("target", ["openai", "responses", "gemini", "ollama"])
@pytest.mark.parametrize("as_list", [False, True], ids=["text", "blocks"])
def test_f251_a_system_message_in_mid_conversation_keeps_its_place(target: str, as_list: bool) -> None:
    """It is neither lost nor moved to the front, where it would spoil caches (DESIGN 4)."""
    note = [{"type": "text", "text": "note"}] if as_list else "note"
    turns = [{"role": "user", "content": "one"}, {"role": "system", "content": note}, {"role": "user", "content": "two"}]
    document = asked("claude", target, claude(*turns, system="S"))
    said = json.dumps(document.get("messages") or document.get("input") or document["contents"])
    assert said.index("one") < said.index("note") < said.index("two")
    if target == "gemini":
        assert '"system"' not in said
        assert "<system>" in said
    else:
        assert said.count('"developer"' if target == "responses" else '"system"') == (
            2 if target in ("openai", "ollama") else 1
        )


@pytest.mark.parametrize("target", ["openai", "responses", "gemini", "ollama"])
def test_f258_a_leading_system_message_joins_the_system_prompt(target: str) -> None:
    """Newer Claude Code sends one among the messages."""
    document = asked("claude", target, claude({"role": "system", "content": "lead"}, QUESTION, system="S"))
    turns = document.get("contents") or document.get("input") or document["messages"]
    system = document.get("instructions") or document.get("systemInstruction") or turns[0]
    assert "lead" in json.dumps(system)
    assert "lead" not in json.dumps(turns[1:] if target in ("openai", "ollama") else turns)


# -- server tools


SEARCHED: list[Doc] = [
    {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "q"}},
    {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []},
    {"type": "text", "text": "Found."},
]


def test_f255_claudes_server_tools_and_their_results_go_together() -> None:
    """Both back to Claude, neither to anybody else."""
    body = claude(QUESTION, {"role": "assistant", "content": SEARCHED}, QUESTION)
    chat, context = PROTOCOLS["claude"].chat, context_for("claude", "claude")
    again = chat.write_request(chat.read_request(body, context, Call()), Target(protocol="claude", model="m"), context)
    assert again["messages"] == body["messages"]
    for target in ("openai", "responses", "gemini", "ollama"):
        said = json.dumps(asked("claude", target, body))
        assert "Found." in said
        assert "srvtoolu" not in said
        assert "web_search" not in said


@pytest.mark.parametrize("client", ["openai", "claude", "gemini", "ollama"])
def test_another_makers_search_leaves_its_words_and_sources(client: str) -> None:
    """Its call and result stay with their maker (DESIGN 4), and the client is never asked to run it."""
    search = {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "query": "q"}}
    cited = {"type": "url_citation", "url": "https://x.example", "title": "T", "start_index": 0, "end_index": 6}
    place = {"output_index": 1, "content_index": 0, "item_id": "msg_1"}
    text = {"type": "output_text", "text": "Found.", "annotations": [cited]}
    message = {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [text]}
    response = {"id": "resp_1", "object": "response", "model": "up", "status": "in_progress", "output": []}
    usage = {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3}
    data = named(
        {"type": "response.created", "response": response},
        {"type": "response.output_item.added", "output_index": 0, "item": {**search, "status": "in_progress"}},
        {"type": "response.web_search_call.searching", "output_index": 0, "item_id": "ws_1"},
        {"type": "response.output_item.done", "output_index": 0, "item": search},
        {"type": "response.output_item.added", "output_index": 1, "item": {**message, "content": []}},
        {"type": "response.content_part.added", **place, "part": {**text, "text": "", "annotations": []}},
        {"type": "response.output_text.delta", **place, "delta": "Found."},
        {"type": "response.output_text.annotation.added", **place, "annotation_index": 0, "annotation": cited},
        {"type": "response.output_item.done", "output_index": 1, "item": message},
        {
            "type": "response.completed",
            "response": {**response, "status": "completed", "output": [search, message], "usage": usage},
        },
    )
    events = streamed(client, "responses", data)
    assert heard_text(client, events) == "Found."
    assert heard_calls(client, events) == []
    assert "ws_1" not in json.dumps(events)
    assert ("https://x.example" in json.dumps(events)) == (client != "ollama")


CITED = {
    "type": "web_search_result_location",
    "url": "https://x.example",
    "title": "T",
    "cited_text": "c",
    "encrypted_index": "e",
}


def claude_stream(*events: Doc) -> bytes:
    message = {"id": "m", "model": "up", "content": [], "usage": {"input_tokens": 7}}
    end = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 3}}
    return named({"type": "message_start", "message": message}, *events, end, {"type": "message_stop"})


def text_block(index: int, *deltas: Doc) -> list[Doc]:
    start = {"type": "content_block_start", "index": index, "content_block": {"type": "text", "text": ""}}
    stop = {"type": "content_block_stop", "index": index}
    return [start, *({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas), stop]


def said(text: str) -> Doc:
    return {"type": "text_delta", "text": text}


def test_f252_text_with_sources_is_one_message_with_annotations() -> None:
    """Claude cuts a cited text into blocks."""
    cite = {"type": "citations_delta", "citation": CITED}
    data = claude_stream(*text_block(0, said("One ")), *text_block(1, cite, said("two")), *text_block(2, said(" three")))
    output = streamed("responses", "claude", data)[-1]["response"]["output"]
    assert len(output) == 1
    [text] = output[0]["content"]
    assert text["text"] == "One two three"
    [annotation] = text["annotations"]
    assert annotation == {
        "type": "url_citation",
        "url": "https://x.example",
        "title": "T",
        "start_index": 4,
        "end_index": 7,
    }


def test_f260_the_first_chunk_says_whose_message_it_is() -> None:
    """Once."""
    found = deltas(streamed("openai", "claude", claude_stream(*text_block(0, said("a"), said("b")))))
    assert [delta.get("role") for delta in found] == ["assistant", *[None] * (len(found) - 1)]


# -- media


def test_f242_a_pdf_is_a_file_with_its_name() -> None:
    """For Responses."""
    source = {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="}
    body = claude({"role": "user", "content": [{"type": "document", "title": "a.pdf", "source": source}]})
    [part] = asked("claude", "responses", body)["input"][0]["content"]
    assert part == {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERi0="}


def test_f242_a_pdf_without_a_name_gets_one() -> None:
    """Responses wants one beside data."""
    source = {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="}
    body = claude({"role": "user", "content": [{"type": "document", "source": source}]})
    [part] = asked("claude", "responses", body)["input"][0]["content"]
    assert part["filename"].endswith(".pdf")


@pytest.mark.parametrize("detail", ["low", "high"])
def test_f246_how_closely_to_look_is_kept(detail: str) -> None:
    """Both ways between OpenAI's protocols."""
    body = {"model": "m", "input": [{"role": "user", "content": [{**PICTURE, "detail": detail}]}]}
    [part] = asked("responses", "openai", body)["messages"][0]["content"]
    assert part == {"type": "image_url", "image_url": {"url": PIXEL, "detail": detail}}
    again = asked("openai", "responses", openai({"role": "user", "content": [part]}))
    assert again["input"][0]["content"] == [{**PICTURE, "detail": detail}]


URL = "https://x.example/a.png"


@pytest.mark.parametrize(
    ("url", "source"),
    [(URL, {"type": "url", "url": URL}), (PIXEL, {"type": "base64", "media_type": "image/png", "data": DATA})],
    ids=["url", "data"],
)
def test_f267_a_pictures_source_is_of_the_kind_that_was_sent(url: str, source: Doc) -> None:
    """Both ways between OpenAI and Claude."""
    content = [{"type": "image_url", "image_url": {"url": url}}]
    sent = asked("openai", "claude", openai({"role": "user", "content": content}))["messages"][0]["content"]
    assert sent == [{"type": "image", "source": source}]
    assert asked("claude", "openai", claude({"role": "user", "content": sent}))["messages"][0]["content"] == content


@pytest.mark.parametrize("target", ["openai", "responses", "gemini"])
def test_f267_another_makers_file_is_named_as_left_out(target: str) -> None:
    """Its id means nothing elsewhere; and Ollama, which cannot be told, is not asked."""
    body = claude({"role": "user", "content": [{"type": "image", "source": {"type": "file", "file_id": "file_1"}}]})
    converted = convert_request(body, source="claude", target=target)
    assert b"file_1" not in converted.body
    assert b"image left out" in converted.body
    assert converted.notes
    with pytest.raises(Unsupported):
        convert_request(body, source="claude", target="ollama")


@pytest.mark.parametrize("url", ["gs://bucket/a.png", URL])
def test_f271_addresses_of_pictures_go_to_gemini_as_addresses(url: str) -> None:
    """Gemini API, "File input methods": it fetches public URLs itself, so that nothing has to be loaded here."""
    content = [{"type": "image_url", "image_url": {"url": url}}]
    document = asked("openai", "gemini", openai({"role": "user", "content": content}))
    assert parts(document) == [{"fileData": {"fileUri": url, "mimeType": "image/png"}}]
