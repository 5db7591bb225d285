"""What runs now, as the web process knows it: the calls of all media workers."""

from __future__ import annotations

from ingress.link.link import Link
from ingress.link.live import LiveCall


class LiveModel:
    """Running calls by UUID, and the link of the media worker that has each."""

    def __init__(self) -> None:
        self._calls: dict[str, tuple[LiveCall, Link]] = {}

    @property
    def calls(self) -> list[LiveCall]:
        """All running calls, the oldest first."""
        return [call for call, _ in self._calls.values()]

    def find(self, call_id: str) -> tuple[LiveCall, Link] | None:
        """Return a running call and its media worker's link; None if there is no such call."""
        return self._calls.get(call_id)

    def seen(self, call: LiveCall, link: Link) -> None:
        """Take what a media worker reports of a call."""
        self._calls[call.call_id] = call, link

    def gone(self, call_id: str) -> None:
        """A call is over."""
        self._calls.pop(call_id, None)

    def worker_gone(self, link: Link) -> None:
        """A media worker's link broke: it sends all its calls again on the next."""
        self._calls = {call_id: entry for call_id, entry in self._calls.items() if entry[1] is not link}
