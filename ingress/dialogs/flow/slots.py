"""The slots of a flow, and their lists of names."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ingress.dialogs.flow.document import FlowError, Node, Problems, parsed, read_bytes
from ingress.dialogs.flow.model import Entry, Slot, SlotKind
from ingress.dialogs.flow.parts import LONGEST_WORDS, NAME, Parts

MOST_DIGITS = 32
MOST_DAYS = 3_660
SLOT_KEYS: Mapping[SlotKind, tuple[str, ...]] = {
    SlotKind.NUMBER: ("minimum", "maximum"),
    SlotKind.DIGITS: ("length",),
    SlotKind.DATE: ("days",),
    SlotKind.NAME: ("names", "file"),
}


class SlotReader:
    """Makes slots of nodes."""

    def __init__(self, parts: Parts, problems: Problems, folder: Path, contents: dict[str, bytes]) -> None:
        """`contents`: of the flow's files; those that slots name are added."""
        self._parts = parts
        self._problems = problems
        self._folder = folder
        self._contents = contents

    def slot(self, name: str, node: Node) -> Slot:
        """Return one slot."""
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
            aliases=tuple(self._parts.phrases(table["aliases"])) if "aliases" in table else (),
            keys=self._parts.keys(keys) if keys is not None else None,
            fields=fields,
        )
