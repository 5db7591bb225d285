"""An address that fails is left alone for a while."""

from __future__ import annotations

from ingress.dialogs.webhook.circuit import FAILURES, PAUSE_S, Circuit


def test_after_failures_in_a_row_one_request_finds_out() -> None:
    """The others fail at once, until one succeeds."""
    circuit = Circuit()
    for _ in range(FAILURES - 1):
        circuit.failed(0.0)
    assert circuit.may_ask(0.0)
    circuit.succeeded()
    for _ in range(FAILURES):
        assert circuit.may_ask(100.0)
        circuit.failed(100.0)
    assert not circuit.may_ask(100.0 + PAUSE_S / 2)
    assert circuit.may_ask(100.0 + PAUSE_S)
    assert not circuit.may_ask(100.0 + PAUSE_S)
    circuit.failed(101.0 + PAUSE_S)
    assert not circuit.may_ask(102.0 + PAUSE_S)
    assert circuit.may_ask(101.0 + 2 * PAUSE_S)
    circuit.succeeded()
    assert circuit.may_ask(101.0 + 2 * PAUSE_S)
