# SPDX-License-Identifier: EUPL-1.2
"""How busy the park is, on every kiosk of the site, through a real broker that is wiped on the way."""

import json
import shutil
import time
from contextlib import closing

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from edge_core import live
from edge_core.events import PresenceWindow
from edge_core.store import database, series
from lab.faults.site import Broker, Device, until

PATIENCE = 60.0
LAN = (
    '[lan]\ninterface = "lan0"\nipv4 = "10.77.0.1/20"\ndhcp_range = "10.77.1.0-10.77.1.250"\n[wan]\n'
    'interface = "wan0"\n'
    'dns = ["192.0.2.53"]\n[portal]\nhostname = "wifi.parc.example"\n[presence]\nqueue = "ap-cafe"\n'
    'queue_place = "Café"\n'
)
pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(400),
    pytest.mark.skipif(
        not shutil.which("mosquitto", path="/usr/sbin:/usr/bin:/usr/local/sbin"), reason="mosquitto is not installed"
    ),
]


@pytest.fixture
def site(tmp_path):
    broker = Broker(tmp_path / "broker")
    more = f'[mqtt]\nurl = "mqtt://127.0.0.1:{broker.port}"\n'
    gateway = Device(tmp_path / "gateway", broker.port, more=LAN + more)
    kiosk = Device(tmp_path / "kiosk", broker.port, name="kiosk-1", more=more)
    parts = (broker, gateway.sync, kiosk.sync)
    for part in parts:
        part.start()
    yield broker, gateway, kiosk
    for part in parts:
        part.kill()
    gateway.store.close()
    kiosk.store.close()


def count(gateway, associated):
    """Tell a window that ends now."""
    with closing(database.open_edge(gateway.settings.edge_db)) as store, database.write(store):
        for point in (None, "ap-cafe"):
            series.record(store, PresenceWindow(
                zone="main", access_point=point, start=int(time.time()) - 300, seconds=300, observed=300, doubt=None,
                associated=associated, online=None, arrivals=None, departures=None), time.time())  # fmt: skip


def shown(device):
    return live.around(device.settings)[1], [queue.people for queue in live.queues(device.settings, time.time())]


def test_every_kiosk_knows_and_a_wiped_broker_knows_again(site):
    """A kiosk that starts later hears what was said before; a hostile word changes nothing; a wipe costs a minute."""
    broker, gateway, kiosk = site
    count(gateway, 45)
    until(lambda: shown(kiosk) == (45, [45]), PATIENCE, "the kiosk shows it")
    kiosk.sync.kill()
    (kiosk.settings.run_dir / "live.json").unlink()
    kiosk.sync.start()
    until(lambda: shown(kiosk) == (45, [45]), PATIENCE, "a kiosk that starts later shows it")
    stranger = mqtt.Client(CallbackAPIVersion.VERSION2)
    stranger.connect("127.0.0.1", broker.port)
    stranger.loop_start()
    word = {"at": time.time(), "seconds": 300, "around": 3}
    for payload in (b"\xff" * 9000, b"[", json.dumps(word).encode(), json.dumps({**word, "around": 1e12}).encode(),
                    json.dumps({**word, "at": 10**400}).encode()):  # fmt: skip
        stranger.publish("parvis/1/parc/gateway-1/live/busy", payload, qos=1).wait_for_publish(PATIENCE)
    stranger.disconnect()
    stranger.loop_stop()
    live.call(kiosk.settings, time.time())
    until(lambda: "kiosk-1" in live.calls(gateway.settings, time.time()), PATIENCE, "the call arrives")
    assert shown(kiosk) == (45, [45])
    broker.kill()  # it keeps nothing on disk: what was retained is gone
    kiosk.sync.kill()
    (kiosk.settings.run_dir / "live.json").unlink()
    broker.start()
    kiosk.sync.start()
    until(lambda: shown(kiosk) == (45, [45]), 2 * PATIENCE, "the wiped broker knows it again")
