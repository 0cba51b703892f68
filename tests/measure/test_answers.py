from __future__ import annotations

import pytest

from ccproxy.codec import jsontext
from ccproxy.convert import StreamConverter, convert_response, new_context
from ccproxy.measure.answers import FIRST_WORD, LAST_CHUNK, STAMP, protocol_of, speech, whole
from ccproxy.measure.ways import PATHS, question
from ccproxy.protocols import PROTOCOLS
from ccproxy.transport.body import reader_for
from ccproxy.transport.http1 import HeadReader, ResponseHead


def read(answer: bytes) -> bytes:
    """The body of an HTTP answer, as ccproxy's own transport reads it."""
    reader = HeadReader.client("POST")
    head = reader.feed(answer)
    assert isinstance(head, ResponseHead)
    body = reader_for(head.framing)
    found = b"".join(body.feed(reader.rest))
    assert body.done
    return found


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("client", PROTOCOLS)
def test_a_stream_of_stamped_pieces_is_whole_in_every_protocol(client: str, protocol: str) -> None:
    said = speech(protocol)
    stamps = [1234567890123456 + number for number in range(5)]
    stream = StreamConverter(new_context(client=client, upstream=protocol, stream=True))
    pieces = [said.stamped % stamp for stamp in stamps]
    out = stream.feed(read(said.head + said.lead + b"".join(pieces) + said.tail)) + stream.close()
    found = [int(stamp) for stamp in STAMP.findall(out)]
    assert list(dict.fromkeys(found)) == stamps  # Responses repeats all at its end
    assert FIRST_WORD in out[: out.index(b"~")]
    assert stream.done
    assert b"error" not in out.replace(b'"error":null', b"")


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_pieces_of_text_come_between_lead_and_tail(protocol: str) -> None:
    said = speech(protocol)
    assert len(said.pieces) == 64
    assert FIRST_WORD in read(said.head + said.lead + b"".join(said.pieces) + said.tail)
    assert said.tail.endswith(LAST_CHUNK)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_whole_answers_are_legal(protocol: str) -> None:
    body = read(whole(protocol))
    converted = convert_response(body, new_context(client="openai", upstream=protocol))
    document = jsontext.loads(converted)
    assert document["choices"][0]["message"]["content"].startswith(FIRST_WORD.decode())
    assert document["usage"]["completion_tokens"] == 160


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_path_tells_the_protocol(protocol: str) -> None:
    path = PATHS[protocol].format(model="m", action="streamGenerateContent?alt=sse")
    assert protocol_of(f"POST {path} HTTP/1.1".encode()) == protocol


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("size", ["small", "100 KB, 24 tools"])
def test_questions_name_the_script_first(protocol: str, size: str) -> None:
    body = question(protocol, "bench-burst-2", size)
    assert len(body) > (90_000 if size != "small" else 20)
    if protocol != "gemini":  # its path says it
        assert body.index(b"bench-burst-2") < 100
