# SPDX-License-Identifier: EUPL-1.2
"""The kit's connection to the broker, MQTT 3.1.1: the only module here with paho. Keeps all that it hears."""

from __future__ import annotations

import json
import ssl
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class LinkError(Exception):
    """The broker can't be used; the text says what to correct."""


@dataclass(frozen=True)
class Access:
    """Where the broker is, `mqtt://` or `mqtts://` (with a CA and a client's certificate), and who we are there."""

    url: str
    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None

    def address(self) -> tuple[str, int]:
        """Return host and port; LinkError where the URL is none of ours."""
        parts = urlsplit(self.url)
        if parts.scheme not in ("mqtt", "mqtts") or not parts.hostname:
            raise LinkError(f"--broker {self.url}: expected mqtt://HOST:PORT or mqtts://HOST:PORT.")
        return parts.hostname, parts.port or (8883 if self.secure else 1883)

    @property
    def secure(self) -> bool:
        """Tell whether TLS is asked for."""
        return self.url.startswith("mqtts:")

    def client(self, version: MQTTProtocolVersion = MQTTProtocolVersion.MQTTv311) -> mqtt.Client:
        """Make a client that is not connected yet."""
        client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=version)
        if self.secure:
            context = ssl.create_default_context(cafile=str(self.ca) if self.ca else None)
            if self.certificate:
                context.load_cert_chain(self.certificate, self.key)
            client.tls_set_context(context)
        return client


@dataclass(frozen=True)
class Heard:
    """One message: `at` is our monotonic clock, `body` its JSON (None where it is none)."""

    topic: str
    payload: bytes
    qos: int
    retain: bool
    at: float
    body: Any = field(repr=False)


class Link:
    """One connection. `heard` grows only; `granted` has each subscription's answer, False where it was refused."""

    def __init__(self, access: Access, topics: list[str]) -> None:
        self.heard: list[Heard] = []
        self.granted: dict[str, bool] = {}
        self._topics, self._hooks = topics, list[Any]()
        self._changed = threading.Condition()
        self._up = False
        self._client = access.client()
        self._client.on_connect, self._client.on_subscribe = self._connected, self._subscribed
        self._client.on_message = self._received
        self._client.reconnect_delay_set(1, 2)
        try:
            self._client.connect(*access.address(), keepalive=30)
        except OSError as error:
            raise LinkError(
                f"The broker {access.url} can't be reached: {error}. Start it, or correct --broker."
            ) from error
        self._client.loop_start()
        if not self.wait(lambda: len(self.granted) == len(topics), 10):
            raise LinkError(f"The broker {access.url} did not take our subscriptions. See its log.")

    def __enter__(self) -> Self:
        """Use it as a context."""
        return self

    def __exit__(self, *_: object) -> None:
        """Leave."""
        self._client.disconnect()
        self._client.loop_stop()

    def on_heard(self, hook: Callable[[Heard], None]) -> None:
        """Call `hook` for each message, in paho's thread."""
        self._hooks.append(hook)

    def publish(self, topic: str, payload: Any, *, retain: bool = False, timeout: float = 10) -> None:
        """Publish JSON, or bytes as they are, QoS 1; wait for the PUBACK, which promises nothing (R-003)."""
        self.post(topic, payload, retain=retain).wait_for_publish(timeout)

    def post(self, topic: str, payload: Any, *, retain: bool = False) -> mqtt.MQTTMessageInfo:
        """Publish without waiting, as is needed inside a hook."""
        data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        return self._client.publish(topic, data, qos=1, retain=retain)

    def wait(self, true: Callable[[], Any], seconds: float) -> Any:
        """Return the first true answer of `true`, asked after each message; the last answer when time is over."""
        end = time.monotonic() + seconds
        with self._changed:
            while not (answer := true()) and (left := end - time.monotonic()) > 0:
                self._changed.wait(min(left, 0.2))
            return answer

    def _connected(self, client: mqtt.Client, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if not reason.is_failure:
            # At 1: what was published with 0 arrives with 0, and some brokers answer a subscription of 2 with 2 always.
            client.subscribe([(topic, 1) for topic in self._topics])

    def _subscribed(self, _client: Any, _data: Any, _mid: int, codes: list[Any], _properties: Any) -> None:
        with self._changed:
            self.granted |= {t: not code.is_failure for t, code in zip(self._topics, codes, strict=False)}
            self._changed.notify_all()

    def _received(self, _client: Any, _data: Any, message: mqtt.MQTTMessage) -> None:
        payload = bytes(message.payload)
        try:
            body = json.loads(payload)
        except ValueError:
            body = None
        one = Heard(message.topic, payload, message.qos, message.retain, time.monotonic(), body)
        for hook in self._hooks:
            hook(one)
        with self._changed:
            self.heard.append(one)
            self._changed.notify_all()


def speaks_v5(access: Access) -> bool:
    """Tell whether the broker takes a connection in MQTT 5."""
    client, answers = access.client(MQTTProtocolVersion.MQTTv5), list[bool]()
    client.on_connect = lambda *parts: answers.append(not parts[3].is_failure)
    try:
        client.connect(*access.address())
    except (OSError, LinkError):
        return False
    client.loop_start()
    end = time.monotonic() + 2
    while not answers and time.monotonic() < end:
        time.sleep(0.02)
    client.disconnect()
    client.loop_stop()
    return bool(answers and answers[0])
