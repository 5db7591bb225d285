"""`raymal cache`: what is listed, made and removed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from other_user import without_permission
from recorded_pool import extension

from ingress import cli
from ingress.configuration.extensions import Phrase
from ingress.configuration.phrases import phrase_text
from ingress.phrases.disk import Label, PhraseStore
from ingress.server.exit_codes import ExitCode

CONFIGURATION = """
[speech]
stt = "whisper"
tts = "scripted"
scripted.tts_delay_s = 0.0

[dialog]
greeting = "Good day."

[extensions.porto]
port = 0
language = "pt"
"""


@pytest.fixture
def configuration(tmp_path: Path) -> list[str]:
    """Arguments that name a configuration of two extensions, and an empty folder for its phrases."""
    file = tmp_path / "raymal.toml"
    file.write_text(CONFIGURATION)
    return ["--config", str(file), "--set", f"cache.directory={tmp_path / 'phrases'}"]


def run(*arguments: str) -> int:
    """Run `raymal cache`."""
    return cli.main(["cache", *arguments])


def run_json(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    """Run `raymal cache ... --json` and return what it printed."""
    capsys.readouterr()
    assert run(*arguments, "--json") == ExitCode.OK
    return json.loads(capsys.readouterr().out)


def test_warm_makes_everything_list_shows_it_and_clear_removes_it(
    configuration: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Twice warm is once; then it is gone."""
    directory = tmp_path / "phrases"
    assert run("warm", *configuration) == ExitCode.OK
    progress = capsys.readouterr()
    assert "Good day." in progress.err
    again = run_json(capsys, "warm", *configuration)
    assert (again["made"], again["problems"]) == (0, [])
    listed = run_json(capsys, "list", *configuration)
    assert listed["directory"] == str(directory)
    assert len(listed["phrases"]) == again["kept"] > 10
    found = {(phrase["text"], phrase["language"]) for phrase in listed["phrases"]}
    assert {("Good day.", "en"), ("Good day.", "pt"), ("Um momento, por favor.", "pt")} <= found
    assert all(phrase["seconds"] > 0 and phrase["engine"] == "scripted" for phrase in listed["phrases"])

    size = sum(path.stat().st_size for path in directory.iterdir())
    cleared = run_json(capsys, "clear", *configuration)
    assert (cleared["files"], cleared["bytes"]) == (again["kept"], size)
    assert run_json(capsys, "list", *configuration)["phrases"] == []
    assert list(directory.iterdir()) == []


def test_the_table_names_texts_and_sizes(
    configuration: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """For people, as they are spoken; brackets, which no such text has, are text. Those of other settings in
    the same folder are there too."""
    monkeypatch.setenv("COLUMNS", "200")
    dialog = ["--set", "dialog.greeting=Press [1] now."]
    assert run("warm", *configuration, *dialog) == ExitCode.OK
    store = PhraseStore(tmp_path / "phrases", 10_000_000)
    assert store.write("0" * 64, Label("Press [one] now.", "en", None, "scripted"), b"\1\0")
    other = ["--set", "speech.scripted.speech_rate_characters_per_s=20"]
    assert run("warm", *configuration, *other) == ExitCode.OK
    capsys.readouterr()
    assert run("list", *configuration) == ExitCode.OK
    printed = capsys.readouterr().out
    assert "Press, one, now." in printed
    assert "Press [one] now." in printed
    assert printed.count("Um momento, por favor.") == 2
    assert "phrases, " in printed


def test_the_folder_is_listed_and_cleared_with_any_settings(
    configuration: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """It may serve several servers, and the cache may be switched off."""
    run("warm", *configuration)
    run("warm", *configuration, "--set", "speech.scripted.speech_rate_characters_per_s=20")
    off = [*configuration, "--set", "cache.disk_bytes=0"]
    texts = [phrase["text"] for phrase in run_json(capsys, "list", *off)["phrases"]]
    assert texts.count(phrase_text(extension(), Phrase.WAITING)) == 2
    assert run_json(capsys, "clear", *off)["files"] == len(texts)


def test_what_cannot_be_made_is_named_and_fails(
    configuration: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Here there is no room on disk for a single phrase."""
    assert run("warm", *configuration, "--set", "cache.disk_bytes=10") == ExitCode.FAILED
    printed = capsys.readouterr()
    assert "could not be written" in printed.err
    assert "'Good day.'" in printed.err


@pytest.mark.parametrize("as_json", [[], ["--json"]])
def test_files_that_cannot_be_removed_fail_with_the_reason(
    configuration: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], as_json: list[str]
) -> None:
    """The folder may be read, and is another user's or read-only."""
    run("warm", *configuration)
    capsys.readouterr()
    with without_permission(tmp_path / "phrases", 0o555):
        assert run("clear", *configuration, *as_json) == ExitCode.FAILED
    printed = capsys.readouterr()
    assert "Permission denied" in printed.err
    assert "0 files" in printed.out or json.loads(printed.out)["files"] == 0


@pytest.mark.parametrize("command", ["clear", "list"])
def test_a_folder_that_cannot_be_read_is_not_an_empty_one(
    configuration: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    """Nothing is known of what is in it."""
    run("warm", *configuration)
    capsys.readouterr()
    with without_permission(tmp_path / "phrases", 0o000):
        assert run(command, *configuration) == ExitCode.FAILED
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "Permission denied" in printed.err
    assert "phrases" in printed.err


def test_an_engine_that_is_not_ready_in_time_is_said(
    configuration: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """A deadline's own error has no words."""
    slow = ["--set", "speech.scripted.load_delay_s=5", "--set", "fleet.worker_start_deadline_s=0.2"]
    assert run("warm", *configuration, *slow) == ExitCode.FAILED
    assert "not ready within 0.2 s (fleet.worker_start_deadline_s)" in capsys.readouterr().err
