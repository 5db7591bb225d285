"""A flow from its file: every key, text and number checked, all mistakes reported together."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

from actors.checks.languages import primary
from ingress.dialogs.flow.checking import check
from ingress.dialogs.flow.document import FlowError, Node, Problems, parsed, read_bytes
from ingress.dialogs.flow.model import AGAIN, BACK, Flow
from ingress.dialogs.flow.parts import NAME, Item, Parts
from ingress.dialogs.flow.slots import SlotReader
from ingress.dialogs.flow.steps import StepReader
from ingress.dialogs.flow.texts import COMMON

MOST_SLOTS = 50
TOP_KEYS = ("languages", "start", "slots", "anywhere", "failed", "left", "steps")


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
    """Makes a flow of nodes."""

    def __init__(self, problems: Problems, folder: Path, contents: dict[str, bytes]) -> None:
        """`contents`: of the flow's files; those that it names are added."""
        self._problems = problems
        self._folder = folder
        self._contents = contents

    def flow(self, root: Node) -> Flow:
        """Return the flow; only of use if there are no problems."""
        add = self._problems.add
        top = self._problems.table(root, TOP_KEYS, "at the top of the file")
        for key in ("languages", "steps"):
            if key not in top:
                add(root.place, f"{key!r} is missing")
        languages = self._read_languages(top["languages"]) if "languages" in top else ()
        parts = Parts(self._problems, languages)
        slots = self._named(
            top.get("slots"), SlotReader(parts, self._problems, self._folder, self._contents).slot
        )
        if len(slots) > MOST_SLOTS:
            add(top["slots"].place, f"{len(slots)} slots; {MOST_SLOTS} at most: they travel with the call")
        steps = self._named(top.get("steps"), StepReader(parts, self._problems).step)
        if "steps" in top and not steps:
            add(top["steps"].place, "a flow has at least one step")
        anywhere = parts.branches(top["anywhere"]) if "anywhere" in top else ()
        start = self._problems.text(top["start"]) if "start" in top else next(iter(steps), "")
        if start and start not in steps:
            target = top["start"]
            self._problems.one_of(target, steps, "step")
        return Flow(
            files=tuple(self._contents),
            digest=digest_of(self._contents.values()),
            languages=languages or ("en",),
            slots=slots,
            steps=steps,
            start=start,
            anywhere=anywhere,
            failed=parts.target(top["failed"]) if "failed" in top else None,
            left=parts.target(top["left"]) if "left" in top else None,
        )

    def _read_languages(self, node: Node) -> tuple[str, ...]:
        languages = [primary(self._problems.text(item)) for item in self._problems.items(node)]
        for language, item in zip(languages, self._problems.items(node), strict=True):
            if language and language not in COMMON:
                known = ", ".join(COMMON)
                self._problems.add(item.place, f"a flow may have {known}; not {language!r}")
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


def digest_of(contents: Iterable[bytes]) -> str:
    """Return what tells the contents of a flow's files from others."""
    digest = hashlib.sha256()
    for content in contents:
        digest.update(content)
    return digest.hexdigest()[:16]
