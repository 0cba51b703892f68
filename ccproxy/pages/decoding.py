"""A page's bytes -> text, as browsers find its encoding (WHATWG Encoding; HTML, "Determining the character encoding").

a byte order mark, else what the Content-Type says, else what the document says of itself (an XML declaration, a meta
element in its first 1024 bytes), else UTF-8 if it is that, else windows-1252
"""

from __future__ import annotations

import codecs
import re

_MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))

_MEANT = {"iso8859-1": "cp1252", "ascii": "cp1252", "gb2312": "gb18030", "gbk": "gb18030", "iso8859-9": "cp1254"}
_MEANT |= {"euc_kr": "cp949", "shift_jis": "cp932", "tis-620": "cp874", "iso8859-11": "cp874", "utf-16": "utf-16-le"}
_MEANT |= {"big5": "big5hkscs"}
"""Python's name of an encoding -> the superset that pages with its label are written in (WHATWG Encoding, "Names and
labels")."""

_TAKEN = frozenset(
    {"utf-8", "utf-16-le", "utf-16-be", "gb18030", "big5hkscs", "euc_jp", "iso2022_jp", "mac-roman", "cp866"}
)
_TAKEN |= {"cp932", "cp949", "cp874", "koi8-r", "koi8-u", *(f"cp125{i}" for i in range(9))}
_TAKEN |= {f"iso8859-{i}" for i in (2, 3, 4, 5, 6, 7, 8, 10, 13, 14, 15, 16)}
"""The encodings of the web, by Python's names. What else Python knows (UTF-7, escapes) no browser reads."""

_PRESCAN = 1024
_XML = re.compile(rb"""^\s*<\?xml[^>]{0,200}?encoding\s*=\s*["']([A-Za-z0-9._:-]+)["']""")
_META = re.compile(rb"""<meta\s[^>]{0,500}?charset\s*=\s*["']?\s*([A-Za-z0-9._:-]+)""", re.IGNORECASE)


def encoding(label: str) -> str:
    """Python's name for a label of the web, "" when it is none."""
    try:
        name = codecs.lookup(_LABELS.get(label.strip().lower(), label.strip())).name
    except (LookupError, ValueError):
        return ""
    name = _MEANT.get(name, name)
    return name if name in _TAKEN else ""


_LABELS = {"x-sjis": "shift_jis", "x-gbk": "gbk", "unicode": "utf-16", "x-cp1252": "cp1252", "ks_c_5601-1987": "euc_kr"}
_LABELS |= {"x-mac-roman": "mac-roman", "macintosh": "mac-roman", "x-euc-jp": "euc_jp", "iso-8859-8-i": "iso8859-8"}
_LABELS |= {"logical": "iso8859-8", "dos-874": "cp874", "x-user-defined": "cp1252"}


def decoded(data: bytes, charset: str = "", *, whole: bool = True) -> tuple[str, str]:
    """(the text, the encoding it was read in). charset: what the Content-Type says. whole: False for data that was cut, so
    that half a character may stand at its end. What cannot be read is replaced."""
    name, skip = _found(data, charset, whole)
    return codecs.getincrementaldecoder(name)("replace").decode(data[skip:], final=whole), name


def _found(data: bytes, charset: str, whole: bool) -> tuple[str, int]:
    for mark, name in _MARKS:
        if data.startswith(mark):
            return name, len(mark)
    return encoding(charset) or _declared(data[:_PRESCAN]) or _guessed(data, whole), 0


def _declared(start: bytes) -> str:
    found = _XML.search(start) or _META.search(start)
    name = encoding(found[1].decode("ascii")) if found else ""
    return "utf-8" if name.startswith("utf-16") else name  # it could be read as ASCII, so it is not that


def _guessed(data: bytes, whole: bool) -> str:
    try:
        codecs.getincrementaldecoder("utf-8")().decode(data, final=whole)
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8"
