# SPDX-License-Identifier: EUPL-1.2
"""The real `sync` against a NATS server, which speaks MQTT 3.1.1 alone: what is told there arrives once."""

import os
import sqlite3
import sys
import time

import pytest

from edge_core.store import requests
from lab.faults.site import Device, Process, until
from lab.ports import free_port
from lab.scale.servers import Nats, nats_program

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(nats_program() is None, reason="nats-server is not installed"),
]
SOAK = bool(os.environ.get("PARVIS_SOAK"))


@pytest.fixture
def nats(tmp_path):
    """Return a running NATS server of one node."""
    made = Nats(tmp_path / "nats", nodes=1)
    made.start()
    yield made
    made.kill()


@pytest.fixture
def platform(tmp_path, nats):
    """Return the reference platform, reading from the server's stream; `store` is its file."""
    (tmp_path / "repository").mkdir()
    made = Process(
        [
            sys.executable, "-m", "lab.platform", "--store", str(tmp_path / "platform.db"), "--port", str(free_port()),
            "--repository", str(tmp_path / "repository"), "--stream", nats.urls, "--replicas", "1",
            "--broker", f"mqtt://127.0.0.1:{nats.mqtt[0]}",
        ],
        tmp_path / "platform.log",
    )  # fmt: skip
    made.store = tmp_path / "platform.db"
    made.start()
    yield made
    made.kill()


@pytest.fixture
def device(tmp_path, nats):
    """Return a device whose `sync` runs."""
    made = Device(tmp_path / "device", nats.mqtt[0])
    made.sync.start()
    yield made
    made.sync.kill()
    made.store.close()


def held(platform):
    """Return how many events the platform holds, and how many different ones."""
    store = sqlite3.connect(f"file:{platform.store}?mode=ro", uri=True)
    found = store.execute("SELECT count(*), count(DISTINCT id) FROM events").fetchone()
    store.close()
    return found


LONG = [pytest.mark.soak, pytest.mark.timeout(600), pytest.mark.skipif(not SOAK, reason="takes minutes: make soak")]


@pytest.mark.parametrize("kills", [1, pytest.param(6, marks=LONG)])
def test_what_is_told_through_nats_arrives_once(device, platform, nats, kills):
    """Connect, acknowledge, answer; the server dies by kill -9 while events are recorded, and all goes on after it."""
    log = device.sync.log
    asked = requests.create(device.store, kind="room", subject="salle", data={}, place="kiosk", now=time.time())
    until(lambda: requests.get(device.store, asked.id).state == "accepted", 60, "the answer")
    for _ in range(kills):
        device.tell(300)
        connections = log.read_text().count("mqtt_connected")
        nats.kill()
        device.tell(100)
        nats.start()
        until(lambda seen=connections: log.read_text().count("mqtt_connected") > seen, 90, "another connection")
    until(device.empty, 120, "everything acknowledged")
    account = device.account()
    assert account.dropped == 0
    assert held(platform) == (account.created, account.created)
    assert "3.1.1" in log.read_text()
