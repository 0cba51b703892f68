from __future__ import annotations

from typing import Any

import pytest

from ccproxy.errors import Malformed
from ccproxy.model import seal
from ccproxy.protocols.responses.wire import (
    SeenItem,
    array,
    join_signature,
    member,
    read_citation,
    read_event,
    read_item,
    split_signature,
    string,
)


@pytest.mark.parametrize(
    ("item_id", "encrypted", "signature"),
    [
        ("rs_1", "gAAA", "rs_1:gAAA"),
        ("", "gAAA", "gAAA"),
        (None, "gAAA", "gAAA"),
        ("msg_1", "gAAA", "gAAA"),
        ("rs_ccproxy_1", "gAAA", "gAAA"),
        ("rs_ccproxy_1", "ccproxy.responses.rs_9:gAAA", "rs_9:gAAA"),
        ("rs_ccproxy_1", "ccproxy.gemini.sig", "ccproxy.gemini.sig"),
    ],
)
def test_the_id_travels_with_the_proof(item_id: Any, encrypted: str, signature: str) -> None:
    assert join_signature(item_id, encrypted) == signature


def test_a_proof_comes_apart_again() -> None:
    assert split_signature("rs_1:gAAA") == ("rs_1", "gAAA")
    assert split_signature("gAAA") == ("", "gAAA")
    assert split_signature("a:b") == ("", "a:b")
    assert seal("rs_1:gAAA", "responses", "claude").endswith("rs_1:gAAA")


def test_members() -> None:
    raw = {"s": "x", "n": None, "a": [1], "o": {"k": 1}}
    assert (string(raw, "s"), string(raw, "n"), string(raw, "missing")) == ("x", "", "")
    assert (array(raw, "a"), array(raw, "n"), array(raw, "missing")) == ([1], [], [])
    assert (member(raw, "o"), member(raw, "s")) == ({"k": 1}, {})
    with pytest.raises(Malformed):
        string(raw, "a")
    with pytest.raises(Malformed):
        array(raw, "s")


def test_events() -> None:
    assert read_event(b'{"type":"x"}') == {"type": "x"}
    assert read_event(b" [DONE] ") is None
    assert read_event(b'{"error":"x"}') == {"error": "x", "type": "error"}


@pytest.mark.parametrize("raw", [None, [], {}, {"type": 3}])
def test_items_that_are_none(raw: Any) -> None:
    with pytest.raises(Malformed):
        read_item(raw)


def test_a_citation_without_its_place() -> None:
    citation = read_citation({"type": "url_citation", "url": "u", "start_index": "0"})
    assert (citation.url, citation.title, citation.start, citation.end) == ("u", "", None, None)


def test_a_part_is_new_once() -> None:
    item = SeenItem("message")
    assert [item.enter(("output_text", 0)), item.enter(("output_text", 0)), item.enter(("output_text", 1))] == [
        True,
        False,
        True,
    ]
    assert item.has_said("output_text")
    assert not item.has_said("refusal")
    with pytest.raises(Malformed):
        item.enter(("output_text", {}))
