"""X1, X3, X5: the network between Asterisk and the server loses packets, is too narrow, or vanishes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from actors.telephone import BYTES_PER_MS
from benchmarks.faults.network import Host, Report, cable, distant_calls, host
from benchmarks.harness.outcomes import Outcome, at_most, judged, shown
from benchmarks.harness.processes import Snapshot
from benchmarks.harness.server import TONE, wait_for
from benchmarks.harness.workplace import Workplace
from ingress.media.tones import busy_tone

ANY_ADDRESS = (*TONE, "--host", "0.0.0.0")
LOSSES_PER_MILLE = (2.0, 10.0, 20.0)
LOSS_S = 20.0
LOSS_CALLS = 10
RECOVERY_MS = 500.0
MESSAGE_BYTES = 323 + 66
"""20 ms of 8 kHz audio on the wire: Ethernet, IP, TCP with timestamps, header, payload."""
OLDEST_MS = 2_000.0 + 500.0
"""The server's backlog, and what waits below it: the cable's queue and the peer's socket."""
DETECTION_S = 15.0
STAYS_S = len(busy_tone()) / BYTES_PER_MS / 1_000 + 1.5
"""A refused caller hears the busy tone, then a hangup: a call that lasts longer was taken."""


def loss(workplace: Workplace) -> Iterator[Outcome]:
    """X1: packets are lost both ways. Also P2: on a good cable each message is one write."""
    with host() as pbx, host() as machine:
        link = cable(machine, pbx)
        with workplace.serving(*ANY_ADDRESS, inside=machine.inside) as server:
            for per_mille in (0.0, *LOSSES_PER_MILLE):
                workplace.say(f"{per_mille / 10:g} % of the packets lost")
                pbx.lose(per_mille)
                seconds = LOSS_S if per_mille else 5.0
                before = Snapshot.of(server.process_ids(), workplace.server_core)
                with distant_calls(pbx, link.left_address, server.port, LOSS_CALLS, seconds) as calls:
                    reports = calls()
                use = Snapshot.of(server.process_ids(), workplace.server_core) - before
                if per_mille:
                    yield from _judge_loss(per_mille, reports, use.is_disturbed())
                else:
                    yield _judge_writes(reports)


def _judge_writes(reports: Sequence[Report]) -> Outcome:
    messages = sum(report["messages"] for report in reports)
    pieces = sum(report["messages_in_pieces"] for report in reports)
    segments = sum(report["segments"] for report in reports)
    return judged(
        "P2, no loss: messages in pieces; segments for messages",
        "none; as many (+1 a call)",
        f"{pieces}; {segments} for {messages}",
        # When a call ends one more may have come that was not read.
        messages > 0 and pieces == 0 and segments <= messages + len(reports),
    )


def _judge_loss(per_mille: float, reports: Sequence[Report], is_disturbed: bool) -> Iterator[Outcome]:
    what = f"{per_mille / 10:g} %"
    dropped = sum(report["ending"] == "DROPPED" for report in reports)
    ended = sum(report["ending"] != "CALLER" for report in reports)
    found = f"{dropped}, {ended} of {len(reports)}{_reasons(reports)}"
    yield judged(f"{what}: calls dropped or ended", "0", found, ended == 0)
    longest_ms = max(report["quality"]["longest_gap_ms"] for report in reports)
    yield at_most(f"{what}: recovery (longest gap)", RECOVERY_MS, longest_ms, "ms", is_disturbed)
    minutes = sum(report["connected_s"] for report in reports) / 60
    gaps, holes = _interruptions(reports)
    found = f"{gaps / minutes:.2f}, {holes / minutes:.2f}"
    yield shown(f"{what}: gaps of 100 ms, holes at 60 ms, per call-minute", found)


def bandwidth(workplace: Workplace) -> Iterator[Outcome]:
    """X3: the way to one PBX is a little wider than needed, then too narrow; another PBX has its own."""
    with host() as narrow, host() as wide, host() as machine:
        to_narrow, to_wide = cable(machine, narrow), cable(machine, wide)
        calm = 0, 0
        with workplace.serving(*ANY_ADDRESS, inside=machine.inside) as server:
            for share, calls, seconds in ((1.2, 10, 10.0), (0.8, 4, 40.0)):
                workplace.say(f"{share:g} times the bandwidth that {calls} calls need")
                to_narrow.limit(share * calls * 50 * MESSAGE_BYTES * 8)
                before = Snapshot.of(server.process_ids(), workplace.server_core)
                with (
                    distant_calls(narrow, to_narrow.left_address, server.port, calls, seconds) as limited,
                    distant_calls(wide, to_wide.left_address, server.port, 3, seconds) as others,
                ):
                    limited_reports, other_reports = limited(), others()
                use = Snapshot.of(server.process_ids(), workplace.server_core) - before
                if share > 1:
                    calm = _interruptions(other_reports)
                    yield _enough(limited_reports, any(calm) or use.is_disturbed())
                else:
                    yield _too_little(limited_reports)
                    yield _untouched(other_reports, calm, use.is_disturbed())


def _enough(reports: Sequence[Report], is_disturbed: bool) -> Outcome:
    _, holes = _interruptions(reports)
    all_stayed = all(report["ending"] == "CALLER" for report in reports)
    return judged(
        "1.2 times: calls; holes at 60 ms",
        "none ended; none",
        f"{_endings(reports)}; {holes}",
        all_stayed and holes == 0,
        is_disturbed and all_stayed,
    )


def _too_little(reports: Sequence[Report]) -> Outcome:
    ended = [report["ending"] for report in reports if report["ending"] != "CALLER"]
    late_ms = max(report["quality"]["lateness_max_ms"] for report in reports)
    return judged(
        "0.8 times: some end, cleanly; oldest audio heard",
        f"hangup or FIN; {OLDEST_MS:g} ms",
        f"{_endings(reports)}{_reasons(reports)}; {late_ms:.0f} ms",
        bool(ended) and {"HANGUP", "FIN"}.issuperset(ended) and late_ms <= OLDEST_MS,
    )


def _untouched(reports: Sequence[Report], calm: tuple[int, int], is_disturbed: bool) -> Outcome:
    found = _interruptions(reports)
    return judged(
        "0.8 times: the calls on the other cable: gaps of 100 ms, holes at 60 ms",
        "none ended, none, none",
        f"{_endings(reports)}, {found[0]}, {found[1]} (at 1.2 times {calm[0]}, {calm[1]})",
        found == (0, 0) and all(report["ending"] == "CALLER" for report in reports),
        any(calm) or is_disturbed,
    )


def _interruptions(reports: Sequence[Report]) -> tuple[int, int]:
    """Return gaps of 100 ms and holes at 60 ms."""
    gaps = sum(report["quality"]["long_gaps"] for report in reports)
    return gaps, sum(report["holes"]["60"][0] for report in reports)


def _reasons(reports: Sequence[Report]) -> str:
    """Return why Asterisk would have dropped calls for what the server wrote, once each, in brackets."""
    reasons = sorted({report["dropped_by"] for report in reports if report["dropped_by"]})
    return f" ({'; '.join(reasons)})" if reasons else ""


def _endings(reports: Sequence[Report]) -> str:
    """Return how the calls ended, counted."""
    counted = Counter(report["ending"] for report in reports)
    return ", ".join(f"{count} {name}" for name, count in sorted(counted.items()))


def half_open(workplace: Workplace) -> Iterator[Outcome]:
    """X5: two PBXs vanish without a FIN, one by its cable, one in a black hole; their slots come back."""
    calls = 5
    with host() as unplugged, host() as swallowed, host() as machine:
        to_unplugged, to_swallowed = cable(machine, unplugged), cable(machine, swallowed)
        with (
            workplace.serving(*ANY_ADDRESS, "--max-calls", str(2 * calls), inside=machine.inside) as server,
            distant_calls(unplugged, to_unplugged.left_address, server.port, calls, 60.0),
            distant_calls(swallowed, to_swallowed.left_address, server.port, calls, 60.0),
        ):
            workplace.say("all slots taken")
            wait_for(lambda: server.calls() == 2 * calls, 15.0)
            is_full = _one_call(machine, server.port)["ending"] == "HANGUP"  # after a busy tone, or at once
            to_unplugged.pull()
            swallowed.lose(1_000)
            before = len(server.ended_calls())
            workplace.say("both PBXs are gone")
            seen_s = wait_for(lambda: len(server.ended_calls()) >= before + 2 * calls, DETECTION_S + 10.0)
            found = len(server.ended_calls()) - before
            yield judged(
                "cable pulled and black hole: detected",
                f"{2 * calls} calls in {DETECTION_S:g} s",
                f"{found} calls in {seen_s:.1f} s" if seen_s else f"{found} calls, then no more",
                seen_s is not None and seen_s <= DETECTION_S,
            )
            report = _one_call(machine, server.port)
            frames = report["quality"]["frames"]
            yield judged(
                "the slots: full before, a new call after",
                "refused; taken",
                f"{'refused' if is_full else 'taken'}; {report['ending']} after {frames} frames",
                is_full and report["ending"] == "CALLER" and frames > 0,
            )


def _one_call(where: Host, port: int) -> Report:
    with distant_calls(where, "127.0.0.1", port, 1, STAYS_S) as call:
        return call()[0]
