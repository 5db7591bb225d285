"""Scripts in files: read whole, with a line for each mistake."""

from __future__ import annotations

from pathlib import Path

import pytest

from actors.errors import ConfigurationError
from ingress.caller.script_file import read_script

WHOLE = """
speech: {tts: kokoro, language: pt, voice: pf_dora}
caller:
  - say: Bom dia.
    expect: quem
  - press: 12#
    into_answer_s: 0.5
  - pause_s: 5
return:
  joins_after: 1
  steps:
    - say: Sim, pode abrir.
expect:
  result: ended
  variables: {DOOR: open}
"""


def test_a_whole_script(tmp_path: Path) -> None:
    """Both legs, and what is expected."""
    file = tmp_path / "visit.yaml"
    file.write_text(WHOLE)
    script = read_script(file)
    assert [step.say or step.press for step in script.caller] == ["Bom dia.", "12#", None]
    assert script.return_leg is not None
    assert (script.return_leg.joins_after, len(script.return_leg.steps)) == (1, 1)
    assert script.expect.variables == {"DOOR": "open"}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("caller: [", r"visit.yaml:1:10: "),
        ("- say: hello", "valid dictionary"),
        ("caller: []", "caller: .*at least 1"),
        ("caller: [{say: hello, press: '1'}]", "caller, step 1: .*exactly one of"),
        ("caller: [{}]", "caller, step 1: .*exactly one of"),
        ("caller: [{pause_s: 1, expect: hello}]", "a pause has neither"),
        ("caller: [{press: 1x}]", "caller, step 1, press: "),
        ("caller: [{say: hello}]\nreturns: {}", "returns: Extra inputs"),
        ("caller: [{say: hello}]\nreturn: {joins_after: -1}", "return, joins_after: "),
    ],
)
def test_mistakes_are_named(tmp_path: Path, text: str, why: str) -> None:
    """Where, and what is wrong."""
    file = tmp_path / "visit.yaml"
    file.write_text(text)
    with pytest.raises(ConfigurationError, match=why):
        read_script(file)


def test_a_script_that_is_not_there(tmp_path: Path) -> None:
    """The error names the file and the reason; so does that of one that is no text, or too large."""
    with pytest.raises(ConfigurationError, match="cannot be read: No such file"):
        read_script(tmp_path / "none.yaml")
    file = tmp_path / "bytes.yaml"
    file.write_bytes(b"caller: \xff")
    with pytest.raises(ConfigurationError, match="is not UTF-8"):
        read_script(file)
    file.write_bytes(b"#" * 1_100_000)
    with pytest.raises(ConfigurationError, match="bytes at most"):
        read_script(file)
