"""The coqui engine on VITS models made here with the library itself: tiny, random weights, real files."""

from __future__ import annotations

import logging
import sys
import wave
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from actors.engines.coqui import CoquiTts
from actors.engines.registry import tts_engine
from actors.errors import ConfigurationError, EngineError
from actors.messages import Synthesize
from actors.settings import CoquiSettings, SpeechSettings
from actors.telephone import audio_duration_ms

pytestmark = [
    pytest.mark.coqui,
    # The first analysis of a recording compiles parts of librosa.
    pytest.mark.timeout(300),
    # Third-party: librosa's audioread imports three modules that Python 3.13 no longer has.
    pytest.mark.filterwarnings("ignore:'(aifc|audioop|sunau)' is deprecated:DeprecationWarning"),
]

TEXT = "Hello there, how are you today?"
ALPHABET = "abcdefghijklmnopqrstuvwxyz"
MODEL_RATE_HZ = 16_000
HOP = 256


def save_model(
    folder: Path, *, speakers: Sequence[str] = (), languages: Sequence[str] = (), clones: bool = False
) -> None:
    """Save a VITS model as the library's trainer does: config.json and a checkpoint."""
    import torch
    from TTS.config.shared_configs import BaseAudioConfig
    from TTS.tts.configs.shared_configs import CharactersConfig
    from TTS.tts.configs.vits_config import VitsArgs, VitsConfig
    from TTS.tts.models.vits import Vits

    torch.manual_seed(1)
    voices: dict[str, Any] = {}
    if speakers:
        voices = {"use_speaker_embedding": True, "speaker_embedding_channels": 8}
    if clones:
        voices = {"use_d_vector_file": True, "d_vector_dim": 8, **save_speaker_encoder(folder)}
    network = VitsArgs(
        hidden_channels=16,
        hidden_channels_ffn_text_encoder=32,
        num_layers_text_encoder=1,
        num_layers_posterior_encoder=1,
        num_layers_flow=1,
        upsample_initial_channel_decoder=32,
        upsample_rates_decoder=[8, 8, 4],
        upsample_kernel_sizes_decoder=[16, 16, 8],
        resblock_kernel_sizes_decoder=[3],
        resblock_dilation_sizes_decoder=[[1, 3, 5]],
        init_discriminator=False,
        use_sdp=False,
        use_language_embedding=bool(languages),
        **voices,
    )
    config = VitsConfig(
        model_args=network,
        audio=BaseAudioConfig(sample_rate=MODEL_RATE_HZ, hop_length=HOP),
        characters=CharactersConfig(
            characters_class="TTS.tts.models.vits.VitsCharacters",
            pad="_",
            characters=ALPHABET,
            punctuations="!',.:;? ",
            phonemes="",
        ),
        use_phonemes=False,
        text_cleaner="basic_cleaners",
        speakers=list(speakers),
        languages=list(languages) or ["en"],
        test_sentences=[],
    )
    torch.save({"model": Vits(config).state_dict()}, folder / "model.pth")
    config.save_json(folder / "config.json")


def save_speaker_encoder(folder: Path) -> dict[str, str]:
    """Save what turns a recording into a voice; return the model arguments that name its files."""
    import torch
    from TTS.config.shared_configs import BaseAudioConfig
    from TTS.encoder.configs.speaker_encoder_config import SpeakerEncoderConfig
    from TTS.encoder.utils.generic_utils import setup_encoder_model

    config = SpeakerEncoderConfig(
        audio=BaseAudioConfig(sample_rate=MODEL_RATE_HZ, num_mels=80),
        model_params={
            "model_name": "lstm",
            "input_dim": 80,
            "proj_dim": 8,
            "lstm_dim": 8,
            "num_lstm_layers": 1,
            "use_lstm_with_projection": True,
        },
        num_classes_in_batch=1,
        num_utter_per_class=1,
        num_loader_workers=0,
    )
    checkpoint, settings = folder / "model_se.tar", folder / "config_se.json"
    torch.save({"model": setup_encoder_model(config).state_dict()}, checkpoint)
    config.save_json(settings)
    return {"speaker_encoder_model_path": str(checkpoint), "speaker_encoder_config_path": str(settings)}


def save_recording(path: Path) -> str:
    """Two seconds of a buzz that moves up: no voice, but something to analyse."""
    time_s = np.arange(2 * MODEL_RATE_HZ) / MODEL_RATE_HZ
    samples = 8_000 * np.sign(np.sin(2 * np.pi * (100 + 50 * time_s) * time_s))
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(MODEL_RATE_HZ)
        file.writeframes(samples.astype("<i2").tobytes())
    return str(path)


def configured(model: str, language: str = "en", **options: Any) -> CoquiTts:
    coqui = CoquiSettings(model=model, device="cpu", threads=1, **options)
    return CoquiTts(SpeechSettings(tts="coqui", language=language, coqui=coqui))


def loaded(model: str, language: str = "en", **options: Any) -> CoquiTts:
    engine = configured(model, language, **options)
    engine.check(engine.settings)
    engine.load()
    return engine


def say(text: str, language: str = "en", voice: str | None = None) -> Synthesize:
    return Synthesize(call_id="call", text=text, language=language, voice=voice)


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of models: `single`, `choir` (two speakers, two languages) and `mimic` (clones voices)."""
    if find_spec("TTS") is None:
        pytest.skip(
            "the coqui extra is not installed: `make test-coqui` installs it apart and runs these tests"
        )
    folder = tmp_path_factory.mktemp("models")
    for name in ("single", "choir", "mimic"):
        (folder / name).mkdir()
    save_model(folder / "single")
    save_model(folder / "choir", speakers=["alto", "bass"], languages=["en", "pt-br"])
    save_model(folder / "mimic", clones=True)
    return folder


@pytest.fixture(scope="session")
def single(models: Path) -> CoquiTts:
    return loaded(str(models / "single"))


@pytest.fixture(scope="session")
def choir(models: Path) -> CoquiTts:
    return loaded(str(models / "choir"), speaker="alto")


def test_a_local_checkpoint_speaks_telephone_audio(single: CoquiTts) -> None:
    """The same loading code as for any user's folder; the result is 8 kHz, not silent, in short pieces."""
    pieces = list(single.synthesize(say(f"{TEXT} {TEXT * 4}")))
    audio = np.frombuffer(b"".join(pieces), "<i2") / 32768.0
    assert audio.size / 8000 > 4.0
    assert np.sqrt(np.mean(audio**2)) > 0.002
    assert all(0 < audio_duration_ms(piece) <= 2000.0 and len(piece) % 2 == 0 for piece in pieces)


def test_the_model_s_rate_becomes_the_telephone_s(single: CoquiTts) -> None:
    """A model of 16 kHz lasts as long at 8 kHz, less the silence before its first sound."""
    made = len(single._tts.tts("a", split_sentences=False)) / MODEL_RATE_HZ
    heard = audio_duration_ms(b"".join(single.synthesize(say("a")))) / 1000
    assert heard == pytest.approx(made, abs=0.2)


def test_the_first_sentence_does_not_wait_for_the_second(single: CoquiTts) -> None:
    """The first piece is the first sentence alone."""
    first = audio_duration_ms(b"".join(single.synthesize(say("Yes."))))
    piece = next(single.synthesize(say("Yes. No. Maybe.")))
    assert audio_duration_ms(piece) == pytest.approx(first, abs=300)


def test_a_speaker_is_chosen_by_the_request_or_by_the_configuration(choir: CoquiTts) -> None:
    """Two speakers sound different; no name means the configured one."""
    import torch

    def spoken(voice: str | None) -> bytes:
        torch.manual_seed(0)
        return b"".join(choir.synthesize(say(TEXT, voice=voice)))

    assert spoken(None) == spoken("alto")
    assert spoken("alto") != spoken("bass")


def test_an_unknown_speaker_is_refused_with_the_known_ones(choir: CoquiTts, single: CoquiTts) -> None:
    """Also a name where there is nothing to choose."""
    with pytest.raises(EngineError, match=r"no speaker 'tenor'; it has alto, bass"):
        next(choir.synthesize(say(TEXT, voice="tenor")))
    with pytest.raises(EngineError, match=r"single voice and none called 'tenor'"):
        next(single.synthesize(say(TEXT, voice="tenor")))


def test_a_model_of_many_speakers_needs_one_configured(models: Path) -> None:
    """The worker does not start; the message names the setting and the speakers."""
    with pytest.raises(EngineError, match=r"speech\.coqui\.speaker.*alto, bass"):
        loaded(str(models / "choir"))


def test_a_language_is_found_by_its_first_part(choir: CoquiTts) -> None:
    """`pt` and `pt-PT` are near enough to a model's `pt-br`; a language it lacks is refused."""
    assert [choir._language_option(name) for name in ("pt", "pt-PT", "PT_br")] == [{"language": "pt-br"}] * 3
    assert b"".join(choir.synthesize(say(TEXT, language="pt")))
    with pytest.raises(EngineError, match=r"does not speak 'de'; it speaks en, pt-br"):
        next(choir.synthesize(say(TEXT, language="de")))


def test_a_recording_is_imitated(models: Path, tmp_path: Path) -> None:
    """The voice is learned once at load: the recording may be gone afterwards."""
    recording = save_recording(tmp_path / "voice.wav")
    engine = loaded(str(models / "mimic"), speaker_wav=recording)
    Path(recording).unlink()
    assert b"".join(engine.synthesize(say(TEXT)))


def test_a_recording_needs_a_model_that_clones(models: Path, tmp_path: Path) -> None:
    """Rather an error than a voice that is not the wanted one; so is a file that is no recording."""
    with pytest.raises(EngineError, match="cannot imitate a recording"):
        loaded(str(models / "single"), speaker_wav=save_recording(tmp_path / "voice.wav"))
    (tmp_path / "text.wav").write_text("not a recording")
    with pytest.raises(EngineError, match="cannot learn a voice from"):
        loaded(str(models / "mimic"), speaker_wav=str(tmp_path / "text.wav"))


@pytest.mark.parametrize("text", ["", " \n", "...", "—", "?!", "🙂"])
def test_text_with_nothing_to_say_yields_nothing(single: CoquiTts, text: str) -> None:
    """Punctuation and symbols without words are not spoken."""
    assert list(single.synthesize(say(text))) == []


def test_the_configured_threads_are_used(single: CoquiTts) -> None:
    """A worker takes no more cores than it was given."""
    import torch

    assert torch.get_num_threads() == single.settings.coqui.threads == 1


def test_nothing_that_is_said_is_logged_or_printed(
    models: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """The library logs its input and characters that it does not know; here it may not."""
    logging.getLogger("TTS").setLevel(logging.NOTSET)
    caplog.set_level(logging.DEBUG)
    engine = loaded(str(models / "single"))
    list(engine.synthesize(say("My pin is secret 1234.")))
    printed = capfd.readouterr()
    assert printed.out == ""
    assert "secret" not in printed.err + caplog.text


def test_a_failure_while_speaking_does_not_quote_the_text(
    models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the dialog wanted to say is private, also in an error's chain."""
    engine = loaded(str(models / "single"))
    monkeypatch.setattr(engine._tts, "synthesizer", None)
    with pytest.raises(EngineError, match="13 characters: RuntimeError") as caught:
        list(engine._sentences("Secret words.", {}))
    assert "Secret" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_a_gpu_that_is_not_there_is_an_engine_error(models: Path) -> None:
    """`cuda` is a demand, `auto` is not."""
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    settings = CoquiSettings(model=str(models / "single"), device="cuda")
    with pytest.raises(EngineError, match=r"no GPU.*speech\.coqui\.device"):
        CoquiTts(SpeechSettings(tts="coqui", coqui=settings)).load()
    CoquiTts(SpeechSettings(tts="coqui", coqui=settings.model_copy(update={"device": "auto"}))).load()


def test_a_model_that_cannot_be_downloaded_is_an_engine_error(
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a network the message says which model, why, and what else would do."""
    monkeypatch.setenv("TTS_HOME", str(tmp_path))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # nothing listens on the discard port
    with pytest.raises(EngineError, match=r"cannot load.*ljspeech/vits.*ProxyError.*config\.json"):
        configured("tts_models/en/ljspeech/vits").load()


@pytest.mark.parametrize(
    "name", ["tts_models/en/ljspeech/nonsense", "vits", "vocoder_models/en/ljspeech/hifigan_v2"]
)
def test_a_name_that_is_no_voice_is_an_engine_error(models: Path, name: str) -> None:
    """Another error than a failed download."""
    with pytest.raises(EngineError, match=r"neither a folder nor a text-to-speech model.*--list_models"):
        configured(name).load()


def test_a_license_is_never_accepted_for_the_operator(
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """The library's question on the terminal becomes an error that names the variable to set."""
    monkeypatch.setenv("TTS_HOME", str(tmp_path))
    monkeypatch.delenv("COQUI_TOS_AGREED", raising=False)
    with pytest.raises(EngineError, match=r"license of .*xtts_v2.* \(CPML\).*COQUI_TOS_AGREED=1"):
        configured("tts_models/multilingual/multi-dataset/xtts_v2").load()
    assert capfd.readouterr().out == ""
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_checkpoint_is_an_engine_error(models: Path, tmp_path: Path) -> None:
    """The message names the folder."""
    (tmp_path / "config.json").write_bytes((models / "single" / "config.json").read_bytes())
    (tmp_path / "model.pth").write_bytes(b"not a checkpoint")
    with pytest.raises(EngineError, match=f"cannot load the model '{tmp_path}'"):
        configured(str(tmp_path)).load()


def test_the_check_finds_what_is_missing_without_loading_the_library(models: Path, tmp_path: Path) -> None:
    """Before a port opens: no folder, no config.json, no checkpoint, too many, no recording."""

    def problem(**options: Any) -> str:
        settings = SpeechSettings(tts="coqui", coqui=CoquiSettings(**options))
        with pytest.raises(ConfigurationError) as caught:
            CoquiTts.check(settings)
        return str(caught.value)

    assert "speech.coqui.model: there is no folder" in problem(model=str(tmp_path / "absent"))
    assert "has no config.json" in problem(model=str(tmp_path))
    (tmp_path / "config.json").write_text("{}")
    assert "has no *.pth file" in problem(model=str(tmp_path))
    (tmp_path / "one.pth").touch()
    CoquiTts.check(SpeechSettings(tts="coqui", coqui=CoquiSettings(model=str(tmp_path))))
    (tmp_path / "two.pth").touch()
    assert "several *.pth files: call the checkpoint model.pth" in problem(model=str(tmp_path))
    (tmp_path / "best_model.pth").touch()
    CoquiTts.check(SpeechSettings(tts="coqui", coqui=CoquiSettings(model=str(tmp_path))))
    assert "speech.coqui.speaker_wav: there is no file" in problem(speaker_wav=str(tmp_path / "absent.wav"))


def test_a_missing_package_is_named_with_what_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Most machines do not have the library; the registry knows the engine all the same."""
    monkeypatch.setitem(sys.modules, "TTS", None)
    with pytest.raises(ConfigurationError, match=r"'TTS'.*pip install 'raymal\[coqui\]'"):
        CoquiTts.check(SpeechSettings(tts="coqui"))
    assert isinstance(tts_engine(SpeechSettings(tts="coqui")), CoquiTts)
