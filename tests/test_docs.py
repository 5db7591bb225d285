"""The documents keep up with the code."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "benchmarks").glob("*.md")])


def test_the_settings_page_is_current() -> None:
    """Run `python scripts/render_settings.py > docs/settings.md` when this fails."""
    sys.path.insert(0, str(ROOT / "scripts"))
    try:
        from render_settings import render
    finally:
        sys.path.pop(0)
    assert (ROOT / "docs" / "settings.md").read_text() == render() + "\n"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    """Relative links name files that exist."""
    for target in re.findall(r"\]\((?!https?:|#|mailto:)([^)#]+)", page.read_text()):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_no_committed_file_names_a_registry() -> None:
    """Pins are plain `name==version` lines: no URLs, no local version suffixes."""
    for name in ("constraints.txt", "constraints-coqui.txt"):
        for line in (ROOT / name).read_text().splitlines():
            if line and not line.startswith("#"):
                assert re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.]+", line), f"{name}: {line}"
