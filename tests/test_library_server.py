"""The server as a program uses it: objects inside a running loop, as many as one likes, closed without a trace."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
import uvloop

from ccproxy.app import App
from ccproxy.config import loads
from ccproxy.transport.on_asyncio import Server, serve
from tests.fakes.meaning import SCENARIOS
from tests.fakes.server import Upstream, config_for, free_port, scenario_script

LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
CLAUDE = {"model": "text", "max_tokens": 50, "stream": True, "messages": [{"role": "user", "content": "hi"}]}


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    with Upstream(scenario_script).running() as running:
        yield running


@pytest.fixture(params=LOOPS)
def run(request: pytest.FixtureRequest) -> Iterator[Callable[[Callable[[], Awaitable[None]]], None]]:
    """Runs an async function in a loop of its own; nothing may be left in it, and it may have nothing to complain of."""
    complaints: list[dict[str, Any]] = []

    async def watched(main: Callable[[], Awaitable[None]]) -> None:
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: complaints.append(context))
        await main()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    with asyncio.Runner(loop_factory=LOOPS[request.param]) as runner:
        yield lambda main: runner.run(watched(main))
    assert not complaints


def app_for(upstream: Upstream) -> App:
    return App(loads(config_for(upstream.port, 1), {}))


@asynccontextmanager
async def serving(app: App, port: int = 0) -> AsyncIterator[Server]:
    server = await serve(app, "127.0.0.1", port)
    try:
        yield server
    finally:
        await server.close(grace_seconds=1)


async def said(client: httpx.AsyncClient, server: Server, group: str) -> str:
    """The text of a streamed answer to a Claude client."""
    text = ""
    async with client.stream("POST", f"http://127.0.0.1:{server.port}/{group}/v1/messages", json=CLAUDE) as answer:
        assert answer.status_code == 200
        async for line in answer.aiter_lines():
            event = json.loads(line.removeprefix("data: ")) if line.startswith("data: ") else {}
            text += event.get("delta", {}).get("text", "") if event.get("type") == "content_block_delta" else ""
    return text


Run = Callable[[Callable[[], Awaitable[None]]], None]


def test_two_servers_in_one_loop_serve_and_go(run: Run, upstream: Upstream) -> None:
    async def main() -> None:
        async with (
            httpx.AsyncClient(trust_env=False) as client,
            serving(app_for(upstream)) as first,
            serving(app_for(upstream)) as second,
        ):
            assert first.port != second.port
            texts = await asyncio.gather(
                *(said(client, server, f"to-{name}") for server in (first, second) for name in ("openai", "gemini"))
            )
            assert set(texts) == {SCENARIOS["text"].text}
            await first.close()
            with pytest.raises(httpx.ConnectError):
                await client.get(f"http://127.0.0.1:{first.port}/healthz")
            assert await said(client, second, "to-ollama") == SCENARIOS["text"].text

    run(main)


def test_one_app_can_be_served_again(run: Run, upstream: Upstream) -> None:
    app = app_for(upstream)

    async def main() -> None:
        for _ in range(2):
            async with serving(app) as server, httpx.AsyncClient(trust_env=False) as client:
                assert await said(client, server, "to-claude") == SCENARIOS["text"].text

    run(main)
    run(main)


def test_a_server_stands_behind_another(run: Run, upstream: Upstream) -> None:
    async def main() -> None:
        async with serving(app_for(upstream)) as inner:
            chained = f'[providers.p]\nprotocol = "gemini"\nbase_url = "http://127.0.0.1:{inner.port}/to-responses"\n'
            async with (
                serving(App(loads(f'{chained}[groups.out.models]\n"*" = "p/*"\n', {}))) as outer,
                httpx.AsyncClient(trust_env=False) as client,
            ):
                assert await said(client, outer, "out") == SCENARIOS["text"].text

    run(main)


def test_a_circle_of_servers_is_found_out(run: Run) -> None:
    ports = free_port(), free_port()

    def app(own: int, other: int) -> App:
        provider = f'[providers.p]\nprotocol = "openai"\nbase_url = "http://127.0.0.1:{other}/v1"\n'
        return App(loads(f"[server]\nport = {own}\n{provider}", {}))

    async def main() -> None:
        async with (
            serving(app(*ports), ports[0]) as server,
            serving(app(*reversed(ports)), ports[1]),
            httpx.AsyncClient(trust_env=False) as client,
        ):
            answer = await client.post(f"http://127.0.0.1:{server.port}/v1/messages", json=CLAUDE)
            assert answer.status_code == 508
            assert "points at ccproxy itself" in answer.json()["error"]["message"]

    run(main)


def test_close_ends_what_is_running_and_may_be_called_again(run: Run, upstream: Upstream) -> None:
    async def main() -> None:
        server = await serve(app_for(upstream), "127.0.0.1", 0)
        _, writer = await asyncio.open_connection("127.0.0.1", server.port)
        await asyncio.wait_for(asyncio.gather(server.close(grace_seconds=0), server.close(grace_seconds=0)), 20)
        await server.close()
        writer.close()
        assert not server.house.connections

    run(main)
