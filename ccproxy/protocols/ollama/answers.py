"""Ollama's answers, errors and model lists (docs.ollama.com, "API"; ollama/ollama, `api/types.go`).

A whole answer is the one line of a stream that says everything, so `LineReader` reads both.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from ccproxy import media
from ccproxy.codec import jsontext
from ccproxy.errors import CcproxyError, Malformed, UpstreamError
from ccproxy.model import (
    JSON,
    Answer,
    Context,
    Extras,
    Finish,
    Image,
    Media,
    Part,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    Usage,
    arguments_object,
    parts_to_run,
)
from ccproxy.protocols.base import ModelInfo
from ccproxy.protocols.failures import error_from_document
from ccproxy.protocols.naming import client_tool_name, made_id
from ccproxy.protocols.ollama.requests_in import GENERATE, NAME
from ccproxy.protocols.streams import Single
from ccproxy.stream import Sink

Fields = dict[str, JSON]

# ---------------------------------------------------------------------------------------------------------------------
# Words both ways

FINISH_IN: dict[JSON, Finish] = {"stop": "stop", "length": "length"}
"""done_reason -> finish; the others (`load`, `unload`, what a fork makes up) are a stop."""

FINISH_OUT: dict[Finish, str] = {"length": "length"}
"""The other way; everything else is `stop`: Ollama knows no reason for tool calls or filters."""

DURATIONS = ("total_duration", "load_duration", "prompt_eval_duration", "eval_duration")
"""Nanoseconds. Nobody but Ollama measures them; 0 stands for "not known"."""


def usage_in(document: Fields) -> Usage | None:
    """The counts of the last line, None when it has none. `prompt_eval_count` has every input token, cached or not."""
    if document.get("prompt_eval_count") is None and document.get("eval_count") is None:
        return None
    durations = {key: document[key] for key in DURATIONS if key in document}
    return Usage(_count(document, "prompt_eval_count"), _count(document, "eval_count"), extras=Extras(NAME, durations))


def usage_out(usage: Usage | None) -> Fields:
    """The last line's counts and durations. Clients compute rates from them, so they are always there (F187)."""
    known = usage.extras.fields if usage and usage.extras and usage.extras.origin == NAME else {}
    total, load, prompt, output = (known.get(key, 0) for key in DURATIONS)
    return {
        "total_duration": total,
        "load_duration": load,
        "prompt_eval_count": usage.input if usage else 0,
        "prompt_eval_duration": prompt,
        "eval_count": usage.output if usage else 0,
        "eval_duration": output,
    }


def finish_in(document: Fields, called: bool) -> Finish:
    """Calls may have come lines earlier, and Ollama says `stop` for them (F071)."""
    said = document.get("done_reason")
    reason = FINISH_IN.get(said, "stop") if isinstance(said, str) else "stop"
    return "tool_calls" if called and reason != "length" else reason


def timestamp(seconds: int) -> str:
    """RFC 3339 with nanoseconds, as Go writes a time."""
    try:
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.000000000Z"
    except (OverflowError, ValueError, OSError):
        return "1970-01-01T00:00:00.000000000Z"


def seconds_of(said: JSON) -> int:
    """The other way; 0 when it cannot be read."""
    try:
        return int(datetime.fromisoformat(said).timestamp())
    except (TypeError, ValueError, OverflowError):
        return 0


def _count(document: Fields, key: str) -> int:
    value = document.get(key)
    return value if isinstance(value, int) and value > 0 else 0


# ---------------------------------------------------------------------------------------------------------------------
# Reading


class LineReader:
    """What the lines of one answer say, as Sink calls: thinking, text, calls (each whole), and the end. `single`: see
    `streams.Single`, of the last line."""

    __slots__ = ("_context", "_ids", "_sink", "calls", "single", "started")

    def __init__(self, context: Context, sink: Sink) -> None:
        self._context = context
        self._sink = sink
        self._ids: set[str] = set()
        self.calls = 0
        self.started = False
        self.single: Single | None = None

    def read(self, document: Fields) -> bool:
        """One line. True when it was the last. Raises Malformed for what is no line of an answer."""
        sink = self._sink
        if not self.started:
            self._start(document)
        message = document.get("message")
        if type(message) is not dict:
            message = _generated(document)
        if thought := message.get("thinking"):
            sink.thinking(_text(thought, "thinking"))
        if text := message.get("content"):
            sink.text(_text(text, "content"))
        images, calls = message.get("images"), message.get("tool_calls")
        if images:
            self._media(images)
        if calls:
            self._tool_calls(calls)
        if not document.get("done"):
            self.single = None if images or calls or (text and thought) else self._single_of(text, thought)
            return False
        self.end(document)
        return True

    def _single_of(self, text: Any, thought: Any) -> Single | None:
        if text:
            return text, self._sink.text
        return (thought, self._sink.thinking) if thought else None

    def end(self, document: Fields) -> None:
        """The end, as the last line says it; of an empty one, as what came before says it."""
        usage = usage_in(document)
        if usage is not None:
            self._sink.usage(usage)
        self._sink.finish(finish_in(document, self.calls > 0))

    def _start(self, document: Fields) -> None:
        self.started = True
        model = document.get("model")
        self._sink.start("", model if isinstance(model, str) else "", seconds_of(document.get("created_at")))

    def _media(self, images: JSON) -> None:
        for data in _typed(images, list, "images"):
            self._sink.media(Image(data=_text(data, "images"), mime=media.sniff(data)))

    def _tool_calls(self, calls: JSON) -> None:
        """Counted here: upstreams say index 0 for each of several calls (F026)."""
        for call in _typed(calls, list, "tool_calls"):
            function = _typed(_typed(call, dict, "tool_calls").get("function"), dict, "function")
            name = client_tool_name(_text(function.get("name"), "function.name"), self._context)
            key, self.calls = self.calls, self.calls + 1
            self._sink.tool_start(key, self._id(call.get("id"), key), name)
            self._sink.tool_arguments(key, _arguments(function.get("arguments")))
            self._sink.tool_end(key)

    def _id(self, said: JSON, key: int) -> str:
        id = said if isinstance(said, str) and said and said not in self._ids else made_id(self._context, "call_", key)
        self._ids.add(id)
        return id


def read_answer(document: Fields, context: Context, sink: Sink) -> None:
    """See `Chat.read_answer`. An answer that does not say `done` is complete all the same."""
    if document.get("error"):
        sink.error(stream_error(document))
        return
    reader = LineReader(context, sink)
    if not reader.read(document):
        reader.end(document)


def _generated(document: Fields) -> Fields:
    """The same as a message, of a line of `/api/generate` (`response` beside `thinking`) or a bare last line."""
    if "response" in document:
        return {**document, "content": document["response"]}
    if "message" in document and document["message"] is not None:
        raise Malformed("the upstream's answer has a message that is no object")
    if "message" not in document and not document.get("done"):
        raise Malformed("the upstream's answer has no message")
    return {}


def _arguments(said: JSON) -> str:
    """The arguments as JSON text; some servers behind this protocol send text already."""
    if said is None or said == "":
        return "{}"
    if isinstance(said, str):
        return said
    try:
        return jsontext.dumps_str(_typed(said, dict, "function.arguments"))
    except jsontext.JSONError as error:
        raise Malformed(f"the arguments of a tool call cannot be read: {error}") from None


def _text(value: JSON, what: str) -> str:
    if not isinstance(value, str) or not value:
        raise Malformed(f"{what} in the upstream's answer is no text")
    return value


def _typed(value: JSON, kind: type, what: str) -> Any:
    if not isinstance(value, kind):
        raise Malformed(f"{what} in the upstream's answer is no {'list' if kind is list else 'object'}")
    return value


# ---------------------------------------------------------------------------------------------------------------------
# Writing


def write_answer(answer: Answer, context: Context) -> Fields:
    """See `Chat.write_answer`: one document with everything."""
    message: Fields = {"role": "assistant", "content": _joined(answer.parts, _VISIBLE)}
    if thinking := _joined(answer.parts, {Reasoning: lambda part: part.text}):
        message["thinking"] = thinking
    if calls := [part for part in parts_to_run(answer) if isinstance(part, ToolCall)]:
        message["tool_calls"] = [_call_out(call, number) for number, call in enumerate(calls)]
    return {
        "model": context.model or answer.model,
        "created_at": timestamp(context.created or answer.created),
        **placed(message, context),
        "done": True,
        "done_reason": FINISH_OUT.get(answer.finish, "stop"),
        **usage_out(answer.usage),
    }


def placed(message: Fields, context: Context) -> Fields:
    """A message as the client's route carries it; `/api/generate` spreads its members over the line."""
    if context.shape != GENERATE:
        return {"message": message}
    return {"response": message["content"], **{k: v for k, v in message.items() if k not in ("role", "content")}}


def _joined(parts: list[Part], words: dict[type, Callable[[Any], str]]) -> str:
    found = (next((word for kind, word in words.items() if isinstance(part, kind)), None) for part in parts)
    return "".join(word(part) for part, word in zip(parts, found, strict=True) if word)


_VISIBLE: dict[type, Callable[[Any], str]] = {
    Text: lambda part: part.text,
    Refusal: lambda part: part.text,
    Media: lambda part: media.stand_in(part, NAME).text,
}
"""What a client reads of a part. Its SDK takes no image in an answer, so a text stands in."""


def _call_out(call: ToolCall, number: int) -> Fields:
    return {"id": call.id, "function": {"index": number, "name": call.name, "arguments": arguments_object(call)}}


# ---------------------------------------------------------------------------------------------------------------------
# Errors


def write_error(error: CcproxyError) -> Fields:
    """`{"error": text}`: the status is the only type there is ("Errors")."""
    if error.origin == NAME and isinstance(error.raw, dict) and "error" in error.raw:
        return error.raw
    return {"error": error.message}


def stream_error(document: Fields) -> UpstreamError:
    """An error line. Its status is 500 unless the line tells one, as those of Ollama's cloud do."""
    said = next((document[key] for key in ("StatusCode", "status_code", "status") if key in document), None)
    return error_from_document(NAME, said if isinstance(said, int) and 400 <= said <= 599 else 500, document)


# ---------------------------------------------------------------------------------------------------------------------
# Model lists


def read_models(document: Fields) -> list[ModelInfo]:
    """`/api/tags` ("List models"). Raises Malformed."""
    rows = _typed(_typed(document, dict, "model list").get("models"), list, "models")
    return [_model_in(_typed(row, dict, "models")) for row in rows]


def _model_in(row: Fields) -> ModelInfo:
    details = row.get("details")
    family = details.get("family") if isinstance(details, dict) else None
    abilities = row.get("capabilities")
    return ModelInfo(
        id=_text(row.get("model") or row.get("name"), "model"),
        created=seconds_of(row.get("modified_at")),
        owner=family if isinstance(family, str) else "",
        abilities=frozenset(one for one in abilities if isinstance(one, str))
        if isinstance(abilities, list)
        else frozenset(),
    )


def write_models(models: Sequence[ModelInfo]) -> Fields:
    return {"models": [write_model(model) for model in models]}


def write_model(model: ModelInfo) -> Fields:
    """One row. The digest tells rows apart, as clients expect; there is no file behind it."""
    return {
        "name": model.id,
        "model": model.id,
        "modified_at": timestamp(model.created),
        "size": 0,
        "digest": hashlib.sha256(model.id.encode("utf-8", "surrogatepass")).hexdigest(),
        "details": {
            "parent_model": "",
            "format": "",
            "family": model.owner,
            "families": [model.owner] if model.owner else [],
            "parameter_size": "",
            "quantization_level": "",
        },
    }
