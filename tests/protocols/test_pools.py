"""Several upstreams behind one name, through a real ccproxy process: one that fails, in each way, and one that serves.

The SDK in front hears of the second one only. Each test has a provider that fails of its own, so that none meets the rest
that another one caused.
"""

from __future__ import annotations

import itertools
import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from attrs import frozen

from tests.fakes.clients import CLIENTS, Refused
from tests.fakes.meaning import SCENARIOS
from tests.fakes.server import (
    BASE_PATHS,
    Asked,
    Scripted,
    Upstream,
    ccproxy_process,
    free_port,
    scenario_script,
)
from tests.fakes.wires import CONTENT_TYPES, ERRORS
from tests.test_exchange_pairs import ERRORS as FIRST_EVENTS

PROTOCOLS = list(CLIENTS)
HOLD = 3.0
"""Seconds; so much more than an answer takes here that a loaded machine makes no difference."""


def _refusal(status: int, **headers: str) -> Callable[[Asked], Scripted]:
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda asked: Scripted(
        status, "application/json", [json.dumps(ERRORS[asked.protocol](status)).encode()], headers=headers
    )


WAYS: dict[str, Callable[[Asked], Scripted]] = {
    "429": _refusal(429),
    "429-told": _refusal(429, retry_after="30"),
    "401": _refusal(401),
    "403": _refusal(403),
    "404": _refusal(404),
    "500": _refusal(500),
    "529": _refusal(529),
    "reset": lambda asked: Scripted(200, "", [], resets=True),
    "cut": lambda asked: Scripted(200, CONTENT_TYPES[asked.protocol], [], cut=True),
    "empty": lambda asked: Scripted(200, CONTENT_TYPES[asked.protocol], []),
    "error": lambda asked: Scripted(200, CONTENT_TYPES[asked.protocol], [FIRST_EVENTS[asked.protocol]]),
}
NOBODY = "nobody"
"""The way of an address at which nobody listens."""


@frozen
class Case:
    """A client's request to an alias whose first target fails."""

    client: str
    fails: str
    serves: str
    way: str
    stream: bool = True

    @property
    def name(self) -> str:
        return f"{self.client}-{self.fails}-{self.serves}-{self.way}-{'stream' if self.stream else 'whole'}"


def _neighbours(client: str) -> list[tuple[str, str]]:
    """(who fails, who serves): the client's own protocol, and two others."""
    at = PROTOCOLS.index(client)
    return [(client, client), (PROTOCOLS[(at + 1) % 5], PROTOCOLS[(at + 3) % 5])]


CASES = [
    Case(client, *neighbours, way, stream=(number + place + at) % 2 == 0)
    for number, client in enumerate(PROTOCOLS)
    for place, neighbours in enumerate(_neighbours(client))
    for at, way in enumerate([*WAYS, NOBODY])
]
"""Every way for every client, streaming and not in turn."""
SLOW = [Case("claude", "openai", "gemini", way) for way in ("slow", "slow-429")]


def _script(asked: Asked, model: str) -> Scripted:
    key = re.search(r"sk-fails-([\w-]+)", json.dumps(asked.headers))
    way = key[1] if key else ""
    if way.startswith("slow"):
        scripted = scenario_script(asked, model) if way == "slow" else _refusal(429)(asked)
        scripted.waits = 1.5 * HOLD
        return scripted
    return WAYS[way](asked) if way else scenario_script(asked, model)


def _config(upstream: int, port: int, closed: int) -> str:
    lines = [f"[server]\nport = {port}\n[timeouts]\nhold = {HOLD}\n"]
    for protocol, path in BASE_PATHS.items():
        lines.append(_provider(f"serves-{protocol}", protocol, f"{upstream}/{protocol}{path}", "sk-serves"))
    for case in [*CASES, *SLOW]:
        address = f"{closed if case.way == NOBODY else upstream}/{case.fails}{BASE_PATHS[case.fails]}"
        lines.append(_provider(f"fails-{case.name}", case.fails, address, f"sk-fails-{case.way}"))
        lines.append(f'[groups.{case.name}]\nbalance = "failover"\n[groups.{case.name}.models]')
        lines.append(f'"*" = ["fails-{case.name}/*", "serves-{case.serves}/*"]\n')
    for way in ("429-told", "500"):
        lines.append(_provider(f"all-{way}", "openai", f"{upstream}/openai/v1", f"sk-fails-{way}"))
    lines.append('[groups.all.models]\n"*" = ["all-429-told/*", "all-500/*"]\n')
    lines.append(_provider("keys", "openai", f"{upstream}/openai/v1", "sk-first", "sk-second"))
    lines.append('[groups.keys.models]\n"*" = "keys/*"\ntwo = ["keys/text", "keys/thinking"]\n')
    return "\n".join(lines)


def _provider(name: str, protocol: str, address: str, *keys: str) -> str:
    return f'[providers.{name}]\nprotocol = "{protocol}"\nbase_url = "http://127.0.0.1:{address}"\napi_keys = {list(keys)}'


@frozen
class World:
    upstream: Upstream
    address: str
    log: Path

    def logged(self, words: str) -> str:
        """The line with these words, which is written when the answer has left."""
        for _ in range(200):
            line = next((line for line in self.log.read_text().splitlines() if words in line), "")
            if line:
                return line
            time.sleep(0.05)
        pytest.fail(f"the log does not say {words}")

    def asked(self, since: int) -> list[str]:
        """The protocols and keys that were asked since then."""
        found = []
        for asked in self.upstream.asked[since:]:
            key = re.search(r"sk-(\w+)", json.dumps(asked.headers))
            assert key is not None
            found.append(f"{key[1]} {asked.protocol}")
        return found


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    port, closed = free_port(), free_port()
    folder = tmp_path_factory.mktemp("pools")
    with (
        Upstream(_script).running() as upstream,
        ccproxy_process(_config(upstream.port, port, closed), folder, port) as address,
    ):
        yield World(upstream, address, folder / "ccproxy.log")


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_the_client_hears_of_the_pair_that_serves(case: Case, world: World) -> None:
    since = len(world.upstream.asked)
    expected = SCENARIOS["text"].said()
    assert CLIENTS[case.client](f"{world.address}/{case.name}", "text", case.stream).said() == expected
    first = [] if case.way == NOBODY else [f"fails {case.fails}"]
    asked = world.asked(since)
    if case.way == "reset":  # on a kept connection, which the upstream may close at any time, it is asked again
        asked = asked[-2:]
    assert asked == [*first, f"serves {case.serves}"]
    line = world.logged(f"fails-{case.name}/text: ")
    assert f"-> serves-{case.serves}/text: 200" in line
    assert "sk-" not in world.log.read_text()


@pytest.mark.parametrize("way", [way for way in WAYS if way not in ("404",)])
def test_what_failed_rests(way: str, world: World) -> None:
    """For another request right behind it."""
    case = next(case for case in CASES if case.way == way and case.client == "openai")
    address = f"{world.address}/{case.name}"
    CLIENTS["openai"](address, "parallel", True)
    since = len(world.upstream.asked)
    CLIENTS["openai"](address, "parallel", False)
    assert world.asked(since) == [f"serves {case.serves}"]


def test_after_hold_the_choice_is_final(world: World) -> None:
    since = len(world.upstream.asked)
    served, refused = SLOW
    assert CLIENTS["claude"](f"{world.address}/{served.name}", "text", True).said() == SCENARIOS["text"].said()
    with pytest.raises(Refused, match="slow down") as error:
        CLIENTS["claude"](f"{world.address}/{refused.name}", "text", True)
    assert error.value.status in (None, 200)
    assert world.asked(since) == ["fails openai", "fails openai"]


def test_when_all_have_failed_the_client_is_told_when_to_come_back(world: World) -> None:
    message = {"model": "text", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
    asks = f"{world.address}/all/v1/messages"
    since = len(world.upstream.asked)
    for number in range(2):
        answer = httpx.post(asks, json=message, headers={"x-api-key": "k"})
        assert answer.status_code == 503
        assert 1 <= int(answer.headers["retry-after"]) <= 2
        assert answer.json()["type"] == "error"
        assert len(world.asked(since)) == 2, number


def test_two_keys_and_two_models_use_all_four_pairs_evenly(world: World) -> None:
    since = len(world.upstream.asked)
    for _ in range(8):
        CLIENTS["openai"](f"{world.address}/keys", "two", True)
    pairs = [
        (key.partition(" ")[0], asked.document["model"])
        for key, asked in zip(world.asked(since), world.upstream.asked[since:], strict=True)
    ]
    assert sorted(pairs) == sorted([*itertools.product(("first", "second"), ("text", "thinking"))] * 2)


def test_models_that_are_asked_in_turn_use_both_keys_each(world: World) -> None:
    """As an agent's large and small model, through a pattern."""
    since = len(world.upstream.asked)
    for scenario in ("text", "tool") * 4:
        CLIENTS["openai"](f"{world.address}/keys", scenario, True)
    pairs = [
        (key.partition(" ")[0], asked.document["model"])
        for key, asked in zip(world.asked(since), world.upstream.asked[since:], strict=True)
    ]
    assert sorted(pairs) == sorted([*itertools.product(("first", "second"), ("text", "tool"))] * 2)
