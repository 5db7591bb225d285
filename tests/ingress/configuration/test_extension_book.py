"""The set of extensions: changes make a new version, or are refused whole with all reasons."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st
from recorded_pool import extension

from actors.errors import ConfigurationError
from actors.messages import Priority
from ingress.configuration.extension_book import ExtensionBook
from ingress.configuration.extensions import Extension
from ingress.configuration.settings import DialogSettings, Settings
from ingress.link.framing import encode
from ingress.link.messages import ExtensionsChanged
from ingress.server.checking import extension_book

SILENT = DialogSettings(name="tone")
SALES = extension("sales").model_copy(update={"port": 9100})


def book(**settings: object) -> ExtensionBook:
    """Return a server's first book."""
    return extension_book(Settings.model_validate(settings))


def changed(before: ExtensionBook, *extensions: Extension) -> ExtensionBook:
    """Return the next book, with the server's own port and these."""
    newer = {each.name: each for each in (before.extensions["default"], *extensions)}
    return before.updated(before.model_copy(update={"extensions": newer}))[0]


def test_each_change_is_a_new_version() -> None:
    """The books before it stay as they were."""
    first = book()
    added = changed(first, SALES)
    urgent = SALES.model_copy(update={"priority": Priority.HIGH})
    newer = changed(added, urgent)
    removed = changed(newer)
    assert [each.version for each in (first, added, newer, removed)] == [1, 2, 3, 4]
    assert (added.extensions["sales"], newer.extensions["sales"]) == (SALES, urgent)
    assert first.extensions == removed.extensions
    assert list(added.extensions) == ["default", "sales"]


def test_a_change_that_cannot_be_is_refused_with_all_reasons() -> None:
    """Names and ports."""
    with pytest.raises(ConfigurationError) as caught:
        changed(book(), SALES, SALES.model_copy(update={"name": "a=b", "port": 9092}))
    assert str(caught.value).splitlines() == [
        "extensions.'a=b': an extension's name is made of letters, digits, '_', '.' and '-', 64 at most, "
        "and does not begin with '.' or '-'",
        "extensions.a=b.port = 9092: the same as server.port; every extension has a port of its own",
    ]


def test_a_newer_configuration_holds_but_for_the_servers_own_port() -> None:
    """Extensions come, change and go; the same again is no change."""
    ports = {"sales": {"port": 9100}, "night": {"port": 9101}}
    running = book(extensions=ports)
    newer = book(
        server={"port": 9999},
        extensions={"sales": {"port": 9200, "language": "es"}, "day": {"port": 9102}},
    )
    updated, waiting = running.updated(newer)
    assert waiting == ["server.port has changed"]
    assert (updated.version, updated.extensions["sales"].language) == (2, "es")
    assert {name: each.port for name, each in updated.extensions.items()} == {
        "default": 9092,
        "sales": 9200,
        "day": 9102,
    }
    assert running.updated(book(extensions=ports)) == (running, [])


def test_a_server_without_speech_workers_gets_no_dialog_that_needs_them() -> None:
    """Its gateway has none, and they start with the server."""
    silent = book(dialog={"name": "tone"})
    assert not silent.has_speech_workers
    changed(silent, extension("quiet", dialog=SILENT))
    with pytest.raises(ConfigurationError, match=r"sales\.dialog\.name: echo needs speech workers"):
        changed(silent, SALES)
    with pytest.raises(ConfigurationError, match=r"^dialog\.name: echo needs speech workers"):
        silent.updated(book())
    silenced, _ = book().updated(silent)
    assert silenced.updated(book())[0].extensions == book().extensions


@pytest.mark.parametrize(
    ("extensions", "expected"),
    [
        ({"a": {"port": 9092}}, r"extensions\.a\.port = 9092: the same as server\.port"),
        ({"a": {"port": 7}, "b": {"port": 7}}, r"extensions\.b\.port = 7: the same as extensions\.a\.port"),
        (
            {"a": {"port": 7, "return_port": 7}},
            r"extensions\.a\.return_port = 7: the same as extensions\.a\.port",
        ),
        (
            {"a": {"port": 7, "return_port": 8}, "b": {"port": 8}},
            r"extensions\.b\.port = 8: the same as extensions\.a\.return_port",
        ),
        (
            {"a": {"port": "shared", "return_port": 7}},
            r"extensions\.a\.return_port: needs a port for callers",
        ),
        ({"default": {"port": 7}}, r"'default': this is the name of the server's own port"),
        ({"": {"port": 7}}, r"extensions\.'': an extension's name is made of letters, digits"),
        ({"..": {"port": 7}}, r"extensions\.'\.\.': .*does not begin with"),
        (
            {"a": {"port": 7, "dialog": {"name": "eco"}}},
            r"extensions\.a\.dialog\.name: unknown dialog 'eco'; choose one of echo",
        ),
    ],
)
def test_settings_that_make_no_book_are_refused(extensions: dict[str, object], expected: str) -> None:
    """With the setting and the remedy."""
    with pytest.raises(ConfigurationError, match=expected):
        book(extensions=extensions)


def test_all_mistakes_of_the_settings_are_listed_once() -> None:
    """The server's own dialog is not repeated for those that share it."""
    with pytest.raises(ConfigurationError) as caught:
        book(dialog={"name": "eco"}, extensions={"a=b": {"port": 7}, "c": {"port": 7}, "d": {"port": 0}})
    reasons = str(caught.value).splitlines()
    assert [reason.partition(":")[0] for reason in reasons] == [
        "dialog.name",
        "extensions.'a=b'",
        "extensions.c.port = 7",
    ]


def test_several_extensions_may_leave_their_port_to_the_system() -> None:
    """Port 0 is no port."""
    assert len(book(extensions={"a": {"port": 0}, "b": {"port": 0}}).extensions) == 3


def test_what_is_too_long_for_one_message_is_refused() -> None:
    """A media worker gets an extension in one piece."""
    with pytest.raises(ConfigurationError, match=r"extensions\.a: its settings are longer than 65536 bytes"):
        book(extensions={"a": {"port": 7, "busy": "x" * 70_000}})
    with pytest.raises(ConfigurationError, match="longer than 65536 bytes"):
        book(extensions={"a": {"port": 7, "busy": "電" * 30_000}})


def test_what_each_has_from_the_server_is_counted() -> None:
    """The gateway gets all extensions in one message."""
    many = {str(number): {"port": 0} for number in range(120)}
    with pytest.raises(ConfigurationError, match=r"extensions: 121 with 6\d* bytes of settings"):
        book(extensions=many, dialog={"greeting": "x" * 50_000})
    assert encode(
        ExtensionsChanged(book=book(extensions=many, dialog={"greeting": "x" * 30_000}), problems={})
    )


NAMES = st.sampled_from(["a", "b", "c", "default", "no name"])
CHOSEN = st.fixed_dictionaries(
    {
        "port": st.sampled_from(["auto", "shared", 0, 9092, 9100, 9101, 9102]),
        "return_port": st.sampled_from([None, None, "auto", 9101, 9103]),
        "language": st.sampled_from(["en", "es"]),
    }
)


@limits(max_examples=40)
@given(st.lists(st.dictionaries(NAMES, CHOSEN, max_size=4), max_size=8))
def test_any_changes_leave_a_book_that_can_be(configurations: list[dict[str, object]]) -> None:
    """Ports are unique, the version rises with each change and only so, and older books stay as they were."""
    present = book()
    calls: list[tuple[Extension, str]] = []  # a call of each extension that there was, and its settings
    for extensions in configurations:
        before = present
        try:
            newer, waiting = present.updated(book(extensions=extensions))
        except ConfigurationError:
            continue
        assert not waiting
        present = newer
        assert list(present.extensions) == ["default", *extensions]
        assert (present.version > before.version) == (present.extensions != before.extensions)
        both = [(each.port, each.return_port) for each in present.extensions.values()]
        ports = [port for pair in both for port in pair if port]
        assert len(ports) == len(set(ports))
        assert all(each.model_dump_json() == settings for each, settings in calls)
        calls += [(each, each.model_dump_json()) for each in present.extensions.values()]
