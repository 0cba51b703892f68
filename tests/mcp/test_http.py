"""What HTTP itself shows of the endpoint: sessions, streams, batches, who is let in, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from ccproxy.mcp import endpoint as endpoints
from tests.mcp.serving import inside, serving, stdio

BOTH = {"accept": "application/json, text/event-stream", "content-type": "application/json"}
KEYS = "[keys]\none = 'token-one'\ntwo = 'token-two'\n"
GROUP = "[groups.g]\nkeys = ['one']\nmcp = ['plain__a*']\nmodels = {'*' = 'p/*'}\n[providers.p]\nprotocol = 'openai'\n"


def initialize(version: str = "2025-11-25", id: int = 0) -> dict[str, Any]:
    info = {"name": "test", "version": "1"}
    return request("initialize", {"protocolVersion": version, "capabilities": {}, "clientInfo": info}, id)


def request(method: str, params: Any = None, id: Any = 1) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": id, "method": method, **({"params": params} if params is not None else {})}


def call(name: str, arguments: dict[str, Any], id: Any = 1, **meta: Any) -> dict[str, Any]:
    return request(
        "tools/call", {"name": f"plain__{name}", "arguments": arguments, **({"_meta": meta} if meta else {})}, id
    )


class Raw:
    """A client that only knows HTTP."""

    def __init__(self, address: str, path: str = "/mcp/http", **headers: str) -> None:
        self.http = httpx.AsyncClient(base_url=address, headers={**BOTH, **headers}, timeout=30)
        self.path = path
        self.session = ""
        OPENED.append(self)

    async def begin(self, version: str = "2025-11-25") -> dict[str, Any]:
        answer = await self.post(initialize(version))
        assert answer.status_code == 200, answer.text
        self.session = answer.headers["mcp-session-id"]
        self.http.headers["mcp-session-id"] = self.session
        assert (await self.post({"jsonrpc": "2.0", "method": "notifications/initialized"})).status_code == 202
        (message,) = messages(answer)
        result: dict[str, Any] = message["result"]
        return result

    async def post(self, document: Any, **headers: str) -> httpx.Response:
        content = document if isinstance(document, bytes) else json.dumps(document).encode()
        return await self.http.post(self.path, content=content, headers=headers)

    def stream(self, **headers: str) -> Any:
        return self.http.stream("GET", self.path, headers=headers)


def messages(answer: httpx.Response) -> list[Any]:
    """The JSON-RPC messages of an answer of either kind."""
    if answer.headers["content-type"] == "application/json":
        found = answer.json()
        return found if isinstance(found, list) else [found]
    return [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: {")]


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    config = "[mcp]\n" + stdio("plain", more="timeout = 20")
    with serving(KEYS + config + GROUP, tmp_path_factory.mktemp("http")) as running:
        yield running


ONE = {"authorization": "Bearer token-one"}


OPENED: list[Raw] = []


def played(test: Callable[[], Awaitable[None]]) -> None:
    async def run() -> None:
        try:
            await test()
        finally:
            while OPENED:
                await OPENED.pop().http.aclose()

    anyio.run(run)


@pytest.mark.parametrize(
    ("asked", "negotiated"),
    [
        *((version, version) for version in ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")),
        ("1999-01-01", "2025-11-25"),
    ],
)
def test_versions_are_negotiated(address: str, asked: str, negotiated: str) -> None:
    async def run() -> None:
        result = await Raw(address, **ONE).begin(asked)
        assert result["protocolVersion"] == negotiated
        assert result["capabilities"]["tools"] == {"listChanged": True}
        assert result["capabilities"]["resources"] == {"subscribe": True, "listChanged": True}

    played(run)


def test_an_unknown_version_in_a_header_is_refused(address: str) -> None:
    async def run() -> None:
        raw = Raw(address, **ONE)
        await raw.begin()
        answer = await raw.post(request("tools/list"), **{"mcp-protocol-version": "1999-01-01"})
        assert answer.status_code == 400

    played(run)


WHO = [
    ({}, 401),
    ({"authorization": "Bearer no"}, 401),
    ({"authorization": "Bearer token-two"}, 200),
    ({"x-api-key": "token-two"}, 200),
]


@pytest.mark.parametrize(("headers", "status"), WHO)
def test_who_is_let_in(address: str, headers: dict[str, str], status: int) -> None:
    async def run() -> None:
        answer = await Raw(address, **headers).post(initialize())
        assert answer.status_code == status
        if status != 200:
            assert answer.json()["jsonrpc"] == "2.0"
            assert "token" not in answer.text.replace("bearer token", "")

    played(run)


def test_a_groups_keys_and_tools(address: str) -> None:
    async def run() -> None:
        assert (await Raw(address, "/g/mcp/http", **{"x-api-key": "token-two"}).post(initialize())).status_code == 403
        raw = Raw(address, "/g/mcp/http", **ONE)
        await raw.begin()
        (listed,) = messages(await raw.post(request("tools/list")))
        assert [tool["name"] for tool in listed["result"]["tools"]] == ["plain__add", "plain__asks"]
        (refused,) = messages(await raw.post(call("echo", {"text": "x"})))
        assert "there is no such tool" in refused["error"]["message"] or "has no such tool" in refused["error"]["message"]
        (resources,) = messages(await raw.post(request("resources/list")))
        assert resources["result"]["resources"] == []

    played(run)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"host": "evil.example"}, 403),
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "http://localhost:3000"}, 200),
    ],
)
def test_without_keys_web_pages_are_kept_out(headers: dict[str, str], status: int) -> None:
    async def run() -> None:
        async with inside("[mcp]\n") as (address, _):
            answer = await Raw(address, **headers).post(initialize())
            assert answer.status_code == status

    played(run)


def test_a_session_is_its_keys_and_its_paths(address: str) -> None:
    async def run() -> None:
        mine = Raw(address, **ONE)
        await mine.begin()
        for other in (Raw(address, **{"x-api-key": "token-two"}), Raw(address, "/g/mcp/http", **ONE)):
            other.http.headers["mcp-session-id"] = mine.session
            assert (await other.post(request("ping"))).status_code == 404
            assert (await other.http.delete(other.path)).status_code == 404
        assert (await mine.post(request("ping"))).json()["result"] == {}

    played(run)


def test_a_session_that_was_ended_is_not_there(address: str) -> None:
    async def run() -> None:
        raw = Raw(address, **ONE)
        await raw.begin()
        assert (await raw.http.delete(raw.path)).status_code == 200
        assert (await raw.post(request("ping"))).status_code == 404
        assert (await raw.http.delete(raw.path)).status_code == 404

    played(run)


REFUSED: list[tuple[str, Any, dict[str, str], int]] = [
    ("POST", b"{", {}, 400),
    ("POST", b'{"a": 1}', {}, 400),
    ("POST", b"[]", {}, 400),
    ("POST", b"\xff", {}, 400),
    ("POST", request("ping"), {"content-type": "text/plain"}, 415),
    ("POST", request("ping"), {"accept": "text/html"}, 406),
    ("GET", b"", {"accept": "application/json"}, 406),
    ("PUT", b"", {}, 405),
    ("POST", [request("ping")], {}, 400),
]


@pytest.mark.parametrize(("method", "body", "headers", "status"), REFUSED)
def test_what_is_no_request_is_refused_and_the_session_goes_on(
    address: str, method: str, body: Any, headers: dict[str, str], status: int
) -> None:
    async def run() -> None:
        raw = Raw(address, **ONE)
        await raw.begin()
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        answer = await raw.http.request(method, raw.path, content=content, headers=headers)
        assert answer.status_code == status
        assert answer.json()["error"]["message"]
        assert (await raw.post(request("ping"))).json()["result"] == {}

    played(run)


def test_without_a_session_only_initialize_is_answered(address: str) -> None:
    async def run() -> None:
        assert (await Raw(address, **ONE).post(request("tools/list"))).status_code == 400
        assert (await Raw(address, **ONE).http.get("/mcp/http")).status_code == 400
        assert (await Raw(address, **ONE).post({**initialize(), "params": {}})).json()["error"]["code"] == -32602

    played(run)


def test_a_client_that_takes_only_json_gets_json(address: str) -> None:
    async def run() -> None:
        raw = Raw(address, **ONE, accept="application/json")
        await raw.begin()
        answer = await raw.post(call("slow", {"seconds": 1}, progressToken=5))
        assert answer.headers["content-type"] == "application/json"
        assert answer.json()["result"]["content"][0]["text"] == "done"

    played(run)


def test_an_answer_with_something_before_it_is_a_stream(address: str) -> None:
    async def run() -> None:
        raw = Raw(address, **ONE)
        await raw.begin()
        answer = await raw.post(call("slow", {"seconds": 0.1}, progressToken="p"))
        assert answer.headers["content-type"] == "text/event-stream"
        *progress, result = messages(answer)
        assert {message["params"]["progressToken"] for message in progress} == {"p"}
        assert result["result"]["content"][0]["text"] == "done"
        quick = await raw.post(call("echo", {"text": "x"}))
        assert quick.headers["content-type"] == "application/json"

    played(run)


@pytest.mark.parametrize("version", ["2024-11-05", "2025-03-26"])
def test_batches_of_the_versions_that_have_them(address: str, version: str) -> None:
    async def run() -> None:
        raw = Raw(address, **ONE)
        await raw.begin(version)
        note = {"jsonrpc": "2.0", "method": "notifications/initialized"}
        answer = await raw.post([call("add", {"a": 1, "b": 2}, "x"), note, call("add", {"a": 3, "b": 4}, 7)])
        found = {message["id"]: message["result"]["structuredContent"] for message in messages(answer)}
        assert found == {"x": {"result": 3}, 7: {"result": 7}}
        assert (await raw.post([note, note])).status_code == 202
        assert (await raw.post([initialize()])).status_code == 400
        assert (await raw.post([request("ping", id=1), request("ping", id=1)])).status_code == 400
        streamed = await raw.post([call("slow", {"seconds": 0.1}, 1, progressToken=1), call("echo", {"text": "x"}, 2)])
        assert {message["id"] for message in messages(streamed) if "result" in message} == {1, 2}

    played(run)


def test_later_versions_have_no_batches(address: str) -> None:
    async def run() -> None:
        raw = Raw(address, **ONE)
        await raw.begin("2025-06-18")
        answer = await raw.post([request("ping")])
        assert answer.status_code == 400
        assert "2025-06-18 has no batches" in answer.text

    played(run)


async def events_of(response: httpx.Response, most: int) -> list[tuple[str, str]]:
    """Ids and data of the first events."""
    found: list[tuple[str, str]] = []
    id = ""
    async for line in response.aiter_lines():
        if line.startswith("id: "):
            id = line[4:]
        elif line.startswith("data:") and id:
            found.append((id, line[5:].strip()))
            if len(found) == most:
                return found
    return found


def test_a_stream_that_broke_is_taken_up_again_where_it_was(address: str) -> None:
    async def run() -> None:
        raw = Raw(address, **ONE)
        await raw.begin()
        content = json.dumps(call("slow", {"seconds": 1.5}, 9, progressToken=9)).encode()
        async with raw.http.stream("POST", raw.path, content=content) as response:
            first = await events_of(response, 4)
        assert first[0][1] == ""  # the primer
        seen, data = first[-1]
        async with raw.stream(**{"last-event-id": seen}) as response:
            rest = await events_of(response, 100)  # to its end
        steps = [json.loads(data)["params"]["progress"] for _, data in [*first[1:], *rest[:-1]]]
        assert steps == [float(step) for step in range(1, 11)]
        assert json.loads(rest[-1][1])["result"]["content"][0]["text"] == "done"
        async with raw.stream(**{"last-event-id": seen}) as response:
            assert await events_of(response, 100) == rest
        assert data

    played(run)


def test_the_standing_stream_tells_changes_and_another_one_takes_over(address: str) -> None:
    async def run() -> None:
        raw = Raw(address, **ONE)
        await raw.begin()
        await raw.post(request("tools/list"))
        ended = anyio.Event()

        async def first() -> None:
            async with raw.stream() as response:
                async for _ in response.aiter_lines():
                    pass
            ended.set()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(first)
            await anyio.sleep(0.3)
            async with raw.stream() as response:
                with anyio.fail_after(10):
                    await ended.wait()
                tasks.start_soon(raw.post, call("logs", {}))
                found = [json.loads(data) for _, data in await events_of(response, 2) if data]
        assert [(message["method"], message["params"]["logger"]) for message in found] == [
            ("notifications/message", "plain/part")
        ]

    played(run)


def test_a_client_says_how_much_of_the_log_it_wants(address: str) -> None:
    async def run() -> None:
        raw = Raw(address, **ONE)
        await raw.begin()
        for level, levels in (("debug", ["debug", "warning"]), ("error", []), ("warning", ["warning"])):
            assert (await raw.post(request("logging/setLevel", {"level": level}))).json()["result"] == {}
            async with raw.stream() as response, anyio.create_task_group() as tasks:
                tasks.start_soon(raw.post, call("logs", {}))
                found: list[str] = []
                with anyio.move_on_after(1):
                    async for line in response.aiter_lines():
                        if line.startswith("data: {"):
                            found.append(json.loads(line[6:])["params"]["level"])
            assert found == levels

    played(run)


def test_a_request_that_is_cancelled_ends_its_stream(address: str) -> None:
    async def run() -> None:
        raw = Raw(address, **ONE)
        await raw.begin()
        answers: list[httpx.Response] = []

        async def slow() -> None:
            answers.append(await raw.post(call("slow", {"seconds": 20}, 4)))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(slow)
            await anyio.sleep(0.3)
            again = await raw.post(call("echo", {"text": "x"}, 4))
            assert again.status_code == 400  # the id is in use
            cancel = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 4}}
            assert (await raw.post(cancel)).status_code == 202
        assert messages(answers[0])[-1]["error"]["message"] == "the request was cancelled"

    played(run)


def test_sessions_are_bounded_and_the_one_that_rests_longest_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoints, "MOST_SESSIONS", 2)

    async def run() -> None:
        async with inside("[mcp]\n") as (address, _):
            clients = [Raw(address) for _ in range(3)]
            for raw in clients:
                await raw.begin()
            assert (await clients[0].post(request("ping"))).status_code == 404
            async with clients[1].stream(), clients[2].stream():
                await anyio.sleep(0.1)
                assert (await Raw(address).post(initialize())).status_code == 503

    played(run)


def test_a_session_that_nobody_uses_expires(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoints, "IDLE_SECONDS", 0.5)

    async def run() -> None:
        async with inside("[mcp]\n") as (address, _):
            idle, used = Raw(address), Raw(address)
            await idle.begin()
            await used.begin()
            async with used.stream():
                await anyio.sleep(2.5)
                assert (await used.post(request("ping"))).status_code == 200
            assert (await idle.post(request("ping"))).status_code == 404

    played(run)


def test_without_the_table_there_is_no_such_route(tmp_path: Path) -> None:
    with serving("[providers.p]\nprotocol = 'openai'\n", tmp_path) as address:
        assert httpx.post(f"{address}/mcp/http", json=initialize()).status_code == 404
