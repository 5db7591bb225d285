"""The result as one page that loads nothing from anywhere; its pictures are files as well."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

from benchmarks.capacity.plots import plots
from benchmarks.capacity.result import CapacityResult, Step

HEADINGS = (
    "calls", "s", "turns", "p50 ms", "p95 ms", "p99 ms", "late p99.9", "underruns", "refused", "dropped",
    "errors", "verdict",
)  # fmt: skip
STYLE = (
    ":root{color-scheme:light;background:#fff}"
    "body{font:15px/1.5 sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222}"
    "table{border-collapse:collapse;font-size:13px}td,th{padding:.2rem .6rem;text-align:right;"
    "vertical-align:top;border-bottom:1px solid #ddd}td:last-child,th:last-child{text-align:left}"
    ".facts td{overflow-wrap:anywhere}.held{font-size:1.6rem;font-weight:bold;line-height:1.3}"
    ".pictures{display:grid;gap:1.5rem;grid-template-columns:repeat(auto-fit,minmax(min(100%,26rem),1fr))}"
    "figure{margin:0;break-inside:avoid}figcaption{margin-top:.3rem}"
    "svg{width:100%;max-width:40rem;display:block}tr{break-inside:avoid}h2{break-after:avoid}"
    # A table of this many columns moves sideways by itself where the page is too narrow for it.
    "@media screen{.wide{overflow-x:auto}.wide td{white-space:nowrap}"
    ".wide td:last-child{white-space:normal}}.wide td:last-child{min-width:12rem}"
    "@media print{body{margin:0}.pictures{grid-template-columns:1fr 1fr}"
    "td,th{padding:.1rem .2rem;font-size:9px}}"
)
CAPTIONS = {
    "turns": "From the intended end of the caller's speech to the first sound of the answer, at the caller.",
    "lateness": "Share of frames that came later than so many milliseconds after they were due.",
    "stages": "Means, as the server measured them.",
    "goodput": "Beyond what is held, admission refuses; calls that are there must not notice.",
    "resources": "Of all cores, of one core for what is one thread, of the slots' time, of the memory.",
}


def write_report(result: CapacityResult, folder: Path) -> Path:
    """Write index.html, its pictures and result.json; return the page."""
    folder.mkdir(parents=True, exist_ok=True)
    pictures = plots(result)
    for name, picture in pictures.items():
        (folder / f"{name}.svg").write_text(picture, encoding="utf-8")
    (folder / "result.json").write_text(result.model_dump_json(indent=2) + "\n", encoding="utf-8")
    page = folder / "index.html"
    page.write_text(html(result, pictures), encoding="utf-8")
    return page


def html(result: CapacityResult, pictures: dict[str, str]) -> str:
    """Return the page, pictures inside."""
    facts = "".join(
        f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in _facts(result)
    )
    charts = "".join(
        f"<figure>{picture}<figcaption>{escape(CAPTIONS[name])}</figcaption></figure>"
        for name, picture in pictures.items()
    )
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>raymal capacity: {result.calls_held} calls</title><style>{STYLE}</style></head><body>"
        f'<h1>raymal capacity</h1><p class="held">{escape(_headline(result))}</p>'
        f'<table class="facts">{facts}</table><h2>Pictures</h2><div class="pictures">{charts}</div>'
        f"<h2>Search</h2>{_table(result.steps)}"
        + (f"<h2>Overload, admission on</h2>{_table(result.overload)}" if result.overload else "")
        + "</body></html>\n"
    )


def step_cells(step: Step) -> list[str]:
    """Return a step as cells below `HEADINGS`; `-` for what was not measured."""
    verdict = "; ".join([*step.broken, *(f"invalid: {reason}" for reason in step.invalid)]) or "held"
    turns_ms = (step.turn_p50_ms, step.turn_p95_ms, step.turn_p99_ms)
    return [
        f"{step.calls:g}",
        f"{step.seconds:.0f}",
        str(step.turns),
        *("-" if ms is None else f"{ms:.0f}" for ms in turns_ms),
        f"{step.lateness.p999_ms:.1f}",
        str(step.underruns),
        f"{step.refused_calls} of {step.offered_calls}",
        str(step.dropped_calls),
        str(step.content_errors),
        verdict,
    ]


def _headline(result: CapacityResult) -> str:
    if result.confirmed is None:
        return "Not even one call was held with every objective met."
    return (
        f"{result.calls_held} calls held for {result.confirmed.seconds:.0f} s with every objective met; "
        f"limited by {result.limited_by}"
    )


def _facts(result: CapacityResult) -> list[tuple[str, str]]:
    """Return name and text of everything that is no step."""
    machine, work, cost = result.machine, result.workload, result.core_s_per_call_minute
    left = ", ".join(f"{name} {percent:.0f} %" for name, percent in result.headroom_percent.items())
    hardware = (machine.processor, f"{machine.cores} cores", f"{machine.memory_bytes / 2**30:.1f} GiB")
    return [
        ("objectives", ", ".join(f"{name} ≤ {value:g}" for name, value in result.objectives)),
        ("next limit", result.next_limit),
        ("left over at what was held", left or "not known"),
        ("a call's minute costs", "not known" if cost is None else f"{cost:.2f} core-seconds"),
        *(
            (
                kind,
                f"{service.mean_ms:.0f} ms mean, squared coefficient of variation {service.variability:.2f}, "
                f"{service.per_call_minute:.1f} a call's minute, {service.slots} slots",
            )
            for kind, service in result.services.items()
        ),
        (
            "callers",
            f"{work.speech} speech, language {work.language}, {work.utterance_s:.1f} s every "
            f"{work.period_s:g} s, calls of {work.call_s:g} s on average, seed {result.seed}",
        ),
        ("models", ", ".join(f"{kind}: {model}" for kind, model in result.models.items())),
        ("machine", ", ".join((*hardware, *machine.gpus))),
        ("software", f"raymal {result.raymal}; {machine.python}"),
        ("taken at", result.taken_at),
        ("command", result.command),
    ]


def _table(steps: Sequence[Step]) -> str:
    head = "".join(f"<th>{escape(heading)}</th>" for heading in HEADINGS)
    rows = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in step_cells(step)) + "</tr>" for step in steps
    )
    return f'<div class="wide"><table><tr>{head}</tr>{rows}</table></div>'
