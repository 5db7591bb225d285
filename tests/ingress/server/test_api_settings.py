"""The settings of the cluster's door, checked before anything starts."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from running_server import free_port, raymal


@pytest.mark.usefixtures("runtime_folder")
def test_what_cannot_work_is_said_at_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without Ray, beyond loopback without a token, a token that cannot be read, a port that is taken."""
    monkeypatch.delenv("RAYMAL_TOKEN", raising=False)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        busy = taken.getsockname()[1]
        for flags, code, words in (
            (["--no-ray"], 2, "--api: api.enabled = true: the cluster's door is on Ray"),
            (["--set", "api.host=0.0.0.0"], 2, "a token is needed: run `raymal token`"),
            (["--set", f"web.token_file={tmp_path / 'none'}"], 2, "no such file"),
            (["--set", f"api.port={busy}"], 3, "choose another with api.port"),
        ):
            refused = raymal("serve", "--api", "--port", str(free_port()), *flags)
            assert refused.returncode == code, refused.stderr
            assert words in refused.stderr
