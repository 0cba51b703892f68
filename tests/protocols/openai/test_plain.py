"""The short way to a message means what the long way does."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ccproxy.errors import RequestError
from ccproxy.protocols.openai.messages import MessageReader
from ccproxy.protocols.openai.plain import plain_message

TEXTS = st.sampled_from([None, "", "a", "function", 1, [], {}])
FUNCTIONS = st.fixed_dictionaries({"name": TEXTS, "arguments": TEXTS}, optional={"strict": TEXTS})
CALLS = st.fixed_dictionaries(
    {"id": TEXTS, "type": st.sampled_from(["function", "custom", None]), "function": FUNCTIONS | TEXTS},
    optional={"index": TEXTS},
)
MESSAGES = st.fixed_dictionaries(
    {"role": st.sampled_from(["user", "assistant", "system", "developer", "tool", [], None])},
    optional={
        "content": TEXTS,
        "tool_calls": st.lists(CALLS | TEXTS, max_size=2) | TEXTS,
        "tool_call_id": TEXTS,
        "name": TEXTS,
        "refusal": TEXTS,
    },
)


@given(MESSAGES)
def test_plain_messages_are_read_as_any_others_are(message: Any) -> None:
    plain = plain_message(message)
    if plain is not None:
        assert MessageReader().read(message, "") == plain


@given(MESSAGES)
def test_what_is_wrong_is_left_to_the_long_way(message: Any) -> None:
    try:
        MessageReader().read(message, "")
    except RequestError:
        assert plain_message(message) is None
