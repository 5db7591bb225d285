"""What trials add up to, and what is a missed target."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from benchmarks.harness.outcomes import Verdict
from benchmarks.hearing.conditions import CLEAN
from benchmarks.hearing.findings import Findings
from benchmarks.hearing.judgement import OVER_BABBLE, judge
from benchmarks.hearing.material import Half, Kind
from benchmarks.hearing.tally import NoiseTally, Tally, end_delays_s
from benchmarks.hearing.trial import NoiseTrial, Side, Transcription, Trial, Turn

MISS, PASS = Verdict.MISS, Verdict.PASS


def trial(
    name: str, said: str, heard: str | None, kind: Kind = Kind.DIGITS, condition: str = CLEAN.name,
    delay_s: float = 0.5, decodes: int = 1, fault: str = "", language: str = "en",
) -> Trial:  # fmt: skip
    """An utterance that ends at 3 s; None: not heard."""
    texts = () if heard is None else (Transcription(heard, decodes, 0.1),)
    turns = tuple(Turn(0.5, 2.9, 3.0 + delay_s, ours, Transcription(said, 1, 0.6)) for ours in texts)
    return Trial(condition, name, kind, language, "en", said, 2.2, 3.0, turns, fault=fault)


def noise(heard: str) -> NoiseTrial:
    turn = Turn(1.0, 5.5, 6.0, Transcription(heard, 1, 0.2), Transcription("you", 1, 0.8))
    return NoiseTrial("music", 300.0, (turn,), noises=2)


def test_outcomes_errors_and_cost_are_added_up() -> None:
    """Each utterance has one outcome; each turn its decodes."""
    trials = [
        trial("a", "one two", "1 2"),
        trial("b", "one two", "1 2 2", decodes=2),
        trial("c", "one two", ""),
        trial("d", "one two", None),
    ]
    tally = Tally.of(trials, Side.OURS)
    assert (tally.right, tally.wrong, tally.not_understood, tally.not_heard) == (1, 1, 1, 1)
    assert (tally.miscounted, tally.turns, tally.decoded_again) == (1, 3, 1)
    assert tally.word_error_rate == pytest.approx((1 + 2 + 2) / 8)
    assert tally.cpu_s == pytest.approx(0.3)
    assert end_delays_s(trials, 50, 95) == pytest.approx([0.5, 0.5])
    assert end_delays_s([trials[3]], 50) is None


def test_noise_is_counted_an_hour() -> None:
    """Two words in five minutes are 24 an hour."""
    tally = NoiseTally.of(noise("thank you"), Side.OURS)
    assert (tally.words_per_hour, tally.turns_per_hour) == (24.0, 12.0)


GOOD = (
    trial("a", "one two", "1 2"),
    trial("b", "no no", "No, no.", Kind.REPEATED),
    trial("c", "yes", "Yes.", Kind.WORDS, "-44 dBFS"),
    trial("d", "good morning", "Good morning.", Kind.SENTENCES, OVER_BABBLE),
)


@pytest.mark.parametrize(
    ("worse", "criterion"),
    [
        (trial("x", "one two", "1 3"), "digit strings exactly right"),
        (trial("x", "one two", "1 2 2"), "digit strings: one more or fewer"),
        (trial("x", "no no", "No.", Kind.REPEATED), "repeated words: one more or fewer"),
        (trial("x", "at", None, Kind.WORDS, "-41 dBFS"), "neither heard nor told"),
        (noise("thank you"), "music: invented words"),
        (trial("x", "hello", "hello", Kind.WORDS, OVER_BABBLE, delay_s=4.0), "after the last sound"),
        (trial("x", "hello", "hello", Kind.WORDS, fault="codec"), "calls that the server ended"),
    ],
)
def test_each_target_can_be_missed(worse: Trial | NoiseTrial, criterion: str) -> None:
    """What is worse than its target is a miss of that target; without it there is none."""
    outcomes = judge(Findings.of(Half.REPORT, [*GOOD, worse]))
    missed = [row.criterion for rows in outcomes.values() for row in rows if row.verdict is MISS]
    assert any(name.startswith(criterion) for name in missed), missed
    well = judge(Findings.of(Half.REPORT, [*GOOD, noise("")]))
    assert not [row for rows in well.values() for row in rows if row.verdict is MISS]


def test_another_language_than_the_extensions_is_counted_apart() -> None:
    """Not understood is right there, and is no share of anything else."""
    spanish = [
        trial(name, "uno dos", heard, Kind.SENTENCES, language="es")
        for name, heard in (("s", "you know"), ("t", ""))
    ]
    found = Findings.of(Half.REPORT, [*GOOD, *spanish])
    assert len(found.trials) == len(GOOD)
    rows = {row.criterion: row.measured for row in judge(found)["all"]}
    assert rows["Spanish on an English extension: not understood"] == "1 of 2 (stock 0)"
    assert found.figures()["foreign"]["ours"]["not_understood"] == 1


def test_what_was_not_tried_is_not_judged() -> None:
    """A part of the plan misses no target for want of the rest."""
    outcomes = judge(Findings.of(Half.TUNING, [GOOD[-1]]))
    assert not [row for rows in outcomes.values() for row in rows if row.verdict is MISS]


def test_figures_are_json_in_one_order() -> None:
    """Whichever trial ended first."""
    results = [*GOOD, noise("you")]
    one, other = (Findings.of(Half.REPORT, order).figures() for order in (results, results[::-1]))
    assert json.dumps(one) == json.dumps(other)
    assert one["cpu_ratio"] == pytest.approx(6.0)
    assert [group["name"] for group in one["conditions"]] == [CLEAN.name, "-44 dBFS", OVER_BABBLE]
    assert one["conditions"][0]["ours"]["exact"] == 1.0
    assert one["noises"][0]["ours"]["words"] == 1
    assert one["trials"][0]["ours"] == ["right", "1 2"]


def test_tables_show_every_group() -> None:
    """Conditions, kinds, noises."""
    tables = Findings.of(Half.REPORT, [*GOOD, noise("you")]).tables()
    assert [table.row_count for table in tables] == [3, 2, 1]


def test_the_page_shows_every_group_and_target(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a table each; a missed target is marked; writing it twice changes nothing more."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[3] / "scripts"))
    from render_hearing import BEGIN, END, render, rewritten

    found = Findings.of(Half.REPORT, [*GOOD, noise("thank you")])
    rows = [
        {"test": test, **asdict(row), "verdict": row.verdict.name}
        for test, outcomes in judge(found).items()
        for row in outcomes
    ]
    figures = {"machine": {"commit": "abc1234"}, "outcomes": rows, **found.figures()}
    text = render(figures)
    assert "6.0 times less" in text
    assert "| -44 dBFS | 1 | 100 / 100 | 0.0 / 0.0 | 0 / 0 | 0 / 0 | 0 | 0 / 0 | 500 / 500 ms |" in text
    assert "| single words, English |" not in text  # on the clean line there was none
    assert "| music | 5 | 24 / 12 | 12 / 12 |" in text
    assert "| music: invented words in 5 min | none | 2 in 1 turns (stock 1 in 1) **(missed)** |" in text
    page = rewritten(f"above {BEGIN} old {END} below", figures)
    assert page.startswith("above ")
    assert page.endswith(" below")
    assert page == rewritten(page, figures)
    assert "No result" in rewritten(page, None)
