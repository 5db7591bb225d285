"""The strict peer itself: every release drops what it must, and nothing else."""

from __future__ import annotations

import json
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from running_server import free_port

from benchmarks.harness import strict_peer
from benchmarks.harness.asterisk_versions import CURRENT, VERSIONS
from benchmarks.harness.strict_peer import (
    Ending,
    Outgoing,
    StrictCall,
    audio_bytes,
    digit,
    voice,
)

Behaviour = Callable[[socket.socket], None]

FRAME = audio_bytes(bytes(320))
ALL = sorted(VERSIONS)
SINCE_14 = [name for name in ALL if name >= "20.14"]


@contextmanager
def server(behave: Behaviour) -> Iterator[int]:
    """Run a server that reads the UUID and then behaves so, once; yield its port."""
    failures: list[BaseException] = []

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            try:
                assert len(connection.recv(19, socket.MSG_WAITALL)) == 19
                behave(connection)
            except OSError:
                pass  # the peer dropped the call
            except BaseException as failure:
                failures.append(failure)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(10.0)
    if failures:
        raise failures[0]


def says(*pieces: bytes | float, then_reads: bool = True) -> Behaviour:
    """Return a server that writes pieces and pauses (seconds), then waits until the peer has closed."""

    def behave(connection: socket.socket) -> None:
        for piece in pieces:
            if isinstance(piece, float):
                time.sleep(piece)
            else:
                connection.sendall(piece)
        while then_reads and connection.recv(65_536):
            pass

    return behave


def call(version: str, behave: Behaviour, seconds: float = 0.15, **changes: Any) -> StrictCall:
    """Place one call to a server that behaves so, and wait for its end. `changes`: of the version."""
    with server(behave) as port:
        strict = StrictCall(port, replace(VERSIONS[version], **changes), seconds=seconds).start()
        strict.wait()
    return strict


@pytest.mark.parametrize("version", ALL)
@pytest.mark.parametrize(
    ("behave", "rule", "droppers"),
    [
        pytest.param(
            says(FRAME[:100], 0.02, FRAME[100:]), "payload hole after 97 of 320 bytes", ALL, id="payload hole"
        ),
        pytest.param(says(FRAME[:3], 0.02, FRAME[3:]), "payload hole after 0 of 320 bytes", ALL, id="split"),
        pytest.param(says(b"\x03\x00\x011"), "kind 0x03", SINCE_14, id="digit"),
        pytest.param(says(b"\x01\x00\x10" + bytes(16)), "kind 0x01", SINCE_14, id="uuid"),
        pytest.param(says(b"\x02\x00\x01x"), "kind 0x02", SINCE_14, id="silence"),
        pytest.param(says(b"\xff\x00\x01\x04"), "kind 0xff", SINCE_14, id="error"),
        pytest.param(says(audio_bytes(b"")), "audio of length 0", SINCE_14, id="empty"),
        pytest.param(
            says(audio_bytes(bytes(640), 16_000)), "kind 0x12", ["20.14", "20.15"], id="wideband too early"
        ),
        pytest.param(
            says(FRAME[:1], 0.02, FRAME[1:]),
            "header hole after 1 bytes",
            ["20.13", "20.14", "20.15"],
            id="header hole",
        ),
        pytest.param(
            says(audio_bytes(bytes(1_920))), "a message of 1923 bytes: more than one segment", [], id="long"
        ),
        pytest.param(
            says(FRAME, b"\x00\x00\x05hello", then_reads=False),
            "hangup with a length of 5",
            [],
            id="long hangup",
        ),
    ],
)
def test_each_release_drops_what_it_must(
    version: str, behave: Behaviour, rule: str, droppers: list[str]
) -> None:
    """A broken rule drops the call where the release enforces it; everywhere it is a violation."""
    strict = call(version, behave)
    report = strict.wait()
    wideband_is_known = rule == "kind 0x12" and VERSIONS[version].knows_wideband
    restarts = rule.startswith("header") and version == "20.17"
    assert (rule in report.violations) is not wideband_is_known
    if version in droppers:
        assert (report.ending, report.dropped_by, report.result) == (Ending.DROPPED, rule, -1)
    elif not restarts:
        assert report.dropped_by is None


def test_a_header_read_from_the_beginning_again_desynchronises() -> None:
    """20.17 and 20.18: the length's first byte is taken for the kind."""
    report = call("20.17", says(FRAME[:1], 0.02, FRAME[1:])).wait()
    assert report.dropped_by == "kind 0x01"


@pytest.mark.parametrize("version", ["20.17", "20.19"])
def test_a_header_that_never_completes_freezes_the_call(version: str) -> None:
    """Nothing is sent either, and the hangup is not noticed (asterisk#2089)."""
    with server(says(FRAME, b"\x10")) as port:
        strict = StrictCall(port, VERSIONS[version], voice(2.0), seconds=0.2).start()
        report = strict.wait()
    assert report.ending is Ending.FROZEN
    assert report.frames_sent <= 1
    assert report.violations == ("header hole after 1 bytes",)


def test_a_pause_shorter_than_5_ms_is_forgiven_since_20_15() -> None:
    """And drops the call before. Tried again where this machine made the pause too long."""
    for _ in range(5):
        report = call("20.15", says(0.05, FRAME[:100], 0.001, FRAME[100:])).wait()
        if report.ending is Ending.CALLER:
            break
    assert report.ending is Ending.CALLER
    assert (report.messages, report.messages_in_pieces) == (1, 1)
    assert call("20.14", says(0.05, FRAME[:100], 0.003, FRAME[100:])).wait().ending is Ending.DROPPED


@pytest.mark.parametrize("version", ALL)
def test_a_hangup_or_fin_is_a_normal_end_since_20_14(version: str) -> None:
    """The dialplan goes on; before, the channel is hung up."""
    expected = 0 if version >= "20.14" else -1

    def hangs_up(connection: socket.socket) -> None:
        connection.sendall(FRAME + b"\x00\x00\x00")
        connection.shutdown(socket.SHUT_WR)
        says()(connection)

    strict = call(version, hangs_up)
    report = strict.wait()
    assert (report.ending, report.result, report.violations) == (Ending.HANGUP, expected, ())
    assert strict.was_hung_up
    closes = call(version, says(FRAME, then_reads=False)).wait()
    assert (closes.ending, closes.result, closes.violations) == (Ending.FIN, expected, ())


def test_a_reset_is_told_from_a_close() -> None:
    """RST is an error for the dialplan."""

    def resets(connection: socket.socket) -> None:
        connection.sendall(FRAME)
        time.sleep(0.05)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    report = call("20.19", resets).wait()
    assert (report.ending, report.result, report.violations) == (Ending.RESET, -1, ("reset",))


@pytest.mark.parametrize(
    ("behave", "violation"),
    [
        (says(b"\x00\x00\x00", FRAME, then_reads=False), "323 bytes after the hangup"),
        (says(b"\x00\x00\x00"), "no FIN within 0.3 s after the hangup"),
    ],
)
def test_after_the_hangup_only_fin_may_come(
    behave: Behaviour, violation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What comes instead is a violation."""
    monkeypatch.setattr(strict_peer, "FIN_WAIT_S", 0.3)
    assert call("20.19", behave).wait().violations == (violation,)


def test_a_server_that_does_not_read_loses_the_call() -> None:
    """The first write that does not fit ends it; Asterisk's socket does not block."""
    has_ended = threading.Event()

    def never_reads(connection: socket.socket) -> None:
        assert has_ended.wait(10.0)

    burst = (Outgoing(0.0, audio_bytes(bytes(60_000))) for _ in range(400))
    with server(never_reads) as port:
        report = StrictCall(port, outgoing=burst).start().wait()
        has_ended.set()
    assert report.ending is Ending.DROPPED
    assert report.dropped_by is not None
    assert report.dropped_by.startswith("the server does not read: ")


def test_two_silent_sides_end_the_call_after_2_s() -> None:
    """Since 20.14; a sound of either side begins the two seconds again."""
    assert [VERSIONS[name].silence_limit_s for name in ALL] == [None, 2.0, 2.0, 2.0, 2.0]
    report = call("20.19", says(0.2, FRAME), seconds=4.0, silence_limit_s=0.5).wait()
    assert report.dropped_by == "nothing from either side for 0.5 s"
    assert report.connected_s == pytest.approx(0.7, abs=0.15)
    assert call("20.13", says(), seconds=0.6).wait().ending is Ending.CALLER


def test_a_server_that_is_not_there_is_an_ending() -> None:
    """A refused connection is an ending of its own."""
    report = StrictCall(free_port()).start().wait()
    assert (report.ending, report.result) == (Ending.NO_CONNECTION, -1)


def test_a_good_server_has_a_clean_report() -> None:
    """Frames on time: no violation, no hole, no drift, and the audio is all there."""

    def paces(connection: socket.socket) -> None:
        start_s = time.monotonic()
        for index in range(25):
            time.sleep(max(0.0, start_s + index * 0.02 - time.monotonic()))
            connection.sendall(audio_bytes(bytes([index, 0]) * 160))
        connection.sendall(b"\x00\x00\x00")
        connection.shutdown(socket.SHUT_WR)
        says()(connection)

    strict = call("20.19", paces, seconds=5.0)
    report = strict.wait()
    assert (report.ending, report.result, report.violations) == (Ending.HANGUP, 0, ())
    assert (report.quality.frames, report.messages_in_pieces) == (25, 0)
    assert report.longest_message_bytes == 323
    assert abs(report.quality.drift_ms) < 20
    assert report.first_frame_ms is not None
    assert 0 <= report.first_frame_ms < 100
    assert strict.audio[::320] == bytes(range(25))
    assert report.holes[60] == (report.quality.underruns, report.quality.concealed_ratio)


def test_the_reports_figures_show_a_hole() -> None:
    """A stall of 150 ms: one long gap, one underrun at each buffer."""
    pieces: list[bytes | float] = []
    for index in range(20):
        pieces += [FRAME, 0.15 if index == 10 else 0.02]
    report = call("20.19", says(*pieces), seconds=0.7).wait()
    assert report.quality.long_gaps == 1
    assert all(report.holes[buffer_ms][0] >= 1 for buffer_ms in (40, 60, 100))
    assert report.quality.lateness_max_ms > 120


@pytest.mark.parametrize(("version", "label"), [("20.13", 0x10), ("20.15", 0x10), ("20.17", 0x12)])
def test_the_channel_is_paced_and_labelled(version: str, label: int) -> None:
    """Frames leave at absolute deadlines, silence suppression leaves gaps, digits are sent where they are."""
    arrivals: list[tuple[float, bytes]] = []

    def listens(connection: socket.socket) -> None:
        while header := connection.recv(3, socket.MSG_WAITALL):
            payload = connection.recv(int.from_bytes(header[1:], "big"), socket.MSG_WAITALL)
            arrivals.append((time.monotonic(), header[:1] + payload))

    said = [*voice(0.45, ptime_ms=30, rate_hz=16_000, audio=b"\x01\x02" * 480, gaps=[(0.15, 0.3)])]
    said.append(digit("7", at_s=0.47))
    with server(listens) as port:
        strict = StrictCall(port, VERSIONS[version], said, seconds=0.5).start()
        report = strict.wait()
    frames = [(arrived_s, data) for arrived_s, data in arrivals if data[0] == label]
    assert report.frames_sent == len(frames) == 10
    assert {len(data) for _, data in frames} == {961}
    assert frames[0][1][1:] == b"\x01\x02" * 480
    assert not any(frames[1][1][1:])
    due_s = [outgoing.due_s for outgoing in said[:-1]]
    late_s = [
        arrived_s - strict.identified_s - due for (arrived_s, _), due in zip(frames, due_s, strict=True)
    ]
    assert sorted(late_s)[5] < 0.01
    assert min(late_s) >= 0.0
    assert (arrivals[-1][1] == b"\x037") is VERSIONS[version].sends_digits


@pytest.mark.parametrize("resets", [False, True])
def test_the_caller_hangs_up_in_both_ways(resets: bool) -> None:
    """With a close or, when the PBX dies, with a reset."""
    seen: list[str] = []

    def looks(connection: socket.socket) -> None:
        try:
            seen.append("fin" if connection.recv(1) == b"" else "data")
        except ConnectionResetError:
            seen.append("rst")

    with server(looks) as port, StrictCall(port) as strict:
        time.sleep(0.05)
        strict.hang_up(reset=resets)
        assert strict.wait().ending is Ending.CALLER
    assert seen == ["rst" if resets else "fin"]


def test_it_runs_as_a_program_of_its_own() -> None:
    """So that it does not share an interpreter with what it judges."""
    with server(says(FRAME, b"\x03\x00\x011")) as port:
        flags = ["--port", str(port), "--seconds", "1", "--profile", CURRENT.name]
        command = [sys.executable, "-m", "benchmarks.harness.strict_peer", *flags]
        result = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert result.returncode == 1, result.stderr
    [report] = json.loads(result.stdout)
    assert (report["ending"], report["dropped_by"]) == ("DROPPED", "kind 0x03")
    assert report["quality"]["frames"] == 1
