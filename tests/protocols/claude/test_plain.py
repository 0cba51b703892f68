"""The short way to a message means what the long way does."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ccproxy.model import Tool, seal
from ccproxy.protocols.claude import plain, requests_in
from ccproxy.protocols.claude.terms import NAME

MARK = {"type": "ephemeral"}
TEXTS = st.sampled_from([None, "", "a", 1])
FLAGS = st.sampled_from([None, False, True, {}, MARK])
BLOCKS = st.one_of(
    st.fixed_dictionaries({"type": st.just("text"), "text": TEXTS}, optional={"cache_control": FLAGS}),
    st.fixed_dictionaries(
        {"type": st.just("tool_use"), "id": TEXTS, "name": TEXTS, "input": st.sampled_from([{}, {"a": 1}, None, "{}"])},
        optional={"cache_control": FLAGS},
    ),
    st.fixed_dictionaries(
        {"type": st.just("tool_result"), "tool_use_id": TEXTS, "content": TEXTS}, optional={"is_error": FLAGS}
    ),
    st.fixed_dictionaries(
        {"type": st.just("thinking"), "thinking": TEXTS}, optional={"signature": TEXTS | st.just(seal("s", "gemini", NAME))}
    ),
    st.fixed_dictionaries({"type": TEXTS | st.just([])}),
    TEXTS,
)
MESSAGES = st.fixed_dictionaries(
    {"role": st.sampled_from(["user", "assistant", "system", "tool", [], None])},
    optional={"content": TEXTS | st.lists(BLOCKS, max_size=3), "id": TEXTS},
)


@given(MESSAGES)
def test_plain_messages_are_read_as_any_others_are(message: Any) -> None:
    read = plain.plain_message(message)
    if read is not None:
        assert requests_in._read_message(message, "") == [read]


@given(st.fixed_dictionaries({"name": TEXTS, "description": TEXTS, "input_schema": FLAGS}, optional={"type": TEXTS}))
def test_plain_tools_are_read_as_any_others_are(tool: Any) -> None:
    read = plain.plain_tool(tool)
    if read is not None:
        with_another = requests_in._read_tool({**tool, "strict": True}, "")
        assert isinstance(with_another, Tool)
        with_another.strict = None
        assert with_another == read
