"""What callers do: an open loop with the promised means, planned beforehand."""

from __future__ import annotations

from statistics import fmean, pvariance

from hypothesis import given
from hypothesis import strategies as st

from benchmarks.capacity.scenario import ARRIVAL_S, CHANGEOVER_S, LISTENS_S, UNEVEN, PlannedCall, Scenario

PROMPTS_S = (2.0, 3.0, 2.5, 3.5)
SCENARIO = Scenario(PROMPTS_S, period_s=12.0, call_s=60.0)


def there(calls: list[PlannedCall], at_s: float) -> int:
    """Return how many calls there are at a time."""
    return sum(call.at_s <= at_s < call.at_s + call.stays_s for call in calls)


def test_at_random_as_many_calls_are_there_as_were_offered() -> None:
    """At the beginning and after minutes alike, on average; later with the spread of a Poisson process."""
    runs = [SCENARIO.at_random(40, 400.0, seed) for seed in range(300)]
    early, late = ([there(run, at_s) for run in runs] for at_s in (ARRIVAL_S, 390.0))
    assert abs(fmean(early) - 40) < 2.5
    assert abs(fmean(late) - 40) < 1.5
    assert 0.7 < pvariance(late) / 40 < 1.4


def test_arrivals_come_at_the_promised_rate_whatever_was_before() -> None:
    """Forty calls of a minute are forty arrivals a minute."""
    runs = [SCENARIO.at_random(40, 303.0, seed) for seed in range(100)]
    assert abs(fmean(sum(call.at_s > ARRIVAL_S for call in run) for run in runs) - 200) < 5


@given(calls=st.integers(1, 60), seed=st.integers(0, 10**6))
def test_steady_is_one_call_after_the_other_on_so_many_lines(calls: int, seed: int) -> None:
    """Never more at once, and never fewer but for a changeover."""
    planned = SCENARIO.steady(calls, 200.0, seed)
    instants = [call.at_s for call in planned if ARRIVAL_S < call.at_s < 200.0]
    assert all(there(planned, at_s) <= calls for at_s in instants)
    for at_s in instants:
        over = sum(0.0 <= at_s - call.at_s - call.stays_s < CHANGEOVER_S for call in planned)
        assert there(planned, at_s) + over >= calls


def test_callers_speak_as_often_as_the_period_says() -> None:
    """From one beginning to the next it takes the period on average, never outside its spread."""
    pauses = [
        after.at_s - before.at_s
        for seed in range(50)
        for call in SCENARIO.at_random(20, 100.0, seed)
        for before, after in zip(call.utterances, call.utterances[1:], strict=False)
    ]
    assert abs(fmean(pauses) - 12.0) < 0.2
    assert 12.0 * (1 - UNEVEN) <= min(pauses) <= max(pauses) <= 12.0 * (1 + UNEVEN) + 1e-9


@given(
    number=st.integers(1, 60), period_s=st.floats(1.0, 30.0), seed=st.integers(0, 10**6), steady=st.booleans()
)
def test_nobody_speaks_over_himself_or_after_he_left(
    number: int, period_s: float, seed: int, steady: bool
) -> None:
    """Utterances follow one another, after the greeting, inside the call; calls come in order."""
    scenario = Scenario(PROMPTS_S, period_s, 60.0)
    calls = (scenario.steady if steady else scenario.at_random)(number, 60.0, seed)
    assert [call.at_s for call in calls] == sorted(call.at_s for call in calls)
    for call in calls:
        silent_s = LISTENS_S
        for utterance in call.utterances:
            assert utterance.at_s >= silent_s
            silent_s = utterance.at_s + PROMPTS_S[utterance.prompt]
        if call.utterances:
            assert silent_s <= call.stays_s


def test_a_seed_repeats_itself_and_another_does_not() -> None:
    """The same measurement can be made again."""
    for plan in (SCENARIO.steady, SCENARIO.at_random):
        assert plan(10, 60.0, 7) == plan(10, 60.0, 7)
        assert plan(10, 60.0, 7) != plan(10, 60.0, 8)


def test_everything_is_said_once_before_anything_is_said_twice() -> None:
    """Answers within a call stay distinguishable for as long as they can."""
    for call in SCENARIO.at_random(200, 10.0, 1):
        first = [utterance.prompt for utterance in call.utterances[: len(PROMPTS_S)]]
        assert len(set(first)) == len(first)
