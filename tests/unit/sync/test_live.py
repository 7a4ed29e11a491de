# SPDX-License-Identifier: EUPL-1.2
"""What a site's devices show each other now: told from told windows alone, believed only while it makes sense."""

import json

import pytest

from edge_core import live, live_kiosks, settings
from edge_core.events import PresenceWindow
from edge_core.store import database, series
from kiosk.devices.board import Board
from kiosk.devices.door import Door
from sync.live import Live, is_within

END = 1_905_592_500.0  # 2030-05-21 13:15 in Paris, the end of a window
BUSY = {"at": END, "seconds": 300, "around": 40}
QUEUE = {"at": END, "seconds": 300, "place": "Café", "people": 25}
STATE = {"at": END, "screen": "alive", "devices": {"printer": "paper"}}
HELP = {"at": END, "called": END, "answered": {}}


class Device:
    """A device with its own state and everything that it published."""

    def __init__(self, folder, name, more=""):
        folder.mkdir()
        file = folder / "parvis.toml"
        file.write_text(
            f'[site]\nid = "parc"\nname = "P"\n[device]\nid = "{name}"\nstate_dir = "{folder}/state"\n{more}',
            encoding="utf-8",
        )
        self.settings = settings.load(file, {})
        database.migrate(self.settings)
        self.store = database.open_edge(self.settings.edge_db)
        self.out, self.there, self.now, self.running = [], True, END, 0.0
        self.live = Live(self.settings, self.store, self.publish, lambda: self.now)

    def publish(self, topic, payload):
        if self.there:
            self.out.append((topic.removeprefix("live/"), payload))
        return self.there

    def count(self, zone, associated, *, access_point=None, doubt=None, end=END):
        with database.write(self.store):
            series.record(self.store, PresenceWindow(
                zone=zone, access_point=access_point, start=int(end) - 300, seconds=300, observed=300, doubt=doubt,
                associated=associated, online=None, arrivals=None, departures=None), end)  # fmt: skip

    def tend(self, seconds=2.0):
        self.now += seconds
        self.running += seconds
        self.out.clear()
        self.live.tend(self.running, self.now)
        return {what: json.loads(payload) if payload else None for what, payload in self.out}


LAN = (
    '[lan]\ninterface = "lan0"\nipv4 = "10.77.0.1/20"\ndhcp_range = "10.77.1.0-10.77.1.250"\n[wan]\n'
    'interface = "wan0"\n'
    'dns = ["192.0.2.53"]\n[portal]\nhostname = "wifi.parc.example"\n[presence]\nqueue = "ap-cafe"\n'
    'queue_place = "Café Exemple"\nqueue_hours = "11:30-13:30"\n'
)


@pytest.fixture
def gateway(tmp_path):
    made = Device(tmp_path / "gateway", "gateway-1", LAN)
    yield made
    made.store.close()


@pytest.fixture
def kiosk(tmp_path):
    made = Device(tmp_path / "kiosk", "kiosk-1")
    yield made
    made.store.close()


def test_a_gateway_tells_the_sum_of_its_zones_and_a_kiosk_shows_it(gateway, kiosk):
    """As it was told and rounded; the next kiosk of the site shows the same number."""
    gateway.count("main", 145)
    gateway.count("offices", None)
    told = gateway.tend()
    assert told["busy"] == {"at": END, "seconds": 300, "around": 145}
    assert live.around(gateway.settings, gateway.now) == (True, 145)
    assert kiosk.live.hear("busy", "gateway-1", json.dumps(told["busy"]).encode())
    kiosk.tend()
    assert live.around(kiosk.settings, kiosk.now) == (True, 145)


@pytest.mark.parametrize(("counts", "told"), [((None, None), None), ((10, None), 10), ((15, 20), 35)])
def test_a_small_group_is_told_by_nobody(gateway, counts, told):
    """What the windows hide stays hidden."""
    for zone, count in zip(("main", "offices"), counts, strict=True):
        gateway.count(zone, count)
    assert gateway.tend()["busy"]["around"] == told


def test_a_flood_is_not_told_as_calm(gateway):
    """Nobody can say how busy it is: nothing is told, and in the end it is unknown."""
    gateway.count("main", None, doubt="flood")
    assert "busy" not in gateway.tend()


def test_the_queue_is_told_in_its_hours_alone(gateway):
    """From the access point's window; when the hours are over it is taken back."""
    gateway.count("main", 60)
    gateway.count("main", 25, access_point="ap-cafe")
    gateway.count("main", 15, access_point="ap-hall")
    assert gateway.tend()["queue"] == {"at": END, "seconds": 300, "place": "Café Exemple", "people": 25}
    assert live.queues(gateway.settings, gateway.now) == [live.Queue("Café Exemple", 25, END)]
    assert "queue" not in gateway.tend(800)
    assert live.queues(gateway.settings, gateway.now)[0].people is None
    assert gateway.tend(200)["queue"] is None
    assert live.queues(gateway.settings, gateway.now) == []


@pytest.mark.parametrize(("hours", "minute", "told"), [
    (None, 795, True), ((690, 840), 795, True), ((690, 780), 795, False),
    ((1320, 480), 795, False), ((700, 60), 795, True),
])  # fmt: skip
def test_hours_may_span_midnight(hours, minute, told):
    """Minutes of the day, in the park's time."""
    assert is_within(hours, END + 60 * (minute - 795)) is told


def test_everything_is_said_again_each_minute_and_with_a_new_connection(gateway):
    """A broker that was wiped knows it again; nothing is said twice in between."""
    gateway.count("main", 40)
    assert gateway.tend()["busy"]["around"] == 40
    assert gateway.tend() == {}
    assert gateway.tend(60)["busy"]["around"] == 40
    gateway.live.again()
    assert set(gateway.tend()) == {"busy", "help"}


def test_without_a_broker_the_own_count_is_shown_and_told_later(gateway):
    """The cable to the broker is cut: this box knows, the others hear of it when it is back."""
    gateway.there = False
    gateway.count("main", 40)
    assert gateway.tend() == {}
    assert live.around(gateway.settings, gateway.now) == (True, 40)
    gateway.there = True
    assert gateway.tend()["busy"]["around"] == 40


@pytest.mark.parametrize("payload", [
    b"x", b"[]", b"{}", b"[" * 4000, b" " * 5000,
    *(json.dumps({**BUSY, **wrong}).encode() for wrong in (
        {"around": 9}, {"around": -1}, {"around": "40"}, {"around": True}, {"around": 10**9}, {"around": 40.5},
        {"seconds": 0}, {"seconds": 10**6}, {"seconds": None}, {"at": None}, {"at": END + 300}, {"at": END - 4000},
        {"at": float("nan")}, {"at": float("inf")}, {"at": 10**400}, {"around": 10**400}, {"seconds": 10**400},
    )),
])  # fmt: skip
def test_what_makes_no_sense_is_refused(kiosk, payload):
    """Garbage, an impossible count, a moment of yesterday or of tomorrow: counted, and the last good word stays."""
    assert kiosk.live.hear("busy", "gateway-1", json.dumps(BUSY).encode())
    assert not kiosk.live.hear("busy", "gateway-1", payload)
    assert kiosk.live.refused == 1
    kiosk.tend()
    assert live.around(kiosk.settings, kiosk.now) == (True, 40)


@pytest.mark.parametrize(("what", "word", "wrong"), [
    ("queue", QUEUE, {"place": ""}), ("queue", QUEUE, {"place": "a\nb"}), ("queue", QUEUE, {"people": 3}),
    ("help", HELP, {"answered": [1]}), ("help", HELP, {"answered": {"x" * 65: END}}), ("help", HELP, {"called": "now"}),
    ("help", HELP, {"called": 10**400}), ("help", HELP, {"answered": {"k": 10**400}}),
    ("kiosk", STATE, {"screen": "lit"}), ("kiosk", STATE, {"devices": [1]}),
    ("kiosk", STATE, {"devices": {"a\n": "b"}}), ("kiosk", STATE, {"devices": {"printer": 1}}),
    ("kiosk", STATE, {"devices": {str(n): "ready" for n in range(17)}}),
    ("help", HELP, {"answered": {str(n): END for n in range(65)}}), ("help", HELP, {"answered": {"k": END + 1e6}}),
])  # fmt: skip
def test_each_kind_is_judged_by_its_own_rules(what, word, wrong):
    """The example is good, one wrong member is enough."""
    assert live.judge(what, json.dumps({**word, "later": 1}).encode(), END) == word
    assert live.judge(what, json.dumps({**word, **wrong}).encode(), END) is None


def test_a_silent_gateway_makes_the_number_unknown_and_is_forgotten_in_the_end(kiosk):
    """Two windows without a word: nobody knows; an hour: it is no longer missed."""
    kiosk.live.hear("busy", "gateway-1", json.dumps(BUSY).encode())
    kiosk.live.hear("busy", "gateway-2", json.dumps({**BUSY, "at": END - 1000}).encode())
    kiosk.tend()
    assert live.around(kiosk.settings, END) == (True, None)
    kiosk.live.hear("busy", "gateway-2", b"")
    kiosk.tend()
    assert live.around(kiosk.settings, END) == (True, 40)
    kiosk.tend(700)
    assert live.around(kiosk.settings, kiosk.now) == (True, None)
    kiosk.tend(3600)
    assert live.around(kiosk.settings, kiosk.now) == (False, None)


def test_a_crowd_of_devices_fills_no_memory(kiosk):
    """More devices than a site has are refused."""
    heard = [kiosk.live.hear("busy", f"d{n}", json.dumps(BUSY).encode()) for n in range(250)]
    assert heard.count(True) == 200


def test_a_call_reaches_the_desk_and_its_answer_the_kiosk(gateway, kiosk):
    """The desk sees who calls; the kiosk sees that somebody comes; a new call is a new one."""
    live.call(kiosk.settings, END)
    said = json.dumps(kiosk.tend()["help"]).encode()
    gateway.live.hear("help", "kiosk-1", said)
    gateway.tend()
    assert live.calls(gateway.settings, gateway.now) == {"kiosk-1": (END, False)}
    live.answer(gateway.settings, "kiosk-1", END + 5)
    kiosk.live.hear("help", "gateway-1", json.dumps(gateway.tend()["help"]).encode())
    kiosk.tend()
    assert live.calls(kiosk.settings, kiosk.now) == {"kiosk-1": (END, True)}
    live.call(kiosk.settings, END + 60)
    assert live.calls(kiosk.settings, END + 61) == {"kiosk-1": (END + 60, False)}
    live.call(kiosk.settings, None)
    assert live.calls(kiosk.settings, END + 62) == {}
    live.call(kiosk.settings, END)
    assert live.calls(kiosk.settings, END + 1801) == {}


def test_a_kiosk_says_how_it_is_and_the_others_show_it(tmp_path, kiosk):
    """Its page's sign of life and its devices' states; again each minute; missed when it says nothing, for a day."""
    other = Device(tmp_path / "other", "kiosk-2", "[kiosk]\nscreen = true\n")
    run = other.settings.run_dir
    run.mkdir(parents=True)
    board = Board()
    board.tell("printer", state="paper")
    board.tell("screen", state="lit")
    door = Door(other.settings.devices_socket, board)
    door.start()
    try:
        assert other.tend()["kiosk"] == {"at": other.now, "screen": "silent", "devices": {"printer": "paper"}}
        (run / "kiosk.heartbeat").touch()
        board.tell("printer", state="ready")
        assert "kiosk" not in other.tend(2)  # it looks each ten seconds
        said = other.tend(10)["kiosk"]
        assert (said["screen"], said["devices"]) == ("alive", {"printer": "ready"})
        assert "kiosk" not in other.tend(10)
        assert "kiosk" in other.tend(60)
    finally:
        door.shutdown()
        door.server_close()
    assert "kiosk" not in kiosk.tend()  # a device without a screen
    assert kiosk.live.hear("kiosk", "kiosk-2", json.dumps({**said, "at": kiosk.now}).encode())
    kiosk.tend()
    assert live_kiosks.others(kiosk.settings, kiosk.now) == [
        live_kiosks.Kiosk("kiosk-2", up=True, screen="alive", devices={"printer": "ready"}, at=kiosk.now - 2)
    ]
    kiosk.tend(7200)
    assert [each.up for each in live_kiosks.others(kiosk.settings, kiosk.now)] == [False]
    kiosk.tend(86400)
    assert live_kiosks.others(kiosk.settings, kiosk.now) == []
    other.store.close()
