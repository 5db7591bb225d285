"""Extensions that come, change and go at a real server while calls run."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import socket
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from running_server import RunningServer, free_port, running_server, wait_until

from actors.errors import LinkError
from benchmarks.harness.strict_peer import StrictCall, voice
from ingress.cli import main
from ingress.link.asking import ask
from ingress.link.client import connect
from ingress.link.messages import (
    LINK_VERSION,
    ControlReply,
    ExtensionsRequest,
    Hello,
    Message,
    PutExtension,
    ReloadRequest,
    RemoveExtension,
    StatusRequest,
)
from ingress.link.status import ExtensionStatus
from ingress.server import observer
from ingress.server.control import MAXIMUM_CLIENTS
from ingress.server.finding import find

OPENED_WITHIN_S = 10.0
"""200 extensions, on a busy test machine; alone they take a tenth of that."""


@dataclass
class Site:
    """A server, its files, and a port of its that was taken when it started."""

    server: RunningServer
    configuration: Path
    extensions: Path
    day_port: int
    taken: socket.socket

    def ask(self, question: Message | None = None) -> ControlReply:
        """Ask the supervisor."""
        return asyncio.run(observer.control(self.server.port, question or ExtensionsRequest()))

    def put(self, name: str, **settings: object) -> ControlReply:
        """Add or change an extension."""
        return self.ask(PutExtension.model_validate({"name": name, "settings": settings}))

    def command(self, *arguments: str) -> int:
        """Run `raymal extensions` in this process."""
        return main(["extensions", arguments[0], "--server", str(self.server.port), *arguments[1:]])

    def status(self, name: str) -> ExtensionStatus:
        """Return how an extension does."""
        status = self.server.status()
        assert status is not None
        return next(each for each in status.extensions if each.name == name)


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """A server that plays a tone; of its two extensions one has another program's port."""
    folder = Path(tempfile.mkdtemp(prefix="raymal-test-"))
    configuration, extensions, day_port = folder / "raymal.toml", folder / "extensions.toml", free_port()
    with pytest.MonkeyPatch.context() as patch, socket.create_server(("127.0.0.1", 0)) as taken:
        patch.setenv("RAYMAL_RUNTIME", str(folder))
        configuration.write_text(
            f'[extensions_source]\nfile = "{extensions}"\n\n[dialog]\nname = "tone"\n\n'
            f"# The office.\n[extensions.day]\nport = {day_port}  # as in extensions.conf\n\n"
            f"[extensions.late]\nport = {taken.getsockname()[1]}\n"
        )
        with running_server(folder, "--no-ray", "--config", str(configuration)) as server:
            yield Site(server, configuration, extensions, day_port, taken)
    shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def calls_at(site: Site, port: int, count: int) -> Iterator[None]:
    """Run strict calls meanwhile: none may be dropped or break off, and no send may be 100 ms late.

    That is read in the server's records: the callers share this process with the test, and may be late.
    """
    calls = [StrictCall(port, outgoing=voice(60.0)).start() for _ in range(count)]
    for call in calls:
        call.until_frames(10)
    yield
    before = [call.frames for call in calls]
    for call, frames in zip(calls, before, strict=True):
        call.until_frames(frames + 10)
        call.hang_up()
    for report in [call.wait() for call in calls]:
        assert report.violations == ()
        record = asyncio.run(observer.call_record(site.server.port, report.call_id, 5.0))
        assert record is not None
        assert (record.long_gaps, record.underruns) == (0, 0)


def takes_calls(port: int) -> bool:
    """Whether a call on that port gets audio."""
    with StrictCall(port, outgoing=voice(5.0)) as call:
        try:
            call.until_frames(2)
        except AssertionError:
            return False
        return True


def is_refused(port: int) -> bool:
    """Whether nobody listens there."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1.0).close()
    except ConnectionRefusedError:
        return True
    return False


def test_a_taken_port_at_the_start_is_that_extensions_problem_alone(site: Site) -> None:
    """The others take calls, log and status name it, and it is opened once it is free."""
    port = site.taken.getsockname()[1]
    assert takes_calls(site.day_port)
    wait_until(lambda: f"127.0.0.1:{port} is in use" in str(site.status("late").problem), 5.0, "the status")
    assert "extension late takes no calls" in site.server.log.read_text()
    site.put("day", port=site.day_port, language="es")  # another extension's change is no matter of it
    assert "late" in site.ask().problems
    site.taken.close()
    wait_until(lambda: site.ask().ports.get("late") == port, 10.0, "the port")
    assert takes_calls(port)
    wait_until(lambda: site.status("late").problem is None, 5.0, "the status")


def test_extensions_come_change_and_go_under_calls(site: Site) -> None:
    """No call notices, not even one on the extension that goes; files keep what people wrote in them."""
    with calls_at(site, site.server.port, 8), calls_at(site, site.day_port, 2):
        night = site.put("night", port="auto", language="pt").ports["night"]
        assert takes_calls(night)
        assert site.put("night", port="auto", language="es").ports["night"] == night
        moved = free_port()
        assert site.put("night", port=moved, language="es").problem is None
        assert is_refused(night)
        assert takes_calls(moved)
        assert site.put("day", port=moved).problem == (
            f"extensions.night.port = {moved}: the same as extensions.day.port; every extension has a port "
            "of its own"
        )
        assert site.ask(RemoveExtension(name="night")).problem is None
        assert is_refused(moved)
        assert site.ask(RemoveExtension(name="day")).problem is None
        assert is_refused(site.day_port)
        with calls_at(site, site.put("day", port="auto").ports["day"], 1):  # the name is free for another
            site.server.child("media-worker")
    assert "# The office." in site.configuration.read_text()
    assert "[extensions.day]" in site.extensions.read_text()  # new again, so in the file for those


def test_a_worker_that_is_started_again_has_all_extensions(site: Site) -> None:
    """Also those that came after the server's start; connections wait in the kernel's queue."""
    port = site.put("kept", port="auto").ports["kept"]
    site.server.child("media-worker").kill()
    assert takes_calls(port)
    assert takes_calls(site.server.port)


def test_what_cannot_be_is_refused_with_its_reason(site: Site) -> None:
    """Neither the server nor a file changes."""
    before, text = site.ask(), site.extensions.read_text()
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        assert f"127.0.0.1:{taken} is in use" in str(site.put("new", port=taken).problem)
    refusals: Mapping[str, tuple[str, dict[str, object]]] = {
        "'extensions.new.langage'; did you mean 'language'": ("new", {"port": 0, "langage": "es"}),
        'write a port\'s number, "auto" or "shared"': ("new", {"port": "any"}),
        "extensions.new.port = True: write a port's number": ("new", {"port": True}),
        "made of letters, digits": ("a b", {"port": 0}),
        "the server's own port": ("default", {"port": 0}),
        "this server was started without them": ("new", {"port": 0, "dialog": {"name": "echo"}}),
        "the second": ("new", {"port": 0, "endpointing": {"confirmation_threshold": "the second"}}),
        "so the shortest utterances": ("new", {"port": 0, "endpointing": {"onset_ms": 500}}),
    }
    for words, (name, settings) in refusals.items():
        assert words in str(site.put(name, **settings).problem)
    assert "extensions.none: does not exist" in str(site.ask(RemoveExtension(name="none")).problem)
    after = site.ask()
    assert (after.book, after.ports, site.extensions.read_text()) == (before.book, before.ports, text)


def test_a_file_is_followed_when_it_is_right(site: Site) -> None:
    """Half a file changes nothing and is named; 200 extensions are open at once, under calls."""
    good = site.extensions.read_text()
    version = site.ask().book.version
    site.extensions.write_text(good + "[extensions.half")
    wait_until(
        lambda: "extensions.toml: cannot be read as TOML" in site.server.log.read_text(), 5.0, "a line"
    )
    site.extensions.unlink()
    wait_until(lambda: "extensions.toml is gone" in site.server.log.read_text(), 5.0, "a line")
    assert "extensions.toml is gone" in str(site.put("new", port=0).problem)
    site.extensions.symlink_to("nowhere.toml")
    assert "no such configuration file" in str(site.ask(ReloadRequest()).problem)
    site.extensions.unlink()
    assert site.ask().book.version == version
    many = "".join(f'[extensions.n{number}]\nport = "auto"\n' for number in range(200))
    with calls_at(site, site.server.port, 4):
        written = site.extensions.with_suffix(".new")
        written.write_text(f"{good}\n{many}")
        written.replace(site.extensions)  # as an editor does
        wait_until(lambda: "n199" in site.ask().ports, OPENED_WITHIN_S, "200 extensions")
        assert takes_calls(site.ask().ports["n117"])
        site.extensions.write_text(good)
        wait_until(lambda: "n199" not in site.ask().ports, OPENED_WITHIN_S, "no such extensions")


def test_the_control_socket_holds_whatever_comes(site: Site) -> None:
    """Its clients are counted; what is no question costs that link alone."""
    path = find(site.server.port).control_socket
    hello = Hello(version=LINK_VERSION, role="observer", name="test")

    async def crowd() -> None:
        links = [await connect(path, hello) for _ in range(MAXIMUM_CLIENTS)]
        for link in links:
            await ask(link, ExtensionsRequest(), ControlReply)
        one_more = await connect(path, hello)
        with pytest.raises(LinkError, match="the link is"):  # closed before or after the question
            await ask(one_more, ExtensionsRequest(), ControlReply)
        with pytest.raises(LinkError, match="closed by the other side"):
            await ask(links[0], StatusRequest(), ControlReply)
        await ask(links[1], ExtensionsRequest(), ControlReply)
        for link in (*links, one_more):
            await link.close()

    asyncio.run(crowd())
    wait_until(lambda: site.ask().problem is None, 5.0, "an answer")


def test_the_commands_say_what_they_did(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    """List, add, set, remove and reload; a mistake has its remedy."""
    assert site.command("add", "desk", "--port", "auto", "--greeting", "Hi", "--set", "tone=1") == 2
    assert "unknown setting 'extensions.desk.tone'" in capsys.readouterr().err
    assert site.command("add", "desk", "--language", "es") == 2
    assert "--port is needed" in capsys.readouterr().err
    flags = ["--return-port", "auto", "--max-calls", "3", "--set", "dialog.tone_hz=500"]
    assert site.command("add", "desk", "--port", "auto", *flags) == 0
    added = r"extension desk is added and listens on port \d+, for return legs on port (\d+)"
    found = re.search(added, capsys.readouterr().out)
    assert found is not None
    with socket.create_connection(("127.0.0.1", int(found[1])), timeout=5.0) as line:
        line.sendall(b"\x01\x00\x10" + bytes(16))  # no call has this UUID
        assert line.recv(3) == b"\x00\x00\x00"
    assert site.command("add", "desk", "--port", "auto") == 2
    assert "`raymal extensions set desk` changes it" in capsys.readouterr().err
    assert site.command("set", "desk", "--port", "shared", "--unset", "dialog.tone_hz", "--json") == 2
    assert "extensions.desk.return_port: needs a port for callers" in capsys.readouterr().err
    unset = ["--unset", "dialog.tone_hz", "--unset", "return_port"]
    assert site.command("set", "desk", "--port", "shared", *unset, "--json") == 0
    desk = json.loads(capsys.readouterr().out)["extensions"]["desk"]
    assert (desk["port"], desk["max_calls"], desk["dialog"]["tone_hz"]) == (None, 3, 440.0)
    assert site.command("set", "desc", "--max-calls", "3") == 2
    assert site.command("set", "desk") == 2  # nothing is to be changed
    assert "there is no extension desc" in capsys.readouterr().err
    assert site.command("list") == 0
    assert "shared" in capsys.readouterr().out
    assert site.command("remove", "desk") == 0
    assert main(["reload", "--port", str(site.server.port)]) == 0
    assert "the configuration is read" in capsys.readouterr().out


def test_a_server_drains_when_it_is_told_to(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    """With a deadline of the operator's, which ends a call that goes on."""
    with StrictCall(site.server.port, outgoing=voice(60.0)) as call:
        call.until_frames(5)
        assert main(["drain", "--port", str(site.server.port), "--deadline", "0.3", "--wait"]) == 0
        assert call.was_hung_up
    assert "has stopped" in capsys.readouterr().out
    assert site.server.process.wait(10.0) == 0
