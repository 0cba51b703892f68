"""The scripted model behind `ccproxy demo`: an upstream without an account, a network or a model.

It stands behind a path of the same server, and ccproxy in front of it is its client, over a socket: what a demo shows is
the real way of a request. What it says is decided by `script`:

    the last message is a tool's result     ->  it reads the result back
    there are tools and a call is asked for ->  it calls the tool that the message names, else the first one
    otherwise                               ->  it greets and says what it was told
and before that it thinks, when thinking was asked for.
"""

from __future__ import annotations

import re
import secrets
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from operator import methodcaller

from attrs import evolve

from ccproxy.actions import Accept, Action, Commit, End, Finished, Handoff, Reply, Write
from ccproxy.app import App
from ccproxy.codec import jsontext
from ccproxy.config import Config, Group, Provider
from ccproxy.conversion import document_of, model_of
from ccproxy.errors import CcproxyError, NotFound
from ccproxy.exchange import error_reply
from ccproxy.model import JSON, Context, Message, Part, Request, Target, Text, Tool, ToolResult, Usage
from ccproxy.policy.routing import DEFAULT, Destination
from ccproxy.protocols.base import Call, Headers, Protocol
from ccproxy.reasoning import effort_of
from ccproxy.stream import Collector, Sink
from ccproxy.transport.heads_out import authority
from ccproxy.transport.http1 import RequestHead

MODEL = "demo"
SCRIPTED = "/scripted"
PACE = 0.04
"""Seconds between two words: about as fast as people read along."""

_WORD = re.compile(r"\s*\S+(?:\s+$)?")
_QUOTED = re.compile(r"(?<!\w)[\"'`]([^\"'`]+)[\"'`](?!\w)")
"""The `'` of "what's" opens nothing."""
_ASKS_FOR_CALL = re.compile(r"\b(tools?|call|use|function|weather|look|search|read|run)\b", re.IGNORECASE)

Step = Callable[[Sink], None]
"""One Sink call."""


def script(request: Request) -> list[Step]:
    """Everything that the model says to this request, from the first thought to the finish."""
    said_to_it = [message for message in request.messages if message.role in ("user", "tool")]
    last = said_to_it[-1] if said_to_it else Message("user", [])
    said = _own_words(last.parts)
    results = [part for part in last.parts if isinstance(part, ToolResult)]
    tools = [tool for tool in request.tools if isinstance(tool, Tool)]
    thought = _spoken("thinking", "Let me think. They want to see me think, so I do.") if _thinks(request) else []
    called = not results and bool(tools) and _ASKS_FOR_CALL.search(said) is not None
    if results:
        speech = _spoken("text", f"The tool says: {' '.join(_text_of(result.parts) for result in results)}")
    elif called:
        speech = _calling(next((tool for tool in tools if tool.name in said), tools[0]), said)
    else:
        speech = _spoken("text", f"Hello from ccproxy's scripted model. You said: {said or '(nothing)'}")
    usage = Usage(input=len(said) // 4 + 1, output=len(thought) + len(speech), reasoning=len(thought))
    return [
        *thought,
        *speech,
        methodcaller("usage", usage),
        methodcaller("finish", "tool_calls" if called else "stop"),
    ]


class DemoApp:
    """ccproxy, configured to serve every model's name from the scripted model, and that model behind `SCRIPTED`.
    host, port: where both will be served."""

    def __init__(self, host: str, port: int, protocol: Protocol, pace: float = PACE) -> None:
        self._ccproxy = App(_config(host, port, protocol))
        self._scripted = _Scripted(protocol)
        self.limits = evolve(self._ccproxy.limits, tick_seconds=pace)
        self.warm = self._ccproxy.warm

    def head(self, head: RequestHead, now: float) -> Accept | Handoff | Reply:
        if head.path.startswith(SCRIPTED):
            return self._scripted.head(head)
        return self._ccproxy.head(head, now)

    def refuse(self, error: CcproxyError, head: RequestHead | None) -> Reply:
        return self._ccproxy.refuse(error, head)

    def finished(self, record: object) -> None:
        self._ccproxy.finished(record)

    def jobs(self) -> Sequence[Callable[[], Awaitable[None]]]:
        return self._ccproxy.jobs()


def _config(host: str, port: int, protocol: Protocol) -> Config:
    blank = Config()
    provider = Provider(protocol=protocol.name, base_url=f"http://{authority(host, port)}{SCRIPTED}/v1")
    there = (Destination("scripted", MODEL),)
    return evolve(
        blank,
        server=evolve(blank.server, host=host, port=port),
        providers={"scripted": provider},
        groups={DEFAULT: Group(models={MODEL: there, "*": there}, description="the scripted model")},
    )


class _Scripted:
    """Takes the scripted model's requests."""

    def __init__(self, protocol: Protocol) -> None:
        self._protocol = protocol
        self._path = protocol.chat.path(Target(protocol=protocol.name, model=MODEL), True, "")

    def head(self, head: RequestHead) -> Accept | Reply:
        if not head.path.endswith(self._path):
            return error_reply(self._protocol, NotFound(f"the scripted model has no route {head.path}"))
        return Accept(Performance(self._protocol, Call(query=head.query, path=head.path)), 64 * 2**20)


class Performance:
    """One answer of the scripted model: a step a tick for a client that streams, all at once for one that does not. A
    `Life` that dials nobody."""

    def __init__(self, protocol: Protocol, call: Call) -> None:
        self.done = False
        self._protocol = protocol
        self._call = call
        self._context = Context(client=protocol.name, upstream=protocol.name, id=secrets.token_hex(12))
        self._encoder = protocol.chat.encoder(self._context)  # made anew once the context is filled
        self._steps: deque[Step] = deque()

    def begin(self, now: float) -> list[Action]:
        return []

    def body(self, data: bytes, now: float) -> list[Action]:
        context = self._context
        try:
            document = document_of(data)
            context.model, context.created = model_of(document, self._call), int(time.time())
            request = self._protocol.chat.read_request(document, context, self._call)
        except CcproxyError as error:
            return self.body_failed(error, now)
        self._encoder = self._protocol.chat.encoder(context)
        start = methodcaller("start", f"demo-{context.id}", context.model, context.created)
        self._steps.extend([start, *script(request)])
        return self._commit() if context.stream else self._answer()

    def body_failed(self, error: Exception, now: float) -> list[Action]:
        failure = error if isinstance(error, CcproxyError) else CcproxyError(str(error))
        return [error_reply(self._protocol, failure), Finished()]

    def tick(self, now: float) -> list[Action]:
        if not self._steps:
            return []
        self._steps.popleft()(self._encoder)
        ending: list[Action] = [] if self._steps else [End(), Finished()]
        return [Write(self._encoder.take()), *ending]

    def meanwhile(self) -> None: ...

    def resumed(self) -> None: ...

    def client_gone(self, now: float) -> list[Action]:
        return [Finished()]

    def _commit(self) -> list[Action]:
        self._steps.popleft()(self._encoder)
        headers: Headers = [("content-type", self._protocol.chat.stream_type(self._context))]
        return [Commit(200, headers, self._encoder.take())]

    def _answer(self) -> list[Action]:
        collector = Collector()
        for step in self._steps:
            step(collector)
        body = jsontext.dumps(self._protocol.chat.write_answer(collector.answer, self._context))
        return [Reply(200, [("content-type", "application/json")], body), Finished()]

    # What only a Life with an upstream is told.

    def upstream_head(self, status: int, headers: Headers, now: float) -> list[Action]:
        return []

    def upstream_bytes(self, data: bytes, now: float) -> list[Action]:
        return []

    def upstream_eof(self, now: float) -> list[Action]:
        return []

    def upstream_failed(self, error: Exception, now: float) -> list[Action]:
        return []

    def pump(self, data: bytes) -> bytes:
        return b""

    def ended(self, now: float) -> list[Action]:
        return []


def _thinks(request: Request) -> bool:
    asked = request.reasoning
    return asked is not None and (bool(asked.enabled) or asked.adaptive or effort_of(asked) not in (None, "none"))


def _spoken(how: str, sentence: str) -> list[Step]:
    """A sentence, word by word; `how` is the Sink's method."""
    return [methodcaller(how, word) for word in _WORD.findall(sentence)]


def _calling(tool: Tool, said: str) -> list[Step]:
    """A call with the arguments that the tool's schema demands, in two pieces, as models stream them."""
    text = jsontext.dumps_str({name: _example(schema, said) for name, schema in _properties(tool).items()})
    half = len(text) // 2
    return [
        methodcaller("tool_start", 0, f"call_{secrets.token_hex(8)}", tool.name),
        methodcaller("tool_arguments", 0, text[:half]),
        methodcaller("tool_arguments", 0, text[half:]),
        methodcaller("tool_end", 0),
    ]


def _properties(tool: Tool) -> dict[str, JSON]:
    schema = tool.parameters or {}
    properties, required = schema.get("properties"), schema.get("required")
    if not isinstance(properties, dict):
        return {}
    wanted = required if isinstance(required, list) and required else properties
    return {name: properties[name] for name in wanted if isinstance(name, str) and name in properties}


_EXAMPLES: dict[str, JSON] = {"integer": 1, "number": 1.5, "boolean": True, "array": [], "object": {}, "null": None}


def _example(schema: JSON, said: str) -> JSON:
    """A value that the schema allows, as far as a script can tell: the last quoted word of what was said for a string."""
    if not isinstance(schema, dict):
        return said
    allowed = schema.get("enum")
    if isinstance(allowed, list) and allowed:
        return allowed[0]
    quoted = _QUOTED.findall(said)
    kind = schema.get("type")
    return _EXAMPLES.get(kind, quoted[-1] if quoted else said) if isinstance(kind, str) else said


def _own_words(parts: Sequence[Part]) -> str:
    """What a person wrote, among the texts that agents put beside it in tags (`<system-reminder>`): these name every tool
    there is, and the model would never come to an end."""
    own = [part for part in parts if not (isinstance(part, Text) and part.text.lstrip().startswith("<"))]
    return _text_of(own) or _text_of(parts)


def _text_of(parts: Sequence[Part]) -> str:
    return " ".join(part.text for part in parts if isinstance(part, Text))
