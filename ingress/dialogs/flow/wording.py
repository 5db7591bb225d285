"""What a flow says in one call: its prompts, in the call's language, with what was found out in it."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import JsonValue

from ingress.dialogs.actions import MAXIMUM_TEXT
from ingress.dialogs.base import DialogAction, DialogCall, EndCall, PlayFile, Say
from ingress.dialogs.flow.answers import plain, spoken
from ingress.dialogs.flow.model import Flow, Prompt, Slot, Step
from ingress.dialogs.flow.progress import Progress
from ingress.dialogs.flow.texts import COMMON, filled, has_placeholders
from ingress.link.messages import LegName


class Wording:
    """Makes texts and the actions that say them."""

    def __init__(self, flow: Flow, call: DialogCall, progress: Progress) -> None:
        self._flow = flow
        self._call = call
        self._progress = progress
        self.language = flow.language(call.language)
        self.common = COMMON[self.language]

    def announcement(self, step: Step) -> Iterator[DialogAction]:
        """Yield what a step plays and says."""
        if step.play is not None:
            yield PlayFile(step.play, step.may_interrupt, step.leg)
        if step.say is not None:
            yield self.say(step.say, step)

    def say(self, prompt: Prompt, step: Step, value: str = "", leg: LegName | None = None) -> Say:
        """Return a prompt of a step; `value`: the answer that it is about; `leg`: if not the step's."""
        wording = prompt.texts[self.language]
        texts = (wording.text, wording.short or "")
        return Say(
            self.filled(wording.text, value)[:MAXIMUM_TEXT],
            is_fixed=not any(map(has_placeholders, texts)),
            short=self.filled(wording.short, value)[:MAXIMUM_TEXT] if wording.short is not None else None,
            may_interrupt=step.may_interrupt,
            leg=leg or step.leg,
        )

    def confirmation(self, prompt: Prompt | None, step: Step, slot: Slot, value: JsonValue) -> Say:
        """Return the question whether an answer is right; None: the usual one."""
        said = spoken(slot, value, self.language)
        if prompt is not None:
            return self.say(prompt, step, said)
        text = filled(self.common.confirm, {"value": said})
        return Say(text, may_interrupt=step.may_interrupt, leg=step.leg)

    def filled(self, text: str, value: str = "", is_spoken: bool = True) -> str:
        """Return a text with what is known in place of its placeholders; `is_spoken`: as it is read aloud."""
        if "{" not in text and "}" not in text:
            return text
        call = self._call
        known = {
            "call_id": call.call_id,
            "caller_number": call.caller_number or "",
            "caller_name": call.caller_name or "",
            "extension": call.extension,
            "value": value,
        }
        for name, held in self._progress.slots.items():
            slot = self._flow.slots.get(name)
            if slot is None:
                continue
            known[name] = spoken(slot, held, self.language) if is_spoken else plain(held)
            entry = slot.entries.get(plain(held))
            known |= {f"{name}.{field}": said for field, said in entry.fields.items()} if entry else {}
        return filled(text, known)

    def value(self, text: str) -> JsonValue:
        """Return a look-up's value: that of a slot as it is, else a text."""
        name = text[1:-1]
        if text == f"{{{name}}}" and name in self._flow.slots:
            return self._progress.slots.get(name)
        return self.filled(text, is_spoken=False)


def fixed(text: str, leg: LegName) -> Say:
    """Return one of the texts that every flow has."""
    return Say(text, is_fixed=True, leg=leg)


def polite_end(text: str, reason: str) -> Iterator[DialogAction]:
    """Yield the end of a call that cannot go on."""
    yield Say(text, is_fixed=True, may_interrupt=False, leg="caller")
    yield EndCall(reason)
