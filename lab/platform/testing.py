# SPDX-License-Identifier: EUPL-1.2
"""For tests: a real broker and the platform as processes, and a device that says whatever it is told to."""

from __future__ import annotations

import itertools
import json
import secrets
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from lab.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

ROOT = Path(__file__).parents[2]
PATIENCE = 40.0


def wait_for(what: Callable[[], Any], timeout: float = PATIENCE) -> Any:
    """Return the first true answer of `what`; TimeoutError with the last one otherwise."""
    end = time.monotonic() + timeout
    while not (answer := what()):
        if time.monotonic() > end:
            raise TimeoutError(f"still {answer!r} after {timeout} s")
        time.sleep(0.02)
    return answer


class Process:
    """A child process that is ended by the pid that was kept."""

    def __init__(self, command: Sequence[str], log: Path) -> None:
        self.log = log
        with log.open("ab") as output:
            # Ended by the kernel when the test run itself is killed (setpriv(1)): no process stays behind.
            tied = ["setpriv", "--pdeathsig", "KILL", "--", *command]
            self._child = subprocess.Popen(tied, stdout=output, stderr=output, cwd=ROOT)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._child.pid

    def kill(self) -> None:
        """End it with SIGKILL, whatever it is doing."""
        self._child.kill()
        self._child.wait(PATIENCE)

    def end(self) -> int:
        """End it politely; return its exit status."""
        self._child.terminate()
        return self._child.wait(PATIENCE)


class Broker:
    """Mosquitto on a free port, with nothing kept on disk: the promise must not rest on it."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self._configuration = folder / "mosquitto.conf"
        self._configuration.write_text(f"listener {self.port} 127.0.0.1\nallow_anonymous true\npersistence false\n")
        self._log = folder / "mosquitto.log"
        self.start()

    def start(self) -> None:
        """Start it, empty, and wait until it answers."""
        self.process = Process(["mosquitto", "-c", str(self._configuration)], self._log)
        wait_for(self._answers)

    def _answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


class Platform:
    """The platform under test, on its own store and repository."""

    def __init__(self, folder: Path, broker: Broker, *options: str) -> None:
        self.store = folder / "platform.db"
        self.repository = folder / "repository"
        self.repository.mkdir(exist_ok=True)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._log = folder / "platform.log"
        self._command = [
            sys.executable, "-m", "lab.platform", "--store", str(self.store), "--port", str(self.port),
            "--broker", f"mqtt://127.0.0.1:{broker.port}", "--repository", str(self.repository), *options,
        ]  # fmt: skip
        self.start()

    def start(self) -> None:
        """Start it and wait until broker and store work."""
        self.process = Process(self._command, self._log)
        wait_for(self._healthy)

    def _healthy(self) -> bool:
        try:
            return bool(self.get("/healthz"))
        except OSError:
            return False

    def get(self, path: str) -> Any:
        """Return the JSON of a page."""
        with urllib.request.urlopen(self.url + path, timeout=PATIENCE) as answer:
            return json.load(answer)

    def device(self, name: str) -> dict[str, Any]:
        """Return what is shown of a device; empty while it is unknown."""
        return next((d for d in self.get("/api/state")["devices"] if d["device"] == name), {})


class Device:
    """Speaks the device's side of the contract by hand. `heard` collects (topic below the device's root, JSON)."""

    def __init__(self, broker: Broker, name: str, site: str = "cite") -> None:
        self.name, self.site, self.epoch = name, site, secrets.token_hex(8)
        self.heard: list[tuple[str, Any]] = []
        self._root = f"parvis/1/{site}/{name}"
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv311)
        self._client.on_message = lambda _c, _d, m: self.heard.append(
            (m.topic.removeprefix(self._root + "/"), json.loads(m.payload))
        )
        ready: list[bool] = []
        self._client.on_subscribe = lambda *_: ready.append(True)
        self._client.on_connect = lambda c, *_: c.subscribe(
            [(f"{self._root}/ack", 1), (f"{self._root}/reply/+", 1), (f"parvis/1/{site}/feed", 1)]
        )
        self._client.reconnect_delay_set(1, 1)
        self._client.connect("127.0.0.1", broker.port)
        self._client.loop_start()
        wait_for(lambda: ready)

    def close(self) -> None:
        """Leave without a word."""
        self._client.disconnect()
        self._client.loop_stop()

    def publish(self, what: str, payload: Any, *, retain: bool = False) -> None:
        """Publish JSON, or bytes as they are, and wait for the broker's PUBACK, which promises nothing."""
        data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        self._client.publish(f"{self._root}/{what}", data, qos=1, retain=retain).wait_for_publish(PATIENCE)

    def birth(self, *, oldest: int | None = None, **account: int) -> None:
        """Publish state and birth with the given account."""
        self.publish("state", {"online": True, "epoch": self.epoch}, retain=True)
        zero = {"created": 0, "acked": 0, "pending": 0, "dropped": 0}
        body: dict[str, Any] = {
            "version": "0.1.0", "epoch": self.epoch, "boot": "b1", "schemas": [], "content": {"version": None},
            "account": {**zero, **account}, "oldest": oldest, "at": "2025-03-04T12:00:00Z",
        }  # fmt: skip
        self.publish("birth", body, retain=True)

    def event(
        self, seq: int, type_: str = "health.up", data: dict[str, Any] | None = None, **more: Any
    ) -> dict[str, Any]:
        """Make an event of ours; `more` overrides its attributes."""
        return {
            "specversion": "1.0", "id": uuid7(), "source": f"/{self.site}/{self.name}", "type": f"eu.parvis.{type_}.v1",
            "time": "2025-03-04T12:34:56Z", "epoch": self.epoch, "seq": seq, "boot": "b1", "monotonic": float(seq),
            "synchronised": True, "datacontenttype": "application/json",
            "data": {"version": "0.1.0", "role": "gateway"} if data is None else data, **more,
        }  # fmt: skip

    def acked(self) -> int | None:
        """Return the latest acknowledgement of this epoch; None before the first."""
        acks = [body["seq"] for topic, body in self.heard if topic == "ack" and body["epoch"] == self.epoch]
        return acks[-1] if acks else None

    def wait_ack(self, seq: int) -> None:
        """Wait until the platform has acknowledged up to `seq`."""
        wait_for(lambda: self.acked() == seq)

    def replies(self) -> list[dict[str, Any]]:
        """Return every reply heard, repeats included."""
        return [body for topic, body in self.heard if topic.startswith("reply/")]


_counter = itertools.count()


def uuid7() -> str:
    """Make a UUID of version 7, different from all others of this process."""
    high = f"{int(time.time() * 1000):012x}"
    return f"{high[:8]}-{high[8:]}-7{next(_counter) % 4096:03x}-8{secrets.token_hex(2)[:3]}-{secrets.token_hex(6)}"
