"""Both stores of earlier answers, side by side: bounds, expiry, ownership; and what the routes show of them."""

from __future__ import annotations

import json
import logging
import sqlite3
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from ccproxy.actions import Accept, Reply
from ccproxy.app import App
from ccproxy.app.store import Bounds, MemoryStore, Owner, Shelf, SQLiteStore, Store, opened, view
from ccproxy.config import Store as Settings
from ccproxy.config import loads
from ccproxy.errors import ConfigError, NotFound
from ccproxy.protocols import PROTOCOLS
from ccproxy.protocols.base import Call, Kept
from tests.app.heads import head_of

ANNA, BERT = Owner("anna", "default"), Owner("bert", "default")
ANNA_ELSEWHERE = Owner("anna", "qwen")
HISTORY = PROTOCOLS["responses"].history


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


Make = Callable[..., Store]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["memory", "sqlite"])
def make(request: pytest.FixtureRequest, clock: Clock, tmp_path: Path) -> Make:
    """Makes a store of each kind with the given bounds."""

    def made(size: int = 100, count: int = 10, age: float = 60.0) -> Store:
        bounds = Bounds(size=size, count=count, age=age)
        if request.param == "memory":
            return MemoryStore(bounds, clock)
        store = SQLiteStore(tmp_path / "turns.db", bounds, clock)
        request.addfinalizer(store.close)
        return store

    return made


def fill(store: Store, clock: Clock, *ids: str, size: int = 10) -> None:
    for id in ids:
        clock.now += 1
        assert store.put(ANNA, id, b"x" * size)


def there(store: Store, *ids: str) -> list[str]:
    return [id for id in ids if store.get(ANNA, id) is not None]


def test_what_is_put_is_got_until_it_is_dropped(make: Make) -> None:
    store = make()
    assert store.put(ANNA, "a", b"one")
    assert store.put(ANNA, "a", b"two")
    assert (store.get(ANNA, "a"), store.get(ANNA, "b")) == (b"two", None)
    assert (store.drop(ANNA, "a"), store.drop(ANNA, "a"), store.get(ANNA, "a")) == (True, False, None)


@pytest.mark.parametrize("other", [BERT, ANNA_ELSEWHERE], ids=["another key", "another group"])
def test_an_id_is_its_owners(make: Make, other: Owner) -> None:
    store = make()
    store.put(ANNA, "a", b"anna's")
    assert (store.get(other, "a"), store.drop(other, "a")) == (None, False)
    store.put(other, "a", b"the other's")
    assert (store.get(ANNA, "a"), store.get(other, "a")) == (b"anna's", b"the other's")


def test_too_many_bytes_push_out_what_was_used_the_longest_time_ago(make: Make, clock: Clock) -> None:
    store = make(size=100)
    fill(store, clock, "a", "b", "c", size=30)
    clock.now += 1
    assert store.get(ANNA, "a") is not None
    fill(store, clock, "d", size=30)
    assert there(store, "a", "b", "c", "d") == ["a", "c", "d"]
    fill(store, clock, "e", size=100)
    assert there(store, "a", "c", "d", "e") == ["e"]


def test_too_many_answers_too(make: Make, clock: Clock) -> None:
    store = make(count=2)
    fill(store, clock, "a", "b", "c")
    assert there(store, "a", "b", "c") == ["b", "c"]


def test_the_bounds_are_of_all_owners_together(make: Make, clock: Clock) -> None:
    store = make(count=1)
    store.put(BERT, "b", b"")
    fill(store, clock, "a")
    assert store.get(BERT, "b") is None


def test_putting_again_does_not_count_twice(make: Make, clock: Clock) -> None:
    store = make(size=100, count=3)
    fill(store, clock, "a", "b", *["c"] * 9, size=30)
    assert there(store, "a", "b", "c") == ["a", "b", "c"]


def test_what_is_too_large_is_not_kept_and_its_forerunner_is_gone(make: Make) -> None:
    store = make(size=10)
    store.put(ANNA, "a", b"small")
    store.put(ANNA, "b", b"other")
    assert not store.put(ANNA, "a", b"x" * 11)
    assert there(store, "a", "b") == ["b"]


def test_a_store_of_nothing_keeps_nothing(make: Make) -> None:
    store = make(count=0)
    assert not store.put(ANNA, "a", b"x")
    assert store.get(ANNA, "a") is None


def test_age_counts_from_the_last_use(make: Make, clock: Clock) -> None:
    store = make(age=60)
    fill(store, clock, "a", "b")
    clock.now += 50
    assert store.get(ANNA, "a") is not None
    clock.now += 50
    assert (there(store, "a", "b"), store.drop(ANNA, "b")) == (["a"], False)
    clock.now += 61
    assert not store.drop(ANNA, "a")


def test_what_has_expired_takes_no_room(make: Make, clock: Clock) -> None:
    store = make(size=100, age=60)
    fill(store, clock, "a", size=90)
    clock.now += 61
    fill(store, clock, "b", "c", size=50)
    assert there(store, "b", "c") == ["b", "c"]


# ---------------------------------------------------------------------------------------------------------------------
# The file


def filed(path: Path, **bounds: int) -> SQLiteStore:
    return SQLiteStore(path, Bounds(**{"size": 10_000, "count": 10, "age": 60, **bounds}))


def test_a_file_outlives_the_process_and_is_its_users_alone(tmp_path: Path) -> None:
    path = tmp_path / "turns.db"
    first = filed(path)
    first.put(ANNA, "a", b"kept")
    assert [stat.S_IMODE(each.stat().st_mode) for each in tmp_path.iterdir()] == [0o600] * len(list(tmp_path.iterdir()))
    first.close()
    second = filed(path)
    assert second.get(ANNA, "a") == b"kept"
    second.close()


def test_smaller_bounds_are_kept_from_the_next_answer_on(tmp_path: Path) -> None:
    first = filed(tmp_path / "turns.db")
    for id in "abc":
        first.put(ANNA, id, b"x")
    first.close()
    second = filed(tmp_path / "turns.db", count=2)
    second.put(ANNA, "d", b"x")
    assert there(second, "a", "b", "c", "d") == ["c", "d"]
    second.close()


def test_deleted_words_leave_the_file(tmp_path: Path) -> None:
    store = filed(tmp_path / "turns.db")
    store.put(ANNA, "a", b"a word of mine")
    store.drop(ANNA, "a")
    store.close()
    assert b"a word of mine" not in (tmp_path / "turns.db").read_bytes()


def test_a_file_that_fails_costs_no_answer(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = filed(tmp_path / "turns.db")
    store.put(ANNA, "a", b"x")
    with sqlite3.connect(tmp_path / "turns.db") as other:
        other.execute("DROP TABLE answers")
    other.close()
    with caplog.at_level(logging.WARNING):
        assert (store.get(ANNA, "a"), store.put(ANNA, "a", b"x"), store.drop(ANNA, "a")) == (None, False, False)
    assert len(caplog.records) == 3
    assert str(tmp_path) not in caplog.text
    store.close()


@pytest.mark.parametrize("content", [None, b"no database, but a text of more than sixteen bytes"])
def test_a_path_that_cannot_be_used_is_told(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "turns.db"
    if content is None:
        path = tmp_path / "missing" / "turns.db"
    else:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"^store\.path: cannot be used: "):
        opened(Settings(path=str(path)))


def test_the_configuration_chooses_the_kind(tmp_path: Path) -> None:
    assert isinstance(opened(Settings()), MemoryStore)
    store = opened(Settings(path=str(tmp_path / "turns.db")))
    assert isinstance(store, SQLiteStore)
    store.close()


# ---------------------------------------------------------------------------------------------------------------------
# Shelves

KEPT = Kept(b'[{"role":"user","content":"gr\xc3\xbcezi\\n"}]', {"id": "resp_1", "n": 2**70, "cut": "\ud83d", "output": []})


def test_a_shelf_gives_back_what_it_was_given(make: Make) -> None:
    store = make(size=1_000)
    shelf = Shelf(store, ANNA)
    assert shelf.keep("resp_1", KEPT)
    assert shelf.recall("resp_1") == KEPT
    assert Shelf(store, BERT).recall("resp_1") is None
    assert shelf.forget("resp_1")
    assert shelf.recall("resp_1") is None


def test_views() -> None:
    assert HISTORY is not None
    shelf = Shelf(MemoryStore(Bounds(size=1_000, count=9, age=60)), ANNA)
    shelf.keep("resp_1", Kept(b"[]", {"id": "resp_1", "output": []}))
    seen = view(HISTORY, shelf, Call(id="resp_1", shape="answer"))
    assert (seen.status, json.loads(seen.body)) == (200, {"id": "resp_1", "output": []})
    gone = view(HISTORY, shelf, Call(id="resp_1", shape="delete"))
    assert json.loads(gone.body) == {"id": "resp_1", "object": "response", "deleted": True}
    for shape in ("answer", "delete", "input"):
        with pytest.raises(NotFound, match="resp_1"):
            view(HISTORY, shelf, Call(id="resp_1", shape=shape))


# ---------------------------------------------------------------------------------------------------------------------
# The App

CONFIG = """
[keys]
anna = "cs-anna"
bert = "cs-bert"
[providers.up]
protocol = "openai"
base_url = "https://up.example/v1"
[groups.default.models]
"*" = "up/*"
[groups.qwen]
keys = ["bert"]
models."*" = "up/*"
"""
ANSWERED = {"choices": [{"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}]}


def answered(app: App) -> str:
    """The id of an answer that anna got in the default group."""
    life = accepted(app).life
    life.begin(0.0)
    life.body(b'{"model": "m", "input": "hi"}', 0.0)
    life.upstream_head(200, [("content-type", "application/json")], 0.0)
    life.upstream_bytes(json.dumps(ANSWERED).encode(), 0.0)
    reply = life.upstream_eof(0.0)[0]
    assert isinstance(reply, Reply)
    id: str = json.loads(reply.body)["id"]
    return id


def accepted(app: App) -> Accept:
    told = app.head(head_of("POST /v1/responses", {"authorization": "Bearer cs-anna"}), 0.0)
    assert isinstance(told, Accept)
    return told


def status(app: App, path: str, key: str = "anna", method: str = "GET") -> int:
    reply = app.head(head_of(f"{method} {path}", {"authorization": f"Bearer cs-{key}"}), 0.0)
    assert isinstance(reply, Reply)
    return reply.status


def test_routes_show_an_answer_to_whom_it_belongs() -> None:
    app = App(loads(CONFIG, {}))
    path = f"/v1/responses/{answered(app)}"
    assert [status(app, path), status(app, f"/default{path}"), status(app, f"{path}/input_items")] == [200] * 3
    assert [status(app, path, "bert"), status(app, f"/qwen{path}", "bert"), status(app, f"/qwen{path}")] == [404, 404, 403]
    assert [status(app, path, method="DELETE"), status(app, path, method="DELETE"), status(app, path)] == [200, 404, 404]


def test_a_changed_configuration_keeps_what_was_kept() -> None:
    app = App(loads(CONFIG, {}))
    path = f"/v1/responses/{answered(app)}"
    assert status(App(app.config, app.store), path) == 200
    assert status(App(app.config), path) == 404


def test_a_store_that_is_off_is_not_talked_about() -> None:
    app = App(loads(CONFIG + "[store]\nmax_count = 0\n", {}))
    assert status(app, f"/v1/responses/{answered(app)}") == 404
    life = accepted(app).life
    life.begin(0.0)
    reply = life.body(b'{"model": "m", "input": "hi", "previous_response_id": "resp_1"}', 0.0)[0]
    assert isinstance(reply, Reply)
    assert (reply.status, json.loads(reply.body)["error"]["code"]) == (404, "previous_response_not_found")
