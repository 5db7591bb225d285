"""The scripts of the examples and the demo against the flows that they call, and the dialplans."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from flow_talk import Answering, Talk, flow_dialog

from ingress.caller.script_file import ScriptFile, ScriptStep, read_script
from ingress.commands.demo_conversation import DEMOS, FILES
from ingress.dialogs.base import EndCall
from ingress.link.messages import LegName
from ingress.link.records import CallResult

EXAMPLES = Path(__file__).parents[2] / "examples"
DOORMAN = EXAMPLES / "doorman"


async def play(talk: Talk, step: ScriptStep, leg: LegName) -> str:
    """Do one step, understood word for word, and return what is heard of it."""
    if step.pause_s is not None:
        return ""
    if step.press is not None:
        return await talk.presses(step.press.removesuffix("#"), leg)
    return await talk.says(step.say or "", leg)


def check(step: ScriptStep, heard: str) -> None:
    """Compare as `raymal call --script` does."""
    missing = set(re.findall(r"\w+", (step.expect or "").casefold())) - set(
        re.findall(r"\w+", heard.casefold())
    )
    assert not missing, heard


async def played(script: ScriptFile, flow: Path, language: str) -> Talk:
    """Return the call at its end: the return leg does all of its steps when it has joined."""
    talk = Talk(flow_dialog(flow, lookups={"ring": {"url": "http://127.0.0.1:1/"}}), language)
    talk.dialog._lookups = Answering({"ring": {}})  # type: ignore[assignment]
    await talk.begin()
    returning = script.return_leg
    for number, step in enumerate(script.caller, 1):
        check(step, await play(talk, step, "caller"))
        if returning is not None and number == returning.joins_after:
            await talk.joins()
            for other in returning.steps:
                check(other, await play(talk, other, "return"))
    return talk


@pytest.mark.parametrize(
    ("script", "flow", "language"),
    [
        (DOORMAN / "visit.yaml", DOORMAN / "doorman.yaml", "en"),
        (DOORMAN / "visit-pt.yaml", DOORMAN / "doorman.yaml", "pt"),
        *((FILES / demo.script, FILES / demo.flow, language) for language, demo in DEMOS.items()),
    ],
)
async def test_a_script_fits_its_flow(script: Path, flow: Path, language: str) -> None:
    """Each answer has the words that are expected, and the dialplan gets what is."""
    expected = read_script(script)
    talk = await played(expected, flow, language)
    assert isinstance(talk.end, EndCall)
    assert (expected.expect.result, expected.expect.reason) == (CallResult.ENDED, talk.end.reason)
    assert expected.expect.variables.items() <= talk.variables.items()


@pytest.mark.parametrize("folder", ["asterisk", "doorman"])
def test_a_dialplan_goes_on_after_every_result(folder: str) -> None:
    """It has an extension for each value of RAYMAL_RESULT."""
    dialplan = (EXAMPLES / folder / "extensions.conf").read_text()
    assert set(CallResult) <= set(re.findall(r"^exten => (\w+),1,", dialplan, re.MULTILINE))


def test_the_doormans_dialplan_connects_to_its_ports() -> None:
    """The caller's leg and the return leg, and asks about its extension."""
    [(name, door)] = tomllib.loads((DOORMAN / "raymal.toml").read_text())["extensions"].items()
    dialplan = (DOORMAN / "extensions.conf").read_text()
    ports = [
        int(port) for port in re.findall(r"AudioSocket\(\$\{RAYMAL_UUID\},127\.0\.0\.1:(\d+)\)", dialplan)
    ]
    assert ports == [door["port"], door["return_port"]]
    assert f"begin?extension={name})" in dialplan
