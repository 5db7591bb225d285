"""Codes of languages as people write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.checks.languages import choice, is_among, normalised, primary


@pytest.mark.parametrize(
    ("written", "code"),
    [
        ("en", "en"),
        ("EN", "en"),
        ("en_US", "en-US"),
        ("pt_br", "pt-BR"),
        (" pt-BR ", "pt-BR"),
        ("en_US.UTF-8", "en-US"),
        ("ca_ES@valencia", "ca-ES"),
        ("zh_hant_tw", "zh-Hant-TW"),
        ("es-419", "es-419"),
        ("Haw", "haw"),
    ],
)
def test_a_code_is_written_as_the_standard_does(written: str, code: str) -> None:
    """Whatever its case and its separator, and with a locale's encoding left out."""
    assert normalised(written) == code


@pytest.mark.parametrize("written", ["", " ", "e", "en US", "português", "-en", "en-", "en__US", "123", "\0"])
def test_what_is_no_code_is_refused(written: str) -> None:
    """With what would be one."""
    with pytest.raises(ValueError, match="such as en or pt-BR"):
        normalised(written)


@given(st.from_regex(r"[A-Za-z]{2,8}([-_][A-Za-z0-9]{1,8}){0,3}", fullmatch=True))
def test_what_is_normalised_stays_as_it_is(written: str) -> None:
    """And is the same language."""
    code = normalised(written)
    assert normalised(code) == code
    assert primary(code) == primary(written)
    assert is_among(written, [code])


def test_a_choice_names_the_one_that_was_meant() -> None:
    """And all that there are."""
    assert choice("herat", ["heart", "emma"]) == "did you mean 'heart'? choose one of emma, heart"
    assert choice("xx", ["en"]) == "choose one of en"
    assert choice("Heart", ["heart"]).startswith("did you mean 'heart'?")
