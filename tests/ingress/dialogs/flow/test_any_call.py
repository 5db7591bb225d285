"""Whatever happens in a call, in whatever order."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path

import pytest
from flow_talk import Talk, flow_dialog
from hypothesis import given, settings
from hypothesis import strategies as st

from ingress.dialogs.base import EndCall, LegName, Transfer
from ingress.dialogs.flow.dialog import FlowDialog

ROOT = Path(__file__).parents[4]
LEG: st.SearchStrategy[LegName] = st.sampled_from(["caller", "return"])
WORDS = st.sampled_from(
    ["yes", "no", "yes?", "I think yes", "Tim", "Ann Lee", "Bob", "goodbye", "operator", "repeat", "help",
     "reservation", "tomorrow", "two", "one two three four five six seven eight", "", "{visitor}", "the day"]
)  # fmt: skip
EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("says"), WORDS, LEG),
        st.tuples(st.just("presses"), st.text("0123456789*#", min_size=1, max_size=12), LEG),
        st.tuples(st.sampled_from(["is_silent", "mumbles"]), LEG),
        st.tuples(st.sampled_from(["joins", "leaves"])),
    ),
    max_size=25,
)


@pytest.fixture(scope="module")
def flows(tmp_path_factory: pytest.TempPathFactory) -> list[FlowDialog]:
    """The reservation, and the doorman of the page."""
    door = tmp_path_factory.mktemp("flows") / "door.yaml"
    page = (ROOT / "docs" / "flows.md").read_text()
    door.write_text(re.findall(r"^```yaml\n(.*?)^```", page, re.MULTILINE | re.DOTALL)[-1])
    return [flow_dialog(ROOT / "examples" / "flows" / "reservation.yaml"), flow_dialog(door)]


async def hold(dialog: FlowDialog, events: list[tuple[str, ...]]) -> None:
    """Hold a call; a door opens by a yes, or the key 1, of the resident alone."""
    talk = Talk(dialog)
    await talk.begin()
    for name, *arguments in events:
        if talk.end is not None:
            return
        step = talk.state["step"]
        await getattr(talk, name)(*arguments)
        assert len(json.dumps(talk.state)) < 2_000
        if talk.variables.get("OPEN"):
            assert step == "ask_resident"
            assert (name, *arguments) in (("says", "yes", "return"), ("presses", "1", "return"))
            assert talk.end == EndCall("open")
        assert not isinstance(talk.end, Transfer) or talk.end.target == "200"


@settings(max_examples=40, deadline=None)
@given(st.sampled_from([0, 1]), EVENTS)
def test_any_call_goes_on_or_ends(
    flows: list[FlowDialog], number: int, events: list[tuple[str, ...]]
) -> None:
    """Nothing raises, the state stays small, no caller chooses a transfer, no door opens by itself."""
    asyncio.run(hold(flows[number], events))
