"""The steps of a flow, and the questions among them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ingress.dialogs.flow.document import Node, Problems
from ingress.dialogs.flow.model import (
    Act,
    Ask,
    End,
    Go,
    HandOver,
    HangUpLeg,
    KeysChoice,
    ListenChoice,
    LookUp,
    Step,
    Switch,
    Target,
    Text,
    WaitForLeg,
)
from ingress.dialogs.flow.parts import Parts
from ingress.dialogs.flow.slots import MOST_DIGITS
from ingress.dialogs.outcome import VARIABLE
from ingress.link.messages import LegName

DEFAULT_RETRIES = 2
DEFAULT_TIMEOUT_S = 45.0
COMMON_KEYS = ("say", "play", "leg", "may_interrupt", "set")
ACT_KEYS: Mapping[str, tuple[str, ...]] = {
    "ask": (
        "branches", "confirm", "again", "silence", "not_understood", "meanwhile", "retries", "failed", "left",
        "listen", "keys", "next",
    ),
    "wait_for": ("timeout_s", "failed", "meanwhile", "next"),
    "lookup": ("with", "store", "failed", "next"),
    "switch": ("cases", "next"),
    "transfer": ("reason",),
    "end": (),
    "hang_up": ("next",),
    "next": (),
}  # fmt: skip
"""What makes a step what it is, and the keys that go with it. `branches` alone asks as well."""


class StepReader:
    """Makes steps of nodes."""

    def __init__(self, parts: Parts, problems: Problems) -> None:
        self._parts = parts
        self._problems = problems

    def step(self, name: str, node: Node) -> Step:
        """Return one step."""
        problems = self._problems
        all_keys = {*COMMON_KEYS, *ACT_KEYS, *(key for keys in ACT_KEYS.values() for key in keys)}
        table = problems.table(node, all_keys, "for a step")
        kinds = [kind for kind in ACT_KEYS if kind in table and kind != "next"]
        if "branches" in table and "ask" not in kinds:
            kinds.append("ask")
        kind = kinds[0] if kinds else "next"
        if len(kinds) > 1:
            problems.add(node.place, f"{kinds[0]!r} and {kinds[1]!r} cannot be in one step: make two of it")
        elif isinstance(node.value, dict):
            for key in table.keys() - {*COMMON_KEYS, kind, *ACT_KEYS[kind]}:
                problems.add(node.keys[key], f"{key!r} is not for a step with {kind!r}")
        # To interrupt what is said before one of these would have it done again.
        acts_once = kind in ("end", "transfer", "lookup")
        said = table.get("may_interrupt")
        leg = problems.one_of(table["leg"], ("caller", "return"), "leg") if "leg" in table else "caller"
        return Step(
            name=name,
            place=node.place,
            say=self._parts.prompt(table["say"]) if "say" in table else None,
            play=self._audio_file(table["play"]) if "play" in table else None,
            leg=_leg(leg),
            may_interrupt=problems.boolean(said) if said is not None else not acts_once,
            variables=self._variables(table["set"]) if "set" in table else {},
            act=self._act(kind, node, table),
        )

    def _act(self, kind: str, node: Node, table: Mapping[str, Node]) -> Act:
        problems = self._problems
        match kind:
            case "ask":
                return self._ask(node, table)
            case "wait_for":
                problems.one_of(table["wait_for"], ("return",), "leg")
                return WaitForLeg(
                    timeout_s=self._number(table, "timeout_s", 1.0, 600.0, DEFAULT_TIMEOUT_S),
                    next=self._parts.next(node, table),
                    failed=self._parts.optional(table, "failed", self._parts.target),
                    meanwhile=self._parts.optional(table, "meanwhile", self._parts.prompt),
                )
            case "lookup":
                return LookUp(
                    place=table["lookup"].place,
                    name=problems.text(table["lookup"]),
                    values=self._parts.texts(table["with"]) if "with" in table else {},
                    store=self._store(table["store"]) if "store" in table else {},
                    next=self._parts.next(node, table),
                    failed=self._parts.optional(table, "failed", self._parts.target),
                )
            case "switch":
                cases = problems.table(table["cases"]) if "cases" in table else {}
                if not cases:
                    problems.add(node.place, "'cases' is missing: values of the slot, and the step for each")
                return Switch(
                    place=table["switch"].place,
                    slot=problems.text(table["switch"]),
                    cases={value: self._parts.target(target) for value, target in cases.items()},
                    next=self._parts.optional(table, "next", self._parts.target),
                )
            case "transfer":
                reason = problems.text(table["reason"], 256) if "reason" in table else ""
                return HandOver(table["transfer"].place, problems.text(table["transfer"], 256), reason)
            case "end":
                written = table["end"]
                return End("" if written.value is None else problems.text(written, 256))
            case "hang_up":
                problems.one_of(table["hang_up"], ("return",), "leg")
                return HangUpLeg(self._parts.next(node, table))
            case _:
                return Go(self._parts.next(node, table))

    def _ask(self, node: Node, table: Mapping[str, Node]) -> Ask:
        problems = self._problems
        slot = problems.text(table["ask"]) if "ask" in table else None
        following: dict[str, Target] = {}
        if slot is None and "next" in table:
            problems.add(node.keys["next"], "a step with branches alone has no 'next': only they lead on")
        elif "next" in table and isinstance(table["next"].value, dict):
            answers = problems.table(table["next"], ("yes", "no"), "of a question for yes or no")
            for answer in {"yes", "no"} - answers.keys():
                problems.add(table["next"].place, f"{answer!r} is missing: where that answer leads")
            following = {answer: self._parts.target(target) for answer, target in answers.items()}
        elif slot is not None:
            following = {"": self._parts.next(node, table)}
        if "say" not in table:
            problems.add(node.place, "a question needs 'say'")
        retries = problems.whole(table["retries"], 0, 20) if "retries" in table else DEFAULT_RETRIES
        return Ask(
            slot=slot,
            slot_place=table["ask"].place if "ask" in table else node.place,
            branches=self._parts.branches(table["branches"]) if "branches" in table else (),
            next=following,
            confirm=self._parts.optional(table, "confirm", self._parts.prompt),
            again=self._parts.optional(table, "again", self._parts.prompt),
            silence=self._parts.optional(table, "silence", self._parts.prompt_or_target),
            not_understood=self._parts.optional(table, "not_understood", self._parts.prompt_or_target),
            meanwhile=self._parts.optional(table, "meanwhile", self._parts.prompt),
            retries=retries,
            failed=self._parts.optional(table, "failed", self._parts.target),
            left=self._parts.optional(table, "left", self._parts.target),
            listen=self._listen(table["listen"]) if "listen" in table else ListenChoice(),
            keys=self._keys_choice(table["keys"]) if "keys" in table else None,
        )

    def _audio_file(self, node: Node) -> str:
        path = self._problems.text(node, 256)
        if path.startswith("/") or ".." in Path(path).parts:
            self._problems.add(node.place, "a path below dialog.audio_folder is needed")
        return path

    def _keys_choice(self, node: Node) -> KeysChoice:
        problems = self._problems
        table = problems.table(node, ("count", "terminator", "gap_s"), "for keys")
        terminator = table.get("terminator")
        key: str | None = "#"
        if terminator is not None:
            key = None if terminator.value in (None, "none") else self._parts.keys(terminator)
            if key is not None and len(key) != 1:
                problems.add(terminator.place, "one key, or none")
        return KeysChoice(
            count=problems.whole(table["count"], 1, MOST_DIGITS) if "count" in table else None,
            terminator=key,
            gap_s=self._number(table, "gap_s", 0.5, 60.0, 3.0),
        )

    def _listen(self, node: Node) -> ListenChoice:
        problems = self._problems
        table = problems.table(node, ("end_silence_ms", "no_input_s", "hot_words"), "for listening")
        words = self._parts.by_language(table["hot_words"]) if "hot_words" in table else {}
        silence = table.get("end_silence_ms")
        return ListenChoice(
            end_silence_ms=problems.whole(silence, 100, 5_000) if silence is not None else None,
            no_input_s=self._number(table, "no_input_s", 1.0, 600.0, 0.0) or None,
            hot_words={language: tuple(self._parts.phrases(each)) for language, each in words.items()},
        )

    def _variables(self, node: Node) -> dict[str, Text]:
        for name in self._problems.table(node):
            if not VARIABLE.fullmatch(name):
                self._problems.add(
                    node.keys[name],
                    f"{name[:32]!r} is no variable: capital letters, digits and _, 32 at most",
                )
        return self._parts.texts(node)

    def _store(self, node: Node) -> dict[str, tuple[str, ...]]:
        return {slot: tuple(path.text.split(".")) for slot, path in self._parts.texts(node).items()}

    def _number(
        self, table: Mapping[str, Node], key: str, least: float, most: float, default: float
    ) -> float:
        return self._problems.number(table[key], least, most) if key in table else default


def _leg(name: str) -> LegName:
    return "return" if name == "return" else "caller"
