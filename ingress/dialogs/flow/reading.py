"""A flow from its file: every key, text and number checked, all mistakes reported together."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from actors.checks.languages import primary
from ingress.dialogs.flow.checking import check
from ingress.dialogs.flow.document import FlowError, Node, Problems, parsed, read_bytes
from ingress.dialogs.flow.model import (
    AGAIN,
    BACK,
    Act,
    Ask,
    Branch,
    End,
    Entry,
    Flow,
    Go,
    HandOver,
    HangUpLeg,
    KeysChoice,
    ListenChoice,
    LookUp,
    Prompt,
    Slot,
    SlotKind,
    Step,
    Switch,
    Target,
    Text,
    WaitForLeg,
)
from ingress.dialogs.flow.texts import COMMON
from ingress.dialogs.matching.phrases import requests
from ingress.dialogs.matching.vocabulary import VOCABULARIES
from ingress.link.messages import LegName

NAME = re.compile(r"[A-Za-z_]\w{0,63}", re.ASCII)
VARIABLE = re.compile(r"[A-Z][A-Z0-9_]{0,31}")
KEYS = re.compile(r"[0-9A-D*#]{1,16}")
REQUESTS = frozenset(VOCABULARIES["en"].requests)
"""Words that every language has: `words: operator`."""
DEFAULT_RETRIES = 2
DEFAULT_TIMEOUT_S = 45.0
LONGEST_WORDS = 100
"""Characters of one phrase."""
MOST_PHRASES = 200
"""Of one list."""
MOST_SLOTS = 50
MOST_DIGITS = 32
MOST_DAYS = 3_660

TOP_KEYS = ("languages", "start", "slots", "anywhere", "failed", "left", "steps")
SLOT_KEYS: Mapping[SlotKind, tuple[str, ...]] = {
    SlotKind.NUMBER: ("minimum", "maximum"),
    SlotKind.DIGITS: ("length",),
    SlotKind.DATE: ("days",),
    SlotKind.NAME: ("names", "file"),
}
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

Item = TypeVar("Item")


def read_flow(path: str | Path) -> Flow:
    """Return the flow of a file. Raises FlowError with all that is wrong: file, line, column, remedy."""
    file = Path(path)
    contents = {str(path): read_bytes(file)}
    problems = Problems()
    root = parsed(contents[str(path)], str(path), problems)
    flow = _Reader(problems, file.parent, contents).flow(root)
    check(flow, problems)
    if problems.found:
        raise FlowError(problems.found)
    return flow


class _Reader:
    """Makes the parts of a flow of nodes."""

    def __init__(self, problems: Problems, folder: Path, contents: dict[str, bytes]) -> None:
        """`contents`: of the flow's files; those that it names are added."""
        self._problems = problems
        self._folder = folder
        self._contents = contents
        self._languages: tuple[str, ...] = ()

    def flow(self, root: Node) -> Flow:
        """Return the flow; only of use if there are no problems."""
        add = self._problems.add
        top = self._problems.table(root, TOP_KEYS, "at the top of the file")
        for key in ("languages", "steps"):
            if key not in top:
                add(root.place, f"{key!r} is missing")
        self._languages = self._read_languages(top["languages"]) if "languages" in top else ()
        slots = self._named(top.get("slots"), self._slot)
        if len(slots) > MOST_SLOTS:
            add(top["slots"].place, f"{len(slots)} slots; {MOST_SLOTS} at most: they travel with the call")
        steps = self._named(top.get("steps"), self._step)
        if "steps" in top and not steps:
            add(top["steps"].place, "a flow has at least one step")
        anywhere = self._branches(top["anywhere"]) if "anywhere" in top else ()
        start = self._problems.text(top["start"]) if "start" in top else next(iter(steps), "")
        if start and start not in steps:
            target = top["start"]
            self._problems.one_of(target, steps, "step")
        return Flow(
            files=tuple(self._contents),
            digest=digest_of(self._contents.values()),
            languages=self._languages or ("en",),
            slots=slots,
            steps=steps,
            start=start,
            anywhere=anywhere,
            failed=self._target(top["failed"]) if "failed" in top else None,
            left=self._target(top["left"]) if "left" in top else None,
        )

    def _read_languages(self, node: Node) -> tuple[str, ...]:
        languages = [primary(self._problems.text(item)) for item in self._problems.items(node)]
        for language, item in zip(languages, self._problems.items(node), strict=True):
            if language and language not in COMMON:
                known = ", ".join(COMMON)
                self._problems.add(item.place, f"flows know {known}; not {language!r}")
            elif languages.count(language) > 1:
                self._problems.add(item.place, f"{language!r} is here twice")
        if not languages:
            self._problems.add(node.place, "name at least one language")
        return tuple(dict.fromkeys(language for language in languages if language in COMMON))

    def _named(self, node: Node | None, read: Callable[[str, Node], Item]) -> dict[str, Item]:
        """Return what a table has by name."""
        found: dict[str, Item] = {}
        if node is None:
            return found
        for name, value in self._problems.table(node).items():
            if not NAME.fullmatch(name) or name in (AGAIN, BACK):
                self._problems.add(
                    node.keys[name],
                    f"{name[:64]!r} is no name: letters, digits and _, 64 at most, and not 'again' or 'back'",
                )
            found[name] = read(name, replace(value, place=node.keys[name]))  # its mistakes are at its name
        return found

    # Slots

    def _slot(self, name: str, node: Node) -> Slot:
        problems = self._problems
        all_keys = {"kind", *(key for keys in SLOT_KEYS.values() for key in keys)}
        table = problems.table(node, all_keys, "for a slot, such as {kind: number}")
        if "kind" not in table:
            if isinstance(node.value, dict):
                problems.add(node.place, f"'kind' is missing: one of {', '.join(SlotKind)}")
            return Slot(name, node.place, SlotKind.TEXT)
        written = problems.one_of(table["kind"], SlotKind, "kind")
        kind = SlotKind(written) if written else SlotKind.TEXT
        for key in table.keys() - {"kind", *SLOT_KEYS.get(kind, ())} if written else ():
            problems.add(node.keys[key], f"{key!r} is not for a slot of the kind {kind}")
        minimum, maximum, entries = 0, 999_999, {}
        if kind is SlotKind.NUMBER:
            minimum = problems.whole(table["minimum"], 0, 999_999) if "minimum" in table else 0
            maximum = problems.whole(table["maximum"], 0, 999_999) if "maximum" in table else 999_999
        elif kind is SlotKind.DIGITS:
            lengths = problems.items(table["length"]) if "length" in table else []
            if len(lengths) not in (1, 2):
                problems.add(node.place, "'length' is needed: one number, or the least and the most")
            sizes = [problems.whole(length, 1, MOST_DIGITS) for length in lengths] or [1]
            minimum, maximum = sizes[0], sizes[-1]
        elif kind is SlotKind.DATE:
            maximum = problems.whole(table["days"], 0, MOST_DAYS) if "days" in table else MOST_DAYS
        elif kind is SlotKind.NAME:
            entries = self._entries(node, table)
        if minimum > maximum:
            problems.add(node.place, f"the least ({minimum}) is more than the most ({maximum})")
        return Slot(name, node.place, kind, minimum, maximum, entries)

    def _entries(self, node: Node, table: Mapping[str, Node]) -> dict[str, Entry]:
        problems = self._problems
        if ("names" in table) == ("file" in table):
            problems.add(
                node.place, "a list is needed: 'names', or 'file' with the list in a file of its own"
            )
            return {}
        items = problems.items(table["names"] if "names" in table else self._name_file(table["file"]))
        entries: dict[str, Entry] = {}
        keys: dict[str, str] = {}
        for item in items:
            entry = self._entry(item)
            if entry.name in entries:
                problems.add(item.place, f"{entry.name!r} is here twice; tell the two apart in their names")
            if entry.keys is not None and keys.setdefault(entry.keys, entry.name) != entry.name:
                problems.add(item.place, f"keys {entry.keys!r} are those of {keys[entry.keys]!r} already")
            entries[entry.name] = entry
        if not items:
            problems.add(node.place, "there is no name in this list")
        return entries

    def _name_file(self, node: Node) -> Node:
        path = self._folder / self._problems.text(node)
        try:
            content = read_bytes(path)
            self._contents[str(path)] = content
            return parsed(content, str(path), self._problems)
        except FlowError as error:
            self._problems.found += error.problems
            return Node(node.place, "-", {})

    def _entry(self, item: Node) -> Entry:
        problems = self._problems
        if not isinstance(item.value, dict):
            return Entry(problems.text(item, LONGEST_WORDS))
        table = problems.table(item)
        if "name" not in table:
            problems.add(item.place, "'name' is missing")
        written = {key: value for key, value in table.items() if key != "aliases"}
        fields = {key: problems.text(value, LONGEST_WORDS) for key, value in written.items()}
        for key in fields:
            if not NAME.fullmatch(key):
                problems.add(item.keys[key], f"{key!r} is no name of a field: letters, digits and _")
        keys = table.get("keys")
        return Entry(
            name=fields.get("name", ""),
            aliases=tuple(self._phrases(table["aliases"])) if "aliases" in table else (),
            keys=self._keys(keys) if keys is not None else None,
            fields=fields,
        )

    # Steps

    def _step(self, name: str, node: Node) -> Step:
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
            say=self._prompt(table["say"]) if "say" in table else None,
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
                    next=self._next(node, table),
                    failed=self._optional(table, "failed", self._target),
                    meanwhile=self._optional(table, "meanwhile", self._prompt),
                )
            case "lookup":
                return LookUp(
                    place=table["lookup"].place,
                    name=problems.text(table["lookup"]),
                    values=self._texts(table["with"]) if "with" in table else {},
                    store=self._store(table["store"]) if "store" in table else {},
                    next=self._next(node, table),
                    failed=self._optional(table, "failed", self._target),
                )
            case "switch":
                cases = problems.table(table["cases"]) if "cases" in table else {}
                if not cases:
                    problems.add(node.place, "'cases' is missing: values of the slot, and the step for each")
                return Switch(
                    place=table["switch"].place,
                    slot=problems.text(table["switch"]),
                    cases={value: self._target(target) for value, target in cases.items()},
                    next=self._optional(table, "next", self._target),
                )
            case "transfer":
                reason = problems.text(table["reason"], 256) if "reason" in table else ""
                return HandOver(table["transfer"].place, problems.text(table["transfer"], 256), reason)
            case "end":
                written = table["end"]
                return End("" if written.value is None else problems.text(written, 256))
            case "hang_up":
                problems.one_of(table["hang_up"], ("return",), "leg")
                return HangUpLeg(self._next(node, table))
            case _:
                return Go(self._next(node, table))

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
            following = {answer: self._target(target) for answer, target in answers.items()}
        elif slot is not None:
            following = {"": self._next(node, table)}
        if "say" not in table:
            problems.add(node.place, "a question needs 'say'")
        retries = problems.whole(table["retries"], 0, 20) if "retries" in table else DEFAULT_RETRIES
        return Ask(
            slot=slot,
            slot_place=table["ask"].place if "ask" in table else node.place,
            branches=self._branches(table["branches"]) if "branches" in table else (),
            next=following,
            confirm=self._optional(table, "confirm", self._prompt),
            again=self._optional(table, "again", self._prompt),
            silence=self._optional(table, "silence", self._prompt_or_target),
            not_understood=self._optional(table, "not_understood", self._prompt_or_target),
            meanwhile=self._optional(table, "meanwhile", self._prompt),
            retries=retries,
            failed=self._optional(table, "failed", self._target),
            left=self._optional(table, "left", self._target),
            listen=self._listen(table["listen"]) if "listen" in table else ListenChoice(),
            keys=self._keys_choice(table["keys"]) if "keys" in table else None,
        )

    def _branches(self, node: Node) -> tuple[Branch, ...]:
        problems = self._problems
        branches = []
        for item in problems.items(node):
            table = problems.table(item, ("words", "keys", "next"), "for a branch")
            if isinstance(item.value, dict) and not {"words", "keys"} & table.keys():
                problems.add(item.place, "a branch needs 'words' or 'keys'")
            keys = problems.items(table["keys"]) if "keys" in table else []
            branches.append(
                Branch(
                    place=item.place,
                    words=self._words(table["words"]) if "words" in table else {},
                    keys=tuple(self._keys(key) for key in keys),
                    target=self._next(item, table),
                )
            )
        return tuple(branches)

    def _words(self, node: Node) -> dict[str, tuple[str, ...]]:
        """Return phrases by language: those of a request that all languages have, or those written."""
        if isinstance(node.value, str) and node.value in REQUESTS:
            return {language: tuple(requests(node.value, language)) for language in self._languages}
        if not isinstance(node.value, dict) and len(self._languages) > 1:
            known = ", ".join(sorted(REQUESTS))
            self._problems.add(node.place, f"words by language are needed, or one of {known}")
            return {}
        by_language = self._by_language(node)
        return {language: tuple(self._phrases(words)) for language, words in by_language.items()}

    def _by_language(self, node: Node) -> dict[str, Node]:
        """Return what stands for each language; of a flow with one, the node itself may."""
        problems = self._problems
        if not isinstance(node.value, dict):
            if len(self._languages) == 1:
                return {self._languages[0]: node}
            if self._languages:
                problems.add(node.place, f"a table by language is needed: {', '.join(self._languages)}")
            return {}
        table = problems.table(node)
        found: dict[str, Node] = {}
        for key, value in table.items():
            if primary(key) in self._languages:
                found[primary(key)] = value
            else:
                problems.add(
                    node.keys[key], f"{key!r} is no language of this flow ({', '.join(self._languages)})"
                )
        for language in self._languages:
            if language not in found:
                problems.add(node.place, f"{language!r} is missing here")
        return found

    def _prompt(self, node: Node) -> Prompt:
        is_one_text = isinstance(node.value, dict) and "text" in node.value
        if is_one_text and len(self._languages) == 1:
            return Prompt(node.place, {self._languages[0]: self._wording(node)})
        texts = {language: self._wording(text) for language, text in self._by_language(node).items()}
        return Prompt(node.place, texts)

    def _wording(self, node: Node) -> Text:
        problems = self._problems
        if not isinstance(node.value, dict):
            return Text(node.place, problems.text(node))
        table = problems.table(node, ("text", "short"), "for a text")
        if "text" not in table:
            problems.add(node.place, "'text' is missing")
        short = problems.text(table["short"]) if "short" in table else None
        return Text(node.place, problems.text(table["text"]) if "text" in table else "", short)

    def _prompt_or_target(self, node: Node) -> Prompt | Target:
        if isinstance(node.value, dict) and node.value.keys() == {"next"}:
            return self._target(node.value["next"])
        return self._prompt(node)

    # Small parts

    def _phrases(self, node: Node) -> Iterable[str]:
        items = self._problems.items(node)
        if len(items) > MOST_PHRASES:
            self._problems.add(node.place, f"{len(items)} phrases; {MOST_PHRASES} at most")
        for item in items:
            phrase = self._problems.text(item, LONGEST_WORDS)
            if phrase:
                yield phrase

    def _audio_file(self, node: Node) -> str:
        path = self._problems.text(node, 256)
        if path.startswith("/") or ".." in Path(path).parts:
            self._problems.add(node.place, "a path below dialog.audio_folder is needed")
        return path

    def _keys(self, node: Node) -> str:
        keys = self._problems.text(node, 16)
        if keys and not KEYS.fullmatch(keys):
            self._problems.add(node.place, f"{keys!r} are no keys: 0 to 9, *, #, A to D, 16 at most")
        return keys

    def _keys_choice(self, node: Node) -> KeysChoice:
        problems = self._problems
        table = problems.table(node, ("count", "terminator", "gap_s"), "for keys")
        terminator = table.get("terminator")
        key: str | None = "#"
        if terminator is not None:
            key = None if terminator.value in (None, "none") else self._keys(terminator)
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
        words = self._by_language(table["hot_words"]) if "hot_words" in table else {}
        silence = table.get("end_silence_ms")
        return ListenChoice(
            end_silence_ms=problems.whole(silence, 100, 5_000) if silence is not None else None,
            no_input_s=self._number(table, "no_input_s", 1.0, 600.0, 0.0) or None,
            hot_words={language: tuple(self._phrases(each)) for language, each in words.items()},
        )

    def _variables(self, node: Node) -> dict[str, Text]:
        for name in self._problems.table(node):
            if not VARIABLE.fullmatch(name):
                self._problems.add(
                    node.keys[name],
                    f"{name[:32]!r} is no variable: capital letters, digits and _, 32 at most",
                )
        return self._texts(node)

    def _texts(self, node: Node) -> dict[str, Text]:
        texts = self._problems.table(node).items()
        return {name: Text(text.place, self._problems.text(text, 256)) for name, text in texts}

    def _store(self, node: Node) -> dict[str, tuple[str, ...]]:
        return {slot: tuple(path.text.split(".")) for slot, path in self._texts(node).items()}

    def _next(self, node: Node, table: Mapping[str, Node]) -> Target:
        if "next" in table:
            return self._target(table["next"])
        if isinstance(node.value, dict):
            self._problems.add(node.place, "'next' is missing: this leads nowhere")
        return Target(node.place, "")

    def _target(self, node: Node) -> Target:
        return Target(node.place, self._problems.text(node))

    def _number(
        self, table: Mapping[str, Node], key: str, least: float, most: float, default: float
    ) -> float:
        return self._problems.number(table[key], least, most) if key in table else default

    def _optional(self, table: Mapping[str, Node], key: str, read: Callable[[Node], Item]) -> Item | None:
        return read(table[key]) if key in table else None


def digest_of(contents: Iterable[bytes]) -> str:
    """Return what tells the contents of a flow's files from others."""
    digest = hashlib.sha256()
    for content in contents:
        digest.update(content)
    return digest.hexdigest()[:16]


def _leg(name: str) -> LegName:
    return "return" if name == "return" else "caller"
