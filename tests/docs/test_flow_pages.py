"""The flows that pages show are flows, and do what the page says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from flow_talk import Answering, Talk, flow_dialog

from ingress.dialogs.base import EndCall, Transfer

DOCS = Path(__file__).parents[2] / "docs"


def shown(page: str, folder: Path) -> list[Path]:
    """Return the flows of a page, as files."""
    blocks = re.findall(r"^```yaml\n(.*?)^```", (DOCS / page).read_text(), re.MULTILINE | re.DOTALL)
    files = [folder / f"{number}.yaml" for number in range(len(blocks))]
    for file, block in zip(files, blocks, strict=True):
        file.write_text(block)
    return files


async def test_the_flows_of_the_page(tmp_path: Path) -> None:
    """Each is checked, and holds a conversation."""
    table, shop, door = shown("flows.md", tmp_path)
    talk = Talk(flow_dialog(table))
    assert await talk.begin() == "Table reservations. For how many people?"
    assert await talk.says("for four") == "A table for 4. Goodbye."
    assert (talk.end, talk.variables) == (EndCall("booked"), {"PEOPLE": "4"})
    talk = Talk(flow_dialog(shop, digest="checked before"))
    talk.dialog._lookups = Answering({"stock": {"items": [{"left": 3}]}})
    await talk.begin()
    assert await talk.says("some bread") == "I am looking. We have 3."
    assert talk.end == Transfer("200")
    talk = Talk(flow_dialog(door))
    await talk.begin()
    await talk.says("Tim")
    await talk.says("Mister Fox")
    assert await talk.joins() == "[return] Tim is at the door. Do you open?"
    assert await talk.says("yes, open") == "I am asking."
    assert await talk.says("Yes, open.", "return") == "[return] Thank you. Come in."
    assert talk.variables == {"OPEN": "1"}


async def test_the_portuguese_page(tmp_path: Path) -> None:
    """A reservation."""
    (table,) = shown("pt-BR/flows.md", tmp_path)
    talk = Talk(flow_dialog(table), "pt-BR")
    assert await talk.begin() == "Restaurante Maré, boa noite. Em nome de quem?"
    await talk.says("Meu nome é João.")
    assert await talk.says("para quatro") == "João, mesa para 4. Está certo?"
    await talk.says("sim")
    assert talk.variables == {"NOME": "João", "PESSOAS": "4"}


@pytest.mark.parametrize("request_name", ["operator", "repeat", "help", "goodbye"])
def test_the_requests_are_named(request_name: str) -> None:
    """Those that every language has."""
    assert f"`{request_name}`" in (DOCS / "flows.md").read_text()
