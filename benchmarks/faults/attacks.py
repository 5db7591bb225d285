"""X4, F2, P7: peers that hold connections, send noise, or send what no phone would, beside honest calls."""

from __future__ import annotations

import itertools
import random
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from math import inf, isnan

from benchmarks.faults.crowd import Crowd, Guest
from benchmarks.faults.reference import CALLS, calm_quality, pacing_holds, reference_calls
from benchmarks.faults.server import Server, serving, wait_for
from benchmarks.faults.verdicts import Outcome, judged
from benchmarks.faults.workplace import Workplace
from benchmarks.harness.strict_peer import Ending as SeenEnding
from benchmarks.harness.strict_peer import Outgoing, StrictCall, audio_bytes, voice
from ingress.configuration.settings import ServerSettings
from ingress.media.endings import Ending

SLOW_PER_KIND = 125
RANDOM_CONNECTIONS = 1_000
RANDOM_BYTES = 4_096
PER_SECOND = 250.0
ATTACK_S = 10.0
HONEST_AFTER_S = 2.0
HONEST_S = 2.0
CONNECTION_BYTES = 64 * 1024
MARGIN_S = 0.5
"""Beyond a deadline, for the server's tick and this program's own clock."""

UUID_HEADER = b"\x01\x00\x10"
AUDIO_HEADER = b"\x10\x01\x40"

Expected = Mapping[str, tuple[float, frozenset[Ending]]]
"""Kind of guest → when the server has to have closed it, and the reasons it may give."""


def slow_loris(workplace: Workplace) -> Iterator[Outcome]:
    """X4: 500 connections that never get on: no bytes, a dripped UUID, a header alone, a dripped payload."""
    settings = ServerSettings()
    no_uuid, unfinished = frozenset((Ending.NO_UUID,)), frozenset((Ending.UNFINISHED,))
    expected = {
        "says nothing": (settings.handshake_deadline_s, no_uuid),
        "drips its UUID": (settings.handshake_deadline_s, no_uuid),
        "stops after a header": (settings.message_deadline_s, unfinished),
        "drips a payload": (settings.message_deadline_s, unfinished),
    }
    guests = [Guest(kind, _slow_script(kind)) for _ in range(SLOW_PER_KIND) for kind in expected]
    yield from _attack(workplace, guests, expected)


def _slow_script(kind: str) -> Sequence[tuple[float, bytes]]:
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
    guests = [
        Guest("random bytes", [(0.0, dice.randbytes(dice.randint(1, RANDOM_BYTES)))])
        for _ in range(RANDOM_CONNECTIONS)
    ]
    reasons = frozenset((Ending.PROTOCOL, Ending.NO_UUID))
    expected = {"random bytes": (ServerSettings().handshake_deadline_s, reasons)}
    yield from _attack(workplace, guests, expected)


def _attack(workplace: Workplace, guests: Sequence[Guest], expected: Expected) -> Iterator[Outcome]:
    with serving(workplace, "--max-calls", "800") as server:
        calm = calm_quality(workplace, server)
        before = server.counted_endings()
        memory_bytes = server.resident_bytes()
        workplace.say(f"{len(guests)} connections beside {CALLS} calls")
        peak_bytes = memory_bytes
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
            quality = reference.quality()
        report = honest.wait()
        # Beside the guests, the reference calls and the honest one ended.
        fresh = server.settled_endings(before, len(guests) + CALLS + 1)
    yield from pacing_holds(f"{CALLS} calls", calm, quality)
    yield from _closed(crowd, expected)
    yield _counted(fresh, guests, expected)
    growth = (peak_bytes - memory_bytes) / len(guests)
    yield judged(
        "memory of the media worker, for each connection",
        f"{CONNECTION_BYTES // 1024} KiB",
        f"{growth / 1024:.1f} KiB",
        growth < CONNECTION_BYTES,
    )
    yield judged(
        "a new call during the attack",
        "taken and heard to its end",
        f"{report.ending.name}, {report.quality.frames} frames, "
        f"the first after {report.first_frame_ms or 0:.0f} ms",
        report.ending is SeenEnding.CALLER and report.quality.frames >= HONEST_S * 45,
    )


def _closed(crowd: Crowd, expected: Expected) -> Iterator[Outcome]:
    for kind, (deadline_s, _) in expected.items():
        unclosed, longest_s = crowd.unclosed(kind), crowd.longest_s(kind)
        yield judged(
            f"who {kind} is closed" if kind != "random bytes" else "random bytes are closed",
            f"all within {deadline_s:g} s (+ {MARGIN_S:g})",
            f"{unclosed} not, the last after {longest_s:.2f} s",
            unclosed == 0 and not isnan(longest_s) and longest_s <= deadline_s + MARGIN_S,
        )


def _counted(fresh: Counter[Ending], guests: Sequence[Guest], expected: Expected) -> Outcome:
    """Each connection is counted once, for a reason that fits.

    A caller that closes while audio is under way to it resets the connection: hung up, or lost.
    """
    honest = fresh[Ending.CALLER] + fresh[Ending.LOST]
    reasons = frozenset(itertools.chain.from_iterable(reasons for _, reasons in expected.values()))
    counted = sum(fresh[reason] for reason in reasons)
    listed = ", ".join(f"{count} {reason.value}" for reason, count in fresh.most_common())
    return judged(
        "reasons counted",
        f"{len(guests)} fitting, {CALLS + 1} hung up or lost",
        listed or "none",
        counted == len(guests) and honest == CALLS + 1 and fresh.total() == counted + honest,
    )


def odd_peers(workplace: Workplace) -> Iterator[Outcome]:
    """P7: rates, lengths and packet times that vary, µ-law in disguise, audio first, unknown kinds."""
    seconds, each = 8.0, 15
    with serving(workplace, "--max-calls", "800") as server:
        calm = calm_quality(workplace, server)
        before = server.counted_endings()
        workplace.say(f"{each} odd peers of each kind beside {CALLS} calls")
        varying = [_call(server, _varying(seconds, number), seconds) for number in range(each)]
        unknown = [_call(server, _unknown(seconds, number), seconds) for number in range(each)]
        disguised = [_call(server, _disguised(seconds), seconds) for _ in range(each)]
        early = [
            Guest("audio first", [(0.0, audio_bytes(bytes(320)) + UUID_HEADER + uuid.uuid4().bytes)])
            for _ in range(10 * each)
        ]
        with reference_calls(workplace, server, seconds) as reference:
            with Crowd(server.port, early, 10 * each / (seconds - 2.0), 5.0) as crowd:
                for call in (*varying, *unknown, *disguised):
                    call.start()
            quality = reference.quality()
        reports = {
            "rates, lengths, packet times vary": [call.wait() for call in varying],
            "unknown kinds, 200 a second": [call.wait() for call in unknown],
            "µ-law in disguise": [call.wait() for call in disguised],
        }
        connections = 3 * each + len(early) + CALLS
        fresh = server.settled_endings(before, connections)
    yield from pacing_holds(f"{CALLS} calls", calm, quality)
    for kind, seen in reports.items():
        refused = kind == "µ-law in disguise"
        wanted = SeenEnding.HANGUP if refused else SeenEnding.CALLER
        ended = Counter(report.ending.name for report in seen)
        yield judged(
            kind,
            f"all {'refused with a hangup' if refused else 'stay until they hang up'}",
            ", ".join(f"{count} {name}" for name, count in ended.items()),
            all(report.ending is wanted for report in seen),
        )
    longest_s = crowd.longest_s("audio first")
    yield judged(
        "audio before the UUID",
        "all closed at once (0.5 s)",
        f"{crowd.unclosed('audio first')} not, the last after {longest_s:.2f} s",
        crowd.unclosed("audio first") == 0 and longest_s <= MARGIN_S,
    )
    yield judged(
        "reasons counted",
        f"{each} codec, {len(early)} protocol, {2 * each + CALLS} hung up or lost",
        ", ".join(f"{count} {reason.value}" for reason, count in fresh.most_common()),
        (fresh[Ending.CODEC], fresh[Ending.PROTOCOL]) == (each, len(early))
        and fresh[Ending.CALLER] + fresh[Ending.LOST] == 2 * each + CALLS
        and fresh.total() == connections,
    )


def _call(server: Server, outgoing: Iterator[Outgoing], seconds: float) -> StrictCall:
    return StrictCall(server.port, outgoing=outgoing, seconds=seconds, keeps_audio=False)


def _varying(seconds: float, seed: int) -> Iterator[Outgoing]:
    """Yield real-time audio whose rate and length change with each message, odd samples among them."""
    dice = random.Random(seed)
    at_s = 0.0
    while at_s < seconds:
        rate_hz = dice.choice((8_000, 12_000, 16_000, 24_000, 32_000, 44_100, 48_000))
        samples = round(rate_hz * dice.choice((10, 20, 30, 40, 60)) / 1000) + dice.randint(0, 3)
        at_s += samples / rate_hz
        yield Outgoing(at_s, audio_bytes(bytes(2 * samples), rate_hz))


def _unknown(seconds: float, seed: int) -> Iterator[Outgoing]:
    """Yield audio of 20 ms, each with four messages of kinds that do not exist behind it."""
    dice = random.Random(seed)
    for at_s, message in voice(seconds):
        yield Outgoing(at_s, message)
        for _ in range(4):
            kind = dice.choice((0x02, 0x05, 0x19, 0x42, 0x80, 0xFE))
            length = dice.randint(0, 400)
            yield Outgoing(at_s, bytes((kind, *length.to_bytes(2, "big"))) + dice.randbytes(length))


def _disguised(seconds: float) -> Iterator[Outgoing]:
    """Yield what `Dial(AudioSocket/...)` without `c(slin)` sends: 160 bytes of µ-law every 20 ms as 0x10."""
    for number in range(round(seconds * 50)):
        yield Outgoing((number + 1) * 0.02, audio_bytes(bytes((0xFF,)) * 160))
