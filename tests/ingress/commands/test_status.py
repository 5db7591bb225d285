"""What `raymal status` prints of a server under load."""

from __future__ import annotations

import argparse
import asyncio
import json
from dataclasses import replace

import pytest
from scripted_pool import Answer, Manner, ScriptedPool

from actors.messages import Decision, Doubt, Level
from actors.status import AdmissionStatus, EngineStatus, Percentiles
from ingress.commands import status as status_command
from ingress.configuration.settings import Settings
from ingress.gateway.gateway import Gateway
from ingress.link.client import connect
from ingress.link.listener import serve
from ingress.link.messages import LINK_VERSION, CallStarted, Hello, Refused, TurnFinished, WorkerHealth
from ingress.link.records import LatenessSummary, MediaHealth, TurnRecord
from ingress.server.checking import extension_book
from ingress.server.runtime_directory import RuntimeDirectory

pytestmark = pytest.mark.usefixtures("runtime_folder")

PORT = 9_998
WAITED = Percentiles(count=7, p50_ms=1.0, p95_ms=20.0, p99_ms=300.0, maximum_ms=4000.0)
HEALTH = MediaHealth(
    calls=1,
    waiting_callers=3,
    longest_wait_s=14.2,
    connections=2,
    frame_ms=30,
    lateness=LatenessSummary(frames=9, p50_ms=0.1, p99_ms=1.2, p999_ms=2.3, maximum_ms=3.4),
    gc_pauses=5,
    gc_pause_maximum_ms=6.7,
    timeline_shifts=0,
    closed_peers={"no UUID": 8},
)
REASON = "slots [transcription] 96 % in use"


def loaded_pool() -> ScriptedPool:
    """Return a pool with much to show that refuses the next call."""
    pool = ScriptedPool(iter([Answer(Manner.NO)]))
    fleet = pool.status_now
    pool.status_now = replace(
        fleet,
        transcription=replace(fleet.transcription, slots=4, lease_wait=WAITED),
        level=Level.BUSY,
        reasons=("long waits",),
        admission=AdmissionStatus(capacity=32, calls=31, unspoken=2, admitted=40, refused={"no room": 9}),
        activities={"listening": 20, "thinking": 0, "speaking": 11},
        answer=replace(WAITED, count=123),
        problems=("a worker [1] could not start",),
        engines=(EngineStatus("hibari", 2, 2), EngineStatus("kokoro", 2, 1, problem="no [voice]")),
    )
    return pool


async def ask(as_json: bool) -> int:
    """Run the command against a gateway with a refused call and two changes of level."""
    runtime = RuntimeDirectory.of_port(PORT)
    runtime.create()
    pool = loaded_pool()
    settings = Settings.model_validate(
        {
            "extensions": {"sales": {"port": 0, "max_calls": 5, "priority": "high"}},
            "speech": {"language": "pt"},
        }
    )
    gateway = Gateway(settings, extension_book(settings), pool, "gateway")
    server = await serve(runtime.gateway_socket, gateway.handle, "gateway")
    pool.decide(Decision("e", 1, Level.BUSY, ("first [reason]",)))
    pool.decide(Decision("e", 2, Level.LOADED, (REASON,)))
    hello = Hello(version=LINK_VERSION, role="media", name="media-0")
    link = await connect(runtime.gateway_socket, hello)
    link.send(WorkerHealth(health=HEALTH.model_copy(update={"gc_pauses": 4})))
    link.send(WorkerHealth(health=HEALTH))
    for failure in (None, "no [slot]", "no [slot]"):
        link.send(TurnFinished(call_id="b", record=TurnRecord(turn=1, kind="digit", failure=failure)))
    for doubt in (None, Doubt.LANGUAGE, Doubt.REPETITION, Doubt.LANGUAGE):
        silent = TurnRecord(turn=2, kind="utterance", was_understood=False, doubt=doubt)
        link.send(TurnFinished(call_id="b", record=silent))
    link.send(CallStarted(call_id="c", extension="sales"))
    while not isinstance(await link.receive(), Refused):
        pass
    arguments = argparse.Namespace(port=PORT, json=as_json)
    code = await asyncio.to_thread(status_command.run, arguments)
    await link.close()
    server.close()
    await gateway.close()
    await asyncio.sleep(0.05)  # both ends have noticed
    return code


async def test_it_says_what_is_done_less_and_why(capsys: pytest.CaptureFixture[str]) -> None:
    """Level, reasons, changes, extensions, media workers' newest reports, waiting, admission, problems.

    It is not ready: exit code 1.
    """
    assert await ask(as_json=False) == 1
    printed = " ".join(capsys.readouterr().out.replace("│", "").split())
    for line in (
        "not ready: the speech workers are starting",
        f"level 2, loaded; frames of 30 ms: {REASON}",
        f"0 s ago busy → loaded: {REASON} 0 s ago normal → busy: first [reason]",
        "sales high pt hibari echo 0 5 1",
        "refused 1: all 1 calls are taken",
        "default normal pt hibari echo 0 - 0",
        "engine hibari: loaded by 2 of 2 workers engine kokoro: loaded by 1 of 2 workers: no [voice]",
        "media workers: 1; callers waiting: 3, the longest for 14 s",
        " media-0 1 30 0.1, 1.2, 2.3, 3.4 5, 6.7 ",
        " media-0 closed 8: no UUID",
        "transcription 1 of 1 0 of 4 0 0 0 0",
        "for a transcription slot 7 1 20 300 4000",
        "of callers, for the answer 123 1 20 300 4000",
        "cluster: 31 calls of 32, 2 not heard yet (20 listening, 11 speaking); 40 taken so far",
        "cluster refused 9: no room",
        "cluster: level 1, busy: long waits",
        "2 of the last 7 turns failed; in 4 no words were found (language 2, repetition 1) 2: no [slot]",
        "sentences of answers: 0 cached, 0 made",
        "problem: a worker [1] could not start",
    ):
        assert line in printed


async def test_json_has_all_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    """For a monitor."""
    assert await ask(as_json=True) == 1
    status = json.loads(capsys.readouterr().out)
    assert status["decision"] == {
        "epoch": "e",
        "number": 2,
        "level": 2,
        "reasons": [REASON],
        "frame_ms": 30,
        "calls_alone": 0,
    }
    assert [change["level"] for change in status["level_changes"]] == ["loaded", "busy"]
    assert status["recent"] == {
        "turns": 7,
        "failed": 2,
        "without_words": 4,
        "doubts": {"language": 2, "repetition": 1},
        "problems": {"no [slot]": 2},
    }
    assert status["fleet"]["admission"]["refused"] == {"no room": 9}
    assert status["fleet"]["transcription"]["lease_wait"]["p95_ms"] == 20.0
    assert {row["name"]: row["refused"] for row in status["extensions"]} == {"default": 0, "sales": 1}
