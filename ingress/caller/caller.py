"""A caller for people without Asterisk: dials in, speaks recordings, listens, and measures what it hears.

It behaves on the wire as Asterisk does: the UUID first, then one message of 20 ms per write with
TCP_NODELAY, paced by absolute deadlines; it never stops reading, takes audio and hangup and nothing
else, and ends a call by closing, without a word. Frames that a stall of this process delayed are sent at
once afterwards, as RTP packets come out of a queue, so the caller's clock never drifts.

`Conversation` decides who speaks: once every 20 ms it is asked for the next frame and told the time,
and it is told each frame that came and when. It has no clock and no socket. `place_call` adds those.
Arrivals are stamped before anything else is done with the bytes.

Times are seconds since the UUID was sent. A frame is sent when its last sample would have been spoken,
as a phone does, so the instant at which the caller fell silent is never later than the frame that holds
it: the answer's delay is what a person at that phone would count, to our disadvantage if anything.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Literal
from uuid import UUID

from actors.errors import CallError, ConfigurationError, RaymalError, RemoteProtocolError
from actors.telephone import BYTES_PER_SAMPLE, FRAME_S, TELEPHONE_RATE_HZ, audio_duration_ms
from ingress.audiosocket import SLIN8_FRAME_BYTES, AudioReceived, AudioSocket, PeerHungUp, Role
from ingress.caller.listening_quality import (
    SPEECH_JOIN_MS,
    ListeningQuality,
    ReceivedFrame,
    SpeechSpan,
    has_sound,
    listening_quality,
    phone_holes_ms,
    speech_spans,
)

SILENCE = bytes(SLIN8_FRAME_BYTES)
CLOSE_DEADLINE_S = 1.0
"""For the server to close its side once we have closed ours; after it the connection is cut."""
_ROUNDING_S = 1e-9
"""Ends of frames are multiples of 20 ms, which no binary fraction is."""


@dataclass(frozen=True)
class CallScript:
    """Whom to call, what to say, how long to wait. Raises ConfigurationError for a silent utterance."""

    host: str
    port: int
    call_id: UUID
    utterances: Sequence[bytes] = ()
    """8 kHz int16 recordings, spoken one after another; none means only to listen."""
    greeting_wait_s: float = 2.0
    """Speak after this if nothing is heard. A call that only listens ends instead."""
    quiet_s: float = 1.0
    """The other side has finished when it has been quiet for so long after a sound."""
    answer_deadline_s: float = 15.0
    """From the end of our speech to the first sound of an answer; after it the turn goes unanswered."""
    settle_s: float = 1.5
    """Quiet to listen to after the last answer, in case there is more, before hanging up."""
    max_call_s: float = 120.0
    """Hang up after this whatever happens; it also bounds the memory, at 16 kB a second."""
    connect_deadline_s: float = 5.0
    silence_frames: bool = True
    """Send zeros while not speaking. False sends nothing, as Asterisk does when its channel is silent."""

    def __post_init__(self) -> None:
        for number, utterance in enumerate(self.utterances, 1):
            if not speech_spans(utterance):
                raise ConfigurationError(
                    f"utterance {number} ({audio_duration_ms(utterance) / 1000:.1f} s) holds no sound; "
                    "nothing can answer it: check the recording's level"
                )


@dataclass(frozen=True)
class CallTurn:
    """We spoke; what came back."""

    spoke_from_s: float
    spoke_until_s: float
    """Beginning and end of the sound in the utterance, its silent edges left out."""
    answer_from_s: float | None
    """Arrival of the answer's first frame with sound; None when there was no answer in time. Sound that
    had begun while we spoke and is still going on when we finish is the answer, early as it is."""
    answer_until_s: float | None
    """End of the last frame with sound."""
    answer: bytes
    """What was received from the first frame with sound to the last, 8 kHz int16."""

    @property
    def first_answer_ms(self) -> float | None:
        """From the end of our speech to the first sound of the answer; None when there was none.

        Negative when the other side spoke before we had finished: it took a pause of ours for the end.
        """
        return None if self.answer_from_s is None else (self.answer_from_s - self.spoke_until_s) * 1000


@dataclass(frozen=True)
class CallResult:
    """A whole call."""

    call_id: UUID
    duration_s: float
    received: bytes
    """All that was heard, 8 kHz int16: position 0 is the beginning of the call, and what a phone's
    buffer would have missed is silence. Positions are arrival times to within that buffer."""
    turns: tuple[CallTurn, ...]
    """Utterances spoken to their end, in order; fewer than the script's if the call ended early."""
    quality: ListeningQuality
    own_lateness_max_ms: float
    """How late this caller's own frames left at worst: much of it casts doubt on the quality figures."""
    ended_by: Literal["us", "peer"]


class Conversation:
    """Who speaks when, and what was heard: asked every 20 ms, told the time."""

    def __init__(self, script: CallScript, on_progress: Callable[[str], None]) -> None:
        self.frames: list[ReceivedFrame] = []
        self.audio: list[bytes] = []
        """The audio of each frame in `frames`."""
        self.turns: list[CallTurn] = []
        self._script = script
        self._progress = on_progress
        self._last_sound_s: float | None = None
        self._stretch_first = 0
        """The first frame of the latest stretch of sound, short pauses included."""
        # The turn under way; None while a greeting is awaited and when all is said.
        self._speech: _Speech | None = None
        self._answer: _Answer | None = None

    def hear(self, audio: bytes, arrived_s: float) -> None:
        """Take one frame in. Must be called in the order of arrival."""
        self.audio.append(audio)
        self.frames.append(ReceivedFrame(arrived_s, audio_duration_ms(audio) / 1000))
        if not has_sound(audio):
            return
        if self._last_sound_s is None and self._speech is None:
            self._progress(f"heard the first sound after {arrived_s:.1f} s")
        number = len(self.frames) - 1
        if self._last_sound_s is None or arrived_s - self._last_sound_s > SPEECH_JOIN_MS / 1000:
            self._stretch_first = number
        self._last_sound_s = arrived_s
        until_s = self._speech.until_s if self._speech is not None else None
        if until_s is None or arrived_s <= until_s:
            return
        if self._answer is None:
            # A stretch that began before we finished would, timed from now on, pass for a very fast answer.
            self._answer = _Answer(self._stretch_first, number)
            delay_ms = (self.frames[self._stretch_first].arrived_s - until_s) * 1000
            self._progress(
                f"the answer began after {delay_ms:.0f} ms"
                if delay_ms >= 0
                else f"the answer began {-delay_ms:.0f} ms before we had finished"
            )
        self._answer.last = number

    def next_frame(self, now_s: float) -> bytes | None:
        """Return the 20 ms of speech that are due, b"" to be silent, None to hang up."""
        if now_s >= self._script.max_call_s:
            self._progress(f"the call reached its limit of {self._script.max_call_s:g} s")
            return None
        if self._speech is None:
            if not self._greeting_is_over(now_s):
                return b""
        elif not self._speech.is_over:
            return self._speech.next_frame(now_s)
        elif not self._turn_is_over(now_s):
            return b""
        else:
            self._end_turn()
        if len(self.turns) == len(self._script.utterances):
            return None
        self._speech = _Speech(self._script.utterances[len(self.turns)])
        self._progress(f"speaking for {self._speech.duration_s:.1f} s")
        return self._speech.next_frame(now_s)

    def end(self) -> None:
        """The call is over: keep the turn under way if its utterance was spoken."""
        if self._speech is not None and self._speech.until_s is not None:
            self._end_turn()

    def received(self) -> bytes:
        """Return all that was heard, as `CallResult.received` describes."""
        recording = bytearray(_bytes_of(self.frames[0].arrived_s) if self.frames else 0)
        for hole_ms, audio in zip(phone_holes_ms(self.frames), self.audio, strict=True):
            recording.extend(bytes(_bytes_of(hole_ms / 1000)))
            recording.extend(audio)
        return bytes(recording)

    def _greeting_is_over(self, now_s: float) -> bool:
        if self._last_sound_s is None:
            return now_s >= self._script.greeting_wait_s
        return now_s - self._last_sound_s >= self._pause_s

    def _turn_is_over(self, now_s: float) -> bool:
        assert self._speech is not None
        assert self._speech.until_s is not None
        if self._answer is None:
            return now_s - self._speech.until_s >= self._script.answer_deadline_s
        return now_s - self.frames[self._answer.last].arrived_s >= self._pause_s

    @property
    def _pause_s(self) -> float:
        """The quiet that ends what the other side says; longer if we then hang up."""
        spoken = len(self.turns) + (self._speech is not None)
        return self._script.settle_s if spoken == len(self._script.utterances) else self._script.quiet_s

    def _end_turn(self) -> None:
        speech, answer = self._speech, self._answer
        assert speech is not None
        assert speech.from_s is not None
        assert speech.until_s is not None
        self._speech = self._answer = None
        if answer is None:
            self._progress("no answer came")
            self.turns.append(CallTurn(speech.from_s, speech.until_s, None, None, b""))
            return
        first, last = self.frames[answer.first], self.frames[answer.last]
        heard = b"".join(self.audio[answer.first : answer.last + 1])
        self._progress(f"the answer took {audio_duration_ms(heard) / 1000:.1f} s")
        self.turns.append(
            CallTurn(speech.from_s, speech.until_s, first.arrived_s, last.arrived_s + last.duration_s, heard)
        )


class _Speech:
    """One utterance as it is spoken, frame by frame."""

    def __init__(self, utterance: bytes) -> None:
        self.from_s: float | None = None
        """When the sound in it began; None until the frame that holds it is sent."""
        self.until_s: float | None = None
        """When the sound in it ended; None until the frame that holds it is sent."""
        self.duration_s = audio_duration_ms(utterance) / 1000
        self._frames = [
            utterance[start : start + SLIN8_FRAME_BYTES].ljust(SLIN8_FRAME_BYTES, b"\0")
            for start in range(0, len(utterance), SLIN8_FRAME_BYTES)
        ]
        spans = speech_spans(utterance)
        self._sound = SpeechSpan(spans[0].start_s, spans[-1].end_s)
        self._sent = 0

    @property
    def is_over(self) -> bool:
        return self._sent == len(self._frames)

    def next_frame(self, now_s: float) -> bytes:
        frame = self._frames[self._sent]
        self._sent += 1
        # The end of this frame within the utterance is spoken now.
        beginning_s = now_s - self._sent * FRAME_S
        if self.from_s is None and self._sound.start_s < self._sent * FRAME_S:
            self.from_s = beginning_s + self._sound.start_s
        if self.until_s is None and self._sound.end_s <= self._sent * FRAME_S + _ROUNDING_S:
            self.until_s = beginning_s + self._sound.end_s
        return frame


@dataclass
class _Answer:
    """Numbers of the first and the last frame with sound."""

    first: int
    last: int


class _Line(asyncio.Protocol):
    """The connection: stamps what arrives, and sends."""

    def __init__(self, conversation: Conversation, call_id: UUID) -> None:
        self.has_ended = False
        self.fault: RaymalError | None = None
        self._conversation = conversation
        self._call_id = call_id
        self._socket = AudioSocket(Role.CALLER)
        self._transport: asyncio.Transport
        self._started_s = 0.0
        self._closed = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Name the call."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        transport.write(self._socket.encode_uuid(self._call_id))
        self._started_s = time.monotonic()

    def data_received(self, data: bytes) -> None:
        """Stamp, then decode."""
        arrived_s = self.now_s()
        if self.has_ended:
            return
        try:
            for event in self._socket.receive_data(data):
                match event:
                    case AudioReceived(audio, rate_hz) if rate_hz == TELEPHONE_RATE_HZ:
                        self._conversation.hear(audio, arrived_s)
                    case AudioReceived(_, rate_hz):
                        raise RemoteProtocolError(
                            f"the server sent {rate_hz} Hz audio; a call through AudioSocket() has 8000 Hz"
                        )
                    case PeerHungUp():
                        self.has_ended = True
        except RemoteProtocolError as error:
            self._fail(error)

    def eof_received(self) -> None:
        """The server closed; so do we."""
        if self.has_ended:
            return
        try:
            self._socket.receive_eof()
        except RemoteProtocolError as error:
            self._fail(error)
        self.has_ended = True

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is gone. An error after the call's end is none."""
        if exc is not None and not self.has_ended:
            self._fail(CallError(f"the server broke the connection after {self.now_s():.1f} s: {exc}"))
        self.has_ended = True
        self._closed.set()

    def now_s(self) -> float:
        """Return the time since the UUID was sent."""
        return time.monotonic() - self._started_s

    def send(self, frame: bytes) -> None:
        """Send one frame in one write."""
        self._transport.write(self._socket.encode_audio(frame))

    async def close(self) -> None:
        """Say end of stream, as all that Asterisk says; read on until the server has closed too.

        Closing at once would leave what is just arriving unread, and the kernel then sends a reset.
        """
        self.has_ended = True
        try:
            if not self._transport.is_closing():
                self._transport.write_eof()
            async with asyncio.timeout(CLOSE_DEADLINE_S):
                await self._closed.wait()
        except TimeoutError:
            pass
        finally:
            self._transport.abort()

    def _fail(self, error: RaymalError) -> None:
        self.fault = error
        self.has_ended = True


async def place_call(script: CallScript, on_progress: Callable[[str], None] | None = None) -> CallResult:
    """Call, go through the script, hang up, and return what was heard.

    Args:
        on_progress: called with one line at each step of the call.

    Raises CallError if there is no connection or it breaks, RemoteProtocolError if the server sends what
    Asterisk would drop the call for.
    """
    progress = on_progress if on_progress is not None else _say_nothing
    conversation = Conversation(script, progress)
    line = _Line(conversation, script.call_id)
    await _connect(script, line)
    progress(f"connected to {script.host}:{script.port}")
    try:
        own_lateness_s = await _talk(script, conversation, line)
        ended_by: Literal["us", "peer"] = "peer" if line.has_ended else "us"
        duration_s = line.now_s()
    finally:
        await line.close()
    if line.fault is not None:
        raise line.fault
    conversation.end()
    progress("we hung up" if ended_by == "us" else "the server hung up")
    return CallResult(
        call_id=script.call_id,
        duration_s=duration_s,
        received=conversation.received(),
        turns=tuple(conversation.turns),
        quality=listening_quality(conversation.frames),
        own_lateness_max_ms=own_lateness_s * 1000,
        ended_by=ended_by,
    )


async def _connect(script: CallScript, line: _Line) -> None:
    where = f"{script.host}:{script.port}"
    try:
        async with asyncio.timeout(script.connect_deadline_s):
            await asyncio.get_running_loop().create_connection(lambda: line, script.host, script.port)
    except TimeoutError as error:
        raise CallError(f"{where} did not accept a call within {script.connect_deadline_s:g} s") from error
    except ConnectionRefusedError as error:
        raise CallError(f"{where} refused the connection: is `raymal serve` running there?") from error
    except OSError as error:
        raise CallError(f"cannot connect to {where}: {error.strerror or error}") from error


async def _talk(script: CallScript, conversation: Conversation, line: _Line) -> float:
    """Send a frame every 20 ms until one side ends the call; return our own worst lateness in seconds."""
    worst_s = 0.0
    for number in count(1):
        due_s = number * FRAME_S
        await asyncio.sleep(max(0.0, due_s - line.now_s()))
        now_s = line.now_s()
        frame = None if line.has_ended else conversation.next_frame(now_s)
        if frame is None:
            break
        worst_s = max(worst_s, now_s - due_s)
        if frame or script.silence_frames:
            line.send(frame or SILENCE)
    return worst_s


def _bytes_of(duration_s: float) -> int:
    return round(duration_s * TELEPHONE_RATE_HZ) * BYTES_PER_SAMPLE


def _say_nothing(_line: str) -> None:
    """The progress of a call that nobody watches."""
