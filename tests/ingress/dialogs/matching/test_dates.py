"""Days as callers name them. Today is Friday, 27 November 2026."""

from __future__ import annotations

from datetime import date

import pytest

from ingress.dialogs.matching import date_in

TODAY = date(2026, 11, 27)


@pytest.mark.parametrize(
    ("text", "language", "expected"),
    [
        ("today", "en", "2026-11-27"),
        ("Tomorrow evening, please.", "en", "2026-11-28"),
        ("depois de amanhã", "pt", "2026-11-29"),
        ("mañana", "es", "2026-11-28"),
        ("après-demain", "fr", "2026-11-29"),
        ("übermorgen", "de", "2026-11-29"),
        ("dopodomani", "it", "2026-11-29"),
        ("next Friday", "en", "2026-12-04"),
        ("segunda-feira", "pt", "2026-11-30"),
        ("sonnabend", "de", "2026-11-28"),
        ("March 15th", "en", "2027-03-15"),
        ("the fifteenth of March", "en", "2027-03-15"),
        ("15 de março de 2027", "pt", "2027-03-15"),
        ("primeiro de dezembro", "pt", "2026-12-01"),
        ("1º de dezembro", "pt", "2026-12-01"),
        ("el uno de mayo", "es", "2027-05-01"),
        ("le premier mai", "fr", "2027-05-01"),
        ("am dritten März", "de", "2027-03-03"),
        ("am 24. Dezember", "de", "2026-12-24"),
        ("il due giugno", "it", "2027-06-02"),
        ("uma mesa para o dia vinte", "pt", "2026-12-20"),
        ("the 3rd", "en", "2026-12-03"),
        ("dia 31", "pt", "2026-12-31"),
        ("03/12", "pt", "2026-12-03"),
        ("12/03", "en-US", "2026-12-03"),
        ("03/12/26", "en-GB", "2026-12-03"),
        ("2026-12-24", "en", "2026-12-24"),
        ("twenty-ninth of February", "en", "2028-02-29"),
        ("Friday the 4th of December", "en", "2026-12-04"),
        ("May twenty-third", "en", "2027-05-23"),
        ("não, terça", "pt", "2026-12-01"),
        ("no, el martes por la mañana", "es", "2026-12-01"),
        ("por la mañana", "es", None),
        ("segunda não", "pt", None),
        ("not Monday", "en", None),
        ("last Friday", "en", None),
        ("terça da semana que vem", "pt", None),
        ("a week from today", "en", None),
        ("heute in einer Woche", "de", None),
        ("lundi dernier", "fr", None),
        ("amanhã ou depois", "pt", None),
        ("prima di lunedì", "it", None),
        ("segunda ou terça", "pt", None),
        ("Monday the 4th of December", "en", None),
        ("February 30", "en", None),
        ("for 20 people", "en", None),
        ("hello", "en", None),
        ("jutro", "pl", None),
    ],
)
def test_days(text: str, language: str, expected: str | None) -> None:
    """One day, or none: two that differ are no answer."""
    found = date_in(text, language, TODAY)
    assert (found and found.isoformat()) == expected
