"""Recordings that clients send, decoded to what calls sound like: 8 kHz, mono, int16.

The decoders are FFmpeg's, by PyAV. A file is given to the one demuxer that its first bytes name, never to a
demuxer that opens other files or addresses.
"""

from __future__ import annotations

import io
import re
import threading

import av
from av.audio.resampler import AudioResampler

from actors.api.errors import ApiError
from actors.telephone import BYTES_PER_SAMPLE, TELEPHONE_RATE_HZ

FORMATS = {
    "wav": re.compile(rb"(?:RIFF|RF64)....WAVE", re.DOTALL),
    "flac": re.compile(rb"fLaC"),
    "ogg": re.compile(rb"OggS"),
    "mp3": re.compile(rb"ID3|\xff[\xe2-\xff]"),
    "matroska": re.compile(rb"\x1a\x45\xdf\xa3"),
    "mov": re.compile(rb"....ftyp", re.DOTALL),
}
"""FFmpeg's demuxers, by the first bytes of their files."""
NAMES = "wav, flac, ogg, mp3, webm, m4a and mp4"
MAXIMUM_RATE_HZ = 384_000


def decode(content: bytes, maximum_s: float, is_given_up: threading.Event) -> bytes:
    """Return a recording's audio, 8 kHz int16 mono. Blocks; ends soon once `is_given_up` is set.

    Raises ApiError, also for one that lasts longer than `maximum_s`.
    """
    demuxer = next((name for name, start in FORMATS.items() if start.match(content)), None)
    if demuxer is None:
        raise ApiError(
            415, f"file: not a recording in a format that is known here: {NAMES}", parameter="file"
        )
    audio = bytearray()
    limit_bytes = int(maximum_s * TELEPHONE_RATE_HZ) * BYTES_PER_SAMPLE
    try:
        with av.open(io.BytesIO(content), mode="r", format=demuxer) as container:
            stream = next(iter(container.streams.audio), None)
            if stream is None:
                raise ApiError(400, "file: there is no audio in it", parameter="file")
            if getattr(stream, "codec_context", None) is None:  # no decoder: nothing is known of it
                raise ApiError(400, "file: its audio is in a coding that is unknown here", parameter="file")
            if not 0 < (stream.rate or 0) <= MAXIMUM_RATE_HZ:
                raise ApiError(400, f"file: a sample rate of {stream.rate} Hz", parameter="file")
            resampler = AudioResampler(format="s16", layout="mono", rate=TELEPHONE_RATE_HZ)
            for frame in container.decode(stream):
                if is_given_up.is_set():
                    raise ApiError(503, "given up")
                for piece in resampler.resample(frame):
                    audio += bytes(piece.planes[0])[: piece.samples * BYTES_PER_SAMPLE]
                if len(audio) > limit_bytes:
                    message = f"file: longer than {maximum_s:g} s, the limit; send it in parts"
                    raise ApiError(413, message, parameter="file")
            for piece in resampler.resample(None):
                audio += bytes(piece.planes[0])[: piece.samples * BYTES_PER_SAMPLE]
    except (av.FFmpegError, ValueError, OverflowError, MemoryError, EOFError) as error:
        raise ApiError(
            400, f"file: it cannot be decoded as {demuxer}: {type(error).__name__}", parameter="file"
        ) from None
    if not audio:
        raise ApiError(400, "file: there is no audio in it", parameter="file")
    return bytes(audio)
