"""One event of a call in a flow, and the steps that are done about it."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import date

from actors.errors import LookupFailedError, described
from ingress.dialogs.base import (
    CallBegan,
    DialogAction,
    DialogCall,
    DialogEvent,
    EndCall,
    Interrupted,
    LegJoined,
    LegLeft,
    Listen,
    SetVariable,
    Transfer,
)
from ingress.dialogs.flow.answers import Answers, at_path, plain
from ingress.dialogs.flow.model import (
    Ask,
    End,
    Flow,
    Go,
    HandOver,
    HangUpLeg,
    LookUp,
    Step,
    Switch,
    Target,
    WaitForLeg,
)
from ingress.dialogs.flow.progress import Progress
from ingress.dialogs.flow.replies import Replies, Reply
from ingress.dialogs.flow.wording import Wording, polite_end
from ingress.dialogs.lookups import Lookups
from ingress.dialogs.outcome import TARGET, one_line

MOST_STEPS = 100
"""In one turn: the check finds loops, but not those through questions to a leg that has left."""

log = logging.getLogger(__name__)


class Turn:
    """Finds the reply, and does the steps."""

    def __init__(
        self,
        flow: Flow,
        answers: Answers,
        lookups: Lookups,
        event: DialogEvent,
        call: DialogCall,
        today: date,
        now_s: float,
    ) -> None:
        self._flow = flow
        self._lookups = lookups
        self._event = event
        self._call = call
        self._now_s = now_s
        self._progress = Progress(call.state, flow)
        self._wording = Wording(flow, call, self._progress)
        has_left = isinstance(event, LegLeft)
        self._has_return = not has_left and (call.has_return_leg or isinstance(event, LegJoined))
        self._replies = Replies(
            flow, answers, event, call, self._progress, self._wording, today, now_s, self._has_return
        )

    async def actions(self) -> AsyncGenerator[DialogAction]:
        """Yield what is done."""
        step = self._progress.step
        if step is None:
            log.info("call %s: its flow was changed and has no such step any more", self._call.call_id)
            for action in polite_end(self._wording.common.sorry, "flow_changed"):
                yield action
            return
        reply = Reply(step=step)
        if isinstance(self._event, Interrupted):
            if self._event.leg == step.leg and not self._replies.was_asked(step, self._event.heard):
                self._progress.note_unheard()
            return
        if not isinstance(self._event, CallBegan):
            step = self._awaited(step)
            reply = self._replies.reply(step) if step.waits else Reply(step=step)
        for action in reply.actions:
            yield action
        if reply.step is not None:
            async with aclosing(self._run(reply.step)) as actions:
                async for action in actions:
                    yield action

    def _awaited(self, step: Step) -> Step:
        """Return the question that an event answers, if it interrupted what is said before the question."""
        first = step
        for _ in range(MOST_STEPS):
            if not isinstance(step.act, Go) or step.variables:
                break
            step = self._replies.step_of(step.act.next) or step
        if step is not first or self._progress.is_new:
            self._progress.enter(step)
        return step

    async def _run(self, first: Step) -> AsyncGenerator[DialogAction]:
        """Do a step and those that follow, up to one that waits for something."""
        step: Step | None = first
        for _ in range(MOST_STEPS):
            if step is None:
                break
            self._progress.enter(step)
            for name, text in step.variables.items():
                yield SetVariable(name, one_line(self._wording.filled(text.text, is_spoken=False)))
            act = step.act
            if step.leg == "return" and not self._has_return:
                if isinstance(act, Ask):
                    step = self._step_of(act.left or self._flow.left or act.failed or self._flow.failed)
                    continue
            else:
                for action in self._wording.announcement(step):
                    yield action
            match act:
                case Ask():
                    for action in self._replies.listening(step, act):
                        yield action
                    return
                case WaitForLeg(timeout_s=timeout_s) if not self._has_return:
                    self._progress.waited_s(self._now_s, timeout_s)
                    yield Listen(no_input_s=timeout_s, leg="caller")
                    return
                case HandOver(target=target, reason=reason):
                    number = self._wording.filled(target, is_spoken=False)
                    if TARGET.fullmatch(number):
                        yield Transfer(number, reason)
                        return
                    break  # nothing has filled its slot
                case End(reason=reason):
                    yield EndCall(reason)
                    return
                case HangUpLeg() if self._has_return:
                    self._has_return = False
                    yield EndCall("", leg="return")
            step = self._step_of(await self._after(step))
        name = (step or first).name
        log.warning("call %s: its flow leads nowhere from step %s", self._call.call_id, name)
        for action in polite_end(self._wording.common.sorry, "flow_leads_nowhere"):
            yield action

    async def _after(self, step: Step) -> Target | None:
        """Return what follows a step that does not wait."""
        act = step.act
        match act:
            case Go() | HangUpLeg() | WaitForLeg():
                return act.next
            case LookUp():
                return act.next if await self._look_up(act) else act.failed or self._flow.failed
            case Switch():
                value = plain(self._progress.slots.get(act.slot))
                return act.cases.get(value) or act.next or self._flow.failed
        return None

    def _step_of(self, target: Target | None) -> Step | None:
        return self._replies.step_of(target) if target is not None else None

    async def _look_up(self, act: LookUp) -> bool:
        """Fill slots from an answer; False if it did not come, or has not what is wanted."""
        values = {name: self._wording.value(text.text) for name, text in act.values.items()}
        try:
            answer = await self._lookups.fetch(act.name, values)
        except LookupFailedError as error:
            log.warning("call %s: %s", self._call.call_id, described(error))
            return False
        found = {slot: at_path(answer, path) for slot, path in act.store.items()}
        if None in found.values():
            log.warning("call %s: the answer of look-up %s lacks a value", self._call.call_id, act.name)
            return False
        self._progress.slots.update(found)
        return True
