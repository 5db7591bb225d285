"""The endpoint: one request, its answer as it is generated, each step within a deadline.

OpenAI's own client sends, reads the stream and closes the connection, also when the reader is cancelled: the
endpoint then stops generating. It is imported when a call begins.

| what happens | then |
|---|---|
| 429 or 503 with a `Retry-After` that ends before the deadline | asked again then, twice at most |
| no connection, 500, 502, 503, 504 | asked again once, after a short wait |
| any other status, no first word in time, a pause, a cut or a stream that is none | EndpointError |

An EndpointError names kind and status, never the endpoint's words: they may quote a key or the caller.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from actors.errors import ConfigurationError, DialogError
from ingress.dialogs.http_clients import log_no_requests
from ingress.dialogs.llm.conversation import Message
from ingress.dialogs.llm.settings import OPENAI_HOST, LlmSettings
from ingress.dialogs.llm.thoughts import ThoughtFilter
from ingress.dialogs.llm.tools import ToolCall

if TYPE_CHECKING:
    import openai

RETRY_WAIT_S = 0.2
MOST_RETRIES = 2
END_DEADLINE_S = 0.3
"""From an answer's last piece to the end of its stream, where the number of tokens may still come."""
MOST_TOOL_CALLS = 8
"""In one answer; more are an error of the endpoint."""
MAXIMUM_ARGUMENT_CHARACTERS = 16_384
HINTS = {
    400: ": it refuses the request",
    401: ": it refuses the key",
    403: ": it refuses the key, or the model for this key",
    404: ": it has no such model, or base_url is another program's",
    429: ": too many requests, or no money left",
}
"""What the status of an endpoint means."""
NO_KEY = "none"
"""For an endpoint that needs none: the client has to have one."""
CHARACTERS_OF_A_TOKEN = 4
"""In the mean, for an endpoint that does not count."""


class EndpointError(DialogError):
    """The endpoint did not answer, or not to the end."""


@dataclass(frozen=True, slots=True)
class Finished:
    """The answer is whole."""

    was_too_long: bool
    """It reached its maximum of tokens."""
    tokens: int
    """Read and written, as the endpoint counts; else an estimate."""


Piece = str | ToolCall | Finished


class Endpoint:
    """Requests of one dialog. Close it when it is no longer used."""

    def __init__(self, settings: LlmSettings, key: str | None) -> None:
        """Raises ConfigurationError if the client is not installed."""
        if find_spec("openai") is None:
            raise ConfigurationError(
                "dialog.llm: language models need raymal's extra `llm`, which is not installed: "
                "pip install openai"
            )
        log_no_requests()
        self._settings = settings
        self._key = key
        self._client: openai.AsyncOpenAI | None = None

    async def answer(
        self, messages: Sequence[Message], tools: Sequence[Message], may_use_tools: bool
    ) -> AsyncGenerator[Piece, None]:
        """Yield words as they come, then the tool calls, and at the end `Finished`. Raises EndpointError."""
        loop = asyncio.get_running_loop()
        client = await self._opened_client()
        deadline_s = loop.time() + self._settings.first_token_deadline_s
        request = self._request(messages, tools, may_use_tools)
        stream = await self._opened(client, request, deadline_s)
        thoughts, calls = ThoughtFilter(), ToolCalls()
        finish: str | None = None
        tokens: int | None = None
        written = 0
        async with stream:
            while True:
                has_begun = written + calls.characters > 0
                # From now: the reader may have been speaking since the last piece.
                if finish is not None:
                    deadline_s = loop.time() + END_DEADLINE_S
                elif has_begun:
                    deadline_s = loop.time() + self._settings.stall_deadline_s
                try:
                    chunk = await self._next(stream, deadline_s, has_begun)
                except EndpointError:
                    if finish is None:
                        raise
                    break  # the answer is whole; only the stream's own end is missing
                if chunk is None:
                    break
                try:
                    delta, reason, counted = _parts(chunk)
                    words = thoughts.feed(_text(delta))
                    calls.feed(delta)
                except (AttributeError, TypeError, ValueError, KeyError, IndexError):
                    raise EndpointError("the endpoint sent what is no chat completion") from None
                finish, tokens = reason or finish, counted or tokens
                written += len(words)
                if words:
                    yield words
        if finish is None:
            raise EndpointError(
                "the endpoint's answer broke off" if written else "the endpoint answered nothing"
            )
        for call in calls.whole():
            yield call
        if tokens is None:
            read = sum(len(str(message.get("content"))) for message in messages)
            tokens = (read + written + calls.characters) // CHARACTERS_OF_A_TOKEN
        yield Finished(was_too_long=finish == "length", tokens=tokens)

    async def prepare(self) -> None:
        """Make the client, so that the first answer need not wait for it."""
        await self._opened_client()

    async def close(self) -> None:
        """Close the connections. Idempotent."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    def _request(
        self, messages: Sequence[Message], tools: Sequence[Message], may_use_tools: bool
    ) -> dict[str, Any]:
        chosen = self._settings
        request: dict[str, Any] = {"model": chosen.model, "messages": messages, "stream": True}
        # OpenAI's newer models refuse the older name, which others know alone.
        limit = "max_completion_tokens" if urlsplit(chosen.base_url).hostname == OPENAI_HOST else "max_tokens"
        request[limit] = chosen.maximum_tokens
        if chosen.temperature is not None:
            request["temperature"] = chosen.temperature
        if chosen.maximum_call_tokens is not None:
            request["stream_options"] = {"include_usage": True}
        if tools:
            request |= {"tools": tools, "tool_choice": "auto" if may_use_tools else "none"}
        if chosen.extra_body:
            request["extra_body"] = chosen.extra_body
        return request

    async def _opened_client(self) -> openai.AsyncOpenAI:
        if self._client is None:
            # Importing takes half a second, in which other calls go on. Two turns may do it: one is kept.
            made = await asyncio.to_thread(self._new_client)
            self._client = self._client or made
        return self._client

    def _new_client(self) -> openai.AsyncOpenAI:
        import openai

        from ingress.dialogs.llm.limited_client import LimitedClient

        return openai.AsyncOpenAI(
            api_key=self._key or NO_KEY,
            base_url=self._settings.base_url,
            max_retries=0,
            http_client=LimitedClient(),
        )

    async def _opened(
        self, client: openai.AsyncOpenAI, request: dict[str, Any], deadline_s: float
    ) -> openai.AsyncStream[Any]:
        """Return the stream of an answer, asked for again where that helps."""
        import openai

        loop = asyncio.get_running_loop()
        for tries in range(MOST_RETRIES + 1):
            try:
                async with asyncio.timeout_at(deadline_s):
                    stream: openai.AsyncStream[Any] = await client.chat.completions.create(**request)
                    return stream
            except TimeoutError:
                raise self._too_late() from None
            except openai.APIStatusError as error:
                problem = f"the endpoint answered {error.status_code}{HINTS.get(error.status_code, '')}"
                wait_s = _wait_s(error.status_code, error.response.headers.get("retry-after"), tries)
            except (openai.OpenAIError, ValueError) as error:
                problem = f"the endpoint cannot be asked: {type(error.__cause__ or error).__name__}"
                wait_s = RETRY_WAIT_S if isinstance(error, openai.APIConnectionError) and tries == 0 else None
            if wait_s is None or tries == MOST_RETRIES or loop.time() + wait_s >= deadline_s:
                raise EndpointError(problem)
            await asyncio.sleep(wait_s)
        raise AssertionError("the last try returns or raises")

    async def _next(self, stream: openai.AsyncStream[Any], deadline_s: float, has_begun: bool) -> Any:
        """Return the next piece of a stream; None: it is over."""
        import openai

        try:
            async with asyncio.timeout_at(deadline_s):
                return await anext(stream, None)
        except TimeoutError:
            if not has_begun:
                raise self._too_late() from None
            pause_s = self._settings.stall_deadline_s
            raise EndpointError(f"the endpoint's answer stopped for {pause_s:g} s") from None
        except openai.APIConnectionError:
            raise EndpointError("the endpoint's answer broke off") from None
        except (openai.OpenAIError, ValueError, RecursionError):
            raise EndpointError("the endpoint sent an error, or what is no chat completion") from None

    def _too_late(self) -> EndpointError:
        return EndpointError(f"no word of the endpoint in {self._settings.first_token_deadline_s:g} s")


class ToolCalls:
    """The tool calls of an answer, put together from their pieces."""

    def __init__(self) -> None:
        self._calls: list[dict[str, Any]] = []
        self.characters = 0

    def feed(self, delta: Any) -> None:
        """Take the pieces of one delta. A new id or index begins a new call; some give no index.

        Raises EndpointError for more calls or characters than an answer may have.
        """
        for piece in (delta.tool_calls if delta is not None else None) or ():
            same = (call for call in reversed(self._calls) if call["index"] == piece.index)
            known = next(same, None)
            if known is None or (piece.id and known["id"] and piece.id != known["id"]):
                known = {"index": piece.index, "id": "", "name": "", "arguments": ""}
                self._calls.append(known)
            known["id"] = known["id"] or piece.id or ""
            known["name"] += piece.function.name or ""
            known["arguments"] += piece.function.arguments or ""
            self.characters = sum(len(call["name"]) + len(call["arguments"]) for call in self._calls)
        if self.characters > MAXIMUM_ARGUMENT_CHARACTERS or len(self._calls) > MOST_TOOL_CALLS:
            raise EndpointError("the model asks for too many tools at once, or with too long arguments")

    def whole(self) -> Iterator[ToolCall]:
        """Yield them, each with an id."""
        for number, call in enumerate(self._calls):
            yield ToolCall(call["id"] or f"call_{number}", call["name"], call["arguments"])


def _parts(chunk: Any) -> tuple[Any, str | None, int | None]:
    """Return delta, reason of the end and number of tokens of a piece; each may be missing."""
    usage = chunk.usage
    tokens = None if usage is None else max(0, int(usage.total_tokens))
    if not chunk.choices:
        return None, None, tokens
    choice = chunk.choices[0]
    return choice.delta, choice.finish_reason, tokens


def _text(delta: Any) -> str:
    text = "" if delta is None else delta.content or ""
    if not isinstance(text, str):
        raise TypeError("content is no text")
    return text


def _wait_s(status: int, retry_after: str | None, tries: int) -> float | None:
    """Return how long to wait before another try; None: it would not help."""
    if status in (429, 503) and retry_after is not None:
        try:
            return max(0.0, float(retry_after))
        except ValueError:  # a date: so far away that it does not matter here
            return None
    return RETRY_WAIT_S if status in (500, 502, 503, 504) and tries == 0 else None
