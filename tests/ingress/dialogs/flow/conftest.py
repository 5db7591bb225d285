"""Flows written for one test."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flow_talk import Talk, flow_dialog

Start = Callable[..., Talk]


@pytest.fixture
def start(tmp_path: Path) -> Start:
    """Return what begins a call of a flow with this text."""

    def begin(text: str, language: str = "en", **table: Any) -> Talk:
        file = tmp_path / "flow.yaml"
        file.write_text(text)
        return Talk(flow_dialog(file, **table), language)

    return begin
