"""A worker's calls as a state machine: peers and gateway do anything in any order, the books are right.

Hypothesis connects to the ports of two extensions, names calls, sends audio cut at any byte, digits, garbage,
closes, resets, takes the gateway away and gives it back, admits and refuses. What must become of a connection
is asked of a decoder of its own that is given the same bytes (`test_decoder_fuzz` judges the decoder). After
every step: the server has exactly the calls that the model has, each call has ended exactly once and with one
reason, the refused ones after the phrase for them, whatever happens on return ports, all that was sent to a
peer is legal for Asterisk, no buffer holds more than a payload, and nothing was logged as a fault. At the end
no connection, no leg and no task is left.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import re
import socket
import struct
import uuid
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import Enum, auto

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
)
from media_bench import keep_virtual_time
from virtual_time import TCP_SETTLES_S, VirtualTimeLoop

from ingress.audiosocket import (
    MAX_PAYLOAD_BYTES,
    AudioReceived,
    AudioSocket,
    CallIdentified,
    DigitReceived,
    PeerHungUp,
    RemoteProtocolError,
    Role,
)
from ingress.configuration.extensions import Extension, Phrase
from ingress.configuration.settings import Settings
from ingress.link.messages import (
    Admitted,
    CallEnded,
    CallStarted,
    Digits,
    HangUp,
    Message,
    Pace,
    PlayTone,
    Readiness,
    Refused,
    SentenceAudio,
    TurnDone,
)
from ingress.link.records import CallRecord, StageTimes
from ingress.media.calls import Calls
from ingress.media.leg import Leg
from ingress.media.turn_sequence import CLOSING_SILENCE_S
from ingress.phrases.fixed import PhraseShelf
from ingress.server.checking import extension_book

MAXIMUM_CALLS = 2
MAXIMUM_PEERS = 6
MAXIMUM_RETURNS = 3
EXTENSIONS = ("default", "sales")
BUSY = b"\1\0" * 800
"""100 ms."""
CLOSING_SILENCE_BYTES = round(CLOSING_SILENCE_S * 16_000) + 320
SETTLE_S = 3.0
"""For the server to come to where the model is; usually a tick or two."""
SETTINGS = Settings.model_validate(
    {
        "server": {"max_calls": MAXIMUM_CALLS, "handshake_deadline_s": 60, "message_deadline_s": 60},
        "endpointing": {"confirmation": "none"},
        "extensions": {"sales": {"port": 0, "priority": "high", "dialog": {"name": "tone"}}},
        "log_level": "DEBUG",
    }
)


class Life(Enum):
    """Where a connection should be."""

    HANDSHAKE = auto()
    LIVE = auto()
    REFUSED = auto()
    """Hears the busy phrase, is no call any more, and is over soon."""
    OVER = auto()


@dataclass(eq=False)
class Peer:
    """One connection and what should have become of it."""

    line: socket.socket
    extension: str
    call_id: uuid.UUID = field(default_factory=uuid.uuid4)
    life: Life = Life.HANDSHAKE
    is_closed: bool = False
    """Whether we have closed it."""
    sent: AudioSocket = field(default_factory=lambda: AudioSocket(Role.SERVER))
    """Reads what we sent, as the server should."""
    heard: AudioSocket = field(default_factory=lambda: AudioSocket(Role.CALLER))
    """Reads what the server sent, as strictly as Asterisk."""
    was_hung_up: bool = False
    audio: bytes = b""
    """The newest of it."""
    is_admitted: bool = False
    was_refused: bool = False
    """With a UUID; then the refusal has a record."""
    audio_s: float = 0.0

    def __repr__(self) -> str:
        return f"<Peer {self.life.name} {self.call_id}>"


class BusyShelf(PhraseShelf):
    """Knows one phrase."""

    def audio(self, extension: Extension, phrase: Phrase) -> bytes | None:
        """Return the busy phrase."""
        return BUSY if phrase is Phrase.BUSY else None

    def load(self, extensions: Iterable[Extension]) -> None:
        """Everything is there already."""


class FaultLog(logging.Handler):
    """Keeps what no test may cause."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the line, but that records are lost at a stop: the gateway here never has them."""
        line = record.getMessage()
        if "records of finished calls are lost" not in line:
            self.lines.append(line)


class CallsMachine(RuleBasedStateMachine):
    """A media server on a real port, its peers and its gateway."""

    peers: Bundle[Peer] = Bundle("peers")

    def __init__(self) -> None:
        super().__init__()
        gc.collect()
        gc.freeze()  # what is alive now is passed over: what this run leaves is found at once
        self.everyone: list[Peer] = []
        self.returns: list[Peer] = []
        """Connections to the return port, of which nothing is expected but that they harm nobody."""
        self.expected_ended: Counter[str] = Counter()
        self.expected_digits: list[str] = []
        self.to_gateway: list[Message] = []
        self.gateway_is_ready = False
        self.loop_faults: list[str] = []
        self.log = FaultLog()
        logging.getLogger().addHandler(self.log)
        self.loop = VirtualTimeLoop(TCP_SETTLES_S)
        self.patch = pytest.MonkeyPatch()
        keep_virtual_time(self.patch, self.loop)
        self.loop.set_exception_handler(lambda loop, context: self.loop_faults.append(str(context)))

    @initialize()
    def start(self) -> None:
        """Open the ports."""
        listeners = {name: socket.create_server(("127.0.0.1", 0)) for name in EXTENSIONS}
        for listener in listeners.values():
            listener.setblocking(False)
        self.ports = {name: listener.getsockname()[1] for name, listener in listeners.items()}
        self.server = Calls(SETTINGS, extension_book(SETTINGS), BusyShelf(SETTINGS))
        self.run(self.server.start(listeners, self.to_gateway_send))
        both = [listeners["sales"].dup(), socket.create_server(("127.0.0.1", 0))]
        for listener in both:
            listener.setblocking(False)
        self.ports["return"] = both[1].getsockname()[1]
        self.run(self.open(both))

    async def open(self, listeners: list[socket.socket]) -> None:
        """Have the extension take calls and return legs on these sockets."""
        sales = self.server.extensions["sales"]
        self.server.set_extension(sales, [("caller", listeners[0]), ("return", listeners[1])])

    def to_gateway_send(self, message: Message) -> bool:
        """Take a message for the gateway."""
        self.to_gateway.append(message)
        return True

    # ---- what may happen --------------------------------------------------------------------------------

    @rule(target=peers, extension=st.sampled_from(EXTENSIONS))
    def connect_only(self, extension: str) -> Peer | object:
        """A new connection that says nothing yet."""
        return self.connect(extension)

    def connect(self, extension: str) -> Peer | object:
        """A new connection to an extension's port."""
        if sum(not peer.is_closed for peer in self.everyone) >= MAXIMUM_PEERS:
            return multiple()
        line = socket.create_connection(("127.0.0.1", self.ports[extension]))
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        line.setblocking(False)
        peer = Peer(line, extension)
        self.everyone.append(peer)
        return peer

    @rule(target=peers, extension=st.sampled_from(EXTENSIONS))
    def call(self, extension: str) -> Peer | object:
        """A new connection that says its UUID and its first frame."""
        peer = self.connect(extension)
        if isinstance(peer, Peer):
            self.say(peer, b"\x01\x00\x10" + peer.call_id.bytes, b"\x10\x01\x40" + bytes(320))
        return peer

    @rule(peer=peers, cut=st.integers(0, 19))
    def identify(self, peer: Peer, cut: int) -> None:
        """The UUID, in one piece or two."""
        message = b"\x01\x00\x10" + peer.call_id.bytes
        self.say(peer, message[:cut], message[cut:])

    @rule(peer=peers, other=peers)
    def identify_as_another(self, peer: Peer, other: Peer) -> None:
        """The UUID of another connection: refused while that one is a running call."""
        if peer.life is Life.HANDSHAKE:
            peer.call_id = other.call_id
            self.say(peer, b"\x01\x00\x10" + peer.call_id.bytes)

    @rule(
        peer=peers,
        kind=st.sampled_from([0x10, 0x10, 0x10, 0x12, 0x16]),
        size=st.sampled_from([320, 320, 640, 321, 2, 3]),
        count=st.integers(1, 3),
        cut=st.integers(0, 700),
    )
    def audio(self, peer: Peer, kind: int, size: int, count: int, cut: int) -> None:
        """Some messages of audio, cut at any byte."""
        if peer.audio_s < 2.0:  # three seconds ahead of time are too many
            messages = (bytes((kind, size >> 8, size & 0xFF)) + bytes(size)) * count
            self.say(peer, messages[:cut], messages[cut:])

    @rule(peer=peers, digit=st.sampled_from("0159*#D"))
    def press(self, peer: Peer, digit: str) -> None:
        """A key."""
        self.say(peer, bytes((3, 0, 1, ord(digit))))

    @rule(peer=peers, kind=st.sampled_from([0x02, 0x42, 0xFE, 0xFF]), payload=st.binary(max_size=40))
    def send_something_unknown(self, peer: Peer, kind: int, payload: bytes) -> None:
        """A message of a newer Asterisk, or an error."""
        self.say(peer, bytes((kind, 0, len(payload))) + payload)

    @rule(peer=peers, garbage=st.binary(min_size=1, max_size=60))
    def say_garbage(self, peer: Peer, garbage: bytes) -> None:
        """Any bytes."""
        if peer.audio_s < 2.0:
            self.say(peer, garbage)

    @rule(peer=peers)
    def join(self, peer: Peer) -> None:
        """A connection to the return port with the UUID of any peer."""
        if sum(not each.is_closed for each in self.returns) < MAXIMUM_RETURNS:
            line = socket.create_connection(("127.0.0.1", self.ports["return"]))
            line.setblocking(False)
            line.send(b"\x01\x00\x10" + peer.call_id.bytes)
            self.returns.append(Peer(line, "sales", peer.call_id))
            self.run(asyncio.sleep(0.025))

    @precondition(lambda self: any(not each.is_closed for each in self.returns))
    @rule(
        data=st.data(),
        said=st.sampled_from(
            [
                b"",
                b"\x03\x00\x015",
                b"\x10\x01\x40" + bytes(320),
                b"\x00\x00\x00",
                b"\x77garbage",
                b"\x10\x01",
            ]
        ),
    )
    def something_happens_on_a_return_leg(self, data: st.DataObject, said: bytes) -> None:
        """A key, audio, a hangup, garbage, half a message; or it closes."""
        peer = data.draw(st.sampled_from([each for each in self.returns if not each.is_closed]))
        if said:
            with contextlib.suppress(OSError):
                peer.line.send(said)
            self.expected_digits += ["5"] * (said[0] == 3)
        else:
            peer.line.close()
            peer.is_closed = True
        self.run(asyncio.sleep(0.025))

    @rule(peer=peers)
    def hang_up(self, peer: Peer) -> None:
        """A hangup message; Asterisk never sends one."""
        self.say(peer, b"\x00\x00\x00")

    @rule(peer=peers)
    def half_close(self, peer: Peer) -> None:
        """FIN, and then listen."""
        if not peer.is_closed:
            with contextlib.suppress(OSError):
                peer.line.shutdown(socket.SHUT_WR)
            self.end(peer)

    @rule(peer=consumes(peers))
    def close(self, peer: Peer) -> None:
        """As Asterisk hangs up."""
        peer.line.close()
        peer.is_closed = True
        self.end(peer)

    @rule(peer=consumes(peers))
    def reset(self, peer: Peer) -> None:
        """As a PBX that died."""
        if not peer.is_closed:
            peer.line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close(peer)

    @rule(is_ready=st.booleans())
    def gateway_changes(self, is_ready: bool) -> None:
        """The gateway comes, goes, or says again that it is there."""
        self.gateway_is_ready = is_ready
        if is_ready:
            self.server.receive(Readiness(is_ready=True, detail="test"))
        else:
            self.server.gateway_gone()

    @rule(peer=peers)
    def admit(self, peer: Peer) -> None:
        """The gateway's verdict, perhaps about a call that is over."""
        self.server.receive(Admitted(call_id=str(peer.call_id)))
        for other in self.live:
            other.is_admitted |= other.call_id == peer.call_id

    @rule(peer=peers)
    def refuse(self, peer: Peer) -> None:
        """The other verdict: too late for a call that was admitted, and for one that is over."""
        self.server.receive(Refused(call_id=str(peer.call_id), reason="test"))
        for other in self.live:
            if other.call_id == peer.call_id and not other.is_admitted:
                self.is_refused(other)

    @rule(frame_ms=st.sampled_from([20, 30]))
    def pace(self, frame_ms: int) -> None:
        """Throttle, or stop throttling."""
        self.server.receive(Pace.model_validate({"frame_ms": frame_ms}))

    @precondition(lambda self: bool(self.live))
    @rule(peer=peers, turn=st.integers(0, 3), leg=st.sampled_from(["caller", "return"]), last=st.booleans())
    def answer(self, peer: Peer, turn: int, leg: str, last: bool) -> None:
        """The gateway says something to a call, which may be over or in another turn by now."""
        name = {"call_id": str(peer.call_id), "turn": turn}
        words = {"sentence": 1, "text": "x", "audio": bytes(640), "is_last": last, "stages": StageTimes()}
        self.server.receive(SentenceAudio.model_validate({**name, **words, "leg": leg}))
        self.server.receive(PlayTone.model_validate({**name, "frequency_hz": 440.0}))
        if last:
            self.server.receive(TurnDone.model_validate({**name, "stages": StageTimes()}))

    @rule(turn=st.integers(0, 3))
    def answer_an_unknown_call(self, turn: int) -> None:
        """The gateway speaks of a call that does not exist."""
        self.server.receive(HangUp(call_id=str(uuid.uuid4()), turn=turn))

    @rule()
    def wait(self) -> None:
        """A few ticks."""
        self.run(asyncio.sleep(0.05))

    # ---- what must hold ---------------------------------------------------------------------------------

    @invariant()
    def the_server_has_the_calls_of_the_model(self) -> None:
        """Legs are live sockets: one per call, none more, and no connection without an owner."""
        if not hasattr(self, "server"):
            return
        self.until(lambda: self.numbers()[0] == len(self.live), "the calls")
        handshakes = sum(peer.life is Life.HANDSHAKE for peer in self.everyone)
        open_lines = sum(not peer.is_closed for peer in (*self.everyone, *self.returns))
        self.until(lambda: len(self.live) + handshakes <= self.numbers()[1] <= open_lines, "the connections")

    @invariant()
    def each_call_ended_exactly_once(self) -> None:
        """With one record and one reason; and no other call ended."""
        ended = self.records()
        assert Counter(record.call_id for record in ended) == self.expected_ended
        assert all(record.end_reason for record in ended)
        assert all((record.priority == "high") == (record.extension == "sales") for record in ended)
        refused = {record.call_id for record in ended if record.was_refused}
        assert refused == {str(peer.call_id) for peer in self.everyone if peer.was_refused}

    @invariant()
    def what_peers_get_is_legal(self) -> None:
        """Audio and one hangup; nothing after it. A peer that is refused or over is hung up on."""
        for peer in self.everyone:
            self.listen(peer)
            if peer.life is Life.OVER and not peer.is_closed:
                self.until(lambda peer=peer: self.listen(peer), f"the hangup of {peer}")  # type: ignore[misc]
            if peer.life is not Life.OVER:
                assert not peer.was_hung_up
        for peer in self.returns:
            self.listen(peer)

    @invariant()
    def the_gateway_hears_every_key_of_calls_it_knows(self) -> None:
        """Only digits that were pressed, and only of calls that were announced.

        A turn that is asked again, because the gateway was replaced, repeats its digits.
        """
        for message in self.to_gateway:
            if isinstance(message, CallStarted):
                named = [peer for peer in self.everyone if str(peer.call_id) == message.call_id]
                assert message.extension in {peer.extension for peer in named}
        digits = [message for message in self.to_gateway if isinstance(message, Digits)]
        turns = {(message.call_id, message.turn): message.digits for message in digits}
        pressed = "".join(turns.values())
        assert not Counter(pressed) - Counter(self.expected_digits)
        started = {message.call_id for message in self.to_gateway if isinstance(message, CallStarted)}
        assert {message.call_id for message in digits} <= started

    @invariant()
    def nothing_failed(self) -> None:
        """No unhandled exception, no internal fault."""
        assert not self.loop_faults
        assert not self.log.lines

    def teardown(self) -> None:
        """Stop; nothing may be left, and no buffer may have been larger than a payload."""
        try:
            if hasattr(self, "server"):
                held = [len(thing._partial) for thing in gc.get_objects() if isinstance(thing, AudioSocket)]
                assert all(size <= MAX_PAYLOAD_BYTES for size in held)
                for peer in (*self.everyone, *self.returns):
                    peer.line.close()
                self.run(self.server.stop(drain_deadline_s=0.0))
                assert repr(self.server) == "<Calls 0 calls, 0 connections>"
                started = {m.call_id for m in self.to_gateway if isinstance(m, CallStarted)}
                ended = Counter(record.call_id for record in self.records())
                assert ended == self.expected_ended + Counter(str(peer.call_id) for peer in self.live)
                assert started <= set(ended)
                assert not asyncio.all_tasks(self.loop)
                self.nothing_failed()
                del self.server
            gc.collect()
            assert self.count(Leg) == 0
        finally:
            logging.getLogger().removeHandler(self.log)
            self.patch.undo()
            self.loop.close()

    # ---- helpers ----------------------------------------------------------------------------------------

    @property
    def live(self) -> list[Peer]:
        """The calls there should be."""
        return [peer for peer in self.everyone if peer.life is Life.LIVE]

    def run(self, work: object) -> None:
        """Let the server run until `work` is done."""
        self.loop.run_until_complete(work)  # type: ignore[arg-type]

    def until(self, condition: Callable[[], bool], what: str) -> None:
        """Let the server run until the condition holds."""
        deadline_s = self.loop.time() + SETTLE_S
        while not condition():
            assert self.loop.time() < deadline_s, f"{what}: {self.server!r}, {self.everyone}"
            self.run(asyncio.sleep(0.005))

    def numbers(self) -> tuple[int, int]:
        """Return the server's calls and connections."""
        calls, connections = re.findall(r"\d+", repr(self.server))
        return int(calls), int(connections)

    def count(self, kind: type) -> int:
        """Return how many objects of a class are alive."""
        return sum(isinstance(thing, kind) for thing in gc.get_objects())

    def say(self, peer: Peer, *pieces: bytes) -> None:
        """Send bytes, each piece by itself, and let the model read them too."""
        for piece in pieces:
            if not piece or peer.is_closed or peer.life is Life.OVER:
                return
            with contextlib.suppress(ConnectionError):
                assert peer.line.send(piece) == len(piece)
            self.model_reads(peer, piece)
            self.the_server_has_the_calls_of_the_model()
            self.run(asyncio.sleep(0.025))  # the next tick has read it

    def model_reads(self, peer: Peer, data: bytes) -> None:
        """Move the model on as the server should."""
        try:
            for event in peer.sent.receive_data(data):
                match event:
                    case CallIdentified():
                        in_use = any(other.call_id == event.uuid for other in self.live)
                        peer.call_id = event.uuid
                        if in_use:
                            peer.life = Life.OVER
                            return
                        if len(self.live) >= MAXIMUM_CALLS:
                            self.is_refused(peer)
                            return
                        peer.life = Life.LIVE
                    case AudioReceived(audio, rate_hz):
                        peer.audio_s += len(audio) / 2 / rate_hz
                    case DigitReceived(digit):
                        self.expected_digits.append(digit)
                    case PeerHungUp():
                        self.end(peer)
        except RemoteProtocolError:
            self.end(peer)

    def is_refused(self, peer: Peer) -> None:
        """The caller is refused: hears it whole, and is hung up on."""
        peer.life = Life.REFUSED
        peer.was_refused = True
        self.until(lambda: self.listen(peer), f"the hangup of {peer}")
        assert peer.audio.rstrip(b"\0").endswith(BUSY.rstrip(b"\0"))
        self.end(peer)

    def end(self, peer: Peer) -> None:
        """The connection should be over from now on."""
        if peer.life in (Life.LIVE, Life.REFUSED):
            self.expected_ended[str(peer.call_id)] += 1
        peer.life = Life.OVER
        # The server finds out on its next tick; the invariants wait for the books, this for the record.
        self.until(
            lambda: len(self.records()) >= self.expected_ended.total(),
            "the record of the call",
        )

    def records(self) -> list[CallRecord]:
        """Return each record once: this gateway acknowledges none, so they are sent again to the next."""
        ended = [message.record for message in self.to_gateway if isinstance(message, CallEnded)]
        return list({record.record_id: record for record in ended}.values())

    def listen(self, peer: Peer) -> bool:
        """Read what the server has said; whether it has hung up. Illegal bytes raise."""
        if peer.is_closed or peer.was_hung_up:
            return True
        try:
            while data := peer.line.recv(65_536):
                for event in peer.heard.receive_data(data):
                    if isinstance(event, PeerHungUp):
                        peer.was_hung_up = True
                    elif isinstance(event, AudioReceived):
                        peer.audio = (peer.audio + event.audio)[-2 * len(BUSY) - CLOSING_SILENCE_BYTES :]
            peer.heard.receive_eof()
            peer.was_hung_up = True
        except BlockingIOError:
            pass
        except ConnectionResetError:  # it closed while we were still talking
            peer.was_hung_up = True
        return peer.was_hung_up


CallsMachine.TestCase.settings = settings(
    max_examples=25,
    stateful_step_count=50,
    suppress_health_check=list(HealthCheck),
    print_blob=True,
)
# What it finds takes longer than a run, because it is made small before it is shown.
TestCalls = pytest.mark.timeout(600)(CallsMachine.TestCase)
