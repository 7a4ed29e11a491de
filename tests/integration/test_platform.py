# SPDX-License-Identifier: EUPL-1.2
"""The reference platform against a real broker: what the contract promises about events and acknowledgements."""

from __future__ import annotations

import shutil
import sqlite3
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from json import dumps

import pytest

from lab.platform.testing import Broker, Device, Platform, uuid7, wait_for

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(shutil.which("mosquitto") is None, reason="mosquitto is not installed"),
]


@pytest.fixture
def broker(tmp_path):
    broker = Broker(tmp_path)
    yield broker
    broker.process.kill()


@pytest.fixture
def platform(tmp_path, broker):
    platform = Platform(tmp_path, broker)
    yield platform
    assert platform.process.end() == 0, platform.process.log.read_text()


@pytest.fixture
def device(broker):
    device = Device(broker, "gateway-1")
    yield device
    device.close()


def test_a_batch_is_committed_then_acknowledged(platform, device):
    """The cumulative acknowledgement covers what is in the store, plain and compressed (R-005, R-202)."""
    device.publish("ev/health", [device.event(n) for n in (1, 2, 3)])
    device.publish("ev/health", zlib.compress(dumps([device.event(n) for n in range(4, 504)]).encode()))
    device.wait_ack(503)
    assert platform.device("gateway-1")["received"] == 503
    assert platform.get("/api/state")["events"] == {"eu.parvis.health.up.v1": 503}


def test_a_repeated_batch_changes_nothing_and_is_acknowledged_again(platform, device):
    """At least once on the wire is once in the store, and a lost acknowledgement is made good (R-103)."""
    batch = [device.event(n) for n in (1, 2, 3)]
    for _ in range(3):
        device.publish("ev/health", batch)
        device.wait_ack(3)
        device.heard.clear()
    shown = platform.device("gateway-1")
    assert (shown["received"], shown["duplicates"], shown["conflicts"]) == (3, 6, 0)


def test_out_of_order_waits_for_the_hole(platform, device):
    """Nothing above a hole is acknowledged, and the hole's filling acknowledges all of it (R-104, R-202)."""
    device.publish("ev/health", [device.event(4), device.event(2)])
    device.wait_ack(0)
    device.publish("ev/health", [device.event(1)])
    device.wait_ack(2)
    device.publish("ev/health", [device.event(3)])
    device.wait_ack(4)


def test_a_declared_gap_is_passed_over_and_counted(platform, device):
    """A gap event lets the acknowledgement pass, and its missing events are declared losses (R-302)."""
    gap = {"first": 2, "last": 5, "count": 4, "reason": "budget"}
    device.publish("ev/health", [device.event(1), device.event(6, "health.gap", gap)])
    device.wait_ack(6)
    device.birth(created=6, acked=2, dropped=4, oldest=None)
    wait_for(lambda: platform.device("gateway-1")["verdict"]["word"] == "declared")
    shown = platform.device("gateway-1")
    assert (shown["gaps"], shown["missing_declared"], shown["missing_undeclared"]) == (1, 4, 0)


def test_what_the_device_no_longer_holds_is_passed_over_and_shown_as_lost(platform, device):
    """An undeclared hole below `oldest` blocks nobody, and is shown in red (R-303)."""
    device.publish("ev/health", [device.event(1), device.event(4)])
    device.wait_ack(1)
    device.birth(created=4, acked=1, pending=1, dropped=2, oldest=4)
    device.wait_ack(4)
    verdict = wait_for(lambda: platform.device("gateway-1")["verdict"])
    assert verdict == {"word": "lost", "grade": "bad", "n": 2}


@pytest.mark.parametrize(
    "spoil",
    [
        {"data": {"version": "0.1.0"}},
        {"data": {"version": "0.1.0", "role": "gateway", "extra": 1}},
        {"data": {"version": "02:00:5e:10:20:30", "role": "gateway"}},
        {"source": "/cite/somebody-else"},
        {"type": "eu.parvis.session.started.v1"},
        {"time": "2025-02-30T00:00:00Z"},
        {"monotonic": -1},
        {"specversion": 7},
    ],
)
def test_poison_is_set_aside_and_blocks_nothing(platform, device, spoil):
    """An invalid event is kept apart with its reason, and its neighbours are acknowledged (R-105, R-106, R-702)."""
    device.publish("ev/health", [device.event(1), device.event(2, **spoil), device.event(3)])
    device.wait_ack(3)
    shown = platform.device("gateway-1")
    assert (shown["received"], shown["set_aside"]) == (2, 1)
    letter = platform.get("/api/dead-letters")[0]
    assert letter["seq"] == 2
    assert letter["reason"]
    assert b"02:00:5e:10:20:30" not in platform.store.read_bytes()
    assert b"02:00:5e:10:20:30" not in platform.store.with_name("platform.db-wal").read_bytes()


def test_a_type_of_the_future_is_kept_unread(platform, device):
    """A device may be newer than its platform (R-107)."""
    device.publish("ev/visit", [device.event(1, type="eu.parvis.visit.announced.v9", data={"anything": [1]})])
    device.wait_ack(1)
    assert platform.get("/api/events")[0]["type"] == "eu.parvis.visit.announced.v9"


def test_hostile_messages_are_refused_and_the_rest_goes_on(platform, device):
    """No payload stops the platform or makes it swell (R-005, R-108, R-703)."""
    bomb = zlib.compress(b" " * (64 << 20), 9)
    hostile = [
        b"", b"not json", b"{}", b"[]", b"null", b"[NaN]", b'"text"', b"\x78\x9cbroken", bomb, b"\xff\xfe",
        b"[" * 100_000, b"[" + b"1," * 2000 + b"1]", b"[" + b" " * (1 << 20) + b"]",
        b'["\\ud800"]', zlib.compress(b"[1]")[:-3],
    ]  # fmt: skip
    for payload in hostile:
        device.publish("ev/health", payload)
    for topic in ("ev/elsewhere", "state", "birth", "replied"):
        device.publish(topic, {"online": "perhaps"})
    for odd in (None, 1, "x", [], {"epoch": 3, "seq": True}, {"epoch": device.epoch, "seq": 2**70}):
        device.publish("ev/health", [odd])
    device.publish("ev/health", [device.event(1, monotonic=1e400, data={})])
    device.publish("ev/health", [device.event(1)])
    device.wait_ack(1)
    state = wait_for(lambda: platform.get("/api/state"))
    assert sum(state["refused"].values()) >= len(hostile) + 3
    assert state["store"] is None
    assert state["events"]["eu.parvis.health.up.v1"] == 1


def test_epochs_are_different_lives(platform, device):
    """The same number in a new epoch is another event, and a late will of the old one says nothing (R-307, R-502)."""
    old = device.epoch
    device.birth(created=2, pending=2)
    device.publish("ev/health", [device.event(1), device.event(2)])
    device.wait_ack(2)
    device.epoch = "new-" + old
    device.birth(created=1, pending=1)
    device.publish("ev/health", [device.event(1)])
    device.wait_ack(1)
    device.publish("state", {"online": False, "epoch": old}, retain=True)
    device.publish("ev/health", [device.event(2)])
    device.wait_ack(2)
    shown = platform.device("gateway-1")
    assert (shown["online"], shown["epoch"], shown["received"]) == (True, device.epoch, 2)
    assert platform.get("/api/state")["events"]["eu.parvis.health.up.v1"] == 4


def test_a_cloned_device_is_noticed(platform, device):
    """Two ids under one number: the first is kept, the conflict is shown (R-111)."""
    device.publish("ev/health", [device.event(1)])
    device.publish("ev/health", [device.event(1)])
    wait_for(lambda: platform.device("gateway-1").get("conflicts") == 1)
    assert platform.device("gateway-1")["verdict"]["word"] == "conflict"


def test_a_wrong_clock_is_put_right(platform, device):
    """An event dated 1970 gets its time from a later one of the same boot (R-110)."""
    device.publish("ev/health", [device.event(1, time="1970-01-01T00:00:05Z", synchronised=False, monotonic=5.0)])
    device.publish("ev/health", [device.event(2, time="2025-03-04T12:00:00Z", monotonic=65.0)])
    device.wait_ack(2)
    at = {event["seq"]: event["at"] for event in platform.get("/api/events")}
    assert at[2] - at[1] == pytest.approx(60)


def test_each_birth_is_answered_also_after_a_restart(platform, device):
    """A device that asks where it stands is told; a platform that starts tells everybody (R-203)."""
    device.birth()
    device.wait_ack(0)
    device.publish("ev/health", [device.event(1)])
    device.wait_ack(1)
    platform.process.end()
    device.heard.clear()
    platform.start()
    device.wait_ack(1)


def test_a_broker_that_comes_back_empty_costs_nothing(platform, device, broker):
    """The platform reconnects by itself and goes on (R-003, R-503)."""
    device.publish("ev/health", [device.event(1)])
    device.wait_ack(1)
    broker.process.kill()
    wait_for(lambda: not platform.get("/api/state")["broker"])
    broker.start()
    wait_for(lambda: platform.get("/api/state")["broker"], 30)
    wait_for(device._client.is_connected)
    device.publish("ev/health", [device.event(2)])
    device.wait_ack(2)


def test_kill_9_loses_nothing_that_was_acknowledged(platform, device):
    """Killed between commits, again and again: the store never lacks what an acknowledgement covered (R-201)."""
    sent = {n: device.event(n) for n in range(1, 6001)}
    with ThreadPoolExecutor(1) as sender:
        for start in range(1, 6001, 2000):
            numbers = range(start, start + 2000)
            work = sender.submit(lambda numbers=numbers: [device.publish("ev/health", [sent[n]]) for n in numbers])
            wait_for(lambda start=start: (device.acked() or 0) >= start + 100)
            platform.process.kill()
            work.result()
            promised = max(body["seq"] for topic, body in device.heard if topic == "ack")
            with sqlite3.connect(platform.store) as store:
                held = {row[0]: row[1] for row in store.execute("SELECT seq, id FROM events")}
            assert all(held.get(n) == sent[n]["id"] for n in range(1, promised + 1))
            platform.start()
            # What no acknowledgement covers is sent again, as a device does.
            device.publish("ev/health", [sent[n] for n in range(promised + 1, start + 1000)] or [sent[1]])
            device.publish(
                "ev/health", [sent[n] for n in range(max(promised + 1, start + 1000), start + 2000)] or [sent[1]]
            )
            device.wait_ack(start + 1999)


def test_a_store_that_takes_nothing_is_not_acknowledged(platform, device):
    """While the disk refuses, no acknowledgement leaves; when it is well again, work goes on by itself (R-206)."""
    device.publish("ev/health", [device.event(1)])
    device.wait_ack(1)
    with sqlite3.connect(platform.store, isolation_level=None) as blocker:
        blocker.execute("BEGIN IMMEDIATE")
        device.publish("ev/health", [device.event(2)])
        wait_for(lambda: platform.get("/api/state")["store"], 15)
        assert device.acked() == 1
        blocker.execute("ROLLBACK")
    device.publish("ev/health", [device.event(2)])
    device.wait_ack(2)
    wait_for(lambda: platform.get("/api/state")["store"] is None)


def test_many_devices_at_once(platform, broker):
    """Batches of several devices share transactions, and each gets its own acknowledgement (R-205)."""
    devices = [Device(broker, f"gateway-{n}") for n in range(8)]
    began = time.monotonic()
    for first in range(1, 2001, 100):
        for device in devices:
            device.publish("ev/health", [device.event(n) for n in range(first, first + 100)])
    for device in devices:
        device.wait_ack(2000)
        device.close()
    assert time.monotonic() - began < 30
    assert platform.get("/api/state")["events"]["eu.parvis.health.up.v1"] == 16_000


def test_one_request_whatever_number_it_comes_under(platform, device):
    """The request's own id is its key (R-401)."""
    data = {"request": uuid7(), "kind": "room", "subject": "ossau", "data": {"time": "14:00"}, "place": None}
    device.publish("ev/order", [device.event(1, "request.created", data), device.event(2, "request.created", data)])
    device.wait_ack(2)
    assert len(platform.get("/api/state")["requests"]) == 1
    assert {reply["n"] for reply in wait_for(device.replies)} == {1}
