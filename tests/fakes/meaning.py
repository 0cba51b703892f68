from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
"""A PNG of one pixel, base64."""


@dataclass
class Spoken:
    """One tool call."""

    name: str
    arguments: dict[str, Any]
    id: str = ""


@dataclass
class Meaning:
    """What an upstream says, or what a client understood. finish: stop, length or tool_calls. status: of an error before
    anything is said. breaks: an error event after the text. input, output: tokens."""

    text: str = ""
    thinking: str = ""
    calls: list[Spoken] = field(default_factory=list)
    finish: str = "stop"
    input: int = 21
    output: int = 9
    cached: int = 0
    status: int = 200
    breaks: bool = False

    def said(self) -> dict[str, Any]:
        """What every protocol can carry, for comparison."""
        return {
            "text": self.text,
            "thinking": self.thinking,
            "calls": [(call.name, call.arguments) for call in self.calls],
            "finish": self.finish,
            "input": self.input,
            "output": self.output,
        }


WEATHER = {"city": "Zürich", "days": 3, "note": 'quotes " and \\ slashes'}
CLOCK = {"zone": "Asia/Tokyo", "exact": True, "steps": [1, 2.5, None]}

SCENARIOS: dict[str, Meaning] = {
    "text": Meaning(text='Grüezi! 你好 😀 and\nnewlines "quoted".', cached=5),
    "tool": Meaning(calls=[Spoken("get_weather", WEATHER, "call_a1")], finish="tool_calls"),
    "parallel": Meaning(
        text="Two at once.",
        calls=[Spoken("get_weather", WEATHER, "call_a1"), Spoken("get_time", CLOCK, "call_b2")],
        finish="tool_calls",
    ),
    "thinking": Meaning(thinking="Let me weigh\nthis 🤔.", text="Forty-two."),
    "image": Meaning(text="One pixel."),
    "result": Meaning(text="It is sunny in Zürich."),
    "length": Meaning(text="This stops in the mid", finish="length"),
    "refuses": Meaning(status=429),
    "breaks": Meaning(text="Half of a", breaks=True),
}
