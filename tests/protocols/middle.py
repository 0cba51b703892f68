"""What a protocol cannot hold, and what stands there instead: the written exceptions of the property tests.

Each row is a promise as well: where it says `left out`, the thing is gone and nothing else with it; where it says what
stands instead, that is what the tests demand. What no row names must come through whole.
"""

from __future__ import annotations

from typing import NamedTuple


class Row(NamedTuple):
    """protocol: the one in the middle. what: a thing of the model. instead: what it becomes. why: by whose documentation,
    or by which rule of ours."""

    protocol: str
    what: str
    instead: str
    why: str


ANSWERS = (
    Row("openai", "finish.stop_sequence", "stop", 'finish_reason has one word, "stop", for both'),
    Row("openai", "finish.refusal", "content_filter", "DESIGN 4; the words themselves stand in `refusal`"),
    Row("openai", "finish.pause", "stop", "no server tools that pause a turn"),
    Row("responses", "finish.stop_sequence", "stop", "a response that ends by itself is `completed`, whatever ended it"),
    Row("responses", "finish.refusal", "content_filter", "DESIGN 4: `incomplete` with `content_filter`"),
    Row("responses", "finish.pause", "stop", "no server tools that pause a turn"),
    Row("claude", "finish.content_filter", "refusal", "DESIGN 4: the one word for both"),
    Row("claude", "refusal", "text", "no place of its own; stop_reason says what it is"),
    Row("claude", "image", "stand-in", "answers hold no media"),
    Row("claude", "call.custom", "object", "every input is an object: the text stands in its `input`"),
    Row("gemini", "finish.stop_sequence", "stop", "FinishReason STOP: natural stop point or provided stop sequence"),
    Row("gemini", "finish.refusal", "content_filter", "FinishReason has no refusal; SAFETY says that it was held back"),
    Row("gemini", "finish.pause", "stop", "no server tools that pause a turn"),
    Row("gemini", "refusal", "text", "no place of its own"),
    Row("gemini", "call.custom", "object", "args is a Struct: the text stands in its `input`"),
    Row("gemini", "usage.cache_write", "left out", "UsageMetadata counts cached content that was read only"),
    Row("ollama", "finish.stop_sequence", "stop", 'done_reason: "stop", "length", "load", "unload"'),
    Row("ollama", "finish.content_filter", "stop", "done_reason has no word for it"),
    Row("ollama", "finish.refusal", "stop", "done_reason has no word for it"),
    Row("ollama", "finish.pause", "stop", "done_reason has no word for it"),
    Row("ollama", "refusal", "text", "no place of its own"),
    Row("ollama", "image", "stand-in", "the SDK's Message takes no image in an answer as it is written"),
    Row("ollama", "call.custom", "object", "arguments are an object: the text stands in its `input`"),
    Row(
        "ollama",
        "call.order",
        "as they end",
        "a call leaves whole, so of calls that interleave the first to end is the first",
    ),
    Row("ollama", "usage.cache_read", "left out", "prompt_eval_count is the only count of input"),
    Row("ollama", "usage.cache_write", "left out", "prompt_eval_count is the only count of input"),
    Row("ollama", "usage.reasoning", "left out", "eval_count is the only count of output"),
)
"""Answers, streamed and whole."""


REQUESTS = (
    Row("openai", "thought.foreign", "left out", "no member for another maker's thoughts; only vendors' quirks open one"),
    Row("openai", "thought.bare", "left out", "the same for an own one without a proof"),
    Row("openai", "proof", "beside the model", "an entry of `reasoning_details`, which is kept in extras"),
    Row("openai", "thinking.adaptive", "left out", "that the model decides is what it does by itself"),
    Row("openai", "thinking.off", "left out", "what servers do by themselves, and not all know the effort `none`"),
    Row("openai", "assistant.order", "thoughts, text, refusal, calls", "members of one message have no order"),
    Row("openai", "result.is_error", "left out", "a tool message has no such member"),
    Row("openai", "result.media", "the next user message", "tool messages hold text (API reference, `messages[].content`)"),
    Row("openai", "image.file_id", "stand-in", "`image_url` takes URLs; the id is another provider's"),
    Row("openai", "document.file_id", "stand-in", "the id is another provider's"),
    Row("openai", "document.url", "stand-in", "`file` takes data or an id"),
    Row("openai", "document.video", "stand-in", "`file` takes no video"),
    Row("openai", "document.text", "text", "`file` is for data"),
    Row("openai", "sampling.top_k", "left out", "no such member; vendors' quirks open it"),
    Row("openai", "sampling.min_p", "left out", "no such member; vendors' quirks open it"),
    Row("openai", "sampling.repeat_penalty", "left out", "no such member; vendors' quirks open it"),
    Row("responses", "thought.foreign", "left out", "a reasoning item must be the upstream's own"),
    Row("responses", "thought.bare", "left out", "a reasoning item needs its encrypted content"),
    Row("responses", "thought.text", "left out", "the upstream reads its encrypted content; `summary` stays empty"),
    Row("responses", "thought.redacted", "left out", "no reasoning item without encrypted content"),
    Row("responses", "result.is_error", "left out", "an output has no such member"),
    Row("responses", "image.file_id", "stand-in", "the id is another provider's"),
    Row("responses", "document.file_id", "stand-in", "the id is another provider's"),
    Row("responses", "document.video", "stand-in", "input_file takes no video"),
    Row("responses", "document.text", "text", "input_file is for data"),
    Row("responses", "user", "left out", "becomes safety_identifier, which the model keeps in extras"),
    Row("responses", "sampling.top_k", "left out", "no such member"),
    Row("responses", "sampling.min_p", "left out", "no such member"),
    Row("responses", "sampling.seed", "left out", "no such member"),
    Row("responses", "sampling.frequency_penalty", "left out", "no such member"),
    Row("responses", "sampling.presence_penalty", "left out", "no such member"),
    Row("responses", "sampling.repeat_penalty", "left out", "no such member"),
    Row("responses", "sampling.stop", "left out", "no such member"),
    Row("claude", "thought.foreign", "left out", "a thinking block needs Anthropic's signature"),
    Row("claude", "thought.bare", "left out", "a thinking block needs its signature"),
    Row("claude", "refusal", "text", "no such block"),
    Row("claude", "system.later", "tagged user text", "DESIGN 4: folded in its place"),
    Row("claude", "prefill", "trimmed", "400 for white space at the end of a turn that is to be continued"),
    Row("claude", "image.file_id", "stand-in", "the id is another provider's"),
    Row("claude", "image.detail", "left out", "no such member"),
    Row("claude", "document.file_id", "stand-in", "the id is another provider's"),
    Row("claude", "document.video", "stand-in", "document takes PDF and text"),
    Row("claude", "audio", "stand-in", "no such block"),
    Row("claude", "tool.strict", "left out", "taken on few schemas and models only"),
    Row(
        "claude",
        "format.json",
        "Answer with one JSON object and nothing else.",
        "output_config.format takes schemas only; this is said in the system prompt",
    ),
    Row(
        "claude", "choice.forced", "auto with thinking", '"Extended thinking": forced tools and thinking exclude each other'
    ),
    Row(
        "claude",
        "thinking",
        "off without room or thought",
        "400 where max_tokens or an unfinished tool loop leaves it none",
    ),
    Row("claude", "max_tokens", "32000", "the API demands one"),
    Row("claude", "sampling.top_p", "left out beside temperature", "one of the two; none of them with thinking on"),
    Row("claude", "sampling.temperature", "at most 1", "the API's range; none with thinking on"),
    Row("claude", "sampling.top_k", "left out with thinking", '"Extended thinking": not compatible'),
    Row("claude", "sampling.min_p", "left out", "no such member"),
    Row("claude", "sampling.seed", "left out", "no such member"),
    Row("claude", "sampling.frequency_penalty", "left out", "no such member"),
    Row("claude", "sampling.presence_penalty", "left out", "no such member"),
    Row("claude", "sampling.repeat_penalty", "left out", "no such member"),
    Row("gemini", "proof.foreign", "left out", "a signature goes back to its maker only"),
    Row("gemini", "thought.redacted", "left out", "no thoughts without text"),
    Row("gemini", "refusal", "text", "no such part"),
    Row("gemini", "system.later", "tagged user text", "DESIGN 4: folded in its place"),
    Row("gemini", "prefill", "a user turn behind it", "a request must end with the user's turn"),
    Row("gemini", "result.media", "the user's parts behind it", "models before Gemini 3 take none in a function response"),
    Row("gemini", "image.file_id", "stand-in", "the id is another provider's"),
    Row("gemini", "image.detail", "left out", "no such member"),
    Row("gemini", "document.file_id", "stand-in", "the id is another provider's"),
    Row("gemini", "document.text", "text", "inlineData is for bytes"),
    Row("gemini", "document.name", "left out", "the Gemini API refuses displayName"),
    Row("gemini", "tool.strict", "mode VALIDATED", "the nearest that there is"),
    Row("gemini", "parallel", "left out", "no such member"),
    Row("gemini", "user", "left out", "no such member"),
    Row("gemini", "sampling.min_p", "left out", "no such member"),
    Row("gemini", "sampling.repeat_penalty", "left out", "no such member"),
    Row("ollama", "proof", "left out", "`thinking` is text"),
    Row("ollama", "thought.redacted", "left out", "`thinking` is text"),
    Row("ollama", "assistant.order", "thoughts, text, calls", "members of one message have no order"),
    Row("ollama", "refusal", "text", "no such member"),
    Row("ollama", "user.order", "images, text", "members of one message have no order"),
    Row("ollama", "result.is_error", "left out", "a tool message has no such member"),
    Row("ollama", "image.file_id", "refused", "images are base64"),
    Row("ollama", "image.url", "refused", "images are base64, and nobody fetches them here"),
    Row("ollama", "image.detail", "left out", "images are base64"),
    Row("ollama", "document.data", "stand-in", "messages hold text and images"),
    Row("ollama", "document.file_id", "stand-in", "messages hold text and images"),
    Row("ollama", "document.url", "stand-in", "messages hold text and images"),
    Row("ollama", "document.video", "stand-in", "messages hold text and images"),
    Row("ollama", "document.text", "text", "messages hold text and images"),
    Row("ollama", "audio", "stand-in", "messages hold text and images"),
    Row("ollama", "tool.strict", "left out", "no such member"),
    Row("ollama", "choice", "the tools that it leaves", "no such member; a call cannot be made compulsory"),
    Row("ollama", "parallel", "left out", "no such member"),
    Row("ollama", "user", "left out", "no such member"),
)
"""Requests that another protocol's client made. Below, per protocol: metadata, logprobs and store are nobody's but the
client's own protocol's and never go along."""
