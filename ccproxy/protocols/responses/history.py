"""Earlier responses: `previous_response_id`, and the routes of a response that is kept.

(API reference, "Responses": "Create a model response", previous_response_id, store; "Get", "Delete", "List input items";
guide "Conversation state".) Only items are carried over from turn to turn: instructions, tools and settings are those of
the new request alone.
"""

from __future__ import annotations

from collections.abc import Mapping

from ccproxy.codec import jsontext
from ccproxy.errors import NotFound, RequestError
from ccproxy.model import JSON, Context
from ccproxy.protocols.base import History, Kept
from ccproxy.protocols.responses.fields import Fields

PREVIOUS = "previous_response_id"

ANSWER, INPUT, DELETE = "answer", "input", "delete"
"""The shapes of this protocol's routes to what is kept."""


def previous(document: dict[str, JSON]) -> str:
    """See `base.History`, as for all here."""
    return Fields(document, "").text(PREVIOUS) or ""


def merge(document: dict[str, JSON], kept: Kept, context: Context) -> dict[str, JSON]:
    turns = _items(document)
    merged = {name: value for name, value in document.items() if name != PREVIOUS}
    merged["input"] = [*_said(kept), *kept.answer.get("output", ()), *turns]
    context.echo[PREVIOUS] = document[PREVIOUS]
    return merged


def said(document: dict[str, JSON]) -> bytes | None:
    return None if document.get("store") is False else jsontext.dumps(_items(document))


def _items(document: dict[str, JSON]) -> list[JSON]:
    """A request's own input; a string is the message of the user that it stands for."""
    given = document.get("input")
    if isinstance(given, str):
        return [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": given}]}]
    if not isinstance(given, list | None):
        raise RequestError("input must be a string or an array", param="input")
    return given or []


def _said(kept: Kept) -> list[JSON]:
    items: list[JSON] = jsontext.loads_exact(kept.said)
    return items


def unknown(id: str) -> NotFound:
    text = f"Previous response with id '{id}' not found: it has expired, or another key or group made it"
    return NotFound(text, code="previous_response_not_found", param=PREVIOUS)


def missing(id: str) -> NotFound:
    return NotFound(f"Response with id '{id}' not found", code="response_not_found", param="response_id")


# ---------------------------------------------------------------------------------------------------------------------
# Routes


def _answer(id: str, kept: Kept, query: Mapping[str, str]) -> dict[str, JSON]:
    if query.get("stream") == "true":
        raise RequestError("a response that has ended is not streamed again; ask without stream", param="stream")
    return kept.answer


def _deleted(id: str, kept: Kept, query: Mapping[str, str]) -> dict[str, JSON]:
    return {"id": id, "object": "response", "deleted": True}


_PAGE, _LONGEST_PAGE = 20, 100
"""Items of a list, unless `limit` says so, and at most (as documented)."""


def _input(id: str, kept: Kept, query: Mapping[str, str]) -> dict[str, JSON]:
    """The items that the response answered, the newest first unless `order` says `asc`, a page at a time."""
    items = [_identified(item, id, number) for number, item in enumerate(_said(kept)) if isinstance(item, dict)]
    if query.get("order") != "asc":
        items.reverse()
    ids = [item["id"] for item in items]
    after = query.get("after")
    begin = ids.index(after) + 1 if after in ids else 0
    page = items[begin : begin + _page_size(query.get("limit", ""))]
    return {
        "object": "list",
        "data": page,
        "first_id": page[0]["id"] if page else None,
        "last_id": page[-1]["id"] if page else None,
        "has_more": begin + len(page) < len(items),
    }


def _identified(item: dict[str, JSON], id: str, number: int) -> dict[str, JSON]:
    """The item with what clients need not say: an id, the same one each time, and that it is done."""
    made = f"item_{id.removeprefix('resp_')}{number:x}"
    return {"type": "message", "status": "completed", **item, "id": item.get("id") or made}


def _page_size(limit: str) -> int:
    if not limit:
        return _PAGE
    if not limit.isdecimal() or not 1 <= int(limit[:9]) <= _LONGEST_PAGE:
        raise RequestError(f"limit must be a whole number from 1 to {_LONGEST_PAGE}", param="limit")
    return int(limit)


HISTORY = History(
    previous=previous,
    merge=merge,
    said=said,
    unknown=unknown,
    missing=missing,
    views={ANSWER: _answer, INPUT: _input, DELETE: _deleted},
    forgets=frozenset({DELETE}),
)
