"""An extension: one listener of a server and what its callers get, defaults filled in.

The server's own port is the extension `default`. Others are named in the configuration and differ from it
in what they set.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, TypeVar

from pydantic import Field

from actors.checks.languages import primary, several
from actors.messages import Priority
from actors.settings import Section
from ingress.configuration.settings import (
    BargeInSettings,
    CallLimitSettings,
    DialogSettings,
    EndpointingSettings,
    ExtensionRecordingSettings,
    ExtensionSettings,
    RecordingSettings,
    Settings,
)

DEFAULT_EXTENSION = "default"
"""Name of the server's own port."""


class Phrase(StrEnum):
    """What a media worker may have to say by itself, without any gateway."""

    BUSY = "busy"
    """To a caller who is refused."""
    APOLOGY = "apology"
    """When an answer has failed."""
    WAITING = "waiting"
    """To a caller who waits for the speech workers."""
    STILL_THERE = "still_there"
    """To a caller who says nothing, if the dialog has nothing to say about it."""
    NO_INPUT = "no_input"
    """Before the end of a call in which nothing was said several times in a row."""
    TOO_LONG = "too_long"
    """Before the end of a call that has reached `call_limits.longest_s`."""
    NO_AUDIO = "no_audio"
    """Before the end of a call in which no audio comes any more."""
    CALLER_LEFT = "caller_left"
    """On the return leg, when its caller has hung up."""


class RecordingChoice(Section):
    """What is kept of an extension's calls."""

    audio: bool = False
    transcripts: bool = False

    @property
    def keeps_anything(self) -> bool:
        """Whether a call leaves a file."""
        return self.audio or self.transcripts


class Extension(Section):
    """One listener and what its callers get. A running call keeps the one it began with."""

    name: str
    port: int | None
    """0: the system chooses. None: no port of its own; its calls come by the server's."""
    return_port: int | None = None
    """For the second connection of a call; 0: the system chooses. None: there is none."""
    host: str | None = None
    """Address to listen on; None: the server's."""
    priority: Priority = Priority.NORMAL
    max_calls: int | None = None
    """Over all servers of the cluster."""
    language: str
    languages: tuple[str, ...] = ()
    """Which of these is spoken is found out, `language` being the first; empty: it is `language`."""
    voice: str | dict[str, str] | None = None
    """A voice of the engine, or one for each of some languages; None: the engine's own setting."""
    tts: str | None = None
    """Its text-to-speech engine; None: `speech.tts`."""
    dialog: DialogSettings
    needs_speech: bool = False
    """Whether the dialog hears and speaks; the book finds out (`ExtensionBook.of`)."""
    barge_in: BargeInSettings
    call_limits: CallLimitSettings = CallLimitSettings()
    recording: RecordingChoice = RecordingChoice()
    endpointing: EndpointingSettings = EndpointingSettings()
    phrases: dict[Phrase, str] = Field(default_factory=dict)
    """Texts that the operator chose; the others are the language's own (`ingress.phrases.fixed`)."""

    def chosen(self, priority: Priority | None, language: str | None) -> Extension:
        """Return the extension with what the dialplan chose for one call; None: as it is."""
        update: dict[str, Any] = {} if priority is None else {"priority": priority}
        return self.model_copy(update=update).spoken_in(language)

    def spoken_in(self, language: str | None) -> Extension:
        """Return the extension for a call whose language is known; None: as it is."""
        if language is None:
            return self
        return self.model_copy(update={"language": language, "languages": ()})

    @property
    def spoken_voice(self) -> str | None:
        """The voice for its language, of whatever region; None: the engine's own setting."""
        if not isinstance(self.voice, dict):
            return self.voice
        of_language = {primary(code): name for code, name in self.voice.items()}
        return self.voice.get(self.language, of_language.get(primary(self.language)))

    @property
    def voice_settings(self) -> dict[str, str]:
        """All its voices, by the key of the extension's settings that names each."""
        if isinstance(self.voice, dict):
            return {f"voice.{code}": name for code, name in self.voice.items()}
        return {} if self.voice is None else {"voice": self.voice}

    @property
    def spoken(self) -> str:
        """Its language for people, or its languages."""
        return ", ".join(self.languages) or self.language

    @property
    def in_each_language(self) -> tuple[Extension, ...]:
        """The extension as it is in each language that a call of it may have."""
        return tuple(self.spoken_in(language) for language in self.languages) or (self,)


def default_extension(settings: Settings) -> Extension:
    """Return the server's own port."""
    return Extension(
        name=DEFAULT_EXTENSION,
        port=settings.server.port,
        **_languages(settings.speech.language),
        dialog=settings.dialog,
        barge_in=settings.barge_in,
        call_limits=settings.call_limits,
        recording=RecordingChoice(audio=settings.recording.audio, transcripts=settings.recording.transcripts),
        endpointing=settings.endpointing,
    )


def named_extension(name: str, chosen: ExtensionSettings, settings: Settings) -> Extension:
    """Return what `[extensions.NAME]` makes of the server's own settings."""
    texts = {phrase: getattr(chosen, phrase.value) for phrase in Phrase}
    return Extension(
        name=name,
        port=chosen.port,
        return_port=chosen.return_port,
        host=chosen.host,
        priority=chosen.priority,
        max_calls=chosen.max_calls,
        **_languages(chosen.language or settings.speech.language),
        voice=chosen.voice,
        tts=chosen.tts,
        dialog=merged(settings.dialog, chosen.dialog),
        barge_in=merged(settings.barge_in, chosen.barge_in),
        call_limits=merged(settings.call_limits, chosen.call_limits),
        endpointing=merged(settings.endpointing, chosen.endpointing),
        recording=_recording(settings.recording, chosen.recording),
        phrases={phrase: text for phrase, text in texts.items() if text is not None},
    )


def _languages(chosen: str | tuple[str, ...]) -> dict[str, Any]:
    languages = several(chosen)
    return {"language": languages[0], "languages": languages if len(languages) > 1 else ()}


def _recording(common: RecordingSettings, own: ExtensionRecordingSettings) -> RecordingChoice:
    return RecordingChoice(
        audio=common.audio if own.audio is None else own.audio,
        transcripts=common.transcripts if own.transcripts is None else own.transcripts,
    )


Part = TypeVar("Part", bound=Section)


def merged(common: Part, own: Part | None) -> Part:
    """Return the server's section with what the extension has set in its place, key by key in tables."""
    if own is None:
        return common
    chosen = {name: getattr(own, name) for name in own.model_fields_set}
    for name, value in chosen.items():
        if isinstance(value, dict):
            chosen[name] = getattr(common, name, {}) | value
    return common.model_copy(update=chosen)
