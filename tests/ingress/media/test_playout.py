"""Sentences in, frames out, without a seam."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain, repeat

from hypothesis import given
from hypothesis import strategies as st

from actors.telephone import FRAME_BYTES
from ingress.media.playout import LONG_FRAME_BYTES, MAXIMUM_QUEUED_BYTES, Playout

FRAME_SIZES = st.lists(st.sampled_from([FRAME_BYTES, LONG_FRAME_BYTES]), max_size=200)


def drain(playout: Playout, sizes: Iterable[int] = ()) -> list[bytes]:
    """Take frames, of `sizes` and then of 20 ms, until there is nothing to say."""
    frames = []
    for size in chain(sizes, repeat(FRAME_BYTES)):
        if (frame := playout.next_frame(size)) is None:
            break
        assert len(frame) == size
        frames.append(frame)
    return frames


@given(st.lists(st.integers(min_value=1, max_value=2_000), min_size=1, max_size=20), FRAME_SIZES)
def test_pieces_and_frames_of_any_size_are_played_without_a_seam(
    pieces: list[int], frames: list[int]
) -> None:
    """What comes out is what went in, padded with silence at the very end only, however it is cut."""
    playout = Playout()
    audio = bytes(index % 251 + 1 for index in range(sum(pieces)))
    start = 0
    for index, size in enumerate(pieces):
        assert playout.push(audio[start : start + size], str(index) if index % 3 == 0 else None)
        start += size
    playout.end_sentence("end")
    played = b"".join(drain(playout, frames))
    assert played.rstrip(b"\0") == audio
    assert len(played) - len(audio) < LONG_FRAME_BYTES
    assert playout.played_bytes == len(audio)
    assert (playout.underruns, playout.underrun_bytes) == (0, 0)
    sentences = [str(index) for index in range(0, len(pieces), 3)]
    assert playout.take_heard()[: len(sentences)] == sentences


def test_a_sentence_is_heard_when_its_last_frame_has_been_taken() -> None:
    """Half a sentence does not count."""
    playout = Playout()
    playout.push(bytes(FRAME_BYTES * 2), "one")
    playout.push(bytes(FRAME_BYTES), "two")
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
    playout.push(bytes(FRAME_BYTES))
    playout.next_frame()
    assert playout.next_frame() is None
    assert playout.next_frame(LONG_FRAME_BYTES) is None
    assert playout.underruns == 2
    assert playout.underrun_bytes == FRAME_BYTES + LONG_FRAME_BYTES
    playout.end_sentence("one")
    assert playout.next_frame() is None
    assert playout.underruns == 2
    assert playout.take_heard() == ["one"]


def test_a_frame_padded_inside_a_sentence_is_an_underrun_too() -> None:
    """Half a frame of speech, then nothing: the caller hears a hole."""
    playout = Playout()
    playout.push(bytes(FRAME_BYTES + 100))
    playout.next_frame()
    playout.next_frame(LONG_FRAME_BYTES)
    assert (playout.underruns, playout.underrun_bytes) == (1, LONG_FRAME_BYTES - 100)


def test_an_abandoned_sentence_plays_out_and_leaves_no_underrun() -> None:
    """The gateway died in mid-sentence: what is there is played, then silence is right."""
    playout = Playout()
    playout.push(bytes(FRAME_BYTES * 3))
    playout.next_frame()
    playout.end_sentence("")
    assert len(drain(playout)) == 2
    assert playout.underruns == 0
    assert "one" not in playout.take_heard()


def test_abandoning_after_a_whole_sentence_takes_nothing_from_it() -> None:
    """The turn is done as usual: its last sentence is heard."""
    playout = Playout()
    playout.push(bytes(FRAME_BYTES), "one")
    playout.end_sentence("")
    drain(playout)
    assert playout.take_heard() == ["one"]


def test_the_rest_for_a_fade_is_what_would_be_played_next() -> None:
    """Of what is queued, as much as there is."""
    playout = Playout()
    playout.push(b"\1" * FRAME_BYTES, "one")
    playout.push(b"\2" * FRAME_BYTES + b"\3" * FRAME_BYTES)
    playout.next_frame()
    playout.next_frame()
    assert playout.rest(80) == b"\3" * 80
    playout.next_frame()
    assert playout.rest(80) == b""


def test_the_queue_is_bounded() -> None:
    """A piece that does not fit is refused, and what was there stays."""
    playout = Playout()
    assert playout.push(bytes(MAXIMUM_QUEUED_BYTES), "")
    assert not playout.push(b"\0\0", "")
    assert len(b"".join(drain(playout))) == MAXIMUM_QUEUED_BYTES


def test_a_sentence_without_audio_is_not_heard() -> None:
    """Neither alone nor behind another one."""
    playout = Playout()
    playout.end_sentence("nothing")
    playout.push(bytes(FRAME_BYTES))
    playout.end_sentence("one")
    playout.end_sentence("nothing")
    drain(playout)
    playout.end_sentence("nothing")
    assert playout.take_heard() == ["one"]


def test_a_sentence_of_which_some_was_dropped_is_not_heard() -> None:
    """No later piece of it plays either: there would be a hole in it. The next sentence is whole again."""
    playout = Playout()
    assert playout.push(bytes(MAXIMUM_QUEUED_BYTES - FRAME_BYTES))
    assert not playout.push(bytes(FRAME_BYTES * 2))
    playout.next_frame()
    assert not playout.push(bytes(FRAME_BYTES))
    playout.end_sentence("torn")
    drain(playout)
    assert playout.played_bytes == MAXIMUM_QUEUED_BYTES - FRAME_BYTES
    assert playout.push(bytes(FRAME_BYTES))
    playout.end_sentence("whole")
    drain(playout)
    assert [text for text in playout.take_heard() if text] == ["whole"]
