"""What must be true of what is heard. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.harness.outcomes import Outcome, Outcomes, judged, shown
from benchmarks.hearing.conditions import CLEAN
from benchmarks.hearing.findings import FOREIGN, LANGUAGE_NAMES, Findings
from benchmarks.hearing.material import Kind
from benchmarks.hearing.tally import NoiseTally, Tally, end_delays_s
from benchmarks.hearing.trial import Side

EXACT_SHARE = 0.95
"""Of the digit strings, on a clean line at -20 dBFS."""
QUIETEST_WORDS = (CLEAN.name, "-30 dBFS", "-41 dBFS", "-44 dBFS")
END_OF_TURN_S = 0.7
OVER_BABBLE = "babble, 10 dB"


def judge(found: Findings) -> Outcomes:
    """Judge a run."""
    return {
        "digits": list(_digits(found)),
        "short words": list(_short_words(found)),
        "noise alone": list(_noises(found)),
        "end of turn": list(_end_of_turn(found)),
        "all": list(_all(found)),
    }


def _digits(found: Findings) -> Iterator[Outcome]:
    strings = found.clean(Kind.DIGITS)
    if not strings:
        return
    ours, stock = (Tally.of(strings, side) for side in Side)
    by_language = ", ".join(
        f"{name} {100 * tally.share(tally.right):.1f}"
        for language, name in LANGUAGE_NAMES.items()
        for tally in (Tally.of([each for each in strings if each.language == language], Side.OURS),)
    )
    share = ours.share(ours.right)
    stock_percent = 100 * stock.share(stock.right)
    measured = f"{100 * share:.1f} % of {ours.utterances} ({by_language}; stock {stock_percent:.1f})"
    name = f"digit strings exactly right, {CLEAN.name}"
    yield judged(name, f"{100 * EXACT_SHARE:g} %", measured, share >= EXACT_SHARE)
    for kind in (Kind.DIGITS, Kind.REPEATED):
        ours, stock = (Tally.of(found.clean(kind), side) for side in Side)
        measured = f"{ours.miscounted} of {ours.utterances} (stock {stock.miscounted})"
        name = f"{kind}: one more or fewer while sure, {CLEAN.name}"
        yield judged(name, "none", measured, ours.miscounted == 0)
    ours, stock = (Tally.of(found.trials, side) for side in Side)
    yield shown(
        "one more or fewer while sure, all conditions", f"{ours.miscounted} (stock {stock.miscounted})"
    )


def _short_words(found: Findings) -> Iterator[Outcome]:
    words = [each for each in found.under(*QUIETEST_WORDS) if each.kind is Kind.WORDS]
    if not words:
        return
    lost = [each for each in words if not each.own_turns]
    shortest_s = min(each.duration_s for each in words)
    measured = f"{len(lost)} of {len(words)}, the shortest {1_000 * shortest_s:.0f} ms"
    names = ", ".join(f"{each.name} at {each.condition}" for each in lost[:3])
    yield judged(
        f"neither heard nor told as not understood, {QUIETEST_WORDS[0]} to {QUIETEST_WORDS[-1]}",
        "none",
        f"{measured}: {names}" if names else measured,
        not lost,
    )


def _noises(found: Findings) -> Iterator[Outcome]:
    for each in found.noises:
        ours, stock = (NoiseTally.of(each, side) for side in Side)
        measured = f"{ours.words} in {ours.turns} turns (stock {stock.words} in {stock.turns})"
        yield judged(
            f"{each.noise}: invented words in {each.seconds / 60:.2g} min", "none", measured, ours.words == 0
        )


def _end_of_turn(found: Findings) -> Iterator[Outcome]:
    trials = found.under(OVER_BABBLE)
    delays_s = end_delays_s(trials, 50, 95, 100)
    if delays_s is not None:
        measured = "p50 {:.2f}, p95 {:.2f}, longest {:.2f} s".format(*delays_s)
        name = f"after the last sound, p95, {OVER_BABBLE}"
        yield judged(name, f"{END_OF_TURN_S:g} s", measured, delays_s[1] <= END_OF_TURN_S)


def _all(found: Findings) -> Iterator[Outcome]:
    yield judged(
        "calls that the server ended", "none", "; ".join(found.faults[:3]) or "none", not found.faults
    )
    ours, stock = (Tally.of(found.trials, side) for side in Side)
    yield shown("turns decoded again", f"{100 * ours.share_decoded_again:.1f} % of {ours.turns}")
    tallies = [Tally.of(found.foreign, side) for side in Side]
    told, stock_told = (tally.not_understood + tally.not_heard for tally in tallies)
    measured = f"{told} of {len(found.foreign)} (stock {stock_told})"
    yield shown(f"{FOREIGN}: not understood", measured)
    wrong, stock_wrong = (100 * tally.share(tally.wrong) for tally in (ours, stock))
    yield shown("wrong while sure", f"{wrong:.1f} % of {ours.utterances} (stock {stock_wrong:.1f})")
    yield shown("CPU time of transcription against stock", f"{found.cpu_ratio:.1f} times less")
