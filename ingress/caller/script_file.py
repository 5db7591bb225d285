"""A script in a YAML file: what a caller does, what the return leg does, and what is to come of it.

```yaml
speech: {tts: hibari, language: en}     # the callers' voice
caller:
  - say: Good morning. I would like a table for two.
    expect: which day                   # words of the answer
  - press: 12#
  - pause_s: 5
return:
  joins_after: 2                        # turns of the caller
  steps:
    - say: Yes, of course.
expect:
  result: ended
  variables: {DOOR: open}
```
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from actors.errors import ConfigurationError

MAXIMUM_STEPS = 100
MAXIMUM_FILE_BYTES = 1024 * 1024
LONGEST_PAUSE_S = 600.0


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class ScriptStep(_Part):
    """One thing that a caller does: exactly one of the first four."""

    say: str | None = Field(default=None, min_length=1)
    play: str | None = None
    """A WAV file; a relative path is one from the script's folder."""
    press: str | None = Field(default=None, pattern=r"^[0-9*#A-D]{1,64}$")
    pause_s: float | None = Field(default=None, ge=0.0, le=LONGEST_PAUSE_S)
    into_answer_s: float | None = Field(default=None, ge=0.0, le=LONGEST_PAUSE_S)
    """Not after the answer before, but so long after it has begun."""
    expect: str | None = None
    """Words that the answer contains, in any order."""

    @model_validator(mode="after")
    def _is_one_thing(self) -> ScriptStep:
        if sum(thing is not None for thing in (self.say, self.play, self.press, self.pause_s)) != 1:
            raise ValueError("a step has exactly one of say, play, press, pause_s")
        if self.pause_s is not None and (self.expect is not None or self.into_answer_s is not None):
            raise ValueError("a pause has neither expect nor into_answer_s")
        return self


class ScriptSpeech(_Part):
    """The callers' voice."""

    tts: str = "hibari"
    language: str = "en"
    voice: str | None = None


class ScriptReturn(_Part):
    """What the return leg does."""

    joins_after: int = Field(default=0, ge=0, le=MAXIMUM_STEPS)
    """Turns of the caller."""
    steps: tuple[ScriptStep, ...] = Field(default=(), max_length=MAXIMUM_STEPS)


class ScriptExpectation(_Part):
    """What is to come of the call."""

    result: str | None = None
    """As in RAYMAL_RESULT."""
    target: str | None = None
    reason: str | None = None
    variables: dict[str, str] = Field(default_factory=dict)


class ScriptFile(_Part):
    """The whole file."""

    speech: ScriptSpeech = ScriptSpeech()
    caller: tuple[ScriptStep, ...] = Field(min_length=1, max_length=MAXIMUM_STEPS)
    return_leg: ScriptReturn | None = Field(default=None, alias="return")
    expect: ScriptExpectation = ScriptExpectation()


def read_script(file: Path) -> ScriptFile:
    """Return a script from its file. Raises ConfigurationError, a line for each mistake."""
    try:
        if file.stat().st_size > MAXIMUM_FILE_BYTES:
            raise ConfigurationError(f"{file}: a script has {MAXIMUM_FILE_BYTES} bytes at most")
        data: Any = yaml.safe_load(file.read_text("utf-8"))
    except OSError as error:
        raise ConfigurationError(f"{file}: cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{file}: is not UTF-8: byte {error.start}") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f":{mark.line + 1}:{mark.column + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "is no YAML"
        raise ConfigurationError(f"{file}{where}: {problem}") from error
    try:
        return ScriptFile.model_validate(data)
    except ValidationError as error:
        lines = (f"{file}: {_where(one['loc'])}{one['msg']}" for one in error.errors())
        raise ConfigurationError("\n".join(lines)) from None


def _where(location: tuple[int | str, ...]) -> str:
    """Return `caller, step 2, say: `; nothing for the whole file."""
    names = [f"step {part + 1}" if isinstance(part, int) else str(part) for part in location]
    return f"{', '.join(names)}: " if names else ""
