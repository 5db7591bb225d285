"""The media worker's end of the supervisor's channel: extensions that come, change and go, and their sockets.

One message for each turn of the loop: the audio clock never waits for more than one.
"""

from __future__ import annotations

import asyncio
import logging
import socket

from actors.errors import LinkError
from ingress.link.descriptor_passing import receive
from ingress.link.framing import Decoder
from ingress.link.messages import DrainWithin, ExtensionRemoved, ExtensionSet
from ingress.media.acceptor import describe
from ingress.media.calls import Calls

log = logging.getLogger(__name__)


class ExtensionFeed:
    """Has the calls follow the supervisor."""

    def __init__(self, channel: socket.socket, calls: Calls) -> None:
        self.drain_deadline_s = calls.settings.server.drain_deadline_s
        self._channel = channel
        self._served: set[str] = set()
        self._calls = calls

    def start(self) -> None:
        """Take messages from now on."""
        self._channel.setblocking(False)
        asyncio.get_running_loop().add_reader(self._channel, self.take_one)

    def close(self) -> None:
        """Take no more."""
        asyncio.get_running_loop().remove_reader(self._channel)
        self._channel.close()

    def take_waiting(self) -> None:
        """Take all that has come."""
        while self.take_one():
            pass

    def take_one(self) -> bool:
        """Take the next message, if one has come."""
        try:
            data, descriptors = receive(self._channel)
        except BlockingIOError:
            return False
        except OSError:
            data, descriptors = b"", []
        if not data:  # the supervisor is gone, and we are being stopped: the next one may have the ports
            asyncio.get_running_loop().remove_reader(self._channel)
            for name in self._served:
                self._calls.remove_extension(name)
            self._served.clear()
            return False
        sockets = [socket.socket(fileno=descriptor) for descriptor in descriptors]
        try:
            self._take(data, sockets)
        except (LinkError, OSError) as error:
            for unused in sockets:
                unused.close()
            log.error("a change of the extensions is lost: %s", error)
        return True

    def _take(self, data: bytes, sockets: list[socket.socket]) -> None:
        decoder = Decoder()
        decoder.feed(data)
        match decoder.next():
            case ExtensionSet(extension=extension, legs=legs):
                if len(legs or ()) != len(sockets):
                    raise LinkError(f"{len(sockets)} sockets came for extension {extension.name}")
                listeners = list(zip(legs or (), sockets, strict=True))
                for leg, listener in listeners:
                    listener.setblocking(False)
                    what = "calls" if leg == "caller" else "return legs"
                    log.info("taking %s on %s for extension %s", what, describe(listener), extension.name)
                self._calls.set_extension(extension, None if legs is None else listeners)
                self._served.add(extension.name)
            case ExtensionRemoved(name=name):
                log.info("extension %s takes no more calls", name)
                self._calls.remove_extension(name)
                self._served.discard(name)
            case DrainWithin(deadline_s=deadline_s):
                self.drain_deadline_s = deadline_s
            case message:
                raise LinkError(f"a supervisor does not send {type(message).__name__} to a media worker")
