"""Settings of the speech side: which engines, their options, how many workers.

The whole of it travels to every worker, so it is plain data (frozen pydantic models) and holds no
secret. The server's own settings are in `ingress.settings`, which contains this one as `[speech]`
and `[fleet]`. Every default has its reason beside it.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


class Section(BaseModel):
    """Base of all sections: unknown keys are errors, values never change."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


PositiveSeconds = Annotated[float, Field(gt=0, le=3600)]


class WhisperSettings(Section):
    """Speech to text with faster-whisper."""

    model: str = "bundled"
    """`bundled` (the installed weights package), a folder, or a hub name such as `small`."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    compute_type: str = "default"
    """CTranslate2 type; `default` means int8 on a CPU, float16 on a GPU."""
    threads: int = Field(default=1, ge=1, le=64)
    """CPU threads per worker. Two workers of one thread beat one of two."""
    window_s: float = Field(default=6.0, ge=5.0, le=30.0)
    """Shortest encoder window; a remembered silence is put behind it. 30 is stock."""
    window_margin_s: float = Field(default=3.0, ge=0.0, le=10.0)
    """Silence kept after a longer utterance inside its window, so that the model sees its end."""
    beam_size: int = Field(default=1, ge=1, le=10)
    """1 is greedy: telephone prompts lose 0.2 points of word error rate, half the time."""
    retry_log_probability: float = Field(default=-0.8, le=0.0)
    """Below this mean log-probability the result is doubtful and 30 s is decoded as well."""


class HibariSettings(Section):
    """English text to speech with weights in the wheel."""

    voice: str = "heart"
    threads: int = Field(default=1, ge=1, le=64)
    speed: float = Field(default=1.0, ge=0.5, le=2.0)


class CoquiSettings(Section):
    """Neural multilingual text to speech with the coqui-tts library (extra `coqui`)."""

    model: str = "tts_models/en/ljspeech/vits"
    """A model name of the library, or a folder with `config.json` and a checkpoint."""
    speaker: str | None = None
    speaker_wav: str | None = None
    """A recording to imitate, for models that clone voices."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    threads: int = Field(default=2, ge=1, le=64)


class ScriptedSettings(Section):
    """Engines that say what they are told after a given delay: tests and load."""

    transcript: str = "hello"
    """What the scripted STT hears, whatever was said."""
    stt_delay_s: float = Field(default=0.3, ge=0.0, le=60.0)
    tts_delay_s: float = Field(default=0.05, ge=0.0, le=60.0)
    """Before the first audio of a sentence."""
    speech_rate_characters_per_s: float = Field(default=15.0, gt=0.0)
    """How long a sentence lasts: its length over this."""
    load_delay_s: float = Field(default=0.0, ge=0.0, le=60.0)


class SpeechSettings(Section):
    """Which engines run, in which language."""

    stt: str = "whisper"
    tts: str = "hibari"
    language: str = "en"
    transcription_deadline_s: PositiveSeconds = 10.0
    """After this a transcript is of no use to a caller who waits."""
    synthesis_deadline_s: PositiveSeconds = 10.0
    whisper: WhisperSettings = WhisperSettings()
    hibari: HibariSettings = HibariSettings()
    coqui: CoquiSettings = CoquiSettings()
    scripted: ScriptedSettings = ScriptedSettings()


class FleetSettings(Section):
    """How many workers, and where Ray is."""

    backend: Literal["ray", "local"] = "ray"
    """`local` runs the same pools inside the gateway: no Ray at all."""
    ray_address: str | None = None
    """None starts a private Ray on this machine; `auto` or host:port joins one."""
    ray_namespace: str = "raymal"
    max_concurrent_transcriptions: int | None = Field(default=None, ge=1, le=1024)
    """Overrides the count from the hardware (environment: MAX_CONCURRENT_TRANSCRIPTIONS)."""
    max_concurrent_synthesis: int | None = Field(default=None, ge=1, le=1024)
    """Overrides the count from the hardware (environment: MAX_CONCURRENT_SYNTHESIS)."""
    worker_start_deadline_s: PositiveSeconds = 120.0
    """Loading a model from a cold disk takes seconds; from a hub, longer."""
    object_store_bytes: int = Field(default=150 * 1024 * 1024, ge=80 * 1024 * 1024)
    """Of a private Ray. Utterances are small; Ray's own default takes a third of the memory."""
