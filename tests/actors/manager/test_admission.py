"""Admission: never more calls than can be held, room kept for the urgent, every place given back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.manager.admission import AdmissionBook, Reason, SlotUse
from actors.manager.session_book import SessionBook
from actors.messages import Level, Priority, SessionFigures, SessionStarted, WorkKind
from actors.settings import AdmissionSettings

NORMAL = Level.NORMAL
CLASSES = list(Priority)
"""The highest first."""


def slots(
    transcription: int, synthesis: int | None = None, busy_percent: float = 0.0
) -> dict[WorkKind, SlotUse]:
    return {
        WorkKind.TRANSCRIPTION: SlotUse(transcription, busy_percent),
        WorkKind.SYNTHESIS: SlotUse(transcription if synthesis is None else synthesis, 0.0),
    }


TEN = slots(10)
"""Ten slots of each kind: with ten calls per slot, a hundred calls."""


class Book(AdmissionBook):
    """The rule with the calls that it counts."""

    def __init__(self, settings: AdmissionSettings) -> None:
        self.sessions = SessionBook()
        super().__init__(settings, self.sessions)

    def has_spoken(self, session_id: str) -> None:
        self.sessions.update(session_id, SessionFigures(has_spoken=True))


def book_with(**changes: Any) -> Book:
    """Return a book of ten calls per slot."""
    return Book(AdmissionSettings(**{"calls_per_slot": 10.0, "slot_percent": 90.0, **changes}))


def call(
    session_id: str,
    priority: Priority = Priority.NORMAL,
    extension: str = "e",
    limit: int | None = None,
    ingress_id: str = "i",
) -> SessionStarted:
    return SessionStarted(session_id, ingress_id, extension, priority, extension_limit=limit)


def reason(
    book: Book,
    session: SessionStarted,
    use: Mapping[WorkKind, SlotUse] = TEN,
    level: Level = NORMAL,
    now: float = 0.0,
) -> str:
    """Ask for a call; return why it was refused, empty when it was taken."""
    admission = book.admit(session, level, use, now)
    assert admission.is_admitted == (not admission.reason)
    return admission.reason


def fill(book: Book, calls: int, **how: Any) -> None:
    """Enter calls whose callers have spoken."""
    for number in range(calls):
        book.sessions.begin(call(f"filled-{number}", **how), 0.0)
        book.has_spoken(f"filled-{number}")


@pytest.mark.parametrize(
    ("use", "maximum_calls", "capacity"),
    [
        (slots(10), None, 100),
        (slots(10, 3), None, 30),
        (slots(3, 10), None, 30),
        (slots(10), 42, 42),
        (slots(2), 42, 20),
        (slots(10, 0), None, 0),
        ({WorkKind.SYNTHESIS: SlotUse(2, 0.0)}, None, 20),
        ({}, None, 0),
    ],
)
def test_capacity_is_that_of_the_scarcer_kind(
    use: Mapping[WorkKind, SlotUse], maximum_calls: int | None, capacity: int
) -> None:
    """So many calls per slot, of the kind that has fewer; the operator's maximum is above it."""
    assert book_with(maximum_calls=maximum_calls).status(use).capacity == capacity


@pytest.mark.parametrize(
    ("priority", "ceiling"),
    [(Priority.EMERGENCY, 100), (Priority.HIGH, 97), (Priority.NORMAL, 90), (Priority.BACKGROUND, 60)],
)
def test_a_class_fills_its_share_and_no_more(priority: Priority, ceiling: int) -> None:
    """Taken up to its ceiling; the reasons of full and kept lines differ."""
    book = book_with()
    fill(book, ceiling - 1, priority=Priority.HIGH)
    assert reason(book, call("last", priority)) == ""
    book.has_spoken("last")
    expected = Reason.LINES if priority is Priority.EMERGENCY else Reason.KEPT
    assert reason(book, call("too many", priority)) == expected
    assert book.status(TEN).refused == {expected: 1}


def test_a_single_line_is_for_every_class() -> None:
    """A share of one call would be none: a ceiling is one call at least, if there is capacity."""
    book = book_with(maximum_calls=1)
    assert reason(book, call("a", Priority.BACKGROUND)) == ""
    assert reason(book, call("b", Priority.EMERGENCY)) == Reason.LINES


def test_an_extension_has_its_own_limit() -> None:
    """Over all ingresses; other extensions do not count, and a call that ends makes room."""
    book = book_with()
    assert reason(book, call("a", limit=2, ingress_id="i")) == ""
    assert reason(book, call("b", limit=2, ingress_id="j")) == ""
    assert reason(book, call("c", limit=2)) == Reason.EXTENSION
    assert reason(book, call("d", Priority.EMERGENCY, limit=2)) == Reason.EXTENSION
    assert reason(book, call("e", extension="other", limit=2)) == ""
    book.sessions.end("a", 0.0)
    assert reason(book, call("c", limit=2)) == ""


def test_without_a_ready_worker_no_call_is_taken() -> None:
    """Not even an emergency: it could not be served."""
    assert reason(book_with(), call("a", Priority.EMERGENCY), slots(2, 0)) == Reason.NOT_READY
    assert reason(book_with(), call("a"), {}) == Reason.NOT_READY


@pytest.mark.parametrize(
    ("level", "taken"),
    [
        (Level.NORMAL, set(Priority)),
        (Level.BUSY, set(Priority)),
        (Level.LOADED, {Priority.EMERGENCY, Priority.HIGH, Priority.NORMAL}),
        (Level.FULL, {Priority.EMERGENCY}),
    ],
)
def test_levels_refuse_from_below(level: Level, taken: set[Priority]) -> None:
    """Loaded: no background calls, their work would wait. Full: emergencies only."""
    answers = {priority: reason(book_with(), call("a", priority), level=level) for priority in Priority}
    assert {priority for priority, answer in answers.items() if not answer} == taken
    assert set(answers.values()) <= {"", Reason.LOADED, Reason.FULL}


@pytest.mark.parametrize(
    ("priority", "limit_percent"),
    [(Priority.HIGH, 87.3), (Priority.NORMAL, 81.0), (Priority.BACKGROUND, 54.0)],
)
@pytest.mark.parametrize("kind", WorkKind)
def test_slots_in_use_must_stay_under_the_class_share_of_the_limit(
    priority: Priority, limit_percent: float, kind: WorkKind
) -> None:
    """90 % of the slots, times the share of the class; either kind can be the one that is full."""
    for busy_percent, expected in ((limit_percent - 0.01, ""), (limit_percent + 0.01, Reason.SLOTS)):
        use = TEN | {kind: SlotUse(10, busy_percent)}
        assert reason(book_with(), call("a", priority), use) == expected


def test_an_emergency_is_taken_whatever_the_load() -> None:
    """Its work goes first anyway: only the lines hold it back."""
    assert reason(book_with(), call("a", Priority.EMERGENCY), slots(10, busy_percent=100.0)) == ""


def test_slots_are_kept_for_callers_who_have_not_spoken() -> None:
    """A rush of calls uses nothing yet: each keeps its tenth of a slot until it speaks."""
    book = book_with()
    use = slots(10, busy_percent=61.0)
    taken = 0
    while reason(book, call(str(taken)), use) == "":
        taken += 1
    # 61 % in use and 1 % for each caller: the twenty-first would find 81 %.
    assert taken == 20
    book.has_spoken("0")
    assert reason(book, call("more"), use) == ""


def test_a_place_is_not_kept_for_ever() -> None:
    """A caller silent for `reserve_s` is measured as the others are, and still counts as a call."""
    book = book_with(reserve_s=20.0)
    use = slots(10, busy_percent=80.5)
    assert reason(book, call("a"), use, now=0.0) == ""
    assert reason(book, call("b"), use, now=19.9) == Reason.SLOTS
    assert reason(book, call("b"), use, now=20.0) == ""
    assert book.status(use).unspoken == 2


def test_switched_off_it_takes_all_but_what_an_extension_limits() -> None:
    """Nothing else counts."""
    book = book_with(enabled=False, maximum_calls=1)
    for number in range(10):
        assert reason(book, call(str(number)), {}, Level.FULL) == ""
    assert reason(book, call("limited", limit=10)) == Reason.EXTENSION
    assert book.calls_alone("i", {}, 0.0) >= 1_000_000


def test_alone_an_ingress_may_fill_half_of_its_part_of_the_room() -> None:
    """Own calls, and half of an even part of what ordinary calls have left."""
    book = book_with()
    fill(book, 10, ingress_id="i")
    assert book.calls_alone("i", TEN, 0.0) == 10 + 40
    assert book.calls_alone("i", TEN, 0.0, ingresses=4) == 10 + 10
    assert book.calls_alone("j", TEN, 0.0) == 20


def test_alone_with_full_slots_an_ingress_keeps_what_it_has() -> None:
    """No room in calls, or none in slots, or no worker: no call beyond those that are there."""
    book = book_with()
    fill(book, 10)
    for use in (slots(10, busy_percent=81.0), slots(1), slots(10, 0), {}):
        assert book.calls_alone("i", use, 0.0) == 10


_percents = st.floats(1.0, 100.0)


def _admission(shares: list[float], **others: float | None) -> AdmissionSettings:
    """Return settings whose shares fall from class to class, as they must."""
    background, normal, high = sorted(shares)
    return AdmissionSettings(
        high_percent=high, normal_percent=normal, background_percent=background, **others
    )


_settings = st.builds(
    _admission,
    st.lists(_percents, min_size=3, max_size=3),
    calls_per_slot=st.floats(0.5, 8.0),
    maximum_calls=st.none() | st.integers(1, 20),
    slot_percent=_percents,
)
_use = st.builds(
    lambda *counts: {kind: SlotUse(*count) for kind, count in zip(WorkKind, counts, strict=True)},
    *[st.tuples(st.integers(0, 6), st.floats(0.0, 100.0))] * 2,
)


@given(
    _settings,
    _use,
    st.sampled_from(Level),
    st.integers(0, 30),
    st.integers(0, 30),
    st.none() | st.integers(1, 30),
)
def test_a_class_is_taken_wherever_a_lower_one_is(
    settings: AdmissionSettings,
    use: dict[WorkKind, SlotUse],
    level: Level,
    spoken: int,
    silent: int,
    limit: int | None,
) -> None:
    """At one moment, on one extension, the classes that are taken are the highest ones."""
    book = Book(settings)
    fill(book, spoken)
    for number in range(silent):
        book.sessions.begin(call(f"silent-{number}"), 0.0)
    taken = []
    for priority in CLASSES:
        taken.append(reason(book, call("asked", priority, limit=limit), use, level) == "")
        book.sessions.end("asked", 0.0)
    assert taken == sorted(taken, reverse=True)


@given(_settings, _use, st.lists(st.integers(0, 5), min_size=1, max_size=5), st.integers(0, 5))
def test_all_ingresses_alone_stay_within_the_capacity(
    settings: AdmissionSettings, use: dict[WorkKind, SlotUse], calls: list[int], idle: int
) -> None:
    """Each fills what it was allowed: together no more than the cluster holds, or than were there."""
    book = Book(settings)
    for ingress, count in enumerate(calls):
        for number in range(count):
            book.sessions.begin(call(f"{ingress}-{number}", ingress_id=str(ingress)), 0.0)
    ingresses = len(calls) + idle
    allowed = [book.calls_alone(str(it), use, 0.0, ingresses) for it in range(ingresses)]
    assert all(allowed[ingress] >= count for ingress, count in enumerate(calls))
    assert sum(allowed) <= max(sum(calls), book.ceiling(Priority.NORMAL, use))


@given(
    _settings,
    st.lists(st.tuples(_use, st.sampled_from(Level), st.sampled_from(Priority), st.sampled_from("ab"))),
    st.integers(1, 8),
)
def test_a_taken_call_is_within_every_limit(
    settings: AdmissionSettings,
    asked: list[tuple[dict[WorkKind, SlotUse], Level, Priority, str]],
    limit: int,
) -> None:
    """At its moment: the class's share, the capacity, its extension's own; what is refused is counted."""
    book, taken = Book(settings), Counter[str]()
    for number, (use, level, priority, extension) in enumerate(asked):
        if reason(book, call(f"call-{number}", priority, extension, limit), use, level, float(number)):
            continue
        taken[extension] += 1
        assert taken.total() <= book.ceiling(priority, use) <= book.capacity(use)
        assert taken[extension] <= limit
    status = book.status(TEN)
    assert status.calls == status.unspoken == status.admitted == taken.total()
    assert sum(status.refused.values()) == len(asked) - taken.total()
