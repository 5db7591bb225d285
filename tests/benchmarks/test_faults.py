"""The rules of `make faults` and `make soak`: criteria, verdicts, tables, exit codes. No root, no server."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from argparse import ArgumentTypeError
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.telephone import FRAME_S
from benchmarks import soak
from benchmarks.faults import __main__ as command
from benchmarks.faults import links
from benchmarks.faults.__main__ import FAULTS, Fault, chosen
from benchmarks.faults.crowd import Crowd, Guest
from benchmarks.faults.reference import Quality, pacing_holds
from benchmarks.faults.scarcity import quota_folder
from benchmarks.harness.arrivals import ARRIVAL, judge
from benchmarks.harness.load_generator import GeneratorReport
from benchmarks.harness.outcomes import Outcome, Verdict
from benchmarks.harness.processes import CpuUse
from benchmarks.harness.server import ServerError
from benchmarks.harness.workplace import MachineError, Workplace, check_machine
from ingress.caller.listening_quality import ReceivedFrame

SECONDS = 4.0


def outcome(verdict: Verdict) -> Outcome:
    return Outcome("criterion", "1 ms", "2 ms [of 3]", verdict)


def test_tests_are_chosen_by_name() -> None:
    """Any order and case; the error of an unknown name lists those that there are."""
    assert [fault.name for fault in chosen("x5, X1")] == ["X1", "X5"]
    with pytest.raises(ArgumentTypeError, match=r"X99 .*there are X1, X3"):
        chosen("X1,X99")
    assert len({fault.name for fault in FAULTS}) == len(FAULTS)


def test_a_test_that_breaks_off_is_a_miss_and_the_next_one_runs(tmp_path: Path) -> None:
    """What was found before it broke off is kept."""

    def breaks_off(workplace: Workplace) -> Iterator[Outcome]:
        yield outcome(Verdict.PASS)
        raise ServerError("the server ended at its start")

    def passes(workplace: Workplace) -> Iterator[Outcome]:
        yield outcome(Verdict.PASS)

    said: list[str] = []
    place: Any = None  # neither of the two looks at it
    outcomes = command.run((Fault("A", "a", breaks_off), Fault("B", "b", passes)), place, said.append)
    assert [row.verdict for row in outcomes["A a"]] == [Verdict.PASS, Verdict.MISS]
    assert outcomes["A a"][1].measured == "the server ended at its start"
    assert [row.verdict for row in outcomes["B b"]] == [Verdict.PASS]
    assert any("broke off" in line for line in said)


def test_without_root_it_says_so_and_exits_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is started."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    assert command.main(["--only", "X1"]) == 2
    assert "root is needed" in capsys.readouterr().out


def test_missing_tools_are_named_by_their_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command to install them is in the message, each package once."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    with pytest.raises(MachineError, match="apt-get install iproute2 nftables util-linux"):
        check_machine(with_networks=True)


def arrivals(calls: int, late_s: dict[int, float] | None = None, hole_s: float = 0.0) -> Any:
    """Return frames of `calls` calls; every so many come late; one hole in the middle of call 0."""
    rows = []
    for call in range(calls):
        for number in range(round(SECONDS / FRAME_S)):
            at_s = number * FRAME_S + (hole_s if call == 0 and number >= 100 else 0.0)
            at_s += sum(late for every, late in (late_s or {}).items() if number % every == every - 1)
            rows.append((at_s, call, 320, 0x10, 0))
    return np.array(rows, ARRIVAL)


def quality(heard: Any, *, ended: int = 0, tick_p99_ms: float = 0.1, foreign: float = 0.0) -> Quality:
    calls = len(np.unique(heard["call"]))
    report = GeneratorReport(0.0, SECONDS, 5.0, tick_p99_ms, 1.0, len(heard), 0, 0, ended, 0)
    return Quality(judge(heard, calls, SECONDS), report, heard, CpuUse(10.0, foreign))


def verdicts(calm: Quality, faulty: Quality, **options: bool) -> list[Verdict]:
    return [row.verdict for row in pacing_holds("10 calls", calm, faulty, **options)]


PASS, MISS, DISTURBED = Verdict.PASS, Verdict.MISS, Verdict.DISTURBED


def test_lateness_is_judged_against_the_calm_calls() -> None:
    """The limits are what the fault adds, at each percentile by itself, and both figures are stated."""
    calm = quality(arrivals(10, {10: 0.008}))
    assert verdicts(calm, quality(arrivals(10, {10: 0.012}))) == [PASS, PASS]
    assert verdicts(calm, quality(arrivals(10, {10: 0.014}))) == [MISS, PASS]  # p99 by 6 ms
    rare = quality(arrivals(10, {10: 0.008, 200: 0.022}))  # p99.9 and the maximum by 22 ms
    assert verdicts(calm, rare) == [MISS, PASS]
    measured = pacing_holds("10 calls", calm, rare)[0].measured
    assert "30" in measured
    assert "(calm 8, 8, 8)" in measured


def test_an_interruption_has_no_allowance() -> None:
    """One gap of 100 ms in one call, or one lost call, is a miss."""
    calm = quality(arrivals(10))
    assert verdicts(calm, quality(arrivals(10, hole_s=0.09)))[1] is MISS
    assert verdicts(calm, quality(arrivals(10), ended=1)) == [PASS, MISS]


def test_what_says_nothing_of_the_server_is_disturbed() -> None:
    """A late generator, another process on the server's core, holes without the fault: no verdict."""
    calm, broken = quality(arrivals(10)), arrivals(10, hole_s=0.09)
    assert verdicts(calm, quality(broken, tick_p99_ms=3.0)) == [DISTURBED, DISTURBED]
    assert verdicts(calm, quality(broken, foreign=40.0)) == [DISTURBED, DISTURBED]
    assert verdicts(calm, quality(broken, foreign=40.0), shares_core=True) == [MISS, MISS]
    assert verdicts(quality(broken), quality(broken)) == [PASS, DISTURBED]


def report(ending: str, **quality_of: float) -> dict[str, Any]:
    measured = {"longest_gap_ms": 30.0, "long_gaps": 0, "lateness_max_ms": 5.0} | quality_of
    rule = "payload hole after 3 of 320 bytes" if ending == "DROPPED" else None
    return {
        "ending": ending,
        "dropped_by": rule,
        "messages": 100,
        "messages_in_pieces": 0,
        "segments": 101,
        "connected_s": 60.0,
        "quality": measured,
        "holes": {"60": (0, 0.0)},
    }


def test_loss_may_cost_gaps_but_no_call_and_a_message_is_one_write() -> None:
    """A dropped call and a long recovery are misses, with the rule that dropped it; gaps are only shown."""
    assert links._judge_writes([report("CALLER")]).verdict is PASS
    assert links._judge_writes([report("CALLER") | {"messages_in_pieces": 1}]).verdict is MISS
    assert links._judge_writes([report("CALLER") | {"segments": 150}]).verdict is MISS
    good = list(links._judge_loss(10.0, [report("CALLER", long_gaps=2, longest_gap_ms=260.0)] * 3, False))
    assert [row.verdict for row in good] == [PASS, PASS, Verdict.SHOWN]
    assert "2.00" in good[2].measured
    bad = list(links._judge_loss(10.0, [report("CALLER"), report("DROPPED", longest_gap_ms=700.0)], False))
    assert [row.verdict for row in bad][:2] == [MISS, MISS]
    assert "payload hole" in bad[0].measured


@pytest.mark.parametrize(
    ("endings", "late_ms", "verdict"),
    [
        (("CALLER", "FIN"), 2_300.0, PASS),
        (("CALLER", "HANGUP"), 2_300.0, PASS),
        (("CALLER", "FIN"), 4_000.0, MISS),
        (("CALLER", "CALLER"), 2_300.0, MISS),
        (("CALLER", "RESET"), 2_300.0, MISS),
        (("CALLER", "DROPPED"), 800.0, MISS),
    ],
)
def test_too_little_bandwidth_ends_a_call_cleanly(
    endings: tuple[str, ...], late_ms: float, verdict: Verdict
) -> None:
    """A call has to end, with a hangup, before what is heard is older than the backlog."""
    reports: list[Any] = [report(ending, lateness_max_ms=late_ms) for ending in endings]
    assert links._too_little(reports).verdict is verdict


def test_a_machine_without_control_groups_gets_no_quota(tmp_path: Path) -> None:
    """Version 2 only if it hands the cpu controller down, else version 1, else none."""
    assert quota_folder(tmp_path) is None
    (tmp_path / "cgroup.subtree_control").write_text("memory pids\n")
    assert quota_folder(tmp_path) is None
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text("-1")
    assert quota_folder(tmp_path) == tmp_path / "cpu"
    (tmp_path / "cgroup.subtree_control").write_text("cpu memory\n")
    assert quota_folder(tmp_path) == tmp_path


def test_a_crowd_says_its_lines_and_notes_who_was_closed() -> None:
    """Bytes come in order, a closed guest is noted with its time, one that is not closed leaves by itself."""
    heard: dict[int, bytes] = {}
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            for number in range(2):
                connection, _ = listener.accept()
                with connection:
                    connection.settimeout(5.0)
                    heard[number] = connection.recv(3)
                    if number == 1:  # the second is left alone until it leaves
                        while data := connection.recv(100):
                            heard[1] += data

        server = threading.Thread(target=serve)
        server.start()
        lines = [(0.0, b"a"), (0.05, b"b"), (0.1, b"c")]
        guests = [Guest("closed", lines), Guest("kept", lines)]
        began_s = time.monotonic()
        with Crowd(listener.getsockname()[1], guests, per_second=50, stays_s=0.5) as crowd:
            pass
        server.join()
    assert time.monotonic() - began_s < 3.0
    assert heard[0] == b"a"
    assert heard[1] == b"abc"
    assert (crowd.unclosed("closed"), crowd.unclosed("kept")) == (0, 1)
    assert 0.0 <= crowd.longest_s("closed") < 0.4


@given(slow=st.floats(-0.001, 0.001), late=st.lists(st.floats(0.0, 0.01), min_size=20, max_size=20))
def test_drift_is_the_slope_and_no_jitter(slow: float, late: list[float]) -> None:
    """Each frame longer than it says moves the whole; late frames at either end do not."""
    frames = [
        ReceivedFrame(number * (FRAME_S + slow) + (late[number % 20] if number % 5 else 0.0), FRAME_S)
        for number in range(500)
    ]
    window_s = 1.0
    found_ms = soak.drift_ms(frames, window_s)
    most_ms = 500 * slow * 1000
    assert abs(found_ms) <= abs(most_ms) + 1e-6
    assert abs(found_ms - most_ms) <= abs(slow) * 1000 * 2 * window_s / (FRAME_S + slow) + 1e-6


def test_memory_is_judged_after_the_warm_up() -> None:
    """What is loaded once does not count; what goes on growing does."""
    times = [float(second) for second in range(100)]
    flat = [2**20] * 100
    settled = [2**20 * min(second, 15) for second in range(100)]
    leaking = [2**20 * second for second in range(100)]
    memory = soak.Memory(times, {"gateway": flat, "serve": settled})
    assert memory.growth_bytes(memory.total_bytes()) == 0
    assert memory.slope_bytes_per_hour() == pytest.approx(0.0, abs=1.0)
    memory = soak.Memory(times, {"gateway": flat, "serve": leaking})
    assert memory.growth_bytes(memory.total_bytes()) == pytest.approx(72 * 2**20)
    assert memory.slope_bytes_per_hour() == pytest.approx(3600 * 2**20)
