from __future__ import annotations

import pytest

from ccproxy.media import audio_format, audio_mime, blind, data_url, part_for, sniff, split_data_url, stand_in
from ccproxy.model import Audio, Document, Image, Part, Text, ToolResult


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("data:image/png;base64,AAAA", ("image/png", "AAAA")),
        ("data:text/plain;charset=utf-8;base64,AAAA", ("text/plain", "AAAA")),
        ("data:;base64,AAAA", ("", "AAAA")),
        ("data:text/plain,hello", None),
        ("data:image/png;base64", None),
        ("https://example.com/a.png", None),
    ],
)
def test_split_data_url(url: str, expected: tuple[str, str] | None) -> None:
    assert split_data_url(url) == expected


def test_data_url_goes_back() -> None:
    assert data_url(Image(mime="image/png", data="AAAA")) == "data:image/png;base64,AAAA"
    assert data_url(Image(data="/9j/AAAA")) == "data:image/jpeg;base64,/9j/AAAA"
    assert data_url(Image(url="https://example.com/a.png")) == "https://example.com/a.png"
    assert data_url(Image(file_id="f")) == ""


def test_sniff_knows_the_common_ones() -> None:
    assert sniff("JVBERi0xLjQ") == "application/pdf"
    assert sniff("????") == "application/octet-stream"


@pytest.mark.parametrize(
    ("mime", "part"), [("image/png", Image), ("audio/wav", Audio), ("video/mp4", Document), ("", Document)]
)
def test_part_for(mime: str, part: type) -> None:
    assert part_for(mime) is part


@pytest.mark.parametrize("word", ["mp3", "wav", "flac", "aac", "ogg"])
def test_audio_formats_and_mimes_are_each_others_inverse(word: str) -> None:
    assert audio_format(audio_mime(word)) == word


def test_a_stand_in_says_what_is_left_out() -> None:
    assert (
        stand_in(Document(name="a.pdf", data="AA=="), "x").text
        == "[document a.pdf left out: the x protocol has no place for it here]"
    )


def test_a_model_that_sees_nothing_is_told_of_images_in_results_too() -> None:
    parts: list[Part] = [Text("a"), Image(data="AA=="), ToolResult("c", "f", [Image(url="x"), Document(data="AA==")])]
    assert blind(parts)
    result = parts[2]
    assert isinstance(result, ToolResult)
    assert [type(part) for part in (*parts, *result.parts)] == [Text, Text, ToolResult, Text, Document]
    assert not blind(parts)
