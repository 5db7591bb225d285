"""Where a call is in its flow: the dialog's state, a small JSON object that travels with the call."""

from __future__ import annotations

from pydantic import JsonValue

from ingress.dialogs.flow.model import Flow, Step
from ingress.link.messages import DialogState


class Progress:
    """Reads and writes the state in place."""

    def __init__(self, state: DialogState, flow: Flow) -> None:
        self._state = state
        self._flow = flow

    @property
    def is_new(self) -> bool:
        """Whether no step has begun yet, or nothing was heard of it."""
        return "step" not in self._state

    @property
    def step(self) -> Step | None:
        """The step that the call is in; None if the flow has no such step any more."""
        return self._flow.steps.get(str(self._state.get("step", self._flow.start)))

    def enter(self, step: Step) -> None:
        """Begin a step."""
        self._state["step"] = step.name
        self._state.pop("tries", None)
        self._state.pop("pending", None)
        self._state.pop("waits_since_s", None)

    @property
    def tries(self) -> int:
        """How often the step's question was answered in vain."""
        tries = self._state.get("tries", 0)
        return tries if isinstance(tries, int) else 0

    @tries.setter
    def tries(self, tries: int) -> None:
        self._state["tries"] = tries

    def waited_s(self, now_s: float, most_s: float) -> float:
        """Return how long the step has waited for the other leg; the wait begins now, if it has not.

        It begins anew where more than `most_s` or less than nothing has passed: on another machine, whose
        clock is another.
        """
        since_s = self._state.get("waits_since_s")
        if not isinstance(since_s, int | float) or not 0.0 <= now_s - since_s <= most_s:
            self._state["waits_since_s"] = since_s = now_s
        return now_s - since_s

    @property
    def pending(self) -> JsonValue:
        """The answer that is to be confirmed; None: there is none."""
        return self._state.get("pending")

    @pending.setter
    def pending(self, value: JsonValue) -> None:
        if value is None:
            self._state.pop("pending", None)
        else:
            self._state["pending"] = value

    def note_unheard(self) -> None:
        """The question was interrupted before it was heard to its end: a yes to it is none."""
        self._state["unheard"] = True

    def take_unheard(self) -> bool:
        """Return whether that was noted, and forget it: it holds for one answer."""
        return bool(self._state.pop("unheard", False))

    @property
    def back(self) -> Step | None:
        """The question that was left by a branch of `anywhere`."""
        return self._flow.steps.get(str(self._state.get("back")))

    def leave(self, step: Step) -> None:
        """Remember the question that a branch of `anywhere` leads away from."""
        self._state["back"] = step.name

    @property
    def slots(self) -> dict[str, JsonValue]:
        """What was found out, by slot."""
        slots = self._state.setdefault("slots", {})
        return slots if isinstance(slots, dict) else {}
