"""The conversation that every protocol is read into and written from.

    Request ── system: parts          what the protocol's own system field said
            ── messages: Message ── role, parts
            ── tools: Tool | Opaque   a provider's own server tools are Opaque
            ── tool_choice, format, reasoning, sampling, ...
    Answer  ── parts, finish, usage

    EmbeddingRequest ── inputs: EmbeddingInput ── parts or tokens, dimensions
    EmbeddingAnswer  ── vectors, usage

    Part = Text | Refusal | Image | Document | Audio | ToolCall | ToolResult | Reasoning | Opaque

Rules that every reader and writer keeps:

- Roles are system, user, assistant and tool. A tool message holds ToolResults only; no other message holds any. What a
  protocol keeps in one turn but the model in two (Claude's tool_result and text in one user message) is marked in
  `extras.shape` so that its own writer joins them again.
- What a protocol says beyond the model goes into `extras` of the object it was said on, with the protocol's name as
  origin, and comes back when that protocol is written. Writers of other protocols leave extras alone. Nothing else is
  dropped: it is mapped, noted in the context, or refused with `Unsupported`.
- Strings are the client's, byte for byte. Arguments and schemas keep their key order.
- Objects are plain and mutable: policies change them in place. A reader makes them new, so nobody shares them.
- Reading and writing the same protocol gives the same document; hence `shape`: where a protocol has two spellings
  for one meaning (a content string or a list with one text part), it says which was used.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from attrs import define, field, frozen

from ccproxy.codec import jsontext

if TYPE_CHECKING:
    from ccproxy.turns import Pairs

JSON: TypeAlias = Any
"""A decoded JSON value."""

Role = Literal["system", "user", "assistant", "tool"]

Finish = Literal["stop", "stop_sequence", "length", "tool_calls", "content_filter", "refusal", "pause", "error"]
"""Why an answer ended."""

Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]
"""How hard to think, in rising order; the union of what the providers name."""


@define(slots=True)
class Extras:
    """What the protocol `origin` said on one object beyond the model."""

    origin: str
    fields: dict[str, JSON] = field(factory=dict)
    shape: str = ""


@define(slots=True, kw_only=True)
class Part:
    """Base of all parts. `cache`: the provider's cache mark on it, e.g. `{"type": "ephemeral"}`."""

    cache: dict[str, JSON] | None = None
    extras: Extras | None = None


@define(slots=True)
class Citation:
    """A source that a text leans on. `url`, `title`, `cited`: what most protocols can show; `raw`: as `origin` said it.

    `start` and `end` are offsets in characters into the text part, where they are known.
    """

    origin: str
    raw: JSON
    url: str = ""
    title: str = ""
    cited: str = ""
    start: int | None = None
    end: int | None = None


@define(slots=True)
class Text(Part):
    text: str
    citations: list[Citation] = field(factory=list, kw_only=True)


@define(slots=True)
class Refusal(Part):
    """The model's words of refusal, where the protocol keeps them apart from text."""

    text: str


@define(slots=True, kw_only=True)
class Media(Part):
    """Image, document or audio: exactly one of `data`, `url`, `file_id` or `text` is set.

    data: base64 text without a data: prefix. mime: such as `image/png`, empty when not said. text: a plain-text document.
    name: file name or title. detail: OpenAI's image detail.
    """

    mime: str = ""
    data: str | None = None
    url: str | None = None
    file_id: str | None = None
    text: str | None = None
    name: str = ""
    detail: str = ""


@define(slots=True, kw_only=True)
class Image(Media):
    pass


@define(slots=True, kw_only=True)
class Document(Media):
    """Any file that is no image and no audio: PDF, text, video."""


@define(slots=True, kw_only=True)
class Audio(Media):
    pass


@define(slots=True)
class ToolCall(Part):
    """`arguments` is JSON text where the wire carries text, else the decoded object; a custom (free-form) tool's
    input is plain text and `kind` says `custom`. Read it through `arguments_text` or `arguments_object`."""

    id: str
    name: str
    arguments: str | dict[str, JSON]
    kind: Literal["function", "custom"] = field(default="function", kw_only=True)


@define(slots=True)
class ToolResult(Part):
    """`id` is the call's. `name` is the tool's, empty where the protocol does not say it. `parts`: text and media."""

    id: str
    name: str
    parts: list[Any]  # list[Part]; attrs resolves the name late
    is_error: bool = field(default=False, kw_only=True)
    kind: Literal["function", "custom"] = field(default="function", kw_only=True)


@define(slots=True)
class Reasoning(Part):
    """A thought. `signature` is the maker's opaque proof (Claude's signature, Responses' encrypted_content, Gemini's
    thoughtSignature), `origin` the protocol it came from. `redacted` is a thought that only the maker can read (Claude's
    redacted_thinking data). A Reasoning with a signature and no text signs the part that follows it, or, as last part,
    the answer."""

    text: str = ""
    signature: str = field(default="", kw_only=True)
    redacted: str = field(default="", kw_only=True)
    origin: str = field(default="", kw_only=True)


@define(slots=True)
class Opaque(Part):
    """What only `origin` knows (server tools and their results, code execution, ...), as it said it."""

    origin: str
    raw: JSON


@define(slots=True)
class Message:
    role: Role
    parts: list[Part]
    extras: Extras | None = field(default=None, kw_only=True)


@define(slots=True)
class Tool:
    """A function that the client runs. `parameters`: its JSON schema, None when none was given; for `kind` custom the
    input is free text and `grammar` its format, if any. `namespace`: the Responses namespace it stands in."""

    name: str
    description: str = ""
    parameters: dict[str, JSON] | None = None
    strict: bool | None = field(default=None, kw_only=True)
    kind: Literal["function", "custom"] = field(default="function", kw_only=True)
    grammar: JSON = field(default=None, kw_only=True)
    namespace: str = field(default="", kw_only=True)
    cache: dict[str, JSON] | None = field(default=None, kw_only=True)
    extras: Extras | None = field(default=None, kw_only=True)


@define(slots=True)
class ToolChoice:
    """mode `tool` names one tool in `name`. `allowed` limits auto and required to these names."""

    mode: Literal["auto", "none", "required", "tool"]
    name: str = ""
    allowed: list[str] = field(factory=list, kw_only=True)
    extras: Extras | None = field(default=None, kw_only=True)


@define(slots=True)
class ResponseFormat:
    """kind `json_schema` carries `schema`."""

    kind: Literal["text", "json", "json_schema"]
    schema: dict[str, JSON] | None = None
    name: str = ""
    description: str = ""
    strict: bool | None = field(default=None, kw_only=True)
    extras: Extras | None = field(default=None, kw_only=True)


@define(slots=True)
class ReasoningOptions:
    """What the client asked of the model's thinking; every field None or empty means it said nothing.

    enabled: False is off, True is on. adaptive: the model decides (Claude). budget: tokens. summary: the word with which
    visible thoughts were asked for (`auto`, `concise`, `detailed`, `summarized`, `omitted`), `none` for hidden ones.
    """

    enabled: bool | None = None
    effort: Effort | None = None
    budget: int | None = None
    adaptive: bool = False
    summary: str = ""
    extras: Extras | None = None


@define(slots=True)
class Sampling:
    """None: the client said nothing, and nothing is sent. Penalties as in OpenAI, -2 to 2; repeat_penalty as in Ollama."""

    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    seed: int | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    repeat_penalty: float | None = None
    max_tokens: int | None = None
    stop: list[str] = field(factory=list)


@define(slots=True, kw_only=True)
class Request:
    """One chat request. `origin` is the protocol it was read from; `model` is the name the client asked for and is
    replaced by the target's before writing. `choices` is OpenAI's n; `logprobs` is None or the number of top ones
    asked for (0: only the chosen token's)."""

    origin: str
    model: str
    system: list[Part] = field(factory=list)
    messages: list[Message] = field(factory=list)
    tools: list[Tool | Opaque] = field(factory=list)
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    format: ResponseFormat | None = None
    reasoning: ReasoningOptions | None = None
    sampling: Sampling = field(factory=Sampling)
    choices: int | None = None
    logprobs: int | None = None
    user: str = ""
    metadata: dict[str, JSON] | None = None
    previous_id: str = ""
    store: bool | None = None
    stream: bool = False
    include_usage: bool = True
    extras: Extras | None = None


@define(slots=True)
class Usage:
    """Token counts. `input` has every input token, cached ones included; `output` every output token, reasoning
    included. `cache_read`, `cache_write` and `reasoning` are parts of these. `extras`: the provider's other counts."""

    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_write: int = 0
    reasoning: int = 0
    estimated: bool = field(default=False, kw_only=True)
    extras: Extras | None = field(default=None, kw_only=True)


@define(slots=True, kw_only=True)
class Answer:
    """A whole answer. `id` is the upstream's, empty when it gave none; `created` in seconds since the epoch, 0 unknown."""

    id: str = ""
    model: str = ""
    created: int = 0
    parts: list[Part] = field(factory=list)
    finish: Finish = "stop"
    stop_sequence: str | None = None
    usage: Usage | None = None


@define(slots=True, kw_only=True)
class EmbeddingInput:
    """One thing to embed: its parts (text, media), or the ids of its tokens. dimensions: the vector's size, None when not
    said."""

    parts: list[Part] = field(factory=list)
    tokens: list[int] | None = None
    dimensions: int | None = None
    extras: Extras | None = None


@define(slots=True, kw_only=True)
class EmbeddingRequest:
    """A request for one vector for each input. `origin` and `model` as in Request; task types, truncation and the like
    stand in `extras`, here and on the inputs."""

    origin: str
    model: str
    inputs: list[EmbeddingInput]
    extras: Extras | None = None


@define(slots=True, kw_only=True)
class EmbeddingAnswer:
    """The vectors, in the order of the inputs. model: the upstream's name for it, empty when it gave none."""

    vectors: list[list[float]]
    model: str = ""
    usage: Usage | None = None
    extras: Extras | None = None


@frozen(kw_only=True)
class Traits:
    """How a vendor or a model family departs from its protocol; the defaults depart nowhere. `policy.quirks` has the rows
    that this is made of. Members are those of the request's document; a dot leads into an object (`reasoning.effort`).

    drop: members that are refused, so they are left out. drop_thinking: the same, while the model is asked to think.
    only: members that are taken with this one value. rename: member -> the vendor's name for it. fill: what the document
    gets where it lacks it.
    takes: what is taken beyond the protocol (`policy.quirks.TAKES`). lacks: what the protocol has and is not taken
    (`policy.quirks.LACKS`). stream: how the upstream can be asked, where the provider's setting does not say. id_length:
    calls' ids are exactly so many letters and digits; 0: as the protocol says.
    thoughts: the member of an assistant message that holds its earlier thoughts, "" for none; `content`: parts of it.
    demands_thoughts: messages with calls are refused without it.
    thinking_on, thinking_off: what switches thinking. effort, budget: the members that say how much of it; None: where
    the protocol says it, "": nowhere. efforts: the levels that are taken; empty: all, or budgets where the protocol has
    both. budgets: the least and the most tokens of thinking; empty: any.
    again: codes of errors after which the same request is worth another try. refusals: regular expressions for an error's
    text; their group `name` is the member that is refused.
    """

    drop: tuple[str, ...] = ()
    drop_thinking: tuple[str, ...] = ()
    only: Mapping[str, JSON] = field(factory=dict)
    rename: Mapping[str, str] = field(factory=dict)
    fill: Mapping[str, JSON] = field(factory=dict)
    takes: frozenset[str] = frozenset()
    lacks: frozenset[str] = frozenset()
    stream: Literal["auto", "always", "never"] = "auto"
    id_length: int = 0
    thoughts: str = ""
    demands_thoughts: bool = False
    thinking_on: Mapping[str, JSON] = field(factory=dict)
    thinking_off: Mapping[str, JSON] = field(factory=dict)
    effort: str | None = None
    budget: str = ""
    efforts: tuple[Effort, ...] = ()
    budgets: tuple[int, ...] = ()
    again: tuple[str, ...] = ()
    refusals: tuple[str, ...] = ()


@define(slots=True, kw_only=True)
class Target:
    """One provider's model, as the documents and the exchange need it.

    protocol: registry name. model: the upstream's name for it. defaults: a provider's values for `Sampling` fields where
    the client is silent. abilities: what the config says the model can do (`tools`, `vision`, ...); empty: not said.
    stream: how the upstream can be asked. host: the upstream's host name, lower case. traits: what the vendor table says.
    """

    protocol: str
    model: str
    host: str = ""
    provider: str = ""
    defaults: Mapping[str, JSON] = field(factory=dict)
    abilities: frozenset[str] = frozenset()
    stream: Literal["auto", "always", "never"] = "auto"
    traits: Traits = Traits()


@define(slots=True, kw_only=True)
class Context:
    """What one exchange's readers, writers, Decoder and Encoder share. Made before the request is read.

    client, upstream: registry names. model: the name the client asked for, which converted answers carry.
    id: random lower-case hex of 24 or more digits, from which every made-up id is derived (deterministic in tests).
    created: seconds since the epoch. stream: what the client asked for. shape: the client's variant of its own
    protocol (`sse`, `array` for Gemini; `chat`, `generate` for Ollama; how vectors are encoded), set by `peek`.
    tool_names: upstream tool name -> the client's, for names that had to change; tool_ids: the same for call ids.
    tools: the client's tools by the client's name: kind and namespace restore what another protocol flattened.
    compat: tools go as text; written_tools: those that went so, json_wanted: the client asked for a JSON answer.
    echo: request fields that the client's protocol repeats in its answers. input_estimate: tokens, for protocols that
    want a count before the upstream gives one; 0 when not estimated. count_input: estimates them, for an answer whose
    upstream counted nothing; it takes milliseconds, so nobody calls it before that is known. None: the request is not.
    pairs: the calls and results that stood before the messages to be read, for protocols whose calls may lack ids; None for
    none. The reader leaves there what it has come to.
    notes: what was dropped or adapted and why, one sentence each; the app logs them.
    """

    client: str
    upstream: str
    model: str = ""
    id: str = "0" * 24
    created: int = 0
    stream: bool = False
    include_usage: bool = True
    shape: str = ""
    tool_names: dict[str, str] = field(factory=dict)
    tool_ids: dict[str, str] = field(factory=dict)
    tools: dict[str, Tool] = field(factory=dict)
    compat: bool = False
    written_tools: list[Tool] = field(factory=list)
    json_wanted: bool = False
    echo: dict[str, JSON] = field(factory=dict)
    input_estimate: int = 0
    count_input: Callable[[], int] | None = field(default=None, eq=False, repr=False)
    pairs: Pairs | None = field(default=None, eq=False, repr=False)
    notes: list[str] = field(factory=list)

    def anew(self) -> Context:
        """For the same exchange before its request was read, to convert it for another upstream."""
        return Context(client=self.client, upstream="", model=self.model, id=self.id, created=self.created)

    def note(self, sentence: str) -> None:
        """Remember once what was dropped or adapted."""
        if sentence not in self.notes:
            self.notes.append(sentence)


def arguments_text(call: ToolCall) -> str:
    """The call's arguments as JSON text; `{}` for none and for null. Text passes as it is."""
    if isinstance(call.arguments, str):
        empty = call.kind != "custom" and call.arguments.strip() in ("", "null")
        return "{}" if empty else call.arguments
    return jsontext.dumps_str(call.arguments)


def arguments_object(call: ToolCall) -> dict[str, JSON]:
    """The call's arguments as an object. Text that is no JSON object (a cut call in the history, a custom tool's free
    text) is wrapped: `{"input": text}` for custom tools, `{"raw": text}` otherwise."""
    if not isinstance(call.arguments, str):
        return call.arguments
    if call.kind == "custom":
        return {"input": call.arguments}
    text = call.arguments.strip()
    if not text or text == "null":
        return {}
    try:
        value = jsontext.loads_exact(text)
    except jsontext.JSONError:
        return {"raw": call.arguments}
    return value if isinstance(value, dict) else {"raw": call.arguments}


def is_whole(call: ToolCall) -> bool:
    """Whether the arguments are an object or free text. Where a text is not, the model slipped or was cut off."""
    return not isinstance(call.arguments, str) or arguments_object(call) != {"raw": call.arguments}


def parts_to_run(answer: Answer) -> list[Part]:
    """The answer's parts without a call that was cut off at the token limit: a client would run it with half its
    arguments. For protocols whose calls are complete objects."""
    if answer.finish != "length":
        return answer.parts
    return [part for part in answer.parts if not isinstance(part, ToolCall) or is_whole(part)]


_SEAL = "ccproxy."
SEALED = b'"ccproxy.'
"""What a sealed signature begins with in a body."""


def seal(signature: str, origin: str, own: str) -> str:
    """A signature as the protocol `own` hands it to its client: marked with its maker's protocol when that is another one,
    so that `unseal` can tell on a later turn whom it belongs to."""
    return signature if not signature or origin == own else f"{_SEAL}{origin}.{signature}"


def unsigned(origin: str) -> str:
    """The mark of a thought that the protocol `origin` gave without a signature; `unseal` makes ("", origin) of it. For
    protocols whose clients send a thought back only when it is signed."""
    return f"{_SEAL}{origin}."


def unseal(signature: str, own: str) -> tuple[str, str]:
    """(signature, origin) of what a client of the protocol `own` sent back."""
    if not signature.startswith(_SEAL):
        return signature, own
    origin, _, rest = signature[len(_SEAL) :].partition(".")
    return rest, origin
