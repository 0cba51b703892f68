"""What an upstream says, chunk by chunk or in one document, into Sink calls. Streams and whole answers share it.

A chunk's `delta` and a whole answer's `message` have the same members; a table says who reads which, in the order that
counts where one delta has several: thoughts, words, media, calls. Only choice 0 is read: across protocols there is one
answer (DESIGN 4).

    fresh ── first chunk ──> started ── finish_reason ──> finishing ── usage without choices, [DONE] or the end ──> done
      └──────────────────────────── an error, in any state ────────────────────────────────────────────────────────┘

API reference "Chat Completions" ("The chat completion object", "The chat completion chunk object"); reasoning as sent by
DeepSeek ("Thinking mode": reasoning_content), OpenRouter ("Reasoning tokens": reasoning, reasoning_details) and Mistral
("Reasoning": thinking parts in content); images as by OpenRouter ("Image generation").
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable

from ccproxy import media
from ccproxy.codec import jsontext
from ccproxy.errors import Broken, Malformed, UpstreamError
from ccproxy.model import JSON, Audio, Citation, Context, Image
from ccproxy.protocols.openai.calls import Calls
from ccproxy.protocols.openai.terms import (
    DETAILS,
    NAME,
    count_of,
    counts_of,
    error_in,
    finish_in,
    has_counts,
    is_error,
    usage_in,
)
from ccproxy.protocols.streams import Single
from ccproxy.stream import Sink

EMPTY = "the upstream's stream was empty"
CUT = "the upstream's stream stopped before its end"
_THOUGHTS = ("reasoning_content", "reasoning", "thinking")
_WORDS = ("text", "summary", "thinking", "content")


class AnswerReader:
    """Reads one answer. `chunk` takes each document, `end` is the protocol's own end, `cut` a clean end of the bytes
    without it. `done`: finish or error has been passed on. `single`: see `streams.Single`, of the last chunk."""

    __slots__ = (
        "_audio",
        "_calls",
        "_context",
        "_counts",
        "_finish",
        "_refused",
        "_said",
        "_sink",
        "_started",
        "_stopped_at",
        "_thinking",
        "_with_deltas",
        "done",
        "single",
    )

    def __init__(self, context: Context, sink: Sink) -> None:
        self._context = context
        self._sink = sink
        self._calls = Calls(context, sink)
        self._audio: list[bytes] = []
        self._counts: dict[str, JSON] | None = None  # the last usage that said something
        self._finish: str | None = None
        self._stopped_at: str | None = None
        self._started = False
        self._said = False  # anything but the role has come
        self._thinking = False  # a thought came last
        self._refused = False
        self._with_deltas = False
        self.done = False
        self.single: Single | None = None

    def __repr__(self) -> str:
        return f"<AnswerReader started={self._started} finish={self._finish!r} done={self.done} {self._calls!r}>"

    def chunk(self, document: JSON) -> None:
        """One chunk, or a whole answer. Raises Malformed, and JSONError for what nests too deep to be written again."""
        self.single = None
        if self.done:
            return
        if not isinstance(document, dict):
            raise Malformed("a chunk of the stream is no object")
        if (document.get("error") or "choices" not in document) and is_error(document):
            self._fail(document)
            return
        counts = counts_of(document)
        if counts is not None:
            self._counts = counts
        choices = document.get("choices")
        if choices:
            if not self._started:
                self._start(document)
            self._choices(choices)
        elif counts is not None and self._finish is not None:
            self.end()

    def end(self) -> None:
        """[DONE], or the end of a whole answer. Gateways send [DONE] behind a cut stream too."""
        if self.done:
            return
        self.done = True
        if not self._started or (self._finish is None and self._calls.cut()):
            self._sink.error(Broken(CUT if self._started else EMPTY))
            return
        self._close_audio()
        self._calls.end()
        if self._counts is not None:
            self._sink.usage(usage_in(self._counts))
        word, called = self._finish or "", self._calls.seen
        reason, stopped_at = finish_in(word, called=called, refused=self._refused, stopped_at=self._stopped_at)
        if reason == "error":
            self._sink.error(UpstreamError(f"the upstream ended its answer with {word!r}"))
        else:
            self._sink.finish(reason, stopped_at)

    def cut(self) -> None:
        """Fine after a finish_reason; else only where nothing can be missing (DESIGN 5). Raises Broken otherwise."""
        if self.done:
            return
        if not self._started:
            raise Broken(EMPTY)
        if self._finish is None and not (self._said and self._calls.complete()):
            raise Broken(CUT)
        self.end()

    def _start(self, document: dict[str, JSON]) -> None:
        self._started = True
        id, model = document.get("id"), document.get("model")
        self._sink.start(
            id if isinstance(id, str) else "",
            model if isinstance(model, str) else "",
            count_of(document.get("created")),
        )

    def _fail(self, document: dict[str, JSON]) -> None:
        counts = counts_of(document)
        if self._started and counts is not None:
            self._sink.usage(usage_in(counts))
        self.done = True
        self._sink.error(error_in(document))

    def _choices(self, choices: JSON) -> None:
        if not isinstance(choices, list):
            raise Malformed("choices is no list")
        for choice in choices:
            if not isinstance(choice, dict):
                raise Malformed("a choice is no object")
            if not choice.get("index"):
                self._choice(choice)
        if len(choices) > 1:
            self.single = None

    def _choice(self, choice: dict[str, JSON]) -> None:
        delta = choice.get("delta")
        if delta is None and not self._with_deltas:
            delta = choice.get("message")
        elif delta is not None:
            self._with_deltas = True
        if delta:
            self._delta(delta)
        finish = choice.get("finish_reason")
        if finish:
            self.single = None
            self._end_of_choice(choice, finish)
        if has_counts(usage := choice.get("usage")):  # Moonshot
            self._counts = usage

    def _end_of_choice(self, choice: dict[str, JSON], finish: JSON) -> None:
        if not isinstance(finish, str):
            raise Malformed("finish_reason is no text")
        self._finish = self._finish or finish
        for key in ("stop_reason", "matched_stop"):  # vLLM and SGLang name the stop sequence here, or a token's number
            if isinstance(choice.get(key), str) and choice[key]:
                self._stopped_at = choice[key]

    def _delta(self, delta: JSON) -> None:
        if not isinstance(delta, dict):
            raise Malformed("a delta is no object")
        content = delta.get("content")
        if len(delta) == 1 and type(content) is str:  # nearly every chunk
            if content:
                self._text(content)
                self.single = content, self._sink.text
            return
        self._thoughts(delta)
        said = [member for member in _MEMBERS if delta.get(member[0])]
        for key, read in said:
            read(self, delta[key])
        self.single = self._single_of(delta, [key for key, _ in said])

    def _single_of(self, delta: dict[str, JSON], said: list[str]) -> Single | None:
        """What a delta held, if it was a text, a thought, or a piece of one call's arguments."""
        details = delta.get(DETAILS)
        details = details[0] if isinstance(details, list) and len(details) == 1 else details
        thoughts = {words_of(value) for value in (details, *map(delta.get, _THOUGHTS)) if value}
        if said == ["content"] and not thoughts and isinstance(text := delta["content"], str):
            return text, self._sink.text
        if not said and len(thoughts) == 1 and self._thinking and not isinstance(details, list):
            thought = thoughts.pop()
            return (thought, self._sink.thinking) if thought else None
        return self._calls.single if said == ["tool_calls"] and not thoughts else None

    # -- words

    def _text(self, text: str) -> None:
        if self._thinking or self._calls.open:
            self._leave()
        self._said = True
        self._sink.text(text)

    def _content(self, content: JSON) -> None:
        if not isinstance(content, (str, list)):
            raise Malformed("content is neither text nor a list of parts")
        for part in [content] if isinstance(content, str) else content:
            if isinstance(part, str):
                if part:
                    self._text(part)
            elif isinstance(part, dict):
                self._part(part)
            else:
                raise Malformed("a part of content is no object")

    def _part(self, part: dict[str, JSON]) -> None:
        kind = part.get("type")
        read = _PARTS.get(kind) if isinstance(kind, str) else None
        if read is None:
            self._leave()
            self._sink.opaque(NAME, {"content": [part]})
        else:
            read(self, part)

    def _refusal(self, text: JSON) -> None:
        if not isinstance(text, str):
            raise Malformed("refusal is no text")
        self._leave()
        self._said = self._refused = True
        self._sink.refusal(text)

    def _leave(self) -> None:
        """What was open ends: a thought, and calls that are complete."""
        self._thinking = False
        self._calls.settle()

    # -- thoughts

    def _thoughts(self, delta: dict[str, JSON]) -> None:
        """The same thought often stands in two or three members: the details count if they have words, else the first
        of the others that has."""
        details = delta.get(DETAILS)
        if not (details and words_of(details)):
            words = (words_of(value) for key in _THOUGHTS if (value := delta.get(key)))
            if first := next(filter(None, words), ""):
                self._think(first)
        if details:
            self._details(details)

    def _think(self, words: str) -> None:
        if not self._thinking:
            self._leave()
        self._thinking = self._said = True
        self._sink.thinking(words)

    def _details(self, details: JSON) -> None:
        """Signatures and encrypted thoughts are kept as the JSON they stood in, so that they can be sent back as they came.
        `data` beside a visible thought is its proof, alone it is a thought of its own."""
        if not isinstance(details, list):
            raise Malformed("reasoning_details is no list")
        for detail in details:
            if not isinstance(detail, dict):
                raise Malformed("an entry of reasoning_details is no object")
            if words := words_of(detail):
                self._think(words)
            if detail.get("signature") or (detail.get("data") and self._thinking):
                self._thinking = False
                self._sink.signature(jsontext.dumps_str(_without_words(detail)), NAME)
            elif detail.get("data"):
                self._leave()
                self._sink.redacted(jsontext.dumps_str(detail), NAME)

    # -- media, sources, server tools

    def _images(self, images: JSON) -> None:
        for image in images if isinstance(images, list) else ():
            if isinstance(image, dict):
                self._image(image)

    def _image(self, part: dict[str, JSON]) -> None:
        place = part.get("image_url")
        url = place.get("url") if isinstance(place, dict) else place
        if not isinstance(url, str):
            raise Malformed("an image has no URL")
        self._leave()
        self._said = True
        found = media.split_data_url(url)
        self._sink.media(Image(mime=found[0], data=found[1]) if found else Image(url=url))

    def _speech(self, audio: JSON) -> None:
        """Base64 pieces with padding of their own, and the words; guide "Audio and speech": streams are pcm16."""
        if not isinstance(audio, dict):
            raise Malformed("audio is no object")
        data, transcript = audio.get("data"), audio.get("transcript")
        if isinstance(data, str) and data:
            try:
                self._audio.append(base64.b64decode(data, validate=True))
            except (binascii.Error, ValueError):
                raise Malformed("audio is no base64 text") from None
        if isinstance(transcript, str) and transcript:
            self._text(transcript)

    def _close_audio(self) -> None:
        if self._audio:
            self._leave()
            mime = "audio/pcm" if self._with_deltas else ""
            self._sink.media(Audio(mime=mime, data=base64.b64encode(b"".join(self._audio)).decode()))

    def _annotations(self, annotations: JSON) -> None:
        for raw in annotations if isinstance(annotations, list) else ():
            source = raw.get("url_citation") if isinstance(raw, dict) else None
            if isinstance(source, dict):
                self._sink.citation(_citation(raw, source))
            elif raw:
                self._sink.opaque(NAME, {"annotations": [raw]})

    def _executed(self, tools: JSON) -> None:
        """Tools that Groq ran itself ("Compound", executed_tools)."""
        self._leave()
        self._sink.opaque(NAME, {"executed_tools": tools})

    # -- calls

    def _tool_calls(self, entries: JSON) -> None:
        if not isinstance(entries, list):
            raise Malformed("tool_calls is no list")
        self._thinking = False
        self._said = True
        for entry in entries:
            self._calls.piece(entry)
        if len(entries) != 1:
            self._calls.single = None

    def _function_call(self, body: JSON) -> None:
        self._thinking = False
        self._said = True
        self._calls.legacy(body)


def words_of(value: JSON, depth: int = 6) -> str:
    """The words of a thought in any of its spellings: text, an object with text in it, a list of these."""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and depth:
        return "".join([words_of(one, depth - 1) for one in value])
    if isinstance(value, dict) and depth:
        return next((words_of(value[key], depth - 1) for key in _WORDS if value.get(key)), "")
    return ""


def _without_words(detail: dict[str, JSON]) -> dict[str, JSON]:
    return {key: value for key, value in detail.items() if key not in ("text", "summary")}


def _citation(raw: JSON, source: dict[str, JSON]) -> Citation:
    def text(key: str) -> str:
        return source[key] if isinstance(source.get(key), str) else ""

    def place(key: str) -> int | None:
        return source[key] if isinstance(source.get(key), int) else None

    return Citation(
        NAME, raw, text("url"), text("title"), text("content"), start=place("start_index"), end=place("end_index")
    )


_MEMBERS: tuple[tuple[str, Callable[[AnswerReader, JSON], None]], ...] = (
    ("refusal", AnswerReader._refusal),
    ("content", AnswerReader._content),
    ("audio", AnswerReader._speech),
    ("images", AnswerReader._images),
    ("annotations", AnswerReader._annotations),
    ("executed_tools", AnswerReader._executed),
    ("tool_calls", AnswerReader._tool_calls),
    ("function_call", AnswerReader._function_call),
)
"""Who reads which member of a delta or message, in the order in which they are passed on. Empty values say nothing."""


def _text_part(reader: AnswerReader, part: dict[str, JSON]) -> None:
    if words := words_of(part):
        reader._text(words)


def _thinking_part(reader: AnswerReader, part: dict[str, JSON]) -> None:
    if words := words_of(part):
        reader._think(words)


_PARTS: dict[str, Callable[[AnswerReader, dict[str, JSON]], None]] = {
    "text": _text_part,
    "output_text": _text_part,
    "thinking": _thinking_part,
    "reasoning": _thinking_part,
    "image_url": AnswerReader._image,
    "refusal": lambda reader, part: reader._refusal(part.get("refusal")),
}
"""Who reads which part of a content list."""
