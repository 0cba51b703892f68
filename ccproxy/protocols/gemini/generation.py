"""`generationConfig` for a Gemini upstream.

Gemini API reference, "GenerationConfig"; "Gemini thinking": newer models take a level, older ones a budget within the
model's range, or neither; "Structured output". Which model is which, the vendor table says.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ccproxy.errors import Unsupported
from ccproxy.model import JSON, Context, ReasoningOptions, Request, ResponseFormat, Target
from ccproxy.notes import undescribed, within
from ccproxy.protocols.gemini.options import INTEGERS, LEVELS, NUMBERS, below
from ccproxy.protocols.gemini.parts_out import own_extras
from ccproxy.protocols.gemini.schemas import FORMAT, OPENAPI
from ccproxy.protocols.gemini.wire import NAME, either, respell
from ccproxy.reasoning import BUDGETS, budget_of, effort_of, nearest_effort
from ccproxy.schema import clean

_RANGES = {
    "temperature": (0.0, 2.0),
    "top_p": (0.0, 1.0),
    "presence_penalty": (-2.0, 2.0),
    "frequency_penalty": (-2.0, 2.0),
}
_SEED_BITS = 0x7FFF_FFFF
"""`seed` is a 32-bit integer; other protocols take 64 bits."""

MOST_STOPS = 5
"""`stopSequences` takes up to 5."""


def generation_config(request: Request, target: Target, context: Context) -> dict[str, JSON]:
    """The whole object; empty when there is nothing to say. Raises Unsupported for several choices of another protocol."""
    extras = own_extras(request.extras)
    config: dict[str, JSON] = dict(extras.fields.get("generationConfig") or {}) if extras else {}
    config |= _sampling(request, target, context, own=extras is not None)
    if request.format is not None:
        config |= _format(request.format, target, context)
    if request.reasoning is not None and (thinking := _thinking(request.reasoning, target, context)) is not None:
        config["thinkingConfig"] = thinking
    if request.choices is not None and extras is not None:
        config["candidateCount"] = request.choices
    elif request.choices is not None and request.choices > 1:
        raise Unsupported("n", NAME)
    if request.logprobs is not None and extras is not None:
        config |= {"responseLogprobs": True} | ({"logprobs": request.logprobs} if request.logprobs else {})
    return respell(config, below(extras.shape, "generationConfig")) if extras else config


def _sampling(request: Request, target: Target, context: Context, *, own: bool) -> dict[str, JSON]:
    config: dict[str, JSON] = {}
    for key, name in (NUMBERS | INTEGERS).items():
        value: Any = getattr(request.sampling, name)
        value = target.defaults.get(name) if value is None else value
        if value is not None:
            low, high = _RANGES.get(name, (value, value))
            config[key] = within(name, value, low, high, NAME, context)
    if config.get("seed") is not None and not -_SEED_BITS <= config["seed"] <= _SEED_BITS:
        config["seed"] &= _SEED_BITS
    stops: Any = request.sampling.stop or target.defaults.get("stop") or []
    stops = [stops] if isinstance(stops, str) else stops
    if len(stops) > MOST_STOPS and not own:
        context.note(f"only the first {MOST_STOPS} stop sequences were sent; the {NAME} protocol takes no more")
        stops = stops[:MOST_STOPS]
    if stops:
        config["stopSequences"] = stops
    return config


def _format(format: ResponseFormat, target: Target, context: Context) -> dict[str, JSON]:
    if said := own_extras(format.extras):
        return said.fields
    if format.kind == "text":
        return {}
    config: dict[str, JSON] = {"responseMimeType": "application/json"}
    undescribed(format, NAME, context)
    if format.kind == "json_schema" and format.schema is not None:
        old = "json_schema" in target.traits.lacks
        config["responseSchema" if old else "responseJsonSchema"] = clean(format.schema, OPENAPI if old else FORMAT)
    return config


# ---------------------------------------------------------------------------------------------------------------------
# Thinking


def _thinking(options: ReasoningOptions, target: Target, context: Context) -> dict[str, JSON] | None:
    if said := own_extras(options.extras):
        return said.fields
    if "thinking" in target.traits.lacks:
        context.note(f"reasoning has no place in requests to {target.model} and was left out")
        return None
    config: dict[str, JSON] = {"includeThoughts": True} if _shown(options) else {}
    config |= _level(options, target) if target.traits.efforts else _budget(options, target, context.note)
    return config or None


def _shown(options: ReasoningOptions) -> bool:
    """Thoughts are asked for by a word for their summary, or by switching thinking on in a protocol that shows them."""
    if options.enabled is False or options.effort == "none" or options.summary in ("none", "omitted"):
        return False
    return bool(options.summary or options.enabled or options.adaptive or options.budget)


def _level(options: ReasoningOptions, target: Target) -> dict[str, JSON]:
    """Models that take levels always think a little: off is their lowest one."""
    effort = effort_of(options)
    return {} if effort is None else {"thinkingLevel": nearest_effort(effort, target.traits.efforts).upper()}


def _budget(options: ReasoningOptions, target: Target, note: Callable[[str], None]) -> dict[str, JSON]:
    budget = budget_of(options)
    if budget is None or budget < 0:
        return {"thinkingBudget": -1} if options.adaptive or options.enabled else {}
    if not target.traits.budgets or (budget == 0 and "thinking_off" not in target.traits.lacks):
        return {"thinkingBudget": budget}
    least, most = target.traits.budgets
    fitted = min(max(budget, least), most)
    if fitted != budget:
        note(f"the thinking budget became {fitted}: {target.model} takes {least} to {most}")
    return {"thinkingBudget": fitted}


def refit(document: dict[str, JSON], target: Target, note: Callable[[str], None]) -> dict[str, JSON]:
    """See `base.Chat.refit`. A budget is taken by all that think: newer models know it still."""
    key = "generationConfig" if "generationConfig" in document else "generation_config"
    config = document.get(key)
    name = "thinkingConfig" if isinstance(config, dict) and "thinkingConfig" in config else "thinking_config"
    thinking = config.get(name) if isinstance(config, dict) else None
    if not isinstance(thinking, dict) or not isinstance(config, dict) or target.traits.lacks.isdisjoint(_UNASKED):
        return document
    level = either(thinking, "thinkingLevel")
    rest = {one: value for one, value in config.items() if one != name}
    if "thinking" in target.traits.lacks:
        note(f"thinkingConfig was left out: {target.model} does not think")
        return {**document, key: rest}
    if level is None:
        return document
    budget = BUDGETS.get(LEVELS.get(str(level).upper(), "none"))
    kept = {one: value for one, value in thinking.items() if one not in ("thinkingLevel", "thinking_level")}
    note(f"the thinking level {level} became a budget, which is what {target.model} takes")
    given = _budget(ReasoningOptions(budget=budget), target, note) if budget else {}
    return {**document, key: {**rest, name: kept | given}}


_UNASKED = frozenset({"levels", "thinking"})
