"""Write the kept result of `benchmarks.hearing` into docs/performance.md, between its two marks."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "performance.md"
RESULT = ROOT / "benchmarks" / "results" / "hearing.json"
BEGIN = "<!-- made by scripts/render_hearing.py -->"
END = "<!-- end -->"
COLUMNS = ("said", "exactly right", "words wrong", "wrong while sure", "not understood", "not heard")


def render(found: Mapping[str, Any] | None) -> str:
    """Return what stands between the marks."""
    if found is None:
        return "No result is kept yet."
    return "\n".join(_lines(found))


def rewritten(page: str, found: Mapping[str, Any] | None) -> str:
    """Return a page with a result between its marks."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{render(found)}\n{END}{after}"


def kept() -> Mapping[str, Any] | None:
    """Return the kept result; None if there is none."""
    if not RESULT.is_file():
        return None
    found: Mapping[str, Any] = json.loads(RESULT.read_text(encoding="utf-8"))
    return found


def _lines(found: Mapping[str, Any]) -> Iterator[str]:
    commit, ratio = found["machine"]["commit"], found["cpu_ratio"]
    yield f"Commit {commit}, [every figure](../benchmarks/results/hearing.json). raymal's transcription took"
    yield f"{ratio:.1f} times less CPU time than stock's. Shares in percent, raymal / stock:"
    yield from ("", *_outcomes("on the line", found["conditions"]), "")
    yield from ("On the clean line at -20 dBFS, by kind:", "", *_outcomes("what", found["kinds"]), "")
    yield from ("Noise alone:", "", "| noise | minutes | invented words an hour | invented turns an hour |")
    yield "|---|---|---|---|"
    for each in found["noises"]:
        words, turns = (
            " / ".join(f"{each[side][what] * each[side]['per_hour']:.0f}" for side in ("ours", "stock"))
            for what in ("words", "turns")
        )
        yield f"| {each['name']} | {each['seconds'] / 60:g} | {words} | {turns} |"
    yield from ("", "| target | limit | measured |", "|---|---|---|")
    for row in found["outcomes"]:
        missed = " **(missed)**" if row["verdict"] == "MISS" else ""
        yield f"| {row['criterion']} | {row['limit']} | {row['measured']}{missed} |"


def _outcomes(first: str, groups: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    yield f"| {' | '.join((first, *COLUMNS, 'decoded again', 'end of turn p50 / p95'))} |"
    yield "|---" * (len(COLUMNS) + 3) + "|"
    for group in groups:
        ours, stock = group["ours"], group["stock"]
        said, turns = ours["utterances"], max(1, ours["turns"])
        end_ms = group.get("end_of_turn_ms")
        cells = (
            group["name"],
            f"{said}",
            f"{100 * ours['exact']:.0f} / {100 * stock['exact']:.0f}",
            f"{100 * ours['word_error_rate']:.1f} / {100 * stock['word_error_rate']:.1f}",
            *(
                f"{100 * ours[what] / said:.0f} / {100 * stock[what] / said:.0f}"
                for what in ("wrong", "not_understood")
            ),
            f"{100 * ours['not_heard'] / said:.0f}",
            f"{100 * ours['decoded_again'] / turns:.0f} / {100 * stock['decoded_again'] / turns:.0f}",
            f"{end_ms['p50']} / {end_ms['p95']} ms" if end_ms else "-",
        )
        yield f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    PAGE.write_text(rewritten(PAGE.read_text(encoding="utf-8"), kept()), encoding="utf-8")
