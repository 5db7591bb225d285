"""What is wrong with a flow: each mistake with its line and column, all at once."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from ingress.dialogs.flow.document import MAXIMUM_BYTES, FlowError
from ingress.dialogs.flow.reading import read_flow

GOOD = "languages: en\nsteps: {a: {say: Hi., end: done}}\n"


def mistakes(folder: Path, text: str | bytes) -> list[str]:
    """Return the mistakes of a flow, as `line:column: message`."""
    file = folder / "flow.yaml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    try:
        read_flow(file)
    except FlowError as error:
        return [line.removeprefix(f"{file}:") for line in str(error).split("\n")]
    return []


MANY = """\
languages: [en, pt, xx]
strat: a
slots:
  n: {kind: numbr}
  m: {kind: number, minimum: 5, maximum: 2, length: 4}
  n: {kind: text}
  d: {kind: digits}
  p: {kind: name, names: [Ann, {nam: Bob}, Ann], x: 1}
  1st: {kind: text}
steps:
  a:
    say: {pt: "oi {nn}"}
    next: bb
  b:
    ask: m
    say: hello
    retries: many
    retires: 3
    next: a
  c: {ask: n, transfer: "{m}", say: {pt: a, en: "b {"}}
  d: {say: {en: x, pt: y}}
  e: {branches: [{words: [x]}, {next: again}], say: {en: 1, pt: [a]}, listen: {end_silence_ms: 9}}
  f: {set: {lower: x}, end: , leg: both, next: a}
  g: {switch: s, next: again}
"""
EXPECTED = """\
1:21: a flow may have en, pt, es, fr, de, it; not 'xx'
2:1: unknown key 'strat'; did you mean 'start'?
4:13: unknown kind 'numbr'; did you mean 'number'?
5:3: the least (5) is more than the most (2)
5:45: 'length' is not for a slot of the kind number
6:3: 'n' is here twice; the first one is in line 4
7:3: 'length' is needed: one number, or the least and the most
8:32: 'name' is missing
8:44: 'Ann' is here twice; tell the two apart in their names
8:50: unknown key 'x'; known here: days, file, kind, length, maximum, minimum, names
9:3: '1st' is no name: letters, digits and _, 64 at most, and not 'again' or 'back'
12:10: 'en' is missing here
12:15: {nn}: there is no slot 'nn'; did you mean 'n'?
13:11: there is no step 'bb' to go to here; did you mean 'b'?
16:10: a table by language is needed: en, pt
17:14: a number from 0 to 20 is needed
18:5: unknown key 'retires'; did you mean 'retries'?
20:3: 'ask' and 'transfer' cannot be in one step: make two of it
20:3: 'next' is missing: this leads nowhere
20:49: a brace without a name: write {slot}, or {{ and }} for braces
21:3: 'next' is missing: this leads nowhere
22:18: 'next' is missing: this leads nowhere
22:26: words by language are needed, or one of goodbye, help, operator, repeat
22:32: a branch needs 'words' or 'keys'
22:65: a text is needed, not a list
22:96: a number from 100 to 5000 is needed
23:13: 'lower' is no variable: capital letters, digits and _, 32 at most
23:36: unknown leg 'both'; known here: caller, return
23:42: 'next' is not for a step with 'end'
24:3: 'cases' is missing: values of the slot, and the step for each
24:15: there is no slot 's'; known here: 1st, d, m, n, p
24:24: there is no step 'again' to go to here; known here: a, b, back, c, d, e, f, g
"""


def test_all_mistakes_are_named_at_once(tmp_path: Path) -> None:
    """With the remedy, or the name that was meant."""
    assert "\n".join(mistakes(tmp_path, MANY)) + "\n" == EXPECTED


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "1:1: there is nothing in this file"),
        ("languages: [en\n", "2:1: this is no YAML: while parsing a flow sequence did not find"),
        ("a: b: c", "1:5: this is no YAML: mapping values are not allowed in this context"),
        (b"languages: en\nx: \xff\n", "2:1: this is not UTF-8; save the file so"),
        ("languages: en\n\x07", "1:1: this is no YAML: "),
        ("[" * 100_000, "1:17: nested more than 16 levels deep"),
        ("a: &a [*a]\n", "1:4: nested more than 16 levels deep"),
        ("- x\n", "1:1: a table is needed at the top of the file, not a list"),
        ("? [a, b]\n: c\n", "1:3: a key has to be a text"),
        ("languages: en\nsteps: {}\n", "2:8: a flow has at least one step"),
        ("steps: {a: {end: x}}\n", "1:1: 'languages' is missing"),
        ("languages: []\nsteps: {a: {end: x}}\n", "1:12: name at least one language"),
        (f"{GOOD}start: b\n", "3:8: unknown step 'b'; "),
        (f"{GOOD}failed: again\n", "3:9: there is no step 'again' to go to here; "),
        (
            "languages: en\nsteps: {a: {say: x, next: b}, b: {say: y, next: c}, c: {say: z, next: b}}\n",
            "2:31: a loop in which nothing is asked: b → c → b; ask something, or end it",
        ),
        (
            "languages: en\nsteps: {a: {end: x}, b: {end: y}}\n",
            "2:22: no way leads to step 'b': remove it, or lead to it",
        ),
        (
            "languages: en\nslots: {n: {kind: number}}\n"
            "steps: {a: {ask: n, say: x, next: b}, b: {transfer: '{n}'}}\n",
            "3:53: {n}: a transfer goes to what a list says, {slot.field} of a slot of kind name, "
            "never to what a caller said",
        ),
        (
            "languages: en\nslots: {n: {kind: name, names: [{name: A, nr: '1'}, B]}}\n"
            "steps: {a: {ask: n, say: x, next: b}, b: {say: '{n.flat}', transfer: '{n.nr}'}}\n",
            "3:48: {n.flat}: no name of 'n' has it; known here: name, nr",
        ),
        (
            "languages: en\nslots: {n: {kind: name, names: [{name: A, nr: '1'}, B]}}\n"
            "steps: {a: {ask: n, say: x, next: b}, b: {transfer: '2{n.nr}'}}\n",
            "3:53: a transfer goes to letters, digits and _+*#.@-, 64 at most, not '2' (of 'B')",
        ),
        (
            "languages: en\nsteps: {a: {play: ../x.wav, end: x}}\n",
            "2:19: a path below dialog.audio_folder is needed",
        ),
        (
            "languages: en\nsteps: {a: {transfer: 'SIP/200'}}\n",
            "2:23: a transfer goes to letters, digits and _+*#.@-, 64 at most, not 'SIP/200'",
        ),
        (
            f"languages: en\nsteps: {{a: {{set: {{{', '.join(f'V{n}: x' for n in range(17))}}}, end: x}}}}\n",
            "2:9: more than 16 variables in one flow",
        ),
        (
            f"{GOOD}slots: {{{', '.join(f's{n}: {{kind: value}}' for n in range(51))}}}\n",
            "3:8: 51 slots; 50 at most: they travel with the call",
        ),
        (
            f"{GOOD}anywhere: [{{words: [{', '.join(['x'] * 201)}], next: a}}]\n",
            "3:20: 201 phrases; 200 at most",
        ),
        (
            "languages: en\nslots: {n: {kind: yes_no}}\n"
            "steps: {a: {switch: n, cases: {maybe: b}}, b: {end: x}}\n",
            "3:39: slot 'n' is never 'maybe'; known here: no, yes",
        ),
        ("languages: en\nsteps:\n\ta: {end: x}\n", "; there is a tab in this line: YAML is indented with"),
        ('languages: en\nsteps: {a: {say: "x\\e[1m", end: y}}', "2:18: a control character is in this text"),
        ("languages: en\nslots:\nsteps: {a: {end: x}}", "2:7: a table is needed here, not nothing"),
        (f"{GOOD}slots: {{n: {{kind: name, names: []}}}}\n", "3:9: there is no name in this list"),
        (f"{GOOD}slots: {{n: {{kind: text}}}}\n", "3:9: nothing asks for slot 'n', nor stores it: remove it"),
        (f"{GOOD}anywhere: [{{words: '...', next: a}}]", "3:12: '...' has no words"),
        (
            f"{GOOD}anywhere: [{{words: [two, x], next: a}}, {{words: '2', next: a}}]",
            "3:40: '2' is said for another branch too: neither is taken",
        ),
        (
            f"{GOOD}anywhere: [{{keys: '1', next: a}}, {{keys: ['2', '1'], next: a}}]",
            "3:34: keys '1' are those of another branch too",
        ),
        (
            "languages: en\nsteps: {a: {say: x, branches: {keys: '12', next: b}}, b: {end: x}}\n",
            "2:31: keys '12' come one by one here: write one key, or 'keys' with a count",
        ),
        (
            "languages: en\nslots: {n: {kind: number, maximum: 9}}\n"
            "steps: {a: {ask: n, say: x, next: b}, b: {switch: n, cases: {'10': c}}, c: {end: x}}\n",
            "3:68: slot 'n' is never '10'; it is a number from 0 to 9",
        ),
        (
            "languages: en\nslots: {n: {kind: yes_no}}\n"
            "steps: {a: {ask: n, say: x, next: b}, b: {switch: n, cases: {'yes': c}}, c: {end: x}}\n",
            "3:51: 'next' is missing: where any other value leads",
        ),
        (
            "languages: en\nsteps: {a: {wait_for: return, next: a}}\n",
            "2:9: a loop in which nothing is asked: a → a",
        ),
        ("languages: en\nsteps: {a: {say: x, next: back}}\n", "2:9: a loop in which nothing is asked: a → a"),
        (
            "languages: en\nleft: a\nslots: {n: {kind: yes_no}}\n"
            "steps: {a: {leg: return, ask: n, say: x, next: b}, b: {end: x}}\n",
            "4:9: a loop in which nothing is asked: a → a",
        ),
        (
            "languages: en\nslots: {n: {kind: number}}\n"
            "steps: {a: {ask: n, say: x, next: {yes: b}}, b: {end: x}}\n",
            "3:9: 'next' by yes and no: slot 'n' is a number",
        ),
        (
            "languages: en\nslots: {n: {kind: name, file: nobody.yaml}}\n"
            "steps: {a: {ask: n, say: x, next: b}, b: {end: x}}\n",
            "there is no such file",
        ),
    ],
)  # fmt: skip
def test_a_mistake_has_its_place(tmp_path: Path, text: str | bytes, expected: str) -> None:
    """Of YAML, and of what a flow means by it."""
    found = mistakes(tmp_path, text)
    assert any(expected in line for line in found), found


def test_many_aliases_are_not_expanded_without_end(tmp_path: Path) -> None:
    """Ten levels of ten are ten thousand million."""
    levels = ["a0: &a0 x", *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10))]
    found = mistakes(tmp_path, "\n".join(levels))
    assert found[-1].endswith("more than 50000 values, those of aliases counted each time")


def test_of_very_many_mistakes_the_first_are_named(tmp_path: Path) -> None:
    """A long file with a mistake in each step is checked quickly."""
    steps = "".join(f"  step{n}: {{say: Hi., next: stop{n}}}\n" for n in range(3_000))
    began_s = time.process_time()
    found = mistakes(tmp_path, f"languages: en\nsteps:\n{steps}")
    assert time.process_time() - began_s < 20.0
    assert len(found) == 101
    assert "these are 100 mistakes: no more were looked for" in found[-1] + found[-2]


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda path: path.write_bytes(b"#" * (MAXIMUM_BYTES + 1)), "longer than 1048576 bytes"),
        (lambda path: path.mkdir(), "cannot be read: Is a directory"),
        (lambda path: None, "there is no such file (from "),
        (lambda path: path.symlink_to("/dev/zero"), "this is no regular file"),
    ],
)
def test_a_file_that_cannot_be_read(tmp_path: Path, make: object, expected: str) -> None:
    """Says why; a device without an end is not read."""
    path = tmp_path / "flow.yaml"
    make(path)  # type: ignore[operator]
    with pytest.raises(FlowError) as caught:
        read_flow(path)
    assert expected in str(caught.value)


def test_a_name_list_of_its_own_file_counts_to_the_flow(tmp_path: Path) -> None:
    """Its mistakes have their own place; a change of it is a change of the flow."""
    flow = tmp_path / "flow.yaml"
    names = tmp_path / "names.yaml"
    flow.write_text(
        "languages: en\nslots: {n: {kind: name, file: names.yaml}}\n"
        "steps: {a: {ask: n, say: x, next: b}, b: {end: x}}\n"
    )
    names.write_text("- {name: Ann, aliases: [Annie], keys: '1'}\n- Bob\n")
    before = read_flow(flow)
    assert list(before.slots["n"].entries) == ["Ann", "Bob"]
    names.write_text("- {name: Ann, keys: '1'}\n- {name: Bob, keys: '1'}\n")
    with pytest.raises(FlowError) as caught:
        read_flow(flow)
    assert str(caught.value) == f"{names}:2:3: keys '1' are those of 'Ann' already"
    names.write_text("[Ann]")
    assert read_flow(flow).digest != before.digest
