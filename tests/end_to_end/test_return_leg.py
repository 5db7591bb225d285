"""Both legs of a call on a real server with two media workers: strict peers, a small dialog."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from heard import pitches_hz
from running_server import SCRIPTED, RunningServer, running_server, wait_until

from actors.engines.scripted import sentence_tone_hz
from benchmarks.harness.server import free_port
from benchmarks.harness.speech_like import recorded_words
from benchmarks.harness.strict_peer import CallReport, Ending, Outgoing, StrictCall, digit, voice
from ingress.link.messages import ExtensionsRequest
from ingress.link.records import CallRecord, CallResult
from ingress.server import observer

DIALOG = '''
from ingress.dialogs.base import *

class Door(Dialog):
    """Asks on the return leg what the caller said; a key there opens."""

    async def respond(self, event, call):
        match event:
            case CallerSaid(text=text, leg="caller"):
                call.state["visitor"] = text
                yield Say("One moment.")
                if call.has_return_leg:
                    yield Say(f"{text} is at the door.", leg="return")
            case LegJoined() if "visitor" in call.state:
                yield Say(f"{call.state['visitor']} is at the door.")
            case CallerPressed(digits="1", leg="return"):
                yield Say("Thank you. It opens.")
                yield Say("Come in, please.", leg="caller")
                yield SetVariable("DOOR", "open")
                yield EndCall("opened")
'''
QUESTION = "Maria is at the door."
CALLER_LEFT = "The caller has hung up."
"""The first sentence of the phrase."""
NAMES = ("door", "gate")
"""The calls of one are in the first media worker, those of the other in the second."""

pytestmark = pytest.mark.usefixtures("runtime_folder")


@dataclass
class Visit:
    """A call of an extension: the caller says a name, somebody answers on the return leg."""

    caller: StrictCall
    back: StrictCall = field(init=False)
    must_press: bool = False

    def ring(self, return_port: int) -> None:
        """Have somebody answer."""
        self.back = StrictCall(return_port, outgoing=self._resident(), call_id=self.caller.call_id).start()

    def _resident(self) -> Iterator[Outgoing]:
        for frame in voice(60.0):
            yield frame
            if self.must_press:
                self.must_press = False
                yield digit("1", frame.due_s)


def is_asked(visit: Visit) -> bool:
    """Whether the question has been asked on the return leg, to its end."""
    audio = visit.back.audio
    return sentence_tone_hz(QUESTION) in pitches_hz(audio) and not any(audio[-3_200:])


def record_of(server: RunningServer, visit: Visit) -> CallRecord:
    """Return the record of a call that is over."""
    found = asyncio.run(observer.call_record(server.port, str(visit.caller.call_id), wait_s=5.0))
    assert found is not None
    return found


def check_pacing(*reports: CallReport) -> None:
    """What Asterisk demands, on both legs."""
    for report in reports:
        assert report.violations == ()
        assert report.quality.long_gaps == 0


def test_a_dialog_asks_on_the_return_leg_what_the_caller_said(tmp_path: Path) -> None:
    """Each leg hears what is for it, and ends on its own; the dialplan gets what came of it."""
    (tmp_path / "door_dialog.py").write_text(DIALOG)
    ports = {name: (free_port(), free_port()) for name in NAMES}
    file = tmp_path / "raymal.toml"
    file.write_text(
        "dialog.name = 'door_dialog:Door'\nserver.media_workers = 2\nendpointing.end_silence_ms = 300\n"
        "[speech.scripted]\ntranscript = 'Maria'\nstt_delay_s = 0.05\nspeech_rate_characters_per_s = 40\n"
        + "".join(
            f"[extensions.{name}]\nport = {ports[name][0]}\nreturn_port = {ports[name][1]}\n"
            for name in NAMES
        )
    )
    flags = [*SCRIPTED, "--keep-transcripts", "--config", str(file)]
    path = {"PYTHONPATH": f"{tmp_path}:{Path.cwd()}"}
    with running_server(tmp_path, *flags, variables=path) as server:
        reply = asyncio.run(observer.control(server.port, ExtensionsRequest()))
        assert reply.return_ports == {name: returning for name, (_, returning) in ports.items()}
        words = recorded_words(1)
        visits = {
            name: Visit(StrictCall(port, outgoing=voice(60.0, audio=words)).start())
            for name, (port, _) in ports.items()
        }
        for name, visit in visits.items():
            visit.caller.until_frames(5)
            visit.ring(ports[name][1])
        opened, left = (visits[name] for name in NAMES)
        wait_until(lambda: is_asked(opened) and is_asked(left), 15.0, "the question")
        opened.must_press = True
        left.caller.hang_up()
        reports = [each.wait() for each in (opened.caller, opened.back, left.back, left.caller)]
        assert [report.ending for report in reports] == [*[Ending.HANGUP] * 3, Ending.CALLER]
        records = [record_of(server, visit) for visit in (opened, left)]
    check_pacing(*reports)
    asked, thanks, welcome, moment, farewell = map(
        sentence_tone_hz, (QUESTION, "Thank you.", "Come in, please.", "One moment.", CALLER_LEFT)
    )
    assert {moment, welcome} <= pitches_hz(opened.caller.audio)
    assert {asked, thanks} <= pitches_hz(opened.back.audio)
    assert not {asked, thanks} & pitches_hz(opened.caller.audio)
    assert not {moment, welcome} & pitches_hz(opened.back.audio)
    assert farewell in pitches_hz(left.back.audio)
    outcome = records[0].outcome
    assert (outcome.result, outcome.reason, outcome.variables) == (
        CallResult.ENDED,
        "opened",
        {"DOOR": "open"},
    )
    legs = {turn.kind: turn.leg for turn in (*records[0].turns, records[0].unfinished) if turn is not None}
    assert legs["utterance"] == legs["announcement"] == "caller"
    assert legs["leg"] == legs["digit"] == "return"
    assert records[1].end_reason == "the caller hung up"
    assert all(record.underruns == 0 for record in records)
