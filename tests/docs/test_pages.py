"""The documents keep up with the code."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from installed_example import EXAMPLES, install

from ingress.configuration.loading import load_settings
from ingress.server.checking import extension_book

ROOT = Path(__file__).parents[2]
FOLDERS = ("docs", "benchmarks", "examples")
PAGES = sorted([*ROOT.glob("*.md"), *(page for each in FOLDERS for page in (ROOT / each).rglob("*.md"))])


def test_the_settings_page_is_current() -> None:
    """Run `python scripts/render_settings.py > docs/settings.md` when this fails."""
    sys.path.insert(0, str(ROOT / "scripts"))
    try:
        from render_settings import render
    finally:
        sys.path.pop(0)
    assert (ROOT / "docs" / "settings.md").read_text() == render() + "\n"


def test_what_is_heard_is_that_of_the_kept_result() -> None:
    """Run `python scripts/render_hearing.py` when this fails."""
    sys.path.insert(0, str(ROOT / "scripts"))
    try:
        from render_hearing import PAGE, kept, rewritten
    finally:
        sys.path.pop(0)
    page = PAGE.read_text()
    assert page == rewritten(page, kept())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    """Relative links name files that exist, and headings in them."""
    for target, heading in re.findall(r"\]\((?!https?:|mailto:)([^)#]*)#?([^)]*)\)", page.read_text()):
        file = page.parent / target if target else page
        assert file.exists(), f"{page.name} links to {target}"
        assert not heading or heading in headings(file), f"{page.name} links to {target}#{heading}"


def headings(page: Path) -> set[str]:
    """Return the names of a page's headings, as its host makes them for links."""
    lines = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", line.lower()).replace(" ", "-") for line in lines}


@pytest.mark.parametrize("example", sorted((ROOT / "examples").glob("*.toml")), ids=lambda path: path.name)
def test_examples_are_configurations(example: Path, tmp_path: Path) -> None:
    """Each is accepted as it stands, and again with the settings that it has commented out."""
    as_it_stands = load_settings(example, {}, {})
    spelt_out = tmp_path / example.name
    commented = re.compile(r"^# (?=\[[a-z_.]+\]|[a-z_]+ = )", re.MULTILINE)
    spelt_out.write_text(commented.sub("", example.read_text()))
    assert load_settings(spelt_out, {}, {}) != as_it_stands


TOML = [
    (page, block)
    for page in PAGES
    for block in re.findall(r"^```toml\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
]


@pytest.mark.parametrize(("page", "block"), TOML, ids=[page.name for page, _ in TOML])
def test_settings_that_pages_show_are_accepted(
    page: Path, block: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each block of TOML is a configuration; docs/dialogs.md speaks of an example package."""
    install("booking", tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    file = tmp_path / f"{page.stem}.toml"
    file.write_text(block)
    extension_book(load_settings(file, {}, {}))


@pytest.mark.parametrize(("page", "blocks"), [("dialogs.md", 4), ("own-engines.md", 1), ("webhook.md", 1)])
def test_the_code_about_dialogs_is_that_of_the_examples(page: str, blocks: int) -> None:
    """Which tests run: tests/examples and tests/end_to_end/test_own_dialogs_and_engines.py."""
    sources = [path.read_text() for path in EXAMPLES.rglob("*.py")]
    shown = re.findall(r"^```python\n(.*?)^```", (ROOT / "docs" / page).read_text(), re.MULTILINE | re.DOTALL)
    assert len(shown) == blocks
    for block in shown:
        assert any(block in source for source in sources), block


def test_the_dialplan_names_the_ports_of_the_example() -> None:
    """docs/asterisk.md and examples/extensions.toml speak of the same extensions."""
    settings = load_settings(ROOT / "examples" / "extensions.toml", {}, {})
    ports = {extension.port for extension in extension_book(settings).extensions.values()}
    dialplan = (ROOT / "docs" / "asterisk.md").read_text()
    assert {int(port) for port in re.findall(r"Gosub\(raymal,s,1\((\d+)\)\)", dialplan)} == ports


def test_no_committed_file_names_a_registry() -> None:
    """Pins are plain `name==version` lines: no URLs, no local version suffixes."""
    for name in ("constraints.txt", "constraints-coqui.txt"):
        for line in (ROOT / name).read_text().splitlines():
            if line and not line.startswith("#"):
                assert re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.]+", line), f"{name}: {line}"
