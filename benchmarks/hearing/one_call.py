"""What the product hears of one call: packets in, utterances out, in virtual time.

Receiver, detectors, endpointing, call and audio clock are the product's, as a media worker runs them, on a
real pair of sockets; this program plays Asterisk on the one side and the gateway on the other. The second
stage of the detection runs on the same clock, every 30 ms, in place of its thread. So the same packets always
give the same utterances, on every machine, and seconds of speech take milliseconds.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Final

from actors.telephone import BYTES_PER_SAMPLE, FRAME_S, TELEPHONE_RATE_HZ
from benchmarks.harness.virtual_time import VirtualTimeLoop, clock_of
from benchmarks.hearing.conditions import Packet
from benchmarks.hearing.material import digest
from ingress.audiosocket import AudioSocket, Role
from ingress.configuration.extensions import DEFAULT_EXTENSION
from ingress.configuration.settings import Settings
from ingress.link import messages as link
from ingress.link.messages import Readiness
from ingress.link.records import StageTimes
from ingress.media.calls import Calls
from ingress.media.connection import Connection
from ingress.media.endings import Ending
from ingress.media.hearing.silero import CYCLE_S, SpeechConfirmer
from ingress.media.hearing.utterance import TRAILING_SILENCE_BYTES
from ingress.media.leg import Leg
from ingress.phrases.fixed import PhraseShelf
from ingress.server.checking import extension_book

LAST_S: Final = 2.0
"""Without packets at the end: what is under way is over by then."""
_DRAIN_BYTES = 65_536


@dataclass(slots=True)
class HeardTurn:
    """One utterance as it went to the transcriber."""

    audio: bytes
    """8 kHz int16."""
    decided_s: float
    """When it was sure that it is over; in the time of the packets."""
    last_speech_s: float = 0.0

    @property
    def begins_s(self) -> float:
        """About when its audio begins."""
        kept_s = (len(self.audio) - TRAILING_SILENCE_BYTES) / BYTES_PER_SAMPLE / TELEPHONE_RATE_HZ
        return self.last_speech_s - kept_s


@dataclass(slots=True)
class HeardCall:
    """All that was heard."""

    turns: list[HeardTurn] = field(default_factory=list)
    noises: int = 0
    """Sounds that were dropped and counted."""
    unconfirmed: int = 0
    """Utterances that were left to the first stage."""
    fault: str = ""
    """Why the server ended the call, which it should not do."""


def hear(packets: Iterable[Packet], name: str, settings: Settings | None = None) -> HeardCall:
    """Return what is heard of one call; `name` gives the clock's phase between two packets."""
    settings = settings or Settings()
    loop = VirtualTimeLoop()
    with clock_of("ingress.media", loop.time), asyncio.Runner(loop_factory=lambda: loop) as runner:
        return runner.run(_call(settings, name, tuple(packets)))


async def _call(settings: Settings, name: str, packets: Sequence[Packet]) -> HeardCall:
    return await _Peer(settings, name).call(packets)


class _Confirmer(SpeechConfirmer):
    """The second stage without its thread: it judges what waits when it is called."""

    def start(self) -> None:
        self._model.load()


class _Worker(Calls):
    """A media worker's calls, for one call that needs no port."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings, extension_book(settings), PhraseShelf(settings))
        if self.confirmer is not None:
            self.confirmer = _confirmer(settings.endpointing.confirmation_threshold)

    def connect(self, accepted: socket.socket) -> None:
        """Take a connection that was accepted."""
        connection = Connection(accepted, "benchmark", self.settings.server.send_backlog_ms)
        leg = Leg(self, connection, self.extensions[DEFAULT_EXTENSION])
        self._acceptor.handshakes[leg] = None


@cache
def _confirmer(threshold: float) -> _Confirmer:
    """Return one for all calls of this process, loaded."""
    confirmer = _Confirmer(threshold)
    confirmer.start()
    return confirmer


class _Peer:
    """Asterisk and the gateway of one call."""

    def __init__(self, settings: Settings, name: str) -> None:
        self._worker = _Worker(settings)
        self._worker.send = self._take
        self._id = uuid.UUID(int=digest(name))
        self._phase_s = digest(f"phase {name}") % 1_000 / 1_000 * FRAME_S
        self._loop = asyncio.get_running_loop()
        self._wire, self._accepted = socket.socketpair()
        self._wire.setblocking(False)
        self._protocol = AudioSocket(Role.CALLER)
        self._heard = HeardCall()
        self._numbers: dict[int, HeardTurn] = {}
        self._began_s = 0.0
        self._is_over = asyncio.Event()

    async def call(self, packets: Sequence[Packet]) -> HeardCall:
        """Make the call and return what was heard."""
        worker, loop = self._worker, self._loop
        worker.receive(Readiness(is_ready=True, detail="benchmark"))
        worker.connect(self._accepted)
        self._wire.send(self._protocol.encode_uuid(self._id))
        self._judge_what_waits()
        await asyncio.sleep(FRAME_S + self._phase_s)
        self._began_s = loop.time()
        for packet in packets:
            await asyncio.sleep(max(0.0, self._began_s + packet.at_s - loop.time()))
            if self._is_over.is_set():
                break
            with contextlib.suppress(BlockingIOError):
                self._wire.recv(_DRAIN_BYTES)
            self._wire.send(self._protocol.encode_audio(packet.audio.tobytes()))
        else:
            await asyncio.sleep(LAST_S)
            self._wire.send(self._protocol.encode_hangup())
        await self._is_over.wait()
        self._wire.close()
        await worker.stop(0.0)
        return self._heard

    def _judge_what_waits(self) -> None:
        """Be the second stage's thread."""
        if self._worker.confirmer is not None:
            self._worker.confirmer.confirm_waiting()
            self._loop.call_later(CYCLE_S, self._judge_what_waits)

    def _take(self, message: link.Message) -> bool:
        """Be the gateway: answer nothing at once, so that every utterance is a turn of its own."""
        match message:
            case link.CallStarted():
                self._reply(link.Admitted(call_id=message.call_id))
            case link.Utterance():
                turn = HeardTurn(message.audio, self._loop.time() - self._began_s)
                self._numbers[message.turn] = turn
                self._heard.turns.append(turn)
            case link.TurnFinished(record=record) if record.turn in self._numbers:
                waited_s = (record.endpoint_wait_ms or 0.0) / 1_000.0
                turn = self._numbers[record.turn]
                turn.last_speech_s = turn.decided_s - waited_s
            case link.CallEnded(record=record):
                self._heard.noises = record.dropped_noises
                self._heard.unconfirmed = record.unconfirmed
                if record.end_reason != Ending.CALLER.value:
                    self._heard.fault = record.end_reason
                self._is_over.set()
        if isinstance(message, link.TurnRequest):
            done = link.TurnDone(call_id=message.call_id, turn=message.turn, stages=StageTimes())
            self._reply(done)
        return True

    def _reply(self, message: link.Message) -> None:
        self._loop.call_soon(self._worker.receive, message)
