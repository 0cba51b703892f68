"""Paths of all protocols in one table."""

from __future__ import annotations

import pytest

from ccproxy.app.router import Match, Misrouted, PathTable
from ccproxy.protocols import PROTOCOLS
from tests.app.heads import head_of

NONE: frozenset[str] = frozenset()
ANTHROPIC = frozenset({"anthropic-version"})
GOOGLE = frozenset({"x-goog-api-key"})
KEY = frozenset({"?key"})
TABLE = PathTable(PROTOCOLS.values(), ["default", "qwen", "v1"])  # v1 is reserved and so no group


def match(line: str, marks: frozenset[str] = NONE) -> Match:
    head = head_of(line)
    return TABLE.match(head.method, head.path, marks, head.query)


def lost(line: str, marks: frozenset[str] = NONE) -> Misrouted:
    with pytest.raises(Misrouted) as error:
        match(line, marks)
    return error.value


CHATS = [
    ("POST /v1/chat/completions", "openai", None, ""),
    ("POST /v1/responses", "responses", None, ""),
    ("POST /v1/messages", "claude", None, ""),
    ("POST /v1/messages?beta=true", "claude", None, ""),
    ("POST /api/chat", "ollama", None, ""),
    ("POST /v1beta/models/gemini-x:generateContent", "gemini", False, "gemini-x"),
    ("POST /v1beta/models/gemini-x:streamGenerateContent?alt=sse", "gemini", True, "gemini-x"),
    ("POST /v1/models/gemini-x:streamGenerateContent", "gemini", True, "gemini-x"),
    ("POST /v1alpha/models/gemini-x:generateContent", "gemini", False, "gemini-x"),
    ("POST /models/gemini-x:generateContent", "gemini", False, "gemini-x"),
    ("POST /v1beta/models/org/name:7b:generateContent", "gemini", False, "org/name:7b"),
    ("POST /v1beta/models/org%2Fname:generateContent", "gemini", False, "org/name"),
    ("POST /v1beta/models/a%20b%25c:generateContent", "gemini", False, "a b%c"),
]


@pytest.mark.parametrize("mode", ["", "/compat", "/compat_mode"])
@pytest.mark.parametrize("group", ["", "qwen", "default"])
@pytest.mark.parametrize(("line", "protocol", "stream", "model"), CHATS)
def test_chat(line: str, protocol: str, stream: bool | None, model: str, group: str, mode: str) -> None:
    method, _, path = line.partition(" ")
    found = match(f"{method} {'/' + group if group else ''}{mode}{path}")
    assert (found.protocol.name, found.route.operation, found.group) == (protocol, "chat", group)
    assert (found.call.stream, found.call.model, found.compat) == (stream, model, mode != "")


@pytest.mark.parametrize("mode", ["", "/compat", "/compat_mode"])
@pytest.mark.parametrize("active", ["qwen", "default"])
@pytest.mark.parametrize(("line", "protocol", "stream", "model"), CHATS)
def test_switch_leads_to_the_active_group(
    line: str, protocol: str, stream: bool | None, model: str, active: str, mode: str
) -> None:
    method, _, path = line.partition(" ")
    table = PathTable(PROTOCOLS.values(), ["default", "qwen"], active)
    head = head_of(f"{method} /switch{mode}{path}")
    found = table.match(head.method, head.path, NONE, head.query)
    assert (found.protocol.name, found.group, found.compat) == (protocol, active, mode != "")
    assert (found.call.stream, found.call.model, found.call.path.startswith("/switch")) == (stream, model, False)


def test_switch_without_an_active_group_names_the_groups() -> None:
    found = lost("POST /switch/compat/v1/messages")
    assert (found.error.status, found.error.code, found.protocol.name) == (404, "no_active_group", "claude")
    assert "groups: default, qwen" in found.error.message
    assert "ccproxy switch NAME" in found.error.message


LISTS = [
    ("GET /v1/models", NONE, "openai", "models", ""),
    ("HEAD /v1/models", NONE, "openai", "models", ""),
    ("GET /v1/models/", NONE, "openai", "models", ""),
    ("GET /v1/models", ANTHROPIC, "claude", "models", ""),
    ("GET /v1/models", GOOGLE, "gemini", "models", ""),
    ("GET /v1/models", KEY, "gemini", "models", ""),
    ("GET /v1/models", frozenset({"x-goog-api-client"}), "gemini", "models", ""),
    ("GET /v1/models/gpt-5", NONE, "openai", "model", "gpt-5"),
    ("GET /v1/models/org/name", NONE, "openai", "model", "org/name"),
    ("GET /v1/models/qwen3:8b", NONE, "openai", "model", "qwen3:8b"),
    ("GET /v1/models/gpt-5", ANTHROPIC, "claude", "model", "gpt-5"),
    ("GET /v1/models/gpt-5", GOOGLE, "gemini", "model", "gpt-5"),
    ("GET /v1beta/models", NONE, "gemini", "models", ""),
    ("GET /v1beta/models", ANTHROPIC, "gemini", "models", ""),
    ("GET /v1beta/models/gpt-5", NONE, "gemini", "model", "gpt-5"),
    ("GET /api/tags", NONE, "ollama", "models", ""),
]


@pytest.mark.parametrize("group", ["", "qwen"])
@pytest.mark.parametrize(("line", "marks", "protocol", "operation", "model"), LISTS)
def test_model_lists_by_the_clients_marks(
    line: str, marks: frozenset[str], protocol: str, operation: str, model: str, group: str
) -> None:
    method, _, path = line.partition(" ")
    found = match(f"{method} {'/' + group if group else ''}{path}", marks)
    assert (found.protocol.name, found.route.operation, found.call.model) == (protocol, operation, model)
    assert found.group == group


KEPT = [
    ("GET /v1/responses/resp_1", "answer"),
    ("DELETE /v1/responses/resp%5F1/", "delete"),
    ("GET /v1/responses/resp_1/input_items?limit=2", "input"),
]


@pytest.mark.parametrize("group", ["", "qwen"])
@pytest.mark.parametrize(("line", "shape"), KEPT)
def test_what_is_kept_has_its_id_in_the_path(line: str, shape: str, group: str) -> None:
    method, _, path = line.partition(" ")
    found = match(f"{method} {'/' + group if group else ''}{path}")
    assert (found.protocol.name, found.route.operation, found.group) == ("responses", "kept", group)
    assert (found.call.id, found.call.model, found.call.shape) == ("resp_1", "", shape)


def test_the_query_goes_along() -> None:
    assert match("POST /v1beta/models/m:streamGenerateContent?alt=sse&x=").call.query == {"alt": "sse", "x": ""}


LOST = [
    ("GET /", NONE, 404, "openai", "no route /"),
    ("GET /nothing", NONE, 404, "openai", "no route /nothing"),
    ("GET /nothing", ANTHROPIC, 404, "claude", "no route /nothing"),
    ("POST /v1/chat", NONE, 404, "openai", "no route"),
    ("POST /v1/messages/batches", NONE, 404, "claude", "no route"),
    ("POST /v1/messages/batches", GOOGLE, 404, "claude", "no route"),
    ("GET /v1/responses/resp_1/more", NONE, 404, "responses", "no route"),
    ("POST /v1/responses/resp_1/cancel", NONE, 404, "responses", "no route"),
    ("POST /api/pull", NONE, 404, "ollama", "no route"),
    ("GET /v1beta/files", NONE, 404, "gemini", "no route"),
    ("POST /other/v1/messages", NONE, 404, "claude", 'no group "other"; groups: default, qwen'),
    ("POST /other/v1beta/models/m:generateContent", NONE, 404, "gemini", 'no group "other"'),
    ("POST /other/v1/nothing", NONE, 404, "openai", "no route"),
    ("POST /compat/v1/nothing", NONE, 404, "openai", "no route /compat/v1/nothing"),
    ("POST /compat/qwen/v1/messages", NONE, 404, "claude", "no route"),
    ("POST /compat/compat/v1/messages", NONE, 404, "claude", "no route"),
    ("POST /other/compat/v1/messages", NONE, 404, "claude", 'no group "other"; groups: default, qwen'),
    ("GET /qwen/compat/v1/messages", NONE, 405, "claude", "/v1/messages does not take GET; it takes POST"),
    ("POST /switch/api/chat", NONE, 404, "ollama", "no group is active"),
    ("POST /switch/switch/api/chat", NONE, 404, "ollama", "no route"),
    ("POST /qwen/switch/api/chat", NONE, 404, "ollama", "no route"),
    ("GET /switch", NONE, 404, "openai", "no route"),
    ("POST /qwen/qwen/v1/messages", NONE, 404, "claude", "no route"),
    ("POST /qwen", NONE, 404, "openai", "no route /qwen"),
    ("POST /v1/v1/messages", NONE, 404, "claude", "no route"),
    ("GET /v1/messages", NONE, 405, "claude", "/v1/messages does not take GET; it takes POST"),
    ("PUT /qwen/v1/messages", NONE, 405, "claude", "/v1/messages does not take PUT; it takes POST"),
    ("HEAD /v1/responses", NONE, 405, "responses", "it takes POST"),
    ("POST /v1/responses/resp_1", NONE, 405, "responses", "it takes DELETE, GET"),
    ("GET /v1/responses/input_tokens", NONE, 405, "responses", "it takes POST"),
    ("DELETE /api/tags", NONE, 405, "ollama", "it takes GET"),
    ("POST /v1/models", NONE, 405, "openai", "it takes GET"),
    ("POST /v1/models", ANTHROPIC, 405, "claude", "it takes GET"),
    ("DELETE /v1/models/gpt-5", NONE, 405, "openai", "it takes GET"),
    ("POST /v1/models/gpt-5", NONE, 405, "openai", "it takes GET"),
    ("GET /v1beta/models/m:generateContent", NONE, 405, "gemini", "does not take GET; it takes POST"),
    # never a paid generation
    ("POST /v1beta/models/m:predict", NONE, 404, "gemini", "no action predict"),
    ("POST /v1/models/m:generateContents", NONE, 404, "gemini", "no action generateContents"),
    ("POST /qwen/models/org/m:7b:embed", NONE, 404, "gemini", "no action embed"),
    ("POST /v1beta/models/:generateContent", NONE, 404, "gemini", "no action generateContent"),
]


@pytest.mark.parametrize(("line", "marks", "status", "protocol", "said"), LOST)
def test_no_route(line: str, marks: frozenset[str], status: int, protocol: str, said: str) -> None:
    found = lost(line, marks)
    assert (found.error.status, found.protocol.name) == (status, protocol)
    assert said in found.error.message
    methods = found.error.message.rpartition("it takes ")[2]
    assert found.error.headers == ((("allow", methods),) if status == 405 else ())


def test_a_long_path_is_not_repeated_whole() -> None:
    assert len(lost("GET /" + "x" * 5000).error.message) < 300
    assert len(lost(f"POST /{'x' * 5000}/v1/messages").error.message) < 300
    assert len(lost(f"POST /v1beta/models/m:{'x' * 5000}").error.message) < 300
    assert len(lost(f"DELETE /v1/models/{'x' * 5000}").error.message) < 300


def test_a_path_that_was_asked_before_leads_where_it_led() -> None:
    table = PathTable(PROTOCOLS.values(), ["default", "qwen"])
    paths = [("/v1/messages", ""), ("/qwen/v1/messages", "qwen"), ("/qwen/compat/v1/messages", "qwen")]
    for path, group in paths * 2:
        plain = table.match("POST", path, NONE, {})
        assert (plain.group, plain.call.query, plain.compat) == (group, {}, "compat" in path)
        assert table.match("POST", path, NONE, {"beta": "true"}).call.query == {"beta": "true"}
        with pytest.raises(Misrouted):
            table.match("DELETE", path, NONE, {})


def test_only_so_many_paths_are_remembered() -> None:
    table = PathTable(PROTOCOLS.values(), [])
    for count in range(1, 200):
        assert table.match("POST", "/" * count + "v1/messages", NONE, {}).protocol.name == "claude"
    assert len(table._known) == 64
