"""Messages as bytes: a 4-byte big-endian length, then msgpack of [the message's kind, its fields].

Pure: bytes in, messages out, whatever pieces they come in. A length above the limit is never waited for.
"""

from __future__ import annotations

import struct

import msgpack
from pydantic import ValidationError

from actors.errors import LinkError, MessageTooLargeError
from ingress.link.messages import Message

MAXIMUM_MESSAGE_BYTES = 8 * 1024 * 1024
"""A 30 s utterance is 480 KB; a call's record, a few hundred KB at most; all extensions, 4 MiB, and 2 MiB of
what is set for them (`ingress.configuration.extension_book`)."""
LENGTH = struct.Struct(">I")


def encode(message: Message) -> bytes:
    """Return the message with its length. Raises MessageTooLargeError."""
    try:
        body: bytes = msgpack.packb((message.kind, message.model_dump()))
    except UnicodeEncodeError:  # not chained: as in `Decoder.next`
        raise MessageTooLargeError(f"a {message.kind} message has text that is no Unicode text") from None
    except (OverflowError, ValueError):
        raise MessageTooLargeError(
            f"a {message.kind} message has a number of more than 64 bits, or too many levels, for the link"
        ) from None
    if len(body) > MAXIMUM_MESSAGE_BYTES:
        raise MessageTooLargeError(
            f"a {message.kind} message of {len(body)} bytes is too large for the link "
            f"({MAXIMUM_MESSAGE_BYTES} bytes)"
        )
    return LENGTH.pack(len(body)) + body


class Decoder:
    """Puts received bytes together again; holds one message and one read at most."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> None:
        """Take bytes as they came."""
        self._buffer += data

    def next(self) -> Message | None:
        """Return the next whole message; None: more bytes are needed. Raises LinkError."""
        if len(self._buffer) < LENGTH.size:
            return None
        (length,) = LENGTH.unpack_from(self._buffer)
        if length > MAXIMUM_MESSAGE_BYTES:
            raise LinkError(
                f"a message of {length} bytes was announced; the limit is {MAXIMUM_MESSAGE_BYTES}"
            )
        end = LENGTH.size + length
        if len(self._buffer) < end:
            return None
        body = bytes(self._buffer[LENGTH.size : end])
        del self._buffer[:end]
        try:
            kind, fields = msgpack.unpackb(body)
            return Message.kinds[kind].model_validate(fields)
        except (ValueError, TypeError, KeyError, msgpack.exceptions.UnpackException) as error:
            # Not chained: the cause may quote what was said.
            raise LinkError(
                f"a message of {length} bytes on the link is not valid: {_brief(error)}"
            ) from None


def _brief(error: Exception) -> str:
    """Say what is wrong without quoting the message: it may hold a transcript."""
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
    return type(error).__name__
