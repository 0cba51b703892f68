"""What hostile bytes cost a reader or decoder, per byte, beside plain text: `python -m bench.adversarial [SUBJECT...]`.

Each case is measured at n, 2n and 4n bytes, in CPU time. `grows` is what a doubling costs: 2 is linear. `plain` is how many
times plain text of the same length, cut into the same reads, costs its decoder (for a reader: the decoder that it serves).
`tests/bench/test_adversarial.py` counts the same cases' work instead.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from functools import partial

from ccproxy.codec.jsonarray import JSONArrayReader
from ccproxy.codec.ndjson import NDJSONReader
from ccproxy.codec.sse import SSEReader
from ccproxy.convert import new_context
from ccproxy.errors import UpstreamError
from ccproxy.protocols import PROTOCOLS
from ccproxy.protocols.streams import Reader
from ccproxy.stream import Sink

Fill = Callable[[int], bytes]
"""About so many bytes of a stream."""

READ = 16384
MOST_GROWTH = 2.3
MOST_TIMES = 10.0


def repeated(piece: bytes, lead: bytes = b"", end: bytes = b"") -> Fill:
    return lambda size: lead + piece * (size // len(piece)) + end


def numbered(piece: str, lead: bytes = b"", width: int = 0) -> Fill:
    """`piece` again and again, with its number in the place of #."""
    return lambda size: lead + b"".join(piece.replace("#", str(n)).encode() for n in range(size // (len(piece) + width)))


def doubling(piece: Callable[[str], bytes], step: int = 64) -> Fill:
    """Snapshots: each says all that came before and `step` characters more, until all of them are `size` long."""

    def fill(size: int) -> bytes:
        found, length, said = [], 0, '{\\"a\\":\\"'
        while length < size:
            said += "x" * step
            found.append(piece(said))
            length += len(found[-1])
        return b"".join(found)

    return fill


def sse(payload: str) -> str:
    return f"data: {payload}\n\n"


def openai_call(arguments: str, head: str = '"index":0') -> str:
    function = f'"function":{{"name":"f","arguments":"{arguments}"}}'
    return sse(f'{{"choices":[{{"index":0,"delta":{{"tool_calls":[{{{head},{function}}}]}}}}]}}')


def openai_text(text: str) -> str:
    return sse(f'{{"choices":[{{"index":0,"delta":{{"content":"{text}"}}}}]}}')


def gemini_part(part: str) -> str:
    return sse(f'{{"candidates":[{{"content":{{"parts":[{part}]}},"index":0}}]}}')


def gemini_pieces(pieces: str) -> str:
    return gemini_part(f'{{"functionCall":{{"partialArgs":[{pieces}],"willContinue":true}}}}')


def ollama_line(message: str) -> str:
    return f'{{"model":"m","message":{{"role":"assistant",{message}}},"done":false}}\n'


def claude_delta(delta: str) -> str:
    return sse(f'{{"type":"content_block_delta","index":0,"delta":{{{delta}}}}}')


def responses_delta(kind: str, rest: str) -> str:
    return sse(f'{{"type":"response.{kind}.delta","output_index":0,{rest}}}')


CLAUDE = sse('{"type":"message_start","message":{"id":"m","model":"m","usage":{"input_tokens":1}}}')
CLAUDE_TOOL = sse(
    '{"type":"content_block_start","index":#,"content_block":{"type":"tool_use","id":"t#","name":"f","input":{}}}'
) + sse('{"type":"content_block_delta","index":#,"delta":{"type":"input_json_delta","partial_json":"{"}}')
RESPONSES_CALL = sse(
    '{"type":"response.output_item.added","output_index":#,"item":{"type":"function_call","id":"i#","call_id":"c#","name":"f"}}'
) + sse('{"type":"response.function_call_arguments.delta","item_id":"i#","output_index":#,"delta":"{"}')
GEMINI_CALL = gemini_part('{"functionCall":{"name":"f","willContinue":true}}').encode()
WORDS = "some words of it"

PLAIN: dict[str, Fill] = {
    "openai": repeated(openai_text(WORDS).encode()),
    "responses": repeated(responses_delta("output_text", f'"content_index":0,"delta":"{WORDS}"').encode()),
    "claude": repeated(claude_delta(f'"type":"text_delta","text":"{WORDS}"').encode(), CLAUDE.encode()),
    "gemini": repeated(gemini_part(f'{{"text":"{WORDS}"}}').encode()),
    "ollama": repeated(ollama_line(f'"content":"{WORDS}"').encode()),
    "array": repeated(b'{"candidates":[{"content":{"parts":[{"text":"some words"}]},"index":0}]},\r\n', b"["),
}

LINES: dict[str, Fill] = {
    "no line ends": repeated(b"x", b"data: "),
    "only CRs": repeated(b"\r"),
    "only LFs": repeated(b"\n"),
    "CR LF CR": repeated(b"\r\n\r"),
    "comments": repeated(b":\n\n"),
    "tiny events": repeated(b"data:\n\n"),
    "an event's name": repeated(b"event:a\n\n"),
    "many data lines": repeated(b"data:\n"),
    "many other lines": repeated(b"a\n"),
    "data lines in CRs": repeated(b"data: \r"),
}
VALUES: dict[str, Fill] = {
    "deep nesting": repeated(b"["),
    "nested objects": repeated(b'{"a":'),
    "a huge number": repeated(b"9"),
    "an open string": repeated(b"x", b'"'),
    "backslashes": repeated(b"\\", b'"'),
    "quotes": repeated(b'"'),
    "commas": repeated(b"1,"),
}


def wrapped(fill: Fill, lead: bytes, end: bytes) -> Fill:
    return lambda size: lead + fill(size) + end


HOSTILE: dict[str, dict[str, Fill]] = {
    "SSEReader": LINES,
    "NDJSONReader": LINES | {"tiny lines": repeated(b"1\n")},
    "JSONArrayReader": {
        **{f"in an element: {name}": wrapped(fill, b"[[", b"") for name, fill in VALUES.items()},
        "tiny elements": repeated(b"1,", b"["),
        "empty elements": repeated(b",", b"["),
        "white space": repeated(b" "),
        "after the end": repeated(b" ", b"[]"),
    },
    "openai": {
        **LINES,
        **{name: wrapped(fill, b"data: ", b"\n\n") for name, fill in VALUES.items()},
        "empty deltas": repeated(sse('{"choices":[{}]}').encode()),
        "an argument of a byte": repeated(openai_call("x").encode()),
        "an argument of a megabyte": lambda size: openai_call("x" * size).encode(),
        "interleaved calls": numbered(openai_call("{", '"index":#,"id":"c#"')),
        "calls by id": numbered(openai_call("{", '"id":"c#"')),
        "calls by name": repeated(openai_call("{", '"id":""').encode()),
        "snapshots": doubling(lambda said: openai_call(said).encode()),
        "nearly snapshots": doubling(lambda said: (openai_call(said) + openai_call("y")).encode()),
        "blank arguments between texts": repeated(
            (openai_call(" ") + openai_text("x")).encode(), openai_call("\\n").encode()
        ),
        "arguments that are no JSON between texts": repeated(
            (openai_call("x ") + openai_text("x")).encode(), openai_call("y ").encode()
        ),
        "strings between texts": repeated(
            (openai_call('\\"a\\" ') + openai_text("x")).encode(), openai_call('\\"b\\" ').encode()
        ),
        "brackets between texts": repeated((openai_call("{}") + openai_text("x")).encode(), openai_call("[").encode()),
        "blank arguments without an index": repeated(
            openai_call(" ", '"type":"function"').encode(), openai_call("\\n").encode()
        ),
    },
    "responses": {
        "tiny events": repeated(sse('{"type":""}').encode()),
        **{name: wrapped(fill, b'data: {"type":"a","x":', b"\n\n") for name, fill in VALUES.items()},
        "an argument of a byte": repeated(responses_delta("function_call_arguments", '"delta":"x"').encode()),
        "interleaved calls": numbered(RESPONSES_CALL),
        "parts": numbered(responses_delta("output_text", '"content_index":#,"delta":"x"')),
        "items": numbered(sse('{"type":"response.output_item.done","output_index":#,"item":{"type":"x","id":"i#"}}')),
        "one item again": repeated(sse('{"type":"response.output_item.done","item":{"type":"message","id":"i"}}').encode()),
    },
    "claude": {
        "tiny events": repeated(sse('{"type":""}').encode()),
        **{name: wrapped(fill, b'data: {"type":"a","x":', b"\n\n") for name, fill in VALUES.items()},
        "a message_start again": repeated(CLAUDE.encode()),
        "an argument of a byte": repeated(
            claude_delta('"type":"input_json_delta","partial_json":"x"').encode(),
            (CLAUDE + CLAUDE_TOOL.replace("#", "0")).encode(),
        ),
        "interleaved calls": numbered(CLAUDE_TOOL, CLAUDE.encode()),
        "citations": repeated(
            claude_delta('"type":"citations_delta","citation":{"type":"x"}').encode(),
            (CLAUDE + sse('{"type":"content_block_start","index":0,"content_block":{"type":"text"}}')).encode(),
        ),
        "unknown deltas": repeated(
            claude_delta('"type":"x","y":"z"').encode(),
            (CLAUDE + sse('{"type":"content_block_start","index":0,"content_block":{"type":"x","y":""}}')).encode(),
        ),
    },
    "gemini": {
        "empty chunks": repeated(sse("{}").encode()),
        **{name: wrapped(fill, b"data: ", b"\n\n") for name, fill in VALUES.items()},
        **{f"array, {name}": wrapped(fill, b"[[", b"") for name, fill in VALUES.items()},
        "a string in pieces": repeated(gemini_pieces('{"jsonPath":"$.a","stringValue":"x"}').encode(), GEMINI_CALL),
        "many paths": numbered(gemini_pieces('{"jsonPath":"$.a[#]","numberValue":1}'), GEMINI_CALL),
        "pieces in one chunk": lambda size: (
            GEMINI_CALL + gemini_pieces(",".join(['{"jsonPath":"$.a","stringValue":"x"}'] * (size // 37))).encode()
        ),
        "a long path": lambda size: (
            GEMINI_CALL + gemini_pieces(f'{{"jsonPath":"${".a" * (size // 2)}","numberValue":1}}').encode()
        ),
        "a path of quotes": lambda size: (
            GEMINI_CALL + gemini_pieces(f"""{{"jsonPath":"$['{"a" * size}","numberValue":1}}""").encode()
        ),
        "deep paths": repeated(gemini_pieces(f'{{"jsonPath":"${".a" * 500}","stringValue":"x"}}').encode(), GEMINI_CALL),
        "calls": repeated(gemini_part('{"functionCall":{"name":"f"}}').encode()),
    },
    "ollama": {
        **{name: wrapped(fill, b"", b"\n") for name, fill in VALUES.items()},
        "empty messages": repeated(b'{"message":{}}\n'),
        "calls": repeated(ollama_line('"tool_calls":[{"function":{"name":"f"}}]').encode()),
        "an argument of a megabyte": lambda size: ollama_line(
            f'"tool_calls":[{{"function":{{"name":"f","arguments":{{"a":"{"x" * size}"}}}}}}]'
        ).encode(),
    },
}
SERVES = {"SSEReader": ("openai", "openai"), "NDJSONReader": ("ollama", "ollama"), "JSONArrayReader": ("gemini", "array")}
"""Reader -> the decoder that it serves, and that decoder's plain text."""

READERS: dict[str, Callable[[], Reader]] = {
    "SSEReader": SSEReader,
    "NDJSONReader": NDJSONReader,
    "JSONArrayReader": JSONArrayReader,
}


def reads(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


def consume(subject: str, pieces: list[bytes]) -> None:
    """All of it through the reader or decoder, up to an error."""
    if subject in READERS:
        reader = READERS[subject]()
        feed: Callable[[bytes], object] = reader.feed
        eof: Callable[[], object] = reader.eof
    else:
        client = "claude" if subject == "openai" else "openai"
        decoder = PROTOCOLS[subject].chat.decoder(new_context(client=client, upstream=subject, stream=True), Sink())
        feed, eof = decoder.feed, decoder.eof
    try:
        for piece in pieces:
            feed(piece)
        eof()
    except UpstreamError:
        pass


def cases() -> Iterator[tuple[str, str, Fill]]:
    for subject, fills in HOSTILE.items():
        for name, fill in fills.items():
            yield subject, name, fill


def seconds(work: Callable[[], None], tries: int = 3) -> float:
    found = []
    for _ in range(tries):
        began = time.process_time()
        work()
        found.append(time.process_time() - began)
    return min(found)


def plain(subject: str, length: int, cut: int) -> Callable[[], None]:
    decoder, text = SERVES.get(subject, (subject, subject))
    return partial(consume, decoder, reads(PLAIN[text](length)[:length], cut))


def main(wanted: list[str]) -> None:
    print(f"{'':16} {'':42} {'ns/byte':>9} {'grows':>6} {'plain':>6}")
    for subject, name, fill in cases():
        if wanted and subject not in wanted:
            continue
        for cut, start in ((READ, 1 << 18), (1, 1 << 14)):
            found = [(len(fill(start << k)), reads(fill(start << k), cut)) for k in range(3)]
            took = [seconds(partial(consume, subject, pieces)) for _, pieces in found]
            length = found[-1][0]
            sizes = found[-1][0] / found[0][0]
            grows = 2 * (took[-1] / took[0] / sizes) ** 0.5
            times = took[-1] / seconds(plain(subject, length, cut))
            mark = "  <--" if grows > MOST_GROWTH or times > MOST_TIMES else ""
            label = name if cut > 1 else f"{name}, byte by byte"
            print(f"{subject:16} {label:42} {took[-1] / length * 1e9:9.1f} {grows:6.2f} {times:6.2f}{mark}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
