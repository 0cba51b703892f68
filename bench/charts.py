"""Small charts as HTML and SVG text: rows with bars, distributions, lines. They have no script and no colours of their own:
`page.py`'s style gives the classes theirs, in light and in dark."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

from attrs import frozen

from ccproxy.measure.report import amount
from ccproxy.measure.results import Measure

WIDTH = 860
LABEL = 210
"""Where the labels on the left end."""

OURS = "ccproxy"
BACKGROUND = ("floor", "direct")


def tone(name: str, names: Sequence[str]) -> str:
    """The class that colours a series: ours stand out, the floor and direct calls stand back, others have their own."""
    if name.startswith(OURS):
        ours = [other for other in names if other.startswith(OURS)]
        return f"ours{min(ours.index(name), 2)}" if name in ours else "ours0"
    if name.startswith(BACKGROUND):
        return "base"
    others = [other for other in names if not other.startswith((OURS, *BACKGROUND))]
    return f"s{others.index(name) % 6}" if name in others else "s0"


def text(x: float, y: float, content: str, anchor: str = "start", kind: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" class="{kind}">{escape(content)}</text>'


def line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{kind}"/>'


def rect(x: float, y: float, width: float, height: float, kind: str) -> str:
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 1):.1f}" height="{height:.1f}" rx="2" class="{kind}"/>'


def svg(height: float, parts: Sequence[str], title: str) -> str:
    return (
        f'<svg viewBox="0 0 {WIDTH} {height:.0f}" role="img" aria-label="{escape(title)}">'
        f"<title>{escape(title)}</title>{''.join(parts)}</svg>"
    )


# ---------------------------------------------------------------------------------------------------------------------
# A table whose cells are bars


@frozen
class Column:
    """scale: columns that have the same name here share one scale. unit: of the values; multiples without one."""

    title: str
    scale: str = ""
    unit: str = ""


@frozen
class Cell:
    """A value, and the target that it is held against."""

    value: float
    limit: float | None = None


def bar_table(
    labels: Sequence[str], columns: Sequence[Column], rows: Sequence[tuple[Sequence[str], Sequence[Cell | None]]]
) -> str:
    """rows: the labels, then a bar for each column; one beyond its limit has another colour. A scale ends at the 95th
    percentile, so that one outlier does not flatten the rest."""
    values: dict[str, list[float]] = {}
    for _, cells in rows:
        for column, cell in zip(columns, cells, strict=True):
            values.setdefault(column.scale, []).extend([] if cell is None else [cell.value])
    tops = {scale: sorted(found)[int(0.95 * (len(found) - 1))] for scale, found in values.items() if found}
    head = "".join(f"<th>{escape(name)}</th>" for name in (*labels, *(column.title for column in columns)))
    body = ""
    for names, cells in rows:
        bars = (_bar(cell, column, tops.get(column.scale, 1.0)) for column, cell in zip(columns, cells, strict=True))
        named = (f"<th>{escape(name)}</th>" for name in names)
        body += f"<tr>{''.join(named)}{''.join(bars)}</tr>"
    return f'<div class="wide"><table class="bartable"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _bar(cell: Cell | None, column: Column, top: float) -> str:
    if cell is None:
        return "<td></td>"
    kind = "plain" if cell.limit is None else "over" if cell.value > cell.limit else "within"
    width = min(100.0, max(0.0, 100 * cell.value / top)) if top > 0 else 0.0
    shown = amount(cell.value, column.unit) if column.unit else f"{cell.value:.1f}×"
    return f'<td><div><i class="{kind}" style="width:{width:.0f}%"></i></div><b>{escape(shown)}</b></td>'


# ---------------------------------------------------------------------------------------------------------------------
# Bars and distributions: a row for each measure


@frozen
class Row:
    label: str
    tone: str
    measure: Measure


def bars(rows: Sequence[Row], title: str) -> str:
    """The medians, with the middle half of the rounds."""
    step, right = 24, WIDTH - 110
    top = max((row.measure.quartiles[1] for row in rows), default=1) or 1
    parts = []
    for number, row in enumerate(rows):
        y = 8 + number * step
        low, high = (LABEL + (right - LABEL) * max(0.0, value) / top for value in row.measure.quartiles)
        end = LABEL + (right - LABEL) * max(0.0, row.measure.median) / top
        parts += [text(LABEL - 8, y + 13, row.label, "end"), rect(LABEL, y + 2, end - LABEL, 14, row.tone)]
        if high - low > 2:
            parts.append(line(low, y + 9, high, y + 9, "whisker"))
        parts.append(text(max(end, high) + 6, y + 13, amount(row.measure.median, row.measure.unit), kind="number"))
    return svg(16 + len(rows) * step, parts, title)


def distributions(rows: Sequence[Row], title: str) -> str:
    """From the 1st to the 99th percentile a line, the middle half a box, the median a stroke, the 95th a tick; on a
    logarithmic axis, as latencies have long tails."""
    step, top, right = 28, 26, WIDTH - 190
    values = [row.measure.percentile(p) for row in rows for p in (1, 99)]
    axis = LogAxis(min(values), max(values), LABEL, right)
    bottom = top + len(rows) * step
    unit = rows[0].measure.unit
    parts = [
        part
        for tick in axis.ticks()
        for part in (
            line(axis(tick), top, axis(tick), bottom, "grid"),
            text(axis(tick), bottom + 16, _tick(tick), "middle"),
        )
    ]
    parts.append(text(right, bottom + 32, unit, "end"))
    parts += [text(right + 12 + n * 60, 14, name) for n, name in enumerate(("p50", "p95", "p99"))]
    for number, row in enumerate(rows):
        y = top + number * step + step / 2
        p1, p25, p50, p75, p95, p99 = (row.measure.percentile(p) for p in (1, 25, 50, 75, 95, 99))
        parts += [
            text(LABEL - 8, y + 4, row.label, "end"),
            line(axis(p1), y, axis(p99), y, f"range {row.tone}"),
            rect(axis(p25), y - 6, axis(p75) - axis(p25), 12, row.tone),
            line(axis(p50), y - 9, axis(p50), y + 9, "median"),
            line(axis(p95), y - 5, axis(p95), y + 5, f"range {row.tone}"),
            *(text(right + 12 + n * 60, y + 4, _short(p), kind="number") for n, p in enumerate((p50, p95, p99))),
        ]
    return svg(bottom + 38, parts, title)


# ---------------------------------------------------------------------------------------------------------------------
# Lines


def lines(series: Mapping[str, Sequence[tuple[float, float]]], title: str, x_title: str, y_title: str) -> str:
    """Values over a number that doubles: both axes are logarithmic. Each line is named at its end."""
    points = [point for one in series.values() for point in one if point[0] > 0 and point[1] > 0]
    if not points:
        return ""
    left, right, top, bottom = 64, WIDTH - 170, 16, 250
    across = LogAxis(min(x for x, _ in points), max(x for x, _ in points), left, right)
    up = LogAxis(min(y for _, y in points), max(y for _, y in points), bottom, top)
    parts = []
    for tick in up.ticks():
        parts += [line(left, up(tick), right, up(tick), "grid"), text(left - 6, up(tick) + 4, _tick(tick), "end")]
    for tick in sorted({x for x, _ in points}):
        parts.append(text(across(tick), bottom + 18, _tick(tick), "middle"))
    parts += [text((left + right) / 2, bottom + 36, x_title, "middle"), text(4, 11, y_title)]
    drawn = {name: [(across(x), up(y)) for x, y in one if x > 0 and y > 0] for name, one in series.items()}
    free = float(top)  # above it, names stand already
    for name, places in sorted(((name, places) for name, places in drawn.items() if places), key=lambda one: one[1][-1][1]):
        kind = tone(name, list(series))
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        parts.append(f'<polyline points="{path}" class="curve {kind}"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" class="{kind}"/>' for x, y in places]
        height = max(places[-1][1] + 4, free)
        free = height + 14
        end = places[-1][0]
        parts += [rect(end + 9, height - 8, 8, 8, kind), text(end + 22, height, name, kind="name")]
    return svg(bottom + 46, parts, title)


class LogAxis:
    """A value's place between two pixels, on a logarithmic scale that covers at least a factor of two."""

    def __init__(self, low: float, high: float, start: float, end: float) -> None:
        low = max(low, 1e-9)
        high = max(high, low)
        if high / low < 2:
            low, high = low / 1.5, high * 1.5
        self._low, self._span = math.log10(low), math.log10(high) - math.log10(low)
        self._start, self._end = start, end

    def __call__(self, value: float) -> float:
        share = (math.log10(max(value, 1e-9)) - self._low) / self._span
        return self._start + (self._end - self._start) * share

    def ticks(self) -> list[float]:
        """Round values inside: 1, 2 and 5 of each power of ten, fewer on long axes."""
        steps = (1, 2, 5) if self._span < 2.5 else (1,)
        powers = range(math.floor(self._low), math.ceil(self._low + self._span) + 1)
        found = [step * 10.0**power for power in powers for step in steps]
        return [value for value in found if self._low - 1e-9 <= math.log10(value) <= self._low + self._span + 1e-9]


def _tick(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:g}"


def _short(value: float) -> str:
    return f"{value:.{0 if value >= 100 else 1 if value >= 10 else 2 if value >= 1 else 3}f}"
