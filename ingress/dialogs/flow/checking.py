"""What can be wrong with a flow whose parts are right.

| checked | so that |
|---|---|
| names of steps and slots exist | nothing leads nowhere |
| every step can be reached | nothing is written in vain |
| every loop asks something | no call speaks for ever |
| placeholders are slots, or known of the call | no caller hears a brace |
| a transfer's target comes from a list | no caller chooses it |
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from graphlib import CycleError, TopologicalSorter

from ingress.dialogs.flow.document import Place, Problems, nearest
from ingress.dialogs.flow.model import (
    AGAIN,
    BACK,
    Ask,
    Entry,
    Flow,
    HandOver,
    LookUp,
    Slot,
    SlotKind,
    Step,
    Switch,
    Target,
)
from ingress.dialogs.flow.texts import CALL_NAMES, filled, placeholders

TARGET = re.compile(r"[A-Za-z0-9_+*#.@-]{1,64}")
"""Of a transfer, as the dialplan takes it."""
MOST_VARIABLES = 16
"""Of a call."""
CONFIRMED = "value"
"""What a `confirm` may name beside slots: the answer that it is about."""


def check(flow: Flow, problems: Problems) -> None:
    """Note all problems of a flow."""
    for target, others in _targets(flow):
        if target.step and target.step not in flow.steps and target.step not in others:
            hint = nearest(target.step, [*flow.steps, *others])
            problems.add(target.place, f"there is no step {target.step!r} to go to here; {hint}")
    variables: set[str] = set()
    for step in flow.steps.values():
        _check_step(flow, step, problems)
        variables.update(step.variables)
        if len(variables) > MOST_VARIABLES:
            problems.add(step.place, f"more than {MOST_VARIABLES} variables in one flow")
            variables.clear()
    if problems.found:
        return
    _check_reached(flow, problems)
    _check_loops(flow, problems)


def _targets(flow: Flow) -> Iterator[tuple[Target, Collection[str]]]:
    """Yield all targets, and what may stand there in place of a step's name."""
    for step in flow.steps.values():
        answered: set[Target] = set()
        if isinstance(step.act, Ask):
            others = (step.act.silence, step.act.not_understood)
            answered = {branch.target for branch in step.act.branches}
            answered |= {target for target in others if isinstance(target, Target)}
        for target in step.targets():
            yield target, (AGAIN, BACK) if target in answered else (BACK,)
    yield from ((branch.target, (AGAIN, BACK)) for branch in flow.anywhere)
    yield from ((target, ()) for target in (flow.failed, flow.left) if target)


def _check_step(flow: Flow, step: Step, problems: Problems) -> None:
    act = step.act
    for prompt in step.prompts():
        known = {CONFIRMED} if isinstance(act, Ask) and prompt is act.confirm else set()
        for wording in prompt.texts.values():
            for text in filter(None, (wording.text, wording.short)):
                _check_text(flow, text, wording.place, problems, known)
    for text in step.variables.values():
        _check_text(flow, text, step.place, problems)
    match act:
        case Ask(slot=name, next=following):
            slot = _slot(flow, name, step.place, problems) if name is not None else None
            if slot is not None and slot.kind is SlotKind.VALUE:
                problems.add(step.place, f"slot {slot.name!r} is filled by look-ups: it cannot be asked for")
            if slot is not None and "yes" in following and slot.kind is not SlotKind.YES_NO:
                problems.add(step.place, f"'next' by yes and no: slot {slot.name!r} is a {slot.kind}")
            if act.left is not None and step.leg != "return":
                problems.add(act.left.place, "'left' is for a step with leg: return")
        case LookUp(place=place, values=values, store=store):
            for text in values.values():
                _check_text(flow, text, place, problems)
            for name in store:
                _slot(flow, name, place, problems)
        case Switch(slot=name):
            slot = _slot(flow, name, step.place, problems)
            if slot is not None:
                _check_cases(act, slot, problems)
        case HandOver(place=place, target=target):
            _check_text(flow, target, place, problems)
            _check_transfer(flow, target, place, problems)


def _slot(flow: Flow, name: str, place: Place, problems: Problems) -> Slot | None:
    if name not in flow.slots:
        problems.add(place, f"there is no slot {name!r}; {nearest(name, flow.slots)}")
    return flow.slots.get(name)


def _check_cases(act: Switch, slot: Slot, problems: Problems) -> None:
    known: Collection[str] = ()
    if slot.kind is SlotKind.YES_NO:
        known = ("yes", "no")
    elif slot.kind is SlotKind.NAME:
        known = slot.entries
    for value, target in act.cases.items():
        if known and value not in known:
            problems.add(target.place, f"slot {slot.name!r} is never {value!r}; {nearest(value, known)}")


def _check_text(flow: Flow, text: str, place: Place, problems: Problems, known: Collection[str] = ()) -> None:
    for name, field in placeholders(text):
        slot = flow.slots.get(name)
        if not name:
            problems.add(place, "a brace without a name: write {slot}, or {{ and }} for braces")
        elif slot is None and (field is not None or name not in {*known, *CALL_NAMES}):
            names = {*flow.slots, *known, *CALL_NAMES}
            problems.add(place, f"{{{name}}}: there is no slot {name!r}; {nearest(name, names)}")
        elif slot is not None and field is not None:
            fields = {each for entry in slot.entries.values() for each in entry.fields}
            if field not in fields:
                problems.add(
                    place, f"{{{name}.{field}}}: no name of {name!r} has it; {nearest(field, fields)}"
                )


def _check_transfer(flow: Flow, target: str, place: Place, problems: Problems) -> None:
    """Note what is wrong with where a transfer goes, for each entry of the list that it comes from."""
    used = set(placeholders(target))
    for name, field in used:
        slot = flow.slots.get(name)
        if slot is None or slot.kind is not SlotKind.NAME or field is None:
            problems.add(
                place,
                f"{{{name}}}: a transfer goes to what a list says, {{slot.field}} of a slot of kind name, "
                "never to what a caller said",
            )
            return
    names = {name for name, _ in used}
    if len(names) > 1:
        problems.add(place, "a transfer goes to one entry of one list")
        return
    entries = [entry for name in names for entry in flow.slots[name].entries.values()] or [Entry("")]
    for entry in entries:
        known = {f"{name}.{field}": entry.fields.get(field or "", "") for name, field in used}
        number = filled(target, known)
        if "" in known.values() or not TARGET.fullmatch(number):
            of_entry = f" (of {entry.name!r})" if names else ""
            problems.add(
                place, f"a transfer goes to letters, digits and _+*#.@-, 64 at most, not {number!r}{of_entry}"
            )
            return


def _check_reached(flow: Flow, problems: Problems) -> None:
    to_do = [flow.start, *(branch.target.step for branch in flow.anywhere)]
    to_do += [target.step for target in (flow.failed, flow.left) if target]
    reached: set[str] = set()
    while to_do:
        name = to_do.pop()
        if name in flow.steps and name not in reached:
            reached.add(name)
            to_do += [target.step for target in flow.steps[name].targets()]
    for step in flow.steps.values():
        if step.name not in reached:
            problems.add(step.place, f"no way leads to step {step.name!r}: remove it, or lead to it")


def _check_loops(flow: Flow, problems: Problems) -> None:
    """Note loops of steps of which none waits for an answer: each, but where two share a step one of them."""
    leads_to = {
        name: {target.step for target in step.targets()}
        for name, step in flow.steps.items()
        if not step.waits
    }
    while True:
        try:
            TopologicalSorter(leads_to).prepare()
            return
        except CycleError as error:
            around = [*reversed(error.args[1])]  # each is what the next one leads to
            first = flow.steps[around[0]]
            problems.add(
                first.place,
                f"a loop in which nothing is asked: {' → '.join(around[:12])}; ask something, or end it",
            )
            del leads_to[first.name]
