"""X4, F2, P7: peers that hold connections, send noise, or send what no phone would, beside honest calls."""

from __future__ import annotations

import random
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from math import inf

from benchmarks.faults.crowd import Crowd, Guest
from benchmarks.faults.reference import CALLS, calm_quality, pacing_holds, reference_calls
from benchmarks.harness.outcomes import Outcome, at_most, judged
from benchmarks.harness.server import TONE, wait_for
from benchmarks.harness.strict_peer import CallReport, Outgoing, StrictCall, audio_bytes, voice
from benchmarks.harness.strict_peer import Ending as SeenEnding
from benchmarks.harness.workplace import Workplace
from ingress.configuration.settings import ServerSettings
from ingress.media.endings import Ending

SERVER = (*TONE, "--max-calls", "800")
SLOW_PER_KIND = 125
RANDOM_CONNECTIONS = 1_000
RANDOM_BYTES = 4_096
PER_SECOND = 250.0
ATTACK_S = 10.0
HONEST_AFTER_S = 2.0
HONEST_S = 2.0
CONNECTION_KIB = 64
ODD_S = 8.0
ODD_PER_KIND = 15
EARLY = "audio before the UUID"
EARLY_CALLS = 150
MARGIN_S = 0.5
"""Beyond a deadline, for the server's tick and this program's own clock."""
UUID_HEADER = b"\x01\x00\x10"
AUDIO_HEADER = b"\x10\x01\x40"

Script = Sequence[tuple[float, bytes]]


def slow_loris(workplace: Workplace) -> Iterator[Outcome]:
    """X4: 500 connections that never get on: no bytes, a dripped UUID, a header alone, a dripped payload."""
    settings = ServerSettings()
    deadlines_s = {
        "says nothing": settings.handshake_deadline_s,
        "drips its UUID": settings.handshake_deadline_s,
        "stops after a header": settings.message_deadline_s,
        "drips a payload": settings.message_deadline_s,
    }
    guests = [Guest(kind, _slow_script(kind)) for _ in range(SLOW_PER_KIND) for kind in deadlines_s]
    yield from _attack(workplace, guests, deadlines_s, {Ending.NO_UUID, Ending.UNFINISHED})


def _slow_script(kind: str) -> Script:
    named = UUID_HEADER + uuid.uuid4().bytes
    match kind:
        case "drips its UUID":
            return [(float(second), named[second : second + 1]) for second in range(len(named))]
        case "stops after a header":
            return [(0.0, named + AUDIO_HEADER)]
        case "drips a payload":
            return [(0.0, named + AUDIO_HEADER), *((0.5 * (step + 1), b"\0") for step in range(20))]
        case _:
            return []


def random_bytes(workplace: Workplace) -> Iterator[Outcome]:
    """F2: 1,000 connections of random bytes."""
    dice = random.Random(2)
    kind = "sends random bytes"
    noise = [dice.randbytes(dice.randint(1, RANDOM_BYTES)) for _ in range(RANDOM_CONNECTIONS)]
    guests = [Guest(kind, [(0.0, each)]) for each in noise]
    deadlines_s = {kind: ServerSettings().handshake_deadline_s}
    yield from _attack(workplace, guests, deadlines_s, {Ending.PROTOCOL, Ending.NO_UUID})


def _attack(
    workplace: Workplace, guests: Sequence[Guest], deadlines_s: Mapping[str, float], reasons: set[Ending]
) -> Iterator[Outcome]:
    """`deadlines_s`: when the server has to have closed each kind; `reasons`: those that it may count."""
    with workplace.serving(*SERVER) as server:
        calm = calm_quality(workplace, server)
        before = server.counted_endings()
        memory_bytes = peak_bytes = server.resident_bytes()
        workplace.say(f"{len(guests)} connections beside {CALLS} calls")
        honest = StrictCall(server.port, outgoing=voice(HONEST_S), seconds=HONEST_S, keeps_audio=False)
        with reference_calls(workplace, server, ATTACK_S) as reference:
            with Crowd(server.port, guests, PER_SECOND, ATTACK_S) as crowd:
                honest_due_s = time.monotonic() + HONEST_AFTER_S
                while not crowd.is_over:
                    peak_bytes = max(peak_bytes, server.resident_bytes())
                    if time.monotonic() >= honest_due_s:
                        honest.start()
                        honest_due_s = inf
                    wait_for(lambda: crowd.is_over, 0.1)
            quality = reference()
        report = honest.wait()
        # Beside the guests, the reference calls and the honest one ended.
        fresh = server.settled_endings(before, len(guests) + CALLS + 1)
    yield from pacing_holds(f"{CALLS} calls", calm, quality)
    for kind, deadline_s in deadlines_s.items():
        yield _closed(crowd, f"who {kind} is closed", kind, deadline_s)
    fitting = sum(fresh[reason] for reason in reasons)
    yield _counted(f"{len(guests)} fitting", fresh, fitting == len(guests), fitting, CALLS + 1)
    growth_kib = (peak_bytes - memory_bytes) / len(guests) / 1024
    yield at_most("memory of the media worker, for each connection", CONNECTION_KIB, growth_kib, "KiB")
    yield judged(
        "a new call during the attack",
        "taken and heard to its end",
        f"{report.ending.name}, {report.quality.frames} frames, "
        f"the first after {report.first_frame_ms or 0:.0f} ms",
        report.ending is SeenEnding.CALLER and report.quality.frames >= HONEST_S * 45,
    )


def odd_peers(workplace: Workplace) -> Iterator[Outcome]:
    """P7: rates, lengths and packet times that vary, µ-law in disguise, audio first, unknown kinds."""
    with workplace.serving(*SERVER) as server:
        calm = calm_quality(workplace, server)
        before = server.counted_endings()
        workplace.say(f"{ODD_PER_KIND} odd peers of each kind beside {CALLS} calls")
        said = {
            "rates, lengths, packet times vary": [_varying(seed) for seed in range(ODD_PER_KIND)],
            "unknown kinds, 200 a second": [_unknown(seed) for seed in range(ODD_PER_KIND)],
            "µ-law in disguise": [_disguised() for _ in range(ODD_PER_KIND)],
        }
        calls = {
            kind: [StrictCall(server.port, outgoing=each, seconds=ODD_S, keeps_audio=False) for each in audio]
            for kind, audio in said.items()
        }
        early = [
            Guest(EARLY, [(0.0, audio_bytes(bytes(320)) + UUID_HEADER + uuid.uuid4().bytes)])
            for _ in range(EARLY_CALLS)
        ]
        with reference_calls(workplace, server, ODD_S) as reference:
            with Crowd(server.port, early, EARLY_CALLS / (ODD_S - 2.0), 5.0) as crowd:
                for call in (call for of_kind in calls.values() for call in of_kind):
                    call.start()
            quality = reference()
        reports = {kind: [call.wait() for call in of_kind] for kind, of_kind in calls.items()}
        fresh = server.settled_endings(before, 3 * ODD_PER_KIND + EARLY_CALLS + CALLS)
    yield from pacing_holds(f"{CALLS} calls", calm, quality)
    for kind, seen in reports.items():
        yield _ended(kind, seen, is_refused=kind == "µ-law in disguise")
    yield _closed(crowd, EARLY, EARLY, 0.0)
    found = fresh[Ending.CODEC], fresh[Ending.PROTOCOL]
    limit = f"{ODD_PER_KIND} codec, {EARLY_CALLS} protocol"
    yield _counted(limit, fresh, found == (ODD_PER_KIND, EARLY_CALLS), sum(found), 2 * ODD_PER_KIND + CALLS)


def _ended(kind: str, seen: Sequence[CallReport], is_refused: bool) -> Outcome:
    expected = SeenEnding.HANGUP if is_refused else SeenEnding.CALLER
    return judged(
        kind,
        f"all {'refused with a hangup' if is_refused else 'stay until they hang up'}",
        ", ".join(f"{count} {name}" for name, count in Counter(each.ending.name for each in seen).items()),
        all(report.ending is expected for report in seen),
    )


def _closed(crowd: Crowd, criterion: str, kind: str, deadline_s: float) -> Outcome:
    unclosed, longest_s = crowd.unclosed(kind), crowd.longest_s(kind)
    return judged(
        criterion,
        f"all within {deadline_s:g} s (+ {MARGIN_S:g})",
        f"{unclosed} not, the last after {longest_s:.2f} s",
        unclosed == 0 and longest_s <= deadline_s + MARGIN_S,
    )


def _counted(limit: str, fresh: Counter[Ending], is_met: bool, fitting: int, honest: int) -> Outcome:
    """Each connection is counted once, for a reason that fits.

    A caller that closes while audio is under way to it resets the connection: hung up, or lost.
    """
    ended = fresh[Ending.CALLER] + fresh[Ending.LOST]
    return judged(
        "reasons counted",
        f"{limit}, {honest} hung up or lost",
        ", ".join(f"{count} {reason.value}" for reason, count in fresh.most_common()) or "none",
        is_met and ended == honest and fresh.total() == fitting + honest,
    )


def _varying(seed: int) -> Iterator[Outgoing]:
    """Yield real-time audio whose rate and length change with each message, odd samples among them."""
    dice = random.Random(seed)
    at_s = 0.0
    while at_s < ODD_S:
        rate_hz = dice.choice((8_000, 12_000, 16_000, 24_000, 32_000, 44_100, 48_000))
        samples = round(rate_hz * dice.choice((10, 20, 30, 40, 60)) / 1000) + dice.randint(0, 3)
        at_s += samples / rate_hz
        yield Outgoing(at_s, audio_bytes(bytes(2 * samples), rate_hz))


def _unknown(seed: int) -> Iterator[Outgoing]:
    """Yield audio of 20 ms, each with four messages of kinds that do not exist behind it."""
    dice = random.Random(seed)
    for at_s, message in voice(ODD_S):
        yield Outgoing(at_s, message)
        for _ in range(4):
            kind = dice.choice((0x02, 0x05, 0x19, 0x42, 0x80, 0xFE))
            length = dice.randint(0, 400)
            yield Outgoing(at_s, bytes((kind, *length.to_bytes(2, "big"))) + dice.randbytes(length))


def _disguised() -> Iterator[Outgoing]:
    """Yield what `Dial(AudioSocket/...)` without `c(slin)` sends: 160 bytes of µ-law every 20 ms as 0x10."""
    for number in range(round(ODD_S * 50)):
        yield Outgoing((number + 1) * 0.02, audio_bytes(bytes((0xFF,)) * 160))
