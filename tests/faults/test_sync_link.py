# SPDX-License-Identifier: EUPL-1.2
"""A bad link between `sync` and its broker: cut, half-open, slow, ended after so many bytes. Nothing is lost."""

import itertools
import json
import random
import shutil
import time

import pytest

from edge_core.errors import StoreError
from lab.faults.peer import Peer
from lab.faults.proxy import Proxy
from lab.faults.site import Broker, Device, until

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(
        not shutil.which("mosquitto", path="/usr/sbin:/usr/bin:/usr/local/sbin"), reason="mosquitto is not installed"
    ),
]


@pytest.fixture
def world(tmp_path):
    """Return device, proxy and platform: sync → proxy → Mosquitto → platform."""
    broker = Broker(tmp_path / "broker")
    broker.start()
    peer = Peer(broker.port).start()
    with Proxy(broker.port) as proxy:
        device = Device(tmp_path / "device", proxy.port)
        try:
            yield device, proxy, peer
        finally:
            device.sync.kill()
            device.store.close()
            peer.stop()
            broker.kill()


def check(device, peer):
    """Nothing missing, nothing twice, the account sums."""
    account = device.account()
    assert account.balanced
    assert (account.pending, account.dropped) == (0, 0)
    assert sorted(seq for _, _, seq in peer.held) == list(range(1, account.created + 1))


def test_link_that_is_cut_again_and_again(world):
    """Connections reset in the middle of messages: everything arrives once."""
    device, proxy, peer = world
    dice = random.Random(20250305)
    device.sync.start()
    for _ in range(6):
        device.tell(1000, order_each=9)
        time.sleep(dice.uniform(0.02, 0.4))
        proxy.cut()
    until(device.empty, 60, "everything acknowledged")
    check(device, peer)


def test_link_that_ends_after_some_bytes(world):
    """Each connection dies after 20 kB, in the middle of whatever: progress is made all the same."""
    device, proxy, peer = world
    proxy.limit = 20_000
    device.tell(3000)
    device.sync.start()
    time.sleep(6.0)
    proxy.limit = None
    until(device.empty, 60, "everything acknowledged")
    check(device, peer)


def test_half_open_link_is_noticed(world):
    """A link that swallows everything without closing costs a keepalive at most; then all goes on."""
    device, proxy, peer = world
    device.sync.start()
    until(device.empty, 60, "first event")
    proxy.silent = True
    device.tell(500)
    time.sleep(2.0)
    assert device.account().acked == 1
    proxy.silent = False
    proxy.cut()
    until(device.empty, 30, "everything acknowledged")
    check(device, peer)


def test_slow_link_is_no_lost_link(world):
    """With 150 ms on each piece in both directions everything arrives, and hardly anything twice."""
    device, proxy, peer = world
    proxy.delay = 0.15
    device.tell(20000)
    device.sync.start()
    until(device.empty, 60, "everything acknowledged")
    check(device, peer)
    twice = sum(times - 1 for times in peer.arrivals.values())
    assert twice < 10000


def test_broker_that_refuses_is_asked_ever_more_rarely(world):
    """Without a broker the tries are spread: a handful in ten seconds, not hundreds."""
    device, proxy, peer = world
    proxy.refusing = True
    device.sync.start()
    time.sleep(8.0)
    assert device.sync.popen.poll() is None
    tries = device.sync.log.read_text().count("mqtt_unreachable") + device.sync.log.read_text().count("mqtt_cut")
    assert tries < 15
    proxy.refusing = False
    until(device.empty, 40, "everything acknowledged")
    check(device, peer)


def test_restored_platform_is_no_reason_to_delete(world):
    """A platform that lost its store acknowledges less than before: nothing is deleted by it, nothing breaks."""
    device, _, peer = world
    device.sync.start()
    device.tell(100)
    until(device.empty, 60, "first hundred")
    with peer.lock:
        peer.held.clear()
        peer._passed.clear()
        peer._gone.clear()
    device.tell(100)
    until(device.empty, 30, "second hundred: the birth tells the oldest that is still there")
    assert max(seq for _, _, seq in peer.held) == device.account().created
    assert device.account().balanced


def test_full_disk_keeps_events_and_recovers(world):
    """While the database can't grow, deletion waits or works in place; afterwards all is acknowledged."""
    device, _, peer = world
    device.tell(2000)
    pages = device.store.execute("PRAGMA page_count").fetchone()[0]
    device.store.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StoreError, match="full"):
        device.tell(100_000)
    assert device.account().balanced, "a refused write left nothing behind"
    device.store.execute("PRAGMA max_page_count = 1073741823")
    device.sync.start()
    until(device.empty, 20, "everything acknowledged")
    check(device, peer)


def test_every_message_is_an_array_of_one_class(world):
    """What is really sent: arrays, events of the class in the topic, sequence rising, our own source and epoch."""
    device, _, peer = world
    device.sync.start()
    device.tell(300, order_each=2)
    until(device.empty, 20, "everything acknowledged")
    for event in itertools.islice(peer.held.values(), 400):
        assert event["source"] == f"/{device.name}"
        assert event["epoch"] == device.epoch
        assert json.dumps(event)
