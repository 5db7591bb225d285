"""What the page's files hold, looked at without a browser."""

from __future__ import annotations

import re

import pytest
from starlette.testclient import TestClient
from web_client import ORIGIN, TOKEN, web_services

from actors.messages import Level, Priority
from ingress.link.live import Activity
from ingress.link.records import CallResult
from ingress.web.app import make_app
from ingress.web.page_files import FOLDER

FILES = {path.name: path.read_text(encoding="utf-8") for path in sorted(FOLDER.iterdir())}
WORDS = set(re.findall(r'^  "?([\w.]+)"?: \[', FILES["words.js"], re.MULTILINE))
OTHERS = "\n".join(text for name, text in FILES.items() if name != "words.js")
BYTES = 100_000
"""Of all files together: a phone on a poor line shows the page in a second or two."""


@pytest.mark.parametrize("name", FILES)
def test_each_file_is_for_everybody(name: str) -> None:
    """Without a token, as what it is, and never guessed to be something else."""
    answer = TestClient(make_app(web_services(TOKEN)), base_url=ORIGIN).get(f"/{name}")
    assert answer.status_code == 200
    kinds = {"html": "text/html", "css": "text/css", "js": "javascript", "svg": "image/svg+xml"}
    assert kinds[name.rpartition(".")[2]] in answer.headers["content-type"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "script-src 'self'" in answer.headers["content-security-policy"]


def test_it_is_small_and_asks_nobody_else() -> None:
    """No other machine's address; no text that becomes markup or a script."""
    assert sum(len(text.encode()) for text in FILES.values()) < BYTES
    addresses = set(re.findall(r"(?:https?|wss?)://[^\s\"'`]+", "\n".join(FILES.values())))
    assert addresses <= {"http://www.w3.org/2000/svg"}
    for forbidden in (
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "eval(",
        "localStorage",
    ):
        assert forbidden not in OTHERS
    assert not re.search(r"<script(?![^>]*src=)|<style|\son\w+=|\sstyle=", FILES["index.html"])


def test_every_word_is_there() -> None:
    """Those that the files name, and those of the server's own lists; each in both languages."""
    named = set(re.findall(r'say\("([\w.]+)"', OTHERS)) | set(
        re.findall(r'data-(?:word|label)="(\w+)"', OTHERS)
    )
    lists = {activity.value for activity in Activity} | {f"result_{result}" for result in CallResult}
    lists |= {f"level_{int(level)}" for level in Level}
    lists |= {f"set_{path}" for path in re.findall(r'path: "([\w.]+)"', FILES["extension_form.js"])}
    assert named | lists <= WORDS
    entries = re.findall(r"^  \"?[\w.]+\"?: \[(.*?)\],?$", FILES["words.js"], re.MULTILINE | re.DOTALL)
    assert len(entries) == len(WORDS)
    for entry in entries:
        english, portuguese = re.findall(r'"([^"]*)"', entry)
        assert sorted(re.findall(r"\{\w+\}", english)) == sorted(re.findall(r"\{\w+\}", portuguese))


def test_every_priority_can_be_chosen() -> None:
    """The form knows those that the server knows."""
    for priority in Priority:
        assert f'"{priority.name.lower()}"' in FILES["extension_form.js"]
