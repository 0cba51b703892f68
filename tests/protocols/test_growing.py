"""A conversation that grows is converted to a document that grows: what was sent before is sent again, byte for byte, as
providers' prompt caches want it. For every pair of protocols, with what upsets the order: calls whose ids come again,
results in another order, system messages in mid-conversation, thoughts of several makers, names and ids that must change.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from ccproxy import convert_request
from ccproxy.codec import jsontext
from ccproxy.protocols import PROTOCOLS

PNG = "iVBORw0KGgo="
SCHEMA = {"type": "object", "properties": {"z": {"type": "string"}, "a": {"type": "string"}}}
MAKERS = ("openai", "gemini", "responses")
TURNS = {"openai": "messages", "responses": "input", "claude": "messages", "gemini": "contents", "ollama": "messages"}
MODELS = {"claude": "claude-sonnet-4-5", "gemini": "gemini-3-pro"}


def openai(n: int) -> list[list[Any]]:
    calls = [
        {"id": id, "type": "function", "function": {"name": "mcp.read", "arguments": arguments}}
        for id, arguments in (("call_0", f'{{"z": {n}.0, "a": 1}}'), (f"call:{n}", ""))
    ]
    picture = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}
    return [
        [{"role": "user", "content": [{"type": "text", "text": f"turn {n}"}, picture]}],
        [
            {"role": "assistant", "content": "I call", "reasoning_content": "hm", "tool_calls": calls},
            {"role": "tool", "tool_call_id": f"call:{n}", "content": [{"type": "text", "text": "b"}, picture]},
            {"role": "tool", "tool_call_id": "call_0", "content": f"a {n}"},
        ],
        [{"role": "assistant", "content": "done"}, {"role": "system", "content": f"note {n}"}],
    ]


def claude(n: int) -> list[list[Any]]:
    mark = {"cache_control": {"type": "ephemeral"}}
    picture = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}
    thought = {"type": "thinking", "thinking": "hm", "signature": f"ccproxy.{MAKERS[n]}.SIG"}
    calls = [{"type": "tool_use", "id": id, "name": "Read", "input": {"z": n, "a": 2}} for id in (f"toolu_{n}", "x.y")]
    failed = {"type": "tool_result", "tool_use_id": "x.y", "content": [picture], "is_error": True}
    searched = [
        {"type": "server_tool_use", "id": f"srvtoolu_{n}", "name": "web_search", "input": {}},
        {"type": "web_search_tool_result", "tool_use_id": f"srvtoolu_{n}", "content": []},
    ]
    return [
        [
            {"role": "user", "content": [{"type": "text", "text": "reminder", **mark}, picture]},
            {"role": "system", "content": f"environment {n}", "output_config": {"effort": "high"}},
        ],
        [
            {"role": "assistant", "content": [thought, {"type": "text", "text": "I call"}, *calls]},
            {
                "role": "user",
                "content": [
                    failed,
                    {"type": "tool_result", "tool_use_id": f"toolu_{n}", "content": f"r {n}", **mark},
                    {"type": "text", "text": "go on"},
                ],
            },
        ],
        [{"role": "assistant", "content": [*searched, {"type": "text", "text": "done"}]}],
    ]


def responses(n: int) -> list[list[Any]]:
    said = [{"type": "output_text", "text": "I call", "annotations": []}]
    return [
        [
            {"role": "developer", "content": f"note {n}"},
            {"role": "user", "content": [{"type": "input_text", "text": "go"}]},
        ],
        [
            {"type": "reasoning", "id": f"rs_{n}", "summary": [], "encrypted_content": f"SIG{n}"},
            {"type": "message", "role": "assistant", "content": said},
            {"type": "function_call", "call_id": "call_0", "name": "read", "arguments": f'{{"z": {n}, "a": 1}}'},
            {"type": "custom_tool_call", "call_id": f"p{n}", "name": "patch", "input": "*** Begin"},
            {"type": "custom_tool_call_output", "call_id": f"p{n}", "output": "ok"},
            {"type": "function_call_output", "call_id": "call_0", "output": f"r {n}"},
        ],
        [{"type": "message", "role": "assistant", "content": [{**said[0], "text": "done"}]}],
    ]


def gemini(n: int) -> list[list[Any]]:
    calls = [{"functionCall": {"name": "read", "args": {"z": n, "a": a}}} for a in (1, 2)]
    results = [{"functionResponse": {"name": "read", "response": {"output": f"{a} {n}"}}} for a in (1, 2)]
    return [
        [{"role": "user", "parts": [{"text": f"turn {n}"}, {"inlineData": {"mimeType": "image/png", "data": PNG}}]}],
        [
            {
                "role": "model",
                "parts": [{"text": "hm", "thought": True}, {**calls[0], "thoughtSignature": "U0lH"}, calls[1]],
            },
            {"role": "user", "parts": results},
        ],
        [{"role": "model", "parts": [{"text": "done"}]}],
    ]


def ollama(n: int) -> list[list[Any]]:
    calls = [{"function": {"name": "read", "arguments": {"z": n, "a": a}}} for a in (1, 2)]
    return [
        [{"role": "user", "content": f"turn {n}", "images": [PNG]}],
        [
            {"role": "assistant", "content": "", "thinking": "hm", "tool_calls": calls},
            {"role": "tool", "tool_name": "read", "content": f"1 {n}"},
            {"role": "tool", "tool_name": "read", "content": f"2 {n}"},
        ],
        [{"role": "assistant", "content": "done"}],
    ]


FUNCTION = {"name": "mcp.read", "description": "d", "parameters": SCHEMA}
HEADS: dict[str, dict[str, Any]] = {
    "openai": {"stream": True, "tools": [{"type": "function", "function": FUNCTION}]},
    "claude": {
        "max_tokens": 9,
        "system": [{"type": "text", "text": "s", "cache_control": {"type": "ephemeral"}}],
        "tools": [{"name": "Read", "input_schema": SCHEMA}, {"type": "web_search_20250305", "name": "web_search"}],
    },
    "responses": {"instructions": "s", "tools": [{"type": "function", **FUNCTION}, {"type": "custom", "name": "patch"}]},
    "gemini": {"systemInstruction": {"parts": [{"text": "s"}]}, "tools": [{"functionDeclarations": [FUNCTION]}]},
    "ollama": {"tools": [{"type": "function", "function": FUNCTION}]},
}
MAKE = {"openai": openai, "claude": claude, "responses": responses, "gemini": gemini, "ollama": ollama}


def asked(source: str) -> list[dict[str, Any]]:
    """The requests of a conversation, each with more turns than the one before; the last item is always the user's."""
    steps = [step for n in range(3) for step in MAKE[source](n)]
    lengths = [length for length in range(1, len(steps)) if length % 3]
    turns = [[turn for step in steps[:length] for turn in step] for length in lengths]
    return [{"model": "m", **HEADS[source], TURNS[source]: turn} for turn in turns]


@pytest.mark.parametrize("target", PROTOCOLS)
@pytest.mark.parametrize("source", PROTOCOLS)
def test_what_was_sent_before_is_sent_again(source: str, target: str) -> None:
    key, sent = TURNS[target], []
    for request in asked(source):
        converted = convert_request(request, source=source, target=target, model=MODELS.get(target, "m"))
        document = jsontext.loads(converted.body)
        turns = [jsontext.dumps(turn) for turn in document.pop(key)]
        head = {name: jsontext.dumps(value) for name, value in document.items()}  # in whatever order
        sent.append((head, turns))
    for (head, before), (next_head, after) in pairwise(sent):
        assert head == next_head
        assert after[: len(before)] == before
        assert len(after) > len(before)
