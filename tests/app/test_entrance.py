"""Requests that begin alike: what is decided once is what would be decided each time, and no more is shared than that."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest

from ccproxy.actions import Accept, Dial, Reply
from ccproxy.app import App
from ccproxy.app.entrance import _IDS, _Ids
from ccproxy.config import loads
from ccproxy.transport.http1 import HeadReader, RequestHead

CONFIG = """
[keys]
laptop = "cs-laptop"
ci = "cs-ci"
[providers.up]
protocol = "openai"
base_url = "https://up.example/v1"
api_keys = ["sk-one", "sk-two"]
[providers.one]
protocol = "openai"
base_url = "https://one.example/v1"
api_keys = ["sk-only"]
[limits]
max_body = 2048
[groups.default.models]
both = "up/gpt"
"*" = "one/*"
[groups.closed]
keys = ["ci"]
[groups.closed.models]
"*" = "one/*"
"""


def head(length: int = 100, key: str = "cs-laptop", path: str = "/v1/chat/completions", more: str = "") -> RequestHead:
    raw = f"POST {path} HTTP/1.1\r\nhost: h\r\nauthorization: Bearer {key}\r\ncontent-length: {length}\r\n{more}\r\n"
    read = HeadReader.server().feed(raw.encode())
    assert isinstance(read, RequestHead)
    return read


def asked(app: App, read: RequestHead, model: str = "both") -> Dial:
    taken = app.head(read, 0.0)
    assert isinstance(taken, Accept)
    taken.life.begin(0.0)
    body: dict[str, Any] = {"model": model, "messages": [{"role": "user", "content": "hi"}]}
    dial = taken.life.body(json.dumps(body).encode(), 0.0)[0]
    assert isinstance(dial, Dial), dial
    return dial


def refused(app: App, read: RequestHead) -> int:
    answer = app.head(read, 0.0)
    assert isinstance(answer, Reply)
    return answer.status


def test_a_second_request_is_served_as_the_first() -> None:
    app = App(loads(CONFIG, {}))
    first, second = (asked(app, head(length), "gpt-5") for length in (100, 200))
    assert (first.target, first.headers, first.endpoint) == (second.target, second.headers, second.endpoint)
    assert first.headers is second.headers


def test_requests_take_turns_with_the_keys() -> None:
    app = App(loads(CONFIG, {}))
    keys = [dict(asked(app, head(length)).headers)["authorization"] for length in (100, 200, 300, 400)]
    assert keys == ["Bearer sk-one", "Bearer sk-two"] * 2


def test_each_name_leads_where_it_leads() -> None:
    app = App(loads(CONFIG, {}))
    names = ["gpt-5", "both", *(f"m{number}" for number in range(40)), "gpt-5", "long" * 100, "long" * 100]
    for name in names:
        dial = asked(app, head(), name)
        assert json.loads(dial.body)["model"] == ("gpt" if name == "both" else name)
        assert dial.endpoint.host == ("up.example" if name == "both" else "one.example")


def test_another_key_is_another_client() -> None:
    app = App(loads(CONFIG, {}))
    closed = "/closed/v1/chat/completions"
    for _ in range(2):
        asked(app, head(key="cs-ci", path=closed), "x")
        assert refused(app, head(path=closed)) == 403
        assert refused(app, head(key="cs-wrong")) == 401
        asked(app, head())


def test_the_size_is_judged_each_time() -> None:
    app = App(loads(CONFIG, {}))
    asked(app, head(2048))
    assert refused(app, head(2049)) == 413
    asked(app, head(2047))


def test_what_was_let_in_once_is_judged_anew_under_another_configuration() -> None:
    app = App(loads(CONFIG, {}))
    asked(app, head())
    assert refused(App(loads(CONFIG.replace("cs-laptop", "cs-new"), {}), before=app), head()) == 401


def test_a_request_that_comes_back_is_refused_each_time() -> None:
    app = App(loads(CONFIG, {}))
    hops = dict(asked(app, head()).headers)["x-ccproxy-hop"]
    for _ in range(2):
        assert refused(app, head(more=f"x-ccproxy-hop: {hops}\r\n")) == 508


@pytest.mark.parametrize("count", [200])
def test_few_heads_are_kept(count: int) -> None:
    app = App(loads(CONFIG, {}))
    for number in range(count):
        asked(app, head(more=f"x-trace: {number}\r\n"), "x")
    assert 0 < int(repr(app._entrances).split()[1].rstrip(">")) <= 64


def test_few_names_are_kept_and_no_long_one() -> None:
    app = App(loads(CONFIG, {}))
    for number in range(40):
        asked(app, head(), f"m{number}")
    (entrance,) = app._entrances._of.values()
    kept = len(entrance._names)
    assert 0 < kept <= 16
    asked(app, head(), "long" * 100)
    assert len(entrance._names) == kept


def test_no_id_is_given_twice() -> None:
    ids = _Ids()
    given = [ids.next() for _ in range(1000)]
    assert len(set(given)) == 1000
    assert {len(id) for id in given} == {24}
    assert all(int(id, 16) >= 0 for id in given)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no such processes")
def test_a_child_gives_other_ids_than_its_parent() -> None:
    _IDS.next()
    read, write = os.pipe()
    child = os.fork()
    if not child:
        os.write(write, _IDS.next().encode())
        os._exit(0)
    os.waitpid(child, 0)
    told = os.read(read, 100).decode()
    os.close(read)
    os.close(write)
    assert told
    assert told != _IDS.next()
