"""The espeak-ng library from the package `espeakng-loader`: text to phonemes, and to (poor) speech.

The library keeps its state in global variables: there is one of it in a process, initialised once, and a lock
admits one thread at a time. It is free software under the GPL, version 3: who passes on a program together
with it passes on the whole under that licence. raymal comes without it (extras `piper`, `kokoro`, `espeak`).

Facts of the interface are from espeak-ng's `speak_lib.h` (1.52).
"""

from __future__ import annotations

import ctypes
import re
import threading
from functools import cache

import numpy as np

from actors.engines.speech_audio import Samples
from actors.errors import EngineError

INSTALL = "pip install espeakng-loader"

TIE = "^"
"""Between the letters of one sound in `phonemes`: `t^ʃ`."""

_AUDIO_OUTPUT_SYNCHRONOUS = 2
_INITIALIZE_DONT_EXIT = 0x8000
_CHARACTERS_UTF8 = 1
_POSITION_CHARACTER = 1
_PHONEMES_IPA_TIED = 0x02 | 0x80 | ord(TIE) << 8
_PARAMETER_RATE = 1
_NORMAL_RATE_WORDS_PER_MINUTE = 175
_LANGUAGE_SWITCH = re.compile(r"\([^)]*\)")
"""Such as `(en)` before a word that the library reads by the rules of another language."""

_AudioCallback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)


class EspeakLibrary:
    """The library, initialised. Made by `espeak_library` alone. For any thread."""

    def __init__(self) -> None:
        import espeakng_loader

        self._lock = threading.Lock()
        self._voice = ""
        self._heard: list[Samples] = []
        try:
            self._library = ctypes.CDLL(espeakng_loader.get_library_path())
            data = espeakng_loader.get_data_path()
        except (OSError, RuntimeError) as error:
            raise EngineError(f"espeak-ng cannot be loaded: {error}; reinstall it: `{INSTALL}`") from error
        self._library.espeak_TextToPhonemes.restype = ctypes.c_char_p
        self._library.espeak_TextToPhonemes.argtypes = [
            ctypes.POINTER(ctypes.c_char_p), ctypes.c_int, ctypes.c_int
        ]  # fmt: skip
        self._library.espeak_Synth.argtypes = [
            ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint, ctypes.c_int, ctypes.c_uint, ctypes.c_uint,
            ctypes.c_void_p, ctypes.c_void_p,
        ]  # fmt: skip
        self.rate_hz: int = self._library.espeak_Initialize(
            _AUDIO_OUTPUT_SYNCHRONOUS, 0, data.encode(), _INITIALIZE_DONT_EXIT
        )
        if self.rate_hz <= 0:
            raise EngineError(f"espeak-ng cannot read its data in {data}: reinstall it: `{INSTALL}`")
        self._callback = _AudioCallback(self._take)  # the library keeps a pointer to it
        self._library.espeak_SetSynthCallback(self._callback)

    def phonemes(self, words: str, voice: str) -> str:
        """Return the IPA of words without punctuation, sounds of several letters tied. Raises EngineError."""
        with self._lock:
            self._choose(voice)
            text = ctypes.c_char_p(_encoded(words))
            parts = []
            while text.value is not None:  # the library moves the pointer from clause to clause
                spoken = self._library.espeak_TextToPhonemes(
                    ctypes.byref(text), _CHARACTERS_UTF8, _PHONEMES_IPA_TIED
                )
                parts.append(spoken.decode("utf-8", "replace") if spoken else "")
        return _LANGUAGE_SWITCH.sub("", " ".join(parts)).strip()

    def speech(self, text: str, voice: str, speed: float) -> Samples:
        """Return the library's own speech at `rate_hz`; empty for nothing to say. Raises EngineError."""
        encoded = _encoded(text)
        with self._lock:
            self._choose(voice)
            self._library.espeak_SetParameter(
                _PARAMETER_RATE, round(_NORMAL_RATE_WORDS_PER_MINUTE * speed), 0
            )
            self._heard = []
            status = self._library.espeak_Synth(
                encoded, len(encoded) + 1, 0, _POSITION_CHARACTER, 0, _CHARACTERS_UTF8, None, None
            )
            heard, self._heard = self._heard, []
        if status != 0:
            raise EngineError(f"espeak-ng could not speak a text of {len(text)} characters: status {status}")
        return np.concatenate([np.zeros(0, np.float32), *heard])

    def _choose(self, voice: str) -> None:
        if voice == self._voice:
            return
        self._voice = ""  # what a failure leaves is not known
        if self._library.espeak_SetVoiceByName(voice.encode()) != 0:
            raise EngineError(f"espeak-ng has no voice {voice!r}")
        self._voice = voice

    def _take(self, samples: ctypes._Pointer[ctypes.c_short], count: int, events: int) -> int:
        if samples and count > 0:
            copied = np.ctypeslib.as_array(samples, (count,)).astype(np.float32)
            self._heard.append(copied / np.float32(32768.0))
        return 0  # go on


@cache
def _loaded() -> EspeakLibrary:
    return EspeakLibrary()


_loading = threading.Lock()


def espeak_library() -> EspeakLibrary:
    """Return the process's library; the first call loads it. Raises EngineError."""
    with _loading:  # `cache` alone lets two threads initialise it
        return _loaded()


def _encoded(text: str) -> bytes:
    """A zero byte would end the text for the library."""
    return text.replace("\0", " ").encode("utf-8", "replace")
