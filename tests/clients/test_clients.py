"""Real clients through a real ccproxy process: a task in two turns that needs a tool, over upstreams of all five protocols.

Each client must finish, and say what only somebody who read the file can say; and the upstream must have got a second turn
in which call and result belong together. In compat mode the upstream is a model that writes nothing but text. A client that
cannot be installed is skipped with the reason; when none can, that is a failure.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from attrs import define

from tests.clients.errand import ANSWER, RESULT, Errand, texts_of
from tests.clients.install import Missing, program
from tests.clients.kinds import CLIENTS, OTHERWISE, PACKAGES, Client
from tests.clients.pairing import pairs
from tests.clients.running import Ran, Served, run
from tests.conftest import MISSING
from tests.fakes.accepting import unknown_in
from tests.fakes.asking import wish_of
from tests.fakes.server import BASE_PATHS, Asked, Scripted, Upstream, ccproxy_process, config_for, free_port

FOLDER = os.environ.get("CCPROXY_CLIENTS", "")

pytestmark = pytest.mark.skipif(
    not FOLDER, reason="CCPROXY_CLIENTS names no folder to install real clients into (2.5 GB); .ci/run does"
)

UPSTREAMS = tuple(BASE_PATHS)
KEY = "sk-client"


def across(*clients: Client, upstreams: Sequence[str] = UPSTREAMS) -> list[Any]:
    return [pytest.param(client, speaks, id=f"{client.name}-{speaks}") for client in clients for speaks in upstreams]


NATIVE = [param for param in across(*CLIENTS, *OTHERWISE) if param.id != "Codex, code mode-responses"]
"""Without the one upstream that would call a tool which no other protocol has: there nothing is converted."""

SLOW = ("Qwen Code", "opencode", "aider")
"""Clients that take seconds to start: in compat mode, where the upstream's protocol matters little, over one."""

COMPAT = [
    *across(*(client for client in CLIENTS if client.name not in SLOW)),
    *across(*(client for client in CLIENTS if client.name in SLOW), upstreams=["openai"]),
]


@define
class Place:
    """ccproxy and the upstream behind it, for one test after the other. errand: what the upstream's model is about."""

    served: Served
    upstream: Upstream

    def done(self, client: Client, errand: Errand, path: str) -> tuple[Ran, list[Asked]]:
        """The client's run on the errand, and what the upstream was asked in it."""
        self.upstream.script = errand.answer
        self.upstream.asked.clear()
        found = installed(client)
        home = errand.folder.parent / "home"
        return run(client, found, self.served, path, errand.folder, home), list(self.upstream.asked)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("ccproxy")
    port = free_port()
    upstream = Upstream(lambda asked, model: Scripted(500, "text/plain", []))
    with upstream.running():
        config = f'{config_for(upstream.port, port)}\n[keys]\nclient = "{KEY}"\n'
        with ccproxy_process(config, folder, port) as address:
            yield Place(Served(file=folder / "ccproxy.toml", address=address, key=KEY), upstream)


def installed(client: Client) -> Path:
    try:
        return program(PACKAGES[client.package], Path(FOLDER))
    except Missing as missing:
        pytest.skip(f"{MISSING}{missing}")


@pytest.fixture
def errand(tmp_path: Path) -> Errand:
    made = Errand(tmp_path / "work")
    made.prepare()
    return made


def test_some_client_can_be_installed() -> None:
    reasons = []
    for package in PACKAGES.values():
        try:
            program(package, Path(FOLDER))
        except Missing as missing:
            reasons.append(str(missing))
    assert len(reasons) < len(PACKAGES), "\n".join(reasons)


@pytest.mark.parametrize(("client", "speaks"), NATIVE)
def test_a_task_in_two_turns(
    client: Client, speaks: str, place: Place, errand: Errand, record_property: Callable[[str, object], None]
) -> None:
    record_property("real client", f"{client.name} {speaks}")
    _with_git(client, errand)
    ran, asked = place.done(client, errand, f"to-{speaks}")
    assert errand.said in ran.output, ran
    assert ran.code == 0, ran
    turn = _second_turn(asked, errand)
    assert turn.protocol == speaks
    assert turn.streams
    if client.has_tools:
        _is_called_and_answered(turn, errand)
    else:
        assert pairs(speaks, turn.document) == []
        assert (errand.folder / ANSWER).read_text().strip() == errand.secret
    if speaks != client.speaks:
        assert unknown_in(speaks, turn.document) == []


@pytest.mark.parametrize(("client", "speaks"), COMPAT)
def test_a_task_in_two_turns_in_compat_mode(
    client: Client, speaks: str, place: Place, errand: Errand, record_property: Callable[[str, object], None]
) -> None:
    record_property("real client, compat", f"{client.name} {speaks}")
    _with_git(client, errand)
    ran, asked = place.done(client, errand, f"to-{speaks}/compat")
    assert errand.said in ran.output, ran
    assert ran.code == 0, ran
    assert "<tool_call" not in ran.output + ran.errors, ran
    turn = _second_turn(asked, errand)
    wish = wish_of(speaks, turn.document, turn.streams)
    assert (pairs(speaks, turn.document), wish.tools) == ([], [])
    if client.has_tools:
        before, _, behind = texts_of(wish).rpartition(RESULT)
        assert '<tool_call name="' in before
        assert errand.secret in behind
    else:
        assert (errand.folder / ANSWER).read_text().strip() == errand.secret


def _second_turn(asked: list[Asked], errand: Errand) -> Asked:
    """The first request that has the note's words in it; background requests may follow."""
    knowing = [one for one in asked if errand.secret in json.dumps(one.document)]
    assert knowing, [(one.path, sorted(one.document)) for one in asked]
    return knowing[0]


def _is_called_and_answered(turn: Asked, errand: Errand) -> None:
    wish = wish_of(turn.protocol, turn.document, turn.streams)
    found = pairs(turn.protocol, turn.document)
    assert len(found) == 1
    [(name, result)] = found
    assert name in {tool[0] for tool in wish.tools}
    assert errand.secret in result


def _with_git(client: Client, errand: Errand) -> None:
    """aider knows which files there are from git."""
    if client.has_tools:
        return
    git = shutil.which("git")
    if git is None:
        pytest.skip(f"{client.name} needs git")
    for arguments in (["init", "-q"], ["add", "."]):
        subprocess.run([git, *arguments], cwd=errand.folder, check=True)
