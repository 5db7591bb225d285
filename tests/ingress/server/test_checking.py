"""Settings checked whole, before a port opens."""

from __future__ import annotations

import logging
import os
import shlex
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from further_engines import HUM, IN_ESPERANTO
from other_user import without_permission

from actors.errors import ConfigurationError
from actors.messages import FurtherEngine
from actors.settings import FleetSettings
from actors.voices import kokoro_release
from ingress import cli
from ingress.configuration.settings import Settings
from ingress.dialogs.llm.dialog import LlmDialog
from ingress.server.checking import check, extension_book, late_engine_problems
from ingress.server.runtime_directory import RuntimeDirectory

pytestmark = pytest.mark.usefixtures("runtime_folder")


def settings(**dialogs: str) -> dict[str, Any]:
    """Return a server with a Portuguese extension and these dialogs, and an engine that speaks English."""
    return {
        "fleet": {"backend": "local"},
        "speech": {"stt": "scripted"},
        "dialog": {"name": dialogs.get("default", "echo")},
        "extensions": {"sales": {"port": 9100, "language": "pt", "dialog": {"name": dialogs["sales"]}}},
    }


@pytest.mark.parametrize("fleet", [{"backend": "local"}, {"ray_address": "10.0.0.1:6379"}])
def test_the_language_of_each_extension_is_checked(fleet: dict[str, str]) -> None:
    """With the extension's name; also for engines on another machine, which speak no other language there."""
    with pytest.raises(ConfigurationError, match=r"^extensions\.sales\.language = 'pt': hibari"):
        check(Settings.model_validate(settings(sales="echo") | {"fleet": fleet}))
    check(Settings.model_validate(settings(sales="tone") | {"fleet": fleet}))


def test_engines_are_checked_if_any_extension_speaks() -> None:
    """The server's own dialog is one of several."""
    wrong = {"speech": {"stt": "wisper"}}
    assert not check(
        Settings.model_validate(settings(default="tone", sales="tone") | wrong)
    ).has_speech_workers
    with pytest.raises(ConfigurationError, match="unknown engine 'wisper'"):
        check(Settings.model_validate(settings(default="tone", sales="echo") | wrong))


# `raymal serve --check`


SCRIPTED = "--stt scripted --tts scripted"


@pytest.fixture(autouse=True)
def own_log() -> Iterator[None]:
    """Give the process its own log back: a command sends it to standard error."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    for handler in root.handlers:
        if handler not in handlers:
            handler.close()
    root.handlers[:] = handlers
    root.setLevel(level)


def try_check(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """Run `raymal serve --check` on a free port; return the exit code and what was printed as errors."""
    code = cli.main(["serve", "--check", "--no-ray", "--port", "0", *arguments])
    return code, capsys.readouterr().err


WRONG = {
    "--set extensions.a.port=0 --set extensions.a.voice=herat": (
        "extensions.a.voice = 'herat': hibari has no such voice: did you mean 'heart'?"
    ),
    "--set speech.hibari.voice=herat": "hibari has no voice 'herat': did you mean 'heart'?",
    "--set extensions.a.port=0 --set extensions.a.language=pt_BR": "extensions.a.language = 'pt-BR': hibari",
    "--language pt_BR": "speech.language = 'pt-BR': hibari (speech.tts) does not work in it",
    "--language xx --tts scripted": "speech.language = 'xx': whisper (speech.stt) does not work in it",
    "--language english --tts scripted": "speech.language = 'english': whisper",
    "--language ''": "write the code of a language, such as en or pt-BR",
    "--model base.en --language pt --tts scripted": "choose one of en;",
    "--stt scripted --tts own_speech:Demanding --language en": "choose one of eo, pt-BR;",
    "--stt scripted --tts own_speech:Demanding --language pt "
    "--set extensions.a.port=0 --set extensions.a.voice=zamenhoff": "did you mean 'zamenhof'?",
    "--stt scripted --tts own_speech:Clumsy --language eo": "Clumsy's own check failed with KeyError",
    "--stt scripted --tts own_speech:Careless": "choose one of 7, None;",
    "--stt scripted --tts own_speech:Careless --set extensions.a.port=0 --set extensions.a.voice=x": (
        "Careless's own check failed with TypeError"
    ),
    "--tts coqui --language pt": "speech.language = 'pt': coqui (speech.tts) does not work in it",
    "--set speech.whisper.compute_type=int7": "speech.whisper.compute_type = 'int7': there is no such type",
    "--model smal": "'smal': the hub has no such model: did you mean 'small'?",
    "--model ~nosuch/model": "speech.whisper.model = '~nosuch/model': there is no such home folder",
    "--model /nosuch/model": "the folder /nosuch/model does not exist",
    f"{SCRIPTED} --set records.file=/nosuch/calls.jsonl": "there is no folder '/nosuch'; make it",
    f"{SCRIPTED} --set records.file=~nosuch/calls": "records.file = '~nosuch/calls': there is no such home",
    f"{SCRIPTED} --set records.file=/tmp": "records.file = '/tmp': this is a folder",
    f"{SCRIPTED} --set cache.directory=/dev/null/phrases": "cache.directory = '/dev/null/phrases'",
    f"{SCRIPTED} --set cache.directory=/proc/phrases": "/proc cannot be written",
    f"{SCRIPTED} --set cache.directory=~nosuch": "cache.directory = '~nosuch': there is no such home folder",
    f"{SCRIPTED} --set dialog.audio_folder=/nosuch": "audio_folder = '/nosuch': there is no such folder",
    f"{SCRIPTED} --set extensions.a.port=0 --set extensions.a.dialog.audio_folder=~nosuch": (
        "extensions.a.dialog.audio_folder = '~nosuch': there is no such home folder"
    ),
    '--tts scripted --set \'speech.language=["pt", "xx"]\'': "speech.language = 'xx': whisper",
    "--set speech.whisper.models.pt=bundled-en": "'bundled-en' does not know this language",
    f"{SCRIPTED} --host 192.0.2.1": "192.0.2.1 is not an address of this machine",
    f"{SCRIPTED} --host a..b": "server.host: 'a..b' is not an address",
    f"{SCRIPTED} --set admission.high_percent=50": "normal_percent = 90.0: above high_percent",
    f"{SCRIPTED} --set admission.background_percent=95": "above normal_percent = 90",
    f"{SCRIPTED} --greeting \udcff": "--greeting: 'dialog.greeting' = '\\udcff'",
    f"{SCRIPTED} --greeting \0": "--greeting: 'dialog.greeting' = '\\x00'",
    f"{SCRIPTED} --set records.file={'x' * 5_000}": "File name too long",
    f"{SCRIPTED} --config /dev/zero": "/dev/zero: longer than 1048576 bytes",
    f"{SCRIPTED} --set speech.whisper.retry_log_probability=-inf": "Input should be a finite number",
    f"{SCRIPTED} --set cache.memory_bytes={10**23}": "Input should be less than or equal to",
    f"{SCRIPTED} --set throttle.memory_percent=[0,0,0]": "the three thresholds must be above 0",
    f"{SCRIPTED} --set extensions.{'x' * 65}.port=0": "letters, digits, '_', '.' and '-', 64 at most",
    f"--tts scripted --model /{'x' * 5_000}": "does not exist",
    f"{SCRIPTED} --set web.host=0.0.0.0": "others reach this address, so its HTTP needs a token",
    f"{SCRIPTED} --set web.token_file=/nosuch/token": "web.token_file = '/nosuch/token': no such file",
    f"{SCRIPTED} --dialog own_speech:Stubborn": "making the dialog failed with OSError",
}


@pytest.mark.parametrize("arguments", WRONG, ids=lambda arguments: arguments[:100])
def test_what_cannot_work_is_exit_code_2(arguments: str, capsys: pytest.CaptureFixture[str]) -> None:
    """With the setting, what is wrong with it, and what would be right."""
    code, printed = try_check(capsys, *shlex.split(arguments))
    assert WRONG[arguments] in printed
    assert code == 2


def test_all_that_is_wrong_is_said_together(capsys: pytest.CaptureFixture[str]) -> None:
    """Extensions, languages, voices and both engines, a line each."""
    flags = "--set extensions.a.port=9 --set extensions.b.port=9 --set extensions.a.voice=herat --language zz"
    _, printed = try_check(capsys, *flags.split(), "--stt", "scripted")
    for problem in ("extensions.b.port = 9: the same", "voice = 'herat'", "speech.language = 'zz': hibari"):
        assert printed.count(problem) == 1
    _, printed = try_check(capsys, "--stt", "json:JSONDecoder", "--tts", "json:nope")
    assert "is no SttEngine" in printed
    assert "has no 'nope'" in printed
    _, printed = try_check(capsys, "--stt", "wisper", "--tts", "habari")
    assert "unknown engine 'wisper'" in printed
    assert "unknown engine 'habari'" in printed


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """Give a folder on a disk of its own, without room."""
    folder = tmp_path / "full"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4k,mode=700", "tmpfs", str(folder)]
    if os.getuid() or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only root may mount, and not everywhere")
    try:
        (folder / "filler").write_bytes(bytes(4_096))
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_is_found(
    full_disk: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A start needs room for its own files alone: the other disks may be given some later."""
    elsewhere = {"records": {"file": str(full_disk / "r")}, "cache": {"directory": str(full_disk / "c")}}
    files = [f"records.file={full_disk / 'r'}", f"cache.directory={full_disk / 'c'}"]
    code, printed = try_check(capsys, *SCRIPTED.split(), "--set", files[0], "--set", files[1])
    assert printed.count("No space left on device") == 2
    assert code == 2
    check(Settings.model_validate({"dialog": {"name": "tone"}} | elsewhere))
    monkeypatch.setenv("RAYMAL_RUNTIME", str(full_disk / "run"))
    code, printed = try_check(capsys, *SCRIPTED.split())
    assert "No space left on device); set RAYMAL_RUNTIME to a folder of yours" in printed
    assert code == 2


@pytest.mark.parametrize("target", ["records", "missing/calls"])
def test_a_link_is_judged_by_what_it_names(
    target: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One that leads to itself, or into a folder that does not exist."""
    (tmp_path / "records").symlink_to(tmp_path / target)
    code, printed = try_check(capsys, *SCRIPTED.split(), "--set", f"records.file={tmp_path / 'records'}")
    assert ("leads to itself" in printed) is (target == "records")
    assert ("there is no folder" in printed) is (target != "records")
    assert code == 2


@pytest.mark.parametrize("language", ["en_US", "EN", "en-gb", "en_US.UTF-8"])
def test_a_code_may_be_written_in_many_ways(language: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Whisper and hibari know English, of whatever region."""
    assert try_check(capsys, "--language", language) == (0, "")


def test_an_engine_of_ones_own_takes_any_language(capsys: pytest.CaptureFixture[str]) -> None:
    """Where it does not say which it knows."""
    assert try_check(capsys, *SCRIPTED.split(), "--language", "tlh") == (0, "")


def test_all_that_is_wrong_is_reported_together(capsys: pytest.CaptureFixture[str]) -> None:
    """A line each: dialogs, engines, files, host."""
    code, printed = try_check(
        capsys,
        *("--host", "192.0.2.1", "--set", "records.file=/nosuch/calls.jsonl", "--language", "xx"),
        *("--set", "extensions.a.port=0", "--set", "extensions.a.voice=herat"),
    )
    assert code == 2
    for part in ("192.0.2.1", "records.file", "'xx': whisper", "'xx': hibari", "'herat'"):
        assert part in printed
    _, with_a_wrong_dialog = try_check(
        capsys, "--dialog", "eco", "--set", "records.file=/nosuch/c", "--stt", "wisper"
    )
    for part in ("'eco'", "records.file", "'wisper'"):
        assert part in with_a_wrong_dialog


def test_a_port_in_use_is_said_with_its_user(capsys: pytest.CaptureFixture[str]) -> None:
    """Also an extension's, and that of HTTP."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for arguments in (
            ["--port", str(port)],
            ["--set", f"extensions.a.port={port}"],
            ["--set", f"web.port={port}"],
        ):
            code, printed = try_check(capsys, *SCRIPTED.split(), *arguments)
            assert code == 2
            assert f"127.0.0.1:{port} is in use by another program (" in printed
            assert f"process {os.getpid()})" in printed


@pytest.mark.parametrize("setting", ["dialog.greeting", "extensions.a.dialog.greeting", "extensions.a.busy"])
def test_a_configured_text_that_the_voice_cannot_read(
    setting: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each call would begin with the apology, or with a tone. A name in other letters is no fault."""
    arguments = ["--no-ray", "--port", "0", "--stt", "scripted", "--set", "extensions.a.port=0"]
    code, printed = try_check(capsys, *arguments, "--set", f"{setting}=你好")
    assert code == 2
    assert printed.startswith(f"raymal: {setting}: hibari cannot read this text in the language 'en'")
    assert try_check(capsys, *arguments, "--set", f"{setting}=Hello to Москва. 👍") == (0, "")


def test_the_ports_of_the_running_server_are_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    """A file is changed and checked before `systemctl reload`; another program's port is still said."""
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_server(("127.0.0.1", 0)) as extension,
        socket.create_server(("127.0.0.1", 0)) as other,
    ):
        port, second, taken = (bound.getsockname()[1] for bound in (server, extension, other))
        arguments = [*SCRIPTED.split(), "--port", str(port), "--set", f"extensions.a.port={second}"]
        runtime = RuntimeDirectory.of_port(port)
        runtime.create()
        runtime.gateway_socket.touch()
        with runtime.lock():
            runtime.write_ports({"default": port, "a": second})
            assert try_check(capsys, *arguments) == (0, "")
            code, printed = try_check(capsys, *arguments, "--set", f"extensions.b.port={taken}")
            assert code == 2
            assert f":{taken} is in use" in printed
            assert f":{second} is in use" not in printed
        code, printed = try_check(capsys, *arguments)  # it was killed, and others have its ports
        assert code == 2
        assert f":{port} is in use" in printed


@pytest.mark.parametrize(
    ("setting", "folder_of"),
    [("records.file", lambda path: path / "calls.jsonl"), ("cache.directory", lambda path: path / "phrases")],
)
def test_a_folder_that_may_not_be_written(
    setting: str,
    folder_of: Callable[[Path], Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """It is another user's, or read-only."""
    folder = tmp_path / "folder"
    folder.mkdir()
    with without_permission(folder, 0o555):
        code, printed = try_check(capsys, *SCRIPTED.split(), "--set", f"{setting}={folder_of(folder)}")
    assert code == 2
    assert "cannot be written: Permission denied" in printed


def test_a_cache_folder_that_others_may_write(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """They could put audio into it."""
    tmp_path.chmod(0o777)
    code, printed = try_check(capsys, *SCRIPTED.split(), "--set", f"cache.directory={tmp_path}")
    tmp_path.chmod(0o700)
    assert code == 2
    assert "not this user's alone" in printed


def test_a_check_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """No file, no folder, no socket: not in the places that the settings name either."""
    monkeypatch.setenv("RAYMAL_RUNTIME", str(tmp_path / "run"))
    monkeypatch.setenv("RAYMAL_CACHE", str(tmp_path / "cache"))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    files = ["--set", f"records.file={tmp_path}/calls.jsonl", "--set", f"cache.directory={tmp_path}/phrases"]
    assert try_check(capsys, *files, "--port", str(port)) == (0, "")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port)).close()


def test_a_folder_of_the_models_that_cannot_be_made(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The bundled weights are joined there."""
    monkeypatch.setenv("RAYMAL_CACHE", "/proc/raymal")
    code, printed = try_check(capsys)
    assert code == 2
    assert "the weights are joined in /proc/raymal/whisper-base" in printed
    assert "environment variable RAYMAL_CACHE = '/proc/raymal'" in printed


def test_a_user_without_a_home_goes_without_a_cache(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A service may have none: phrases are made when they are needed."""
    monkeypatch.delenv("RAYMAL_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc")
    code, _ = try_check(capsys, *SCRIPTED.split())
    assert code == 0


def test_a_model_that_the_hub_is_not_reached_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is not on this machine, and would not come."""
    monkeypatch.setattr("huggingface_hub.HfApi.model_info", _unreachable)
    monkeypatch.setenv("HF_HUB_CACHE", "/nosuch")
    code, printed = try_check(capsys, "--model", "owner/no-such-model-of-anyone")
    assert code == 2
    assert "is not on this machine, and the hub does not give it (ConnectionError: no route)" in printed


def _unreachable(*arguments: object, **options: object) -> None:
    raise ConnectionError("no route")


def test_what_a_dialog_cannot_reach_is_a_warning(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asked once for all extensions with that dialog; the endpoint may be there when a call comes.

    The dialogs that were made to ask are closed.
    """
    closed: list[LlmDialog] = []

    async def close(made: LlmDialog) -> None:
        closed.append(made)

    monkeypatch.setattr(LlmDialog, "close", close)
    llm = "--dialog llm --set dialog.llm.model=m --set dialog.llm.base_url=http://127.0.0.1:1/v1"
    more = f"{llm} --set extensions.sales.port=auto {SCRIPTED} --port 0 --no-ray --check"
    assert cli.main(["serve", *shlex.split(more)]) == 0
    logged = capfd.readouterr().err
    assert logged.count("extension default: dialog.llm.base_url") == 1
    assert "extension sales" not in logged
    assert len(closed) == 2


def engines_at(**extensions: object) -> Settings:
    """Return a server whose extensions have engines of their own."""
    return Settings.model_validate(
        {
            "fleet": {"backend": "local"},
            "speech": {"stt": "scripted", "tts": "scripted"},
            "extensions": {name: {"port": 0} | chosen for name, chosen in extensions.items()},
        }
    )


def test_each_extension_is_checked_against_its_own_engine() -> None:
    """Language, voice, letters and name: each mistake with the setting that it is in."""
    right = engines_at(a={"tts": HUM, "language": "eo", "voice": "zamenhof"}, b={"voice": "anna"})
    assert check(right).engines == (IN_ESPERANTO,)
    wrong = engines_at(
        a={"tts": HUM, "voice": "anna"},
        b={"tts": "hibari", "language": "en", "busy": "你好"},
        c={"tts": "hibari", "language": "pt"},
    )
    with pytest.raises(ConfigurationError) as caught:
        check(wrong)
    lines = str(caught.value).split("\n")
    assert lines[0].startswith(f"extensions.a.language = 'en': {HUM} (extensions.a.tts) does not work in it")
    assert lines[1].startswith(f"extensions.a.voice = 'anna': {HUM} has no such voice")
    assert lines[2].startswith("extensions.b.busy: hibari cannot read this text")
    assert lines[3].startswith("extensions.c.language = 'pt': hibari (extensions.c.tts) does not work in it")
    assert len(lines) == 4


@pytest.mark.parametrize(
    ("extension", "found"),
    [
        ({"tts": "kokoro", "language": ["pt-BR", "en"]}, "extensions.a.tts: kokoro's voice 'af_heart'"),
        ({"tts": "kokoro", "language": "it"}, "extensions.a.tts: kokoro's voice 'if_sara'"),
        (
            {"tts": "kokoro", "language": "pt", "voice": "pm_alex"},
            "extensions.a.tts: kokoro's voice 'pm_alex'",
        ),
        (
            {"tts": "kokoro", "language": ["pt", "en"], "voice": {"en": "pf_dora", "fr": "siwis"}},
            "extensions.a.voice.fr = 'siwis': kokoro has no such voice",
        ),
    ],
)
def test_a_voice_that_is_not_installed_is_found_before_a_call_needs_it(
    extension: dict[str, object], found: str, tmp_path: Path
) -> None:
    """Of each language, and of each extension: that of the first language alone is here."""
    sizes = {"model.onnx": kokoro_release.MODEL_BYTES, "voices/pf_dora.bin": kokoro_release.VOICE_BYTES}
    (tmp_path / "voices").mkdir()
    for name, size_bytes in sizes.items():
        with (tmp_path / name).open("wb") as file:
            file.truncate(size_bytes)
    here = {"speech": {"stt": "scripted", "tts": "scripted", "kokoro": {"folder": str(tmp_path)}}}
    settings = engines_at(a=extension).model_dump(exclude_unset=True) | here
    with pytest.raises(ConfigurationError) as caught:
        check(Settings.model_validate(settings))
    assert str(caught.value).startswith(found)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("engine", "found"),
    [
        ("kokorro", r"^extensions\.a\.tts: unknown engine 'kokorro'"),
        ("own_speech:Clumsy", r"^extensions\.a\.tts: Clumsy's own check failed with KeyError"),
        ("own_speech:Stubborn", r"^extensions\.a\.tts: 'own_speech:Stubborn' is no TtsEngine"),
    ],
)
def test_an_engine_of_an_extension_that_cannot_run(engine: str, found: str) -> None:
    """The setting is the extension's."""
    with pytest.raises(ConfigurationError, match=found):
        check(engines_at(a={"tts": engine, "language": "eo", "voice": "zamenhof"}))


def test_each_worker_holds_eight_further_engines_at_most() -> None:
    """They are all in its memory."""
    many = {f"e{number}": {"tts": f"further_engines:Hum{number}"} for number in range(9)}
    with pytest.raises(
        ConfigurationError, match=r"9 text-to-speech engines.*8 at most: further_engines:Hum0, "
    ):
        extension_book(engines_at(**many))
    assert not extension_book(
        engines_at(**{name: chosen | {"dialog": {"name": "tone"}} for name, chosen in many.items()})
    ).engines


def test_a_running_server_takes_no_engine_that_needs_another_place() -> None:
    """The workers' places are planned at the start: one that must have a GPU, or may, where there are any."""
    settings = engines_at().model_copy(update={"fleet": FleetSettings(ray_address="auto")})
    found = list(
        late_engine_problems(settings, [FurtherEngine("coqui", "pt", "extensions.a.tts"), IN_ESPERANTO])
    )
    assert len(found) == 1
    assert found[0].startswith("extensions.a.tts = 'coqui': it may use a GPU")
    assert "speech.coqui.device" in found[0]
