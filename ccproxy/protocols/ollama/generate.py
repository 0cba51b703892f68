"""The route `/api/generate` beside `/api/chat` (docs.ollama.com, "Generate a response"): one prompt, and lines that carry
`response` where the chat's carry a message.

    {model, prompt, system, images, ...}  =  a chat with a system text and one message of the user's

What makes of a prompt something else (raw, template, suffix, context), or of a model a painter, is Ollama's own: such a
request goes to an upstream of this protocol, or is refused. Without a prompt, as without messages, a request only loads the
model; where there is nothing to load, the answer is that it is done ("Load a model", "Unload a model").
"""

from __future__ import annotations

from ccproxy.errors import RequestError, Unsupported
from ccproxy.model import JSON, Context, Request, Target, Text
from ccproxy.protocols.base import Call
from ccproxy.protocols.ollama import requests_in, requests_out
from ccproxy.protocols.ollama.answers import placed, timestamp, usage_out
from ccproxy.protocols.ollama.requests_in import CHAT, GENERATE, NAME

OWN = ("raw", "template", "suffix", "context", "width", "height", "steps")

_PATHS = {GENERATE: "/api/generate"}
_INPUTS = {CHAT: "messages", GENERATE: "prompt"}


def path(target: Target, stream: bool, shape: str = "") -> str:
    """See `Operation.path`."""
    return _PATHS.get(shape, requests_out.PATH)


def peek(document: dict[str, JSON], context: Context, call: Call) -> None:
    """See `Operation.peek`."""
    if call.shape != GENERATE:
        requests_in.peek(document, context, call)
        return
    for name in ("prompt", "system"):
        if not isinstance(document.get(name) or "", str):
            raise RequestError(f"{name} must be text", param=name)
    requests_in.peek({**document, "messages": []}, context, call)
    context.shape = GENERATE


def read_request(document: dict[str, JSON], context: Context, call: Call) -> Request:
    """See `Operation.read_request`."""
    if call.shape != GENERATE:
        return requests_in.read_request(document, context, call)
    peek(document, context, call)
    if context.upstream != NAME:
        _refuse_own(document, context.upstream)
    rest = dict(document)
    message = {"role": "user", "content": rest.pop("prompt", None) or "", "images": _images(rest)}
    system = rest.pop("system", None)
    request = requests_in.read_request({**rest, "messages": [message]}, context, call)
    request.system = [Text(system)] if system else []
    context.shape = GENERATE
    return request


def _images(rest: dict[str, JSON]) -> list[JSON]:
    images = rest.pop("images", None) or []
    if not isinstance(images, list) or not all(isinstance(image, str) and image for image in images):
        raise RequestError("images must be a list of base64 texts", param="images")
    return images


def _refuse_own(document: dict[str, JSON], upstream: str) -> None:
    for name in OWN:
        if document.get(name):
            raise Unsupported(name, upstream, "it is about a prompt's way into one of Ollama's own models")


def write_request(request: Request, target: Target, context: Context) -> dict[str, JSON]:
    """See `Operation.write_request`."""
    document = requests_out.write_request(request, target, context)
    if request.origin != NAME or context.shape != GENERATE:
        return document
    said = {message["role"]: message for message in document.pop("messages")}
    user = said.get("user", {})
    document["prompt"] = user.get("content", "")
    if user.get("images"):
        document["images"] = user["images"]
    if "system" in said:
        document["system"] = said["system"]["content"]
    return document


def alone(document: dict[str, JSON], context: Context) -> dict[str, JSON] | None:
    """See `Chat.alone`: the answer to a request that only loads or unloads."""
    if document.get(_INPUTS[context.shape]):
        return None
    reason = "unload" if document.get("keep_alive") in (0, "0", "0s") else "load"
    head = {"model": context.model, "created_at": timestamp(context.created)}
    return {
        **head,
        **placed({"role": "assistant", "content": ""}, context),
        "done": True,
        "done_reason": reason,
        **usage_out(None),
    }
