"""A media worker's calls on real sockets in virtual time; the test plays the gateway."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any, TypeVar

import pytest

from ingress.configuration.extensions import Extension, Phrase
from ingress.configuration.settings import Settings
from ingress.link.messages import (
    HealthTaken,
    LegName,
    Message,
    Readiness,
    SentenceAudio,
    TurnDone,
    WorkerHealth,
)
from ingress.link.records import StageTimes
from ingress.media.calls import Calls
from ingress.media.tones import tone
from ingress.phrases.fixed import PhraseShelf
from ingress.server.checking import extension_book

BUSY = tone(600.0, 0.25)
M = TypeVar("M", bound=Message)


class Shelf(PhraseShelf):
    """Phrases that can be played once they have been loaded."""

    def __init__(self, **busy: bytes) -> None:
        self.loads = 0
        self.rendered: dict[str, bytes] = busy
        """The busy phrase of each extension."""
        self._busy: dict[str, bytes] = {}

    def audio(self, extension: Extension, phrase: Phrase) -> bytes | None:
        """Return the busy phrase, if it is there."""
        return self._busy.get(extension.name) if phrase is Phrase.BUSY else None

    def load(self, extensions: Iterable[Extension]) -> None:
        """Take what has been rendered."""
        self._busy = dict(self.rendered)
        self.loads += 1


class Bench:
    """The calls, their ports, and what went to the gateway."""

    def __init__(self, calls: Calls, ports: dict[str, int], sent: list[Message]) -> None:
        self.calls = calls
        self.ports = ports
        self.port = ports["default"]
        self.return_ports: dict[str, int] = {}
        self.sent = sent
        self.hangs = False
        """Whether the gateway leaves reports of health unanswered."""

    def sent_of(self, kind: type[M]) -> list[M]:
        """Return the messages of one type that went to the gateway."""
        return [message for message in self.sent if isinstance(message, kind)]

    async def until_sent(self, kind: type[M], count: int = 1, deadline_s: float = 10.0) -> M:
        """Wait until the gateway was sent `count` messages of a type; return the last of them."""
        async with asyncio.timeout(deadline_s):
            while len(self.sent_of(kind)) < count:
                await asyncio.sleep(0.01)
        return self.sent_of(kind)[count - 1]

    def ready(self) -> None:
        """Let the gateway be ready."""
        self.calls.receive(Readiness(is_ready=True, detail="test"))

    def answer(
        self, call_id: object, turn: int, audio: bytes = b"", leg: LegName = "caller", text: str = "x"
    ) -> None:
        """Answer a turn with one sentence, on this leg, or with nothing."""
        self.say(call_id, turn, audio, leg, text)
        self.calls.receive(TurnDone(call_id=str(call_id), turn=turn, stages=StageTimes()))

    def say(self, call_id: object, turn: int, audio: bytes, leg: LegName = "caller", text: str = "x") -> None:
        """Say a sentence in a turn, on this leg."""
        name: dict[str, Any] = {"call_id": str(call_id), "turn": turn, "stages": StageTimes()}
        if audio:
            self.calls.receive(
                SentenceAudio(**name, leg=leg, sentence=1, text=text, audio=audio, is_last=True)
            )


def keep_virtual_time(monkeypatch: pytest.MonkeyPatch, loop: asyncio.AbstractEventLoop) -> None:
    """Let the media room read the loop's clock."""
    monkeypatch.setattr("ingress.media.leg.monotonic", loop.time)
    for module in ("closing", "frame_clock", "gc_schedule"):
        monkeypatch.setattr(f"ingress.media.{module}.time", SimpleNamespace(monotonic=loop.time))


@asynccontextmanager
async def bench(
    phrases: PhraseShelf | None = None,
    extensions: dict[str, dict[str, Any]] | None = None,
    recording: dict[str, Any] | None = None,
    access: dict[str, object] | None = None,
    **server: object,
) -> AsyncIterator[Bench]:
    """Run calls with these sections of the configuration. Only recordings use real threads."""
    others = {name: {"port": 0, **chosen} for name, chosen in (extensions or {}).items()}
    settings = Settings.model_validate(
        {
            "server": server,
            "access": access or {},
            "extensions": others,
            "recording": recording or {},
            "endpointing": {"confirmation": "none"},
        }
    )
    listeners = {name: socket.create_server(("127.0.0.1", 0)) for name in ("default", *others)}
    for listener in listeners.values():
        listener.setblocking(False)
    ports = {name: bound.getsockname()[1] for name, bound in listeners.items()}
    sent: list[Message] = []
    calls = Calls(settings, extension_book(settings), phrases or Shelf())

    gateway = Bench(calls, ports, sent)

    def send(message: Message) -> bool:
        sent.append(message)
        if isinstance(message, WorkerHealth) and not gateway.hangs:
            asyncio.get_running_loop().call_soon(calls.receive, HealthTaken())
        return True

    await calls.start(listeners, send)
    for extension in list(calls.extensions.values()):
        if extension.return_port is not None:
            both = [listeners[extension.name].dup(), socket.create_server(("127.0.0.1", 0))]
            for listener in both:
                listener.setblocking(False)
            gateway.return_ports[extension.name] = both[1].getsockname()[1]
            calls.set_extension(extension, [("caller", both[0]), ("return", both[1])])
    while isinstance(phrases, Shelf) and not phrases.loads:
        await asyncio.sleep(0)
    try:
        yield gateway
    finally:
        await calls.stop(drain_deadline_s=0.0)
