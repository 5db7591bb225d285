"""`[dialog.webhook]`: what is refused before a call comes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from webhook_talk import SECRET

from actors.errors import ConfigurationError
from ingress.configuration.settings import DialogSettings
from ingress.dialogs.registry import check, dialog


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({}, r"^dialog\.webhook: url is missing$"),
        ({"url": "ftp://x"}, "write the address of your program"),
        ({"url": "https://x:65536/"}, "write the address of your program"),
        ({"url": "https://999.1.1.1/"}, "write the address of your program"),
        ({"url": "https://user:secret@x/"}, r"url = .*a password in an address ends up in"),
        ({"url": "http://10.0.0.1/"}, "use https://, or set allow_http"),
        ({"url": "https://x/", "headers": {"Host": "y"}}, "Host is set by raymal itself"),
        ({"url": "https://x/", "headers": {"user-agent": "y"}}, "user-agent is set by raymal itself"),
        ({"url": "https://x/", "headers": {"X-A": "y", "x-a": "z"}}, "x-a is there twice"),
        ({"url": "https://x/", "headers": {"": "y"}}, "a header is a name"),
        ({"url": "https://x/", "headers": {"X": "a\nb"}}, "a header is a name"),
        ({"url": "https://x/", "retries": 9}, "retries = 9"),
        ({"url": "https://x/", "fallback_transfer": "a b"}, "letters, digits and"),
        ({"url": "https://x/", "secret": "x"}, "unknown setting 'secret'; did you mean 'secret_file'"),
    ],
)  # fmt: skip
def test_wrong_settings(table: dict[str, Any], message: str) -> None:
    """Before a port opens."""
    with pytest.raises(ConfigurationError, match=message) as raised:
        check(DialogSettings(name="webhook", webhook=table))
    assert ":secret@" not in str(raised.value)


def test_wrong_secrets_and_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the dialog is made: `--check` does that, too."""

    def made(**table: Any) -> str:
        with pytest.raises(ConfigurationError) as raised:
            dialog(DialogSettings(name="webhook", webhook={"url": "https://x/", **table}))
        return str(raised.value)

    assert "dialog.webhook.deadline_s = 30: less than dialog.deadline_s" in made(deadline_s=30)
    file = tmp_path / "secret"
    file.write_text("nobody")
    assert "ca_file" in made(ca_file=str(file))
    monkeypatch.setenv("RAYMAL_WEBHOOK_SECRET", "password")
    assert made().startswith("environment variable RAYMAL_WEBHOOK_SECRET: a secret is")
    monkeypatch.delenv("RAYMAL_WEBHOOK_SECRET")
    assert made() == "dialog.webhook: requests are signed: name a secret_file, or set RAYMAL_WEBHOOK_SECRET"
    file.chmod(0o644)
    assert "chmod 600" in made(secret_file=str(file))
    file.chmod(0o600)
    assert "a secret is `whsec_`" in made(secret_file=str(file))
    file.write_text(f"{SECRET}\n")
    dialog(DialogSettings(name="webhook", webhook={"url": "https://x/", "secret_file": str(file)}))
