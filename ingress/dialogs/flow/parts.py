"""The parts that steps and slots of a flow are made of: texts, words, keys, branches, targets."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from actors.checks.languages import primary
from ingress.dialogs.flow.document import Node, Problems
from ingress.dialogs.flow.model import Branch, Prompt, Target, Text
from ingress.dialogs.matching.phrases import requests
from ingress.dialogs.matching.vocabulary import VOCABULARIES

NAME = re.compile(r"[A-Za-z_]\w{0,63}", re.ASCII)
KEYS = re.compile(r"[0-9A-D*#]{1,16}")
REQUESTS = frozenset(VOCABULARIES["en"].requests)
"""Words that every language has: `words: operator`."""
LONGEST_WORDS = 100
"""Characters of one phrase."""
MOST_PHRASES = 200
"""Of one list."""

Item = TypeVar("Item")


class Parts:
    """Makes them of nodes, in the languages of the flow."""

    def __init__(self, problems: Problems, languages: Sequence[str]) -> None:
        self._problems = problems
        self._languages = languages

    def branches(self, node: Node) -> tuple[Branch, ...]:
        """Return a list of branches."""
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
                    words=self.words(table["words"]) if "words" in table else {},
                    keys=tuple(self.keys(key) for key in keys),
                    target=self.next(item, table),
                )
            )
        return tuple(branches)

    def words(self, node: Node) -> dict[str, tuple[str, ...]]:
        """Return phrases by language: those of a request that all languages have, or those written."""
        if isinstance(node.value, str) and node.value in REQUESTS:
            return {language: tuple(requests(node.value, language)) for language in self._languages}
        if not isinstance(node.value, dict) and len(self._languages) > 1:
            known = ", ".join(sorted(REQUESTS))
            self._problems.add(node.place, f"words by language are needed, or one of {known}")
            return {}
        by_language = self.by_language(node)
        return {language: tuple(self.phrases(words)) for language, words in by_language.items()}

    def by_language(self, node: Node) -> dict[str, Node]:
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

    def prompt(self, node: Node) -> Prompt:
        """Return what is said, in each language."""
        is_one_text = isinstance(node.value, dict) and "text" in node.value
        if is_one_text and len(self._languages) == 1:
            return Prompt(node.place, {self._languages[0]: self.wording(node)})
        texts = {language: self.wording(text) for language, text in self.by_language(node).items()}
        return Prompt(node.place, texts)

    def wording(self, node: Node) -> Text:
        """Return one text, with its shorter wording if it has one."""
        problems = self._problems
        if not isinstance(node.value, dict):
            return Text(node.place, problems.text(node))
        table = problems.table(node, ("text", "short"), "for a text")
        if "text" not in table:
            problems.add(node.place, "'text' is missing")
        short = problems.text(table["short"]) if "short" in table else None
        return Text(node.place, problems.text(table["text"]) if "text" in table else "", short)

    def prompt_or_target(self, node: Node) -> Prompt | Target:
        """Return what is said, or the step of `{next: STEP}`."""
        if isinstance(node.value, dict) and node.value.keys() == {"next"}:
            return self.target(node.value["next"])
        return self.prompt(node)

    def phrases(self, node: Node) -> Iterable[str]:
        """Yield the phrases of a list."""
        items = self._problems.items(node)
        if len(items) > MOST_PHRASES:
            self._problems.add(node.place, f"{len(items)} phrases; {MOST_PHRASES} at most")
        for item in items:
            phrase = self._problems.text(item, LONGEST_WORDS)
            if phrase:
                yield phrase

    def keys(self, node: Node) -> str:
        """Return keys of a telephone."""
        keys = self._problems.text(node, 16)
        if keys and not KEYS.fullmatch(keys):
            self._problems.add(node.place, f"{keys!r} are no keys: 0 to 9, *, #, A to D, 16 at most")
        return keys

    def texts(self, node: Node) -> dict[str, Text]:
        """Return texts by name."""
        texts = self._problems.table(node).items()
        return {name: Text(text.place, self._problems.text(text, 256)) for name, text in texts}

    def next(self, node: Node, table: Mapping[str, Node]) -> Target:
        """Return where a step or branch leads."""
        if "next" in table:
            return self.target(table["next"])
        if isinstance(node.value, dict):
            self._problems.add(node.place, "'next' is missing: this leads nowhere")
        return Target(node.place, "")

    def target(self, node: Node) -> Target:
        """Return the step that is named."""
        return Target(node.place, self._problems.text(node))

    def optional(self, table: Mapping[str, Node], key: str, read: Callable[[Node], Item]) -> Item | None:
        """Return what `read` makes of a key's value; None without it."""
        return read(table[key]) if key in table else None
