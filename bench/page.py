"""A run as one HTML page that needs nothing else: no script, no network. Only suites that the run has get a section."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from html import escape

from attrs import frozen

from bench import peers
from bench.charts import OURS, Cell, Column, Row, bar_table, bars, distributions, lines, tone
from ccproxy.measure import machine, noise, ttft
from ccproxy.measure.report import plain_table
from ccproxy.measure.results import Measure, Run, against_floor
from ccproxy.measure.traffic import KINDS
from ccproxy.measure.ways import DIRECT, SMALL

REPEAT = "python -m bench {suites} --json run.json --html run.html"
HISTORY = "200 messages"
PLAIN = ("pooled", "plain", SMALL)
MANY = 40
"""From so many values on a measure is drawn as a distribution."""

PICTURES = 8
"""Of one suite; the others are folded away."""

Pair = tuple[str, str]
"""Client and upstream."""


@frozen
class Section:
    """What a suite's numbers are, in a sentence or two, and how they are drawn."""

    title: str
    about: str
    draw: Callable[[Sequence[Measure]], str]


def page(run: Run) -> str:
    """The whole document."""
    suites = list(dict.fromkeys(measure.suite for measure in run.measures))
    known = [name for name in SECTIONS if name in suites]
    names = [*known, *(name for name in suites if name not in SECTIONS)]
    sections = "".join(_section(name, run.of(name)) for name in names)
    links = " ".join(f'<a href="#{escape(name)}">{escape(name)}</a>' for name in names)
    content = f"<h1>ccproxy: measurements</h1>{_origin(run, names)}<nav>{links}</nav>{sections}"
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta name="color-scheme" content="light dark"><title>ccproxy: measurements</title><style>{STYLE}</style></head>'
        f"<body><main>{content}</main></body></html>\n"
    )


def _origin(run: Run, suites: Sequence[str]) -> str:
    rows = {
        "taken": run.started.replace("T", " ").replace("+00:00", " UTC"),
        "machine": machine.sentence(run.machine),
        "versions": ", ".join(f"{name} {number}" for name, number in run.versions.items()),
        "noise": noise.sentence(run.noise),
    }
    told = "".join(f"<dt>{name}</dt><dd>{escape(value)}</dd>" for name, value in rows.items())
    again = escape(REPEAT.format(suites=" ".join(suites)))
    return f"<dl>{told}<dt>again</dt><dd><code>{again}</code></dd></dl>"


def _section(name: str, measures: Sequence[Measure]) -> str:
    section = SECTIONS.get(name) or Section(name, "", draw_any)
    heads, rows = plain_table(measures)
    head = "".join(f"<th>{escape(cell)}</th>" for cell in heads)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    numbers = f'<div class="wide"><table class="numbers"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
    return (
        f'<section id="{escape(name)}"><h2>{escape(section.title)}</h2><p>{escape(section.about)}</p>'
        f"{section.draw(measures)}<details><summary>All {len(measures)} measures</summary>{numbers}</details></section>"
    )


# ---------------------------------------------------------------------------------------------------------------------
# Pairs against the floor


def draw_chunks(measures: Sequence[Measure]) -> str:
    """A row for each pair, a bar for each kind and, for text, for each way with framing."""
    columns = [*((kind, "records") for kind in KINDS), ("text", "read1"), ("text", "read16"), ("text", "usual")]
    heads = [*KINDS, "text, 1 a read", "text, 16 a read", "text, the usual way"]
    return _pairs_table(measures, "kind", columns, heads, _chunk_target)


def _chunk_target(pair: Pair, kind: str, way: str) -> float | None:
    if pair[0] == pair[1]:
        return 1.5 if way == "records" else None
    return {"records": 2.0 if kind == "text" else 3.0, "read1": 3.0, "read16": 3.0}.get(way)


def draw_requests(measures: Sequence[Measure]) -> str:
    """A row for each pair, a bar for each size, where nothing was known of the conversation; for the history also when it
    is first seen, at its next turn, and what the json module takes for it."""
    sizes = list(dict.fromkeys(measure.labels["size"] for measure in measures))
    columns = [*((size, "ccproxy") for size in sizes), *((HISTORY, way) for way in _OF_HISTORY)]
    heads = [f"{size}{_OF_HISTORY.get(way, '')}" for size, way in columns]
    targets = {(HISTORY, way): 1.6 for way in ("ccproxy", "next")}
    return _pairs_table(measures, "size", columns, heads, lambda pair, size, way: targets.get((size, way)))


_OF_HISTORY = {"first": ", first seen", "next": ", next turn", "json": ", json module"}


def _pairs_table(
    measures: Sequence[Measure],
    label: str,
    columns: Sequence[tuple[str, str]],
    heads: Sequence[str],
    target: Callable[[Pair, str, str], float | None],
) -> str:
    """columns: the label's value and the way of each. target: of a pair in a column."""
    ratios = {(*_pair(m), m.labels[label], m.labels["way"]): m.median for m in against_floor(measures)}
    rows = []
    for pair in dict.fromkeys(map(_pair, measures)):
        found = [(ratios.get((*pair, *column)), target(pair, *column)) for column in columns]
        rows.append((pair, [None if value is None else Cell(value, limit) for value, limit in found]))
    return bar_table(["client", "upstream"], [Column(head) for head in heads], rows)


def _pair(measure: Measure) -> Pair:
    return measure.labels["client"], measure.labels["upstream"]


# ---------------------------------------------------------------------------------------------------------------------
# First bytes


def draw_ttft(measures: Sequence[Measure]) -> str:
    """A row for each pair: what each way adds, and what a chunk of a burst costs it. Then the distributions."""
    plain = [m for m in measures if (m.labels["connection"], m.labels["tls"], m.labels["request"]) == PLAIN]
    direct = {_pair(m): m for m in plain if (m.labels["measure"], m.labels["way"]) == (ttft.FIRST, DIRECT)}
    found: dict[tuple[str, ...], Cell] = {}
    for m in plain:
        target = _ttft_target(_pair(m), m.labels["measure"]) if m.labels["way"] == OURS else None
        if m.labels["measure"] != ttft.FIRST:
            found[*_pair(m), m.labels["measure"], m.labels["way"]] = Cell(m.median, target)
        elif _pair(m) in direct:
            found[*_pair(m), ttft.FIRST, m.labels["way"]] = Cell(ttft.added(m, direct[_pair(m)]), target)
    ways = ("relay", OURS, "httpx")
    columns = [*((ttft.FIRST, way) for way in ways), *((ttft.BURST_CPU, way) for way in ways)]
    heads = [
        Column(
            f"{way}, {'added' if measure == ttft.FIRST else 'a chunk'}", measure, "ms" if measure == ttft.FIRST else "µs"
        )
        for measure, way in columns
    ]
    rows = [(pair, [found.get((*pair, *column)) for column in columns]) for pair in dict.fromkeys(map(_pair, plain))]
    return bar_table(["client", "upstream"], heads, rows) + draw_any(measures)


def _ttft_target(pair: Pair, measure: str) -> float | None:
    if measure == ttft.BURST_CPU:
        return 10.0
    return 0.3 if pair[0] == pair[1] else 0.4


# ---------------------------------------------------------------------------------------------------------------------
# Peers


def draw_peers(measures: Sequence[Measure]) -> str:
    """What could not be measured; a table for each pair, a row for each way; then the pictures."""
    missing = "".join(f"<li>{escape(way)}: {escape(why)}</li>" for way, why in peers.absent(measures))
    units = {m.labels["measure"]: m.unit for m in measures}
    columns = [Column(peers.column_name(column), "".join(column), units.get(column[0], "")) for column in peers.COLUMNS]
    rows: dict[Pair, list[tuple[list[str], list[Cell | None]]]] = {}
    for pair, way, found in peers.side_by_side(measures):
        rows.setdefault(pair, []).append(([way], [None if m is None else Cell(m.median) for m in found]))
    tables = "".join(f"<h3>{' to '.join(pair)}</h3>{bar_table(['way'], columns, its)}" for pair, its in rows.items())
    told = [measure for measure in measures if measure.labels["measure"] != peers.NOT_MEASURED]
    absent = f"<p>Not measured:</p><ul>{missing}</ul>" if missing else ""
    return f'{absent}<div class="named">{tables}</div>{draw_any(told)}'


# ---------------------------------------------------------------------------------------------------------------------
# Any other suite: one picture for each quantity, a row or a line for each way


def draw_any(measures: Sequence[Measure]) -> str:
    """A label that takes several numbers becomes an axis; else measures of many values become distributions and those of
    few become bars. Pictures are told apart by every label but the way."""
    pictures = list(_pictures(measures))
    more = "".join(pictures[PICTURES:])
    folded = f"<details><summary>{len(pictures) - PICTURES} more pictures</summary>{more}</details>" if more else ""
    return "".join(pictures[:PICTURES]) + folded


def _pictures(measures: Sequence[Measure]) -> Iterator[str]:
    """In the order in which they were measured."""
    axis = _axis(measures)
    ways = list(dict.fromkeys(_way(measure) for measure in measures))
    groups: dict[tuple[str, ...], list[Measure]] = {}
    for measure in measures:
        place = (value for name, value in measure.labels.items() if name not in (axis, "way"))
        groups.setdefault((measure.unit, *place), []).append(measure)
    for (unit, *said), members in groups.items():
        title = ", ".join(word for word in said if word) or unit
        yield f"<h3>{escape(title)}</h3>{_picture(members, axis, ways, title)}"


def _picture(members: Sequence[Measure], axis: str, ways: Sequence[str], title: str) -> str:
    if axis and len({measure.labels.get(axis) for measure in members}) > 1:
        series = {way: _points(members, axis, way) for way in dict.fromkeys(map(_way, members))}
        return lines(series, title, axis, members[0].unit)
    rows = [Row(_way(measure), tone(_way(measure), ways), measure) for measure in members]
    many = all(len(measure.values) >= MANY and min(measure.values) > 0 for measure in members)
    return (distributions if many else bars)(rows, title)


def _way(measure: Measure) -> str:
    return measure.labels.get("way", measure.suite)


def _axis(measures: Sequence[Measure]) -> str:
    """The label that takes several numbers, "" for none."""
    for name in dict.fromkeys(name for measure in measures for name in measure.labels):
        values = {measure.labels[name] for measure in measures if name in measure.labels}
        if len(values) > 1 and all(value.replace(".", "", 1).isdigit() for value in values):
            return name
    return ""


def _points(measures: Sequence[Measure], axis: str, way: str) -> list[tuple[float, float]]:
    return sorted((float(m.labels[axis]), m.median) for m in measures if _way(m) == way and axis in m.labels)


SECTIONS: dict[str, Section] = {
    "chunks": Section(
        "A stream's records",
        "CPU to convert one record of a stream, as a multiple of the least that it can cost: one orjson.loads of what came"
        " in and one orjson.dumps of what goes out (same protocol: the loads alone, as its bytes pass). The first five bars"
        " are without the framing of what came in. The second colour is for what is beyond its target: 2 for text, 3 for"
        " the other kinds and with framing, 1.5 for the same protocol.",
        draw_chunks,
    ),
    "requests": Section(
        "Requests",
        "CPU to convert a request, as a multiple of one orjson.loads of the client's body and one orjson.dumps of the"
        " upstream's. The target is 1.6 for the history of 200 messages.",
        draw_requests,
    ),
    "framing": Section(
        "Framing",
        "CPU to take a body or its events off the wire and to put one on it, beside the libraries that others use.",
        draw_any,
    ),
    "ttft": Section(
        "Time to the first content byte",
        "From the request's first byte to the first byte of content: what each way adds to the direct call, the median of"
        " the rounds' differences, and the CPU that a chunk of a burst costs the process in the middle. Below, every"
        " request of every round: the middle half, the median, the 95th percentile, and a line from the 1st to the 99th.",
        draw_ttft,
    ),
    "streams": Section(
        "Paced streams",
        "Many streams at once, each of 64 events 20 ms apart: how many are kept, what an event costs and how late it is.",
        draw_any,
    ),
    "load": Section(
        "Whole answers", "Requests per second, and how long they take, by how many are asked at once.", draw_any
    ),
    "far": Section(
        "A far upstream",
        "The time to the first token for a client that starts cold, direct and through ccproxy with its warm connections.",
        draw_any,
    ),
    "peers": Section(
        "Peers",
        "Other gateways on the same machine, in turn with ccproxy, a bare byte relay and direct calls; CPU and memory of"
        " whole process trees. Medians of the rounds.",
        draw_peers,
    ),
    "mcp": Section(
        "A call of a tool over MCP",
        "Time of one call to a server on the SDK, run or reached over HTTP: directly with the SDK's client, and through"
        " ccproxy with it and with a bare HTTP client.",
        draw_any,
    ),
    "start": Section(
        "Start and memory",
        "What an import costs, how long a start takes, and what a process holds.",
        draw_any,
    ),
}
"""Suite -> its section, in the page's order."""

STYLE = """
:root{--ground:#fcfcfa;--ink:#1d2329;--quiet:#68727c;--rule:#e2e4e1;--ours:#0b6bcb;--ours1:#4d9be6;--ours2:#8fc1f0;--over:#d9822b;--base:#a4adb5;
--s0:#7a5ea8;--s1:#2f8f7f;--s2:#b2504d;--s3:#8a7a2f;--s4:#c0559a;--s5:#4f7a3a}
@media(prefers-color-scheme:dark){:root{--ground:#14181c;--ink:#e4e8eb;--quiet:#96a1ab;--rule:#2b3238;--ours:#58a6ff;--ours1:#2f74c0;--ours2:#9cc9ff;
--over:#e6a157;--base:#616c76;--s0:#b39ddb;--s1:#5cc4b1;--s2:#e0807d;--s3:#cdbb62;--s4:#e593c6;--s5:#8fc07a}}
*{box-sizing:border-box}
body{margin:0;background:var(--ground);color:var(--ink);font:15px/1.5 system-ui,"DejaVu Sans",sans-serif}
main{max-width:1060px;margin:0 auto;padding:32px 24px 64px}
h1{font-size:26px;margin:0 0 12px}h2{font-size:20px;margin:44px 0 6px}h3{font-size:14px;margin:22px 0 4px;font-weight:600}
p{margin:0 0 14px;color:var(--quiet);max-width:75ch}
dl{display:grid;grid-template-columns:max-content 1fr;gap:2px 16px;margin:0 0 16px;font-size:13px}
dt{color:var(--quiet)}dd{margin:0}code{font:12px/1.4 ui-monospace,"DejaVu Sans Mono",monospace}
nav a{color:var(--ours);margin-right:14px;text-decoration:none}nav a:hover{text-decoration:underline}
svg{width:100%;height:auto;display:block}svg text{font:12px system-ui,"DejaVu Sans",sans-serif;fill:var(--quiet)}
svg text.number,svg text.name{fill:var(--ink);font-variant-numeric:tabular-nums}
.ours0{fill:var(--ours);stroke:var(--ours)}.ours1{fill:var(--ours1);stroke:var(--ours1)}
.ours2{fill:var(--ours2);stroke:var(--ours2)}.base{fill:var(--base);stroke:var(--base)}
.s0{fill:var(--s0);stroke:var(--s0)}.s1{fill:var(--s1);stroke:var(--s1)}.s2{fill:var(--s2);stroke:var(--s2)}
.s3{fill:var(--s3);stroke:var(--s3)}.s4{fill:var(--s4);stroke:var(--s4)}.s5{fill:var(--s5);stroke:var(--s5)}
svg text{stroke:none}.curve{fill:none;stroke-width:2}.range{stroke-width:1.5}.grid{stroke:var(--rule)}
.whisker{stroke:var(--ink);stroke-width:1.5}.median{stroke:var(--ink);stroke-width:2}rect{stroke:none}
.wide{overflow-x:auto}
table{border-collapse:collapse;font-size:13px;font-variant-numeric:tabular-nums}
.bartable{width:100%;table-layout:fixed;min-width:860px}
.bartable th{font-weight:400;text-align:left;padding:1px 8px 1px 0;white-space:nowrap}
.bartable thead th{color:var(--quiet);font-size:12px;vertical-align:bottom;white-space:normal;padding-bottom:6px}
.bartable tbody tr:nth-child(5n) td,.bartable tbody tr:nth-child(5n) th{padding-bottom:9px}
.bartable td{padding:1px 8px 1px 0;white-space:nowrap;min-width:84px}
.bartable td div{display:inline-block;width:calc(100% - 60px);vertical-align:-2px;margin-right:5px}
.bartable td i{display:block;height:13px;border-radius:2px}.bartable td b{font-weight:400}
.named .bartable thead th:first-child{width:170px}.named .bartable tbody tr:nth-child(5n) :is(td,th){padding-bottom:1px}
.within{background:var(--ours)}.plain{background:var(--base)}.over{background:var(--over)}
details{margin-top:14px}summary{cursor:pointer;color:var(--quiet);font-size:13px}
.numbers th,.numbers td{text-align:left;padding:2px 14px 2px 0;border-bottom:1px solid var(--rule);white-space:nowrap}
.numbers th{color:var(--quiet);font-weight:400}
@media print{details{display:none}}
"""
