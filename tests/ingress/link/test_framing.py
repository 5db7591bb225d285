"""Messages as bytes, in whatever pieces they come."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.errors import LinkError
from ingress.link.framing import LENGTH, MAXIMUM_MESSAGE_BYTES, Decoder, encode
from ingress.link.messages import (
    LINK_VERSION,
    CallStarted,
    Greet,
    Hello,
    HistoryEntry,
    Message,
    Readiness,
    Utterance,
)

MESSAGES: list[Message] = [
    Hello(version=LINK_VERSION, role="media", name="media-0"),
    Readiness(is_ready=True, detail=""),
    CallStarted(call_id="c1", extension="default"),
    Greet(call_id="c1", turn=1, history=()),
    Utterance(
        call_id="c1",
        turn=2,
        history=(HistoryEntry(speaker="caller", text="olá"),),
        audio=bytes(range(256)),
    ),
]
WIRE = b"".join(map(encode, MESSAGES))


@given(st.sets(st.integers(1, len(WIRE) - 1), max_size=30))
def test_messages_come_out_as_they_went_in_whatever_the_pieces(cuts: set[int]) -> None:
    """Bytes and accents included."""
    decoder = Decoder()
    received = []
    for begin, end in pairwise([0, *sorted(cuts), len(WIRE)]):
        decoder.feed(WIRE[begin:end])
        while (message := decoder.next()) is not None:
            received.append(message)
    assert received == MESSAGES


@pytest.mark.parametrize(
    "body",
    [b"", b"\xc1", b"\x80", b"\x92\xa5bogus\x80", b"\x92\x80\x80", b"\x92\xa5Greet\x80", b"garbage" * 50],
)
def test_what_is_no_message_is_a_link_error_that_quotes_nothing(body: bytes) -> None:
    """Any wrong body is one kind of error."""
    decoder = Decoder()
    decoder.feed(LENGTH.pack(len(body)) + body)
    with pytest.raises(LinkError, match="not valid") as caught:
        decoder.next()
    assert "garbage" not in str(caught.value)


def test_a_length_above_the_limit_is_not_waited_for() -> None:
    """Nor is such a message sent."""
    decoder = Decoder()
    decoder.feed(LENGTH.pack(MAXIMUM_MESSAGE_BYTES + 1))
    with pytest.raises(LinkError, match="was announced"):
        decoder.next()
    with pytest.raises(LinkError, match="too large"):
        encode(Utterance(call_id="c", turn=1, history=(), audio=bytes(MAXIMUM_MESSAGE_BYTES)))


def test_text_that_is_no_unicode_is_named() -> None:
    """JSON can write half of a character."""
    with pytest.raises(LinkError, match="no Unicode text"):
        encode(Readiness(is_ready=True, detail="").model_copy(update={"detail": "\ud800"}))
