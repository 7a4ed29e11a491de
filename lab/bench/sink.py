# SPDX-License-Identifier: EUPL-1.2
"""A bare consumer: commits each message to SQLite as it came and acknowledges its events, without checking any schema.

It shows what the device's side can do where the platform is not the slower of the two. The promise is the same: the
acknowledgement follows the commit (`synchronous=FULL`), and `held` counts an event that came twice once.
"""

from __future__ import annotations

import contextlib
import json
import queue
import signal
import sqlite3
import sys
import threading
import zlib
from contextlib import closing
from typing import TYPE_CHECKING

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

if TYPE_CHECKING:
    from pathlib import Path

_ROUND = 50  # messages in one transaction


def serve(port: int, store: str) -> None:
    """Consume from the broker on loopback until SIGTERM."""
    ending = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ending.set())
    inbox: queue.SimpleQueue[mqtt.MQTTMessage] = queue.SimpleQueue()
    client = mqtt.Client(CallbackAPIVersion.VERSION2, "sink", protocol=MQTTProtocolVersion.MQTTv311)
    client.on_message = lambda _client, _data, message: inbox.put(message)
    client.on_connect = lambda link, *_: link.subscribe([("parvis/1/+/+/ev/+", 1), ("parvis/1/+/+/birth", 1)])
    client.connect("127.0.0.1", port, 30)
    client.loop_start()
    connection = sqlite3.connect(store, isolation_level=None)
    connection.executescript(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
        "CREATE TABLE messages (n INTEGER PRIMARY KEY, device TEXT, body TEXT) STRICT"
    )
    passed: dict[tuple[str, str], int] = {}
    while not ending.is_set():
        for (device, epoch), seq in _round(inbox, connection, passed).items():
            payload = json.dumps({"epoch": epoch, "seq": seq})
            client.publish(f"parvis/1/{device}/ack", payload, qos=1)


def _round(
    inbox: queue.SimpleQueue[mqtt.MQTTMessage], connection: sqlite3.Connection, passed: dict[tuple[str, str], int]
) -> dict[tuple[str, str], int]:
    """Commit what is there; return, for each stream that was named, up to where nothing is missing."""
    bodies: list[tuple[str, str]] = []
    came: list[tuple[str, str, int]] = []
    named: set[tuple[str, str]] = set()
    for message in _take(inbox):
        _, _, site, name, what, *_ = message.topic.split("/")
        device, payload = f"{site}/{name}", bytes(message.payload)
        if what == "birth":
            named.add((device, json.loads(payload)["epoch"]))
            continue
        body = (zlib.decompress(payload) if payload[:1] == b"\x78" else payload).decode()
        bodies.append((device, body))
        came += [(device, event["epoch"], event["seq"]) for event in json.loads(body)]
    if bodies:
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany("INSERT INTO messages (device, body) VALUES (?, ?)", bodies)
        connection.execute("COMMIT")
    for device, epoch, seq in sorted(came):
        named.add((device, epoch))
        if seq == passed.get((device, epoch), 0) + 1:
            passed[device, epoch] = seq
    return {stream: passed.get(stream, 0) for stream in named}


def held(store: Path) -> int:
    """Return how many events a store holds, each counted once."""
    with closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True)) as connection:
        rows = connection.execute("SELECT device, body FROM messages")
        return len({(device, event["epoch"], event["seq"]) for device, body in rows for event in json.loads(body)})


def _take(inbox: queue.SimpleQueue[mqtt.MQTTMessage]) -> list[mqtt.MQTTMessage]:
    """Return what has arrived, up to one round; nothing after a tenth of a second of silence."""
    messages: list[mqtt.MQTTMessage] = []
    with contextlib.suppress(queue.Empty):
        messages.append(inbox.get(timeout=0.1))
        while len(messages) < _ROUND:
            messages.append(inbox.get_nowait())
    return messages


if __name__ == "__main__":
    serve(int(sys.argv[1]), sys.argv[2])
