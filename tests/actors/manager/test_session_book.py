"""Calls and what they used."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from actors.manager.session_book import SessionBook
from actors.messages import (
    SessionActivity,
    SessionFigures,
    SessionStarted,
    WorkKind,
    WorkOutcome,
    WorkReport,
)

CALLS = st.integers(0, 5)
STEPS = st.lists(
    st.tuples(st.sampled_from(["begin", "count", "update", "end", "gone"]), CALLS, st.integers(0, 1)),
    max_size=60,
)


@given(STEPS)
def test_a_call_is_there_from_its_beginning_to_its_end_and_counts_its_own(
    steps: list[tuple[str, int, int]],
) -> None:
    """In any order: known are the calls that began and did not end, each with its own counts."""
    book = SessionBook()
    living: dict[str, tuple[str, int, int]] = {}
    for action, number, ingress in steps:
        name, ingress_id = f"call-{number}", f"ingress-{ingress}"
        match action:
            case "begin":
                book.begin(SessionStarted(name, ingress_id, "100"), now=1.0)
                _, counted, turns = living.get(name, (ingress_id, 0, 0))
                living[name] = ingress_id, counted, turns  # the last ingress has it
            case "count":
                report = WorkReport("lease", WorkOutcome.DONE, 10.0, 20.0)
                book.count(name, WorkKind.SYNTHESIS, report, 5.0)
                if name in living:
                    owner, counted, turns = living[name]
                    living[name] = owner, counted + 1, turns
            case "update":
                book.update(name, SessionFigures(turns=number + 1, activity=SessionActivity.THINKING))
                if name in living:
                    owner, counted, _ = living[name]
                    living[name] = owner, counted, number + 1
            case "end":
                summary = book.end(name, now=3.0)
                expected = living.pop(name, None)
                assert (summary is None) == (expected is None)
                if summary is not None and expected is not None:
                    assert summary.duration_s == 2.0
                    figures = summary.ingress_id, summary.synthesis.count, summary.figures.turns
                    assert figures == expected
                    assert summary.transcription.count == 0
            case "gone":
                for session_id in book.of_ingress(ingress_id):
                    book.end(session_id, now=3.0)
                living = {key: facts for key, facts in living.items() if facts[0] != ingress_id}
    for ingress_id in ("ingress-0", "ingress-1"):
        assert set(book.of_ingress(ingress_id)) == {
            key for key, (owner, _, _) in living.items() if owner == ingress_id
        }
    assert book.ingresses() == {owner for owner, _, _ in living.values()}
    assert len(book.unspoken_since()) == book.of_extension("100") == len(living)
    assert len(book) == len(living) == sum(book.activities().values())
