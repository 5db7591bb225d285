"""The first part: voice to voice, with the reservation flow and with echo, at one call and at eight."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.conversation.calling import place_all
from benchmarks.conversation.speakers import SPEAKERS, Speaker
from benchmarks.conversation.turns import Heard, spoken_turns
from benchmarks.harness.server import RAYMAL, serving
from ingress.caller.script import Pause, Press, Speak, Step

FLOW = Path(__file__).parents[2] / "examples" / "flows" / "reservation.yaml"
SPEECH = (*RAYMAL, "--no-ray", "--stt", "whisper", "--tts", "hibari", "--max-calls", "16")
"""Whisper's model is the default one, base. Every call is taken, however slow it gets."""
OPEN = ("--set", "admission.enabled=false", "--set", "throttle.enabled=false")
RESERVATION = (*SPEECH, *OPEN, "--dialog", "flow", "--set", f"dialog.flow.file={FLOW}")
ECHO = (*SPEECH, *OPEN, "--dialog", "echo")

OPENING = ("When are you open?", "Tell me the opening hours.", "At what time do you close?")
BOOKING = ("I would like to book a table.", "Can I make a reservation?", "A table, please.")
NAMES = ("My name is Susan Baker.", "Thomas Reed.", "I am Laura Bennett.")
DAYS = ("Tomorrow.", "On Friday.", "Next Saturday, please.")
PEOPLE = ("For four people.", "Six.", "We are two.")
RIGHT = ("Yes, that is right.", "Yes.", "That is correct.")
PHONE = "55512345#"


@dataclass(frozen=True, slots=True)
class Row:
    """One dialog with one number of calls at a time."""

    dialog: str
    command: tuple[str, ...]
    at_a_time: int
    scripts: int


def rows(is_quick: bool) -> tuple[Row, ...]:
    """Return what is measured. A reservation has 7 utterances: 8 of them are more than 50 turns.

    Echo at one call has fewer: it is there to show what a sentence costs that is not ready.
    """
    if is_quick:
        return (Row("reservation", RESERVATION, 1, 1),)
    return (
        Row("reservation", RESERVATION, 1, 8),
        Row("reservation", RESERVATION, 8, 8),
        Row("echo", ECHO, 1, 1),
        Row("echo", ECHO, 8, 8),
    )


def reservation(number: int, speaker: Speaker) -> tuple[Step, ...]:
    """Return the steps of one reservation; each number has other words."""

    def say(texts: Sequence[str], shift: int = 0) -> Speak:
        return Speak(speaker.say(texts[(number + shift) % len(texts)]))

    asked = (say(OPENING), say(OPENING, 1), say(BOOKING), say(NAMES))
    return (*asked, Press(PHONE), say(DAYS), say(PEOPLE), say(RIGHT))


def utterances(number: int, speaker: Speaker) -> tuple[Step, ...]:
    """Return the same utterances without the keys, for a dialog that repeats what it hears."""
    return tuple(step for step in reservation(number, speaker) if isinstance(step, Speak))


def measure(row: Row, on_done: Callable[[], None]) -> Heard:
    """Place the calls of a row at a server of its own. Raises ServerError, CallError."""
    speakers = SPEAKERS["en"]
    make = reservation if row.dialog == "reservation" else utterances
    scripts = [make(number, speakers[number % len(speakers)]) for number in range(row.scripts)]
    with serving(row.dialog, row.command) as server:
        placed = asyncio.run(place_all(server.port, scripts, row.at_a_time, on_done))
    turns = []
    for steps, call in zip(scripts, placed, strict=True):
        spoken = frozenset(index for index, step in enumerate(steps) if not isinstance(step, Press | Pause))
        turns += spoken_turns(call.result.turns, spoken, call.record)
    planned = sum(isinstance(step, Speak) for steps in scripts for step in steps)
    return Heard(row.dialog, row.at_a_time, planned, turns)
