"""The example packages, found by their entry points, without a server."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from actors.engines import Synthesize
from actors.engines.registry import check_machine, check_names, tts_engine
from actors.errors import ConfigurationError
from actors.settings import SpeechSettings
from ingress.dialogs import (
    CallBegan,
    CallerNotUnderstood,
    CallerPressed,
    CallerSaid,
    Dialog,
    DialogAction,
    DialogCall,
    DialogEvent,
    DialogSettings,
    EndCall,
    Say,
)
from ingress.dialogs.registry import dialog
from ingress.phrases.key import engine_version

pytestmark = pytest.mark.usefixtures("site")


ASK_DAY = "On which day would you like to come?"


@pytest.fixture
def call() -> DialogCall:
    """A call that has just begun."""
    return DialogCall("c1", "default", "en", None, None, datetime.now(UTC), history=[], state={})


async def actions(answers: Dialog, event: DialogEvent, call: DialogCall) -> list[DialogAction]:
    """Return all that a dialog does about an event."""
    return [action async for action in answers.respond(event, call)]


async def said(answers: Dialog, event: DialogEvent, call: DialogCall) -> str:
    """Return all that it says."""
    return " ".join(action.text for action in await actions(answers, event, call) if isinstance(action, Say))


async def test_a_booking(call: DialogCall) -> None:
    """Name, day, confirmation, hangup; the state is all that it remembers."""
    booking = dialog(DialogSettings(name="booking"))
    assert await said(booking, CallBegan(), call) == "Hello. What is your name?"
    assert await said(booking, CallerSaid("My name is Maria."), call) == ASK_DAY
    again = dialog(DialogSettings(name="booking"))  # another gateway
    assert await said(again, CallerSaid("Friday, please."), call) == "Maria, on Friday. Is that right?"
    assert call.state == {"name": "Maria", "day": "Friday"}
    done = await actions(booking, CallerSaid("Yes."), call)
    assert done == [Say("It is booked. Thank you for calling.", is_fixed=True), EndCall()]


async def test_a_booking_that_goes_wrong(call: DialogCall) -> None:
    """What was not understood is asked again; a "no" begins anew."""
    booking = dialog(DialogSettings(name="booking", booking={"days": ["Monday"]}))
    call.state["name"] = "Maria"
    assert "did not understand" in await said(booking, CallerNotUnderstood(), call)
    assert (await said(booking, CallerPressed("1"), call)).endswith(ASK_DAY)
    assert "You can come on Monday." in await said(booking, CallerSaid("Friday."), call)
    await said(booking, CallerSaid("Monday."), call)
    assert await said(booking, CallerSaid("No."), call) == "Hello. What is your name?"
    assert call.state == {}


def test_beeps_spell_the_text() -> None:
    """A tone for each letter, at the pitch that the settings say."""
    settings = SpeechSettings(tts="beeps", stt="scripted", beeps={"letter_ms": "100", "lowest_hz": 500})
    check_names(settings)
    check_machine(settings)
    engine = tts_engine(settings)
    engine.load()
    pieces = list(engine.synthesize(Synthesize("c1", "a c!", "en")))
    pitches = [np.abs(np.fft.rfft(np.frombuffer(piece, "<i2"))).argmax() * 10 for piece in pieces]
    assert pitches == [500, 0, 600]
    assert engine_version("beeps").endswith(", raymal-beeps 0.1.0")


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        (
            {"tts": "beeps", "beeps": {"letter_ms": 1}},
            r"^speech\.beeps: letter_ms = 1: .*greater than",
        ),
        (
            {"tts": "beeps:Beeps", "beeps": {"x": 1}},
            r"^speech\.beeps: unknown setting 'x'; known here: ",
        ),
        ({"stt": "beeps"}, r"^speech\.stt: 'beeps' is no SttEngine"),
        (
            {"tts": "beps"},
            r"^speech\.tts: unknown engine 'beps'; choose one of beeps, coqui",
        ),
    ],
)
def test_mistakes_about_an_engine_are_named(chosen: dict[str, object], expected: str) -> None:
    """Before a port opens, where the engines run."""
    settings = SpeechSettings.model_validate({"stt": "scripted", "tts": "scripted"} | chosen)
    with pytest.raises(ConfigurationError, match=expected):
        check_machine(settings)
