"""A call's place among the calls that the manager has taken: asked for, held, given back exactly once.

Whatever happens to a call (refused, ended before the answer, its media worker gone, the manager silent), what
the manager may know of it is taken back once, and within seconds. So a place's whole life is one coroutine:
ask, hold until the call ends, give back; a call that ends early only shortens it. Every question has a
deadline here as well, for a pool that keeps none.

The same call may come again before it is gone: on the new link of a media worker, or by a PBX that uses a
UUID twice. The newer place waits until the older one has been given back, so that no late farewell takes away
what was just registered.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from actors.messages import Admission, SessionFigures, SessionStarted, SessionSummary
from actors.pool.speech_pool import SpeechPool

ADMISSION_DEADLINE_S = 1.0
"""A pool answers within a third of a second; one that does not has no place to give."""
BOOKKEEPING_DEADLINE_S = 2.0
"""Of registering, and of giving back: less than 5 s from a call's end to its last trace."""
NO_ANSWER = "the speech workers cannot be asked"

T = TypeVar("T")

log = logging.getLogger(__name__)


class Place:
    """One call's place. Made by `Places.take`."""

    def __init__(
        self,
        pool: SpeechPool | None,
        session: SessionStarted,
        was_admitted: bool,
        on_admission: Callable[[Admission], None],
        on_replaced: Callable[[], None],
    ) -> None:
        self.session = session
        self.admission: Admission | None = None
        """None: not known yet."""
        self._pool = pool
        self._was_admitted = was_admitted or pool is None
        self._on_admission = on_admission
        self._on_replaced = on_replaced
        self._decided = asyncio.Event()
        self._ended = asyncio.Event()
        self._over = asyncio.Event()
        self._on_over: Callable[[SessionSummary | None], None] = _ignore
        self._asking: asyncio.Timeout | None = None

    def __repr__(self) -> str:
        return f"<Place of {self.session.session_id}: {self.admission}, ended={self._ended.is_set()}>"

    @property
    def is_held(self) -> bool:
        """Whether the call has been taken and goes on."""
        return self.admission is not None and self.admission.is_admitted and not self._ended.is_set()

    async def decided(self) -> bool:
        """Wait for the verdict, or the call's end, and return whether the place is held."""
        await self._decided.wait()
        return self.is_held

    def note(self, figures: SessionFigures) -> None:
        """Tell the pool what was counted of the call, if it has the call."""
        if self._pool is not None and self.is_held:
            self._pool.note(self.session.session_id, figures)

    def end(self, on_over: Callable[[SessionSummary | None], None] | None = None) -> None:
        """The call is over. `on_over` gets what it used, once the place has been given back. Idempotent."""
        if self._over.is_set():
            if on_over is not None:
                on_over(None)
            return
        self._on_over = on_over or self._on_over
        self._ended.set()
        if self._asking is not None and not self._asking.expired():
            self._asking.reschedule(asyncio.get_running_loop().time())

    def replace(self) -> None:
        """Another call has the same UUID: this one's work stops, and its place is given back."""
        if not self._ended.is_set():
            self._on_replaced()
        self.end()

    def begin(self) -> None:
        """Decide at once what needs no question."""
        if self._was_admitted and self.admission is None:
            self._decide(Admission(is_admitted=True))

    async def live(self, before: Place | None) -> None:
        """Run the place's whole life. `before`: an older place of the same call, given back first."""
        summary: SessionSummary | None = None
        try:
            if before is not None:
                await before._over.wait()
                before = None  # or a UUID used again and again would keep all its past
            self.begin()
            if self._pool is None:
                await self._ended.wait()
            elif not self._ended.is_set():
                summary = await self._hold(self._pool)
        finally:
            self._ended.set()
            self._decided.set()
            self._over.set()
            self._on_over(summary)

    async def _hold(self, pool: SpeechPool) -> SessionSummary | None:
        """Ask for the place, hold it and give it back; only a plain no leaves nothing to give back."""
        if self._was_admitted:
            await self._ask(pool.register_session(self.session), BOOKKEEPING_DEADLINE_S)
        else:
            answer = await self._ask(pool.admit(self.session), ADMISSION_DEADLINE_S)
            self._decide(answer or Admission(is_admitted=False, reason=NO_ANSWER))
            if answer is not None and not answer.is_admitted:
                return None
        if self.is_held:
            await self._ended.wait()
        self._ended.set()  # no answer: nobody may have a place that is about to be given back
        return await self._ask(pool.unregister_session(self.session.session_id), BOOKKEEPING_DEADLINE_S)

    def _decide(self, admission: Admission) -> None:
        """Say whether the call is taken, unless it is over."""
        if not self._ended.is_set():
            self.admission = admission
            self._on_admission(admission)
            self._decided.set()

    async def _ask(self, question: Coroutine[Any, Any, T], deadline_s: float) -> T | None:
        """Return the pool's answer; None if there is none in time, or the call ends meanwhile."""
        try:
            async with asyncio.timeout(deadline_s) as timeout:
                # The last question is asked after the end, and takes its time.
                self._asking = None if self._ended.is_set() else timeout
                return await question
        except Exception as error:  # whatever fails behind the pool, the place has to be given back
            log.debug("call %s: %s", self.session.session_id, error or type(error).__name__)
            return None
        finally:
            self._asking = None


class Places:
    """All calls of a gateway, as the manager is told of them."""

    def __init__(self, pool: SpeechPool | None) -> None:
        """Without a pool there is room for every call."""
        self.refused: Counter[str] = Counter()
        """Calls that were not taken, by extension."""
        self._pool = pool
        self._newest: dict[str, Place] = {}
        self._lives: dict[asyncio.Task[None], Place] = {}

    def __len__(self) -> int:
        """Return how many places are asked for, held, or not given back yet."""
        return len(self._lives)

    def take(
        self,
        session: SessionStarted,
        was_admitted: bool,
        on_admission: Callable[[Admission], None],
        on_replaced: Callable[[], None],
    ) -> Place:
        """Ask for a place, or register one that was given before.

        `on_admission` is told the verdict, once: at once if it is known, and before anybody who waits for it
        goes on. `on_replaced` is told if another call takes this one's UUID before it has ended.
        """

        def decided(admission: Admission) -> None:
            self.refused[session.extension] += not admission.is_admitted
            on_admission(admission)

        place = Place(self._pool, session, was_admitted, decided, on_replaced)
        before = self._newest.get(session.session_id)
        if before is None:
            place.begin()
        else:
            before.replace()
        self._newest[session.session_id] = place
        life = asyncio.create_task(place.live(before), name=f"place of call {session.session_id}")
        self._lives[life] = place
        life.add_done_callback(self._forget)
        return place

    async def close(self) -> None:
        """Give everything back, as far as the pool takes it in time. Idempotent."""
        for place in tuple(self._lives.values()):
            place.end()
        if self._lives:
            _, late = await asyncio.wait(tuple(self._lives), timeout=BOOKKEEPING_DEADLINE_S + 1.0)
            for life in late:
                life.cancel()

    def _forget(self, life: asyncio.Task[None]) -> None:
        place = self._lives.pop(life)
        if self._newest.get(place.session.session_id) is place:
            del self._newest[place.session.session_id]


def _ignore(summary: SessionSummary | None) -> None:
    """Nobody wants to know."""
