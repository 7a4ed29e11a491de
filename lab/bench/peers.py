# SPDX-License-Identifier: EUPL-1.2
"""What others do: a Mosquitto bridge with persistence, and thingsboard-gateway's SQLite storage (PyPI)."""

from __future__ import annotations

import itertools
import json
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from lab.faults.site import Broker, until

_NUMBERS = itertools.count()
_EVENT = json.dumps({"specversion": "1.0", "id": "0191d2c0-7a4e-7c31-9a55-000000000000", "data": {"x": "y" * 360}})
_THINGSBOARD = """
import json, os, signal, sys, time, logging, threading
from thingsboard_gateway.storage.sqlite.sqlite_event_storage import SQLiteEventStorage
folder, count, event = sys.argv[1] + "/", int(sys.argv[2]), sys.argv[3]
logging.disable(logging.CRITICAL)
logging.Logger.trace = lambda *words, **named: None
make = lambda: SQLiteEventStorage({"data_file_path": folder}, logging.getLogger("x"), threading.Event())
if sys.argv[4] == "fill":
    storage = make()
    for _ in range(count):
        storage.put(event)
    print("told", count, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
storage = make()
begun, got = time.monotonic(), 0
if sys.argv[4] == "rate":
    for _ in range(count):
        storage.put(event)
last = time.monotonic()
while got < count and time.monotonic() - last < 8:
    pack = storage.get_event_pack()
    if pack:
        got += len(pack)
        storage.event_pack_processing_done()
        last = time.monotonic()
    else:
        time.sleep(0.01)
print(json.dumps({"got": got, "seconds": last - begun}), flush=True)
os._exit(0)
"""


def mosquitto_bridge(count: int) -> tuple[float, int]:
    """Return events/s through a bridge with persistence, and events lost of `count` when its broker is killed."""
    with tempfile.TemporaryDirectory(prefix="parvis-bench-") as name:
        folder = Path(name)
        remote = Broker(folder / "remote", more="max_queued_messages 0\nmax_inflight_messages 200\n")
        more = (
            f"persistence true\npersistence_location {folder}/\nmax_queued_messages 0\nmax_inflight_messages 200\n"
            f"connection b\naddress 127.0.0.1:{remote.port}\ntopic # out 1\ncleansession false\nrestart_timeout 1\n"
        )
        local = Broker(folder / "local", more=more)
        for broker in (remote, local):
            broker.start()
        seen = _Count(remote.port)
        try:
            time.sleep(1.0)
            begun = time.monotonic()
            _publish(local.port, count)
            until(lambda: seen.number >= count, 120, "everything through the bridge")
            rate = count / (time.monotonic() - begun)
            remote.kill()
            _publish(local.port, count)  # each was acknowledged to its sender
            local.kill()
            remote.start()
            seen.number = 0
            local.start()
            _still(seen, 8.0)
            return rate, max(0, count - seen.number)
        finally:
            seen.stop()
            local.kill()
            remote.kill()


def thingsboard(python: str, count: int) -> tuple[float, int]:
    """Return events/s into and out of the storage (no network at all), and events lost when it is killed."""
    with tempfile.TemporaryDirectory(prefix="parvis-bench-") as name:
        _run(python, name, count, "fill")
        lost = count - int(_run(python, name, count, "drain")["got"])
    with tempfile.TemporaryDirectory(prefix="parvis-bench-") as name:
        run = _run(python, name, count, "rate")
    return run["got"] / run["seconds"], lost


def _run(python: str, folder: str, count: int, what: str) -> dict[str, float]:
    words = [python, "-c", _THINGSBOARD, folder, str(count), _EVENT, what]
    done = subprocess.run(words, capture_output=True, text=True, timeout=600, check=False)
    last = done.stdout.strip().splitlines()[-1] if done.stdout.strip() else "{}"
    return dict(json.loads(last)) if last.startswith("{") else {}


class _Count:
    """Counts what arrives at a broker, coming back when it does."""

    def __init__(self, port: int) -> None:
        self.number = 0
        self._client = mqtt.Client(
            CallbackAPIVersion.VERSION2, f"count-{next(_NUMBERS)}", protocol=MQTTProtocolVersion.MQTTv311
        )
        self._client.on_connect = lambda link, *_: link.subscribe("#", 1)
        self._client.on_message = self._take
        self._client.reconnect_delay_set(1, 1)
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()

    def _take(self, *_: object) -> None:
        self.number += 1

    def stop(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


def _publish(port: int, count: int) -> None:
    """Publish at QoS 1 and wait until the broker has acknowledged each."""
    client = mqtt.Client(
        CallbackAPIVersion.VERSION2, f"publish-{next(_NUMBERS)}", protocol=MQTTProtocolVersion.MQTTv311
    )
    left, done = [count], threading.Event()

    def confirmed(*_: object) -> None:
        left[0] -= 1
        if not left[0]:
            done.set()

    client.on_publish = confirmed
    client.max_inflight_messages_set(200)
    client.connect("127.0.0.1", port)
    client.loop_start()
    for _ in range(count):
        client.publish("e", _EVENT, qos=1)
    done.wait(120)
    client.disconnect()
    client.loop_stop()


def _still(seen: _Count, seconds: float) -> None:
    """Wait until nothing more arrives for that long."""
    last, since = seen.number, time.monotonic()
    while time.monotonic() - since < seconds:
        time.sleep(0.2)
        if seen.number != last:
            last, since = seen.number, time.monotonic()
