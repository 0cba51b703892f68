"""The configuration file's changes: what they put in force, what goes on, what is refused."""

from __future__ import annotations

import json
import logging
import os
import threading
from pathlib import Path
from typing import Any

import anyio
import pytest

from ccproxy.actions import Accept, Dial
from ccproxy.app import App, models
from ccproxy.app.watch import Watched
from ccproxy.config import Config, Provider, load
from ccproxy.errors import UpstreamError
from ccproxy.protocols.base import ModelInfo
from tests.app.heads import head_of

ONE = """
# mine
[server]
active_group = "a"
[providers.up]
protocol = "openai"
base_url = "https://up.example/v1"
api_keys = ["sk-one", "sk-two"]
[providers.other]
protocol = "openai"
base_url = "https://other.example/v1"
[groups.a.models]
m = "up/a"
[groups.b.models]
m = "up/b"
"""


class File:
    def __init__(self, folder: Path, **given: Any) -> None:
        self.path = folder / "ccproxy.toml"
        self.path.write_text(ONE)
        self.applied: list[Config] = []
        self.watched = Watched(self.path, App(load(self.path, {}, **given)), applied=self.applied.append, **given)

    def says(self, text: str) -> None:
        """As an editor does it; then two looks, since a change waits for one."""
        fresh = self.path.with_suffix(".new")
        fresh.write_text(text)
        os.replace(fresh, self.path)
        self.watched.look()
        self.watched.look()

    def accepted(self, line: str = "POST /switch/v1/chat/completions") -> Accept:
        accept = self.watched.head(head_of(line), 0.0)
        assert isinstance(accept, Accept), accept
        accept.life.begin(0.0)
        return accept

    def dialled(self, line: str = "POST /switch/v1/chat/completions") -> Dial:
        return sent(self.accepted(line))


def sent(accept: Accept) -> Dial:
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "hi"}]}).encode()
    action = accept.life.body(body, 0.0)[0]
    assert isinstance(action, Dial), action
    return action


def model_of(dial: Dial) -> Any:
    return json.loads(dial.body)["model"]


@pytest.fixture
def file(tmp_path: Path) -> File:
    return File(tmp_path)


def test_a_changed_file_comes_into_force(file: File) -> None:
    assert model_of(file.dialled()) == "a"
    file.says(ONE.replace('active_group = "a"', 'active_group = "b"'))
    assert model_of(file.dialled()) == "b"
    assert [config.server.active_group for config in file.applied] == ["b"]


def test_a_request_under_way_goes_on_as_it_began(file: File) -> None:
    begun = file.accepted()
    file.says(ONE.replace('active_group = "a"', 'active_group = "b"'))
    assert model_of(sent(begun)) == "a"


def test_a_file_that_is_still_being_written_is_waited_for(file: File) -> None:
    for text in (ONE[:40], ONE[:200], ONE.replace('"up/a"', '"up/c"')):
        file.path.write_text(text)
        file.watched.look()
        assert file.applied == []
    file.watched.look()
    assert model_of(file.dialled()) == "c"


def test_an_invalid_file_is_refused_and_said(file: File, caplog: pytest.LogCaptureFixture) -> None:
    app = file.watched.app
    file.says(ONE.replace('"a"', '"nobody"').replace("protocol", "protokol", 1))
    assert file.watched.app is app
    assert model_of(file.dialled()) == "a"
    assert "refused, the configuration stays as it was" in caplog.text
    assert "providers.up.protokol: unknown key; did you mean protocol?" in caplog.text
    assert "server.active_group:" in caplog.text
    assert "sk-one" not in caplog.text
    file.says(ONE.replace('"up/a"', '"up/c"'))
    assert model_of(file.dialled()) == "c"


def test_a_store_that_cannot_be_opened_is_refused(file: File, caplog: pytest.LogCaptureFixture) -> None:
    file.says(ONE + '[store]\npath = "/nowhere/at/all.db"\n')
    assert "store.path: cannot be used" in caplog.text
    assert file.applied == []


def test_a_file_that_says_the_same_changes_nothing(file: File) -> None:
    app = file.watched.app
    file.says(ONE.replace("# mine", "# still mine"))
    assert file.watched.app is app


def test_a_file_that_is_gone_for_a_moment(file: File, caplog: pytest.LogCaptureFixture) -> None:
    away = file.path.rename(file.path.with_suffix(".away"))
    file.watched.look()
    away.rename(file.path)
    file.watched.look()
    file.watched.look()
    assert (file.applied, caplog.text) == ([], "")


def test_a_changed_prompt_file_comes_into_force(tmp_path: Path) -> None:
    (tmp_path / "p.md").write_text("one")
    file = File(tmp_path)
    file.says(
        ONE.replace(
            "[groups.a.models]", '[groups.a]\nprompt_injection = "enhance"\nprompt_file = "p.md"\n[groups.a.models]'
        )
    )
    assert b'"content":"one"' in file.dialled().body
    (tmp_path / "p.md").write_text("another")
    file.watched.look()
    file.watched.look()
    assert b'"content":"another"' in file.dialled().body


def test_what_goes_on(file: File) -> None:
    before = file.watched.app
    hops = dict(file.dialled().headers)["x-ccproxy-hop"]
    file.says(ONE.replace('active_group = "a"', 'active_group = "b"'))
    after = file.watched.app
    assert after.store is before.store
    assert after._models is before._models
    assert dict(file.dialled().headers)["x-ccproxy-hop"] == hops
    file.says(ONE + "[store]\nmax_count = 5\n")
    assert file.watched.app.store is not before.store


def test_lists_of_new_providers_are_asked_for(file: File, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    told = threading.Event()

    async def ask(provider: Provider, key: str) -> list[ModelInfo]:
        asked.append(provider.base_url)
        told.set()
        await anyio.sleep(0)
        return []

    monkeypatch.setattr(models, "ask", ask)
    before = file.watched.app
    file.says(ONE.replace('m = "up/a"', '"*" = "other/*"'))
    asked_for = [*file.watched.jobs()]
    assert not file.watched.jobs()  # each is given once

    async def run() -> None:
        with anyio.move_on_after(20):
            async with anyio.create_task_group() as tasks:
                for job in asked_for:
                    tasks.start_soon(job)
                await anyio.to_thread.run_sync(told.wait, 20)
                tasks.cancel_scope.cancel()

    anyio.run(run)
    assert asked == ["https://other.example/v1"]
    assert before._models is not file.watched.app._models


def test_a_change_between_the_first_reading_and_the_watch_is_found(tmp_path: Path) -> None:
    path = tmp_path / "ccproxy.toml"
    path.write_text(ONE)
    app = App(load(path, {}))
    path.write_text(ONE.replace('"up/a"', '"up/c"'))
    watched = Watched(path, app)
    watched.look()
    assert watched.app is not app


def test_rests_go_on_where_the_provider_is_the_same(file: File) -> None:
    def next_key() -> str:
        return dict(file.dialled().headers)["authorization"]

    accept = file.accepted()
    sent(accept)
    accept.life.upstream_failed(UpstreamError("busy", status=429, retry_after=1000.0), 0.0)
    assert {next_key() for _ in range(4)} == {"Bearer sk-two"}
    file.says(ONE.replace('active_group = "a"', 'active_group = "a"\n'))
    file.says(ONE.replace("other.example", "another.example"))
    assert {next_key() for _ in range(4)} == {"Bearer sk-two"}
    file.says(ONE.replace("up.example", "new.example"))
    assert {next_key() for _ in range(4)} == {"Bearer sk-one", "Bearer sk-two"}


def test_the_address_that_is_listened_on_stays(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    keys = '[keys]\nme = "cs-me"\n'
    file = File(tmp_path, host="127.0.0.1", port=9)
    file.says(ONE.replace("[server]", "[server]\nport = 1234"))
    assert "takes a restart" not in caplog.text  # the command line's counts
    path = tmp_path / "open.toml"
    path.write_text(ONE.replace("[server]", '[server]\nhost = "0.0.0.0"') + keys)
    watched = Watched(path, App(load(path, {})))
    path.write_text(ONE)
    watched.read()
    assert "another host or port takes a restart" in caplog.text
    assert "needs proxy keys" in caplog.text  # it would be open to everybody
    assert watched.app.config.keys
    path.write_text(ONE.replace('"up/a"', '"up/c"') + keys)
    watched.read()
    assert watched.app.config.server.host == "0.0.0.0"


def test_the_thread_reads_at_once_when_it_is_told_to(tmp_path: Path) -> None:
    told = threading.Event()
    path = tmp_path / "ccproxy.toml"
    path.write_text(ONE)
    watched = Watched(path, App(load(path, {})), applied=lambda config: told.set())
    path.write_text(ONE.replace('active_group = "a"', 'active_group = "b"'))
    watched.start()
    watched.reread()
    assert told.wait(20)
    watched.stop()


def test_a_mistake_of_ours_does_not_end_the_watch(file: File, caplog: pytest.LogCaptureFixture) -> None:
    def broken() -> None:
        raise RuntimeError("ours")

    with caplog.at_level(logging.ERROR):
        file.watched._guarded(broken)
    assert "could not be read again" in caplog.text
