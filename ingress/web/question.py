"""Questions of the web process to another process of the server: a link for each, with a deadline."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ingress.link.asking import ANSWER_DEADLINE_S, Answer, ask
from ingress.link.client import connect
from ingress.link.messages import LINK_VERSION, Hello, Message


@dataclass(frozen=True, slots=True)
class Question:
    """The process that is asked."""

    socket: Path
    listener: str = "gateway"
    """Its name, for errors."""

    async def ask(
        self, question: Message, expected: type[Answer], deadline_s: float = ANSWER_DEADLINE_S
    ) -> Answer:
        """Return the answer. Raises LinkError when there is none in time."""
        hello = Hello(version=LINK_VERSION, role="observer", name="web")
        link = await connect(self.socket, hello, self.listener)
        try:
            return await ask(link, question, expected, deadline_s)
        finally:
            await link.close()
