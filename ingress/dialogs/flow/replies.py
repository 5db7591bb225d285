"""What an event leads to while a step waits: something said, another step, or both. No waiting here.

| an answer is | in this order |
|---|---|
| a request of `anywhere`, and nothing else | "repeat, please" |
| a yes or no, while a value is confirmed; or another value, to be confirmed | "no, for five" |
| one of the step's branches | "a reservation" |
| a value for the step's slot | "for four" |
| a request of `anywhere`, inside other words | "let me talk to an operator" |
| else not understood | |
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from pydantic import JsonValue

from actors.checks.languages import primary
from ingress.dialogs.base import (
    CallerPressed,
    CallerSaid,
    CollectKeys,
    DialogAction,
    DialogCall,
    DialogEvent,
    LegJoined,
    LegLeft,
    Listen,
    NothingHeard,
)
from ingress.dialogs.flow.answers import NO_KEY, YES_KEY, Answers, decision, from_keys, plain, wanted_keys
from ingress.dialogs.flow.model import (
    AGAIN,
    BACK,
    Ask,
    Branch,
    Flow,
    ListenChoice,
    Slot,
    SlotKind,
    Step,
    Target,
    WaitForLeg,
)
from ingress.dialogs.flow.progress import Progress
from ingress.dialogs.flow.wording import Wording, fixed, polite_end
from ingress.dialogs.matching import best_match, is_all
from ingress.dialogs.matching.tokens import folded_words
from ingress.link.messages import LegName

HOLD_S = 300.0
"""A caller says nothing while the other leg is asked: that is no silence to ask about."""
LONGEST_SPEECH_S = 60.0
"""How much later than at its end a wait may be seen to be over: who waits may have begun to speak before."""
LEAST_HOLD_S = 1.0
"""Of a wait's end: 0 would be for ever."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What is done at once, and the step that is entered then."""

    actions: Sequence[DialogAction] = ()
    step: Step | None = None


class Replies:
    """Finds the reply to one event of a call."""

    def __init__(
        self,
        flow: Flow,
        answers: Answers,
        event: DialogEvent,
        call: DialogCall,
        progress: Progress,
        wording: Wording,
        today: date,
        now_s: float,
        has_return_leg: bool,
    ) -> None:
        self._flow = flow
        self._answers = answers
        self._event = event
        self._call = call
        self._progress = progress
        self._wording = wording
        self._today = today
        self._now_s = now_s
        self._has_return_leg = has_return_leg
        self._is_early = progress.take_unheard() and isinstance(event, CallerSaid)
        """Whether the question was not heard to its end before this was said: then a yes is none."""
        of_caller = _leg_of(event) == "caller"
        self._requests = [each for each in flow.anywhere if of_caller or each.target.step == AGAIN]
        """What the event may ask for; the other leg may only have its question repeated."""

    def reply(self, step: Step) -> Reply:
        """Return the reply of a step that waits."""
        event, act = self._event, step.act
        if isinstance(event, LegLeft):
            # Entered again, the step sees that the leg it asks has left.
            return Reply(step=step) if isinstance(act, Ask) and step.leg == "return" else Reply()
        if isinstance(event, LegJoined) and isinstance(act, Ask):
            return Reply()
        if isinstance(act, Ask) and _leg_of(event) == step.leg:
            return self._answered(step, act)
        return self._meanwhile(step)

    def step_of(self, target: Target) -> Step | None:
        """Return the step that a target names."""
        if target.step == BACK:
            return self._progress.back or self._flow.steps[self._flow.start]
        return self._flow.steps.get(target.step)

    def listening(self, step: Step, act: Ask) -> Iterator[DialogAction]:
        """Yield how the answer is listened to, and that keys are taken together."""
        is_confirmed = self._progress.pending is not None
        chosen = ListenChoice() if is_confirmed else act.listen
        hot_words = chosen.hot_words.get(self._wording.language, ())
        expected = tuple(dict.fromkeys(self._expected(act)))
        # With another leg the caller may have been listened to as one who waits.
        if expected or hot_words or chosen.end_silence_ms or chosen.no_input_s or self._flow.has_other_leg:
            yield Listen(
                chosen.end_silence_ms, hot_words, expected, no_input_s=chosen.no_input_s, leg=step.leg
            )
        if step.leg == "return":
            yield Listen(no_input_s=HOLD_S, leg="caller")
        slot = self._slot(act)
        wanted = wanted_keys(slot) if slot is not None else None
        keys = None if is_confirmed else act.keys or wanted
        if keys is not None:
            count = keys.count or (wanted.count if wanted else None)
            yield CollectKeys(count, keys.terminator, keys.gap_s, step.leg)

    def _expected(self, act: Ask) -> Iterable[str]:
        if self._progress.pending is not None:
            return ()
        slot, language = self._slot(act), self._wording.language
        words = [word for branch in act.branches for word in branch.words.get(language, ())]
        return [*(self._answers.expected_words(slot) if slot is not None else ()), *words]

    def _slot(self, act: Ask) -> Slot | None:
        return self._flow.slots[act.slot] if act.slot is not None else None

    def was_asked(self, step: Step, heard: str) -> bool:
        """Whether what was heard of an answer has the question of a step that is open to its end."""
        act = step.act
        if not isinstance(act, Ask):
            return False
        slot, pending = self._slot(act), self._progress.pending
        if slot is not None and pending is not None:
            says = [self._wording.confirmation(act.confirm, step, slot, pending)]
        else:
            says = [self._wording.say(prompt, step) for prompt in (step.say, act.again) if prompt]
        texts = [text for say in says for text in (say.text, say.short) if text]
        return any(_closely(text[: text.rfind("?") + 1] or text) in _closely(heard) for text in texts)

    # Who is not asked now

    def _meanwhile(self, step: Step) -> Reply:
        """Reply to the caller, while the other leg is waited for or asked; or to that leg."""
        event, act = self._event, step.act
        leg = _leg_of(event)
        branch = self._request(step) if leg == "caller" else None
        if branch is not None:
            return branch
        if isinstance(act, WaitForLeg) and self._has_return_leg:  # it joined, and has not heard a word yet
            return Reply(step=self.step_of(act.next))
        hold_s = HOLD_S
        if isinstance(act, WaitForLeg):
            waited_s = self._progress.waited_s(self._now_s, act.timeout_s + LONGEST_SPEECH_S)
            if isinstance(event, NothingHeard) or waited_s >= act.timeout_s:
                return self._failed(act.failed)
            hold_s = max(LEAST_HOLD_S, act.timeout_s - waited_s)
        prompt = act.meanwhile if isinstance(act, Ask | WaitForLeg) and leg == "caller" else None
        said = self._wording.say(prompt, step, leg=leg) if prompt else fixed(self._wording.common.moment, leg)
        return Reply([said, Listen(no_input_s=hold_s, leg=leg)])

    def _request(self, step: Step) -> Reply | None:
        """Return where a request of `anywhere` leads, if the event is one."""
        branches = [branch for branch in self._requests if branch.target.step != AGAIN]
        branch = None
        if isinstance(self._event, CallerPressed):
            branch = _by_keys(branches, self._event.digits)
        elif isinstance(self._event, CallerSaid):
            branch = self._best(branches, self._event.text)
        return self._followed(branch.target, step, is_anywhere=True) if branch is not None else None

    # Who is asked

    def _answered(self, step: Step, act: Ask) -> Reply:
        """Take an answer to a question, or ask again."""
        branch = self._branch(step, act)
        if branch is not None:
            return self._followed(branch.target, step, is_anywhere=branch in self._requests)
        slot = self._slot(act)
        if slot is not None and self._progress.pending is not None:
            return self._confirmed(step, act, slot)
        value = self._value(act)
        if slot is None or value is None:
            return self._again(step, act)
        has_to_be_confirmed = slot.kind is SlotKind.DIGITS and isinstance(self._event, CallerSaid)
        if act.confirm is not None or has_to_be_confirmed:
            self._progress.pending = value
            return Reply(list(self._question(step, act)))
        return self._stored(act, slot, value)

    def _branch(self, step: Step, act: Ask) -> Branch | None:
        """Return the branch that an answer takes."""
        event, language = self._event, self._wording.language
        is_confirmed = self._progress.pending is not None
        if isinstance(event, CallerPressed):
            is_answer = event.digits in (YES_KEY, NO_KEY) if is_confirmed else self._value(act) is not None
            if is_answer:
                return None
            branches = (*act.branches, *self._requests)
            # Where one key is taken, of two that were pressed in haste the first counts.
            takes_one = not any(isinstance(action, CollectKeys) for action in self.listening(step, act))
            first = _by_keys(branches, event.digits[:1]) if takes_one else None
            return _by_keys(branches, event.digits) or first
        if not isinstance(event, CallerSaid):
            return None
        for branch in self._requests:
            if is_all(event.text, branch.words.get(language, ()), language):
                return branch
        if is_confirmed:
            return None
        own = self._best(act.branches, event.text)
        if own is not None or self._value(act) is not None:
            return own
        return self._best(self._requests, event.text)

    def _best(self, branches: Sequence[Branch], text: str) -> Branch | None:
        language = self._wording.language
        words = {number: branch.words.get(language, ()) for number, branch in enumerate(branches)}
        number = best_match(text, words, language)
        return branches[number] if number is not None else None

    def _value(self, act: Ask) -> JsonValue:
        """Return what an answer puts into the step's slot; None: nothing."""
        slot, event = self._slot(act), self._event
        if slot is None or not isinstance(event, CallerSaid | CallerPressed):
            return None
        if slot.kind is SlotKind.YES_NO:
            answer = decision(event, self._wording.language)
            return None if self._is_early and answer == "yes" else answer
        if isinstance(event, CallerPressed):
            return from_keys(slot, event.digits)
        language = self._wording.language
        code = self._call.language if primary(self._call.language) == language else language
        return self._answers.from_speech(slot, event.text, language, code, self._today)

    def _followed(self, target: Target, step: Step, is_anywhere: bool = False) -> Reply:
        """Go where a branch leads from a question."""
        if target.step == AGAIN and isinstance(step.act, Ask):
            return Reply(list(self._question(step, step.act)))
        if is_anywhere:
            self._progress.leave(step)
        return Reply(step=self.step_of(target))

    def _stored(self, act: Ask, slot: Slot, value: JsonValue) -> Reply:
        self._progress.slots[slot.name] = value
        return Reply(step=self.step_of(act.next.get(plain(value)) or act.next[""]))

    def _confirmed(self, step: Step, act: Ask, slot: Slot) -> Reply:
        """Do what the answer to "is that right?" asks for."""
        event, pending = self._event, self._progress.pending
        value, answer = self._value(act), None
        is_free = slot.kind in (SlotKind.TEXT, SlotKind.OWN_NAME)
        if isinstance(event, CallerSaid | CallerPressed):
            is_repeated = slot.kind is not SlotKind.YES_NO and value == pending
            if is_free and isinstance(event, CallerSaid):
                is_repeated = set(folded_words(str(pending))) <= set(folded_words(event.text))
            answer = decision(event, self._wording.language, is_repeated)
        if answer == "yes" and self._is_early:
            answer = None
        if answer == "yes":
            return self._stored(act, slot, pending)
        is_decision = is_free or slot.kind is SlotKind.YES_NO or (answer and isinstance(event, CallerPressed))
        corrected = None if is_decision or value == pending else value
        if corrected is not None:
            self._progress.pending = corrected
        elif answer == "no":
            self._progress.pending = None
        return self._again(step, act, is_clear=answer == "no" or corrected is not None)

    def _again(self, step: Step, act: Ask, is_clear: bool = False) -> Reply:
        """Ask again, or fail after too many tries. `is_clear`: the answer was understood, but is none."""
        is_silence = isinstance(self._event, NothingHeard)
        chosen = act.silence if is_silence else act.not_understood
        if isinstance(chosen, Target) and not is_clear:
            return self._followed(chosen, step)
        self._progress.tries += 1
        if self._progress.tries > act.retries:
            return self._failed(act.failed)
        actions: list[DialogAction] = []
        if not is_clear and chosen is not None and not isinstance(chosen, Target):
            actions.append(self._wording.say(chosen, step))
        elif not is_clear and not is_silence and act.again is None:
            common = self._wording.common
            is_yes_or_no = act.slot is not None and self._flow.slots[act.slot].kind is SlotKind.YES_NO
            is_yes_or_no = is_yes_or_no or self._progress.pending is not None
            actions.append(fixed(common.yes_or_no if is_yes_or_no else common.not_understood, step.leg))
        return Reply([*actions, *self._question(step, act, is_again=not is_clear)])

    def _failed(self, failed: Target | None) -> Reply:
        target = failed or self._flow.failed
        if target is not None:
            return Reply(step=self.step_of(target))
        return Reply(list(polite_end(self._wording.common.sorry, "not_understood")))

    def _question(self, step: Step, act: Ask, is_again: bool = False) -> Iterator[DialogAction]:
        """Yield the question that is open, and how its answer is listened to."""
        slot, pending = self._slot(act), self._progress.pending
        if slot is not None and pending is not None:
            yield self._wording.confirmation(act.confirm, step, slot, pending)
        elif is_again and act.again is not None:
            yield self._wording.say(act.again, step)
        else:
            yield from self._wording.announcement(step)
        yield from self.listening(step, act)


def _leg_of(event: DialogEvent) -> LegName:
    leg: LegName = getattr(event, "leg", "caller")
    return leg


def _closely(text: str) -> str:
    """Return a text without spaces, which are not the same once it was cut into sentences."""
    return "".join(text.split())


def _by_keys(branches: Iterable[Branch], keys: str) -> Branch | None:
    return next((branch for branch in branches if keys in branch.keys), None)
