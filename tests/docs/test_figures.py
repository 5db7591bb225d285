"""Pages quote only figures that are kept: each is found in the result that its section or its row names.

Where a page quotes what was measured it links to the result, `benchmarks/results/NAME.json`: in the row of a
table, in the paragraph, or anywhere in the section from one heading to the next. Every figure there has to be
in that result (`quoted_figures` says what that means); the figures of a row all in one record of it, wherever
most rows of the table are such records. What follows from a result without standing in it is in `DERIVED`,
with the way to compute it, and is computed here. A figure in a section that names no result has to be in
`STATED`, with the reason why nobody measured it: a limit, a parameter, a property of the protocol.

So a new result, and what pages quote of it, need no change here. Not looked at: `docs/decisions` and the
changelog, which are history and quote what was measured when something was decided.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
from page_blocks import Block, blocks, cells, readable
from quoted_figures import ENGLISH, PORTUGUESE, UNITS, Figure, Leaf, leaves, records

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "benchmarks" / "results"
PAGES = {
    str(page.relative_to(ROOT)): page
    for page in (
        ROOT / "README.md",
        ROOT / "benchmarks" / "README.md",
        *sorted((ROOT / "docs").rglob("*.md")),
    )
    if "decisions" not in page.parts
}
_ANY_UNIT = "|".join(map(re.escape, UNITS))
HEAD_UNIT = re.compile(rf"^({_ANY_UNIT})\b|(?:^|[\s(])({_ANY_UNIT}):|(?:, |\()({_ANY_UNIT})\)?$")
"""In the head of a column: "calls", "underruns at 60 ms", "lateness ms: p50 / p99", "memory, KB"."""
MOST_ROWS = 0.5
"""If more of a table's rows than this are one record each, all have to be."""


@dataclass(frozen=True, slots=True)
class Stated:
    """Figures of a page that are nobody's measurement."""

    why: str
    figures: tuple[str, ...] = ()
    """As they are written, the unit behind a space. None: all of a section that names no result."""
    section: str | None = None
    """Its heading. None: anywhere on the page."""

    def covers(self, figure: Figure, block: Block) -> bool:
        """Whether this says where the figure comes from."""
        if self.section not in (None, block.section.heading):
            return False
        return str(figure) in self.figures if self.figures else not block.results


EVERYWHERE = (
    Stated("frames of AudioSocket, the longer ones, and a second of them", ("20 ms", "30 ms", "50 /s")),
    Stated("the phone that all measurements model", ("60 ms",)),
)
STATED: dict[str, tuple[Stated, ...]] = {
    "README.md": (
        Stated("asserted by tests/end_to_end/test_on_ray.py", ("15 s",)),
        Stated("the script of benchmarks.compare's callers", ("12 s",)),
    ),
    "benchmarks/README.md": tuple(
        Stated("how it is measured, with which limits, for about how long", section=heading)
        for heading in (
            "Benchmarks", "All of them", "When a figure is a regression", "Speech to text",
            "The media path under load", "Leases", "Comparison", "Faults", "Overload", "Soak",
        )
    ),
    "docs/architecture.md": (Stated("defaults of `[endpointing]`", ("500 ms", "240 ms")),),
    "docs/asterisk.md": (Stated("a hole in a message that Asterisk takes for its end", ("5 ms",)),),
    "docs/audio.md": (
        Stated("lines of Asterisk's source", ("80 ms", "100 ms", "5 ms")),
        Stated("what phones keep in reserve", ("40 ms", "100 ms")),
        Stated("so much audio is made ahead", ("20 s",)),
    ),
    "docs/behavior.md": (
        Stated("defaults of `[endpointing]` and `[barge_in]`", ("100 ms", "140 ms", "120 ms", "240 ms")),
        Stated("a frame's second verdict, the shortest word in the tests", ("160 ms", "0.2 s")),
        Stated("a fade, a verdict's deadline, transcripts kept", ("5 ms", "400 ms", "256 calls")),
    ),
    "docs/capacity.md": (
        Stated("defaults of the callers", ("3 s", "12 s", "60 s")),
        Stated("how the search goes", ("10 s", "1.5 times", "2 times", "3 times")),
        Stated("beyond these a step is invalid", ("80 %", "5 %", "2 %")),
    ),
    "docs/performance.md": (
        Stated("the script of benchmarks.compare's callers", ("12 s",)),
        Stated("beyond this a measurement is invalid", ("2 ms",)),
        Stated("how exactly to read ratios: an advice", ("5 %",)),
    ),
    "docs/planning.md": (
        Stated("heads of Erlang's table, which tests/docs/test_planning.py computes", ("1 %", "0.1 %")),
    ),
    "docs/quickstart.pt-BR.md": (Stated("defaults of `[admission]`", ("97 %", "90 %", "60 %")),),
    "docs/resources.md": (Stated("compared with the code by tests/docs/test_resources.py"),),
    "docs/settings.md": (Stated("rendered from the code"),),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Derived:
    """Words of a page that follow from a result."""

    page: str
    words: str
    """With `{}` where a value belongs."""
    result: str
    value: Callable[[Any], tuple[Any, ...]]

    def __str__(self) -> str:
        return self.words.format(*self.value(result(f"{self.result}.json")))


def server(values: Any, name: str, calls: int) -> Any:
    """Return what a server did with so many calls, of a result of `benchmarks.pacing`."""
    return next(each for each in values["results"] if (each["server"], each["calls"]) == (name, calls))


def underruns(values: Any) -> str:
    """Return how many there were at a phone of 60 ms, with 400 calls, as a sentence says it."""
    phones = {phone["buffer_ms"]: phone["underruns"] for phone in server(values, "raymal", 400)["phones"]}
    return str(phones[60.0] or "no")


def saved_percent(values: Any, calls: int, name: str = "raymal", slower: str = "raymal at 30 ms") -> float:
    """Return what longer intervals save of the processor time."""
    before, after = (server(values, each, calls)["cpu_percent_per_call"] for each in (name, slower))
    return 100.0 * float(1.0 - after / before)


def left_out(values: Any) -> float:
    """Return the share of the audio that the sleeping throttle does not send: a mean over `CALLS`."""
    rows = [server(values, "asyncio throttled", calls) for calls in CALLS]
    return sum(float(row["missing_ratio"]) for row in rows) / len(rows)


def kernel_share(values: Any) -> float:
    """Return the system's part of raymal's processor time with 400 calls."""
    row = server(values, "raymal", 400)
    return float(row["system_percent_per_call"] / row["cpu_percent_per_call"])


def in_words(value: float) -> str:
    """Return a ratio in words, if there are words that are less than a tenth away."""
    near = [word for word, ratio in RATIOS.items() if abs(value / ratio - 1.0) < 0.1]
    return near[0] if near else f"{value:.3g}"


def nothing(percent: float) -> str:
    """Return what is saved, in words if it is no more than the measurement is exact."""
    return "nothing" if abs(percent) < 2.0 else f"{percent:.0f} %"


RATIOS = {
    "twice": 2.0,
    "half": 1 / 2,
    "a third": 1 / 3,
    "a quarter": 1 / 4,
    "a fifth": 1 / 5,
    "a tenth": 1 / 10,
    "a twentieth": 1 / 20,
}
CALLS = (50, 200, 400)
PACING, THROTTLE = "pacing", "throttle"
DERIVED = (
    Derived("README.md", "{} underrun at a 60 ms phone", PACING, lambda it: (underruns(it),)),
    Derived(
        "README.md",
        "{} the processor time of a C loop",
        PACING,
        lambda it: (in_words(server(it, "raymal", 400)["cpu_ratio_to_c_loop"]),),
    ),
    Derived(
        "README.md",
        "{} of the audio missing",
        PACING,
        lambda it: (in_words(server(it, "asyncio sleeps", 400)["missing_ratio"]),),
    ),
    Derived(
        "README.md",
        "max {:.1f} ms, {} underrun",
        "demo",
        lambda it: (it["call"]["quality"]["lateness_max_ms"], it["call"]["quality"]["underruns"] or "no"),
    ),
    Derived(
        "docs/audio.md",
        "of 10 s of audio {:.1f} s are missing with 50 calls on a core, {:.1f} s with 400",
        PACING,
        lambda it: tuple(10.0 * server(it, "asyncio sleeps", calls)["missing_ratio"] for calls in (50, 400)),
    ),
    Derived(
        "docs/audio.md",
        "{} of the phone's time has no audio",
        THROTTLE,
        lambda it: (in_words(left_out(it)).capitalize(),),
    ),
    Derived(
        "docs/audio.md",
        "with 400 calls it saves {} of the processor time per call",
        THROTTLE,
        lambda it: (nothing(saved_percent(it, 400, "asyncio sleeps", "asyncio throttled")),),
    ),
    Derived(
        "docs/audio.md",
        "{:.0f} to {:.0f} % less processor time, at most {:.2f} % of the audio missing",
        THROTTLE,
        lambda it: (
            min(saved_percent(it, calls) for calls in CALLS),
            max(saved_percent(it, calls) for calls in CALLS),
            100.0 * max(server(it, "raymal at 30 ms", calls)["missing_ratio"] for calls in CALLS),
        ),
    ),
    Derived(
        "docs/performance.md",
        "At 400 calls on one core raymal costs {} the C loop",
        PACING,
        lambda it: (in_words(server(it, "raymal", 400)["cpu_ratio_to_c_loop"]),),
    ),
    Derived(
        "docs/performance.md",
        "cost {:.0f} % less than 20 every 20 with 50 calls and {:.0f} % less with 200",
        THROTTLE,
        lambda it: tuple(saved_percent(it, calls) for calls in (50, 200)),
    ),
    Derived(
        "docs/performance.md",
        "saves {} with 400 calls, leaves out {} of the audio",
        THROTTLE,
        lambda it: (
            nothing(saved_percent(it, 400, "asyncio sleeps", "asyncio throttled")),
            in_words(left_out(it)),
        ),
    ),
    Derived("docs/performance.md", "{} is the kernel's", PACING, lambda it: (in_words(kernel_share(it)),)),
)


@cache
def result(name: str) -> Any:
    """Return a kept result."""
    return json.loads((RESULTS / name).read_text())


@dataclass(frozen=True, slots=True)
class Quote:
    """A figure in its place."""

    figure: Figure
    """Its position is that in the page."""
    block: Block


def quotes(page: str, text: str) -> list[Quote]:
    """Return every figure of a page for which somebody has to answer; derived ones not among them."""
    writing = PORTUGUESE if page.endswith(".pt-BR.md") else ENGLISH
    shown = _without_derived(page, readable(text))
    found = []
    for block in blocks(text):
        for start, end, unit in _parts(block, text):
            plain = "" if not block.results else "decimals" if block.table is None else "all"
            for each in writing.figures(shown[start:end], plain):
                figure = Figure(start + each.start, each.digits, each.value, each.decimals, each.unit or unit)
                if not any(stated.covers(figure, block) for stated in (*EVERYWHERE, *STATED.get(page, ()))):
                    found.append(Quote(figure, block))
    return found


def _without_derived(page: str, shown: str) -> str:
    for derived in DERIVED:
        if derived.page == page:
            words = re.compile(r"\s+".join(map(re.escape, str(derived).split())))
            shown = words.sub(lambda match: re.sub(r"\S", "¦", match[0]), shown)
    return shown


def _parts(block: Block, text: str) -> Iterator[tuple[int, int, str]]:
    """Return where the parts of a block are, and the unit that a column's head gives to plain numbers."""
    if block.table is None:
        yield block.start, block.end, ""
        return
    heads = [block.header[left:right].strip() for left, right in cells(block.header)]
    for number, (left, right) in enumerate(cells(text[block.start : block.end])):
        head = heads[number] if number < len(heads) and block.start != block.table else ""
        unit = HEAD_UNIT.search(head)
        yield block.start + left, block.start + right, next(filter(None, unit.groups())) if unit else ""


def problems(page: str, text: str) -> list[str]:
    """Return a line for each figure that is not kept, and for derived words that are not on the page."""
    found = [
        f"{page} does not say {str(derived)!r}, which is what {derived.result}.json gives"
        for derived in DERIVED
        if derived.page == page and " ".join(str(derived).split()) not in " ".join(text.split())
    ]
    for quote in _unfound(PAGES[page], quotes(page, text)):
        line = text.count("\n", 0, quote.figure.start) + 1
        names = " and ".join(Path(name).name for name in quote.block.results)
        why = f"not in {names}" if names else "neither a result is named nor a reason in STATED"
        found.append(f"{page}:{line}: {quote.figure}: {why}")
    return found


def _unfound(page: Path, quoted: list[Quote]) -> Iterator[Quote]:
    tables = groupby(quoted, key=lambda quote: (quote.block.table, quote.block.results))
    for (table, names), group in tables:
        whole = [leaf for name in names for leaf in _leaves(_result_file(page, name))]
        rows = [list(row) for _, row in groupby(group, key=lambda quote: quote.block.start)]
        parts = [record for name in names for record in _records(_result_file(page, name))]
        are_records = [_is_one_record(row, parts) for row in rows]
        is_strict = table is not None and sum(are_records) > MOST_ROWS * len(rows)
        for row, is_record in zip(rows, are_records, strict=True):
            if is_strict and not is_record:
                yield from _missing_in_the_nearest(row, parts)
            elif not is_record:
                yield from (quote for quote in row if not _has(whole, quote))


def _is_one_record(row: list[Quote], parts: list[tuple[Leaf, ...]]) -> bool:
    return any(all(_has(part, quote) for quote in row) for part in parts)


def _missing_in_the_nearest(row: list[Quote], parts: list[tuple[Leaf, ...]]) -> list[Quote]:
    """Return what a row has that the record most like it has not."""
    return min(([quote for quote in row if not _has(part, quote)] for part in parts), key=len)


def _has(those: tuple[Leaf, ...] | list[Leaf], quote: Quote) -> bool:
    return any(leaf.has(quote.figure) for leaf in those)


def _result_file(page: Path, target: str) -> str:
    file = (page.parent / target).resolve()
    assert file.parent == RESULTS, f"{page.name} links to {target}, which is no kept result"
    return file.name


@cache
def _leaves(name: str) -> tuple[Leaf, ...]:
    return tuple(leaves(result(name)))


@cache
def _records(name: str) -> tuple[tuple[Leaf, ...], ...]:
    return tuple(records(result(name)))


@pytest.mark.parametrize("page", PAGES)
def test_every_figure_of_a_page_is_kept(page: str) -> None:
    """Found in the result that is named, computed from it, or stated with a reason."""
    found = problems(page, PAGES[page].read_text())
    assert not found, "\n".join(["", *found])


KEPT = ("demo", "leases", "pacing", "stt", "throttle")
MEASURED = [page for page, file in PAGES.items() if any(block.results for block in blocks(file.read_text()))]
LEAST_FLAGGED = 0.9


@pytest.mark.parametrize("name", KEPT)
def test_a_wrong_figure_is_flagged(name: str) -> None:
    """Nine of ten quotes of a result are missed at once when their last digit changes by one.

    Not all: another figure of the result may happen to be one more.
    """
    tried, passed = 0, []
    for page in MEASURED:
        text = PAGES[page].read_text()
        before = problems(page, text)
        for quote in quotes(page, text):
            if [Path(target).stem for target in quote.block.results] == [name]:
                changed = _with_another_digit(text, quote.figure)
                tried += 1
                if len(problems(page, changed)) <= len(before):
                    line = text.count("\n", 0, quote.figure.start) + 1
                    passed.append(f"{page}:{line}: {quote.figure}")
    assert tried >= 3
    assert len(passed) <= (1.0 - LEAST_FLAGGED) * tried, "\n".join([f"{tried} tried; not flagged:", *passed])


def _with_another_digit(text: str, figure: Figure) -> str:
    end = figure.start + len(figure.digits)
    last = int(figure.digits[-1])
    return text[: end - 1] + str(last + 1 if last < 9 else 8) + text[end:]


@pytest.mark.parametrize("derived", DERIVED, ids=lambda derived: f"{derived.page}-{derived.words[:30]}")
def test_other_words_than_a_result_gives_are_flagged(derived: Derived) -> None:
    """A derived value that is not on the page is a problem, and one that is on it is not searched for."""
    text = " ".join(PAGES[derived.page].read_text().split())
    words = " ".join(str(derived).split())
    assert words in text
    wrong = text.replace(words, "")
    assert any(words in problem for problem in problems(derived.page, wrong))


PAGE = """# A page

It took 12 ms.

## Named

The [result](../benchmarks/results/made-up.json) has 0.466 % of a core, a lateness of 1.1 ms and {}.

| calls | server | lateness ms: p50 / p99 |
|---|---|---|
| 50 | raymal | 0.7 / 3.9 |
| 200 | raymal | {} |
| 400 | raymal | 1.1 / 11.9 |
"""
MADE_UP = {
    "results": [
        {
            "server": "raymal",
            "calls": calls,
            "cpu_percent_per_call": cpu_percent,
            "cpu_ratio_to_c_loop": 2.00862,
            "bytes_per_call": 35_717,
            "lateness_ms": {"p50": p50_ms, "p99": p99_ms},
            "missing_ratio": 0.0002,
            "pesq_nb": 4.54864,
        }
        for calls, cpu_percent, p50_ms, p99_ms in (
            (50, 0.46603, 0.72214, 3.9484),
            (200, 0.239, 0.7132, 4.1),
            (400, 0.195, 1.1, 11.91),
        )
    ]
}


@pytest.mark.parametrize(
    ("prose", "row", "expected"),
    [
        ("PESQ 4.55", "0.7 / 4.1", ["12 ms"]),
        ("PESQ 4.53", "0.7 / 4.1", ["12 ms", "PESQ 4.53"]),
        ("36 KB", "0.7 / 4.1", ["12 ms"]),
        ("36 MB", "0.7 / 4.1", ["12 ms", "36 MB"]),
        ("2.01x", "0.7 / 4.1", ["12 ms"]),
        ("2.02x", "0.7 / 4.1", ["12 ms", "2.02 x"]),
        ("0.02 %", "0.7 / 4.1", ["12 ms"]),
        ("PESQ 4.55", "0.7 / 3.9", ["12 ms", "200 calls"]),
    ],
)
def test_figures_are_told_from_others(
    prose: str, row: str, expected: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By value, digits, unit and, in a table, by the record that its row is; without a result none passes."""
    monkeypatch.setitem(globals(), "result", {"made-up.json": MADE_UP}.__getitem__)
    found = [line.split(": ")[1] for line in problems("docs/capacity.md", PAGE.format(prose, row))]
    assert found == expected


@pytest.mark.parametrize(
    ("kept", "written", "is_there"),
    [
        ({"turn_p95_ms": 1_380.4}, "1.38 s", True),
        ({"turn_p95_ms": 1_380.4}, "1,380 ms", True),
        ({"turn_p95_ms": 1_380.4}, "1.38 %", False),
        ({"core_s_per_call_minute": 2.5}, "2.50 core-seconds", True),
        ({"bytes_per_call": 35_717}, "36 KB", True),
        ({"bytes_per_call": 35_717}, "34.9 KiB", True),
        ({"utterances_per_s": 5.378}, "5.38 utterances a second", True),
        ({"utterances_per_s": 5.378}, "5.38 s", False),
        ({"missing_ratio": 0.19977}, "20 %", True),
        ({"missing_ratio": 0.19977}, "20.0 %", True),
        ({"missing_ratio": 0.19977}, "19.9 %", False),
        ({"lateness_ms": {"p50": 0.7}}, "0.7 ms", True),
        ({"limits": {"raymal": {"calls_held": 36}}}, "36 calls", True),
        ({"opinion_scores": [4.1, 4.2, 4.6]}, "PESQ 4.3", True),
        ({"wait_ms": [1.0, 4.0, 7.0, 20.0]}, "1 and 20 ms", True),
        ({"wait_ms": [1.0, 4.0, 7.0, 20.0]}, "7 ms", False),
        ({"measured": "306 (70 % of the core)"}, "70 %", True),
        ({"measured": "306 (70 % of the core)"}, "306 %", False),
        ({"measured": "0, 0.05% missing"}, "0.05 %", True),
    ],
)
def test_what_a_result_has(kept: object, written: str, is_there: bool) -> None:
    """Units are changed, digits are rounded, samples are not figures."""
    figures = list(ENGLISH.figures(written))
    assert figures
    there = [any(leaf.has(figure) for leaf in leaves(kept)) for figure in figures]
    assert all(there) if is_there else not any(there)


def test_numbers_as_they_are_written_in_portuguese() -> None:
    """A comma is the decimal point, a point parts thousands; versions and names are no figures."""
    found = [(str(it), it.value) for it in PORTUGUESE.figures("1,07 s, 1.024 chamadas; Python 3.11.7, p99.9")]
    assert found == [("1,07 s", 1.07), ("1.024 chamadas", 1024.0)]


def test_every_reason_is_needed() -> None:
    """No page has a reason for a figure that it does not have."""
    idle = []
    for page, reasons in STATED.items():
        text = PAGES[page].read_text()
        shown = readable(text)
        for reason in reasons:
            covered = {
                str(figure)
                for block in blocks(text)
                for figure in (PORTUGUESE if page.endswith(".pt-BR.md") else ENGLISH).figures(
                    shown[block.start : block.end]
                )
                if reason.covers(figure, block)
            }
            idle += [f"{page}: {each}" for each in set(reason.figures) - covered]
            if not covered:
                idle.append(f"{page}: {reason.why}")
    assert idle == []
