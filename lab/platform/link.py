# SPDX-License-Identifier: EUPL-1.2
"""The connection to the broker: the only module here that imports paho. Callbacks only enqueue."""

from __future__ import annotations

import json
import logging
import random
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from lab.platform.inbox import Inbox, Message
from lab.platform.wire import MESSAGE_LIMIT, RETAINED, ROOT, SUBSCRIPTIONS

if TYPE_CHECKING:
    from collections.abc import Callable

log = logging.getLogger(__name__)
LONGEST_WAIT = 60.0


class Certificates(NamedTuple):
    """Files for TLS: who is believed (None: the system's authorities), and our own certificate with its key."""

    ca: str | None = None
    certificate: str | None = None
    key: str | None = None


class Link:
    """Stays connected, with full jitter between tries (R-503). `on_up` are called each time that it is.

    With a `group` it shares what comes with the other members; with `listens` false it only speaks, because what
    devices say comes by another way.
    """

    def __init__(
        self, url: str, inbox: Inbox, *, group: str | None = None, listens: bool = True, tls: Certificates | None = None
    ) -> None:
        prefix = f"$share/{group}/" if group else ""
        self._topics = [(prefix + topic, 1) for topic in SUBSCRIPTIONS] if listens else []
        parts = urlsplit(url)
        if parts.scheme not in ("mqtt", "mqtts") or not parts.hostname:
            raise ValueError(f"--broker {url}: expected mqtt://HOST:PORT or mqtts://HOST:PORT")
        self._address = (parts.hostname, parts.port or (8883 if parts.scheme == "mqtts" else 1883))
        self._inbox = inbox
        self.on_up: tuple[Callable[[], None], ...] = ()
        self._failures = 0
        self.up = False
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv311)
        if parts.scheme == "mqtts":
            ca, certificate, key = tls or Certificates()
            self._client.tls_set(ca, certificate, key)
        self._client.max_inflight_messages_set(100)
        self._client.on_connect = self._connected
        self._client.on_disconnect = self._lost
        self._client.on_connect_fail = self._failed
        self._client.on_message = self._received

    def start(self) -> None:
        """Connect in the background, now and whenever the connection is lost."""
        self._jitter()
        self._client.connect_async(*self._address, keepalive=30)
        self._client.loop_start()

    def end(self) -> None:
        """Say goodbye and stop."""
        self._client.disconnect()
        self._client.loop_stop()

    def publish(self, topic: str, payload: bytes) -> None:
        """Send with QoS 1; while the broker is away nothing is queued, for each birth brings what is due (R-203)."""
        if self.up:
            self._client.publish(topic, payload, qos=1, retain=topic.endswith(RETAINED))

    def publish_feed(self, site: str, version: int) -> bool:
        """Tell a site the content version, retained (R-602); False while the broker is away."""
        if self.up:
            self._client.publish(f"{ROOT}/{site}/feed", json.dumps({"version": version}), qos=1, retain=True)
        return self.up

    def _connected(self, client: mqtt.Client, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            log.warning("The broker refuses us: %s. Check its rules for this platform.", reason)
            return
        self._failures = 0
        if self._topics:
            client.subscribe(self._topics)
        self.up = True
        log.info("Connected to the broker at %s:%d.", *self._address)
        for tell in self.on_up:
            tell()

    def _lost(self, _client: mqtt.Client, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        self.up = False
        if reason.is_failure:
            log.warning("The broker at %s:%d is gone (%s); trying again.", *self._address, reason)
        self._jitter()

    def _failed(self, _client: mqtt.Client, _data: Any) -> None:
        if self._failures == 0:
            log.warning("No broker answers at %s:%d; trying again. Start it, or correct --broker.", *self._address)
        self._failures += 1
        self._jitter()

    def _jitter(self) -> None:
        """Draw the next wait; paho's own doubles in step, and everybody would come back in the same second."""
        wait = random.uniform(0.05, min(LONGEST_WAIT, 0.5 * 2.0 ** min(self._failures, 10)))
        self._client.reconnect_delay_set(wait, wait)  # type: ignore[arg-type]  # seconds as float work

    def _received(self, _client: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
        payload = bytes(message.payload[: MESSAGE_LIMIT + 1])
        self._inbox.put(Message(message.topic, payload))
