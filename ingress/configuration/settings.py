"""Settings of the server: sockets, hearing, dialog, privacy; and, inside, those of the speech side.

Plain data, checked whole before a port opens. Every default has its reason beside it; `docs/settings.md`
lists them all and a test compares the two. Where a file, the environment and a flag disagree, the flag
wins, then the environment (`ingress.configuration.loading`).
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_core import PydanticCustomError

from actors.messages import Priority
from actors.settings import (
    AdmissionSettings,
    ApiSettings,
    FleetSettings,
    Language,
    Languages,
    OpenSection,
    PositiveSeconds,
    Section,
    SpeechSettings,
    ThrottleSettings,
)
from ingress.access.networks import PRIVATE_NETWORKS, network

MOST_NETWORKS = 1_000


def _number(value: object) -> object:
    """Flags and variables are text; pydantic turns text into numbers everywhere but in a Literal."""
    return int(value) if isinstance(value, str) and value.isdecimal() else value


AUTO_PORT = "auto"
SHARED_PORT = "shared"


def _port(value: object) -> object:
    """Return 0 for "auto", None for "shared"; what is neither a number nor one of the two is refused."""
    words = {AUTO_PORT: 0, SHARED_PORT: None}
    if isinstance(value, str) and value in words:
        return words[value]
    if isinstance(value, bool) or (isinstance(value, str) and not value.isdecimal()):  # true would be 1
        raise PydanticCustomError("port", 'write a port\'s number, "auto" or "shared"')
    return value


def _return_port(value: object) -> object:
    """Return 0 for "auto"; what is no number otherwise is refused."""
    if value == SHARED_PORT or (isinstance(value, str) and value != AUTO_PORT and not value.isdecimal()):
        raise PydanticCustomError("port", 'write a port\'s number or "auto"')
    return _port(value)


def _networks(written: tuple[str, ...]) -> tuple[str, ...]:
    if not 0 < len(written) <= MOST_NETWORKS:
        raise ValueError(f"1 to {MOST_NETWORKS} networks are needed; leave it out for all private ones")
    return tuple(network(each) for each in written)


class ServerSettings(Section):
    """The listening side."""

    host: str = "127.0.0.1"
    """AudioSocket has no authentication: never listen on a public address."""
    port: int = Field(default=9092, ge=0, le=65535)
    """9092 is what Asterisk's examples use; 0 lets the system choose."""
    media_workers: int = Field(default=1, ge=1, le=64)
    """Processes that share the port, each with its own audio clock."""
    max_calls: int = Field(default=400, ge=1, le=10_000)
    """Per media worker; one more call is refused, with a hangup that lets the dialplan go on."""
    handshake_deadline_s: PositiveSeconds = 5.0
    """From connect to UUID. Asterisk's channel driver may connect first and identify later."""
    message_deadline_s: PositiveSeconds = 2.0
    """From the first byte of a message to its last: ends a dripping peer."""
    send_backlog_ms: int = Field(default=1_500, ge=200, le=60_000)
    """A peer that reads nothing for this long loses its call: older audio is wrong audio."""
    waiting_limit_s: PositiveSeconds = 20.0
    """A caller who waits this long for speech workers hears the busy phrase; then the dialplan goes on."""
    drain_deadline_s: float = Field(default=30.0, ge=0.0, le=86_400.0)
    """After SIGTERM running calls may finish for this long."""
    frame_ms: Annotated[Literal[20, 30], BeforeValidator(_number)] = 20
    """Audio per message, and the clock's interval with it. 30 ms take a third fewer wake-ups."""
    nice: int = Field(default=0, ge=-20, le=19)
    """Niceness of the media workers. Below 0 needs CAP_SYS_NICE; helps beside busy programs."""
    realtime_priority: int = Field(default=0, ge=0, le=99)
    """Above 0: SCHED_RR at this priority, 2 or more (needs CAP_SYS_NICE). 0: ordinary scheduling."""


class AccessSettings(Section):
    """Who may connect to the ports for calls, and how often. All calls of an Asterisk have one address."""

    networks: Annotated[tuple[str, ...], AfterValidator(_networks)] = PRIVATE_NETWORKS
    """Others are closed before a byte is read. The default: loopback, private and link-local networks."""
    connections_per_address: int = Field(default=256, ge=1, le=512)
    """Without a UUID yet; one more, and the oldest of that address is closed. Half of the places for all."""
    connections_per_second: float = Field(default=200.0, gt=0.0, le=100_000.0)
    """New ones of one address, in the mean of 5 s: a PBX may begin 1,000 calls at once."""
    calls_per_address: int | None = Field(default=None, ge=1, le=100_000)
    """Per media worker. Unset: `server.max_calls` alone limits them."""
    require_begin: bool = False
    """Take only calls whose UUID the dialplan got from `begin`: no other connection becomes a call."""
    begin_valid_s: PositiveSeconds = 30.0
    """How long such a UUID may be used; its place is kept for so long."""


class EndpointingSettings(Section):
    """When an utterance begins and when it is over."""

    aggressiveness: int = Field(default=2, ge=0, le=3)
    """WebRTC VAD mode: 0 takes most sounds for speech, 3 the fewest."""
    onset_ms: int = Field(default=100, ge=20, le=1_000)
    """Speech this long within the last 1.5 times as long starts an utterance."""
    look_back_ms: int = Field(default=300, ge=0, le=2_000)
    """Audio kept from before the onset: soft first consonants."""
    end_silence_ms: int = Field(default=500, ge=100, le=5_000)
    """Silence, or no frames at all, this long ends an utterance."""
    pause_ms: int = Field(default=240, ge=0, le=5_000)
    """Silence this long may be the end: transcription begins ahead of time. 0: never ahead."""
    confirmation: Literal["silero", "none"] = "silero"
    """Second stage of detection: a small neural model looks at what WebRTC's took for speech."""
    confirmation_threshold: float = Field(default=0.5, gt=0.0, lt=1.0)
    """Probability above which a window of 32 ms is speech."""
    minimum_speech_ms: int = Field(default=120, ge=20, le=2_000)
    """Shorter bursts are noise and are dropped. Not more than `barge_in.speech_ms`."""
    maximum_utterance_s: float = Field(default=28.0, ge=2.0, le=30.0)
    """With the look-back. A longer one is cut in its last pause: whisper sees 30 s at most."""


class BargeInSettings(Section):
    """Whether the caller may interrupt an answer by speaking."""

    enabled: bool = True
    in_greeting: bool = True
    """Whether the first greeting may be interrupted as well."""
    speech_ms: int = Field(default=240, ge=60, le=2_000)
    """Shorter sounds, a cough or a "yes", do not interrupt."""


class CallLimitSettings(Section):
    """When a call is asked whether anybody is there, and when it ends by itself."""

    no_input_s: float = Field(default=10.0, ge=0.0, le=600.0, allow_inf_nan=False)
    """Silence of a caller, from the end of the answer, after which the dialog is told. 0: never."""
    no_input_times: int = Field(default=3, ge=1, le=100)
    """In a row; the last one ends the call (RAYMAL_RESULT=no_input)."""
    longest_s: float = Field(default=3_600.0, ge=0.0, le=86_400.0, allow_inf_nan=False)
    """Then the call ends (RAYMAL_RESULT=too_long), after the answer that plays. 0: no limit."""
    no_audio_s: float = Field(default=300.0, ge=0.0, le=3_600.0, allow_inf_nan=False)
    """Without a frame of audio, or a key, from the PBX the call ends (RAYMAL_RESULT=no_audio). 0: never.
    Asterisk sends no frame while a phone suppresses silence, is muted or on hold: minutes, not seconds."""


HotWord = Annotated[str, Field(min_length=1, max_length=100)]


MAXIMUM_INITIAL_PROMPT = 400
"""Characters: whisper has room for 223 tokens, names that may come among them."""


class DialogSettings(OpenSection):
    """What answers the caller. A dialog of your own reads `[dialog.NAME]` (docs/dialogs.md)."""

    name: str = "echo"
    """echo, flow, llm, webhook, tone, an installed package's dialog, or `package.module:Class`."""
    greeting: str | None = None
    """Said when a call begins; empty for none. Unset: the dialog's own, in the extension's language."""
    deadline_s: PositiveSeconds = 20.0
    """For its first action in a turn, and between two: then the turn fails, with the apology."""
    hot_words: tuple[HotWord, ...] = Field(default=(), max_length=100)
    """Names and terms that callers may say in any answer, beside those of the dialog: 1,000 letters."""
    initial_prompt: str | None = Field(default=None, max_length=MAXIMUM_INITIAL_PROMPT)
    """What calls are about, in the callers' own words, for the speech model, if the dialog gives none."""
    audio_folder: str | None = None
    """Whose WAV files a dialog may play; None: none."""
    tone_hz: float = Field(default=440.0, ge=100.0, le=3_400.0)
    """Of the `tone` dialog."""


class ExtensionRecordingSettings(Section):
    """What is kept of this extension's calls. What is unset is as in `[recording]`."""

    audio: bool | None = None
    """Both sides, as a stereo WAV file."""
    transcripts: bool | None = None
    """What was heard and answered, by turn."""


def _voices(written: object) -> object:
    """One error, instead of one for each type that it might be."""
    texts = [*written, *written.values()] if isinstance(written, dict) else [written]
    if written is not None and not all(isinstance(each, str) for each in texts):
        raise ValueError('write a voice\'s name, or for several languages {pt-BR = "NAME", en = "NAME"}')
    return written


class ExtensionSettings(Section):
    """A listener of its own (`[extensions.NAME]`). What is unset is as for the server's own port."""

    port: Annotated[int | None, Field(ge=0, le=65535), BeforeValidator(_port)]
    """`"auto"` or 0: the system chooses. `"shared"`: none of its own; its calls come by the server's."""
    return_port: Annotated[int | None, Field(ge=0, le=65535), BeforeValidator(_return_port)] = None
    """Where the second connection of a call comes in, with the call's UUID; `"auto"` or 0: the system
    chooses. Needs a `port` of the extension's own. All its calls are in one media worker. Unset: none."""
    host: str | None = None
    """Address to listen on. Unset: `server.host`."""
    priority: Priority = Priority.NORMAL
    """emergency, high, normal or background: who gets a slot, and a place at all, when there are few."""
    max_calls: int | None = Field(default=None, ge=1, le=100_000)
    """Calls at a time, over all servers of the cluster."""
    language: Languages | None = None
    """Of the callers: what the models listen for and speak. Several: as in `speech.language`."""
    voice: Annotated[str | dict[Language, str] | None, BeforeValidator(_voices)] = None
    """Of the text-to-speech engine: one, or one for each language, as `{pt-BR = "pm_alex", en = "am_adam"}`.
    Unset, or for a language that is not named: the engine's own."""
    tts: str | None = None
    """Its text-to-speech engine; unset: `speech.tts`. All engines that extensions name run in one fleet."""
    dialog: DialogSettings | None = None
    call_limits: CallLimitSettings | None = None
    barge_in: BargeInSettings | None = None
    recording: ExtensionRecordingSettings = ExtensionRecordingSettings()
    endpointing: EndpointingSettings | None = None
    busy: str | None = None
    """Said to a caller who is refused; instead of the language's own phrase."""
    apology: str | None = None
    """Said when an answer has failed."""
    waiting: str | None = None
    """Said to a caller who waits for the speech workers."""
    still_there: str | None = None
    """Said to a caller who says nothing, if the dialog has nothing to say about it."""
    no_input: str | None = None
    """Said before a call ends in which nothing was said."""
    too_long: str | None = None
    """Said before a call ends that has reached its longest time."""
    no_audio: str | None = None
    """Said before a call ends in which no audio comes any more."""
    caller_left: str | None = None
    """Said on the return leg when the caller has hung up."""


class ExtensionsSourceSettings(Section):
    """Where extensions come from beside `[extensions.NAME]`, and where new ones are written."""

    file: str | None = None
    """A TOML file of `[extensions.NAME]`: those that commands and HTTP add are written to it."""
    url: str | None = None
    """`postgresql://USER@HOST/DATABASE`: a table of it holds extensions. Never with the password in it."""
    password_file: str | None = None
    """Holds that user's password, on one line. Unset: PGPASSWORD, or the user's ~/.pgpass."""
    table: str = Field(
        default="raymal_extensions", pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,62}(\.[A-Za-z_][A-Za-z0-9_]{0,62})?$"
    )
    """Table or view, `SCHEMA.TABLE` if need be; `deploy/postgresql.sql` makes it."""
    local_copy: str | None = None
    """File for the last extensions taken, for a start without the database. Unset: in the state folder."""


class CacheSettings(Section):
    """Phrases kept ready, so that what was said once need not be made again."""

    directory: str | None = None
    """Unset: `raymal/phrases` in the user's cache folder (environment: RAYMAL_CACHE)."""
    memory_bytes: int = Field(default=64 * 1024 * 1024, ge=0, le=1 << 50)
    """Of each gateway. A second of audio is 16 KB."""
    disk_bytes: int = Field(default=512 * 1024 * 1024, ge=0, le=1 << 50)
    """Of the directory; the longest unused phrases go first. 0: nothing is written."""


class RecordSettings(Section):
    """What is kept of finished calls."""

    file: str | None = None
    """One JSON line per finished call is appended here. Unset: none."""


class RecordingSettings(Section):
    """Calls kept as files (docs/security.md). Off: find out what your law asks before you switch it on."""

    audio: bool = False
    """Both sides of each call, as a stereo WAV file: 1.9 MB a minute."""
    transcripts: bool = False
    """What was heard and answered, by turn, as a JSON Lines file."""
    folder: str | None = None
    """For both, of this user alone; needed if anything is kept."""
    retention_days: int = Field(default=30, ge=1, le=36_500)
    """Older ones are deleted by the running server, within ten minutes."""
    maximum_gb: float | None = Field(default=None, gt=0.0, le=1_000_000.0)
    """While the folder holds more, in units of 10^9 bytes, the oldest are deleted. Unset: no limit."""


class PrivacySettings(Section):
    """What may be kept of what was said."""

    keep_transcripts: bool = False
    """Keep the words of recent calls in memory, for `raymal call` and `raymal demo` to show."""


class AgiSettings(Section):
    """FastAGI: what the dialplan asks before and after a call."""

    enabled: bool = True
    """Off with the web process, too (`web.enabled`)."""
    host: str = "127.0.0.1"
    """Of the machine that Asterisk is on, or a private one: FastAGI has no authentication."""
    port: int = Field(default=4573, ge=0, le=65535)
    """Asterisk's own default; 0 lets the system choose, as the default does beside `server.port = 0`."""


class WebSettings(Section):
    """The operator's HTTP: live page, API, metrics (docs/security.md)."""

    enabled: bool = True
    """False: no such process; `raymal calls` and the like do not work."""
    host: str = "127.0.0.1"
    """Beyond loopback it needs a token, and something before it that encrypts."""
    port: int = Field(default=9093, ge=0, le=65535)
    """0 lets the system choose; so does the default beside `server.port = 0`."""
    token_file: str | None = None
    """Holds the token, readable by its owner alone; `raymal token` makes it. Environment: RAYMAL_TOKEN, the
    token itself."""


class TracesSettings(Section):
    """Where the times of calls and turns go as OpenTelemetry traces (extra `traces`)."""

    endpoint: str | None = None
    """A collector's OTLP/HTTP address, such as `http://127.0.0.1:4318/v1/traces`. Unset: no traces."""


class Settings(Section):
    """All settings of `raymal serve`."""

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """DEBUG names every process and skipped message; nothing is ever logged per frame."""
    log_format: Literal["auto", "text", "json"] = "auto"
    """auto: lines for people, in systemd's journal with priorities and without the time. json: one object a
    line, with `call_id` where it concerns a call."""
    server: ServerSettings = ServerSettings()
    endpointing: EndpointingSettings = EndpointingSettings()
    barge_in: BargeInSettings = BargeInSettings()
    dialog: DialogSettings = DialogSettings()
    call_limits: CallLimitSettings = CallLimitSettings()
    extensions: dict[str, ExtensionSettings] = Field(default_factory=dict)
    """Listeners beside the server's own port, by name."""
    extensions_source: ExtensionsSourceSettings = ExtensionsSourceSettings()
    cache: CacheSettings = CacheSettings()
    records: RecordSettings = RecordSettings()
    recording: RecordingSettings = RecordingSettings()
    privacy: PrivacySettings = PrivacySettings()
    access: AccessSettings = AccessSettings()
    web: WebSettings = WebSettings()
    agi: AgiSettings = AgiSettings()
    api: ApiSettings = ApiSettings()
    traces: TracesSettings = TracesSettings()
    speech: SpeechSettings = SpeechSettings()
    fleet: FleetSettings = FleetSettings()
    admission: AdmissionSettings = AdmissionSettings()
    throttle: ThrottleSettings = ThrottleSettings()
