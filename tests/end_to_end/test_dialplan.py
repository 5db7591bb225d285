"""What the dialplan asks before and after a call: FastAGI and HTTP, a real server, real calls."""

from __future__ import annotations

import asyncio
import json
import shutil
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest
from agi_peer import Manner, ask
from asterisk_peer import AsteriskPeer
from running_server import SCRIPTED, RunningServer, private_server

from actors.messages import EXTENSION_FULL
from ingress.media.tones import failure_tone, prompt_tone

DIALOG = """
from ingress.dialogs import CallBegan, Dialog, EndCall, SetVariable, Transfer

class Desk(Dialog):
    needs_speech = False

    async def respond(self, event, call):
        if isinstance(event, CallBegan):
            yield SetVariable("CALLER", f"{call.caller_number} {call.caller_name} {call.language}")
            yield Transfer("desk-7", "wants a person")
"""
ACCOUNT = Path(__file__).parents[2] / "examples" / "account.py"
VALID_S = 1.0
TOKEN = "a-token-for-the-tests-alone"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server that takes invited calls only."""
    folder = tmp_path_factory.mktemp("dialogs")
    (folder / "desk_dialog.py").write_text(DIALOG)
    shutil.copy(ACCOUNT, folder)
    flags = [
        "--set", "access.require_begin=true",
        "--set", f"access.begin_valid_s={VALID_S}",
        "--set", "extensions.desk.port=0",
        "--set", "extensions.desk.return_port=0",
        "--set", "extensions.desk.host=127.0.0.2",
        "--set", "extensions.desk.max_calls=1",
        "--set", "extensions.desk.dialog.name=desk_dialog:Desk",
        "--set", "extensions.account.port=0",
        "--set", "extensions.account.dialog.name=account:Account",
        "--set", "extensions.silent.port=0",
        "--set", "extensions.silent.dialog.greeting=",
        "--set", "extensions.silent.call_limits.no_input_s=0.3",
        "--set", "extensions.silent.call_limits.no_input_times=2",
        "--set", "extensions.silent.still_there=",
        "--set", "extensions.silent.no_input=",
    ]  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(folder), prepend=":")
        patch.setenv("RAYMAL_TOKEN", TOKEN)
        with private_server(*SCRIPTED, *flags, has_web=True) as running:
            yield running


async def call(server: RunningServer, call_id: str) -> AsteriskPeer:
    """Call with a UUID until the server hangs up; return the peer."""
    async with AsteriskPeer(server.port) as peer:
        peer.call_id = UUID(call_id)
        peer.identify()
        async with asyncio.timeout(5.0):
            await peer.has_ended.wait()
    return peer


async def test_begin_call_and_result(server: RunningServer) -> None:
    """Admitted before the answer, served as the dialplan said, transferred by the dialplan afterwards."""
    begun = await ask(server.agi_port, "begin?extension=desk")
    assert begun["RAYMAL_ADMITTED"] == "yes"
    assert begun["RAYMAL_REASON"] == ""
    addresses = {begun["RAYMAL_ADDRESS"], begun["RAYMAL_RETURN_ADDRESS"]}
    assert len(addresses) == 2
    assert all(address.startswith("127.0.0.2:") for address in addresses)
    peer = await call(server, begun["RAYMAL_UUID"])
    assert peer.frames > 0
    assert peer.was_hung_up
    assert await ask(server.agi_port, f"result?uuid={begun['RAYMAL_UUID']}") == {
        "RAYMAL_RESULT": "transfer",
        "RAYMAL_TARGET": "desk-7",
        "RAYMAL_REASON": "wants a person",
        "RAYMAL_VAR_CALLER": '1001 Ana "A" Souza en',
    }


async def test_a_caller_who_says_nothing_is_asked_and_then_sent_back(server: RunningServer) -> None:
    """The echo dialog has nothing to say about silence: tones ask and say goodbye."""
    begun = await ask(server.agi_port, "begin?extension=silent")
    peer = await call(server, begun["RAYMAL_UUID"])
    assert prompt_tone() in peer.audio
    assert peer.audio.index(failure_tone()) > peer.audio.index(prompt_tone())
    result = await ask(server.agi_port, f"result?uuid={begun['RAYMAL_UUID']}")
    assert result["RAYMAL_RESULT"] == "no_input"
    assert result["RAYMAL_REASON"] == "nothing was heard, 2 times in a row (call_limits.no_input_times)"


async def test_keys_pressed_during_the_question_belong_to_it(server: RunningServer) -> None:
    """As they come, they are one number, and the question stops. The example in the documentation."""
    begun = await ask(server.agi_port, "begin?extension=account")
    async with AsteriskPeer(server.port) as peer:
        peer.call_id = UUID(begun["RAYMAL_UUID"])
        peer.identify()
        await peer.until(lambda: any(peer.audio))
        for key in "47":
            peer.send_digit(key)
        await asyncio.sleep(0.1)
        for key in "110815":
            peer.send_digit(key)
        async with asyncio.timeout(5.0):
            await peer.has_ended.wait()
        assert len(peer.audio.rstrip(b"\0")) < 16_000
    result = await ask(server.agi_port, f"result?uuid={begun['RAYMAL_UUID']}")
    assert (result["RAYMAL_RESULT"], result["RAYMAL_VAR_ACCOUNT"]) == ("ended", "47110815")
    assert "47110815" not in server.log.read_text()


async def test_a_uuid_is_used_once_and_from_its_source(server: RunningServer) -> None:
    """Others are hung up on without a frame, whatever is wrong with them."""
    begun = await ask(server.agi_port, "begin", arguments=("number=7",))
    await asyncio.gather(hang_up_soon(server, begun["RAYMAL_UUID"]))
    elsewhere = await ask(server.agi_port, "begin?source=192.0.2.9")
    for call_id in (begun["RAYMAL_UUID"], elsewhere["RAYMAL_UUID"], str(UUID(int=7))):
        peer = await call(server, call_id)
        assert peer.frames == 0
        assert peer.was_hung_up


async def hang_up_soon(server: RunningServer, call_id: str) -> None:
    async with AsteriskPeer(server.port) as peer:
        peer.call_id = UUID(call_id)
        peer.identify()
        await peer.until(lambda: peer.frames > 0)


async def test_busy_is_known_before_the_answer(server: RunningServer) -> None:
    """A place that is kept is taken; it is free again once its time is over."""
    first = await ask(server.agi_port, "begin?extension=desk")
    second = await ask(server.agi_port, "begin?extension=desk")
    assert first["RAYMAL_ADMITTED"] == "yes"
    assert second == {"RAYMAL_UUID": "", "RAYMAL_REASON": EXTENSION_FULL, "RAYMAL_ADMITTED": "no"}
    async with asyncio.timeout(VALID_S + 2.0):
        while (third := await ask(server.agi_port, "begin?extension=desk"))["RAYMAL_ADMITTED"] == "no":
            await asyncio.sleep(0.1)
    late = await call(server, first["RAYMAL_UUID"])
    assert late.frames == 0
    assert (await call(server, third["RAYMAL_UUID"])).frames > 0


@pytest.mark.parametrize(
    ("question", "reason"),
    [
        ("begin?extension=nowhere", "there is no extension 'nowhere'"),
        ("begin?language=xx-", "language: "),
        ("begin?priority=urgent", "priority: one of emergency"),
        ("begin?source=pbx", "source: an IP address"),
        ("begin?colour=red", "unknown option colour"),
    ],
)
async def test_a_mistake_is_named_and_not_admitted(server: RunningServer, question: str, reason: str) -> None:
    """The dialplan goes on with its own busy path."""
    answer = await ask(server.agi_port, question)
    assert answer["RAYMAL_ADMITTED"] == "no"
    assert reason in answer["RAYMAL_REASON"]


async def test_the_result_of_no_call_is_a_failure(server: RunningServer) -> None:
    """A dialplan that asks gets one of the five results, always."""
    answer = await ask(server.agi_port, f"result?uuid={UUID(int=9)}")
    assert answer["RAYMAL_RESULT"] == "failed"
    assert "no call" in answer["RAYMAL_REASON"]


async def test_dead_channels_and_garbage_harm_nobody(server: RunningServer) -> None:
    """511, a hangup in the middle, a peer that leaves, what is no AGI, a line without an end, a flood."""
    assert await ask(server.agi_port, "begin?extension=default", Manner.DEAD) == {}
    hung_up = await ask(server.agi_port, "begin?extension=default", Manner.HANGS_UP)
    assert hung_up["RAYMAL_ADMITTED"] == "yes"
    assert await ask(server.agi_port, "begin?extension=default", Manner.LEAVES) == {}
    for garbage in (b"GET / HTTP/1.1\r\n\r\n", b"\0" * 5_000, b"agi_x: y\n" * 500 + b"\n", b"\n"):
        reader, writer = await asyncio.open_connection("127.0.0.1", server.agi_port)
        writer.write(garbage)
        async with asyncio.timeout(5.0):
            assert await reader.read() == b""
        writer.close()
    idle = [await asyncio.open_connection("127.0.0.1", server.agi_port) for _ in range(150)]
    assert (await ask(server.agi_port, "begin?extension=default"))["RAYMAL_ADMITTED"] == "yes"
    for _, writer in idle:
        writer.close()


async def test_the_same_by_http(server: RunningServer) -> None:
    """Reserve a call, let it come, ask for its result."""

    def fetch(path: str, body: object = None) -> dict[str, object]:
        request = urllib.request.Request(
            f"http://127.0.0.1:{server.web_port}/api/v1/{path}",
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json", "Authorization": f"Bearer {TOKEN}"},
        )
        with urllib.request.urlopen(request, timeout=10.0) as answer:
            result: dict[str, object] = json.load(answer)
            return result

    begun = await asyncio.to_thread(
        fetch, "calls", {"extension": "desk", "caller_number": "22", "language": "en"}
    )
    assert begun["admitted"] is True
    await call(server, str(begun["call_id"]))
    result = await asyncio.to_thread(fetch, f"calls/{begun['call_id']}/result")
    assert result["result"] == "transfer"
    assert result["variables"] == {"CALLER": "22 None en"}


async def test_a_result_is_known_without_the_gateway(server: RunningServer) -> None:
    """The media worker says it: a gateway that is replaced just then costs nobody their transfer."""
    begun = await ask(server.agi_port, "begin?extension=desk")
    async with AsteriskPeer(server.port) as peer:
        peer.call_id = UUID(begun["RAYMAL_UUID"])
        peer.identify()
        await peer.until(lambda: peer.frames > 12)  # the dialog has said where; the call ends after a moment
        server.child("gateway").kill()
        async with asyncio.timeout(5.0):
            await peer.has_ended.wait()
    answer = await ask(server.agi_port, f"result?uuid={begun['RAYMAL_UUID']}")
    assert answer["RAYMAL_TARGET"] == "desk-7"
