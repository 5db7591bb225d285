"""A caller's conversation without a clock or a socket, for tests of its decisions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from actors.telephone import SILENCE_FRAME
from ingress.caller.conversation import Conversation
from ingress.caller.script import CallScript, Speak
from ingress.media.tones import silence, tone

SPEECH = silence(0.04) + tone(500, 0.2) + silence(0.1)
SOUND = tone(800, 0.02)


def script(**changes: Any) -> CallScript:
    """A call of one short utterance that waits for little."""
    values: dict[str, Any] = {
        "steps": (Speak(SPEECH),),
        "greeting_wait_s": 0.1,
        "quiet_s": 0.2,
        "settle_s": 0.2,
        "answer_deadline_s": 1.5,
    }
    return CallScript("127.0.0.1", 9, UUID(int=1), **values | changes)


class Scene:
    """A conversation: every 20 ms the other side's frame is heard, then ours is asked for."""

    def __init__(self, **changes: Any) -> None:
        self.progress: list[str] = []
        self.conversation = Conversation(script(**changes), self.progress.append)
        self.tick = 0
        self.sent: list[bytes] = []

    def frame_sent(self, now_s: float) -> None:
        """Called after each of ours."""

    def run(self, heard: Callable[[float], bool] = lambda now_s: False, until_s: float = 5.0) -> bool:
        """Go on to `until_s`; `heard(now)` says whether there is sound. Return whether we hung up."""
        while (now_s := (self.tick + 1) * 0.02) <= until_s + 1e-9:
            self.tick += 1
            self.conversation.hear(SOUND if heard(now_s - 0.001) else SILENCE_FRAME, now_s - 0.001)
            frame = self.conversation.next_frame(now_s)
            if frame is None:
                return True
            self.sent.append(frame)
            self.frame_sent(now_s)
        return False
