"""Garbage collection at chosen moments."""

from __future__ import annotations

import gc
import time

import pytest

from ingress.media.gc_schedule import CollectionPauses


def test_garbage_is_collected_when_it_is_time_and_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python's own collecting is off."""
    monkeypatch.setattr("ingress.media.gc_schedule.YOUNG_INTERVAL_S", 0.02)
    pauses = CollectionPauses()
    pauses.collect_if_due()
    assert pauses.take() == (0, 0.0)
    pauses.start()
    try:
        assert not gc.isenabled()
        for _ in range(3):
            time.sleep(0.02)
            pauses.collect_if_due()
            pauses.collect_if_due()
        count, longest_s = pauses.take()
        assert count == 3
        assert longest_s > 0.0
        assert pauses.take() == (0, 0.0)
    finally:
        gc.callbacks.remove(pauses._measure)
        gc.unfreeze()
        gc.enable()
