from __future__ import annotations

import pytest

from ccproxy.model import JSON, Citation
from ccproxy.protocols.claude.terms import NAME, arguments_of, read_citation

TEXTS = [({"a": 1}, '{"a":1}'), (None, "{}"), ("", "{}"), ('{"a":1}', '{"a":1}'), ("words", '"words"'), ([1], "[1]")]


@pytest.mark.parametrize(("input", "text"), TEXTS)
def test_a_calls_input_is_json_whatever_it_is(input: JSON, text: str) -> None:
    assert arguments_of(input) == text


def test_a_search_results_source_is_its_url_where_it_is_one() -> None:
    raw = {"type": "search_result_location", "source": "https://a.example/b", "title": "t", "cited_text": "c"}
    assert read_citation(raw, 1, 2) == Citation(NAME, raw, "https://a.example/b", "t", "c", 1, 2)
    assert read_citation({"source": "shelf 3"}).url == ""
    assert read_citation("no object") == Citation(NAME, "no object")
