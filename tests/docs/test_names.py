"""Files and modules that pages, docstrings and comments name are there."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("actors", "benchmarks", "deploy", "docs", "examples", "ingress", "scripts", "tests")
PATHS = {
    str(it.relative_to(ROOT))
    for folder in FOLDERS
    for it in (ROOT / folder).rglob("*")
    if "__pycache__" not in it.parts
}
PATHS |= {path.name for path in ROOT.iterdir()}
HISTORY = ("CHANGELOG.md", "docs/decisions/", "benchmarks/results/")
"""They name what there was then."""
PAGES = sorted(
    path
    for path in PATHS
    if path.endswith((".md", ".yaml")) or path == "Makefile" or path.startswith(("deploy/", "examples/"))
    if (ROOT / path).is_file() and not path.startswith((*HISTORY, "."))
)
SOURCES = sorted(path for path in PATHS if path.endswith(".py") and path.startswith(FOLDERS))

OUR_PATH = re.compile(rf"(?<![\w/.~$-])(?:{'|'.join(FOLDERS)})/[\w./-]*\w(?![\w*{{<])")
"""From the root: `ingress/media/call.py`, `benchmarks/harness`."""
ANY_SOURCE = re.compile(r"(?<![\w/.~$<>{}*-])(?:\w+/)*\w+\.py\b(?!\.)")
"""From anywhere: `pacing.py`, `media/call.py`."""
ANY_MODULE = re.compile(r"(?<![\w/.@-])(?:actors|benchmarks|ingress)(?:\.[A-Za-z_]\w*)+")
"""`actors.leases.book`, also with a name in it."""
PLACEHOLDER = re.compile(r"NAME|FILE")
OTHERS = re.compile(r"(?:ray|TTS|faster_whisper)/|utils_vad\.py")
"""Files of other projects."""


def words_of(path: str) -> str:
    """Return a page whole; of a source its docstrings and comments."""
    text = (ROOT / path).read_text(encoding="utf-8")
    if not path.endswith(".py"):
        return text
    nodes = (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Expr))
    strings = [str(node.value.value) for node in nodes if isinstance(node.value, ast.Constant)]
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    return "\n".join([*strings, *(it.string for it in tokens if it.type == tokenize.COMMENT)])


@cache
def names_in(source: Path) -> set[str]:
    """Return what a module defines or imports at its top level."""
    names: set[str] = set()
    for node in ast.parse(source.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names |= {alias.asname or alias.name for alias in node.names}
        names |= {it.id for it in ast.walk(node) if isinstance(it, ast.Name)}
    return names


def is_module(dotted: str) -> bool:
    """Whether it is a module or a package, or a name in one."""
    *parts, last = dotted.split(".")
    place = ROOT.joinpath(*parts)
    if (place / f"{last}.py").is_file() or any((place / last).glob("*.py")):
        return True
    source = next((it for it in (place.with_suffix(".py"), place / "__init__.py") if it.is_file()), None)
    if source is not None:
        return last in names_in(source)
    return len(parts) > 2 and is_module(".".join(parts))  # a member of a class


def is_path(path: str) -> bool:
    """Whether there is such a file or folder, from the root or from anywhere; decisions by their number."""
    return path in PATHS or any(
        it.endswith(f"/{path}") or (it.startswith(f"{path}-") and it.startswith(HISTORY)) for it in PATHS
    )


def missing(words: str) -> Iterator[str]:
    """Yield the names of files and modules that are not there."""
    for path in {*OUR_PATH.findall(words), *ANY_SOURCE.findall(words)}:
        if not (PLACEHOLDER.search(path) or OTHERS.match(path) or is_path(path)):
            yield path
    for module in set(ANY_MODULE.findall(words)):
        if not (PLACEHOLDER.search(module) or is_module(module)):
            yield module


@pytest.mark.parametrize("files", [PAGES, SOURCES], ids=["pages", "sources"])
def test_what_is_named_is_there(files: list[str]) -> None:
    """Paths from the root or from anywhere, and modules."""
    assert len(files) > 10
    found = [f"{file} names {name}" for file in files for name in missing(words_of(file))]
    assert not found, "\n".join(["", *sorted(found)])


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("see `ingress/cli.py`, docs/asterisk.md.", []),
        ("see `ingress/gone.py` and `gone.py`", ["gone.py", "ingress/gone.py"]),
        ("`actors.errors.RaymalError` of actors.errors", []),
        ("`actors.errors.Gone`, actors.gone.book", ["actors.errors.Gone", "actors.gone.book"]),
        ("https://example.org/docs/gone.md, benchmarks/results/NAME.json", []),
    ],
)
def test_a_name_that_is_not_there_is_found(words: str, expected: list[str]) -> None:
    """The check above can fail."""
    assert sorted(missing(words)) == expected
