from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccproxy.codec import news
from ccproxy.codec.news import KEPT, WIDEST, Bodies, News, span

WORD = b"<once>"
MARK = b"<mark>"
PIECES = st.lists(st.sampled_from([b"a", b"b", b"<on", b"ce>", b"<ma", b"rk>", MARK, b"-" * 40]), max_size=12).map(b"".join)


@given(PIECES, PIECES, PIECES, PIECES)
def test_a_span_is_what_two_bodies_do_not_share(head: bytes, one: bytes, other: bytes, tail: bytes) -> None:
    old, new = head + one + tail, head + other + tail
    start, end = span(old, new)
    behind = len(new) - end
    assert 0 <= start <= end
    assert start + behind <= len(old)
    assert old[:start] == new[:start]
    assert old[len(old) - behind :] == new[end:]
    assert end - start <= len(other)


def test_steps_are_doubled_and_halved_until_the_very_byte() -> None:
    long = bytes(range(256)) * 1000
    for place in (0, 1, 1023, news._FIRST, 200_001, len(long)):
        changed = long[:place] + b"new" + long[place:]
        assert span(long, changed) == (place, place + 3) or changed[place:] == changed[place + 3 :]


@given(st.lists(st.tuples(PIECES, PIECES, PIECES), min_size=2, max_size=5), st.sampled_from([10**6, 8 * 200]))
def test_what_is_found_in_the_news_is_what_is_new(bodies: list[tuple[bytes, bytes, bytes]], most: int) -> None:
    """As `conversion` asks: bodies without the mark are kept with the place of the word, if it stands once."""
    kept = Bodies(most)
    head, _, tail = bodies[0]
    for _, middle, last in bodies:
        body = head + middle + WORD + tail + last
        found = kept.news("n", body)
        assert (MARK in found.part) == (MARK in body)
        if found.place < 0 or WORD in found.part:
            found.place = body.find(WORD) if body.count(WORD) == 1 else -1
        if MARK not in body and found.place >= 0:
            assert body.count(WORD) == 1
            assert found.place == body.find(WORD)
            kept.keep("n", body, found)


@pytest.mark.parametrize(("old", "new"), [(b"a<mab", b"a<mark>b"), (b"a<rk>", b"a<mark>"), (b"<ma><rk>", b"<mark>")])
def test_a_mark_that_is_new_in_part_is_found(old: bytes, new: bytes) -> None:
    kept = Bodies(10**6)
    around = b"-" * 100
    kept.keep("n", around + old + around, News(b""))
    found = kept.news("n", around + new + around)
    assert len(found.part) < len(new) + 2 * len(around)
    assert MARK in found.part


def test_a_place_whose_surroundings_are_new_is_not_known() -> None:
    kept = Bodies(10**6)
    around = b"-" * 100
    body = around + WORD + around
    for place in (100, 110):
        kept.keep("n", body, News(b"", 100))
        assert kept.news("n", body[:place] + b"new" + body[place:]).place == -1
    kept.keep("n", body, News(b"", 100))
    assert kept.news("n", b"new" + body).place == 103
    assert kept.news("n", body + b"new").place == 100


def test_another_name_and_another_body_are_all_news() -> None:
    kept = Bodies(10**6)
    kept.keep("n", b"a" * 100, News(b"", 5))
    for name, body in (("m", b"a" * 100), ("n", b"b" * 100)):
        found = kept.news(name, body)
        assert (found.part, found.place) == (body, -1)
    assert len(kept.news("n", b"a" * 100).part) <= 2 * WIDEST


def test_a_body_goes_and_the_next_takes_its_place() -> None:
    kept = Bodies(10**6)
    bodies = [b"%d" % n * 100 for n in range(KEPT)]
    for body in bodies:
        kept.keep("n", body, kept.news("n", body))
    for before, after in pairwise([bodies[0], bodies[0] + b"!", bodies[0] + b"!?"]):
        assert len(kept.news("n", after).part) < len(before)
        kept.keep("n", after, kept.news("n", after))
    assert all(len(kept.news("n", body).part) < len(body) for body in bodies)
    kept.keep("n", b"x" * 100, News(b""))
    assert kept.news("n", bodies[1]).part == bodies[1]


def test_what_is_too_large_is_not_kept() -> None:
    kept = Bodies(KEPT * 99)
    kept.keep("n", b"a" * 100, News(b""))
    assert kept.news("n", b"a" * 100).part == b"a" * 100
