"""The secret that the tests' requests are signed with."""

from __future__ import annotations

import pytest
from webhook_talk import SECRET


@pytest.fixture(autouse=True)
def _secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAYMAL_WEBHOOK_SECRET", SECRET)
