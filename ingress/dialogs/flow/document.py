"""A YAML file as nodes with their places in it, read within bounds; what is wrong is collected.

| bound | against |
|---|---|
| 1 MiB | a device, a log file |
| 16 levels | brackets without end |
| 50,000 nodes, those of an alias counted each time | "billion laughs" |
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from rapidfuzz import fuzz, process

from actors.errors import ConfigurationError
from ingress.dialogs.file_content import file_content

MAXIMUM_BYTES = 1024 * 1024
MAXIMUM_LEVELS = 16
MAXIMUM_NODES = 50_000
MOST_PROBLEMS = 100
HINT_SCORE = 60.0
"""Of 100, of rapidfuzz's ratio: from there on another name may have been meant."""

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml's is ten times as fast
_NULL_TAG = "tag:yaml.org,2002:null"


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where something stands; line and column count from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake, with the remedy."""

    place: Place
    message: str

    def __str__(self) -> str:
        return f"{self.place}: {self.message}"


class FlowError(ConfigurationError):
    """A flow that cannot be used: all that is wrong with it."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(dict.fromkeys(sorted(problems, key=lambda problem: problem.place)))
        super().__init__("\n".join(map(str, self.problems)))


@dataclass(frozen=True, slots=True)
class Node:
    """One value: a text (None: nothing is written), a list, or a table."""

    place: Place
    value: str | list[Node] | dict[str, Node] | None
    keys: Mapping[str, Place]
    """Of a table: where each key stands."""

    @property
    def kind(self) -> str:
        """What it is, for messages."""
        if self.value is None:
            return "nothing"
        if isinstance(self.value, dict):
            return "a table"
        return "a list" if isinstance(self.value, list) else "a text"


class Problems:
    """What is wrong, as it is found."""

    def __init__(self) -> None:
        self.found: list[Problem] = []

    def add(self, place: Place, message: str) -> None:
        """Note one mistake. Raises FlowError when there are so many that no more need be looked for."""
        self.found.append(Problem(place, message))
        if len(self.found) >= MOST_PROBLEMS:
            more = Problem(place, f"these are {MOST_PROBLEMS} mistakes: no more were looked for")
            raise FlowError([*self.found, more])

    def table(self, node: Node, known: Iterable[str] | None = None, of: str = "here") -> dict[str, Node]:
        """Return a table's values, without the keys that are not known; empty if it is no table."""
        if not isinstance(node.value, dict):
            self.add(node.place, f"a table is needed {of}, not {node.kind}")
            return {}
        if known is None:
            return node.value
        names = sorted(known)
        for key in node.value.keys() - set(names):
            self.add(node.keys[key], f"unknown key {key!r}; {nearest(key, names)}")
        return {key: value for key, value in node.value.items() if key in names}

    def items(self, node: Node) -> list[Node]:
        """Return the items of a list; a single value is a list of one."""
        return node.value if isinstance(node.value, list) else [node]

    def text(self, node: Node, longest: int = 2_000) -> str:
        """Return a text in one piece; empty if it is none."""
        if isinstance(node.value, str) and len(node.value) <= longest:
            text = " ".join(node.value.split())
            if text and text.isprintable():
                return text
            self.add(
                node.place, "a control character is in this text" if text else "there is nothing in this text"
            )
        elif isinstance(node.value, str):
            self.add(node.place, f"this text has {len(node.value)} characters; {longest} at most")
        else:
            self.add(node.place, f"a text is needed, not {node.kind}")
        return ""

    def number(self, node: Node, least: float, most: float) -> float:
        """Return a number within bounds; the least if it is none."""
        try:
            number = float(node.value) if isinstance(node.value, str) else None
        except ValueError:
            number = None
        if number is not None and least <= number <= most:
            return number
        self.add(node.place, f"a number from {least:g} to {most:g} is needed")
        return least

    def whole(self, node: Node, least: int, most: int) -> int:
        """Return a whole number within bounds; the least if it is none."""
        number = self.number(node, least, most)
        if number != int(number):
            self.add(node.place, "a whole number is needed")
        return int(number)

    def boolean(self, node: Node) -> bool:
        """Return true or false."""
        words = {"true": True, "yes": True, "false": False, "no": False}
        known = words.get(node.value.lower()) if isinstance(node.value, str) else None
        if known is None:
            self.add(node.place, "true or false is needed")
        return bool(known)

    def one_of(self, node: Node, choices: Iterable[str], what: str) -> str:
        """Return a text that is one of the choices; empty if it is none."""
        names = sorted(map(str, choices))
        text = self.text(node)
        if text and text not in names:
            self.add(node.place, f"unknown {what} {text!r}; {nearest(text, names)}")
            return ""
        return text


def nearest(wanted: str, names: Iterable[str]) -> str:
    """Return the hint about a name that is not among `names`."""
    known = sorted(names)
    close = process.extractOne(wanted, known, scorer=fuzz.ratio, score_cutoff=HINT_SCORE)
    if close is not None:
        return f"did you mean {close[0]!r}?"
    more = f" and {len(known) - 20} more" if len(known) > 20 else ""
    return f"known here: {', '.join(known[:20]) or 'none'}{more}"


def read_bytes(path: Path) -> bytes:
    """Return what a file holds. Raises FlowError."""
    place = Place(str(path), 1, 1)
    try:
        content = file_content(path, MAXIMUM_BYTES)
    except FileNotFoundError:
        raise FlowError([Problem(place, f"there is no such file (from {Path.cwd()})")]) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise FlowError([Problem(place, f"cannot be read: {reason}")]) from None
    if len(content) > MAXIMUM_BYTES:
        raise FlowError([Problem(place, f"longer than {MAXIMUM_BYTES} bytes; split long lists of names off")])
    return content


def parsed(content: bytes, file: str, problems: Problems) -> Node:
    """Return the document of a file's content. Raises FlowError where it is no YAML, or out of bounds."""
    start = Place(file, 1, 1)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise FlowError([Problem(Place(file, line, 1), "this is not UTF-8; save the file so")]) from None
    try:
        _check_bounds(text, file)
        root = yaml.compose(text, Loader=_LOADER)
    except yaml.MarkedYAMLError as error:
        place = _place(file, error.problem_mark or error.context_mark)
        words = " ".join(filter(None, (error.context, error.problem)))
        has_tab = "\t" in "".join(text.split("\n")[place.line - 1 : place.line])
        hint = "; there is a tab in this line: YAML is indented with spaces" if has_tab else ""
        raise FlowError([Problem(place, f"this is no YAML: {words}{hint}")]) from None
    except yaml.YAMLError as error:
        reason = str(error).splitlines()[0]
        raise FlowError([Problem(start, f"this is no YAML: {reason}")]) from None
    if root is None:
        raise FlowError([Problem(start, "there is nothing in this file")])
    return _Reader(file, problems).node(root, 0)


def _check_bounds(text: str, file: str) -> None:
    """Raise FlowError for what is nested too deeply, or has too many nodes, before nodes are made of it."""
    level = 0
    for count, event in enumerate(yaml.parse(text, Loader=_LOADER)):
        level += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if level > MAXIMUM_LEVELS or count > 2 * MAXIMUM_NODES:
            raise FlowError([_out_of_bounds(_place(file, event.start_mark), level)])


def _out_of_bounds(place: Place, level: int) -> Problem:
    if level > MAXIMUM_LEVELS:
        return Problem(place, f"nested more than {MAXIMUM_LEVELS} levels deep")
    return Problem(place, f"more than {MAXIMUM_NODES} values, those of aliases counted each time")


class _Reader:
    """Makes nodes of YAML's, each alias anew."""

    def __init__(self, file: str, problems: Problems) -> None:
        self._file = file
        self._problems = problems
        self._count = 0

    def node(self, given: yaml.Node, level: int) -> Node:
        """Raises FlowError out of bounds, as an alias inside its own anchor is."""
        place = self._place(given)
        self._count += 1
        if level > MAXIMUM_LEVELS or self._count > MAXIMUM_NODES:
            raise FlowError([*self._problems.found, _out_of_bounds(place, level)])
        if isinstance(given, yaml.MappingNode):
            values = dict(self._pairs(given, level))
            return Node(
                place,
                {key: node for key, (_, node) in values.items()},
                {k: p for k, (p, _) in values.items()},
            )
        if isinstance(given, yaml.SequenceNode):
            return Node(place, [self.node(item, level + 1) for item in given.value], {})
        return Node(place, None if given.tag == _NULL_TAG else str(given.value), {})

    def _pairs(self, given: yaml.MappingNode, level: int) -> Iterator[tuple[str, tuple[Place, Node]]]:
        seen: dict[str, Place] = {}
        for key_node, value_node in given.value:
            place = self._place(key_node)
            if not isinstance(key_node, yaml.ScalarNode):
                self._problems.add(place, "a key has to be a text")
                continue
            key = str(key_node.value)
            if key in seen:
                self._problems.add(place, f"{key!r} is here twice; the first one is in line {seen[key].line}")
                continue
            seen[key] = place
            yield key, (place, self.node(value_node, level + 1))

    def _place(self, given: yaml.Node) -> Place:
        return _place(self._file, given.start_mark)


def _place(file: str, mark: Any) -> Place:
    """Return the place of YAML's mark, which counts from 0; the file's first if there is none."""
    return Place(file, mark.line + 1, mark.column + 1) if mark else Place(file, 1, 1)
