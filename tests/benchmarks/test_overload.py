"""The rules of `python -m benchmarks.overload`: arrivals, what callers heard, criteria. No server."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.engines.scripted import ScriptedTts, sentence_tone_hz
from actors.messages import Synthesize
from actors.sentences import split_sentences
from actors.settings import ScriptedSettings, SpeechSettings
from actors.telephone import FRAME_S
from benchmarks.harness.callers import LoopReport, messages
from benchmarks.harness.instrument import InstrumentError, instrument
from benchmarks.harness.outcomes import Verdict
from benchmarks.harness.processes import CpuUse
from benchmarks.harness.strict_peer import Ending
from benchmarks.overload import judgement, speech
from benchmarks.overload.__main__ import QUICK, Extent
from benchmarks.overload.judgement import Measured, Phase, Seen, heard_by, ideal_calls, served_calls, verdicts
from benchmarks.overload.newcomers import ComingCaller, Newcomer, Stream, arrivals
from benchmarks.overload.standing import StandingCall

SCRIPTED = ScriptedSettings(tts_delay_s=0.0, speech_rate_characters_per_s=speech.CHARACTERS_PER_S)
PASS, MISS, DISTURBED, SHOWN = Verdict.PASS, Verdict.MISS, Verdict.DISTURBED, Verdict.SHOWN


def spoken(text: str) -> bytes:
    """Return what the scripted engine says."""
    request = Synthesize("call", text, "en")
    return b"".join(ScriptedTts(SpeechSettings(scripted=SCRIPTED)).synthesize(request))


def test_the_greeting_and_the_refusal_are_distinguished() -> None:
    """By 60 ms of either; the callers' own period holds speech, and its end is inside the period."""
    busy = split_sentences(speech.BUSY_TEXT)
    for said, is_busy in ((spoken(busy[0]), True), (spoken(speech.GREETING), False), (bytes(960), False)):
        pitch_hz = speech.pitch_hz(said[: speech.PITCH_BYTES])
        assert Newcomer(0.0, first_sound_s=0.1, pitch_hz=pitch_hz).hears_busy is is_busy
    assert speech.pitch_hz(spoken(busy[0])) == sentence_tone_hz(busy[0])
    assert len(b"".join(map(spoken, busy))) / 16_000 == pytest.approx(speech.BUSY_S, abs=0.001)
    assert len(speech.PERIOD) * FRAME_S == speech.PERIOD_S
    assert speech.SPEAKS_AFTER_S + 1.0 < speech.SPEECH_ENDS_S < speech.PERIOD_S - 1.5


@pytest.mark.parametrize("extent", [Extent(), QUICK])
def test_a_refused_caller_would_have_stayed(extent: Extent) -> None:
    """No caller leaves before it can have heard the whole refusal and the hangup."""
    assert min(extent.stays_s) > speech.BUSY_S + judgement.DECISION_S


@given(seed=st.integers(0, 100))
def test_arrivals_are_an_open_loop(seed: int) -> None:
    """In order, within the time, about as many as asked for, the same for the same seed, stays in limits."""
    found, again = (
        [(at_s, one.stays_s) for at_s, one in arrivals(20.0, 50.0, (4.0, 8.0), seed)] for _ in "12"
    )
    assert found == again
    assert all(0 < before < after < 50.0 for (before, _), (after, _) in pairwise(found))
    assert len(found) == pytest.approx(1_000, abs=160)  # five standard deviations
    assert all(4.0 <= stays_s <= 8.0 for _, stays_s in found)


@pytest.mark.parametrize(
    ("lines", "offered", "blocked"), [(10, 4.46, 0.01), (20, 12.0, 0.01), (100, 75.2, 0.001)]
)
def test_the_ideal_is_erlangs(lines: int, offered: float, blocked: float) -> None:
    """Against the usual tables of formula B."""
    assert 1 - ideal_calls(offered, lines) / offered == pytest.approx(blocked, rel=0.06)
    assert ideal_calls(10.0 * lines, lines) == pytest.approx(lines, rel=0.05)


def newcomer(
    at_s: float, *, stays_s: float = 5.0, is_busy: bool = False, answered_s: float = 0.03
) -> Newcomer:
    """Return a caller who was admitted, or who heard that all lines are busy."""
    lasts_s = answered_s + speech.BUSY_S + 0.02 if is_busy else stays_s
    return Newcomer(
        identified_s=at_s,
        first_sound_s=at_s + answered_s,
        pitch_hz=speech.BUSY_HZ if is_busy else sentence_tone_hz(speech.GREETING),
        sound_s=speech.BUSY_S if is_busy else 0.24,
        hung_up_s=at_s + lasts_s if is_busy else None,
        left_s=at_s + lasts_s,
    )


def test_a_newcomer_is_what_it_heard() -> None:
    """Admitted, refused with or without a word, lost after it was taken, not answered."""
    assert (newcomer(0.0).is_admitted, newcomer(0.0).is_greeted) == (True, True)
    refused = newcomer(0.0, is_busy=True)
    assert (refused.is_refused, refused.is_admitted, refused.is_lost) == (True, False, False)
    assert refused.answered_ms == pytest.approx(30.0)
    at_once = Newcomer(0.0, hung_up_s=0.2, left_s=0.2)
    assert (at_once.is_refused, at_once.answered_ms) == (True, 200.0)
    dropped = replace(newcomer(0.0), hung_up_s=2.0)
    assert (dropped.is_refused, dropped.is_lost) == (False, True)
    beeped_at = replace(refused, pitch_hz=425.0)
    assert (beeped_at.is_refused, beeped_at.is_lost, beeped_at.hears_busy) == (True, False, False)
    assert Newcomer(0.0, failure="reset").is_lost
    assert Newcomer(0.0, left_s=5.0).answered_ms is None


def test_only_the_calls_of_the_window_are_served() -> None:
    """The part that is inside it; refused and lost ones never."""
    inside, before, after = newcomer(1.0, stays_s=4.0), newcomer(-2.0, stays_s=4.0), newcomer(9.0)
    lost = replace(newcomer(1.0), failure="reset")
    assert served_calls(
        [inside, before, after, newcomer(2.0, is_busy=True), lost], 0.0, 10.0
    ) == pytest.approx((4.0 + 2.0 + 1.0) / 10.0)


def standing(
    answers_ms: float = 590.0, late_ms: float = 590.0, from_s: float = 1e9, hole_s: float = 0.0
) -> StandingCall:
    """Return a call of 100 s whose answers take `late_ms` once `from_s` has come, and a hole there."""
    frames: list[tuple[float, float, bool]] = []
    for number in range(5_000):
        at_s = number * FRAME_S + (hole_s if number * FRAME_S >= from_s + 5.0 else 0.0)
        said_s = at_s // speech.PERIOD_S * speech.PERIOD_S + speech.SPEECH_ENDS_S
        waits_s = (late_ms if at_s >= from_s else answers_ms) / 1_000
        frames.append((at_s, FRAME_S, said_s + waits_s <= at_s < said_s + waits_s + 0.6))
    return StandingCall(0.0, Ending.CALLER, (), frames)


def test_each_utterance_has_its_own_answer() -> None:
    """Timed from the end of the speech; one without an answer before the caller speaks again has none."""
    times = standing(590.0).answer_times_ms(20.0, 60.0)
    assert len(times) == 10
    assert all(ms is not None and 590.0 <= ms <= 611.0 for ms in times)
    assert standing(answers_ms=4_000.0).answer_times_ms(20.0, 60.0) == [None] * 10
    every_second = replace(
        standing(), frames=[(*frame[:2], frame[2] and frame[0] % 8.0 < 4.0) for frame in standing().frames]
    )
    assert [ms is None for ms in every_second.answer_times_ms(20.0, 60.0)] == [True, False] * 5
    heard = heard_by([standing(), standing(answers_ms=4_000.0)], 20.0, 60.0)
    assert (heard.utterances, heard.unanswered, heard.long_gaps, heard.holes) == (20, 10, 0, 0)
    assert heard.lateness_p99_ms == pytest.approx(0.0, abs=0.001)


def measured(
    calls: Sequence[StandingCall],
    came: Sequence[Newcomer],
    *,
    refused: int,
    most_calls: int = 10,
    load: float = 2.0,
    foreign_percent: float = 0.0,
    late_ms: float = 1.0,
) -> Measured:
    """Return a run: 40 s alone, then 40 s of newcomers; ten lines."""
    seen = Seen(most_calls, CpuUse(30.0, foreign_percent))
    newcomers = Stream(came, LoopReport(49.0, 90.0, 10.0, late_ms, late_ms))
    phases = [Phase("before", 0.0, 8.0, 48.0, Seen(2, CpuUse(30.0, 0.0)))]
    phases.append(Phase("loaded", load, 50.0, 90.0, seen, newcomers))
    return Measured(10, calls, phases, {"busy": refused})


def served(lines: int) -> list[Newcomer]:
    """Return callers who keep so many lines busy all the time, and one a second who is refused."""
    taken = [newcomer(45.0 + 5.0 * each) for each in range(9) for _ in range(lines)]
    return [*taken, *(newcomer(50.0 + each, is_busy=True) for each in range(38))]


def verdict_of(run: Measured, beginning: str, phase: str = "loaded") -> Verdict:
    """Return the verdict of the row that begins so."""
    [row] = [row for row in verdicts(run)[phase] if row.criterion.startswith(beginning)]
    return row.verdict


def test_a_good_run_passes() -> None:
    """Every judged row, and there are enough of them."""
    rows = verdicts(measured([standing(), standing()], served(8), refused=38))
    judged = [row.verdict for of_phase in rows.values() for row in of_phase if row.verdict is not SHOWN]
    assert judged == [PASS] * 11


def test_what_is_served_is_judged_above_capacity_only() -> None:
    """One line in ten left empty is a miss at twice the load, and to be expected at once the load."""
    calls = [standing(), standing()]
    assert verdict_of(measured(calls, served(7), refused=38), "capacity served") is MISS
    assert verdict_of(measured(calls, served(7), refused=38, load=1.0), "capacity served") is SHOWN
    for late_ms, verdict in ((19.0, MISS), (21.0, DISTURBED)):
        late = measured(calls, served(7), refused=38, late_ms=late_ms)
        assert verdict_of(late, "capacity served") is verdict
    too_many = measured(calls, served(9), refused=38, most_calls=11, late_ms=25.0)
    assert verdict_of(too_many, "calls at a time") is MISS  # also while disturbed
    shared = measured(calls, served(7), refused=38, foreign_percent=40.0)
    assert verdict_of(shared, "capacity served") is DISTURBED


@pytest.mark.parametrize(
    ("another", "beginning"),
    [
        (newcomer(60.0, is_busy=True, answered_s=0.6), "refused: UUID"),
        (replace(newcomer(60.0, is_busy=True), sound_s=1.0), "refused: heard"),
        (replace(newcomer(60.0, is_busy=True), hung_up_s=None), "refused: heard"),
        (Newcomer(60.0, hung_up_s=60.1, left_s=60.1), "refused: heard"),
        (replace(newcomer(60.0, is_busy=True), pitch_hz=425.0), "refused: heard"),
        (replace(newcomer(60.0), pitch_hz=425.0), "admitted: heard"),
        (Newcomer(60.0, left_s=65.0), "newcomers without"),
        (Newcomer(60.0, failure="reset", left_s=61.0), "newcomers without"),
    ],
    ids=["late", "cut short", "stays", "at once", "beep, refused", "beep, taken", "no answer", "reset"],
)
def test_one_bad_refusal_is_a_miss(another: Newcomer, beginning: str) -> None:
    """Of many good ones."""
    run = measured([standing(), standing()], [*served(8), another], refused=39)
    assert verdict_of(run, beginning) is MISS


def test_a_caller_at_the_very_end_need_not_have_been_answered() -> None:
    """It had to leave with all others."""
    run = measured([standing(), standing()], [*served(8), Newcomer(89.9, left_s=90.0)], refused=39)
    assert verdict_of(run, "newcomers without") is PASS
    assert verdict_of(run, "refusals", "the whole run") is PASS


@pytest.mark.parametrize(
    ("call", "missed"),
    [
        (standing(late_ms=630.0, from_s=49.0), set()),
        (standing(late_ms=680.0, from_s=49.0), {"answer time"}),
        (standing(late_ms=4_000.0, from_s=49.0), {"unanswered", "answer time"}),
        (standing(from_s=49.0, hole_s=0.09), {"unanswered", "lateness"}),
    ],
    ids=["a little later", "later", "never", "a hole"],
)
def test_the_standing_calls_are_compared_with_themselves(call: StandingCall, missed: set[str]) -> None:
    """A tenth later is allowed; no gap, no missing answer."""
    rows = verdicts(measured([call, call], served(8), refused=38))["loaded"]
    criteria = [row.criterion for row in rows if row.verdict is MISS]
    assert len(criteria) == len(missed)
    assert all(any(word in criterion for criterion in criteria) for word in missed)


def test_nothing_is_compared_with_a_disturbed_time() -> None:
    """Calls that were bad before would make any load look good."""
    run = measured([standing(), standing()], served(8), refused=38)
    busy = replace(run.phases[0].seen, use=CpuUse(30.0, 40.0))
    run = replace(run, phases=[replace(run.phases[0], seen=busy), run.phases[1]])
    assert verdict_of(run, "standing calls: answer") is DISTURBED
    assert verdict_of(run, "standing calls: lateness") is DISTURBED
    assert verdict_of(run, "standing calls: unanswered") is PASS


def test_a_standing_call_that_ends_and_uncounted_refusals_are_misses() -> None:
    """Both are judged over the whole run."""
    ended = replace(standing(), ending=Ending.HANGUP)
    run = measured([standing(), ended], served(8), refused=37)
    assert verdict_of(run, "standing calls", "the whole run") is MISS
    assert verdict_of(run, "refusals", "the whole run") is MISS


@pytest.mark.parametrize(("text", "is_refused"), [(speech.GREETING, False), (speech.BUSY_TEXT, True)])
def test_a_caller_notes_what_it_hears(text: str, is_refused: bool) -> None:
    """When the first sound came, how much there was, and what it was; it stays for its time."""
    caller = ComingCaller(stays_s=0.3)
    caller.identified_s = 10.0
    for number, message in enumerate(messages(bytes(320) + b"".join(map(spoken, split_sentences(text))))):
        caller.hear(message[3:], 10.0 + number * FRAME_S)
    seen = caller.seen()
    assert seen.is_refused is not seen.is_admitted is seen.is_greeted
    assert seen.is_refused is is_refused
    assert seen.answered_ms == pytest.approx(20.0)
    assert seen.sound_s == pytest.approx(speech.BUSY_S if is_refused else 0.24, abs=0.03)
    assert [caller.next_frame(number) is None for number in (0, 14, 15)] == [False, False, True]


def test_an_instrument_that_fails_says_why() -> None:
    """Its last words are in the error."""
    with (
        instrument("benchmarks.overload.newcomers", 5, soon=1) as process,
        pytest.raises(InstrumentError, match=r"newcomers failed: (?s:.*)soon"),
    ):
        process.result(30.0)
