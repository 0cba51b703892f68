"""What else the machine did while something was measured: how much a fixed loop's time varied, how long the queue for a
processor was, and what share of the time the hypervisor gave to others."""

from __future__ import annotations

import os
import statistics
import time
from pathlib import Path
from typing import Any

_PROC_STAT = Path("/proc/stat")
_LOOPS = 5


def calibrate() -> float:
    """Seconds that a fixed piece of work takes now: the least of a few tries, so that what stays is the processor's speed
    and not a single interruption."""
    return min(_fixed_work() for _ in range(_LOOPS))


def _fixed_work() -> float:
    """Of the kind that is measured: dicts, text, calls; about five milliseconds."""
    began = time.perf_counter()
    for number in range(6000):
        record = {"index": number, "text": "some words of text", "items": [number, None, True]}
        "".join(f"{key}:{value}" for key, value in record.items())
    return time.perf_counter() - began


def steal_ticks(stat: str) -> tuple[int, int]:
    """Ticks that were stolen and all ticks, of the first line of /proc/stat (proc(5): user nice system idle iowait irq
    softirq steal; guest time is in user already)."""
    ticks = [int(word) for word in stat.splitlines()[0].split()[1:9]]
    return (ticks[7] if len(ticks) > 7 else 0), sum(ticks)


class Watch:
    """Begun before the first suite; `look` between suites; `told` after the last."""

    def __init__(self) -> None:
        self._times = [calibrate()]
        self._load = [_load()]
        self._ticks = _ticks()

    def look(self) -> None:
        self._times.append(calibrate())
        self._load.append(_load())

    def told(self) -> dict[str, Any]:
        """calibration_ms: the fixed loop's times. spread: between the fastest and the slowest, as a share of the median.
        load: the load averages of one minute, in the same moments. steal: the share of the processors' time that went to
        other guests; None where the system does not say."""
        middle = statistics.median(self._times)
        now = _ticks()
        steal = None
        if self._ticks and now and now[1] > self._ticks[1]:
            steal = (now[0] - self._ticks[0]) / (now[1] - self._ticks[1])
        return {
            "calibration_ms": [round(seconds * 1e3, 4) for seconds in self._times],
            "spread": (max(self._times) - min(self._times)) / middle,
            "load": self._load,
            "steal": steal,
        }


def _load() -> float | None:
    try:
        return round(os.getloadavg()[0], 2)
    except (AttributeError, OSError):  # Windows has none
        return None


def _ticks() -> tuple[int, int] | None:
    try:
        return steal_ticks(_PROC_STAT.read_text())
    except OSError:
        return None


def sentence(noise: dict[str, Any]) -> str:
    """The noise of a run for people."""
    load = [value for value in noise.get("load", []) if value is not None]
    steal = noise.get("steal")
    parts = [f"a fixed loop varied by {noise.get('spread', 0):.0%}"]
    if load:
        parts.append(f"load average {min(load):.1f} to {max(load):.1f}")
    if steal is not None:
        parts.append(f"{steal:.1%} of the time stolen")
    return ", ".join(parts)
