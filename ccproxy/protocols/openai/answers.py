"""Whole answers and model lists.

API reference "Chat Completions" ("The chat completion object") and "Models".
"""

from __future__ import annotations

from collections.abc import Sequence

from ccproxy import media
from ccproxy.codec import jsontext
from ccproxy.errors import Malformed
from ccproxy.model import (
    JSON,
    Answer,
    Audio,
    Citation,
    Context,
    Image,
    Media,
    Opaque,
    Part,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    arguments_text,
    seal,
)
from ccproxy.protocols.base import ModelInfo
from ccproxy.protocols.naming import made_id
from ccproxy.protocols.openai.reading import AnswerReader
from ccproxy.protocols.openai.terms import DETAILS, EXTRA, FINISH_OUT, NAME, count_of, is_error, own_proof, usage_out
from ccproxy.stream import Sink


def read_answer(document: dict[str, JSON], context: Context, sink: Sink) -> None:
    """A whole answer as Sink calls; an error document becomes an `error` call. Raises Malformed."""
    if not isinstance(document, dict) or not (document.get("choices") or is_error(document)):
        raise Malformed("the upstream's answer has no choices")
    reader = AnswerReader(context, sink)
    try:
        reader.chunk(document)
        reader.end()
    except jsontext.JSONError:
        raise Malformed("the upstream's answer holds what is no JSON") from None


def write_answer(answer: Answer, context: Context) -> dict[str, JSON]:
    """The chat completion object; words, thoughts, calls and media of the answer in one message."""
    message = _Message(context)
    for part in answer.parts:
        message.add(part)
    choice = {
        "index": 0,
        "message": message.document(),
        "logprobs": None,
        "finish_reason": FINISH_OUT[answer.finish],
    }
    document: dict[str, JSON] = {
        "id": made_id(context, "chatcmpl-"),
        "object": "chat.completion",
        "created": context.created or answer.created,
        "model": context.model or answer.model,
        "choices": [choice],
    }
    if answer.usage is not None:
        document["usage"] = usage_out(answer.usage)
    return document


class _Message:
    """Gathers an answer's parts into one assistant message."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._words: dict[str, list[str]] = {"content": [], "refusal": [], "reasoning_content": []}
        self._lists: dict[str, list[JSON]] = {"annotations": [], DETAILS: [], "images": [], "tool_calls": []}
        self._fields: dict[str, JSON] = {}
        self._extra: JSON = None  # what goes with the next call

    def add(self, part: Part) -> None:
        extra, self._extra = self._extra, None
        if isinstance(part, Text):
            self._text(part)
        elif isinstance(part, Refusal):
            self._words["refusal"].append(part.text)
        elif isinstance(part, Reasoning):
            self._thought(part)
        elif isinstance(part, ToolCall):
            self._lists["tool_calls"].append(self._call(part, extra))
        elif isinstance(part, Media):
            self._media(part)
        elif isinstance(part, Opaque) and part.origin == NAME and isinstance(part.raw, dict):
            self._opaque(part.raw)

    def document(self) -> dict[str, JSON]:
        """content is null only beside calls or a refusal, as OpenAI sends it."""
        words = {key: "".join(pieces) for key, pieces in self._words.items()}
        lists = {key: found for key, found in self._lists.items() if found}
        silent = bool(lists.get("tool_calls") or words["refusal"])
        message: dict[str, JSON] = {"role": "assistant", "content": words["content"] or (None if silent else "")}
        message["refusal"] = words["refusal"] or None
        if words["reasoning_content"]:
            message["reasoning_content"] = words["reasoning_content"]
        return message | lists | self._fields

    def _text(self, part: Text) -> None:
        """Citations count from the start of their own part; the message has one text."""
        before = sum(map(len, self._words["content"]))
        self._words["content"].append(part.text)
        found = (annotation_of(citation, before) for citation in part.citations)
        self._lists["annotations"] += [annotation for annotation in found if annotation]

    def _thought(self, part: Reasoning) -> None:
        self._words["reasoning_content"].append(part.text)
        proof = own_proof(part.signature or part.redacted) if part.origin == NAME else None
        if proof is not None and EXTRA in proof:
            self._extra = proof[EXTRA]
        elif proof is not None:
            self._lists[DETAILS].append(proof)
        elif part.signature and not part.text and part.origin != NAME:
            self._extra = {"ccproxy": {"signature": seal(part.signature, part.origin, NAME)}}

    def _call(self, call: ToolCall, extra: JSON) -> dict[str, JSON]:
        tool = self._context.tools.get(call.name)
        if call.kind == "custom" or (tool is not None and tool.kind == "custom"):
            text = arguments_text(call)
            body = {"name": call.name, "input": text if call.kind == "custom" else unwrapped(text)}
            document = {"id": call.id, "type": "custom", "custom": body}
        else:
            body = {"name": call.name, "arguments": arguments_text(call)}
            document = {"id": call.id, "type": "function", "function": body}
        return document if extra is None else document | {EXTRA: extra}

    def _media(self, part: Media) -> None:
        if isinstance(part, Image):
            self._lists["images"].append(image_of(part))
        elif isinstance(part, Audio) and part.data is not None:
            self._fields["audio"] = speech_of(part, self._context)
        else:
            self._words["content"].append(media.stand_in(part, NAME).text)

    def _opaque(self, raw: dict[str, JSON]) -> None:
        """Members of a message, as they came; lists grow."""
        for key, value in raw.items():
            if isinstance(value, list):
                self._lists.setdefault(key, []).extend(value)
            else:
                self._fields[key] = value


# ---------------------------------------------------------------------------------------------------------------------
# Pieces that streams and whole answers write alike


def annotation_of(citation: Citation, offset: int = 0) -> dict[str, JSON] | None:
    """A source as a url_citation annotation; None for one that has no URL. This protocol's own is replayed."""
    if citation.origin == NAME and isinstance(citation.raw, dict):
        return citation.raw
    if not citation.url:
        return None
    source = {
        "start_index": offset + (citation.start or 0),
        "end_index": offset + (citation.end or 0),
        "url": citation.url,
        "title": citation.title,
    }
    return {"type": "url_citation", "url_citation": source}


def image_of(part: Image) -> dict[str, JSON]:
    """An image that the model made, as OpenRouter puts it into messages and deltas ("Image generation")."""
    return {"type": "image_url", "image_url": {"url": media.data_url(part)}}


def speech_of(part: Audio, context: Context) -> dict[str, JSON]:
    """Audio that the model made. Its words, if any, came as text."""
    return {"id": made_id(context, "audio_"), "data": part.data, "expires_at": context.created, "transcript": ""}


def unwrapped(arguments: str) -> str:
    """The free text of a custom tool that was offered to the upstream as a function with one `input`."""
    try:
        value = jsontext.loads(arguments)
    except jsontext.JSONError:
        return arguments
    text = value.get("input") if isinstance(value, dict) else None
    return text if isinstance(text, str) else arguments


# ---------------------------------------------------------------------------------------------------------------------
# Model lists

_CONTEXT_KEYS = ("context_length", "context_window", "max_model_len", "max_context_length")
_OUTPUT_KEYS = ("max_output_tokens", "max_completion_tokens", "output_length")
_ABILITIES = {
    "tools": "tools",
    "reasoning": "thinking",
    "image": "vision",
    "function_calling": "tools",
    "vision": "vision",
    "completion_chat": "chat",
}
"""OpenRouter's supported_parameters and input_modalities, Mistral's capabilities -> the words of the config."""


def read_models(document: JSON) -> list[ModelInfo]:
    """The rows of `{"object": "list", "data": [...]}`; vendors also send `models` or a bare list. Raises Malformed."""
    rows = document
    if isinstance(document, dict):
        rows = document.get("data", document.get("models"))
    if not isinstance(rows, list):
        raise Malformed("the upstream's model list is no list")
    return [_model_in(row) for row in rows if isinstance(row, dict) and isinstance(row.get("id"), str) and row["id"]]


def write_models(models: Sequence[ModelInfo]) -> dict[str, JSON]:
    """The list object."""
    return {"object": "list", "data": [write_model(model) for model in models]}


def write_model(model: ModelInfo) -> dict[str, JSON]:
    """The model object."""
    return {"id": model.id, "object": "model", "created": model.created, "owned_by": model.owner or "ccproxy"}


def _model_in(row: dict[str, JSON]) -> ModelInfo:
    provider = row.get("top_provider")
    limits = provider if isinstance(provider, dict) else {}
    owner, title = row.get("owned_by"), row.get("display_name") or row.get("name")
    return ModelInfo(
        id=row["id"],
        created=count_of(row.get("created")),
        owner=owner if isinstance(owner, str) else "",
        title=title if isinstance(title, str) else "",
        context=next(filter(None, (count_of(row.get(key)) for key in _CONTEXT_KEYS)), 0),
        output=next(filter(None, (count_of(place.get(key)) for place in (row, limits) for key in _OUTPUT_KEYS)), 0),
        abilities=_abilities(row),
    )


def _abilities(row: dict[str, JSON]) -> frozenset[str]:
    shape = row.get("architecture")
    modalities = shape.get("input_modalities") if isinstance(shape, dict) else None
    words: list[JSON] = []
    for said in (row.get("supported_parameters"), modalities, row.get("capabilities")):
        if isinstance(said, list):
            words += said
        elif isinstance(said, dict):
            words += [key for key, value in said.items() if value]
    return frozenset(_ABILITIES[word] for word in words if isinstance(word, str) and word in _ABILITIES)
