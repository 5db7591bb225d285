"""Sentences in, frames out, without a seam."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ingress.playout import FRAME_BYTES, MAXIMUM_QUEUED_BYTES, Playout


def drain(playout: Playout) -> list[bytes]:
    """Take frames until there is nothing to say."""
    frames = []
    while (frame := playout.next_frame()) is not None:
        frames.append(frame)
    return frames


@given(st.lists(st.integers(min_value=1, max_value=2_000), min_size=1, max_size=20))
def test_pieces_of_any_size_are_played_without_a_seam(sizes: list[int]) -> None:
    """What comes out is what went in, padded with silence at the very end only."""
    playout = Playout()
    audio = bytes(index % 251 + 1 for index in range(sum(sizes)))
    start = 0
    for size in sizes:
        assert playout.push(audio[start : start + size], "", ends_sentence=False)
        start += size
    playout.end_sentence("")
    played = b"".join(drain(playout))
    assert played.rstrip(b"\0") == audio
    assert len(played) % FRAME_BYTES == 0
    assert len(played) - len(audio) < FRAME_BYTES
    assert playout.queued_bytes == 0
    assert playout.underruns == 0


def test_a_sentence_is_heard_when_its_last_frame_has_been_taken() -> None:
    """Half a sentence does not count."""
    playout = Playout()
    playout.push(bytes(FRAME_BYTES * 2), "one", ends_sentence=True)
    playout.push(bytes(FRAME_BYTES), "two", ends_sentence=True)
    playout.next_frame()
    assert playout.take_heard() == []
    playout.next_frame()
    assert playout.take_heard() == ["one"]
    playout.next_frame()
    assert playout.take_heard() == ["two"]


def test_missing_audio_inside_a_sentence_is_an_underrun() -> None:
    """Frames due while a sentence is open and empty are counted; between sentences they are not."""
    playout = Playout()
    assert playout.next_frame() is None
    assert playout.underruns == 0
    playout.push(bytes(FRAME_BYTES), "one", ends_sentence=False)
    playout.next_frame()
    assert playout.next_frame() is None
    assert playout.next_frame() is None
    assert playout.underruns == 2
    playout.end_sentence("one")
    assert playout.next_frame() is None
    assert playout.underruns == 2
    assert playout.take_heard() == ["one"]


def test_a_frame_padded_inside_a_sentence_is_an_underrun_too() -> None:
    """Half a frame of speech, then nothing: the caller hears a hole."""
    playout = Playout()
    playout.push(bytes(FRAME_BYTES + 100), "one", ends_sentence=False)
    drain(playout)
    assert playout.underruns >= 1


def test_an_abandoned_sentence_plays_out_and_leaves_no_underrun() -> None:
    """The gateway died in mid-sentence: what is there is played, then silence is right."""
    playout = Playout()
    playout.push(bytes(FRAME_BYTES * 3), "one", ends_sentence=False)
    playout.next_frame()
    playout.abandon_sentence()
    assert len(drain(playout)) == 2
    assert playout.underruns == 0


def test_the_queue_is_bounded() -> None:
    """A piece that does not fit is refused, and what was there stays."""
    playout = Playout()
    assert playout.push(bytes(MAXIMUM_QUEUED_BYTES), "", ends_sentence=True)
    assert not playout.push(b"\0\0", "", ends_sentence=True)
    assert playout.queued_bytes == MAXIMUM_QUEUED_BYTES
