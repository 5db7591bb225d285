"""The webhook dialog against a real server, in virtual time: what is asked, what is done, what goes wrong."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest
from http_peer import Answer, Answering, Asked
from webhook_talk import SECRET, SORRY, answers, hang, in_virtual_time, sends, talking

from ingress.configuration.settings import DialogSettings
from ingress.dialogs import (
    CallBegan,
    CollectKeys,
    DialogCall,
    EndCall,
    Interrupted,
    Listen,
    Say,
    SetVariable,
    Transfer,
)
from ingress.dialogs.registry import dialog
from ingress.dialogs.state import encoded_state
from ingress.dialogs.testing import Conversation
from ingress.dialogs.webhook.circuit import FAILURES
from ingress.dialogs.webhook.signature import verify
from ingress.link.records import CallResult

LINES = "application/x-ndjson"


def test_a_conversation() -> None:
    """The request has the event, the call, the history and the state; it is signed."""

    async def answer(asked: Asked, answering: Answering) -> None:
        count = asked.json["state"].get("count", 0) + 1
        await answering.json(
            {"actions": [{"action": "say", "text": f"Turn {count}."}], "state": {"count": count}}
        )

    async def main() -> None:
        async with talking(answer) as (talk, peer):
            assert (await talk.begin()).text == "Turn 1."
            assert (await talk.says("Good day.", confidence=0.5)).text == "Turn 2."
            asked = peer.asked[-1]
            assert (asked.method, asked.path) == ("POST", "/calls")
            now = datetime.now(UTC).timestamp()
            assert verify(asked.headers, asked.body, SECRET, now).startswith("msg_")
            body = asked.json
            assert (body["version"], body["type"]) == (1, "caller_said")
            assert body["data"] == {
                "text": "Good day.", "confidence": 0.5, "language": None, "language_probability": None,
                "expected": None, "leg": "caller",
            }  # fmt: skip
            assert body["call"]["call_id"] == talk.call_id
            assert (body["call"]["language"], body["call"]["caller_number"]) == ("en", "123")
            assert body["history"] == [{"speaker": "server", "text": "Turn 1.", "leg": "caller"}]
            assert body["state"] == {"count": 1}
        assert [asked.json["type"] for asked in peer.asked] == ["call_began", "caller_said", "call_ended"]
        assert peer.asked[-1].json["data"] == {"result": "ended", "reason": "the caller hung up"}

    in_virtual_time(main())


def test_all_actions() -> None:
    """As in Python, with the same fields."""
    actions = [
        {"action": "say", "text": "Hello.", "is_fixed": True, "may_interrupt": False},
        {"action": "listen", "expected_words": ["yes", "no"], "end_silence_ms": 800},
        {"action": "collect_keys", "count": 4, "gap_s": 5},
        {"action": "set_variable", "name": "ROOM", "value": "12"},
        {"action": "transfer", "target": "200", "reason": "asked"},
    ]

    async def main() -> None:
        async with talking(answers(*actions)) as (talk, _):
            answer = await talk.begin()
            assert answer.actions == (
                Say("Hello.", is_fixed=True, may_interrupt=False),
                Listen(expected_words=("yes", "no"), end_silence_ms=800),
                CollectKeys(count=4, gap_s=5),
                SetVariable("ROOM", "12"),
                Transfer("200", "asked"),
            )
            assert talk.outcome is not None
            assert (talk.outcome.result, talk.outcome.target) == (CallResult.TRANSFER, "200")

    in_virtual_time(main())


async def no_content(asked: Asked, answering: Answering) -> None:
    """Answer 204."""
    await answering.begin(204, kind="text/plain")
    await answering.end()


@pytest.mark.parametrize("body", [None, b"", b"null", b"{}"])
def test_an_empty_answer_does_nothing(body: bytes | None) -> None:
    """Also without any content; the server asks whether the caller is there."""

    async def main() -> None:
        async with talking(no_content if body is None else sends(body)) as (talk, _):
            assert (await talk.begin()).actions == ()
            assert (await talk.stays_silent()).text == "Are you still there?"

    in_virtual_time(main())


def test_lines_are_done_as_they_come() -> None:
    """The end is sent only once the first line has been done; a line may be cut anywhere."""

    async def main() -> None:
        has_spoken = asyncio.Event()

        async def answer(asked: Asked, answering: Answering) -> None:
            await answering.begin(kind=f"{LINES}; charset=utf-8")
            await answering.send(b'{"action": "say", "te')
            await answering.send('xt": "Olá."}\n\n{"state": {"a": 1}}\n'.encode())
            await has_spoken.wait()
            await answering.send(b'{"action": "end_call"}')
            await answering.end()

        async with talking(answer) as (talk, _):
            call = DialogCall("c1", "default", "pt", None, None, datetime.now(UTC), history=[], state={})
            actions = talk.dialog.respond(CallBegan(), call)
            assert await anext(actions) == Say("Olá.")
            has_spoken.set()
            assert [action async for action in actions] == [EndCall()]
            assert call.state == {"receiver": {"a": 1}}
            await talk.begin()

    in_virtual_time(main())


def test_an_interruption_closes_the_connection_and_goes_with_the_next_event() -> None:
    """The receiver sees that nobody listens any more, and gets one request about both."""

    async def answer(asked: Asked, answering: Answering) -> None:
        if asked.json["type"] != "call_began":
            await answering.json({})
            return
        await answering.begin(kind=LINES)
        await answering.send(b'{"action": "say", "text": "One. Two."}\n')
        await asyncio.sleep(3600.0)

    async def main() -> None:
        async with talking(answer) as (talk, peer):
            await talk.begin(interrupted_after="One.")
            await asyncio.wait_for(peer.left.wait(), 0.3)
            await talk.says("Stop.")
            assert [asked.json["type"] for asked in peer.asked] == ["call_began", "caller_said"]
            assert peer.asked[-1].json["interrupted"] == {"heard": "One.", "leg": "caller"}
            await talk.says("Go on.")
            assert peer.asked[-1].json["interrupted"] is None

    in_virtual_time(main())


def test_the_largest_state_has_room_for_an_interruption() -> None:
    """Whatever had been heard: also of characters that are long as JSON."""

    async def main() -> None:
        async with talking(answers(state={"a": "x" * (14 * 1024 - 9)})) as (talk, _):
            await talk.begin()
            call = DialogCall("c1", "default", "en", None, None, datetime.now(UTC), [], talk.state)
            assert [each async for each in talk.dialog.respond(Interrupted("\x01" * 5_000), call)] == []
            assert len(encoded_state(call.state)) > 16_000

    in_virtual_time(main())


async def cut(asked: Asked, answering: Answering) -> None:
    """Stop in the middle of an answer in one piece."""
    await answering.begin()
    await answering.send(b'{"actions": [{"action": "say"')


async def go_round(asked: Asked, answering: Answering) -> None:
    """Redirect to itself."""
    await answering.json({}, 307, Location="/calls")


async def compress(asked: Asked, answering: Answering) -> None:
    """Answer what was not asked for."""
    await answering.json({}, Content_Encoding="gzip")


async def too_much(asked: Asked, answering: Answering) -> None:
    """Send 2 MB of actions."""
    await answering.begin()
    await answering.send(b'{"actions": [' + b'{"action": "end_call"},' * 90_000 + b'{"action": "end_call"}]}')
    await answering.end()


async def endless_line(asked: Asked, answering: Answering) -> None:
    """Send a line without an end, in small pieces."""
    await answering.begin(kind=LINES)
    for _ in range(300):
        await answering.send(b"x" * 1024)


async def stalls(asked: Asked, answering: Answering) -> None:
    """Keep the connection open with empty lines."""
    await answering.begin(kind=LINES)
    while True:
        await answering.send(b"\n")
        await asyncio.sleep(1.0)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (hang, "no answer within 8 s"),
        (stalls, "no answer within 8 s"),
        (cut, "no whole answer: RemoteProtocolError"),
        (go_round, "answered 307: redirects are not followed; set the address it leads to"),
        (compress, "the answer is compressed, which was not asked for"),
        (too_much, "the answer is longer than 262144 bytes"),
        (endless_line, "the answer is longer than 262144 bytes"),
        (sends(b"{}", status=500), "answered 500"),
        (sends(b"{}", status=401), "answered 401"),
        (sends(b"{}", status=503), "answered 503"),
        (sends(b"{}", status=504), "answered 504"),
        (sends(b"<html>secret</html>", "text/html"), "the answer is not application/json nor"),
        (sends(b"\xff{secret"), "the answer is no JSON"),
        (answers({"action": "secret!"}), "actions.0: there is no action; choose one of say, "),
        (answers(state={"a": "x" * 14_400}), "the state has 14409 bytes as JSON; 14336"),
        (sends(b'{"state": {"a": NaN}}'), "the dialog's state does not come back as it is from JSON"),
        (sends(b'{"state": {"a": "\\ud800"}}'), "the dialog's state does not come back as it is from JSON"),
        (sends(b'{"action": "say", "text": 1}', LINES), "line 1.text: Input should be a valid string"),
    ],
)  # fmt: skip
def test_what_is_no_answer(answer: Answer, reason: str, caplog: pytest.LogCaptureFixture) -> None:
    """The caller hears the fall-back and the call ends; one line says why, and quotes nothing."""

    async def main() -> None:
        async with talking(answer) as (talk, _):
            reply = await talk.says("My secret.")
            assert (reply.text, reply.actions[-1]) == (SORRY, EndCall("webhook"))
            assert talk.state == {}
            talk.is_over = True  # the last event is asked about as well: not again

    in_virtual_time(main())
    assert reason in caplog.text
    assert "secret" not in caplog.text.lower()
    assert len(caplog.records) == 1


def test_a_cut_after_the_first_action() -> None:
    """What was whole is said, then the fall-back; it is not asked again."""

    async def answer(asked: Asked, answering: Answering) -> None:
        await answering.begin(kind=LINES)
        await answering.send(b'{"action": "say", "text": "One."}\n{"action": "say", "te')

    async def main() -> None:
        async with talking(answer, language="pt", fallback="Ligo já.", fallback_transfer="100") as (
            talk,
            peer,
        ):
            reply = await talk.begin()
            assert reply.text == "One. Ligo já."
            assert reply.actions[-1] == Transfer("100", "webhook")
            assert len(peer.asked) == 1

    in_virtual_time(main())


def test_the_fall_back_is_heard_on_both_legs() -> None:
    """Whichever leg the event came from, also from one that has left: the call ends for both."""

    async def answer(asked: Asked, answering: Answering) -> None:
        is_right = asked.json["type"] == "leg_joined"
        await answering.json({}, 200 if is_right else 500)

    async def main() -> None:
        async with talking(answer) as (talk, _):
            await talk.joins()
            reply = await talk.says("Yes.", "return")
            assert [(spoken.leg, spoken.text) for spoken in reply.spoken] == [
                ("caller", SORRY),
                ("return", SORRY),
            ]
        async with talking(answer) as (talk, _):
            await talk.joins()
            reply = await talk.leaves()
            assert [(spoken.leg, spoken.text) for spoken in reply.spoken] == [("caller", SORRY)]

    in_virtual_time(main())


def test_the_last_event_needs_no_answer(caplog: pytest.LogCaptureFixture) -> None:
    """Its failure is a line in the log."""

    async def main() -> None:
        async with talking(sends(b"", status=500)) as (talk, peer):
            await talk.ends()
            assert len(peer.asked) == 1

    in_virtual_time(main())
    assert "call_ended: webhook: answered 500" in caplog.text


def test_mistakes_and_slow_ends_cost_no_other_call() -> None:
    """The address answers: it is asked about the next call as well."""

    async def answer(asked: Asked, answering: Answering) -> None:
        if asked.json["type"] == "call_ended":
            await asyncio.sleep(3600.0)
        is_wrong = asked.json["type"] == "caller_said"
        await answering.json({"actions": [{"action": "say", "text": 1 if is_wrong else "Hello."}]})

    async def main() -> None:
        async with talking(answer, deadline_s=2.0) as (talk, peer):
            for _ in range(FAILURES):
                assert (await talk.says("Hello.")).text == SORRY
                talk.interrupts()
            for _ in range(FAILURES):
                ended = Conversation(talk.dialog)
                await ended.ends()
            assert (await talk.begin()).text == "Hello."
            assert len(peer.asked) == 2 * FAILURES + 1
            talk.is_over = True

    in_virtual_time(main())


def test_every_language_has_its_fall_back() -> None:
    """Made ahead of the first call, unless the operator wants none."""
    hook = dialog(DialogSettings(name="webhook", webhook={"url": "https://x/"}))
    assert len({hook.fixed_texts_in(code)[0] for code in ("en", "pt-BR", "es", "fr", "de", "it")}) == 6
    hook = dialog(DialogSettings(name="webhook", webhook={"url": "https://x/", "fallback": ""}))
    assert hook.fixed_texts_in("en") == []
