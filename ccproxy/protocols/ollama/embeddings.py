"""Embeddings, both ways (docs.ollama.com, "Generate embeddings").

/api/embed        input: a text or several      -> embeddings, prompt_eval_count
/api/embeddings   prompt: one text (superseded) -> embedding, and nothing else
"""

from __future__ import annotations

from ccproxy.errors import Malformed, RequestError
from ccproxy.model import JSON, Context, EmbeddingAnswer, EmbeddingInput, EmbeddingRequest, Extras, Target, Text
from ccproxy.protocols.base import Call, Embeddings
from ccproxy.protocols.ollama.answers import DURATIONS, usage_in
from ccproxy.protocols.ollama.requests_in import NAME
from ccproxy.vectors import dimensions_of, note_unplaced, read_vector, read_vectors, texts_of

EMBED = "embed"
LEGACY = "embeddings"
"""The context's shapes: the last word of the paths."""

_ONE = "one"
"""Value of the request's `extras.shape`: the input was a text, not a list."""

_INPUTS = {EMBED: "input", LEGACY: "prompt"}


def path(target: Target, stream: bool, shape: str = "") -> str:
    return f"/api/{shape or EMBED}"


def peek(document: dict[str, JSON], context: Context, call: Call) -> None:
    """See `Operation.peek`."""
    context.stream = False
    context.shape = call.shape or EMBED
    name = _INPUTS[context.shape]
    if not call.model and not (isinstance(document.get("model"), str) and document["model"]):
        raise RequestError("model must be a model's name", param="model")
    if not document.get(name):
        raise RequestError(f"{name} is missing or empty", param=name)


def read_request(document: dict[str, JSON], context: Context, call: Call) -> EmbeddingRequest:
    """See `Operation.read_request`."""
    peek(document, context, call)
    rest = dict(document)
    name = _INPUTS[context.shape]
    said = rest.pop(name)
    model = rest.pop("model", None) or call.model
    dimensions = rest.pop("dimensions", None)
    if dimensions is not None and type(dimensions) is not int:
        raise RequestError("dimensions must be an integer", param="dimensions")
    texts = [said] if isinstance(said, str) else said
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise RequestError(f"{name} must be a text or a list of texts", param=name)
    return EmbeddingRequest(
        origin=NAME,
        model=model,
        inputs=[EmbeddingInput(parts=[Text(text)], dimensions=dimensions) for text in texts],
        extras=Extras(NAME, rest, _ONE if isinstance(said, str) else ""),
    )


def write_request(request: EmbeddingRequest, target: Target, context: Context) -> dict[str, JSON]:
    """See `Operation.write_request`."""
    texts = texts_of(request, NAME)
    own = request.extras if request.extras is not None and request.extras.origin == NAME else None
    if own is None:
        note_unplaced(request, NAME, context)
    name = _INPUTS[context.shape] if own else _INPUTS[EMBED]
    document: dict[str, JSON] = {"model": request.model, name: texts[0] if own and own.shape == _ONE else texts}
    dimensions = dimensions_of(request, NAME)
    if dimensions is not None:
        document["dimensions"] = dimensions
    return document | (own.fields if own else {})


def read_answer(document: dict[str, JSON], context: Context) -> EmbeddingAnswer:
    """See `Embeddings.read_answer`."""
    vectors = document.get("embeddings")
    model = document.get("model")
    found = [read_vector(document["embedding"])] if "embedding" in document else read_vectors(vectors)
    if not found:
        raise Malformed("the upstream's answer has no embeddings")
    return EmbeddingAnswer(vectors=found, model=model if isinstance(model, str) else "", usage=usage_in(document))


def write_answer(answer: EmbeddingAnswer, context: Context) -> dict[str, JSON]:
    """See `Embeddings.write_answer`."""
    if context.shape == LEGACY:
        return {"embedding": answer.vectors[0]}
    return {
        "model": context.model or answer.model,
        "embeddings": answer.vectors,
        DURATIONS[0]: 0,
        DURATIONS[1]: 0,
        "prompt_eval_count": answer.usage.input if answer.usage else 0,
    }


EMBEDDINGS = Embeddings(
    peek=peek,
    read_request=read_request,
    write_request=write_request,
    read_answer=read_answer,
    write_answer=write_answer,
    path=path,
    native_shapes=frozenset({EMBED, LEGACY}),
)
