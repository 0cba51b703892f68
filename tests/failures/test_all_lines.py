"""Every line of the list of field failures is a test in this folder, named by its number, or a row in `not_ours.py`."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.failures.not_ours import NOT_OURS

SECTIONS: dict[str, str] = {
    "A": "002 003 004 006 007 008 010 011 012 014 015 016 018 019 020 022 023 024 026 027 028 030 031 032 034 035 036 038 "
    "039 040",
    "B": "042 043 044 046 047 048 050 051 052 054 055 056 058 059 060 062",
    "C": "063 064 066 067 068 070 071 072 074 075 076 078 079 080 082 083 084",
    "D": "086 087 088 090 091 092 094 095 096 098 099 100 102 103",
    "E": "104 106 107 108 110 111 112 114 115 116 118 119 120 122 123 124 126 127 128 130 131 132 134 135 136 138 "
    "139 140 142",
    "F": "143 144 146 147 148 150 151 152 154 155 156 158 159 160",
    "G": "162 163 164 166 167 168 170 171 172 174 175 176 178 179 180 182 183 184",
    "H": "186 187 188",
    "I": "190 191 192 194 195 196 198 199 200 202 203 204 206 207 208 210 211 212",
    "J": "214 215 216 218 219 220 222 223 224 226 227 228 230 231 232 234",
    "K": "235 236 238 239 240 242 243 244 246 247 248 250 251 252 254 255 256 258 259 260 262 263 264 266 267 268 270 271",
    "L": "272 274 275 276 278 279 280 282 283 284 286 287 288 290 291 292 294 295 296 298 299 300",
}
"""The list's sections and their numbers; it is not contiguous."""

PENDING_SECTIONS = frozenset("")
"""Sections that have no tests yet."""

PENDING: dict[str, str] = {}
"""Lines that wait for what is not built yet, with its name."""

_NAMED = re.compile(r"_f(\d{3})(?=_|\b)|[\"']F(\d{3})(?!\d)")


def with_a_test() -> set[str]:
    """The numbers in names and ids of tests."""
    found = set()
    for path in Path(__file__).parent.glob("test_*.py"):
        if path.name != Path(__file__).name:
            found |= {f"F{a or b}" for a, b in _NAMED.findall(path.read_text(encoding="utf-8"))}
    return found


def numbers(section: str) -> set[str]:
    return {f"F{number}" for number in SECTIONS[section].split()}


@pytest.mark.parametrize("section", sorted(set(SECTIONS) - PENDING_SECTIONS))
def test_each_line_has_a_test_or_a_reason(section: str) -> None:
    assert numbers(section) - with_a_test() - NOT_OURS.keys() - PENDING.keys() == set()


def test_a_line_stands_in_one_place_only() -> None:
    for table in (NOT_OURS, PENDING):
        assert with_a_test() & table.keys() == set()
        assert table.keys() <= set().union(*map(numbers, SECTIONS))
        assert all(table.values())
    assert NOT_OURS.keys().isdisjoint(PENDING)


def test_no_test_has_a_number_that_the_list_has_not() -> None:
    assert with_a_test() <= set().union(*map(numbers, SECTIONS))
