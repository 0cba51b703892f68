from __future__ import annotations

from typing import Any

import pytest

from ccproxy.model import Citation, Opaque, Text
from ccproxy.protocols.gemini.grounding import are_facts, citations_of, facts_of, grounding_from

TEXT = "Größe: 3 m. Alter: 5."
FOX = {"web": {"uri": "https://fox.example", "title": "Fox"}}


def support(**segment: Any) -> dict[str, Any]:
    return {"segment": segment, "groundingChunkIndices": [0]}


@pytest.mark.parametrize(
    ("segment", "expected"),
    [
        ({"endIndex": 13, "text": "Größe: 3 m."}, (0, 11, "Größe: 3 m.")),
        ({"startIndex": 14, "endIndex": 23, "text": "Alter: 5."}, (12, 21, "Alter: 5.")),
        ({"partIndex": 1, "endIndex": 5}, (None, None, "")),
        ({"endIndex": "5"}, (None, None, "")),
        ({}, (None, None, "")),
    ],
)
def test_places_count_characters(segment: dict[str, Any], expected: tuple[Any, ...]) -> None:
    facts = {"groundingMetadata": {"groundingChunks": [FOX], "groundingSupports": [support(**segment)]}}
    (citation,) = citations_of(facts, TEXT)
    assert (citation.start, citation.end, citation.cited) == expected
    assert (citation.url, citation.title, citation.origin) == ("https://fox.example", "Fox", "gemini")


@pytest.mark.parametrize(
    ("facts", "urls"),
    [
        ({}, []),
        ({"groundingMetadata": {"groundingChunks": [FOX]}}, ["https://fox.example"]),
        ({"groundingMetadata": {"groundingChunks": [{"retrievedContext": {"text": "no address"}}]}}, []),
        ({"citationMetadata": {"citations": [{}, {"uri": "https://a"}, {"uri": "https://a"}]}}, ["https://a"]),
        ({"citationMetadata": {"citationSources": [{"uri": "https://a"}]}}, ["https://a"]),
        ({"groundingMetadata": 7, "citationMetadata": []}, []),
        ({"groundingMetadata": {"groundingChunks": [7], "groundingSupports": [{"groundingChunkIndices": 7}]}}, []),
        ({"groundingMetadata": {"groundingChunks": [FOX], "groundingSupports": [{"groundingChunkIndices": [5, "x"]}]}}, []),
    ],
)
def test_sources(facts: dict[str, Any], urls: list[str]) -> None:
    assert [citation.url for citation in citations_of(facts, TEXT)] == urls


def test_facts_are_no_parts() -> None:
    facts = {"avgLogprobs": -1.0}
    assert are_facts(facts)
    assert not are_facts({"executableCode": {}})
    assert not are_facts({})
    assert facts_of([Text("a"), Opaque("gemini", facts), Opaque("claude", {"finishMessage": "x"})]) == facts


def test_citations_of_others_become_sources_once() -> None:
    cited = [Citation("openai", {}, url="https://a", title="A"), Citation("openai", {}, url="https://a", title="A")]
    assert grounding_from(cited) == {"groundingChunks": [{"web": {"uri": "https://a", "title": "A"}}]}
    assert grounding_from([Citation("claude", {})]) == {}
