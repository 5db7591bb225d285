"""The benchmark's own rules, and one small run of it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.harness.outcomes import Verdict
from benchmarks.harness.telephone_speech import (
    INSTALL,
    CorpusError,
    Utterance,
    find_corpus,
    is_words,
    obtain_corpus,
    parse_transcripts,
    spread,
)
from benchmarks.stt import Contestant, Score, contestants, main, speed_ratio, targets

ROOT = Path(__file__).parents[2]
PASS, MISS = Verdict.PASS, Verdict.MISS


def test_transcripts_are_read_line_by_line() -> None:
    """Comments and empty lines are skipped; only the first colon divides."""
    lines = ["; Core Sounds\n", "\n", "hello: Hello.\n", "screen:  You have: Dial 1.\n"]
    assert parse_transcripts(lines) == {"hello": "Hello.", "screen": "You have: Dial 1."}


def test_only_words_are_transcripts() -> None:
    """Notes in brackets describe what is heard, not what is said."""
    assert is_words("Please enter your number, followed by #")
    noted = ("[ascending tones]", "(1 second of silence)", "<beep ascending>", "at [@]", "...")
    assert not any(map(is_words, noted))


@given(items=st.lists(st.integers(), unique=True), count=st.integers(1, 50))
def test_a_spread_choice_keeps_order_and_takes_no_item_twice(items: list[int], count: int) -> None:
    """As many as asked for, or all; the same ones every time."""
    chosen = spread(items, count)
    assert len(chosen) == min(count, len(items))
    assert [item for item in items if item in set(chosen)] == list(chosen)


def score(texts: list[str], seconds: float, *, stock: bool) -> Score:
    each = Contestant("a side", 1, 1, stock=stock)
    return Score(each, seconds, {str(number): text for number, text in enumerate(texts)})


def test_both_targets_are_judged() -> None:
    """Fast and right passes; too slow and too many errors each fail on their own."""
    said = [Utterance(str(number), b"", "press one now please") for number in range(10)]
    right, wrong = ["Press 1 now, please."] * 10, ["press one now"] * 10
    stock = score(right, 60.0, stock=True)
    good = score(right, 9.0, stock=False)
    assert speed_ratio([stock, good]) == pytest.approx(60 / 9)
    for side, expected in (
        (good, [PASS, PASS]),
        (score(right, 12.0, stock=False), [MISS, PASS]),
        (score(wrong, 9.0, stock=False), [PASS, MISS]),
    ):
        assert [row.verdict for row in targets([stock, side], said)] == expected


def test_every_contestant_gets_all_cores() -> None:
    """The comparison is fair in cores."""
    assert [each.processes * each.threads for each in contestants(4)] == [4, 4]


def test_a_machine_without_the_recordings_names_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where neither the packages nor apt are, the error says what to run."""
    monkeypatch.setenv("RAYMAL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CorpusError, match=INSTALL):
        obtain_corpus(tmp_path)


@pytest.mark.models
@pytest.mark.skipif(find_corpus() is None, reason=f"no recordings: run `{INSTALL}`")
def test_a_small_run_measures_both_sides(tmp_path: Path) -> None:
    """Four utterances: both sides hear most words, raymal is faster, and the exit code is the verdict."""
    report_path = tmp_path / "report.json"
    command = [sys.executable, "-m", "benchmarks.stt", "--utterances", "4", "--json", str(report_path)]
    finished = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=110)
    report = json.loads(report_path.read_text())
    missed = [row for row in report["outcomes"] if row["verdict"] != "PASS"]
    assert finished.returncode == bool(missed), finished.stdout + finished.stderr
    assert report["speed_ratio"] > 1.0
    assert finished.stderr == ""
    for side in report["contestants"]:
        assert len(side["texts"]) == report["utterances"] == 4
        assert side["word_error_rate"] < 0.5
        assert side["pss_bytes"] > 50 * 2**20


def test_a_model_that_is_not_there_ends_with_exit_code_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What could not be measured is not a missed target."""
    assert main(["--model", str(tmp_path / "nowhere")]) == 2
    assert "speech.whisper.model" in capsys.readouterr().out
