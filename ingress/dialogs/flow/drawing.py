"""A flow as a diagram: text for Mermaid (https://mermaid.js.org, flowcharts), which many wikis draw."""

from __future__ import annotations

from collections.abc import Iterator

from ingress.dialogs.flow.model import (
    AGAIN,
    BACK,
    Ask,
    Branch,
    End,
    Flow,
    HandOver,
    LookUp,
    Step,
    Switch,
    Target,
    WaitForLeg,
)

LONGEST_TEXT = 60
MOST_WORDS = 3
"""Of a branch, that stand at its arrow."""


def drawing(flow: Flow, language: str | None = None) -> str:
    """Return the diagram, with prompts in a language of the flow; None: its first."""
    return "\n".join(_lines(flow, flow.language(language or flow.languages[0]))) + "\n"


def _lines(flow: Flow, language: str) -> Iterator[str]:
    yield "flowchart TD"
    yield f"  call((call)) --> {_id(flow.start)}"
    for step in flow.steps.values():
        yield f"  {_node(step, language)}"
    for step in flow.steps.values():
        for label, target in _arrows(step, language):
            yield f"  {_id(step.name)} {_arrow(label)} {_end_of(target, step)}"
    if flow.anywhere:
        yield "  anywhere{{anywhere}}"
    for branch in flow.anywhere:
        if branch.target.step not in (AGAIN, BACK):
            yield f"  anywhere {_arrow(_said(branch, language))} {_id(branch.target.step)}"
    for label, other in (("failed", flow.failed), ("left", flow.left)):
        if other is not None:
            yield f"  {label}{{{{{label}}}}} -.-> {_id(other.step)}"
    if any(target.step == BACK for step in flow.steps.values() for target in step.targets()):
        yield "  back([back to the question])"


def _node(step: Step, language: str) -> str:
    """Return a step: questions have round corners, ends round sides, decisions four points."""
    said = step.say.texts[language].text if step.say else ""
    text = f"{step.name}<br/>{_safe(said)}" if said else step.name
    match step.act:
        case Ask() | WaitForLeg():
            opening, closing = "(", ")"
        case Switch() | LookUp():
            opening, closing = "{", "}"
        case HandOver() | End():
            opening, closing = "([", "])"
        case _:
            opening, closing = "[", "]"
    return f'{_id(step.name)}{opening}"{text}"{closing}'


def _arrows(step: Step, language: str) -> Iterator[tuple[str, Target]]:
    """Yield what leads on from a step, and where."""
    act = step.act
    match act:
        case Ask():
            yield from ((_said(branch, language), branch.target) for branch in act.branches)
            yield from act.next.items()
            others = (
                ("silence", act.silence),
                ("not understood", act.not_understood),
                ("failed", act.failed),
                ("left", act.left),
            )
            yield from ((name, other) for name, other in others if isinstance(other, Target))
        case Switch():
            yield from act.cases.items()
            if act.next is not None:
                yield "else", act.next
        case LookUp() | WaitForLeg():
            yield "", act.next
            if act.failed is not None:
                yield "failed", act.failed
        case _:
            yield from (("", target) for target in step.targets())


def _said(branch: Branch, language: str) -> str:
    words = branch.words.get(language, ())
    return ", ".join([*words[:MOST_WORDS], *(f"key {keys}" for keys in branch.keys)])


def _end_of(target: Target, step: Step) -> str:
    if target.step == AGAIN:
        return _id(step.name)
    return "back" if target.step == BACK else _id(target.step)


def _arrow(label: str) -> str:
    return f'-->|"{_safe(label)}"|' if label else "-->"


def _id(name: str) -> str:
    """Return a node's name: some words, such as `end`, are Mermaid's own."""
    return f"step_{name}"


def _safe(text: str) -> str:
    """Return a text that ends no label, nor begins markup, cut to one line's length."""
    cut = text if len(text) <= LONGEST_TEXT else f"{text[: LONGEST_TEXT - 1]}…"
    marks = {'"': "#quot;", "#": "#35;", "<": "#lt;", ">": "#gt;", "`": "'"}
    return "".join(marks.get(sign, sign) for sign in cut)
