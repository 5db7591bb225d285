"""What can be wrong with a flow whose parts are right.

| checked | so that |
|---|---|
| names of steps and slots exist | nothing leads nowhere |
| every step can be reached | nothing is written in vain |
| every loop asks something | no call speaks for ever |
| placeholders are slots, or known of the call | no caller hears a brace |
| a transfer's target comes from a list | no caller chooses it |
| every slot is asked for, or stored | no text has a gap |
| a branch has words or keys of its own | none is there in vain |
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from graphlib import CycleError, TopologicalSorter

from ingress.dialogs.flow.answers import from_keys, wanted_keys
from ingress.dialogs.flow.document import Place, Problems, nearest
from ingress.dialogs.flow.model import (
    AGAIN,
    BACK,
    Ask,
    Branch,
    Entry,
    Flow,
    HandOver,
    LookUp,
    Slot,
    SlotKind,
    Step,
    Switch,
    Target,
    WaitForLeg,
)
from ingress.dialogs.flow.texts import CALL_NAMES, filled, placeholders
from ingress.dialogs.matching.phrases import matching_words
from ingress.dialogs.outcome import TARGET
from ingress.link.messages import MAXIMUM_VARIABLES

MOST_KEYS = 16
"""Of a branch."""
MOST_EXPECTED = 900
"""Of a question's branches: with the names of a list they go to the speech model, 1,000 at most."""
CONFIRMED = "value"
"""What a `confirm` may name beside slots: the answer that it is about."""


def check(flow: Flow, problems: Problems) -> None:
    """Note all problems of a flow."""
    for target, others in _targets(flow):
        if target.step and target.step not in flow.steps and target.step not in others:
            hint = nearest(target.step, [*flow.steps, *others])
            problems.add(target.place, f"there is no step {target.step!r} to go to here; {hint}")
    variables: set[str] = set()
    _check_branches(flow.anywhere, 1, problems)
    for step in flow.steps.values():
        _check_step(flow, step, problems)
        variables.update(step.variables)
        if len(variables) > MAXIMUM_VARIABLES:
            problems.add(step.place, f"more than {MAXIMUM_VARIABLES} variables in one flow")
            variables.clear()
    if problems.found:
        return
    _check_slots(flow, problems)
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
    for variable in step.variables.values():
        _check_text(flow, variable.text, variable.place, problems)
    match act:
        case Ask(slot=name, slot_place=place, next=following):
            slot = _slot(flow, name, place, problems) if name else None
            wanted = act.keys or (wanted_keys(slot) if slot is not None else None)
            _check_branches(act.branches, 1 if wanted is None else MOST_KEYS, problems)
            if slot is not None and slot.kind is SlotKind.VALUE:
                problems.add(place, f"slot {slot.name!r} is filled by look-ups: it cannot be asked for")
            if slot is not None and "yes" in following and slot.kind is not SlotKind.YES_NO:
                problems.add(step.place, f"'next' by yes and no: slot {slot.name!r} is a {slot.kind}")
            if act.left is not None and step.leg != "return":
                problems.add(act.left.place, "'left' is for a step with leg: return")
        case LookUp(place=place, values=values, store=store):
            for value in values.values():
                _check_text(flow, value.text, value.place, problems)
            for name in store:
                _slot(flow, name, place, problems)
        case Switch(slot=name, place=place):
            slot = _slot(flow, name, place, problems) if name else None
            if slot is not None:
                _check_cases(act, slot, problems)
            if act.next is None and flow.failed is None:
                problems.add(place, "'next' is missing: where any other value leads")
        case HandOver(place=place, target=target):
            _check_text(flow, target, place, problems)
            _check_transfer(flow, target, place, problems)


def _slot(flow: Flow, name: str, place: Place, problems: Problems) -> Slot | None:
    if name not in flow.slots:
        problems.add(place, f"there is no slot {name!r}; {nearest(name, flow.slots)}")
    return flow.slots.get(name)


def _check_cases(act: Switch, slot: Slot, problems: Problems) -> None:
    for value, target in act.cases.items():
        hint = ""
        if slot.kind in (SlotKind.YES_NO, SlotKind.NAME):
            known: Collection[str] = ("yes", "no") if slot.kind is SlotKind.YES_NO else slot.entries
            hint = nearest(value, known) if value not in known else ""
        elif slot.kind is SlotKind.NUMBER and from_keys(slot, value) is None:
            hint = f"it is a number from {slot.minimum} to {slot.maximum}"
        elif slot.kind is SlotKind.DIGITS and from_keys(slot, value) is None:
            hint = f"it has {slot.minimum} to {slot.maximum} digits"
        if hint:
            problems.add(target.place, f"slot {slot.name!r} is never {value!r}; {hint}")


def _check_slots(flow: Flow, problems: Problems) -> None:
    acts = [step.act for step in flow.steps.values()]
    filled = {act.slot for act in acts if isinstance(act, Ask)}
    filled |= {slot for act in acts if isinstance(act, LookUp) for slot in act.store}
    for slot in flow.slots.values():
        if slot.name not in filled:
            problems.add(slot.place, f"nothing asks for slot {slot.name!r}, nor stores it: remove it")


def _check_branches(branches: Sequence[Branch], most_keys: int, problems: Problems) -> None:
    """Note branches that are never taken, as another one has the same words or keys, or keys come singly."""
    words: dict[tuple[str, ...], Branch] = {}
    keys: dict[str, Branch] = {}
    for branch in branches:
        for language, phrases in branch.words.items():
            for phrase in phrases:
                said = tuple(matching_words(phrase, language))
                if not said:
                    problems.add(branch.place, f"{phrase!r} has no words")
                elif words.setdefault((language, *said), branch) is not branch:
                    problems.add(branch.place, f"{phrase!r} is said for another branch too: neither is taken")
        for key in branch.keys:
            if len(key) > most_keys:
                problems.add(
                    branch.place, f"keys {key!r} come one by one here: write one key, or 'keys' with a count"
                )
            elif keys.setdefault(key, branch) is not branch:
                problems.add(branch.place, f"keys {key!r} are those of another branch too")
    for language in {language for branch in branches for language in branch.words}:
        if sum(len(branch.words.get(language, ())) for branch in branches) > MOST_EXPECTED:
            problems.add(
                branches[0].place, f"more than {MOST_EXPECTED} phrases in the branches of one question"
            )


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


def _leads_at_once(flow: Flow, step: Step, has_return_leg: bool) -> Iterator[Target]:
    """Yield where a step may lead without waiting for anything."""
    match step.act:
        case Ask(left=left, failed=failed):
            gone = left or flow.left or failed or flow.failed
            if step.leg == "return" and not has_return_leg and gone is not None:
                yield gone
        case WaitForLeg(next=following):
            if has_return_leg:
                yield following
        case LookUp(failed=None) | Switch(next=None):
            yield from step.targets()
            if flow.failed is not None:
                yield flow.failed
        case _:
            yield from step.targets()


def _check_loops(flow: Flow, problems: Problems) -> None:
    """Note loops of steps of which none waits, with the other leg or without.

    Each is noted, but where two share a step one of them.
    """
    for has_return_leg in (False, True):
        _check_loops_of(flow, has_return_leg, problems)


def _check_loops_of(flow: Flow, has_return_leg: bool, problems: Problems) -> None:
    leads_to = {
        name: {
            flow.start if target.step == BACK else target.step
            for target in _leads_at_once(flow, step, has_return_leg)
        }
        for name, step in flow.steps.items()
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
