"""Erlang's formulas against published tables, exact fractions, and themselves."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.planning.erlang import erlang_b, erlang_c, erlangs_for

# Erlangs by lines, as printed in every table of the loss formula (three decimals or what was printed).
TABLE = {
    0.001: {1: 0.001, 2: 0.046, 5: 0.762, 10: 3.092, 20: 9.411, 25: 12.97, 50: 32.51, 100: 75.24, 200: 165.6},
    0.01: {1: 0.010, 2: 0.153, 3: 0.455, 4: 0.869, 5: 1.361, 6: 1.909, 7: 2.501, 8: 3.128, 9: 3.783,
           10: 4.461, 20: 12.03, 25: 16.12, 30: 20.34, 50: 37.90, 100: 84.06, 200: 179.7},
    0.02: {1: 0.020, 2: 0.223, 5: 1.657, 10: 5.084, 20: 13.18, 30: 21.93, 50: 40.26, 100: 87.97},
    0.05: {1: 0.053, 2: 0.381, 5: 2.218, 10: 6.216, 20: 15.25, 30: 24.80, 50: 44.53, 100: 95.24},
}  # fmt: skip
ROWS = [(share, lines, erlangs) for share, column in TABLE.items() for lines, erlangs in column.items()]

traffic = st.floats(min_value=0.0, max_value=2_000.0)
lines_drawn = st.integers(min_value=0, max_value=2_000)
shares = st.floats(min_value=1e-6, max_value=0.9)


def exact_loss(erlangs: Fraction, lines: int) -> Fraction:
    """Return the loss formula as it is written: the last term over the sum of all."""
    terms = [erlangs**line / math.factorial(line) for line in range(lines + 1)]
    return terms[-1] / sum(terms)


@pytest.mark.parametrize(("share", "lines", "erlangs"), ROWS)
def test_traffic_for_a_number_of_lines_is_the_published_one(share: float, lines: int, erlangs: float) -> None:
    """Half of the last printed digit."""
    digits = 3 if erlangs < 10 else 2 if erlangs < 100 else 1
    assert erlangs_for(lines, share) == pytest.approx(erlangs, abs=0.51 * 10.0**-digits)


@pytest.mark.parametrize(
    ("servers", "erlangs", "waits"),
    [(1, 0.6, 0.6), (2, 1.0, 1.0 / 3.0), (5, 4.0, 0.5541), (10, 8.0, 0.4092), (3, 2.0, 4.0 / 9.0)],
)
def test_the_share_that_waits_is_the_published_one(servers: int, erlangs: float, waits: float) -> None:
    """For one server it is the load itself."""
    assert erlang_c(erlangs, servers) == pytest.approx(waits, abs=5e-5)


@pytest.mark.parametrize("lines", [0, 1, 2, 7, 40, 150])
@pytest.mark.parametrize("erlangs", [Fraction(1, 1000), Fraction(1), Fraction(37, 2), Fraction(400)])
def test_the_loss_is_exact(lines: int, erlangs: Fraction) -> None:
    """Against fractions without rounding, from shares of 1e-300 up to nearly all."""
    assert erlang_b(float(erlangs), lines) == pytest.approx(float(exact_loss(erlangs, lines)), rel=1e-12)


def test_many_lines_and_extreme_traffic() -> None:
    """No overflow, nothing that is not a number, and quick: the sums end where they no longer matter."""
    assert erlang_b(0.0, 0) == 1.0
    assert erlang_b(0.0, 10) == 0.0
    assert erlang_b(1e-300, 10_000) == 0.0
    assert erlang_b(1e12, 10) == pytest.approx(1.0 - 1e-11, rel=1e-12)
    # In the middle B tends to sqrt(2 / (pi N)) (Jagerman 1974), with a correction of order 1/N.
    assert erlang_b(1e6, 1_000_000) == pytest.approx(math.sqrt(2.0 / (math.pi * 1e6)), rel=1e-3)
    assert erlang_b(900_000.0, 1_000_000) < 1e-300
    assert erlangs_for(0, 0.5) == 0.0


@given(traffic, lines_drawn)
def test_more_lines_refuse_fewer(erlangs: float, lines: int) -> None:
    """Also a share stays between 0 and 1, and never more calls are there than lines."""
    lost = erlang_b(erlangs, lines)
    assert 0.0 <= lost <= 1.0
    assert erlang_b(erlangs, lines + 1) <= lost
    assert erlangs * (1.0 - lost) <= lines * (1.0 + 1e-12) + 1e-9


@given(traffic, lines_drawn, st.floats(min_value=1.0, max_value=3.0))
def test_more_traffic_is_refused_more(erlangs: float, lines: int, factor: float) -> None:
    """The loss and the share that waits grow with the traffic."""
    slack = 1e-12
    assert erlang_b(erlangs * factor, lines) >= erlang_b(erlangs, lines) - slack
    assert erlang_c(erlangs * factor, lines) >= erlang_c(erlangs, lines) - slack


@given(traffic, lines_drawn)
def test_who_would_be_lost_would_wait(erlangs: float, servers: int) -> None:
    """Waiting keeps servers busier than loss does: C is never less than B."""
    assert erlang_b(erlangs, servers) - 1e-12 <= erlang_c(erlangs, servers) <= 1.0 + 1e-12


@given(st.integers(min_value=1, max_value=2_000), shares)
def test_traffic_for_lines_is_the_most(lines: int, share: float) -> None:
    """Exactly the target is refused."""
    erlangs = erlangs_for(lines, share)
    assert erlang_b(erlangs, lines) == pytest.approx(share, rel=1e-6)
