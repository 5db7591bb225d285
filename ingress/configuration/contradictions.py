"""Settings of which each is allowed and both together are not: one of them would never have an effect.

| setting | must not be more than, or | otherwise |
|---|---|---|
| `endpointing.onset_ms` | `endpointing.minimum_speech_ms` | the shortest utterances never begin |
| `endpointing.minimum_speech_ms` | `barge_in.speech_ms` | a sound would stop an answer and then be dropped |
| `endpointing.pause_ms` | reach `endpointing.end_silence_ms` | no transcription begins ahead of time |
| `endpointing.look_back_ms` | reach `endpointing.maximum_utterance_s` | every utterance is cut at once |
| `endpointing.end_silence_ms` | reach `endpointing.maximum_utterance_s` | no silence ends an utterance |
| `barge_in.speech_ms` | reach `endpointing.maximum_utterance_s` | no caller can interrupt |
| `recording.audio`, `.transcripts` | be true without `recording.folder` | there is no place for the files |
| `api.enabled` | `fleet.backend = "local"` | there is no Ray for the door to be on |
| `throttle.*`: 0 | its first threshold | the level would never be normal |

What the file leaves out follows what it sets: the default of `pause_ms` may be above `end_silence_ms`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ingress.configuration.extensions import merged
from ingress.configuration.settings import (
    BargeInSettings,
    EndpointingSettings,
    ExtensionSettings,
    Settings,
)


def contradictions(settings: Settings) -> Iterator[str]:
    """Yield a line for each pair: the first setting, what is wrong, and the remedy."""
    yield from _of_endpointing(settings.endpointing)
    yield from _of_barge_in(settings.endpointing, settings.barge_in)
    for name, extension in settings.extensions.items():
        yield from _of_extension(settings, extension, f"extensions.{name}.")
    if settings.recording.folder is None:
        yield from _of_recording(settings)
    if settings.api.enabled and settings.fleet.backend == "local":
        yield "api.enabled = true: the cluster's door is on Ray, and --no-ray (fleet.backend) is without Ray"
    for name, value in settings.throttle:
        if isinstance(value, tuple) and value[0] <= 0.0:
            yield f"throttle.{name}: the three thresholds must be above 0, where a system without any load is"


def _of_extension(settings: Settings, extension: ExtensionSettings, place: str) -> Iterator[str]:
    """Yield those of what an extension sets, with what it leaves to the server."""
    endpointing = merged(settings.endpointing, extension.endpointing)
    if extension.endpointing is not None:
        yield from _of_endpointing(endpointing, place)
        if endpointing.confirmation == "silero" != settings.endpointing.confirmation:
            yield (
                f"{place}endpointing.confirmation = silero: the server's own is none, so the model is not "
                "loaded; set [endpointing] confirmation, and none for the other extensions"
            )
    if extension.endpointing is not None or (
        extension.barge_in is not None and "speech_ms" in extension.barge_in.model_fields_set
    ):
        yield from _of_barge_in(endpointing, merged(settings.barge_in, extension.barge_in), place)


def _of_endpointing(endpointing: EndpointingSettings, place: str = "") -> Iterator[str]:
    maximum_ms = endpointing.maximum_utterance_s * 1000.0
    if endpointing.onset_ms > endpointing.minimum_speech_ms:
        yield (
            f"{place}endpointing.onset_ms = {endpointing.onset_ms}: more than "
            f"endpointing.minimum_speech_ms = {endpointing.minimum_speech_ms}, so the shortest utterances "
            "would never begin; lower onset_ms"
        )
    if "pause_ms" in endpointing.model_fields_set and endpointing.pause_ms >= endpointing.end_silence_ms:
        yield (
            f"{place}endpointing.pause_ms = {endpointing.pause_ms}: not less than "
            f"endpointing.end_silence_ms = {endpointing.end_silence_ms}, so no transcription "
            "would begin ahead of time; lower it, or set 0 for never"
        )
    for name in ("look_back_ms", "end_silence_ms"):
        if (value_ms := getattr(endpointing, name)) >= maximum_ms:
            yield (
                f"{place}endpointing.{name} = {value_ms}: not less than endpointing.maximum_utterance_s = "
                f"{endpointing.maximum_utterance_s:g}, so every utterance would be cut; raise the latter"
            )


def _of_recording(settings: Settings) -> Iterator[str]:
    """Yield what is to be kept, where no folder is named."""
    chosen = {"recording": settings.recording} | {
        f"extensions.{name}.recording": extension.recording for name, extension in settings.extensions.items()
    }
    for place, recording in chosen.items():
        for key in ("audio", "transcripts"):
            if getattr(recording, key):
                yield f"{place}.{key} = true: needs recording.folder; name a folder for the files"


def _of_barge_in(
    endpointing: EndpointingSettings, barge_in: BargeInSettings, place: str = ""
) -> Iterator[str]:
    if barge_in.speech_ms < endpointing.minimum_speech_ms:
        yield (
            f"{place}barge_in.speech_ms = {barge_in.speech_ms}: less than endpointing.minimum_speech_ms = "
            f"{endpointing.minimum_speech_ms}, so a sound would stop an answer and then be dropped as noise; "
            "raise speech_ms or lower minimum_speech_ms"
        )
    if barge_in.speech_ms >= endpointing.maximum_utterance_s * 1000.0:
        yield (
            f"{place}barge_in.speech_ms = {barge_in.speech_ms}: not less than "
            f"endpointing.maximum_utterance_s = {endpointing.maximum_utterance_s:g}, so no caller "
            "could interrupt; lower speech_ms"
        )
