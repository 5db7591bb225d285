"""A full server of two extensions, over real sockets: which calls are refused, which taken, which go on."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import numpy as np
import pytest
from heard import pitches_hz
from running_server import RunningServer, free_port, private_server, wait_until

from actors.engines.scripted import sentence_tone_hz
from actors.manager.admission import Reason
from actors.sentences import split_sentences
from actors.status import AdmissionStatus
from benchmarks.harness.strict_peer import Ending, StrictCall, place_calls, voice
from ingress.configuration.extensions import Phrase
from ingress.configuration.phrases import TEXTS
from ingress.server import observer

GREETING = "Good day."
ALARM_GREETING = "Alarm line."
BUSY_SENTENCES = split_sentences(TEXTS["en"][Phrase.BUSY])
CHARACTERS_PER_S = 25.0
BUSY_S = sum(map(len, BUSY_SENTENCES)) / CHARACTERS_PER_S
CAPACITY = 4
ORDINARY = 3
"""Nine tenths of it."""
CROWD = 40
LONGEST_GAP_MS = 250.0
"""A server that neglected its calls for the crowd would pause for longer; a busy machine does not."""


@pytest.fixture(scope="module")
def emergency_port() -> int:
    """The port of the emergency extension."""
    return free_port()


@pytest.fixture(scope="module")
def server(emergency_port: int) -> Iterator[RunningServer]:
    """One slot of each kind and four calls on it; the last is kept for emergencies."""
    settings = {
        "admission.calls_per_slot": CAPACITY,
        "speech.scripted.stt_delay_s": 0.05,
        "speech.scripted.tts_delay_s": 0.02,
        "speech.scripted.speech_rate_characters_per_s": CHARACTERS_PER_S,
        "extensions.alarm.port": emergency_port,
        "extensions.alarm.priority": "emergency",
        "extensions.alarm.dialog.greeting": ALARM_GREETING,
        "throttle.enabled": "false",  # a slow machine is no reason to refuse calls here
    }
    flags = (
        *("--no-ray", "--stt", "scripted", "--tts", "scripted", "--greeting", GREETING),
        *("--max-transcriptions", "1", "--max-syntheses", "1"),
        *(part for name, value in settings.items() for part in ("--set", f"{name}={value}")),
    )
    with private_server(*flags) as running:
        yield running


@pytest.fixture
def full(server: RunningServer) -> Iterator[list[StrictCall]]:
    """As many ordinary calls as are taken, all of them greeted: those that ended before have made room."""
    until_calls(server, 0)
    with ExitStack() as stack:
        calls = [stack.enter_context(StrictCall(server.port, outgoing=voice(60.0))) for _ in range(ORDINARY)]
        for call in calls:
            until_heard(call, GREETING)
        until_calls(server, ORDINARY)
        yield calls


def admission(server: RunningServer) -> AdmissionStatus:
    """Return the manager's own figures."""
    return asyncio.run(observer.status(server.port)).fleet.admission


def until_calls(server: RunningServer, count: int) -> None:
    """Wait until the manager has so many calls."""
    wait_until(lambda: admission(server).calls == count, 8.0, f"{count} calls")


def sound_s(audio: bytes) -> float:
    """Return how long there was sound."""
    samples = np.frombuffer(audio, "<i2")
    return float(np.count_nonzero(samples)) / 8_000


def silence_s(audio: bytes) -> float:
    """Return how long there was silence before the first sound."""
    return (len(audio) - len(audio.lstrip(b"\0"))) / 16_000


def until_heard(call: StrictCall, sentence: str) -> None:
    """Wait until a caller has heard a sentence; fail with what was heard instead."""
    try:
        wait_until(lambda: sentence_tone_hz(sentence) in pitches_hz(call.audio), 8.0, repr(sentence))
    except AssertionError as error:
        heard = f"{sound_s(call.audio):.2f} s of sound at {pitches_hz(call.audio)} Hz"
        raise AssertionError(f"{error}; heard {heard}, is over: {call.is_over}") from None


def assert_refused_politely(call: StrictCall) -> None:
    """Fail unless the caller heard the whole phrase and nothing else, then a hangup; no rule was broken."""
    report = call.wait()
    assert report.ending is Ending.HANGUP
    assert report.result == 0  # the dialplan goes on
    assert report.violations == ()
    assert pitches_hz(call.audio) == {sentence_tone_hz(sentence) for sentence in BUSY_SENTENCES}
    assert sound_s(call.audio) == pytest.approx(BUSY_S, rel=0.02)


@pytest.fixture
def refusals(server: RunningServer) -> Callable[[], dict[str, int]]:
    """Return a function: how many calls the manager has refused since then, by reason."""

    def count() -> Counter[str]:
        return Counter(admission(server).refused)

    before = count()
    return lambda: dict(count() - before)


def test_an_emergency_gets_the_last_line(
    server: RunningServer,
    full: list[StrictCall],
    emergency_port: int,
    refusals: Callable[[], dict[str, int]],
) -> None:
    """It is taken where other calls are not; with all lines busy the next one is refused like them.

    Each extension has its port, its greeting and its priority.
    """
    with StrictCall(emergency_port, outgoing=voice(20.0)) as emergency:
        until_heard(emergency, ALARM_GREETING)
        until_calls(server, CAPACITY)
        others = [StrictCall(port, outgoing=voice(10.0)).start() for port in (emergency_port, server.port)]
        for other in others:
            assert_refused_politely(other)
            assert silence_s(other.audio) <= 0.5
        assert not emergency.is_over
    assert refusals() == {Reason.LINES.value: 2}
    assert emergency.wait().violations == ()
    assert pitches_hz(emergency.audio) == {sentence_tone_hz(ALARM_GREETING)}
    record = asyncio.run(observer.call_record(server.port, str(emergency.call_id), wait_s=5.0))
    assert (record.extension, record.priority) == ("alarm", "emergency")
    log = server.log.read_text()
    assert f"listening on 127.0.0.1:{server.port} for extension default" in log
    assert f"listening on 127.0.0.1:{emergency_port} for extension alarm" in log
    status = server.status()
    assert status.fleet.admission.refused[Reason.LINES.value] == 2
    refused = {row.name: row.refused for row in status.extensions}
    assert refused["alarm"] == 1


def test_a_crowd_is_refused_and_the_calls_go_on(
    server: RunningServer, full: list[StrictCall], refusals: Callable[[], dict[str, int]]
) -> None:
    """Forty callers at once: all hear why; the calls that are there lose neither a frame nor their line.

    Each hears the phrase to its end, then 0x00, and is counted with its reason.
    """
    crowd = [StrictCall(server.port, outgoing=voice(15.0)) for _ in range(CROWD)]
    place_calls(crowd)
    for call in crowd:
        assert_refused_politely(call)
    assert refusals() == {Reason.KEPT.value: CROWD}
    assert admission(server).calls == ORDINARY
    for call in full:
        call.hang_up()
        report = call.wait()
        assert report.ending is Ending.CALLER
        assert report.violations == ()
        assert pitches_hz(call.audio) == {sentence_tone_hz(GREETING)}
        assert report.quality.longest_gap_ms < LONGEST_GAP_MS
        assert report.quality.audio_s >= report.connected_s - LONGEST_GAP_MS / 1_000
