"""What the settings have the server listen on."""

from __future__ import annotations

from ingress.access.networks import public_binds
from ingress.configuration.settings import Settings
from ingress.server.binds import hosts


def test_every_section_that_binds_is_looked_at() -> None:
    """Names are resolved; by default nothing is public."""
    assert not list(public_binds(hosts(Settings())))
    settings = Settings.model_validate({"server": {"host": "localhost"}})
    assert hosts(settings)["server.host"] == "127.0.0.1"
    settings = Settings.model_validate({"server": {"host": "0.0.0.0"}})
    assert [bind.setting for bind in public_binds(hosts(settings))] == ["server.host"]
