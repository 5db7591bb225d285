"""The webhook dialog against a real server, in virtual time: what is asked, what is done, what goes wrong."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import virtual_time
from http_peer import Answer, Answering, Asked, HttpPeer

from actors.errors import ConfigurationError
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
from ingress.dialogs.registry import check, dialog
from ingress.dialogs.run import DialogRun
from ingress.dialogs.state import encoded_state
from ingress.dialogs.testing import Conversation
from ingress.dialogs.webhook.answer import WebhookError
from ingress.dialogs.webhook.circuit import FAILURES
from ingress.dialogs.webhook.client import Address, Client
from ingress.dialogs.webhook.signature import verify
from ingress.link.records import CallResult

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
SORRY = "I am sorry, this service cannot be reached at the moment."
LINES = "application/x-ndjson"
TLS = Path(__file__).parents[3] / "support" / "tls"
"""A certificate for 127.0.0.1 and its key, signed by itself."""


@pytest.fixture(autouse=True)
def _secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAYMAL_WEBHOOK_SECRET", SECRET)


def in_virtual_time(main: Coroutine[Any, Any, None]) -> None:
    """Run a test's conversation."""
    virtual_time.run(main, virtual_time.TCP_SETTLES_S)


@asynccontextmanager
async def talking(
    answer: Answer, url: str | None = None, language: str = "en", **settings: Any
) -> AsyncIterator[tuple[Conversation, HttpPeer]]:
    """A conversation with a receiver that answers so."""
    async with HttpPeer(answer) as peer:
        table = {"url": url or f"{peer.url}/calls", **settings}
        hook = dialog(DialogSettings(name="webhook", webhook=table))
        try:
            async with Conversation(hook, language=language, caller_number="123") as talk:
                yield talk, peer
        finally:
            await hook.close()  # type: ignore[attr-defined]


def answers(*actions: Any, **state: Any) -> Answer:
    """Return a receiver that always answers that."""

    async def answer(asked: Asked, answering: Answering) -> None:
        await answering.json({"actions": actions, **state})

    return answer


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


def test_the_connection_closes_while_the_answer_is_awaited() -> None:
    """As when the caller goes on, or hangs up: the turn is cancelled. That is no failure of the address."""

    async def main() -> None:
        async with talking(hang) as (talk, peer):
            for _ in range(FAILURES + 1):
                call = DialogCall("c1", "default", "pt", None, None, datetime.now(UTC), history=[], state={})
                run = DialogRun.of(talk.dialog, CallBegan(), call, 20.0)
                asking = asyncio.create_task(run.next())
                await asyncio.sleep(0.1)
                peer.left.clear()
                asking.cancel()
                await asyncio.wait([asking])
                await run.close()
                await asyncio.wait_for(peer.left.wait(), 0.3)
            assert len(peer.asked) == FAILURES + 1
            talk.is_over = True

    in_virtual_time(main())


async def hang(asked: Asked, answering: Answering) -> None:
    """Never answer."""
    await asyncio.sleep(3600.0)


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


def sends(body: bytes, kind: str = "application/json", status: int = 200) -> Answer:
    """Return a receiver that answers with these bytes."""

    async def answer(asked: Asked, answering: Answering) -> None:
        await answering.begin(status, kind=kind)
        await answering.send(body)
        await answering.end()

    return answer


def acts(*actions: Any) -> Answer:
    """Return a receiver that answers with these actions."""
    return sends(json.dumps({"actions": actions}).encode())


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
        (sends(b"[" * 100_000), "the answer is no JSON"),
        (sends(b"[]"), "the answer is no object with `actions` and `state`"),
        (sends(b'{"action": []}'), "action: Extra inputs are not permitted"),
        (sends(b'{"actions": {}}'), "actions: Input should be a valid list"),
        (acts("say"), "actions.0: an action is an object with its name"),
        (acts({"action": "saay"}), "actions.0: there is no action 'saay'; choose one of say, "),
        (acts({"action": "Secret!"}), "actions.0: there is no action; choose one of say, "),
        (acts({"action": "say"}), "actions.0.text: Field required"),
        (acts({"action": "say", "text": 5}), "actions.0.text: Input should be a valid string"),
        (acts({"action": "say", "text": "x", "fixed": 1}), "actions.0.fixed: Extra inputs are not permitted"),
        (acts({"action": "say", "text": "x", "Secret\n\x1b[31m": 1}), "actions.0.…: Extra inputs are not"),
        (sends(b'{"0170123456": 1}'), "webhook: …: Extra inputs are not permitted"),
        (sends(b'{"state": {"a": NaN}}'), "the dialog's state is not a JSON object that the link can carry"),
        (sends(b'{"state": {"a": "\\ud800"}}'), "the dialog's state is not a JSON object that the link can"),
        (acts({"action": "listen", "no_input_s": float("nan")}), "its no_input_s is a number from 0"),
        (acts({"action": "collect_keys", "gap_s": 10**400}), "actions.0.gap_s: Input should be a valid num"),
        (acts({"action": "end_call", "leg": "secret"}), "actions.0.leg: Input should be 'caller' or"),
        (acts({"action": "transfer", "target": "secret x"}), "actions.0: the dialog transfers to what is no"),
        (acts({"action": "collect_keys", "count": 0.5}), "actions.0.count: Input should be a valid int"),
        (acts({"action": "collect_keys", "count": 0}), "actions.0: the dialog yielded a CollectKeys that"),
        (acts(*[{"action": "end_call"}] * 65), "actions: List should have at most 64 items"),
        (answers(state={"a": "x" * 14_400}), "the state has 14409 bytes as JSON; 14336"),
        (sends(b'{"action": "say", "text": 1}', LINES), "line 1.text: Input should be a valid string"),
        (sends(b'{"state": 1}', LINES), "line 1.state: Input should be"),
        (sends(b"secret", LINES), "line 1 is no JSON"),
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


def test_no_call_waits_for_another_one() -> None:
    """None is answered before all are asked: 101, more than a client usually has connections."""
    all_asked = asyncio.Barrier(101)

    async def answer(asked: Asked, answering: Answering) -> None:
        await all_asked.wait()
        await answering.json({"actions": [{"action": "say", "text": "Hello."}]})

    async def main() -> None:
        async with talking(answer) as (talk, _):
            talks = [Conversation(talk.dialog) for _ in range(all_asked.parties)]
            replies = await asyncio.gather(*(each.begin() for each in talks))
            assert {reply.text for reply in replies} == {"Hello."}
            talk.is_over = True

    in_virtual_time(main())


def test_what_is_tried_again() -> None:
    """A proxy's words that the program is not there, with the same id; not an error of the program itself."""

    async def answer(asked: Asked, answering: Answering) -> None:
        status = 200 if len(peers[-1].asked) == 3 else 502
        await answering.json({"actions": [{"action": "say", "text": "There."}]}, status)

    peers: list[HttpPeer] = []

    async def main() -> None:
        async with HttpPeer(answer) as peer:
            peers.append(peer)
            hook = dialog(DialogSettings(name="webhook", webhook={"url": peer.url}))
            talk = Conversation(hook)
            assert (await talk.begin()).text == "There."
            assert len(peer.asked) == 3
            assert len({asked.headers["webhook-id"] for asked in peer.asked}) == 1
            assert len({asked.body for asked in peer.asked}) == 1
            await hook.close()  # type: ignore[attr-defined]

    in_virtual_time(main())


def test_the_environment_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a proxy, which would read what callers say, nor a password that is meant for other programs."""
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login me password secret")
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")

    async def main() -> None:
        async with talking(answers({"action": "say", "text": "Hello."})) as (talk, peer):
            assert (await talk.begin()).text == "Hello."
            assert "authorization" not in peer.asked[-1].headers

    in_virtual_time(main())


def test_calls_share_no_cookies() -> None:
    """A receiver that begins a session gets no other call's."""

    async def answer(asked: Asked, answering: Answering) -> None:
        await answering.json({}, Set_Cookie="session=1; Path=/")

    async def main() -> None:
        async with talking(answer) as (talk, peer):
            await talk.begin()
            await talk.says("Hello.")
            assert "cookie" not in peer.asked[-1].headers

    in_virtual_time(main())


def test_an_address_without_a_server(caplog: pytest.LogCaptureFixture) -> None:
    """It is tried again; after several failures of any calls it is left alone for a while."""

    async def main() -> None:
        async with HttpPeer(answers()) as peer:
            url = peer.url
        loop = asyncio.get_running_loop()
        async with talking(answers(), url=url, language="de") as (talk, _):
            for _ in range(5):
                reply = await talk.begin()
                assert reply.text == "Es tut mir leid, dieser Dienst ist im Moment nicht erreichbar."
                talk.interrupts()
            assert loop.time() >= 5 * 0.6
            began_s = loop.time()
            await talk.begin()
            talk.interrupts()
            assert loop.time() - began_s < 0.1  # not asked

    in_virtual_time(main())
    assert caplog.messages[0].endswith("webhook: no connection: Connection refused")


async def _answer_over_tls(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    body = b'{"actions": [{"action": "say", "text": "Hello."}]}'
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n")
    writer.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
    await writer.drain()
    writer.close()


@pytest.mark.parametrize(
    ("scheme", "is_known", "logged"),
    [
        ("https", True, ""),
        ("https", False, "no connection: its certificate is refused: self-signed certificate (see dialog"),
        ("http", True, "no whole answer: RemoteProtocolError"),
    ],
)
def test_certificates_are_verified(
    scheme: str, is_known: bool, logged: str, caplog: pytest.LogCaptureFixture
) -> None:
    """By this machine's, or by those in `ca_file`; the log says what was wrong."""
    certificate, key = TLS / "certificate.pem", TLS / "key.pem"
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate, key)

    async def main() -> None:
        async with await asyncio.start_server(_answer_over_tls, "127.0.0.1", 0, ssl=tls) as server:
            url = f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
            known = {"ca_file": str(certificate)} if is_known else {}
            hook = dialog(DialogSettings(name="webhook", webhook={"url": url, "retries": 0, **known}))
            assert (await Conversation(hook).begin()).text == (SORRY if logged else "Hello.")
            await hook.close()  # type: ignore[attr-defined]

    in_virtual_time(main())
    assert logged in caplog.text


async def test_what_is_no_server_of_tls_and_what_has_no_name() -> None:
    """The log says which it was."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        for host, reason in (
            ("127.0.0.1", r"^no connection: TLS failed \(WRONG_VERSION_NUMBER\)$"),
            ("a" * 64, "^no connection: its name is not found: "),  # too long for any name: nobody is asked
        ):
            url = f"https://{host}:{server.sockets[0].getsockname()[1]}/"
            client = Client(Address(url, b"", {}, 8.0, 0, ssl.create_default_context()))
            with pytest.raises(WebhookError, match=reason):
                await client.ask("msg_1", b"{}").__aenter__()
            await client.close()


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({}, r"^dialog\.webhook: url is missing$"),
        ({"url": "ftp://x"}, "write the address of your program"),
        ({"url": "https://x:65536/"}, "write the address of your program"),
        ({"url": "https://999.1.1.1/"}, "write the address of your program"),
        ({"url": "https://user:secret@x/"}, r"url = .*a password in an address ends up in"),
        ({"url": "http://10.0.0.1/"}, "use https://, or set allow_http"),
        ({"url": "https://x/", "headers": {"Host": "y"}}, "Host is set by raymal itself"),
        ({"url": "https://x/", "headers": {"X": "a\nb"}}, "a header is a name"),
        ({"url": "https://x/", "retries": 9}, "retries = 9"),
        ({"url": "https://x/", "fallback_transfer": "a b"}, "letters, digits and"),
        ({"url": "https://x/", "secret": "x"}, "unknown setting 'secret'; did you mean 'secret_file'"),
    ],
)  # fmt: skip
def test_wrong_settings(table: dict[str, Any], message: str) -> None:
    """Before a port opens."""
    with pytest.raises(ConfigurationError, match=message) as raised:
        check(DialogSettings(name="webhook", webhook=table))
    assert ":secret@" not in str(raised.value)


def test_wrong_secrets_and_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the dialog is made: `--check` does that, too."""

    def made(**table: Any) -> str:
        with pytest.raises(ConfigurationError) as raised:
            dialog(DialogSettings(name="webhook", webhook={"url": "https://x/", **table}))
        return str(raised.value)

    assert "dialog.webhook.deadline_s = 30: less than dialog.deadline_s" in made(deadline_s=30)
    file = tmp_path / "secret"
    file.write_text("nobody")
    assert "ca_file" in made(ca_file=str(file))
    monkeypatch.setenv("RAYMAL_WEBHOOK_SECRET", "password")
    assert made().startswith("environment variable RAYMAL_WEBHOOK_SECRET: a secret is")
    monkeypatch.delenv("RAYMAL_WEBHOOK_SECRET")
    assert made() == "dialog.webhook: requests are signed: name a secret_file, or set RAYMAL_WEBHOOK_SECRET"
    file.chmod(0o644)
    assert "chmod 600" in made(secret_file=str(file))
    file.chmod(0o600)
    assert "a secret is `whsec_`" in made(secret_file=str(file))
    file.write_text(f"{SECRET}\n")
    dialog(DialogSettings(name="webhook", webhook={"url": "https://x/", "secret_file": str(file)}))


def test_every_language_has_its_fall_back() -> None:
    """Made ahead of the first call, unless the operator wants none."""
    hook = dialog(DialogSettings(name="webhook", webhook={"url": "https://x/"}))
    assert len({hook.fixed_texts_in(code)[0] for code in ("en", "pt-BR", "es", "fr", "de", "it")}) == 6
    hook = dialog(DialogSettings(name="webhook", webhook={"url": "https://x/", "fallback": ""}))
    assert hook.fixed_texts_in("en") == []
