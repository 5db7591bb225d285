"""Settings of the language-model dialog, `[dialog.llm]`."""

from __future__ import annotations

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, JsonValue, model_validator

from actors.settings import PositiveSeconds, Section
from ingress.dialogs.http_clients import check_encryption
from ingress.dialogs.lookups import LookupSettings

OPENAI_HOST = "api.openai.com"
FUNCTION_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")
"""What all endpoints take."""
OWN_TOOLS = ("end_call", "transfer", "set_variable")


def _base_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("write http://HOST:PORT/v1 or https://HOST/v1")
    if parts.username is not None:
        raise ValueError("no key in an address: name its file as api_key_file")
    return url


BaseUrl = Annotated[str, AfterValidator(_base_url)]
Target = Annotated[str, Field(pattern=r"^[A-Za-z0-9_+*#.@-]{1,64}$")]
VariableName = Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]{0,31}$")]


class LlmSettings(Section):
    """A language model answers the caller."""

    model: str = Field(min_length=1)
    """The model's name, as the endpoint knows it."""
    base_url: BaseUrl = f"https://{OPENAI_HOST}/v1"
    """Of an OpenAI-compatible endpoint: vLLM, llama.cpp, Ollama, a provider's."""
    allow_http: bool = False
    """Whether `http://` may lead to another machine: words and key then travel unencrypted."""
    api_key_file: str | None = None
    """Holds the endpoint's key, readable by its owner alone. Environment: OPENAI_API_KEY, the key itself,
    which wins. It is sent to OpenAI and to this machine alone: another endpoint needs the file."""
    prompt_file: str | None = None
    """What the model is to be and to know; placeholders in docs/llm.md. Unset: a short prompt of raymal's."""
    temperature: float | None = Field(default=None, ge=0.0, le=2.0)
    """Unset: the endpoint's own."""
    maximum_tokens: int = Field(default=300, ge=1, le=100_000)
    """Of one answer; then it ends with its last whole sentence."""
    maximum_turns: int = Field(default=50, ge=1, le=10_000)
    """Answers of the model in one call; then the call ends politely."""
    maximum_call_tokens: int | None = Field(default=None, ge=1)
    """Read and written by the model in one call; then it ends politely. Unset: no limit."""
    maximum_history_characters: int = Field(default=8_000, ge=200, le=1_000_000)
    """Of what was said, that the model gets; the oldest is left out first."""
    extra_body: dict[str, JsonValue] = Field(default_factory=dict)
    """Sent with each request, for what an endpoint takes besides: `{reasoning_effort = "low"}`."""
    first_token_deadline_s: PositiveSeconds = 6.0
    """Until the first word or tool call of an answer, with waiting for another try."""
    stall_deadline_s: PositiveSeconds = 4.0
    """Between two pieces of an answer."""
    filler_after_s: float = Field(default=1.2, ge=0.0, le=60.0)
    """When nothing has been said for so long, the filler is. 0: never."""
    filler: str | None = None
    """Unset: "One moment, please.", in the call's language; empty: none."""
    failure: str | None = None
    """Said when the endpoint fails. Unset: the language's own."""
    failures_allowed: int = Field(default=1, ge=0, le=100)
    """In a row; each is answered with a request to say it again. One more ends the call, or transfers it."""
    fallback_target: Target | None = None
    """Where the dialplan is to connect the caller then, and when a limit is reached. Unset: the call ends."""
    limit: str | None = None
    """Said when a limit of the call is reached. Unset: the language's own."""
    may_end_call: bool = True
    """Whether the model may hang up (tool `end_call`)."""
    transfer_targets: dict[str, Target] = Field(default_factory=dict)
    """Where the model may transfer to (tool `transfer`): a name that it understands, and the target."""
    variables: dict[VariableName, str] = Field(default_factory=dict)
    """What the model may give the dialplan (tool `set_variable`): a name, and what it means."""
    lookups: dict[str, LookupSettings] = Field(default_factory=dict)
    """HTTP addresses that the model may ask: each is a tool with its name."""
    maximum_tool_rounds: int = Field(default=3, ge=0, le=20)
    """How often in one answer the model gets what its tools found; then it has to answer."""

    @model_validator(mode="after")
    def _check_encryption(self) -> LlmSettings:
        check_encryption(self.base_url, self.allow_http, "base_url")
        return self

    @model_validator(mode="after")
    def _tools(self) -> LlmSettings:
        for name in self.lookups:
            if not FUNCTION_NAME.fullmatch(name) or name in OWN_TOOLS:
                raise ValueError(
                    f"lookups.{name}: the name of a look-up has letters, digits and _, a letter first, "
                    f"and is none of {', '.join(OWN_TOOLS)}"
                )
        return self
