"""One call without a socket: the test plays the gateway and the clock."""

from __future__ import annotations

from typing import Any, TypeVar

from ingress.configuration.extensions import Extension, Phrase, default_extension
from ingress.configuration.settings import Settings
from ingress.link.messages import HangUp, Message, SentenceAudio, TurnDone, TurnRequest
from ingress.link.records import StageTimes
from ingress.media.call import Call
from ingress.media.hearing.events import HeardUtterance
from ingress.media.idle_sound import PhraseSource

FRAME_S = 0.02
PHRASES = {phrase: bytes((index + 3, 0)) * 800 for index, phrase in enumerate(Phrase)}
"""Five frames each."""
M = TypeVar("M", bound=Message)
UTTERANCE = HeardUtterance(b"\1\0" * 800, 0.0, 0.0)


def extension(needs_speech: bool = True, barge_in: dict[str, Any] | None = None, **limits: Any) -> Extension:
    """Return the server's own, with these limits."""
    settings = Settings.model_validate({"call_limits": limits, "barge_in": barge_in or {}})
    return default_extension(settings).model_copy(update={"needs_speech": needs_speech})


class Line:
    """A call, its clock, and what plays."""

    def __init__(self, settings: Extension | None = None, phrases: PhraseSource = PHRASES.get) -> None:
        self.now = 0.0
        settings = settings or extension()
        self.call = Call("c1", "default", phrases=phrases, settings=settings, barge_in=settings.barge_in)
        self.turns = self.call.caller
        self.turns.limits.came_s = 0.0
        self.turns.begin(0.0)
        self.call.gateway_ready(0.0)
        self.receive(TurnDone(call_id="c1", turn=1, stages=StageTimes()))
        self.call.outbox.clear()

    def receive(self, message: Message) -> None:
        """Take a message of the gateway."""
        self.call.receive(message, self.now)

    def play(self, seconds: float) -> bytes:
        """Let time pass; return what was heard."""
        frames = []
        for _ in range(round(seconds / FRAME_S)):
            self.now += FRAME_S
            frames.append(self.turns.next_frame(self.now))
        return b"".join(frames)

    def sent(self, kind: type[M]) -> list[M]:
        """Return the messages of one type that went to the gateway since the last `asked`."""
        return [message for message in self.call.outbox if isinstance(message, kind)]

    def asked(self) -> list[TurnRequest]:
        """Return what the gateway is asked, once."""
        messages, self.call.outbox = self.call.outbox, []
        return [message for message in messages if isinstance(message, TurnRequest)]

    def say(self, frames: int, text: str = "well", may_interrupt: bool = True, is_last: bool = True) -> None:
        """Send a sentence of so many frames in the newest turn that was asked."""
        turn = {"call_id": "c1", "turn": self.turns.turn.number, "stages": StageTimes()}
        words = {"sentence": 1, "text": text, "is_last": is_last, "may_interrupt": may_interrupt}
        audio = b"\2\0" * 160 * frames
        self.receive(SentenceAudio.model_validate({**turn, **words, "audio": audio}))

    def answer(self, frames: int = 0, is_done: bool = True, hangs_up: bool = False) -> None:
        """Answer the turn under way with so many frames."""
        turn = self.turns.turn.number
        if frames:
            self.say(frames)
        if hangs_up:
            self.receive(HangUp(call_id="c1", turn=turn))
        if is_done:
            self.receive(TurnDone(call_id="c1", turn=turn, stages=StageTimes()))
