"""The pools as a speech service, in OpenAI's conventions and by OpenAI's own client."""

from __future__ import annotations

import asyncio
import io
import wave
from collections.abc import AsyncIterator

import httpx2 as httpx
import numpy as np
import openai
import pytest
from door_fixture import ADDRESS, TOKEN, OpenDoor, open_door
from further_engines import HUM, IN_ESPERANTO
from recordings import wav

from actors.engines.scripted import sentence_tone_hz
from actors.messages import IngressReport, Level, Priority, SessionStarted, Transcribe, WorkKind
from actors.settings import ApiSettings

TEXT = "Good morning. It is a fine day today."
PART = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'
SAY = {"model": "scripted", "input": TEXT, "voice": "default"}


@pytest.fixture
async def door() -> AsyncIterator[OpenDoor]:
    """A door over two slots of each kind."""
    async with open_door() as opened:
        yield opened


@pytest.fixture
async def client(door: OpenDoor) -> AsyncIterator[openai.AsyncOpenAI]:
    """OpenAI's own client, which knows nothing of this service."""
    http = httpx.AsyncClient(transport=door.transport())
    async with openai.AsyncOpenAI(
        base_url=f"{ADDRESS}/v1", api_key=TOKEN, http_client=http, max_retries=0
    ) as made:
        yield made


def fields(**more: str) -> dict[str, str]:
    return {"model": "scripted", **more}


async def transcribed(door: OpenDoor, content: bytes = b"", **more: str) -> httpx.Response:
    return await door.client.post(
        "/v1/audio/transcriptions", files={"file": ("a.wav", content or wav())}, data=fields(**more)
    )


async def test_openais_client_lists_the_models(client: openai.AsyncOpenAI) -> None:
    """And gets one; another is not found."""
    assert [model.id async for model in client.models.list()] == ["scripted"]
    assert (await client.models.retrieve("scripted")).owned_by == "raymal"
    with pytest.raises(openai.NotFoundError) as raised:
        await client.models.retrieve("whisper-1")
    assert raised.value.code == "model_not_found"


async def test_each_engine_that_speaks_is_a_model(door: OpenDoor, client: openai.AsyncOpenAI) -> None:
    """One that an extension named is asked for by its name."""
    assert await door.manager.heartbeat(IngressReport("pbx", engines=(IN_ESPERANTO,)))
    assert [model.id async for model in client.models.list()] == ["scripted", HUM]
    spoken = await client.audio.speech.create(
        model=HUM, input="Saluton.", voice="zamenhof", response_format="pcm", extra_body={"language": "eo"}
    )
    assert np.abs(np.frombuffer(spoken.content, "<i2")).max() < 100, "the scripted one is loud"
    with pytest.raises(openai.NotFoundError, match="choose 'scripted', 'further_engines:Hum'"):
        await client.audio.speech.create(model="tts-1", input="Hello.", voice="alloy")


async def test_openais_client_transcribes(client: openai.AsyncOpenAI) -> None:
    """In the three forms; a long recording in several segments."""
    create = client.audio.transcriptions.create
    heard = await create(file=("a.wav", wav(16_000)), model="scripted")
    assert heard.text == "hello"
    text = await create(file=("a.wav", wav(48_000, channels=2)), model="scripted", response_format="text")
    assert str(text).strip() == "hello"
    long = await create(
        file=("a.wav", wav(seconds=30.0)),
        model="scripted",
        response_format="verbose_json",
        language="en",
        temperature=0,
        timestamp_granularities=["segment"],
    )
    assert long.duration == pytest.approx(30.0)
    assert long.segments is not None
    assert [segment.text for segment in long.segments] == ["hello"] * 3
    assert long.segments[0].end == long.segments[1].start
    assert long.segments[-1].end == pytest.approx(30.0)
    assert long.text == "hello hello hello"


async def test_openais_client_speaks(client: openai.AsyncOpenAI) -> None:
    """A WAV file at 8 kHz, and samples at 24 kHz; each sentence in it."""
    spoken = await client.audio.speech.create(**SAY, response_format="wav")
    with wave.open(io.BytesIO(spoken.content)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (8_000, 1, 2)
    samples = np.frombuffer(spoken.content[44:], "<i2")
    assert pitch_hz(samples[:4_000], 8_000) == pytest.approx(sentence_tone_hz("Good morning."), abs=3)
    assert pitch_hz(samples[-4_000:], 8_000) == pytest.approx(
        sentence_tone_hz("It is a fine day today."), abs=3
    )
    async with client.audio.speech.with_streaming_response.create(**SAY, response_format="pcm") as answer:
        raw = b"".join([piece async for piece in answer.iter_bytes()])
    assert len(raw) == pytest.approx(3 * len(samples) * 2, abs=6)
    assert pitch_hz(np.frombuffer(raw, "<i2")[:12_000], 24_000) == pytest.approx(
        sentence_tone_hz("Good morning."), abs=3
    )


def pitch_hz(samples: np.ndarray, rate_hz: int) -> float:
    spectrum = np.abs(np.fft.rfft(samples.astype(float)))
    return float(np.argmax(spectrum) * rate_hz / len(samples))


async def test_openais_client_understands_the_errors(client: openai.AsyncOpenAI) -> None:
    """Each refusal is the exception that its users know, with the parameter and what to do."""
    with pytest.raises(openai.BadRequestError) as raised:
        await client.audio.speech.create(**SAY, response_format="mp3")
    assert raised.value.param == "response_format"
    with pytest.raises(openai.BadRequestError):
        await client.audio.speech.create(**SAY, response_format="wav", speed=1.5)
    with pytest.raises(openai.AuthenticationError):
        await client.with_options(api_key="wrong").models.list()
    with pytest.raises(openai.NotFoundError):
        await client.audio.transcriptions.create(file=("a.wav", wav()), model="whisper-1")
    with pytest.raises(openai.APIStatusError) as refused:
        await client.audio.transcriptions.create(file=("a.txt", b"no audio"), model="scripted")
    assert refused.value.status_code == 415


WITHOUT_EFFECT = [
    ({"prompt": "Names: Ana"}, 400, "prompt"),
    ({"temperature": "0.7"}, 400, "temperature"),
    ({"response_format": "srt"}, 400, "response_format"),
    ({"timestamp_granularities[]": "word"}, 400, "timestamp_granularities[]"),
    ({"language": "not a language!"}, 400, "language"),
    ({"stream": "true"}, 400, "stream"),
    ({"model": ""}, 404, "model"),
]


async def test_what_would_have_no_effect_is_refused(door: OpenDoor) -> None:
    """Honestly: nothing is ignored."""
    for more, status, parameter in WITHOUT_EFFECT:
        answer = await transcribed(door, **more)
        assert (answer.status_code, answer.json()["error"]["param"]) == (status, parameter)


UNSPEAKABLE = [
    ({"input": ""}, "input"),
    ({"input": "x" * 4_097}, "input"),
    ({"input": "🎉🎉"}, "input"),
    ({"input": "Привет, как дела сегодня?"}, "input"),
    ({"speed": 2}, "speed"),
    ({"response_format": "opus"}, "response_format"),
    ({"stream_format": "sse"}, "stream_format"),
    ({"instructions": "whisper"}, "instructions"),
    ({"language": "??"}, "language"),
    ({"voice": {"id": "x"}}, "voice"),
]


async def test_what_cannot_be_said_is_refused(door: OpenDoor) -> None:
    """With the field that is wrong."""
    for more, parameter in UNSPEAKABLE:
        answer = await door.client.post("/v1/audio/speech", json=SAY | more)
        assert (answer.status_code, answer.json()["error"]["param"]) == (400, parameter), more


MALFORMED = [
    ("multipart/form-data", b"no boundary"),
    ("multipart/form-data; boundary=x", b"--x\r\ngarbage"),
    ("multipart/form-data; boundary=x", b"--x--\r\n"),
    ("application/json", b"{}"),
    ("application/x-www-form-urlencoded", b"model=scripted&file=x"),
    ("", b"\0" * 1_000),
]


async def test_malformed_uploads(door: OpenDoor) -> None:
    """A clear 400 in OpenAI's shape, whatever it is."""
    for content_type, body in MALFORMED:
        answer = await door.client.post(
            "/v1/audio/transcriptions", content=body, headers={"Content-Type": content_type}
        )
        assert answer.status_code == 400, answer.text
        assert answer.json()["error"]["message"]


NOT_JSON = [b"", b"{", b"[]", b"null", b'{"model": 1}', b"\xff\xfe", b'{"speed": NaN}']


async def test_malformed_speech_requests(door: OpenDoor) -> None:
    """The same for JSON."""
    for body in NOT_JSON:
        answer = await door.client.post("/v1/audio/speech", content=body)
        assert answer.status_code == 400
        assert answer.json()["error"]["type"] == "invalid_request_error"


async def test_too_large_and_too_long() -> None:
    """By its announced size before anything is read; else as soon as it is too much; by its duration."""
    settings = ApiSettings(maximum_upload_bytes=100_000, maximum_audio_s=5.0)
    async with open_door(settings) as door:
        assert (await transcribed(door, wav(seconds=20.0))).status_code == 413

        async def endless() -> AsyncIterator[bytes]:
            yield PART
            while True:
                yield bytes(10_000)

        kind = {"Content-Type": "multipart/form-data; boundary=x"}
        answer = await door.client.post("/v1/audio/transcriptions", content=endless(), headers=kind)
        assert answer.status_code == 413
        assert (await door.client.post("/v1/audio/speech", content=endless())).status_code == 413
        answer = await transcribed(door, wav(seconds=6.0))
        assert answer.status_code == 413
        assert "5 s" in answer.json()["error"]["message"]


async def test_a_dripping_body_ends(door: OpenDoor, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the deadline for bodies, with 408; its place is free again."""
    monkeypatch.setattr("actors.api.bodies.BODY_DEADLINE_S", 0.1)

    async def dripping() -> AsyncIterator[bytes]:
        yield PART
        while True:
            yield b"-"
            await asyncio.sleep(0.02)

    kind = {"Content-Type": "multipart/form-data; boundary=x"}
    answer = await door.client.post("/v1/audio/transcriptions", content=dripping(), headers=kind)
    assert answer.status_code == 408
    assert door.services.in_progress == 0


async def test_more_requests_than_places() -> None:
    """The next is refused at once with 429 and Retry-After; those under way are served."""
    async with open_door(ApiSettings(maximum_requests=3), stt_delay_s=0.2, slots=4) as door:
        answers = await asyncio.gather(*(transcribed(door) for _ in range(10)))
        codes = sorted(answer.status_code for answer in answers)
        assert codes == [200] * 3 + [429] * 7
        refused = next(answer for answer in answers if answer.status_code == 429)
        assert int(refused.headers["retry-after"]) >= 1
        assert (door.services.in_progress, door.services.refused) == (0, 7)


async def test_a_deadline_ends_a_request() -> None:
    """504, and the slot comes back."""
    async with open_door(ApiSettings(deadline_s=0.3), stt_delay_s=30.0) as door:
        assert (await transcribed(door)).status_code in (503, 504)
        assert door.services.in_progress == 0


async def test_background_work_stands_behind_calls_and_leaves_them_a_slot() -> None:
    """Of two slots the door has one, however many ask; told otherwise it stands with the calls."""
    async with open_door(stt_delay_s=0.3) as door:
        await door.ingress.register_session(SessionStarted("call", "pbx", "sales"))
        flood = [asyncio.create_task(transcribed(door)) for _ in range(6)]
        await asyncio.sleep(0.1)
        assert (await door.manager.status()).transcription.busy == 1
        heard = await door.ingress.transcribe(Transcribe("call", bytes(16_000), "en"), 5.0)
        assert heard.lease_wait_ms < 100
        for task in flood:
            task.cancel()
        await asyncio.gather(*flood, return_exceptions=True)
    async with open_door(stt_delay_s=0.3) as door:
        urgent = {"X-Raymal-Priority": "normal"}
        asked = [
            asyncio.create_task(
                door.client.post(
                    "/v1/audio/transcriptions", files={"file": wav()}, data=fields(), headers=urgent
                )
            )
            for _ in range(2)
        ]
        await asyncio.sleep(0.15)
        assert (await door.manager.status()).transcription.busy == 2
        assert [answer.status_code for answer in await asyncio.gather(*asked)] == [200, 200]


async def test_priorities_that_there_are_not(door: OpenDoor) -> None:
    """What stands before everything is for calls alone."""
    for priority in ("emergency", "urgent", "normal, high"):
        answer = await door.client.post("/v1/audio/speech", json=SAY, headers={"X-Raymal-Priority": priority})
        assert answer.status_code == 400
        assert "background, normal, high" in answer.json()["error"]["message"]


async def test_while_calls_need_everything_background_work_is_refused(door: OpenDoor) -> None:
    """At once, with when to come again, and not after a deadline."""
    door.manager._overload.cluster.level = Level.LOADED  # type: ignore[misc]
    answer = await door.client.post("/v1/audio/speech", json=SAY)
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) >= 5


async def test_without_a_server_there_are_no_workers() -> None:
    """503 that says why."""
    async with open_door(has_ingress=False) as door:
        for answer in (
            await door.client.get("/v1/models"),
            await transcribed(door),
            await door.client.post("/v1/audio/speech", json=SAY),
        ):
            assert answer.status_code == 503
            assert answer.headers["retry-after"]


async def test_a_slow_reader_holds_no_slot() -> None:
    """Audio waits in the door: the worker is free while the client reads."""
    async with open_door(slots=1) as door:
        started, go_on = asyncio.Event(), asyncio.Event()
        sent: list[bytes] = []

        async def send(message: dict[str, object]) -> None:
            if message["type"] == "http.response.body":
                sent.append(message["body"])  # type: ignore[arg-type]
                started.set()
                await go_on.wait()

        await ask_to_speak(door, send, {"input": "A sentence that takes some seconds to say. " * 4}, started)
        async with asyncio.timeout(5.0):
            while (await door.manager.status()).synthesis.busy:
                await asyncio.sleep(0.01)
        go_on.set()
        async with asyncio.timeout(5.0):
            while door.services.in_progress:
                await asyncio.sleep(0.01)
        assert len(b"".join(sent)) > 100_000


async def test_a_client_that_hangs_up_frees_its_slot() -> None:
    """Cancelled, as Serve does then, the work ends."""
    async with open_door(slots=1, tts_delay_s=0.05, speech_rate_characters_per_s=1.0) as door:
        started = asyncio.Event()

        async def send(message: dict[str, object]) -> None:
            started.set()

        asking = await ask_to_speak(door, send, {}, started)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        assert door.services.in_progress == 0
        async with asyncio.timeout(5.0):
            while (await door.manager.status()).synthesis.busy:
                await asyncio.sleep(0.01)


async def ask_to_speak(
    door: OpenDoor, send: object, more: dict[str, str], started: asyncio.Event
) -> asyncio.Task[None]:
    """Ask the application directly, with a client's side of our own, and wait for the first audio."""
    body = httpx.Request("POST", f"{ADDRESS}/v1/audio/speech", json=SAY | more)
    headers = [
        (b"host", b"127.0.0.1:8000"),
        (b"authorization", f"Bearer {TOKEN}".encode()),
        (b"content-type", b"application/json"),
    ]
    path = "/v1/audio/speech"
    scope = {"type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST"}
    scope |= {"scheme": "http", "path": path, "raw_path": path.encode(), "query_string": b""}
    scope |= {"root_path": "", "headers": headers, "server": ("127.0.0.1", 8000), "client": ("127.0.0.1", 1)}
    messages = iter([{"type": "http.request", "body": body.read(), "more_body": False}])

    async def receive() -> dict[str, object]:
        if (message := next(messages, None)) is not None:
            return message
        await asyncio.Event().wait()
        raise AssertionError

    application = door.application
    asking = asyncio.create_task(application(scope, receive, send))  # type: ignore[operator]
    async with asyncio.timeout(5.0):
        await started.wait()
    return asking


async def test_the_leases_of_the_door_are_background_work_of_no_call(door: OpenDoor) -> None:
    """As the manager sees them: no load, and behind all."""
    seen = []
    acquire = door.services.pool._manager.acquire

    async def noted(request: object) -> object:
        seen.append(request)
        return await acquire(request)  # type: ignore[arg-type]

    door.services.pool._manager.acquire = noted  # type: ignore[method-assign,assignment]
    await transcribed(door)
    await door.client.post("/v1/audio/speech", json=SAY)
    assert {request.kind for request in seen} == set(WorkKind)  # type: ignore[attr-defined]
    for request in seen:
        assert (request.priority, request.is_ahead, request.session_id) == (  # type: ignore[attr-defined]
            Priority.BACKGROUND,
            True,
            None,
        )
