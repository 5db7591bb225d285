"""A plan is carried out, with both recognisers."""

from __future__ import annotations

from collections import Counter

import pytest

from actors.settings import WhisperSettings
from benchmarks.harness.telephone_speech import ENGLISH, MUSIC, SPANISH, find_corpus
from benchmarks.hearing.__main__ import main
from benchmarks.hearing.conditions import CLEAN, NOISES_ALONE
from benchmarks.hearing.material import Half, Kind, utterances
from benchmarks.hearing.plan import FULL, NoiseJob, SpeechJob
from benchmarks.hearing.study import Study
from benchmarks.hearing.trial import Outcome, Side, Trial

MISSING = [each.install for each in (ENGLISH, SPANISH, MUSIC) if find_corpus(corpus=each) is None]
needs_recordings = pytest.mark.skipif(bool(MISSING), reason=f"no recordings: run `{'; '.join(MISSING)}`")


@pytest.mark.models
@needs_recordings
def test_a_job_is_done_by_a_worker_process() -> None:
    """One word, heard and transcribed by both; their decodes are counted."""
    (word,) = (each for each in utterances(Half.TUNING, Kind.WORDS, most=1) if each.language == "en")
    study = Study(1, WhisperSettings())
    try:
        (trial,) = study.run([SpeechJob(word, CLEAN, "en")])
    finally:
        study.close()
    assert isinstance(trial, Trial)
    assert [trial.outcome(side) for side in Side] == [Outcome.RIGHT, Outcome.RIGHT]
    assert all(count >= 1 for side in Side for count in trial.decodes(side))
    assert 0.0 < trial.cpu_s(Side.OURS) < trial.cpu_s(Side.STOCK)


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


def test_a_part_of_the_plan_can_be_tried() -> None:
    """Conditions and noises by their names."""
    part = FULL.only("babble")
    assert [each.name for each in part.conditions] == ["babble, 20 dB", "babble, 10 dB"]
    assert [each.name for each in part.noises] == ["babble"]
    with pytest.raises(SystemExit):
        main(["--only", "no such thing"])


@needs_recordings
def test_a_model_that_is_not_there_ends_with_exit_code_2(
    tmp_path: object, capsys: pytest.CaptureFixture[str]
) -> None:
    """What could not be measured is not a missed target."""
    assert main(["--quick", "--model", f"{tmp_path}/nowhere"]) == 2
    assert "speech.whisper.model" in capsys.readouterr().out
