"""Phrases in memory: what is kept, what is removed first, and how large it is at most."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ingress.phrases.memory import ENTRY_BYTES, PhraseCache

CAPACITY_BYTES = 2_000

steps = st.lists(
    st.tuples(st.sampled_from("abcdef"), st.none() | st.integers(min_value=0, max_value=CAPACITY_BYTES + 1))
)


@given(steps)
def test_it_holds_the_most_recently_used_that_fit(sequence: list[tuple[str, int | None]]) -> None:
    """Compared with a plain list, step by step; None reads, a number writes so many bytes. `in` is no use."""
    cache = PhraseCache(CAPACITY_BYTES)
    expected: list[tuple[str, bytes]] = []  # the longest unused first
    for key, size in sequence:
        known = dict(expected).get(key)
        assert (key in cache) == (known is not None)
        if size is None:
            assert cache.get(key) == known
            if known is not None:
                expected.remove((key, known))
                expected.append((key, known))
        else:
            audio = key.encode() * size
            cache.put(key, audio)
            expected = [entry for entry in expected if entry[0] != key]
            if size + ENTRY_BYTES <= CAPACITY_BYTES:
                expected.append((key, audio))
            while sum(len(audio) + ENTRY_BYTES for _, audio in expected) > CAPACITY_BYTES:
                expected.pop(0)
        assert cache.size_bytes == sum(len(audio) + ENTRY_BYTES for _, audio in expected) <= CAPACITY_BYTES


def test_a_cache_of_nothing_keeps_nothing() -> None:
    """Not even empty audio: its entry takes room."""
    cache = PhraseCache(0)
    cache.put("a", b"")
    assert cache.get("a") is None
