"""Who shows wrong tokens waits."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as some

from ingress.access.attempts import (
    FORGOTTEN_AFTER_S,
    FREE,
    KEPT_ADDRESSES,
    LONGEST_WAIT_S,
    WAITING_AT_MOST,
    Attempts,
)


def wrong(attempts: Attempts, address: str, now: float) -> float | None:
    """Show one wrong token; return the wait before it."""
    wait_s = attempts.begin(address, now)
    if wait_s is not None:
        attempts.end(address, wait_s > 0, True, now)
    return wait_s


def test_the_first_are_free_then_each_waits_longer() -> None:
    """Up to a limit; a right token waits as well; other addresses do not."""
    attempts = Attempts()
    waits = [wrong(attempts, "a", 1.0) for _ in range(20)]
    assert waits[: FREE + 1] == [0.0] * (FREE + 1)
    assert waits[FREE + 1 :] == sorted(waits[FREE + 1 :])
    assert waits[-1] == LONGEST_WAIT_S
    assert attempts.begin("a", 1.0) == LONGEST_WAIT_S
    attempts.end("a", True, False, 1.0)
    assert attempts.begin("b", 1.0) == 0.0
    assert attempts.wrong == 20


def test_it_is_forgotten() -> None:
    """A minute without a wrong token, and the address is like any other."""
    attempts = Attempts()
    for _ in range(10):
        wrong(attempts, "a", 1.0)
    assert attempts.begin("a", 1.0 + FORGOTTEN_AFTER_S) == LONGEST_WAIT_S
    attempts.end("a", True, False, 1.0)
    assert attempts.begin("a", 1.1 + FORGOTTEN_AFTER_S) == 0.0


def test_few_wait_at_a_time() -> None:
    """More are refused, until one is through."""
    attempts = Attempts()
    for _ in range(10):
        wrong(attempts, "a", 1.0)
    assert None not in [attempts.begin("a", 1.0) for _ in range(WAITING_AT_MOST)]
    assert attempts.begin("a", 1.0) is None
    attempts.end("a", True, True, 1.0)
    assert attempts.begin("a", 1.0) is not None


@given(some.lists(some.tuples(some.integers(0, 3_000), some.booleans()), max_size=300))
def test_memory_is_bounded(steps: list[tuple[int, bool]]) -> None:
    """Whatever addresses come; the newest are known."""
    attempts = Attempts()
    for number in range(KEPT_ADDRESSES):
        wrong(attempts, f"filler {number}", 0.0)
    for now, (address, is_wrong) in enumerate(steps):
        wait_s = attempts.begin(str(address), now)
        assert wait_s is not None
        attempts.end(str(address), wait_s > 0, is_wrong, now)
        assert len(attempts._addresses) <= KEPT_ADDRESSES
