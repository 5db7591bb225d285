"""The wall clock may jump: NTP steps it, an operator sets it, a virtual machine wakes up. Calls go on."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from running_server import running_server, wait_until

from benchmarks.harness.strict_peer import CallReport, Ending, StrictCall, voice

LIBRARIES = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
JUMPS = ("-1h", "+0.2s", "-0.2s", "+1h")
SECONDS = 6.0
ATTEMPTS = 4
"""Under the library Python's threads are slow to take turns, for half a second on a busy machine."""


@pytest.mark.skipif(not LIBRARIES, reason="needs libfaketime: apt-get install libfaketime")
def test_jumps_of_the_wall_clock_move_no_frame_and_no_deadline(
    tmp_path: Path, runtime_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An hour and 200 ms, both ways, in the middle of a call: no gap, no drift, no early end."""
    for attempt in range(1, ATTEMPTS + 1):
        report = call_with_jumps(tmp_path, monkeypatch)
        assert (report.ending, report.violations) == (Ending.CALLER, ())
        if attempt < ATTEMPTS and (report.quality.long_gaps or abs(report.quality.drift_ms) >= 60.0):
            continue  # a jump that moved frames would do so every time
        assert report.quality.long_gaps == 0
        assert abs(report.quality.drift_ms) < 60.0
        return


def call_with_jumps(folder: Path, monkeypatch: pytest.MonkeyPatch) -> CallReport:
    """Return how a call went on a server whose wall clock jumps."""
    offset = folder / "offset"
    offset.write_text("+0\n")
    monkeypatch.setenv("LD_PRELOAD", str(LIBRARIES[0]))
    monkeypatch.setenv("FAKETIME_TIMESTAMP_FILE", str(offset))
    monkeypatch.setenv("FAKETIME_NO_CACHE", "1")
    monkeypatch.setenv("FAKETIME_DONT_FAKE_MONOTONIC", "1")
    with running_server(folder, "--no-ray", "--dialog", "tone") as server:
        for name in ("LD_PRELOAD", "FAKETIME_TIMESTAMP_FILE", "FAKETIME_NO_CACHE"):
            monkeypatch.delenv(name)
        call = StrictCall(server.port, outgoing=voice(SECONDS), seconds=SECONDS)
        call.start()
        for jump in JUMPS:
            time.sleep(SECONDS / (len(JUMPS) + 1))
            offset.write_text(f"{jump}\n")
        report = call.wait()
        wait_until(lambda: " ended: " in server.log.read_text(), 5.0, "the call's last line")
        lines = server.log.read_text().splitlines()
    hours = {line[11:13] for line in lines}
    assert len(hours) > 1, "the wall clock did not jump: the test proves nothing"
    return report
