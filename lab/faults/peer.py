# SPDX-License-Identifier: EUPL-1.2
"""The smallest platform that keeps the contract: it holds events in memory and acknowledges them cumulatively.

Tests of faults stop it, start it again and let it lie, which the reference platform has no reason to do.
"""

from __future__ import annotations

import json
import threading
import zlib
from collections import Counter
from typing import Any, Self

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

_GAP = "eu.parvis.health.gap.v1"


class Peer:
    """A platform for the devices of a broker on loopback. What it holds outlives `stop` and `start`.

    `held`: (device, epoch, seq) -> event; `births`, `states`: device -> the last one; `arrivals`: how often each came.
    """

    def __init__(self, port: int, *, stream: str = "stream-0001") -> None:
        self.port = port
        self.stream = stream
        self.held: dict[tuple[str, str, int], dict[str, Any]] = {}
        self.arrivals: Counter[tuple[str, str, int]] = Counter()
        self.births: dict[str, dict[str, Any]] = {}
        self.states: dict[str, dict[str, Any]] = {}
        self.replied: list[dict[str, Any]] = []
        self.messages: list[tuple[str, bytes, bool]] = []
        self.lock = threading.Lock()
        self._passed: dict[tuple[str, str], int] = {}
        self._gone: dict[tuple[str, str], list[tuple[int, int]]] = {}
        self._client: mqtt.Client | None = None

    def start(self) -> Self:
        """Connect, and come back by itself while it runs."""
        client = mqtt.Client(CallbackAPIVersion.VERSION2, "peer", protocol=MQTTProtocolVersion.MQTTv311)
        client.reconnect_delay_set(min_delay=1, max_delay=1)
        client.on_connect = lambda link, *_: link.subscribe([("parvis/1/+/+/#", 1)])
        client.on_message = self._receive
        client.max_inflight_messages_set(200)
        client.connect_async("127.0.0.1", self.port, 30)
        client.loop_start()
        self._client = client
        return self

    def stop(self) -> None:
        """Go away; what is held stays held."""
        if self._client:
            self._client.disconnect()
            self._client.loop_stop()
            self._client = None

    def send(self, topic: str, payload: object, *, retain: bool = False) -> None:
        """Publish anything, whether it makes sense or not."""
        raw = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        if self._client:
            self._client.publish(topic, raw, qos=1, retain=retain)

    def reply(self, device: str, n: int, request: str, state: str, reference: str | None = None) -> None:
        """Answer a request. `device` is "site/device"."""
        body = {
            "n": n, "epoch": self.stream, "request": request, "state": state, "reason": None,
            "reference": reference, "at": "2025-03-04T12:34:58Z",
        }  # fmt: skip
        self.send(f"parvis/1/{device}/reply/{n}", body)

    def complete(self, device: str, epoch: str) -> int:
        """Return up to which sequence nothing is missing."""
        key = (device, epoch)
        seq = self._passed.get(key, 0)
        while True:
            if (device, epoch, seq + 1) in self.held:
                seq += 1
                continue
            ends = [last for first, last in self._gone.get(key, []) if first <= seq + 1 <= last]
            if not ends:
                break
            seq = max(ends)
        self._passed[key] = seq
        return seq

    def _receive(self, _client: mqtt.Client, _data: object, message: mqtt.MQTTMessage) -> None:
        _, _, site, name, what, *_ = [*message.topic.split("/"), "", ""]
        device, payload = f"{site}/{name}", bytes(message.payload)
        with self.lock:
            if what in ("state", "birth", "replied", "ev"):
                self.messages.append((message.topic, payload, message.retain))
            if what == "ev":
                self._commit(device, payload)
            elif what == "birth":
                self._greet(device, json.loads(payload))
            elif what == "state":
                self.states[device] = json.loads(payload)
            elif what == "replied":
                self.replied.append(json.loads(payload))

    def _commit(self, device: str, payload: bytes) -> None:
        events = json.loads(zlib.decompress(payload) if payload[:1] == b"\x78" else payload)
        for event in events:
            key = (device, event["epoch"], event["seq"])
            self.arrivals[key] += 1
            if self.held.setdefault(key, event)["id"] != event["id"]:
                raise AssertionError(f"two events share {key}")
            if event["type"] == _GAP:
                span = (event["data"]["first"], event["data"]["last"])
                self._gone.setdefault(key[:2], []).append(span)
        self._acknowledge(device, events[0]["epoch"])

    def _greet(self, device: str, birth: dict[str, Any]) -> None:
        self.births[device] = birth
        key = (device, birth["epoch"])
        if birth["oldest"]:
            self._gone.setdefault(key, []).append((1, birth["oldest"] - 1))
        self._acknowledge(device, birth["epoch"])

    def _acknowledge(self, device: str, epoch: str) -> None:
        self.send(f"parvis/1/{device}/ack", {"epoch": epoch, "seq": self.complete(device, epoch)})
