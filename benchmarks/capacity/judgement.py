"""Whether a step was held, what stood in the way, and what would stand in it next.

A resource's use is a share of what there is of it: of all cores; of one core for each part that is one
thread (a media worker, the gateway, the manager); of the slots' time; of the memory. What limits is the
first of these:

| what limits | when |
|---|---|
| admission | calls were refused although the server was not loaded |
| the machine's cores | all are in use: slots are slow then because the cores are busy |
| what the stage waits for that grew most | answers came too late |
| the media workers | frames came too late |
| the resource nearest its end | otherwise |

The next limit is extrapolated: use grows in proportion to the calls.
"""

from __future__ import annotations

from collections.abc import Mapping

from benchmarks.capacity.result import Objectives, Step

CORES_FULL_PERCENT = 90.0
"""Of all cores: work is waiting for one."""
MACHINE_CPU, MEDIA_CPU, GATEWAY, MANAGER, MEMORY = "machine CPU", "media CPU", "gateway", "manager", "memory"
TRANSCRIPTION_SLOTS, SYNTHESIS_SLOTS = "transcription slots", "synthesis slots"
ADMISSION = "admission"
STAGES = {
    "endpoint wait": MEDIA_CPU,
    "lease wait": TRANSCRIPTION_SLOTS,
    "transcription": TRANSCRIPTION_SLOTS,
    "dialog": GATEWAY,
    "synthesis": SYNTHESIS_SLOTS,
    "link": GATEWAY,
    "playout wait": MEDIA_CPU,
}
"""The stages of a turn, in order, and what each waits for."""


def broken_objectives(step: Step, objectives: Objectives) -> tuple[str, ...]:
    """Return the objectives that a step did not meet, one line each."""
    lines = []
    if step.turn_p95_ms is None:
        lines.append("no turn was answered")
    elif step.turn_p95_ms > objectives.turn_p95_ms:
        lines.append(f"turn p95 {step.turn_p95_ms:.0f} ms, at most {objectives.turn_p95_ms:g}")
    late_ms = step.lateness.p999_ms
    if late_ms > objectives.lateness_p999_ms:
        lines.append(f"lateness p99.9 {late_ms:.1f} ms, at most {objectives.lateness_p999_ms:g}")
    if step.underruns > objectives.underruns:
        lines.append(f"{step.underruns} underruns, at most {objectives.underruns}")
    refused_percent = 100.0 * step.refused_calls / max(1, step.offered_calls)
    if refused_percent > objectives.refused_percent:
        lines.append(f"{refused_percent:.1f} % of the calls refused, at most {objectives.refused_percent:g}")
    error_percent = 100.0 * step.content_errors / max(1, step.turns)
    if error_percent > objectives.content_error_percent:
        lines.append(
            f"{error_percent:.1f} % of the turns not answered, or not what was asked, "
            f"at most {objectives.content_error_percent:g}"
        )
    if step.dropped_calls:
        lines.append(f"{step.dropped_calls} calls dropped")
    return tuple(lines)


def utilisation_percent(
    cores: Mapping[str, float],
    slot_percent: Mapping[str, float],
    machine_cores: int,
    media_workers: int,
    memory_share: float,
) -> dict[str, float]:
    """Return how much of each resource is in use. `memory_share` is 0 to 1."""
    use = {
        MACHINE_CPU: 100.0 * cores.get("machine", 0.0) / machine_cores,
        MEDIA_CPU: 100.0 * cores.get("media", 0.0) / media_workers,
        GATEWAY: 100.0 * cores.get("gateway", 0.0),
        MEMORY: 100.0 * memory_share,
    }
    if "manager" in cores:
        use[MANAGER] = 100.0 * cores["manager"]
    use |= {f"{kind} slots": percent for kind, percent in slot_percent.items()}
    return use


def limited_by(broken: Step, held: Step | None) -> str:
    """Return what stood in the way in the least step that was not held, compared with one that was."""
    use = broken.utilisation_percent
    lines = " ".join(broken.broken)
    if "refused" in lines and not broken.level:
        return ADMISSION
    if use.get(MACHINE_CPU, 0.0) >= CORES_FULL_PERCENT:
        return f"{MACHINE_CPU}, most of it {_greatest_part(broken)}"
    if "turn p95" in lines and (grown := _grown_stage(broken, held)) is not None:
        return STAGES[grown]
    if "lateness" in lines or "underruns" in lines:
        return MEDIA_CPU
    return max(use, key=lambda name: use[name], default=MACHINE_CPU)


def headroom_percent(held: Step) -> dict[str, float]:
    """Return what was left of each resource."""
    return {name: max(0.0, 100.0 - percent) for name, percent in held.utilisation_percent.items()}


def next_limit(held: Step, limit: str) -> str:
    """Return the resource that would be used up next, and at how many calls, if `limit` were lifted."""
    ends = {
        name: held.calls * 100.0 / percent
        for name, percent in held.utilisation_percent.items()
        if percent > 1.0 and not limit.startswith(name)
    }
    if not ends:
        return "nothing else was in use enough to say"
    name = min(ends, key=lambda each: ends[each])
    return f"{name}, used up at about {ends[name]:.0f} calls"


def _greatest_part(step: Step) -> str:
    parts = {name: cores for name, cores in step.cores.items() if name != "machine"}
    return max(parts, key=lambda name: parts[name], default="unknown")


def _grown_stage(broken: Step, held: Step | None) -> str | None:
    before = held.stages_ms if held is not None else {}
    grown = {name: mean_ms - before.get(name, 0.0) for name, mean_ms in broken.stages_ms.items()}
    known = {name: more_ms for name, more_ms in grown.items() if name in STAGES}
    return max(known, key=lambda name: known[name], default=None)
