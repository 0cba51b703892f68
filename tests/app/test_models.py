"""Model lists: aliases from the file, the providers' own lists from a real server on loopback."""

from __future__ import annotations

import contextlib
import json
import logging
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import anyio
import pytest

from ccproxy.app.models import ModelLists, ask, base_of
from ccproxy.config import Config, Provider, loads
from ccproxy.errors import NotFound, UpstreamError
from ccproxy.protocols import PROTOCOLS
from ccproxy.protocols.base import ModelInfo

KEY = "sk-hush-hush"
OPENAI_LIST = {"object": "list", "data": [{"id": "up-a", "created": 7, "owned_by": "them"}, {"id": "up-b"}]}


class Provided:
    """A provider. `answers`: (status, body) per path; each request is kept in `asked`."""

    def __init__(self) -> None:
        self.answers: dict[str, tuple[int, bytes]] = {}
        self.asked: list[tuple[str, dict[str, str]]] = []
        provided = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, format: str, *args: Any) -> None:
                pass

            def do_GET(self) -> None:
                provided.asked.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
                status, body = provided.answers.get(self.path, (404, b"not here"))
                self.send_response(status)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def says(self, path: str, document: object, status: int = 200) -> None:
        self.answers[path] = status, document if isinstance(document, bytes) else json.dumps(document).encode()


@pytest.fixture
def provided() -> Iterator[Provided]:
    provided = Provided()
    thread = threading.Thread(target=provided.server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield provided
    provided.server.shutdown()
    provided.server.server_close()
    thread.join()


CONFIG = f"""
[providers.a]
protocol = "openai"
base_url = "URL/a"
api_keys = ["{KEY}"]
headers = {{ x-team = "blue" }}
[providers.a.models.up-a]
context = 9000
abilities = ["tools"]
[providers.b]
protocol = "claude"
base_url = "URL/b"
[providers.unasked]
protocol = "openai"
base_url = "URL/c"

[groups.default.models]
fast = "a/up-a"
slow = ["b/up-z", "a/up-b"]
"a-*" = "a/*"
[groups.both.models]
"up-b" = "b/else"
"*" = "a/*"
"b:*" = "b/*"
[groups.fixed.models]
one = "unasked/one"
"o*" = "unasked/one"
"""


def configured(url: str, text: str = CONFIG) -> Config:
    return loads(text.replace("URL", url), {})


def lists_for(url: str, text: str = CONFIG) -> ModelLists:
    config = configured(url, text)
    return ModelLists(config.router(), config.providers)


def ids(models: list[ModelInfo]) -> list[str]:
    return [model.id for model in models]


def test_before_anybody_is_asked_the_aliases_are_listed() -> None:
    lists = lists_for("http://127.0.0.1:1")
    assert ids(lists.list("")) == ids(lists.list("default")) == ["fast", "slow"]
    assert ids(lists.list("both")) == ["up-b"]
    assert ids(lists.list("fixed")) == ["one"]
    fast, slow = lists.list("")
    assert (fast.context, fast.abilities, fast.owner) == (9000, {"tools"}, "a")
    assert (slow.context, slow.owner) == (0, "b")


def test_what_the_providers_list_is_listed_as_clients_reach_it(provided: Provided) -> None:
    provided.says("/a/models", OPENAI_LIST)
    provided.says("/b/v1/models", {"data": [{"id": "up-z", "display_name": "Zed"}], "has_more": False})
    lists = lists_for(provided.url)
    anyio.run(lists.refresh)
    assert ids(lists.list("")) == ["fast", "slow", "a-up-a", "a-up-b"]
    assert ids(lists.list("both")) == ["up-b", "up-a", "b:up-z"]
    by_id = {model.id: model for model in lists.list("both")}
    assert (by_id["up-a"].owner, by_id["up-a"].created, by_id["up-a"].context) == ("them", 7, 9000)
    assert by_id["b:up-z"].title == "Zed"
    assert by_id["up-b"].owner == "b"  # the alias leads elsewhere than the provider's model of that name
    assert sorted(path for path, _ in provided.asked) == ["/a/models", "/b/v1/models"]
    (headers,) = (headers for path, headers in provided.asked if path == "/a/models")
    assert (headers["authorization"], headers["x-team"]) == (f"Bearer {KEY}", "blue")


def test_one_model_is_known_whether_it_is_listed_or_only_routable(provided: Provided) -> None:
    provided.says("/a/models", OPENAI_LIST)
    lists = lists_for(provided.url)
    assert lists.one("both", "up-a").owner == "a"
    anyio.run(lists.refresh)
    assert lists.one("both", "up-a").owner == "them"
    assert lists.one("", "fast").id == "fast"
    assert lists.one("", "both@up-a").id == "both@up-a"
    assert lists.one("both", "of my own making").id == "of my own making"
    with pytest.raises(NotFound, match="did you mean fast"):
        lists.one("", "fats")
    with pytest.raises(NotFound, match='no group "nobody"'):
        lists.one("nobody", "fast")
    with pytest.raises(NotFound, match='no group "nobody"'):
        lists.list("nobody")


FAILURES = [
    pytest.param((401, f'{{"error":{{"message":"bad key {KEY}"}}}}'.encode()), "bad key ***", id="a key repeated"),
    pytest.param((500, b"<html><h1>Oh no</h1></html>"), "Oh no", id="html"),
    pytest.param((302, b""), "302", id="a redirect"),
    pytest.param((200, b"<html>"), "not JSON", id="no JSON"),
    pytest.param((200, b'{"data":"none"}'), "", id="no list"),
]


@pytest.mark.parametrize(("answer", "said"), FAILURES)
def test_a_failure_keeps_what_was_known_and_says_so_without_the_key(
    provided: Provided, answer: tuple[int, bytes], said: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    provided.says("/a/models", OPENAI_LIST)
    lists = lists_for(provided.url)
    anyio.run(lists.refresh)
    known = ids(lists.list(""))
    caplog.clear()
    provided.answers["/a/models"] = answer
    anyio.run(lists.refresh)
    assert ids(lists.list("")) == known
    (warning,) = (r.message for r in caplog.records if r.levelname == "WARNING" and "provider a" in r.message)
    assert said in warning
    assert "stays as last known" in warning
    assert KEY not in caplog.text


@pytest.mark.parametrize("protocol", list(PROTOCOLS))
@pytest.mark.parametrize("document", [b"null", b"5", b'"list"', b"[5]", b"{}", b'{"data":5,"models":5}'])
def test_what_is_no_list_ends_no_job(protocol: str, document: bytes, provided: Provided) -> None:
    text = CONFIG.replace('protocol = "claude"', f'protocol = "{protocol}"')
    provided.answers[f"/b{PROTOCOLS[protocol].models.path}"] = (200, document)
    anyio.run(lists_for(provided.url, text).refresh)
    assert len(provided.asked) == 2


def test_a_list_that_trickles_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ccproxy.app.models.TIMEOUT", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=trickle, args=[listener])
        thread.start()
        provider = Provider(protocol="openai", base_url=f"http://127.0.0.1:{listener.getsockname()[1]}")
        with pytest.raises(UpstreamError, match="in time"):
            anyio.run(ask, provider, KEY)
        thread.join()


def trickle(listener: socket.socket) -> None:
    """A body without end, until the client hangs up."""
    sock, _ = listener.accept()
    with sock, contextlib.suppress(OSError):
        sock.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            sock.sendall(b" ")


def test_a_provider_that_is_not_there_costs_the_others_nothing(
    provided: Provided, caplog: pytest.LogCaptureFixture
) -> None:
    provided.says("/a/models", OPENAI_LIST)
    text = CONFIG.replace('protocol = "claude"\nbase_url = "URL/b"', 'protocol = "claude"\nbase_url = "http://127.0.0.1:1"')
    lists = lists_for(provided.url, text)
    anyio.run(lists.refresh)
    assert ids(lists.list("both")) == ["up-b", "up-a"]
    assert "provider b: no connection to 127.0.0.1:1;" in caplog.text


def test_the_background_job_ends_where_there_is_nobody_to_ask() -> None:
    lists = lists_for("http://127.0.0.1:1", '[providers.p]\nprotocol = "openai"\n[groups.default.models]\na = "p/a"\n')
    anyio.run(lists.refresh_forever)


PROVIDERS = [
    ("openai", "/v1", "/v1/models", OPENAI_LIST, ("authorization", f"Bearer {KEY}")),
    ("responses", "/v1/", "/v1/models", OPENAI_LIST, ("authorization", f"Bearer {KEY}")),
    ("claude", "", "/v1/models", {"data": [{"id": "up-a"}, {"id": "up-b"}]}, ("x-api-key", KEY)),
    ("claude", "/v1", "/v1/models", {"data": [{"id": "up-a"}, {"id": "up-b"}]}, ("anthropic-version", "2023-06-01")),
    (
        "gemini",
        "",
        "/v1beta/models",
        {"models": [{"name": "models/up-a"}, {"name": "models/up-b"}]},
        ("x-goog-api-key", KEY),
    ),
    ("gemini", "/v1beta", "/v1beta/models", {"models": [{"name": "models/up-a"}, {"name": "models/up-b"}]}, ("", "")),
    ("ollama", "/api", "/api/tags", {"models": [{"name": "up-a"}, {"name": "up-b"}]}, ("authorization", f"Bearer {KEY}")),
]


@pytest.mark.parametrize(("protocol", "base", "path", "document", "header"), PROVIDERS)
def test_every_protocols_list_is_asked_for_and_read(
    provided: Provided, protocol: str, base: str, path: str, document: object, header: tuple[str, str]
) -> None:
    provided.says(path, document)
    provider = Provider(protocol=protocol, base_url=provided.url + base)
    assert ids(anyio.run(ask, provider, KEY)) == ["up-a", "up-b"]
    ((_, headers),) = provided.asked
    assert headers.get(header[0], "") == header[1]
    assert KEY in str(headers)
    anyio.run(ask, provider, "")
    assert KEY not in str(provided.asked[-1])


def test_without_a_list_there_is_an_upstream_error(provided: Provided) -> None:
    with pytest.raises(UpstreamError, match="not here") as error:
        anyio.run(ask, Provider(protocol="openai", base_url=provided.url), KEY)
    assert error.value.status == 404


BASES = [
    ("openai", "https://a.example/v1/", "https://a.example/v1"),
    ("openai", "https://a.example/v1/chat/completions", "https://a.example/v1"),
    ("responses", "https://a.example/v1/responses", "https://a.example/v1"),
    ("claude", "https://a.example/anthropic/v1", "https://a.example/anthropic"),
    ("claude", "https://a.example/anthropic", "https://a.example/anthropic"),
    ("gemini", "https://a.example/v1beta", "https://a.example"),
    ("ollama", "http://127.0.0.1:9/api/", "http://127.0.0.1:9"),
]


@pytest.mark.parametrize(("protocol", "address", "base"), BASES)
def test_a_base_url_loses_what_the_protocols_paths_begin_with(protocol: str, address: str, base: str) -> None:
    assert base_of(Provider(protocol=protocol, base_url=address)) == base
