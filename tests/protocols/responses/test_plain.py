"""The short way to an item's message means what the long way does."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ccproxy.protocols.responses import items_in
from ccproxy.protocols.responses.fields import Fields
from ccproxy.protocols.responses.plain import plain_item

TEXTS = st.sampled_from([None, "", "a", "[]", 1, [], {}])
PARTS = st.fixed_dictionaries(
    {"type": st.sampled_from(["input_text", "output_text", "text", "refusal", None]), "text": TEXTS},
    optional={"annotations": TEXTS},
)
ITEMS = st.fixed_dictionaries(
    {"type": st.sampled_from(["message", "function_call", "function_call_output", "reasoning", None, []])},
    optional={
        "role": st.sampled_from(["user", "assistant", "system", "developer", None, []]),
        "content": TEXTS | st.lists(PARTS, max_size=2),
        "call_id": TEXTS,
        "name": TEXTS,
        "arguments": TEXTS,
        "namespace": TEXTS,
        "output": TEXTS | st.lists(PARTS, max_size=2),
        "id": TEXTS,
        "status": TEXTS,
    },
)


@given(ITEMS)
def test_plain_items_are_read_as_any_others_are(item: Any) -> None:
    plain = plain_item(item)
    if plain is not None:
        assert items_in._read_item(Fields(item, "")) == plain
