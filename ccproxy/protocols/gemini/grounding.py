"""What stands beside a candidate's content: sources of its text, safety ratings, token probabilities.

Gemini API reference, "Candidate", "GroundingMetadata" and "CitationMetadata". For clients of other protocols the sources
become citations; for Gemini's own all of it rides along as it came, in one opaque part.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ccproxy.model import JSON, Citation, Opaque, Part
from ccproxy.protocols.gemini.wire import NAME, either

FACTS = (
    "groundingMetadata",
    "citationMetadata",
    "urlContextMetadata",
    "logprobsResult",
    "avgLogprobs",
    "safetyRatings",
    "finishMessage",
    "continuationToken",
)
_FACTS = frozenset(FACTS)


def are_facts(raw: JSON) -> bool:
    """Whether an opaque value of this protocol is a candidate's facts, which are no part of a content."""
    return isinstance(raw, dict) and bool(raw) and _FACTS.issuperset(raw)


def facts_of(parts: list[Part]) -> dict[str, JSON]:
    """The facts that an answer's parts carry, to be written on its candidate."""
    facts: dict[str, JSON] = {}
    for part in parts:
        if isinstance(part, Opaque) and part.origin == NAME and are_facts(part.raw):
            facts.update(part.raw)
    return facts


def citations_of(facts: dict[str, JSON], text: str) -> list[Citation]:
    """The sources that the facts name for `text`, each once per place. Facts of an unexpected form name none."""
    found: list[Citation] = []
    seen: set[tuple[str, int | None, int | None]] = set()
    for citation in (*_grounded(facts.get("groundingMetadata"), text), *_cited(facts.get("citationMetadata"), text)):
        place = (citation.url, citation.start, citation.end)
        if place not in seen:
            seen.add(place)
            found.append(citation)
    return found


def grounding_from(citations: list[Citation]) -> dict[str, JSON]:
    """Other protocols' citations as grounding metadata: the sources, without the places in the text, for which Gemini
    counts bytes of a part."""
    sources = {citation.url: citation.title for citation in citations if citation.url}
    chunks = [{"web": {"uri": url, "title": title} if title else {"uri": url}} for url, title in sources.items()]
    return {"groundingChunks": chunks} if chunks else {}


def _grounded(metadata: JSON, text: str) -> Iterator[Citation]:
    """Each support names the chunks that a segment leans on; sources that no support names count for the whole text."""
    if not isinstance(metadata, dict):
        return
    sources = [_source(chunk) for chunk in _objects(either(metadata, "groundingChunks"))]
    supports = _objects(either(metadata, "groundingSupports"))
    for support in supports:
        segment = support.get("segment")
        start, end, cited = _segment(segment if isinstance(segment, dict) else {}, text)
        numbers = either(support, "groundingChunkIndices")
        for number in numbers if isinstance(numbers, list) else ():
            if isinstance(number, int) and 0 <= number < len(sources) and sources[number][0]:
                url, title = sources[number]
                yield Citation(NAME, support, url, title, cited, start, end)
    if not supports:
        for url, title in sources:
            if url:
                yield Citation(NAME, {"web": {"uri": url, "title": title}}, url, title)


def _cited(metadata: JSON, text: str) -> Iterator[Citation]:
    if not isinstance(metadata, dict):
        return
    for citation in _objects(metadata.get("citations") or metadata.get("citationSources")):
        url = citation.get("uri")
        if isinstance(url, str) and url:
            start, end, _ = _segment(citation, text)
            title = citation.get("title")
            yield Citation(NAME, citation, url, title if isinstance(title, str) else "", "", start, end)


def _source(chunk: dict[str, JSON]) -> tuple[str, str]:
    """(URL, title) of a grounding chunk; a chunk of a file store has no URL."""
    inner: Any = next((chunk[key] for key in ("web", "retrievedContext", "maps") if isinstance(chunk.get(key), dict)), {})
    url, title = inner.get("uri"), inner.get("title")
    return url if isinstance(url, str) else "", title if isinstance(title, str) else ""


def _segment(segment: dict[str, JSON], text: str) -> tuple[int | None, int | None, str]:
    """(start, end, words): offsets in characters, from the wire's, which count bytes of UTF-8."""
    cited = segment.get("text")
    words = cited if isinstance(cited, str) else ""
    start, end = either(segment, "startIndex") or 0, either(segment, "endIndex")
    if either(segment, "partIndex") or not isinstance(start, int) or not isinstance(end, int) or end <= start:
        return None, None, words
    if text.isascii():
        return start, end, words
    raw = text.encode("utf-8", "surrogatepass")
    return len(raw[:start].decode("utf-8", "ignore")), len(raw[:end].decode("utf-8", "ignore")), words


def _objects(value: JSON) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
