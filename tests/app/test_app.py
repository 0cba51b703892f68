"""App.head as a whole: what a request's head decides, before any body is read."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any

import pytest

from ccproxy.actions import Accept, Action, Dial, Finished, Reply
from ccproxy.app import App, log_record
from ccproxy.config import RESERVED, loads
from ccproxy.errors import CcproxyError, ConfigError, RequestError, UpstreamError
from ccproxy.model import Usage
from ccproxy.plans import Attempt, Record
from ccproxy.protocols import PROTOCOLS
from tests.app.heads import head_of

OPEN = """
[providers.up]
protocol = "openai"
base_url = "https://up.example/base/v1"
api_keys = ["sk-one", "sk-two"]
headers = { x-team = "blue" }
[providers.anthropic]
protocol = "claude"
base_url = "https://claude.example/v1"
defaults = { temperature = 0.5 }
[providers.local]
protocol = "ollama"
base_url = "http://127.0.0.1:9/"
proxy = "socks5://127.0.0.1:1080"
stream = "never"
warm = 2
[limits]
max_body = 2048
[timeouts]
connect = 3
[groups.default.models]
fast = "up/gpt-fast"
"own/*" = "local/*"
[groups.qwen.models]
fast = "anthropic/claude-fast"
"""
KEYS = """
[keys]
laptop = "cs-laptop"
ci = "cs-ci"
"""
CLOSED = KEYS + OPEN.replace("[groups.qwen.models]", '[groups.qwen]\nkeys = ["ci"]\n[groups.qwen.models]')

MESSAGES = [{"role": "user", "content": "hi"}]
REQUESTS: dict[str, dict[str, Any]] = {
    "openai": {"model": "fast", "messages": MESSAGES},
    "responses": {"model": "fast", "input": "hi"},
    "claude": {"model": "fast", "max_tokens": 9, "messages": MESSAGES},
    "gemini": {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]},
    "ollama": {"model": "fast", "messages": MESSAGES},
}
LINES = {
    "openai": "POST {}/v1/chat/completions",
    "responses": "POST {}/v1/responses",
    "claude": "POST {}/v1/messages",
    "gemini": "POST {}/v1beta/models/fast:generateContent",
    "ollama": "POST {}/api/chat",
}
PATHS = {name: line.partition(" ")[2] for name, line in LINES.items()}
NAMES = list(PROTOCOLS)


def open_app() -> App:
    return App(loads(OPEN, {}))


def closed_app() -> App:
    return App(loads(CLOSED, {}))


def asked(app: App, line: str, headers: dict[str, str] | None = None) -> Accept | Reply:
    return app.head(head_of(line, headers), 0.0)


def replied(app: App, line: str, headers: dict[str, str] | None = None) -> tuple[int, Any]:
    reply = asked(app, line, headers)
    assert isinstance(reply, Reply)
    assert ("content-type", "application/json") in reply.headers
    return reply.status, json.loads(reply.body)


def told(accept: Accept | Reply, document: dict[str, Any]) -> Any:
    """The first action of an accepted request with this body."""
    assert isinstance(accept, Accept)
    accept.life.begin(0.0)
    return accept.life.body(json.dumps(document).encode(), 0.0)[0]


def dialled(app: App, protocol: str, group: str = "", headers: dict[str, str] | None = None, **more: Any) -> Dial:
    dial = told(asked(app, LINES[protocol].format(group), headers), {**REQUESTS[protocol], **more})
    assert isinstance(dial, Dial), dial
    return dial


SHAPES: dict[str, Callable[[Any, int], str]] = {
    "openai": lambda document, status: _words(document, {"error"}, {"message", "type", "param", "code"}),
    "responses": lambda document, status: _words(document, {"error"}, {"message", "type", "param", "code"}),
    "claude": lambda document, status: _words(document, {"type", "error"}, {"message", "type"}),
    "gemini": lambda document, status: _google(document, status),
    "ollama": lambda document, status: str(document["error"]),
}
"""Checks an error's document; gives its message."""


def _words(document: Any, outer: set[str], inner: set[str]) -> str:
    assert set(document) == outer
    assert set(document["error"]) == inner
    return str(document["error"]["message"])


def _google(document: Any, status: int) -> str:
    assert document["error"]["code"] == status
    assert document["error"]["status"].isupper()
    return str(document["error"]["message"])


def error_of(app: App, protocol: str, line: str, headers: dict[str, str] | None = None) -> tuple[int, str]:
    status, document = replied(app, line, headers)
    return status, SHAPES[protocol](document, status)


# ---------------------------------------------------------------------------------------------------------------------
# Chat


@pytest.mark.parametrize("protocol", NAMES)
def test_every_protocols_request_is_dialled_where_its_model_leads(protocol: str) -> None:
    app = open_app()
    dial = dialled(app, protocol)
    assert (dial.endpoint.scheme, dial.endpoint.host, dial.endpoint.port) == ("https", "up.example", 443)
    assert (dial.method, dial.target, dial.connect_timeout) == ("POST", "/base/v1/chat/completions", 3)
    assert json.loads(dial.body)["model"] == "gpt-fast"
    headers = dict(dial.headers)
    assert (headers["authorization"], headers["x-team"]) == ("Bearer sk-one", "blue")
    assert dict(dialled(app, protocol).headers)["authorization"] == "Bearer sk-two"


@pytest.mark.parametrize("protocol", NAMES)
def test_a_group_is_chosen_by_path_or_by_the_models_name(protocol: str) -> None:
    app = open_app()
    in_path = dialled(app, protocol, "/qwen")
    named = {"model": "qwen@fast"} if protocol != "gemini" else {}
    line = LINES[protocol].format("").replace("fast", "qwen@fast")
    in_name = told(asked(app, line), {**REQUESTS[protocol], **named})
    for dial in (in_path, in_name):
        assert (dial.endpoint.host, dial.target) == ("claude.example", "/v1/messages")
        assert json.loads(dial.body)["model"] == "claude-fast"
    assert dialled(app, protocol, "/default").endpoint.host == "up.example"


def test_what_the_provider_says_goes_with_the_dial() -> None:
    app = open_app()
    dial = dialled(app, "openai", model="own/org/model:7b")
    assert (dial.endpoint.host, dial.endpoint.port, dial.endpoint.proxy) == ("127.0.0.1", 9, "socks5://127.0.0.1:1080")
    assert (json.loads(dial.body)["model"], json.loads(dial.body)["stream"]) == ("org/model:7b", False)
    assert "authorization" not in dict(dial.headers)
    assert json.loads(dialled(app, "openai", "/qwen").body)["temperature"] == 0.5
    assert json.loads(dialled(app, "openai", "/qwen", temperature=0.1).body)["temperature"] == 0.1


def test_an_unknown_model_is_a_404_that_names_near_ones() -> None:
    for protocol in NAMES:
        line = LINES[protocol].format("").replace("fast", "fats")
        reply = told(asked(open_app(), line), {**REQUESTS[protocol], **({"model": "fats"} if protocol != "gemini" else {})})
        assert reply.status == 404
        assert "did you mean fast?" in SHAPES[protocol](json.loads(reply.body), 404)


def test_no_credential_of_the_client_goes_up() -> None:
    tokens = ("authorization", "x-api-key", "x-goog-api-key", "api-key", "cookie", "proxy-authorization")
    for group in ("", "/qwen"):
        headers = {**dict.fromkeys(tokens, "cs-ci"), "authorization": "Bearer cs-ci"}
        dial = dialled(closed_app(), "claude", group, headers)
        assert "cs-ci" not in str(dial.headers) + dial.target + dial.body.decode()


@pytest.mark.parametrize("protocol", NAMES)
def test_a_providers_key_never_comes_down(protocol: str) -> None:
    """Not even when the provider repeats it in its refusal."""
    accept = asked(App(loads(OPEN.replace(', "sk-two"', ""), {})), LINES[protocol].format(""))
    assert isinstance(told(accept, REQUESTS[protocol]), Dial)
    reply, *_, finished = refused_key(accept, "sk-one")
    assert isinstance(reply, Reply)
    assert isinstance(finished, Finished)
    assert reply.status == 401
    assert b"Incorrect API key: ***" in reply.body
    assert "sk-one" not in str(finished.record)


@pytest.mark.parametrize("protocol", NAMES)
def test_nor_does_one_of_several_whose_refusal_leads_to_the_next(protocol: str, caplog: pytest.LogCaptureFixture) -> None:
    app = open_app()
    accept = asked(app, LINES[protocol].format(""))
    dial = told(accept, REQUESTS[protocol])
    assert ("authorization", "Bearer sk-one") in dial.headers
    _, dial = refused_key(accept, "sk-one")
    assert isinstance(dial, Dial)
    assert ("authorization", "Bearer sk-two") in dial.headers
    assert [name for name, _ in dial.headers].count("x-ccproxy-hop") == 1
    _, reply, finished = refused_key(accept, "sk-two")
    assert isinstance(reply, Reply)
    assert isinstance(finished, Finished)
    assert (reply.status, dict(reply.headers)["retry-after"]) == (503, "60")
    assert b"Incorrect API key: ***" in reply.body
    app.finished(finished.record)
    for text in (str(finished.record), caplog.text):
        assert "sk-" not in text
        assert "#1" in text or "key=1" in text
    assert "(after up/gpt-fast#1: 401, up/gpt-fast#2: 401)" in caplog.text
    assert told(asked(app, LINES[protocol].format("")), REQUESTS[protocol]).status == 503


def refused_key(accept: Accept | Reply, key: str) -> list[Action]:
    """What a refusal that repeats the key leads to."""
    assert isinstance(accept, Accept)
    life = accept.life
    life.upstream_head(401, [("content-type", "application/json")], 1.0)
    life.upstream_bytes(f'{{"error":{{"message":"Incorrect API key: {key[:3]}'.encode(), 1.0)
    life.upstream_bytes(f'{key[3:]}","code":"invalid_api_key"}}}}'.encode(), 1.0)
    return life.upstream_eof(1.0)


@pytest.mark.parametrize(("balance", "providers"), [("rotate", "up up anthropic"), ("failover", "up up up")])
def test_a_groups_balance(balance: str, providers: str) -> None:
    two = OPEN.replace('fast = "up/gpt-fast"', 'fast = ["up/gpt-fast", "anthropic/claude-fast"]')
    app = App(
        loads(
            two.replace("[groups.default.models]", f'[groups.default]\nbalance = "{balance}"\n[groups.default.models]'), {}
        )
    )
    hosts = sorted(dialled(app, "openai").endpoint.host.partition(".")[0] for _ in range(3))
    assert sorted(hosts) == sorted(providers.replace("anthropic", "claude").split())


def test_the_loop_marker_grows_and_finds_a_loop() -> None:
    app, other = open_app(), open_app()
    hops = dict(dialled(app, "claude").headers)["x-ccproxy-hop"]
    through = dict(dialled(other, "claude", headers={"x-ccproxy-hop": hops}).headers)["x-ccproxy-hop"]
    assert through.startswith(f"{hops} ")
    for protocol in NAMES:
        status, message = error_of(app, protocol, LINES[protocol].format("/qwen"), {"x-ccproxy-hop": through})
        assert status == 508
        assert "points at ccproxy itself" in message


# ---------------------------------------------------------------------------------------------------------------------
# Keys and groups

TOKENS: list[tuple[str, dict[str, str]]] = [
    ("", {"authorization": "Bearer cs-ci"}),
    ("", {"x-api-key": "cs-ci"}),
    ("", {"x-goog-api-key": "cs-ci"}),
    ("", {"api-key": "cs-ci"}),
    ("?key=cs-ci", {}),
]


@pytest.mark.parametrize("protocol", NAMES)
@pytest.mark.parametrize(("query", "headers"), TOKENS)
def test_a_key_opens_every_route_from_wherever_it_comes(protocol: str, query: str, headers: dict[str, str]) -> None:
    line = LINES[protocol].format("/qwen") + query
    assert isinstance(asked(closed_app(), line, headers), Accept)
    wrong = {name: value.replace("cs-ci", "cs-no") for name, value in headers.items()}
    status, message = error_of(closed_app(), protocol, line.replace("cs-ci", "cs-no"), wrong)
    assert (status, "is not one of this server's keys" in message) == (401, True)
    assert "cs-no" not in message


@pytest.mark.parametrize("group", ["", "/qwen", "/nobody", "/compat", "/qwen/compat"])
@pytest.mark.parametrize("protocol", NAMES)
def test_without_a_key_nothing_is_said_but_401_in_the_protocols_shape(protocol: str, group: str) -> None:
    status, message = error_of(closed_app(), protocol, LINES[protocol].format(group))
    assert (status, "is missing" in message) == (401, True)


def test_the_protocols_own_word_for_401() -> None:
    app = closed_app()
    assert replied(app, "POST /v1/messages")[1]["error"]["type"] == "authentication_error"
    assert replied(app, "POST /v1/chat/completions")[1]["error"]["code"] == "invalid_api_key"
    assert replied(app, "POST /v1beta/models/m:generateContent")[1]["error"]["status"] == "UNAUTHENTICATED"


@pytest.mark.parametrize("line", ["GET /", "GET /v1/models", "GET /v1/models/fast", "GET /nothing", "GET /api/tags"])
def test_every_other_route_asks_for_a_key_too(line: str) -> None:
    assert replied(closed_app(), line)[0] == 401


@pytest.mark.parametrize("protocol", NAMES)
def test_a_groups_keys(protocol: str) -> None:
    app, laptop = closed_app(), {"x-api-key": "cs-laptop"}
    status, message = error_of(app, protocol, LINES[protocol].format("/qwen"), laptop)
    assert (status, message) == (403, 'the proxy key "laptop" may not use the group "qwen"')
    named = {"model": "qwen@fast"} if protocol != "gemini" else {}
    line = LINES[protocol].format("").replace("fast", "qwen@fast")
    reply = told(asked(app, line, laptop), {**REQUESTS[protocol], **named})
    assert (reply.status, SHAPES[protocol](json.loads(reply.body), 403)) == (403, message)
    assert isinstance(asked(app, LINES[protocol].format(""), laptop), Accept)


ONLY_CI = KEYS + OPEN.replace("[groups.default.models]", '[groups.default]\nkeys = ["ci"]\n[groups.default.models]')


def test_a_default_groups_keys() -> None:
    app, laptop, ci = App(loads(ONLY_CI, {})), {"x-api-key": "cs-laptop"}, {"x-api-key": "cs-ci"}
    for line in ("GET /v1/models", "GET /v1/models/fast", "GET /api/tags", "GET /default/v1/models"):
        assert replied(app, line, laptop)[0] == 403
        assert replied(app, line, ci)[0] == 200
    assert told(asked(app, LINES["claude"].format(""), laptop), REQUESTS["claude"]).status == 403
    # the name in the body leads to a group that every key may use
    assert isinstance(
        told(asked(app, LINES["claude"].format(""), laptop), {**REQUESTS["claude"], "model": "qwen@fast"}), Dial
    )
    assert replied(app, "GET /v1/models/qwen@fast", laptop)[0] == 200
    assert replied(App(loads(CLOSED, {})), "GET /v1/models/qwen@fast", laptop)[0] == 403


FOREIGN = [{"host": "evil.example"}, {"origin": "https://evil.example"}, {"origin": "null"}]


@pytest.mark.parametrize("headers", FOREIGN)
@pytest.mark.parametrize("protocol", NAMES)
def test_without_keys_web_pages_are_refused_in_the_protocols_shape(protocol: str, headers: dict[str, str]) -> None:
    status, message = error_of(open_app(), protocol, LINES[protocol].format(""), headers)
    assert (status, "this server has no keys" in message) == (403, True)
    assert isinstance(asked(closed_app(), LINES[protocol].format(""), {**headers, "x-api-key": "cs-ci"}), Accept)


@pytest.mark.parametrize("line", ["GET /", "GET /v1/models", "GET /api/tags", "GET /nothing"])
def test_nor_do_pages_see_anything_else(line: str) -> None:
    assert replied(open_app(), line, {"host": "evil.example"})[0] == 403


# ---------------------------------------------------------------------------------------------------------------------
# Refusals on the head


@pytest.mark.parametrize("protocol", NAMES)
def test_a_body_that_is_too_large_is_refused_before_it_comes(protocol: str) -> None:
    line = LINES[protocol].format("/qwen")
    status, message = error_of(open_app(), protocol, line, {"content-length": "2049"})
    assert (status, "at most 2048" in message) == (413, True)
    accept = asked(open_app(), line, {"content-length": "2048"})
    assert isinstance(accept, Accept)
    assert accept.max_body == 2048


@pytest.mark.parametrize("protocol", NAMES)
def test_a_method_that_the_path_does_not_take(protocol: str) -> None:
    for method in ("GET", "PUT", "HEAD"):
        line = LINES[protocol].format("/qwen").replace("POST", method)
        status, message = error_of(open_app(), protocol, line)
        assert (status, "it takes POST" in message) == (405, True)


LOST = [
    ("POST /v1/messages/count", "claude"),
    ("POST /qwen/v1/messages/count", "claude"),
    ("POST /compat/v1/nothing", "openai"),
    ("POST /nobody/compat/v1/messages", "claude"),
    ("GET /v1/responses/resp_1", "responses"),
    ("DELETE /qwen/v1/responses/resp_1", "responses"),
    ("POST /v1beta/models/fast:predict", "gemini"),
    ("POST /v1/models/fast:embedContents", "gemini"),
    ("POST /v1beta/corpora", "gemini"),
    ("POST /api/pull", "ollama"),
    ("POST /nobody/api/chat", "ollama"),
    ("POST /v1/images", "openai"),
    ("POST /nothing", "openai"),
    ("GET /qwen", "openai"),
]


@pytest.mark.parametrize(("line", "protocol"), LOST)
def test_an_unknown_route_is_a_404_in_the_nearest_shape(line: str, protocol: str) -> None:
    assert error_of(open_app(), protocol, line)[0] == 404


def test_the_protocol_of_a_shared_path_is_told_by_the_request() -> None:
    for headers, protocol in (({}, "openai"), ({"anthropic-version": "x"}, "claude"), ({"x-goog-api-key": "k"}, "gemini")):
        assert error_of(open_app(), protocol, "GET /v1/models/nobody", headers)[0] == 404
        assert error_of(open_app(), protocol, "POST /v1/models", headers)[0] == 405
        assert error_of(closed_app(), protocol, "GET /v1/models", headers)[0] == 401
        assert error_of(open_app(), protocol, "GET /v1/models", {**headers, "host": "evil.example"})[0] == 403
        assert error_of(open_app(), protocol, "GET /nobody/v1/models", headers)[0] == 404


@pytest.mark.parametrize("group", ["", "/qwen"])
def test_a_websocket_upgrade_is_answered_at_once(group: str) -> None:
    headers = {"connection": "Upgrade", "upgrade": "WebSocket", "sec-websocket-version": "13"}
    status, message = error_of(open_app(), "responses", f"GET {group}/v1/responses", headers)
    assert (status, "by POST" in message) == (426, True)
    assert error_of(closed_app(), "responses", f"GET {group}/v1/responses", headers)[0] == 401


@pytest.mark.parametrize("protocol", NAMES)
def test_the_runtimes_refusals_take_the_routes_shape_too(protocol: str) -> None:
    error = RequestError("the request's head is odd", status=431)
    reply = open_app().refuse(error, head_of(LINES[protocol].format("/qwen")))
    assert (reply.status, SHAPES[protocol](json.loads(reply.body), 431)) == (431, "the request's head is odd")
    assert SHAPES["openai"](json.loads(open_app().refuse(error, None).body), 431)


# ---------------------------------------------------------------------------------------------------------------------
# Probes, index, lists

PROBES = ["GET /healthz", "GET /readyz", "HEAD /", "HEAD /api/hello", "GET /api/hello"]


@pytest.mark.parametrize("line", PROBES)
def test_probes_need_no_key_and_no_host(line: str) -> None:
    assert replied(closed_app(), line, {"host": "10.0.0.7"}) == (200, {"status": "ok"})


def test_the_index() -> None:
    status, document = replied(open_app(), "GET /")
    assert (status, list(document["groups"])) == (200, ["default", "qwen"])
    assert replied(open_app(), "POST /")[0] == 405


LISTS = [
    ("GET {}/v1/models", {}, lambda d: [row["id"] for row in d["data"]], "object"),
    ("GET {}/v1/models", {"anthropic-version": "2023-06-01"}, lambda d: [row["id"] for row in d["data"]], "has_more"),
    ("GET {}/v1/models", {"x-goog-api-key": "k"}, lambda d: [row["name"] for row in d["models"]], "models"),
    ("GET {}/v1/models", {"x-goog-api-client": "g"}, lambda d: [row["name"] for row in d["models"]], "models"),
    ("GET {}/v1/models?key=k", {}, lambda d: [row["name"] for row in d["models"]], "models"),
    ("GET {}/v1beta/models", {}, lambda d: [row["name"] for row in d["models"]], "models"),
    ("GET {}/api/tags", {}, lambda d: [row["model"] for row in d["models"]], "models"),
    ("HEAD {}/v1/models", {}, lambda d: [row["id"] for row in d["data"]], "object"),
]


@pytest.mark.parametrize("group", ["", "/qwen"])
@pytest.mark.parametrize(("line", "headers", "names", "member"), LISTS)
def test_model_lists_in_the_shape_that_the_client_knows(
    line: str, headers: dict[str, str], names: Callable[[Any], list[str]], member: str, group: str
) -> None:
    status, document = replied(open_app(), line.format(group), headers)
    assert (status, member in document) == (200, True)
    assert [name.removeprefix("models/") for name in names(document)] == ["fast"]


ONE = [
    ("GET /v1/models/{}", {}, "id"),
    ("GET /v1/models/{}", {"anthropic-version": "2023-06-01"}, "id"),
    ("GET /v1/models/{}", {"x-goog-api-key": "k"}, "name"),
    ("GET /v1beta/models/{}", {}, "name"),
]


@pytest.mark.parametrize("model", ["fast", "own/org/model:7b", "qwen@fast"])
@pytest.mark.parametrize(("line", "headers", "member"), ONE)
def test_one_model(line: str, headers: dict[str, str], member: str, model: str) -> None:
    status, document = replied(open_app(), line.format(model), headers)
    assert (status, document[member].removeprefix("models/")) == (200, model)


def test_a_file_without_a_default_group_says_which_there_are() -> None:
    app = App(loads(OPEN.replace("[groups.default.models]", "[groups.first.models]"), {}))
    status, message = error_of(app, "claude", "GET /v1/models", {"anthropic-version": "x"})
    assert (status, "put a group into the path" in message, "first, qwen" in message) == (404, True, True)
    assert told(asked(app, LINES["claude"].format("")), REQUESTS["claude"]).status == 404
    assert replied(app, "GET /first/v1/models")[0] == 200


# ---------------------------------------------------------------------------------------------------------------------
# The log


def logged(caplog: pytest.LogCaptureFixture, **fields: Any) -> list[str]:
    caplog.set_level(logging.INFO, "ccproxy")
    caplog.clear()
    log_record(Record(**{"client": "claude", "model": "fast", "provider": "up", "upstream_model": "gpt", **fields}))
    return [f"{record.levelname} {record.message}" for record in caplog.records]


ENDS: list[tuple[dict[str, Any], str]] = [
    (
        {"status": 200, "began": 1.0, "answered": 1.25, "ended": 3.0, "counted": lambda: Usage(input=5, output=7)},
        "INFO claude fast -> up/gpt: 200, first byte 250 ms, 2.00 s 5+7 tokens",
    ),
    ({"cancelled": True, "ended": 0.5}, "INFO claude fast -> up/gpt: cancelled, 0.50 s"),
    (
        {"status": 502, "error": UpstreamError("it broke"), "ended": 1.0},
        "WARNING claude fast -> up/gpt: 502, 1.00 s: it broke",
    ),
    (
        {"status": 200, "key": 2, "attempts": [Attempt("up", "gpt", 1, 429, "slow"), Attempt("q", "m", 0, 500, "oh")]},
        "INFO claude fast -> up/gpt#2: 200, 0.00 s (after up/gpt#1: 429, q/m: 500)",
    ),
    ({"model": "", "provider": "", "upstream_model": "", "status": 400}, "INFO claude - -> -/-: 400, 0.00 s"),
]


@pytest.mark.parametrize(("fields", "line"), ENDS)
def test_one_line_for_each_exchange(fields: dict[str, Any], line: str, caplog: pytest.LogCaptureFixture) -> None:
    assert logged(caplog, **fields)[0] == line


def test_pairs_that_failed_have_a_line_each(caplog: pytest.LogCaptureFixture) -> None:
    lines = logged(
        caplog, attempts=[Attempt("up", "gpt", 1, 429, "slow\ndown"), Attempt("q", "m", 0, 500, "oh")], notes=["n"]
    )
    assert lines[1:] == ["WARNING   up/gpt#1 failed: slow\\ndown", "WARNING   q/m failed: oh", "INFO   n"]


def test_notes_have_a_line_each(caplog: pytest.LogCaptureFixture) -> None:
    assert logged(caplog, notes=["one", "two"])[1:] == ["INFO   one", "INFO   two"]


def test_nobody_else_writes_lines_into_the_log(caplog: pytest.LogCaptureFixture) -> None:
    forged = "x\nINFO claude fast -> up/gpt: 200\x1b[2J\u2028é"
    lines = logged(caplog, model=forged, error=CcproxyError(forged), notes=[forged])
    assert len(lines) == 2
    assert all(line.isprintable() for line in lines)
    assert "\\n" in lines[0]
    assert "é" in lines[0]


def test_what_is_finished_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "ccproxy")
    app = open_app()
    accept = asked(app, LINES["openai"].format(""))
    assert isinstance(accept, Accept)
    accept.life.begin(0.0)
    finished = accept.life.body(b"{", 1.0)[-1]
    assert isinstance(finished, Finished)
    app.finished(finished.record)
    app.finished(None)
    assert len(caplog.records) == 1
    assert "400, 1.00 s" in caplog.text


def test_what_a_runtime_reads() -> None:
    app = open_app()
    assert app.limits.connect_seconds == 3
    assert len(app.jobs()) == 1
    assert app.warm == [(dialled(app, "openai", model="own/x").endpoint, 2)]
    assert repr(app) == "App(3 providers, 2 groups)"
    assert "sk-one" not in repr(dialled(app, "claude")) + repr(asked(app, LINES["claude"].format("")))


# ---------------------------------------------------------------------------------------------------------------------
# Other operations than chat

KNOWN = OPEN + '[providers.up.models."gpt-fast"]\ncontext = 4000\nabilities = ["tools", "vision"]\n'


def test_show_tells_what_the_configuration_says() -> None:
    reply = told(asked(App(loads(KNOWN, {})), "POST /api/show"), {"model": "fast"})
    document = json.loads(reply.body)
    assert document["model_info"][f"{document['model_info']['general.architecture']}.context_length"] == 4000
    assert document["capabilities"] == ["completion", "tools", "vision"]


@pytest.mark.parametrize(("model", "status"), [("fats", 404), ("", 400)])
def test_show_of_no_model(model: str, status: int) -> None:
    reply = told(asked(open_app(), "POST /api/show"), {"model": model})
    assert (reply.status, list(json.loads(reply.body))) == (status, ["error"])


def test_show_is_the_groups() -> None:
    app = closed_app()
    laptop = {"authorization": "Bearer cs-laptop"}
    assert told(asked(app, "POST /api/show", laptop), {"model": "fast"}).status == 200
    assert told(asked(app, "POST /api/show", laptop), {"model": "qwen@fast"}).status == 403
    assert replied(app, "POST /qwen/api/show", laptop)[0] == 403


@pytest.mark.parametrize(("line", "member"), [("GET /api/ps", "models"), ("GET /qwen/api/version", "version")])
def test_what_never_changes_is_answered_at_once(line: str, member: str) -> None:
    assert member in replied(open_app(), line)[1]
    assert replied(closed_app(), line)[0] == 401


@pytest.mark.parametrize(
    ("line", "document", "target"),
    [
        ("POST /v1/embeddings", {"model": "fast", "input": "x"}, "/base/v1/embeddings"),
        ("POST /api/embed", {"model": "own/a", "input": "x"}, "/api/embed"),
        ("POST /api/embeddings", {"model": "own/a", "prompt": "x"}, "/api/embeddings"),
        ("POST /models/fast:embedContent", {"content": {"parts": [{"text": "x"}]}}, "/base/v1/embeddings"),
        ("POST /api/generate", {"model": "own/a", "prompt": "x"}, "/api/generate"),
        ("POST /qwen/v1/messages/count_tokens?beta=true", REQUESTS["claude"], "/v1/messages/count_tokens"),
    ],
)
def test_operations_are_dialled_where_their_model_leads(line: str, document: dict[str, Any], target: str) -> None:
    dial = told(asked(open_app(), line), document)
    assert isinstance(dial, Dial)
    assert dial.target == target


def test_an_operation_that_the_protocol_lacks_is_refused_on_the_head() -> None:
    status, document = replied(open_app(), "POST /v1/claude/embeddings")
    assert (status, document["type"], document["error"]["type"]) == (501, "error", "api_error")


def test_an_estimate_is_marked_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "ccproxy"):
        log_record(Record(client="openai", counted=lambda: Usage(input=7, estimated=True)))
    assert "7+0 tokens (estimated)" in caplog.text


COMPAT = [
    ("auto", "", False),
    ("auto", "/compat", True),
    ("auto", "/compat_mode", True),
    ("compat", "", True),
    ("native", "/compat", False),
]


@pytest.mark.parametrize("protocol", NAMES)
@pytest.mark.parametrize(("said", "mode", "on"), COMPAT)
@pytest.mark.parametrize("group", ["", "/qwen"])
def test_compat_as_the_path_and_the_group_say(group: str, said: str, mode: str, on: bool, protocol: str) -> None:
    name = group.removeprefix("/") or "default"
    app = App(
        loads(OPEN.replace(f"[groups.{name}.models]", f'[groups.{name}]\ncompat = "{said}"\n[groups.{name}.models]'), {})
    )
    dial = told(asked(app, LINES[protocol].format(group + mode)), {**REQUESTS[protocol], **TOOLS[protocol]})
    assert (rb"<tool_call name=\"look\"" in dial.body) == on
    assert (b'"tools":' in dial.body) != on


_LOOK = {"name": "look", "description": "Looks"}
TOOLS: dict[str, dict[str, Any]] = {
    "openai": {"tools": [{"type": "function", "function": _LOOK}]},
    "responses": {"tools": [{"type": "function", **_LOOK, "parameters": {}, "strict": False}]},
    "claude": {"tools": [{**_LOOK, "input_schema": {"type": "object"}}]},
    "gemini": {"tools": [{"functionDeclarations": [_LOOK]}]},
    "ollama": {"tools": [{"type": "function", "function": _LOOK}]},
}


# ---------------------------------------------------------------------------------------------------------------------
# Access modes

ACTIVE = '[server]\nactive_group = "qwen"\n'
MODES = {"": False, "/compat": True, "/compat_mode": True}
TOOLS = {
    "openai": {"tools": [{"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}]},
    "responses": {"tools": [{"type": "function", "name": "look", "parameters": {"type": "object"}}]},
    "claude": {"tools": [{"name": "look", "input_schema": {"type": "object"}}]},
    "gemini": {"tools": [{"functionDeclarations": [{"name": "look"}]}]},
    "ollama": {"tools": [{"type": "function", "function": {"name": "look"}}]},
}


@pytest.mark.parametrize(("mode", "compat"), MODES.items())
@pytest.mark.parametrize(
    ("group", "host"), [("", "up.example"), ("/qwen", "claude.example"), ("/switch", "claude.example")]
)
@pytest.mark.parametrize("protocol", NAMES)
def test_all_access_modes_of_every_protocol(protocol: str, group: str, host: str, mode: str, compat: bool) -> None:
    dial = dialled(App(loads(ACTIVE + OPEN, {})), protocol, group + mode, **TOOLS[protocol])
    assert dial.endpoint.host == host
    assert ("tools" in json.loads(dial.body), b'<tool name=\\"look\\">' in dial.body) == (not compat, compat)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("protocol", NAMES)
def test_switch_knows_the_active_groups_keys(protocol: str, mode: str) -> None:
    app, line = App(loads(ACTIVE + CLOSED, {})), LINES[protocol].format(f"/switch{mode}")
    assert error_of(app, protocol, line)[0] == 401
    assert error_of(app, protocol, line, {"x-api-key": "cs-laptop"}) == (
        403,
        'the proxy key "laptop" may not use the group "qwen"',
    )
    assert isinstance(asked(app, line, {"x-api-key": "cs-ci"}), Accept)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("protocol", NAMES)
def test_switch_without_an_active_group(protocol: str, mode: str) -> None:
    status, message = error_of(open_app(), protocol, LINES[protocol].format(f"/switch{mode}"))
    assert (status, message) == (
        404,
        "no group is active; choose one with `ccproxy switch NAME` (active_group in [server]); groups: default, qwen",
    )


@pytest.mark.parametrize("group", ["", "/switch", "/qwen", "/default"])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("protocol", NAMES)
def test_a_group_in_the_models_name_wins_in_every_mode(protocol: str, mode: str, group: str) -> None:
    """And its keys are asked, beside those of the path's group."""
    app, line = App(loads(ACTIVE + CLOSED, {})), LINES[protocol].format(group + mode)
    for wanted, host in (("qwen@fast", "claude.example"), ("default@fast", "up.example"), ("fast@2", None)):
        document = {**REQUESTS[protocol], **({"model": wanted} if protocol != "gemini" else {})}
        action = told(asked(app, line.replace("fast", wanted), {"x-api-key": "cs-ci"}), document)
        assert (action.endpoint.host if isinstance(action, Dial) else action.status) == (host or 404)
    if group in ("", "/default"):
        document = {**REQUESTS[protocol], **({"model": "qwen@fast"} if protocol != "gemini" else {})}
        reply = told(asked(app, line.replace("fast", "qwen@fast"), {"x-api-key": "cs-laptop"}), document)
        assert (reply.status, "may not use" in SHAPES[protocol](json.loads(reply.body), 403)) == (403, True)


@pytest.mark.parametrize("name", sorted(RESERVED))
@pytest.mark.parametrize("protocol", NAMES)
def test_a_reserved_name_is_no_group(protocol: str, name: str) -> None:
    with pytest.raises(ConfigError, match=f"groups.{name}: is a reserved name"):
        loads(OPEN + f'[groups.{name}.models]\na = "up/a"\n', {})
    if name != "models":  # behind which any name is a model's
        assert error_of(open_app(), protocol, LINES[protocol].format(f"/{name}/qwen"))[0] == 404


# ---------------------------------------------------------------------------------------------------------------------
# A group's rules

RULED = OPEN.replace(
    "[groups.qwen.models]",
    """[groups.qwen]
prompt_injection = "enhance"
prompt = "Work in small steps."
prompt_models = ["fa*"]
tool_filter = ["lo*"]
temperature_ratio = 0.5
[groups.qwen.models]
slow = "anthropic/claude-fast"
both = ["up/gpt-fast", "anthropic/claude-fast"]""",
)


@pytest.mark.parametrize("group", ["/qwen", "/qwen/compat"])
@pytest.mark.parametrize("protocol", NAMES)
def test_a_groups_rules_are_applied(protocol: str, group: str) -> None:
    app = App(loads(RULED, {}))
    document = json.loads(dialled(app, protocol, group, **TOOLS[protocol]).body)
    assert document["system"] in ("Work in small steps.", [{"type": "text", "text": "Work in small steps."}])
    assert (document["temperature"], "tools" in document) == (0.5, False)
    assert "system" not in json.loads(dialled(app, protocol, **TOOLS[protocol]).body)


def test_the_models_name_is_the_one_within_the_group() -> None:
    app = App(loads(RULED, {}))
    for model, meant in (("fast", True), ("qwen@fast", True), ("slow", False), ("qwen@slow", False)):
        document = json.loads(dialled(app, "claude", "/qwen", model=model).body)
        assert ("system" in document, document["temperature"]) == (meant, 0.5)


def test_conversations_are_remembered_as_the_file_says() -> None:
    turn = [{"role": "user", "content": "on" * 500}, {"role": "assistant", "content": "and on" * 500}]
    app = App(loads(RULED, {}))
    body = dialled(app, "claude", model="fast", messages=[*turn * 20, turn[0]]).body
    assert app.known is not None
    assert 0 < app.known.size <= app.config.limits.remembered
    assert App(app.config, before=app).known is app.known
    forgetful = App(loads(RULED.replace("[limits]", "[limits]\nremembered = 0"), {}), before=app)
    assert forgetful.known is None
    assert dialled(forgetful, "claude", model="fast", messages=[*turn * 20, turn[0]]).body == body


def test_rules_hold_for_every_pair() -> None:
    app = App(loads(RULED.replace('["fa*"]', '["*"]'), {}))
    for _ in range(3):
        assert b"Work in small steps." in dialled(app, "claude", "/qwen", model="both").body


BILLED = {
    "system": [{"type": "text", "text": "x-anthropic-billing-header: cc_version=2.1;"}, {"type": "text", "text": "You"}]
}
HOSTS = [
    ("claude.example", "", False),
    ("api.anthropic.com", "", True),
    ("claude.example", "strip_billing_line = false\n", True),
    ("api.anthropic.com", "strip_billing_line = true\n", False),
    ("api.anthropic.com", "strip_billing_line = 'auto'\n", True),
]


@pytest.mark.parametrize(("host", "line", "stays"), HOSTS)
def test_claude_codes_billing_line(host: str, line: str, stays: bool) -> None:
    text = OPEN.replace('base_url = "https://claude.example/v1"\ndefaults = { temperature = 0.5 }\n',
                        f'base_url = "https://{host}/v1"\n{line}')  # fmt: skip
    body = dialled(App(loads(text, {})), "claude", "/qwen", **BILLED).body
    assert json.loads(body)["system"] == BILLED["system"][not stays :]
    assert b"billing" not in dialled(open_app(), "claude", **BILLED).body
