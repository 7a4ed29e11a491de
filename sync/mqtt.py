# SPDX-License-Identifier: EUPL-1.2
"""The one MQTT connection of this process, and the only module that imports paho.

Driven by `turn` from one thread: no callback of paho does more than note what happened, and nothing runs behind the
caller's back. Each connection is a new paho client with a clean session, because what paho keeps in memory is neither
safe (it dies with the process) nor wanted (the window sends again by itself).
"""

from __future__ import annotations

import random
import select
import ssl
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from edge_core import logs
from edge_core.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

_log = logs.get(__name__)
_KEEPALIVE = 30
_CONNECT_SECONDS = 10.0
_GREETING_SECONDS = 3.0  # some brokers leave a greeting in MQTT 5 without any answer
_MAX_INBOUND = 65536  # acknowledgements, replies and pokes are small; what is larger is not for us
_MAX_WAITING = 10000
_BACKOFF, _BACKOFF_CAP, _MAX_DOUBLINGS = 1.0, 60.0, 10
_STEADY = 10.0  # a connection that lasted this long makes the next wait a short one


@dataclass(frozen=True, kw_only=True)
class Address:
    """Where a broker is, and how to prove who we are to each other."""

    host: str
    port: int
    tls: bool = False
    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None

    def context(self) -> ssl.SSLContext:
        """Return the TLS context (1.2 or later); raises ConfigurationError naming the file that can't be used."""
        try:
            context = ssl.create_default_context(cafile=str(self.ca) if self.ca else None)
            if self.certificate:
                context.load_cert_chain(self.certificate, self.key)
        except (OSError, ssl.SSLError) as error:
            files = ", ".join(str(part) for part in (self.ca, self.certificate, self.key) if part)
            raise ConfigurationError(
                f"The certificates for the broker can't be used ({error}): {files}.",
                remedy="Each must be a PEM file that this user may read; the key belongs to the certificate.",
            ) from error
        return context


def address_of(url: str, ca: Path | None = None, certificate: Path | None = None, key: Path | None = None) -> Address:
    """Return the broker's address in a URL mqtt://host:port or mqtts://host:port."""
    parts = urlsplit(url)
    tls = parts.scheme == "mqtts"
    port = parts.port or (8883 if tls else 1883)
    return Address(host=parts.hostname or "", port=port, tls=tls, ca=ca, certificate=certificate, key=key)


@dataclass(frozen=True)
class Message:
    """A message that was published or arrived."""

    topic: str
    payload: bytes
    retain: bool = False


@dataclass(frozen=True)
class Connected:
    """A new session stands, with its subscriptions asked for."""

    protocol: str


@dataclass(frozen=True)
class Disconnected:
    """The session is over."""


Notice = Connected | Disconnected | Message


class Link:
    """Keeps one connection to one broker, coming back with full jitter; MQTT 5 first, 3.1.1 where that is refused."""

    def __init__(
        self,
        address: Address,
        client_id: str,
        will: Message,
        topics: Sequence[str],
        *,
        newest: bool = True,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.connected = False
        self.unconfirmed = 0
        self.refused = 0
        self._address = address
        self._client_id = client_id
        self._will = will
        self._topics = [(topic, 1) for topic in topics]
        self._chance = chance
        self._notices: list[Notice] = []
        self._client: paho.Client | None = None
        self._opening: threading.Thread | None = None
        self._failure = ""
        self._v5 = newest
        self._greeted = False
        self._failures = 0
        self._due = 0.0
        self._began = 0.0

    def turn(self, timeout: float, now: float) -> list[Notice]:
        """Let the network work for up to `timeout` seconds; return what happened. `now` is a monotonic clock."""
        if self._client is None:
            self._wait_or_open(timeout, now)
        elif self._opening is not None:
            self._await_opening(timeout, now)
        else:
            self._work(timeout, now)
        notices, self._notices = self._notices, []
        return notices

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> bool:
        """Hand a message to the broker at QoS 1; False where there is no connection. Says nothing about delivery."""
        if not self.connected or self._client is None:
            return False
        info = self._client.publish(topic, payload, qos=1, retain=retain)
        if info.rc not in (paho.MQTT_ERR_SUCCESS, paho.MQTT_ERR_QUEUE_SIZE):
            return False
        self.unconfirmed += 1
        return True

    def close(self, last: Message, timeout: float, clock: Callable[[], float]) -> None:
        """Publish a last message, wait a moment for the broker to take it, and end the session cleanly."""
        end = clock() + timeout
        if self._client is not None and self.publish(last.topic, last.payload, retain=last.retain):
            while self.connected and self.unconfirmed and clock() < end:
                self._work(0.05, clock())
        if self._client is not None and self.connected:
            self._client.disconnect()
        self.connected = False

    def _wait_or_open(self, timeout: float, now: float) -> None:
        if now < self._due:
            select.select([], [], [], min(timeout, self._due - now))
            return
        try:
            self._client = self._make()
        except ConfigurationError as error:  # certificates may be replaced while we run: try again later
            _log.error("mqtt_certificates_refused", reason=str(error))
            self._lose(now)
            return
        self._greeted, self._failure, self.unconfirmed = False, "", 0
        self._opening = threading.Thread(target=self._open, args=[self._client], name="mqtt-connect", daemon=True)
        self._opening.start()

    def _open(self, client: paho.Client) -> None:
        """Resolve, connect and greet; in a thread of its own because the resolver can't be interrupted."""
        try:
            start = True if self._v5 else paho.MQTT_CLEAN_START_FIRST_ONLY
            client.connect(self._address.host, self._address.port, _KEEPALIVE, clean_start=start)
        except (OSError, ValueError) as error:
            self._failure = str(error) or type(error).__name__

    def _await_opening(self, timeout: float, now: float) -> None:
        thread = self._opening
        if thread is None:
            return
        thread.join(timeout)
        if thread.is_alive():
            return
        self._opening, self._began = None, now
        if self._failure:
            _log.warning("mqtt_unreachable", host=self._address.host, port=self._address.port, reason=self._failure)
            self._lose(now)

    def _work(self, timeout: float, now: float) -> None:
        client = self._client
        sock: Any = client.socket() if client else None
        if client is None or sock is None:
            self._lose(now)
            return
        try:
            ready = self._select(client, sock, timeout)
        except Exception as error:  # noqa: BLE001  the loop's edge: what a broker sends must never end this process
            _log.warning("mqtt_cut", reason=f"{type(error).__name__}: {error}")
            self._lose(now)
            return
        late = not self._greeted and now - self._began > (_GREETING_SECONDS if self._v5 else _CONNECT_SECONDS)
        if not ready or client.socket() is None or late:
            self._lose(now)

    def _select(self, client: paho.Client, sock: Any, timeout: float) -> bool:
        """Move bytes in both directions; False where the connection is over."""
        if self._notices or (hasattr(sock, "pending") and sock.pending()):
            timeout = 0.0
        readable, writable, _ = select.select([sock], [sock] if client.want_write() else [], [], timeout)
        good = True
        if readable or timeout == 0.0:
            good = client.loop_read() == paho.MQTT_ERR_SUCCESS
        if writable and good:
            good = client.loop_write() == paho.MQTT_ERR_SUCCESS
        return good and client.loop_misc() == paho.MQTT_ERR_SUCCESS

    def _lose(self, now: float) -> None:
        """Forget the connection and choose when and how to come back (full jitter: anywhere up to the bound)."""
        if self._client is not None and not self._greeted and not self._failure:
            self._v5 = not self._v5  # hung up on our greeting: perhaps it speaks the other version
        if self.connected:
            self._notices.append(Disconnected())
        steady = self._greeted and now - self._began > _STEADY
        self._failures = 1 if steady else min(self._failures + 1, _MAX_DOUBLINGS)
        bound = min(_BACKOFF_CAP, _BACKOFF * 2.0 ** (self._failures - 1))
        self._due = now + bound * self._chance()
        self.connected, self._client = False, None

    def _make(self) -> paho.Client:
        protocol = MQTTProtocolVersion.MQTTv5 if self._v5 else MQTTProtocolVersion.MQTTv311
        client = paho.Client(
            CallbackAPIVersion.VERSION2,
            self._client_id,
            clean_session=None if self._v5 else True,
            protocol=protocol,
            reconnect_on_failure=False,
        )
        if self._address.tls:
            client.tls_set_context(self._address.context())
        client.connect_timeout = _CONNECT_SECONDS
        client.max_inflight_messages_set(100)
        client.will_set(self._will.topic, self._will.payload, qos=1, retain=self._will.retain)
        client.on_connect = self._on_connect
        client.on_message = self._on_message
        client.on_publish = self._on_publish
        return client

    def _on_connect(self, client: paho.Client, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if client is not self._client:
            return
        if reason.is_failure:
            _log.warning("mqtt_refused", reason=str(reason), version=5 if self._v5 else 3)
            if "protocol version" not in str(reason).lower():
                self._greeted = True  # it understood us and doesn't want us: the other version won't help
            return
        self._greeted = self.connected = True
        client.subscribe(self._topics)
        self._notices.append(Connected("5" if self._v5 else "3.1.1"))

    def _on_message(self, client: paho.Client, _data: Any, message: paho.MQTTMessage) -> None:
        if client is not self._client:
            return
        if len(message.payload) > _MAX_INBOUND or len(self._notices) >= _MAX_WAITING:
            self.refused += 1
            return
        self._notices.append(Message(message.topic, bytes(message.payload), message.retain))

    def _on_publish(self, client: paho.Client, *_: Any) -> None:
        if client is self._client:
            self.unconfirmed = max(0, self.unconfirmed - 1)
