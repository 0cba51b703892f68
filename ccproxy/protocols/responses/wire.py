"""How an upstream's events and response objects are picked apart, what a Decoder remembers of them, and how encrypted
reasoning travels.

Everything here raises `Malformed` and nothing else.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from ccproxy.codec import jsontext
from ccproxy.errors import Malformed
from ccproxy.model import JSON, Citation, unseal
from ccproxy.protocols.responses.terms import NAME

Event: TypeAlias = dict[str, Any]

TERMINAL = frozenset(
    {"response.completed", "response.incomplete", "response.failed", "response.done", "response.cancelled"}
)

VOLATILE = ("sequence_number", "obfuscation")
"""Members that differ from event to event and change nothing: what is counted, and padding (API reference,
`stream_options.include_obfuscation`)."""


def read_event(payload: bytes) -> Event | None:
    """The event, its `type` a string; None for an end mark that some upstreams send beyond the protocol."""
    try:
        event = jsontext.loads(payload)
    except jsontext.JSONError as error:
        if payload.strip() == b"[DONE]":
            return None
        raise Malformed(f"an event of the upstream's stream is no JSON: {error}") from None
    if type(event) is not dict:
        raise Malformed("an event of the upstream's stream is no object")
    if type(event.get("type")) is not str:
        if "error" not in event:
            raise Malformed("an event of the upstream's stream has no type")
        event["type"] = "error"
    return event


def read_item(raw: JSON) -> Event:
    """An output item, its `type` a string."""
    if type(raw) is not dict or type(raw.get("type")) is not str:
        raise Malformed("an output item of the upstream is no object with a type")
    return raw


def string(raw: Event, key: str) -> str:
    """A member that is text, "" when it is missing or null."""
    value = raw.get(key)
    if type(value) is str:
        return value
    if value is None:
        return ""
    raise Malformed(f"`{key}` of the upstream's answer is no text")


def array(raw: Event, key: str) -> list[JSON]:
    """A member that is a list, an empty one when it is missing or null."""
    value = raw.get(key)
    if value is None or type(value) is list:
        return value or []
    raise Malformed(f"`{key}` of the upstream's answer is no list")


def member(raw: Event, key: str) -> Event:
    """A member that is an object, an empty one for anything else."""
    value = raw.get(key)
    return value if type(value) is dict else {}


def read_citation(annotation: Event) -> Citation:
    """An output_text annotation (url_citation, file_citation, container_file_citation, file_path)."""
    start, end = annotation.get("start_index"), annotation.get("end_index")
    return Citation(
        NAME,
        annotation,
        url=string(annotation, "url"),
        title=string(annotation, "title") or string(annotation, "filename"),
        start=start if type(start) is int else None,
        end=end if type(end) is int else None,
    )


# ---------------------------------------------------------------------------------------------------------------------
# Encrypted reasoning

OWN_REASONING_ID = "rs_ccproxy_"
"""How the ids of reasoning items begin that an Encoder of ours made up. OpenAI keeps no such item, and refuses a reasoning
item that it neither keeps nor can decrypt, so one that comes back without encrypted content is not sent up."""

REDACTED = "redacted:"
"""Marks, within a foreign signature, a thought that only its maker can read. Base64 has no colon."""


def join_signature(item_id: JSON, encrypted: str) -> str:
    """A reasoning item's proof as one string. OpenAI ties `encrypted_content` to the item's id, and answers 400 ("item_id
    did not match the target item id") when it comes back under another one, so the id travels with it. What an Encoder of
    ours wrote comes out as that Encoder was given it; what it sealed for another protocol stays sealed."""
    signature, origin = unseal(encrypted, NAME)
    if signature != encrypted:
        return signature if origin == NAME else encrypted
    bound = isinstance(item_id, str) and item_id.startswith("rs_") and not item_id.startswith(OWN_REASONING_ID)
    return f"{item_id}:{encrypted}" if bound else encrypted


def split_signature(signature: str) -> tuple[str, str]:
    """(item id or "", encrypted_content) of what `join_signature` joined."""
    item_id, colon, encrypted = signature.partition(":")
    return (item_id, encrypted) if colon and item_id.startswith("rs_") else ("", signature)


# ---------------------------------------------------------------------------------------------------------------------
# What a Decoder remembers of the items that it has seen

WRAPPERS = frozenset({"multi_tool_use.parallel", "multi_tool_use_parallel"})
"""Names under which some models wrap several calls in one: `{"tool_uses": [{"recipient_name", "parameters"}]}`."""


class SeenItem:
    """An output item. part: which of its texts the last delta belonged to; said: those that have come."""

    __slots__ = ("cited", "done", "kind", "part", "said")

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.part: tuple[str, JSON] = ("", None)
        self.said: set[tuple[str, JSON]] = set()
        self.cited = False
        self.done = False

    def enter(self, part: tuple[str, JSON]) -> bool:
        """Notes that this text has come; whether it is new."""
        self.part = part
        try:
            new = part not in self.said
            self.said.add(part)
        except TypeError:
            raise Malformed("the index of a content part is no number") from None
        return new

    def has_said(self, kind: str) -> bool:
        return any(said == kind for said, _ in self.said)


class SeenCall(SeenItem):
    """A tool call's item. held: its arguments while its name is unknown or a wrapper's, None once they stream."""

    __slots__ = ("ended", "held", "id", "key", "name")

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.key = -1
        self.id = self.name = ""
        self.held: list[str] | None = []
        self.ended = False


def unwrap(name: str, text: str) -> list[tuple[str, str]]:
    """(name, arguments) of each call in a wrapper, or the wrapper itself when it is none."""
    try:
        document = jsontext.loads_exact(text)
        uses = document["tool_uses"]
        return [
            (use["recipient_name"].removeprefix("functions."), jsontext.dumps_str(use.get("parameters") or {}))
            for use in uses
        ] or [(name, text)]
    except (jsontext.JSONError, TypeError, KeyError, AttributeError):
        return [(name, text)]
