"""`python -m benchmarks.compare`: its script, its search, its judgement, and the seed's design."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from itertools import pairwise
from math import inf
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import actors.engines
from actors.engines.scripted import ScriptedStt, ScriptedTts
from actors.messages import Synthesize, Transcribe
from actors.settings import ScriptedSettings, SpeechSettings
from benchmarks.compare import report
from benchmarks.compare.__main__ import climb
from benchmarks.compare.callers import FRAME, HeardCall, ScriptedCaller, lines
from benchmarks.compare.judgement import Answer, Figures, answers, figures
from benchmarks.compare.ladder import LADDER, calls_held, next_rung
from benchmarks.compare.measurement import Contestant, Measurement
from benchmarks.compare.script import (
    FRAME_S,
    JITTER_S,
    PERIOD_S,
    Recording,
    Spoken,
    fit_for_turns,
    script,
)
from benchmarks.harness.callers import LoopReport, messages
from benchmarks.harness.outcomes import Verdict, exit_code
from benchmarks.harness.processes import CpuUse
from benchmarks.harness.strict_peer import Ending, StrictCall, voice
from benchmarks.harness.telephone_speech import Utterance
from benchmarks.seed_design.endpointing import Endpointer
from benchmarks.seed_design.resource_manager import ResourceManager, concurrency
from benchmarks.seed_design.server import SeedServer
from ingress.caller.listening_quality import has_sound
from ingress.configuration.settings import EndpointingSettings
from ingress.media.hearing.vad import is_faint

WORDS = Path(actors.engines.__file__).with_name("hello.sln").read_bytes()
SAID = [Recording(WORDS, 1.4), Recording(WORDS, 1.3)]
PASS, MISS, DISTURBED, SHOWN = Verdict.PASS, Verdict.MISS, Verdict.DISTURBED, Verdict.SHOWN
LOOP = LoopReport(0.0, 20.0, 5.0, 1.0, 2.0)


@pytest.mark.parametrize(
    ("cores", "memory_gb", "at_a_time"),
    [(1, 64, 1), (2, 3.9, 1), (2, 4, 2), (4, 7.9, 2), (4, 8, 3), (6, 16, 5), (7, 16, 6), (64, 512, 6)],
)
def test_the_semaphores_have_three_tiers(cores: int, memory_gb: float, at_a_time: int) -> None:
    """As the seed's document has them: 4 cores and 8 GB, 2 cores and 4 GB, less."""
    assert concurrency(cores, memory_gb) == at_a_time


@pytest.mark.parametrize(
    ("is_throttling", "sessions", "cpu_percent", "is_slow"),
    [(True, 4, 86.0, True), (True, 3, 86.0, False), (True, 4, 85.0, False), (False, 9, 100.0, False)],
)
def test_the_throttle_needs_sessions_and_load(
    is_throttling: bool, sessions: int, cpu_percent: float, is_slow: bool
) -> None:
    """More than three sessions and more than 85 %, and only where the throttle is part of it."""
    resources = ResourceManager(1, is_throttling, lambda: cpu_percent)
    resources.sessions.update(map(str, range(sessions)))
    assert resources.should_throttle_audio() is is_slow


def test_an_utterance_ends_after_the_end_silence() -> None:
    """It is whole, with what came just before, and only silence of that length ends it."""
    endpointer = Endpointer(end_silence_ms=500, minimum_speech_ms=160)
    frames = [message[3:] for message in messages(bytes(16_000) + WORDS + bytes(16_000))]
    ended = [(at, found) for at, frame in enumerate(frames) if (found := endpointer.hear(frame))]
    assert len(ended) == 1
    at, utterance = ended[0]
    assert (16_000 + len(WORDS)) / 16_000 <= (at + 1) * FRAME_S <= (16_000 + len(WORDS)) / 16_000 + 0.52
    loudest = WORDS[8_000:16_000]
    assert loudest in utterance
    assert all(is_faint(utterance[at : at + 320]) for at in range(0, 3_200, 320))
    assert len(utterance) <= len(WORDS) + 2 * 8_000 + 640


def test_a_short_sound_is_no_utterance() -> None:
    """Less speech than the least is dropped, and the next utterance is heard."""
    endpointer = Endpointer(end_silence_ms=200, minimum_speech_ms=3_000)
    assert not any(map(endpointer.hear, [message[3:] for message in messages(WORDS + bytes(8_000))]))
    endpointer = Endpointer(end_silence_ms=200, minimum_speech_ms=160)
    click = [message[3:] for message in messages(bytes(640) + WORDS[6_400:7_040] + bytes(8_000))]
    assert not any(map(endpointer.hear, click))


class ScriptedModels:
    """Hear "Hi." and answer with half a second of tones."""

    def __init__(self) -> None:
        scripted = ScriptedSettings(
            stt_delay_s=0.0, tts_delay_s=0.0, transcript="Hi.", speech_rate_characters_per_s=25.0
        )
        self._stt = ScriptedStt(SpeechSettings(scripted=scripted))
        self._tts = ScriptedTts(SpeechSettings(scripted=scripted))

    def transcribe(self, audio: bytes) -> str:
        return self._stt.transcribe(Transcribe("seed", audio, "en")).text

    def synthesize(self, text: str) -> bytes:
        return b"".join(self._tts.synthesize(Synthesize("seed", text, "en")))


@pytest.mark.parametrize("is_slow", [False, True])
async def test_the_seed_server_answers(is_slow: bool) -> None:
    """A caller hears the answer in frames of 20 ms, every 20 ms or, throttled, every 30; nothing else."""
    resources = ResourceManager(2, is_throttling=is_slow, cpu_percent=lambda: 100.0)
    resources.sessions.update("abc")
    server = SeedServer(ScriptedModels(), resources, EndpointingSettings(end_silence_ms=200))
    async with server.listening(0) as port:
        call = StrictCall(port, outgoing=voice(8.0, audio=WORDS)).start()
        await asyncio.to_thread(call.until_frames, 26, 6.0)  # "You said: Hi." is 13 characters
        await asyncio.sleep(0.2)
        call.hang_up()
        heard = await asyncio.to_thread(call.wait)
        async with asyncio.timeout(2.0):
            while resources.sessions != set("abc"):  # until the server has seen the hangup
                await asyncio.sleep(0.01)
    assert heard.ending is Ending.CALLER
    assert not heard.violations
    assert [received.length for received in call.received] == [320] * 26
    assert has_sound(call.audio)
    lasted_s = call.received[-1].arrived_s - call.received[0].arrived_s
    assert lasted_s >= 25 * (0.03 if is_slow else 0.02)
    assert call.received[0].arrived_s - call.identified_s >= len(WORDS) / 16_000 - 0.3


def test_raymal_takes_the_flags_it_is_compared_with(tmp_path: Path) -> None:
    """Its own check of the configuration finds nothing to say."""
    command = [*Contestant.RAYMAL.command("bundled"), "--check"]
    environment = os.environ | {"RAYMAL_RUNTIME": str(tmp_path)}
    found = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert found.returncode == 0, found.stderr


@given(calls=st.integers(1, 40))
def test_the_script_is_the_same_for_all_and_leaves_room_for_answers(calls: int) -> None:
    """Whole frames, one utterance each 12 s give or take the jitter, none before the call begins."""
    scripts = script(calls, 30.0, SAID)
    assert scripts == script(calls, 30.0, SAID)
    assert len(scripts) == calls
    for its_script in scripts:
        assert its_script
        for spoken in its_script:
            assert 0.0 <= spoken.begins_s <= 30.0
            assert spoken.begins_s / FRAME_S == pytest.approx(round(spoken.begins_s / FRAME_S))
            assert spoken.ends_s == spoken.begins_s + SAID[spoken.recording].sound_ends_s
        for one, following in pairwise(its_script):
            apart_s = following.begins_s - one.begins_s
            assert PERIOD_S - 2 * JITTER_S - FRAME_S <= apart_s <= PERIOD_S + 2 * JITTER_S + FRAME_S


def test_only_prompts_that_are_one_utterance_are_said() -> None:
    """About 3 s, and no pause that could be taken for the end."""
    silent = bytes(8_000)
    whole = np.resize(np.frombuffer(WORDS[8_000:12_000], "<i2"), 20_000).astype("<i2").tobytes()
    fit = fit_for_turns(
        [
            Utterance("short", WORDS[:16_000], ""),
            Utterance("paused", whole[:20_000] + silent + whole[:20_000], ""),
            Utterance("whole", whole + silent, ""),
            Utterance("long", whole * 2, ""),
        ]
    )
    assert [recording.audio for recording in fit] == [whole + silent]
    assert fit[0].sound_ends_s == pytest.approx(2.5, abs=0.02)


def test_a_line_holds_the_utterances_where_the_script_has_them() -> None:
    """Between them there is the noise of a quiet line, and no frame is missing or of another length."""
    scripts = [[Spoken(0.1, 1.5, 0)], []]
    sent = lines(scripts, SAID, 3.0)
    assert [len(line) for line in sent] == [150, 150]
    assert {len(frame) for line in sent for frame in line} == {323}
    assert b"".join(frame[3:] for frame in sent[0][5:]).startswith(WORDS)
    assert not has_sound(b"".join(frame[3:] for frame in (*sent[0][:5], *sent[1])))


def heard(*runs: tuple[float, int, float]) -> HeardCall:
    """Return frames of a call from 100 s on: each run begins at a time, has so many frames, so far apart."""
    rows = [
        (begin_s + number * apart_s, 320, True) for begin_s, count, apart_s in runs for number in range(count)
    ]
    return HeardCall(100.0, is_lost=False, frames=np.array(rows, FRAME))


SCRIPTS = [[Spoken(0.0, 3.0, 0), Spoken(12.0, 15.0, 0)]]


def judge(*runs: tuple[float, int, float]) -> list[Answer]:
    """Return the answers to two utterances, that end at 3 and at 15 s."""
    return list(answers([heard(*runs)], SCRIPTS, 0.0, 20.0))


def test_a_turn_lasts_from_the_intended_end_to_the_first_sound() -> None:
    """And the answer holds the frames up to the last that sounds before the next utterance."""
    late, none = judge((114.0, 100, 0.02))  # begins after the next utterance, and goes on after its end
    assert late.turn_ms == none.turn_ms == inf
    assert not len(late.at_s)
    first, second = judge((103.75, 50, 0.02), (104.9, 10, 0.02), (116.0, 5, 0.02), (121.0, 1, 0.02))
    assert first.turn_ms == pytest.approx(750.0)
    assert len(first.at_s) == 60
    assert second.turn_ms == pytest.approx(1_000.0)
    assert len(second.at_s) == 6


def test_silence_is_no_answer() -> None:
    """Frames that do not sound neither begin nor end an answer, but lie inside it."""
    call = heard((103.0, 100, 0.02))
    for silent in (slice(50), slice(60, 65), slice(90, None)):
        call.frames["is_loud"][silent] = False
    (answer,) = answers([call], [SCRIPTS[0][:1]], 0.0, 20.0)
    assert answer.turn_ms == pytest.approx(1_000.0)
    assert len(answer.at_s) == 40


def test_only_turns_of_the_measured_time_count() -> None:
    """By the end of the utterance, the first instant included."""
    spans = ((3.0, 15.0), (3.1, 15.0), (0.0, 3.0))
    assert [len(list(answers([heard()], SCRIPTS, *span))) for span in spans] == [1, 0, 0]


def test_sleeping_senders_leave_holes_and_punctual_ones_do_not() -> None:
    """200 frames of 21 ms: after 60 of them the phone's 60 ms are used up."""
    punctual, _ = judge((103.5, 200, 0.02))
    sleeping, _ = judge((103.5, 200, 0.021))
    whole = figures(1, [punctual], 0)
    assert (whole.holes, whole.concealed_percent, whole.is_held) == (0, 0.0, True)
    cut = figures(1, [punctual, sleeping], 0)
    assert 138 <= cut.holes <= 140
    assert cut.concealed_percent == pytest.approx(100 * 0.139 / 8.139, rel=0.01)
    assert cut.answers_with_holes_percent == 50.0
    assert (cut.is_held, cut.is_answered) == (False, True)


@pytest.mark.parametrize(
    ("turns_ms", "lost", "expected"),
    [
        ([1_500.0], 0, (True, True)),
        ([1_501.0], 0, (False, True)),
        ([3_001.0], 0, (False, False)),
        ([900.0] * 19 + [inf], 0, (True, True)),
        ([900.0] * 18 + [inf], 0, (False, False)),
        ([900.0], 1, (False, False)),
        ([], 0, (False, False)),
    ],
)
def test_what_is_held(turns_ms: list[float], lost: int, expected: tuple[bool, bool]) -> None:
    """The 95th percentile decides, unanswered turns in it; a lost call or nothing at all is not held."""
    given_ = [Answer(ms, np.array([100.0]), np.array([0.02])) for ms in turns_ms]
    found = figures(1, given_, lost)
    assert (found.is_held, found.is_answered) == expected


def test_a_caller_keeps_what_it_heard() -> None:
    """Each frame with its time, and whether it sounds; a call that the server ended is lost."""
    caller = ScriptedCaller(messages(bytes(640)))
    for at_s, audio in ((1.0, bytes(320)), (1.02, WORDS[8_000:8_320]), (1.04, b"")):
        caller.hear(audio, at_s)
    assert caller.frames() == [(1.0, 320, False), (1.02, 320, True)]
    assert [caller.next_frame(number) is None for number in (0, 1, 2)] == [False, False, True]
    assert not caller.is_lost
    caller.hung_up_s = 2.0
    assert caller.is_lost


@given(st.integers(0, 60))
def test_the_search_finds_the_limit(limit: int) -> None:
    """Whatever the true limit: the greatest rung below it is found, in four measurements at most."""
    tried: dict[int, bool] = {}
    while (rung := next_rung(LADDER, tried)) is not None:
        assert rung not in tried
        tried[rung] = rung <= limit
    assert calls_held(tried) == max((rung for rung in LADDER if rung <= limit), default=0)
    assert len(tried) <= 4
    assert calls_held(tried | {100: True, 99: False}) == calls_held(tried)  # above a failure nothing counts


def measured(
    contestant: Contestant, calls: int, turn_ms: float, holes: int = 0, foreign_percent: float = 0.0
) -> Measurement:
    """Return a measurement with such figures."""
    found = Figures(calls, 20, 0, turn_ms, turn_ms, 80.0, holes, 0.1 * holes, 0.0, 0)
    return Measurement(contestant, found, CpuUse(50.0, foreign_percent), (4.5,), LOOP)


def world(contestant: Contestant, calls: int) -> Measurement:
    """Return what is measured where raymal holds 32 calls, and the seed answers 3 late and full of holes."""
    if contestant is Contestant.RAYMAL:
        return measured(contestant, calls, 1_000.0 if calls <= 32 else 5_000.0)
    return measured(contestant, calls, 2_000.0 if calls <= 3 else inf, holes=99)


def test_all_are_measured_in_turns() -> None:
    """All on the same rung first, then each where its own limits are; only rungs that say something new."""
    found = climb(LADDER, world)
    tried = {each: [one.calls for one in found if one.contestant is each] for each in Contestant}
    assert [one.contestant for one in found[:6]] == list(Contestant) * 2
    assert tried[Contestant.RAYMAL] == [8, 32, 40]
    assert tried[Contestant.SEED] == tried[Contestant.SEED_THROTTLED] == [8, 3, 1, 4]


@pytest.mark.parametrize(
    ("found", "cores", "expected", "code"),
    [
        ([], 2, [PASS, PASS], 0),
        ([], 4, [SHOWN, PASS], 0),
        ([measured(Contestant.RAYMAL, 32, 1_600.0)], 2, [MISS, MISS], 1),
        ([measured(Contestant.RAYMAL, 32, 1_000.0, holes=1)], 2, [MISS, MISS], 1),
        ([measured(Contestant.RAYMAL, 32, 1_600.0, 0, 40.0)], 2, [DISTURBED, DISTURBED], 2),
        ([measured(Contestant.SEED, calls, 2_900.0) for calls in (4, 8)], 2, [PASS, MISS], 1),
        ([measured(Contestant.SEED, 8, inf, 0, 40.0)], 2, [PASS, DISTURBED], 2),
        ([measured(each, 1, inf) for each in Contestant], 4, [SHOWN, MISS], 1),
    ],
)  # fmt: skip
def test_the_verdicts(found: list[Measurement], cores: int, expected: list[Verdict], code: int) -> None:
    """32 calls on two cores; six times what the seed answers; no pass by a disturbed rival."""
    measurements = {(each.contestant, each.calls): each for each in [*climb(LADDER, world), *found]}
    rows = report.verdicts(list(measurements.values()), cores)
    assert [row.verdict for row in rows["raymal"]] == expected
    assert exit_code(row for own in rows.values() for row in own) == code


def test_the_report_is_whole() -> None:
    """Every measurement is in the JSON, which JSON can hold."""
    found = climb(LADDER, world)
    rows = json.loads(json.dumps(report.as_json(found), allow_nan=False))
    assert len(rows) == len(found)
    assert {row["turn_p95_ms"] for row in rows} >= {None, 1_000.0}
    assert report.limits_as_json(found)["seed"] == {
        "calls_held": 0, "calls_answered": 3, "most_tried": 8, "is_disturbed": False,
    }  # fmt: skip
