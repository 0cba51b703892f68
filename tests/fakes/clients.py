"""The official SDKs as clients. Each driver asks one scenario and tells what the SDK understood."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import anthropic
import google.genai
import google.genai.errors
import google.genai.types
import ollama
import openai

from tests.fakes.meaning import CLOCK, PIXEL, WEATHER, Meaning, Spoken

QUESTION = "What is it like there?"
SYSTEM = "You are terse."
SCHEMAS: dict[str, dict[str, Any]] = {
    "get_weather": {
        "type": "object",
        "properties": {
            "city": {"type": "string", "description": "Where"},
            "days": {"type": "integer"},
            "note": {"type": "string"},
        },
        "required": ["city"],
    },
    "get_time": {
        "type": "object",
        "properties": {"zone": {"type": "string"}, "exact": {"type": "boolean"}, "steps": {"type": "array", "items": {}}},
        "required": ["zone"],
    },
}
DESCRIPTIONS = {"get_weather": "The weather of a city", "get_time": "The time in a zone"}
CALLS_TOOLS = ("tool", "parallel", "result")


class Refused(Exception):
    """The SDK raised an error of its own kind. status: the HTTP status, None for an error within a stream."""

    def __init__(self, status: int | None, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


# Claude


def ask_claude(address: str, scenario: str, stream: bool, **more: Any) -> Meaning:
    arguments: dict[str, Any] = {
        "model": scenario,
        "max_tokens": 2048,
        "system": SYSTEM,
        "messages": _claude_messages(scenario),
    }
    if scenario in CALLS_TOOLS:
        arguments["tools"] = [
            {"name": name, "description": DESCRIPTIONS[name], "input_schema": schema} for name, schema in SCHEMAS.items()
        ]
    if scenario == "thinking":
        arguments["thinking"] = {"type": "enabled", "budget_tokens": 1024}
    arguments |= more
    with anthropic.Anthropic(base_url=address, api_key="sk-client", max_retries=0) as client:
        try:
            if not stream:
                return _from_claude(client.messages.create(**arguments))
            with client.messages.stream(**arguments) as events:
                return _from_claude(events.get_final_message())
        except anthropic.APIStatusError as error:
            raise Refused(error.status_code, str(error)) from error
        except anthropic.APIError as error:
            raise Refused(None, str(error)) from error


def _claude_messages(scenario: str) -> list[dict[str, Any]]:
    if scenario == "image":
        source = {"type": "base64", "media_type": "image/png", "data": PIXEL}
        return [{"role": "user", "content": [{"type": "image", "source": source}, {"type": "text", "text": QUESTION}]}]
    messages: list[dict[str, Any]] = [{"role": "user", "content": QUESTION}]
    if scenario == "result":
        use = {"type": "tool_use", "id": "toolu_1", "name": "get_weather", "input": WEATHER}
        result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": [{"type": "text", "text": "sunny"}]}
        messages += [{"role": "assistant", "content": [use]}, {"role": "user", "content": [result]}]
    return messages


def _from_claude(message: Any) -> Meaning:
    stop = {"end_turn": "stop", "max_tokens": "length", "tool_use": "tool_calls"}
    usage = message.usage
    return Meaning(
        text="".join(block.text for block in message.content if block.type == "text"),
        thinking="".join(block.thinking for block in message.content if block.type == "thinking"),
        calls=[Spoken(block.name, block.input, block.id) for block in message.content if block.type == "tool_use"],
        finish=stop.get(message.stop_reason, message.stop_reason),
        input=usage.input_tokens + (usage.cache_read_input_tokens or 0) + (usage.cache_creation_input_tokens or 0),
        output=usage.output_tokens,
    )


# OpenAI chat completions


def ask_openai(address: str, scenario: str, stream: bool, **more: Any) -> Meaning:
    arguments: dict[str, Any] = {"model": scenario, "messages": _openai_messages(scenario)}
    if scenario in CALLS_TOOLS:
        arguments["tools"] = [
            {"type": "function", "function": {"name": name, "description": DESCRIPTIONS[name], "parameters": schema}}
            for name, schema in SCHEMAS.items()
        ]
    if scenario == "thinking":
        arguments["reasoning_effort"] = "low"
    arguments |= more
    with openai.OpenAI(base_url=f"{address}/v1", api_key="sk-client", max_retries=0) as client:
        try:
            if not stream:
                return _from_openai(client.chat.completions.create(**arguments))
            return _stream_openai(client, arguments)
        except openai.APIStatusError as error:
            raise Refused(error.status_code, str(error)) from error
        except openai.APIError as error:
            raise Refused(None, str(error)) from error


def _stream_openai(client: openai.OpenAI, arguments: dict[str, Any]) -> Meaning:
    """The SDK's own accumulation; where its helper raises for a finish reason, what its chunks said until then."""
    said: dict[str, str] = {"content": "", "refusal": "", "reasoning_content": ""}
    usage = None
    with client.chat.completions.stream(**arguments, stream_options={"include_usage": True}) as events:
        try:
            for event in events:
                if event.type == "chunk":
                    usage = event.chunk.usage or usage
                    for choice in event.chunk.choices:
                        for name in said:
                            said[name] += getattr(choice.delta, name, None) or ""
            final = events.get_final_completion()
        except openai.LengthFinishReasonError as error:
            return _from_openai(error.completion, said["reasoning_content"])
        except openai.ContentFilterFinishReasonError:  # raised at the finish chunk, so the usage chunk is still to come
            for chunk in events._raw_stream:
                usage = chunk.usage or usage
            return Meaning(
                text=said["content"] + said["refusal"],
                thinking=said["reasoning_content"],
                finish="content_filter",
                input=usage.prompt_tokens if usage else 0,
                output=usage.completion_tokens if usage else 0,
            )
    return _from_openai(final, said["reasoning_content"])


def _openai_call(call: Any) -> Spoken:
    if call.type == "custom":
        return Spoken(call.custom.name, {"input": call.custom.input}, call.id)
    return Spoken(call.function.name, json.loads(call.function.arguments), call.id)


def _openai_messages(scenario: str) -> list[dict[str, Any]]:
    system = {"role": "system", "content": SYSTEM}
    if scenario == "image":
        image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}}
        return [system, {"role": "user", "content": [image, {"type": "text", "text": QUESTION}]}]
    messages: list[dict[str, Any]] = [system, {"role": "user", "content": QUESTION}]
    if scenario == "result":
        function = {"name": "get_weather", "arguments": json.dumps(WEATHER, ensure_ascii=False)}
        call = {"id": "call_1", "type": "function", "function": function}
        messages.append({"role": "assistant", "content": None, "tool_calls": [call]})
        messages.append({"role": "tool", "tool_call_id": "call_1", "content": "sunny"})
    return messages


def _from_openai(completion: Any, thinking: str | None = None) -> Meaning:
    choice = completion.choices[0]
    message = choice.message
    said = getattr(message, "reasoning_content", None) or ""
    return Meaning(
        text=(message.content or "") + (message.refusal or ""),
        thinking=said if thinking is None else thinking,
        calls=[_openai_call(call) for call in message.tool_calls or []],
        finish=choice.finish_reason,
        input=completion.usage.prompt_tokens if completion.usage else 0,
        output=completion.usage.completion_tokens if completion.usage else 0,
    )


# OpenAI Responses


def ask_responses(address: str, scenario: str, stream: bool, **more: Any) -> Meaning:
    arguments: dict[str, Any] = {"model": scenario, "instructions": SYSTEM, "input": _responses_input(scenario)}
    if scenario in CALLS_TOOLS:
        arguments["tools"] = [
            {"type": "function", "name": name, "description": DESCRIPTIONS[name], "parameters": schema, "strict": False}
            for name, schema in SCHEMAS.items()
        ]
    if scenario == "thinking":
        arguments["reasoning"] = {"effort": "low", "summary": "auto"}
    arguments |= more
    with openai.OpenAI(base_url=f"{address}/v1", api_key="sk-client", max_retries=0) as client:
        try:
            if not stream:
                return _from_responses(client.responses.create(**arguments))
            final = None
            with client.responses.stream(**arguments) as events:
                for event in events:
                    if event.type == "response.failed":
                        raise Refused(None, event.response.error.message if event.response.error else "failed")
                    if event.type in ("response.completed", "response.incomplete"):
                        final = event.response
            if final is None:
                raise Refused(None, "the stream had no end")
            return _from_responses(final)
        except openai.APIStatusError as error:
            raise Refused(error.status_code, str(error)) from error
        except openai.APIError as error:
            raise Refused(None, str(error)) from error


def _responses_input(scenario: str) -> list[dict[str, Any]]:
    if scenario == "image":
        image = {"type": "input_image", "image_url": f"data:image/png;base64,{PIXEL}", "detail": "auto"}
        return [{"role": "user", "content": [image, {"type": "input_text", "text": QUESTION}]}]
    items: list[dict[str, Any]] = [{"role": "user", "content": QUESTION}]
    if scenario == "result":
        arguments = json.dumps(WEATHER, ensure_ascii=False)
        items.append({"type": "function_call", "call_id": "call_1", "name": "get_weather", "arguments": arguments})
        items.append({"type": "function_call_output", "call_id": "call_1", "output": "sunny"})
    return items


def _from_responses(response: Any) -> Meaning:
    calls = [item for item in response.output if item.type == "function_call"]
    thoughts = [part.text for item in response.output if item.type == "reasoning" for part in item.summary]
    refusals = [
        part.refusal
        for item in response.output
        if item.type == "message"
        for part in item.content
        if part.type == "refusal"
    ]
    finish = "tool_calls" if calls else "stop"
    if response.status == "incomplete":
        finish = {"max_output_tokens": "length"}.get(response.incomplete_details.reason, "content_filter")
    return Meaning(
        text=response.output_text + "".join(refusals),
        thinking="".join(thoughts),
        calls=[Spoken(item.name, json.loads(item.arguments), item.call_id) for item in calls],
        finish=finish,
        input=response.usage.input_tokens if response.usage else 0,
        output=response.usage.output_tokens if response.usage else 0,
    )


# Gemini


def ask_gemini(address: str, scenario: str, stream: bool, **more: Any) -> Meaning:
    types = google.genai.types
    config: dict[str, Any] = {"system_instruction": SYSTEM}
    if scenario in CALLS_TOOLS:
        declarations = [
            {"name": name, "description": DESCRIPTIONS[name], "parameters_json_schema": schema}
            for name, schema in SCHEMAS.items()
        ]
        config["tools"] = [types.Tool(function_declarations=[types.FunctionDeclaration(**d) for d in declarations])]
        config["automatic_function_calling"] = types.AutomaticFunctionCallingConfig(disable=True)
    if scenario == "thinking":
        config["thinking_config"] = types.ThinkingConfig(include_thoughts=True, thinking_budget=1024)
    config |= more
    client = google.genai.Client(api_key="sk-client", http_options=types.HttpOptions(base_url=address))
    arguments: dict[str, Any] = {
        "model": scenario,
        "contents": _gemini_contents(scenario),
        "config": types.GenerateContentConfig(**config),
    }
    try:
        if not stream:
            return _from_gemini([client.models.generate_content(**arguments)])
        return _from_gemini(list(client.models.generate_content_stream(**arguments)))
    except google.genai.errors.APIError as error:
        raise Refused(error.code, str(error)) from error
    finally:
        client.close()


def _gemini_contents(scenario: str) -> list[Any]:
    types = google.genai.types
    parts = [types.Part(text=QUESTION)]
    if scenario == "image":
        parts.insert(0, types.Part.from_bytes(data=base64.b64decode(PIXEL), mime_type="image/png"))
    contents = [types.Content(role="user", parts=parts)]
    if scenario == "result":
        call = types.Part(function_call=types.FunctionCall(name="get_weather", args=WEATHER))
        answer = types.Part(function_response=types.FunctionResponse(name="get_weather", response={"result": "sunny"}))
        contents += [types.Content(role="model", parts=[call]), types.Content(role="user", parts=[answer])]
    return contents


_NO_USAGE = google.genai.types.GenerateContentResponseUsageMetadata()


def _from_gemini(chunks: list[Any]) -> Meaning:
    parts = [
        part
        for chunk in chunks
        for candidate in chunk.candidates or []
        for part in (candidate.content.parts if candidate.content else None) or []
    ]
    usage = next((chunk.usage_metadata for chunk in reversed(chunks) if chunk.usage_metadata), _NO_USAGE)
    reasons = [c.finish_reason.value for chunk in chunks for c in chunk.candidates or [] if c.finish_reason]
    calls = [part.function_call for part in parts if part.function_call]
    finish = {"STOP": "tool_calls" if calls else "stop", "MAX_TOKENS": "length"}.get(reasons[-1], reasons[-1])
    return Meaning(
        text="".join(part.text for part in parts if part.text and not part.thought),
        thinking="".join(part.text for part in parts if part.text and part.thought),
        calls=[Spoken(call.name, call.args or {}, call.id or "") for call in calls],
        finish=finish,
        input=(usage.prompt_token_count or 0) + (usage.tool_use_prompt_token_count or 0),
        output=(usage.candidates_token_count or 0) + (usage.thoughts_token_count or 0),
    )


# Ollama


def ask_ollama(address: str, scenario: str, stream: bool, **more: Any) -> Meaning:
    arguments: dict[str, Any] = {"model": scenario, "messages": _ollama_messages(scenario)}
    if scenario in CALLS_TOOLS:
        arguments["tools"] = [
            {"type": "function", "function": {"name": name, "description": DESCRIPTIONS[name], "parameters": schema}}
            for name, schema in SCHEMAS.items()
        ]
    if scenario == "thinking":
        arguments["think"] = True
    arguments |= more
    client = ollama.Client(host=address)
    try:
        if not stream:
            return _from_ollama([client.chat(**arguments)])
        return _from_ollama(list(client.chat(**arguments, stream=True)))
    except ollama.ResponseError as error:
        raise Refused(error.status_code if error.status_code != -1 else None, error.error) from error
    finally:
        client._client.close()


def _ollama_messages(scenario: str) -> list[dict[str, Any]]:
    user: dict[str, Any] = {"role": "user", "content": QUESTION}
    if scenario == "image":
        user["images"] = [PIXEL]
    messages = [{"role": "system", "content": SYSTEM}, user]
    if scenario == "result":
        call = {"function": {"name": "get_weather", "arguments": WEATHER}}
        messages.append({"role": "assistant", "content": "", "tool_calls": [call]})
        messages.append({"role": "tool", "tool_name": "get_weather", "content": "sunny"})
    return messages


def _from_ollama(chunks: list[Any]) -> Meaning:
    last = chunks[-1]
    calls = [call.function for chunk in chunks for call in chunk.message.tool_calls or []]
    finish = last.done_reason
    return Meaning(
        text="".join(chunk.message.content or "" for chunk in chunks),
        thinking="".join(chunk.message.thinking or "" for chunk in chunks),
        calls=[Spoken(call.name, dict(call.arguments)) for call in calls],
        finish="tool_calls" if calls and finish == "stop" else finish,
        input=last.prompt_eval_count or 0,
        output=last.eval_count or 0,
    )


CLIENTS: dict[str, Callable[..., Meaning]] = {
    "openai": ask_openai,
    "responses": ask_responses,
    "claude": ask_claude,
    "gemini": ask_gemini,
    "ollama": ask_ollama,
}
"""(ccproxy's address, the scenario, whether to stream, what else the request says) -> what the SDK understood."""

__all__ = ["CLIENTS", "CLOCK", "QUESTION", "SYSTEM", "Refused"]
