"""A history as strict targets want it. Pure; used by writers when a request comes from another protocol.

OpenAI, Claude and Gemini all demand that each tool call is answered at once, and only once; clients that cut, compact or
cancel send histories that are not so. `settle` makes them so and invents nothing but a note that a result is missing.
"""

from __future__ import annotations

from ccproxy.model import Context, Message, Part, Text, ToolCall, ToolResult

INTERRUPTED = "The tool call was interrupted; there is no result."


def settle(messages: list[Message], context: Context) -> list[Message]:
    """Every assistant message with calls is followed by one tool message with their results in the order of the calls.

    Results that come later move up to their call, what stood between moves behind them; of two results for one call the
    last counts, at the first one's place; a missing result becomes INTERRUPTED with its error flag; a result without a call
    becomes user text. Messages without tools stay as they are.
    """
    called = {part.id for message in messages for part in message.parts if isinstance(part, ToolCall)}
    results = {part.id: part for message in messages for part in message.parts if isinstance(part, ToolResult)}
    settled: list[Message] = []
    for message in messages:
        if message.role == "tool":
            orphans = [part for part in message.parts if isinstance(part, ToolResult) and part.id not in called]
            if orphans:
                context.note("a tool result without its call was sent as user text")
                settled.append(Message("user", [text for part in orphans for text in _as_text(part)]))
            continue
        settled.append(message)
        calls = [part for part in message.parts if isinstance(part, ToolCall)]
        if calls:
            settled.append(Message("tool", [_result(call, results, context) for call in calls]))
    return settled


def hoist(messages: list[Message]) -> tuple[list[Part], list[Message]]:
    """The parts of the leading system messages, and the other messages."""
    for number, message in enumerate(messages):
        if message.role != "system":
            return [part for leading in messages[:number] for part in leading.parts], messages[number:]
    return [part for message in messages for part in message.parts], []


def fold(message: Message) -> Message:
    """A system message in mid-conversation as user text in its place, for targets that have none. The tag tells the model
    that it is no user who speaks."""
    parts: list[Part] = [
        Text(f"<system>\n{part.text}\n</system>", cache=part.cache) if isinstance(part, Text) else part
        for part in message.parts
    ]
    return Message("user", parts)


def join(messages: list[Message]) -> list[Message]:
    """Neighbours of the same role as one message, for targets whose turns alternate."""
    joined: list[Message] = []
    for message in messages:
        if joined and joined[-1].role == message.role:
            joined[-1] = Message(message.role, [*joined[-1].parts, *message.parts])
        else:
            joined.append(message)
    return joined


def _result(call: ToolCall, results: dict[str, ToolResult], context: Context) -> ToolResult:
    result = results.get(call.id)
    if result is None:
        context.note("a tool call without a result was given one that says so")
        return ToolResult(call.id, call.name, [Text(INTERRUPTED)], is_error=True, kind=call.kind)
    if not result.name:
        result.name = call.name
    return result


def _as_text(result: ToolResult) -> list[Part]:
    return [Text(f"[Result of an earlier tool call {result.name or result.id}]"), *result.parts]
