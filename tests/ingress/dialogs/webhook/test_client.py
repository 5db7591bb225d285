"""How the address is asked: connections, tries, certificates, many at once."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
from http_peer import Answering, Asked, HttpPeer
from webhook_talk import SORRY, answers, hang, in_virtual_time, talking

from ingress.configuration.settings import DialogSettings
from ingress.dialogs import CallBegan, DialogCall
from ingress.dialogs.registry import dialog
from ingress.dialogs.run import DialogRun
from ingress.dialogs.testing import Conversation
from ingress.dialogs.webhook.answer import WebhookError
from ingress.dialogs.webhook.circuit import FAILURES
from ingress.dialogs.webhook.client import Address, Client

TLS = Path(__file__).parents[3] / "support" / "tls"
"""A certificate for 127.0.0.1 and its key, signed by itself."""


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
    statuses = iter((502, 503))

    async def answer(asked: Asked, answering: Answering) -> None:
        await answering.json({"actions": [{"action": "say", "text": "There."}]}, next(statuses, 200))

    async def main() -> None:
        async with talking(answer) as (talk, peer):
            assert (await talk.begin()).text == "There."
            assert len(peer.asked) == 3
            assert len({asked.headers["webhook-id"] for asked in peer.asked}) == 1
            assert len({asked.body for asked in peer.asked}) == 1

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
            assert peer.asked[-1].headers["accept-encoding"] == "identity"

    in_virtual_time(main())


def test_no_connection_is_kept() -> None:
    """Also if the receiver would keep it: the next request needs no luck, and nothing is to be closed."""

    async def main() -> None:
        gone = asyncio.Event()

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
            while await reader.read(1024):
                pass
            writer.close()
            gone.set()

        async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
            url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
            hook = dialog(DialogSettings(name="webhook", webhook={"url": url}))
            assert (await Conversation(hook).begin()).actions == ()
            await asyncio.wait_for(gone.wait(), 0.3)

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
    with contextlib.suppress(asyncio.IncompleteReadError), contextlib.closing(writer):
        await reader.readuntil(b"\r\n\r\n")
        body = b'{"actions": [{"action": "say", "text": "Hello."}]}'
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n")
        writer.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        await writer.drain()


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

    in_virtual_time(main())
    assert logged in caplog.text


def test_the_check_tries_the_connection() -> None:
    """With its TLS, and without a request: no call has begun."""
    certificate, key = TLS / "certificate.pem", TLS / "key.pem"
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate, key)
    read: list[bytes] = []

    def accept(listener: socket.socket) -> None:
        for _ in range(2):
            connection, _ = listener.accept()
            with connection, contextlib.suppress(OSError), tls.wrap_socket(connection, True) as encrypted:
                read.append(encrypted.recv(1))

    def problems(url: str, **table: str) -> Sequence[str]:
        return dialog(DialogSettings(name="webhook", webhook={"url": url, **table})).unreachable()

    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(1) as pool:
        listener.settimeout(5.0)
        accepting = pool.submit(accept, listener)
        port = listener.getsockname()[1]
        url, where = (
            f"https://127.0.0.1:{port}/",
            f"dialog.webhook.url: no connection to 127.0.0.1, port {port}: ",
        )
        assert problems(url, ca_file=str(certificate)) == []
        [problem] = problems(url)
        assert problem.startswith(f"{where}its certificate is refused: self-signed certificate")
        accepting.result(5.0)
        assert problems(f"http://127.0.0.1:{port}/") == []
    assert read == [b""]
    assert problems(url) == [f"{where}Connection refused"]


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


def test_the_connection_closes_while_the_answer_is_awaited() -> None:
    """As when the caller goes on, or hangs up: the turn is cancelled. That is no failure of the address."""

    async def main() -> None:
        async with talking(hang) as (talk, peer):
            for _ in range(FAILURES + 1):
                call = DialogCall("c1", "default", "pt", None, None, datetime.now(UTC), history=[], state={})
                run = DialogRun(talk.dialog, CallBegan(), call, 20.0)
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
