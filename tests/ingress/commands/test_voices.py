"""`raymal voices`: what is listed, sampled and measured. Engines have tests of their own."""

from __future__ import annotations

import json
import re
import shlex
import wave
from pathlib import Path
from typing import Any

import pytest

from actors.engines.registry import TTS_ENGINES
from actors.voices import kokoro_release as release
from ingress import cli
from ingress.commands import voices
from ingress.commands.voice_inventory import EngineLine
from ingress.server.exit_codes import ExitCode


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No voices but those of packages."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    return tmp_path / "raymal" / "voices"


def run(*arguments: str) -> int:
    """Run `raymal voices`."""
    return cli.main(["voices", *arguments])


def run_json(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    """Run `raymal voices ... --json` and return what it printed."""
    capsys.readouterr()
    assert run(*arguments, "--json") == ExitCode.OK
    return json.loads(capsys.readouterr().out)


def engines(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    return {line["engine"]: line for line in run_json(capsys)["engines"]}


@pytest.mark.parametrize("page", ["docs/engines.md", "docs/pt-BR/quickstart.md"])
def test_the_commands_in_the_documents_are_accepted(page: str) -> None:
    """Their words; what they do is tested below."""
    text = (Path(__file__).parents[3] / page).read_text()
    lines = re.findall(r"^(?:\.venv/bin/)?raymal (voices .+)$|`raymal (voices [^`]*)`", text, re.MULTILINE)
    assert len(lines) >= 2
    for block, inline in lines:
        words = (block or inline).replace("LANGUAGE", "pt-BR")
        assert cli._parsed(shlex.split(words))


def test_all_engines_are_listed_with_what_they_lack(
    own_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command that installs it; the last resort is named so."""
    found = engines(capsys)
    assert set(found) == set(TTS_ENGINES) - {"scripted"}
    assert found["hibari"]["ready"] == ["en"]
    assert found["hibari"]["problem"] is None
    assert found["hibari"]["bytes"] > 1_000_000
    assert found["kokoro"]["ready"] == []
    assert "run `raymal voices install en-GB`" in found["kokoro"]["problem"]
    assert found["piper"]["ready"] == ["en-US"]
    assert [name for name, line in found.items() if line["is_last_resort"]] == ["espeak"]
    assert all(line["licence"] for line in found.values())
    assert all("GPL-3.0" in found[name]["licence"] for name in ("kokoro", "piper", "espeak"))


def test_an_engine_may_be_ready_in_some_of_its_languages(
    own_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Those whose voice is there; files of the operator's count in its size."""
    before = engines(capsys)["kokoro"]["bytes"]
    (own_folder / "kokoro" / "voices").mkdir(parents=True)
    sizes = {"model.onnx": release.MODEL_BYTES, "voices/pf_dora.bin": release.VOICE_BYTES}
    for name, size_bytes in sizes.items():
        with (own_folder / "kokoro" / name).open("wb") as file:
            file.truncate(size_bytes)
    kokoro = engines(capsys)["kokoro"]
    assert kokoro["ready"] == ["pt-BR"]
    assert kokoro["bytes"] == before + sum(sizes.values())


def test_the_table_says_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    """What is missing stands below it, whole, to be copied."""
    assert run() == ExitCode.OK
    printed = capsys.readouterr().out
    assert "espeak (last" in printed
    assert "→ kokoro: " in printed
    assert "or set speech.kokoro.folder to where they are\n" in printed


def test_a_sample_is_what_a_caller_hears(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """8 kHz mono, of a text or of the language's own sample, made speakable."""
    file = tmp_path / "out.wav"
    arguments = ("sample", "--engine", "scripted", "-o", str(file), "--language", "pt")
    report = run_json(capsys, *arguments)
    with wave.open(str(file)) as found:
        assert (found.getframerate(), found.getnchannels(), found.getsampwidth()) == (8_000, 1, 2)
        seconds = found.getnframes() / 8_000
    assert report == {"file": str(file), "engine": "scripted", "seconds": round(seconds, 3)}
    assert run(*arguments, "5") == ExitCode.OK
    with wave.open(str(file)) as found:
        assert found.getnframes() == round(len("cinco") * 8_000 / 15)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("sample", "-o", "a.wav", "--engine", "nosuch"), "--engine: unknown engine 'nosuch'; choose one of"),
        (("sample", "-o", "/nosuch/a.wav", "--engine", "scripted"), "/nosuch/a.wav: cannot be written"),
        (("sample", "-o", "a.wav", "--language", "eo"), "no sample text in 'eo': write a TEXT"),
        (("sample", "-o", "a.wav", "--engine", "kokoro"), "run `raymal voices install en`"),
        (("measure", "--engine", "nosuch"), "unknown engine 'nosuch'"),
        (("measure", "--engine", "hibari", "--language", "pt"), "no engine to measure"),
        (("install", "de"), "kokoro has no voice for the language 'de'"),
        (("install", "pt-BR", "--from", "/nosuch"), "--from /nosuch: there is no such folder"),
    ],
)
def test_what_cannot_be_done_is_wrong_configuration(
    arguments: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """With what to do."""
    assert run(*arguments) == ExitCode.CONFIGURATION
    assert message in capsys.readouterr().err


def test_what_an_engine_cannot_speak_is_a_failure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An unknown voice, a text of nothing; no file is written."""
    file = tmp_path / "out.wav"
    pico = ("sample", "-o", str(file), "--engine", "pico")
    assert run(*pico, "--voice", "bob", "Hello.") == ExitCode.FAILED
    assert "no voice 'bob'" in capsys.readouterr().err
    assert run(*pico, " … ") == ExitCode.FAILED
    assert "nothing in the text that it can speak" in capsys.readouterr().err
    assert not file.exists()


def test_an_installation_that_fails_is_a_failure(
    tmp_path: Path, own_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file is in the folder's place: one line, with the setting."""
    own_folder.parent.mkdir()
    own_folder.touch()
    assert run("install", "pt-BR", "--from", str(tmp_path)) == ExitCode.FAILED
    assert "kokoro: Not a directory; make room, or choose another folder" in capsys.readouterr().err


def test_speed_is_measured_where_the_engine_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """On a named machine; an engine that fails is named, and the command with it."""
    arguments = ("measure", "--engine", "scripted", "--set", "speech.scripted.tts_delay_s=0.01")
    measured = run_json(capsys, *arguments, "--language", "pt-BR")
    assert measured["machine"].endswith("CPUs")
    (speed,) = measured["speeds"]
    assert (speed["engine"], speed["language"], speed["problem"]) == ("scripted", "pt-BR", None)
    assert speed["first_audio_ms"] >= 10.0
    assert 0.0 < speed["real_time_factor"] < 0.5
    assert run(*arguments, "--language", "pt-BR", "--markdown") == ExitCode.OK
    table = capsys.readouterr().out
    assert table.startswith(f"{voices.MARKDOWN_HEAD}\n| `scripted` | pt-BR | 0.")
    page = (Path(__file__).parents[3] / "docs/engines.md").read_text()
    assert f"<!-- raymal voices measure --markdown -->\n{voices.MARKDOWN_HEAD}\n| `hibari` | en |" in page
    line = EngineLine("kokoro", ("pt-BR", "fr"), ("pt-BR", "fr"), None, None, None, 0, is_last_resort=False)
    monkeypatch.setattr(voices, "inventory", lambda settings: [line])  # removed since it was looked at
    assert run("measure") == ExitCode.FAILED
    assert "→ kokoro in pt: kokoro's model or voices are not in " in capsys.readouterr().out
