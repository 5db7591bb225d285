"""Scripts in files: read whole, with a line for each mistake."""

from __future__ import annotations

import re
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
        ("caller:\n\t- say: hello", r"visit.yaml:2:1: "),
        ("caller: [{say: 2026-13-40}]", "is no YAML that can be read"),
        ("[" * 2_000, "is no YAML that can be read"),
        ("", "visit.yaml:1: has to be keys with values"),
        ("- say: hello", "visit.yaml:1: has to be keys with values"),
        ("caller: []", "visit.yaml:1: caller: has no steps"),
        (
            "caller:\n- say: hello\n- say: hello\n  press: '1'",
            "visit.yaml:3: caller, step 2: a step has exactly",
        ),
        ("caller: [{}]", "caller, step 1: a step has exactly one of"),
        ("caller:\n- hello", "visit.yaml:2: caller, step 1: has to be keys with values$"),
        ("caller:\n- {pause_s: 1, expect: hello}", "visit.yaml:2: .*a pause has neither"),
        ("caller:\n- pause_s: 1\n  interrupts: true", "visit.yaml:2: .*a pause has neither"),
        ("caller:\n- say: hi\n- press: 1x", "visit.yaml:3: caller, step 2, press: "),
        ("caller:\n- press: 1", "visit.yaml:2: caller, step 1, press: has to be a text: put it in quotes$"),
        (
            "caller:\n- say: hi\n  expects: hello",
            "visit.yaml:3: caller, step 1, expects: there is no such key",
        ),
        ("caller: [{say: hello}]\nreturns: {}", "visit.yaml:2: returns: there is no such key"),
        ("caller: [{say: hello}]\nreturn:\n  joins_after: -1", "visit.yaml:3: return, joins_after: "),
        ("caller: [{say: hello}]\nexpect: {variables: {DOOR: 1}}", "visit.yaml:2: expect, variables, DOOR: "),
    ],
)
def test_mistakes_are_named(tmp_path: Path, text: str, why: str) -> None:
    """Where, and what is wrong."""
    file = tmp_path / "visit.yaml"
    file.write_text(text)
    with pytest.raises(ConfigurationError, match=f"^{re.escape(str(tmp_path))}.*{why}"):
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
