"""How a page's encoding is found."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccproxy.pages.decoding import decoded, encoding

LABELS = {
    "utf-8": "utf-8",
    "UTF8": "utf-8",
    " latin1 ": "cp1252",
    "ISO-8859-1": "cp1252",
    "us-ascii": "cp1252",
    "windows-1251": "cp1251",
    "gb2312": "gb18030",
    "GBK": "gb18030",
    "x-sjis": "cp932",
    "Shift_JIS": "cp932",
    "euc-kr": "cp949",
    "ks_c_5601-1987": "cp949",
    "big5": "big5hkscs",
    "koi8-r": "koi8-r",
    "iso-8859-15": "iso8859-15",
    "macintosh": "mac-roman",
    "utf-16": "utf-16-le",
    "utf-7": "",
    "rot13": "",
    "unicode_escape": "",
    "idna": "",
    "zlib": "",
    "no such thing": "",
    "\0": "",
    "": "",
}


@pytest.mark.parametrize(("label", "name"), LABELS.items())
def test_labels(label: str, name: str) -> None:
    assert encoding(label) == name


META = '<meta charset="{}"><p>{}'
LONG_META = '<META HTTP-EQUIV=Content-Type content="text/html; charset={}"><p>{}'
XML = '<?xml version="1.0" encoding="{}"?><p>{}'
PAGES = [
    # (what the Content-Type says, bytes, what they say)
    ("", "żółw".encode(), "żółw"),
    ("", "naïve".encode("cp1252"), "naïve"),
    ("iso-8859-2", "żółw".encode("iso8859-2"), "żółw"),
    ("gb2312", "中文頁".encode("gbk"), "中文頁"),
    ("nonsense", "żółw".encode(), "żółw"),
    ("windows-1252", b"\xef\xbb\xbf" + "żółw".encode(), "żółw"),
    ("", b"\xff\xfe" + "żółw".encode("utf-16-le"), "żółw"),
    ("utf-8", b"\xfe\xff" + "żółw".encode("utf-16-be"), "żółw"),
    ("", META.format("koi8-r", "мир").encode("koi8-r"), META.format("koi8-r", "мир")),
    ("", LONG_META.format("euc-jp", "日本").encode("euc_jp"), LONG_META.format("euc-jp", "日本")),
    ("", XML.format("windows-1250", "žába").encode("cp1250"), XML.format("windows-1250", "žába")),
    ("", META.format("utf-16", "żółw").encode(), META.format("utf-16", "żółw")),
    ("utf-8", META.format("koi8-r", "мир").encode(), META.format("koi8-r", "мир")),
    ("", META.format("utf-7", "żółw").encode(), META.format("utf-7", "żółw")),
    ("", b" " * 1100 + META.format("koi8-r", "x").encode(), " " * 1100 + META.format("koi8-r", "x")),
    ("utf-8", b"a\xffb", "a\ufffdb"),
    ("", b"", ""),
]


@pytest.mark.parametrize(("charset", "data", "text"), PAGES)
def test_pages(charset: str, data: bytes, text: str) -> None:
    assert decoded(data, charset)[0] == text


@pytest.mark.parametrize("charset", ["", "utf-8"])
def test_half_a_character_at_a_cut_is_left_out(charset: str) -> None:
    assert decoded("nię".encode()[:-1], charset, whole=False) == ("ni", "utf-8")


def test_half_a_character_at_the_end_is_replaced() -> None:
    assert decoded("nię".encode()[:-1], "utf-8") == ("ni\ufffd", "utf-8")


@given(st.binary(max_size=200), st.sampled_from(sorted({*LABELS, "gbk", "big5", "iso-2022-jp", "utf-16be"})), st.booleans())
def test_any_bytes_are_read(data: bytes, charset: str, whole: bool) -> None:
    text, name = decoded(data, charset, whole=whole)
    assert encoding(name) == name
    text.encode("utf-8")  # no half of a pair
