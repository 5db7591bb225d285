"""A plan is carried out, with both recognisers."""

from __future__ import annotations

from collections import Counter
from types import MappingProxyType

import pytest
from rich.console import Console

from actors.settings import WhisperSettings
from benchmarks.harness.speech_like import recorded_words
from benchmarks.harness.telephone_speech import ENGLISH, MUSIC, SPANISH, find_corpus
from benchmarks.hearing.__main__ import main, measure
from benchmarks.hearing.conditions import CLEAN, NOISES_ALONE
from benchmarks.hearing.material import Half, Kind
from benchmarks.hearing.plan import FULL, NoiseJob, Plan, SpeechJob
from benchmarks.hearing.recognisers import Recognisers
from benchmarks.hearing.trial import Side

MISSING = [each.install for each in (ENGLISH, SPANISH, MUSIC) if find_corpus(corpus=each) is None]
needs_recordings = pytest.mark.skipif(bool(MISSING), reason=f"no recordings: run `{'; '.join(MISSING)}`")
ONE_WORD = Plan(
    clean=MappingProxyType(dict.fromkeys(Kind, 0) | {Kind.WORDS: 1}),
    others=MappingProxyType(dict.fromkeys(Kind, 0) | {Kind.WORDS: 1}),
    conditions=[CLEAN],
    noise_s=0.0,
    foreign=0,
)


@pytest.mark.models
def test_both_recognisers_hear_a_word_and_their_decodes_are_counted() -> None:
    """Stock's 30 s cost more."""
    recognisers = Recognisers(WhisperSettings())
    ours, stock = recognisers.ours(recorded_words(2), "en"), recognisers.stock(recorded_words(2), "en")
    assert "hello" in ours.text.lower()
    assert "hello" in stock.text.lower()
    assert ours.decodes >= 1
    assert stock.decodes >= 1
    assert 0.0 < ours.cpu_s < stock.cpu_s


@pytest.mark.models
@needs_recordings
def test_a_small_plan_is_carried_out() -> None:
    """In worker processes; one word in each language."""
    found = measure(ONE_WORD, Half.TUNING, WhisperSettings(), Console(quiet=True))
    assert [each.language for each in found.trials] == ["en", "es"]
    assert all(Half.of(each.name) is Half.TUNING for each in found.trials)
    assert all(each.cpu_s(side) > 0.0 for each in found.trials for side in Side if each.turns)


@pytest.mark.models
@needs_recordings
def test_the_whole_plan_tries_every_kind_under_every_condition() -> None:
    """And each noise alone for five minutes; nothing twice; the report's half alone."""
    jobs = list(FULL.jobs(Half.REPORT))
    noises = [job for job in jobs if isinstance(job, NoiseJob)]
    spoken = [job for job in jobs if isinstance(job, SpeechJob)]
    assert [job.noise for job in noises] == list(NOISES_ALONE)
    assert {job.seconds for job in noises} == {300.0}
    tried = Counter((job.condition.name, job.utterance.name, job.extension_language) for job in spoken)
    assert set(tried.values()) == {1}
    kinds = {(job.condition.name, job.utterance.kind, job.utterance.language) for job in spoken}
    assert len(kinds) == len(FULL.conditions) * len(Kind) * 2
    assert all(Half.of(job.utterance.name) is Half.REPORT for job in spoken)
    lengths = {len(job.utterance.text.split()) for job in spoken if job.utterance.kind is Kind.DIGITS}
    assert lengths == set(range(2, 12))
    strings = [job for job in spoken if job.utterance.kind is Kind.DIGITS and job.condition is CLEAN]
    assert len(strings) >= 80


@needs_recordings
def test_a_model_that_is_not_there_ends_with_exit_code_2(
    tmp_path: object, capsys: pytest.CaptureFixture[str]
) -> None:
    """What could not be measured is not a missed target."""
    assert main(["--quick", "--model", f"{tmp_path}/nowhere"]) == 2
    assert "speech.whisper.model" in capsys.readouterr().out
