# SPDX-License-Identifier: EUPL-1.2
"""The loop with a real store and a hand-written connection: what it publishes, refuses and survives."""

import json
import sqlite3
import uuid
import zlib
from collections import Counter, deque

import pytest

from edge_core import events, settings
from edge_core.errors import StoreError
from edge_core.store import database, outbox
from sync.mqtt import Connected, Disconnected, Message
from sync.service import Service
from sync.uplink import Limits


class Link:
    """Stands for the network: notices go in, what is published comes out."""

    def __init__(self):
        self.connected, self.unconfirmed = False, 0
        self.notices, self.out = deque(), []

    def turn(self, timeout, now):
        del timeout, now
        notices = list(self.notices)
        self.notices.clear()
        for notice in notices:
            self.connected = {Connected: True, Disconnected: False}.get(type(notice), self.connected)
        return notices

    def publish(self, topic, payload, *, retain=False):
        if self.connected:
            self.out.append(Message(topic, payload, retain))
        return self.connected

    def close(self, last, timeout, clock):
        del timeout, clock
        self.publish(last.topic, last.payload, retain=last.retain)


class World:
    """A device with its clock, its link and its service."""

    def __init__(self, tmp_path):
        file = tmp_path / "parvis.toml"
        file.write_text(
            f'[site]\nid = "parc"\nname = "P"\n[device]\nid = "gateway-1"\nstate_dir = "{tmp_path}/state"\n'
        )
        self.settings = settings.load(file, {})
        database.migrate(self.settings)
        self.store = database.open_edge(self.settings.edge_db)
        self.now, self.pokes, self.content = 100.0, 0, None
        self.link, self.counts = Link(), Counter()
        self.service = Service(
            self.settings, self.store, self.link, clock=lambda: self.now, wall=lambda: 1.7e9, boot="boot",
            content_version=lambda: self.content, poke=self._poke, counts=self.counts,
            limits=Limits(messages=4, events=10),
        )  # fmt: skip

    def _poke(self):
        self.pokes += 1

    def tell(self, count):
        with database.write(self.store):
            for _ in range(count):
                outbox.append(
                    self.store, events.SessionStarted(session=str(uuid.uuid4()), plan="guest", seconds=1), 1.7e9
                )

    def step(self, *notices, seconds=0.1):
        self.now += seconds
        self.link.notices.extend(notices)
        self.link.out.clear()
        self.service.step(0.0)
        return self.link.out

    def ack(self, seq):
        body = {"epoch": outbox.epoch(self.store), "seq": seq}
        return Message("parvis/1/parc/gateway-1/ack", json.dumps(body).encode())


@pytest.fixture
def world(tmp_path):
    made = World(tmp_path)
    yield made
    made.store.close()


def numbers(messages):
    found = []
    for message in messages:
        if "/ev/" in message.topic:
            raw = message.payload
            found += [event["seq"] for event in json.loads(zlib.decompress(raw) if raw[0] == 0x78 else raw)]
    return found


def test_nothing_leaves_without_connection(world):
    """Disconnected, nothing is published and nothing is counted as sent."""
    world.tell(5)
    assert world.step() == []
    assert world.counts["sent"] == 0


def test_while_little_happens_the_card_is_written_to_now_and_then(world):
    """Single events are deleted together, two seconds later at most; a full window at once, so that it goes on."""
    world.service.window.limits = Limits(messages=100, events=10)
    world.step(Connected("5"))
    deletions, before = 0, 0
    for _ in range(40):
        world.tell(1)
        world.step()
        world.step(world.ack(outbox.last_seq(world.store)))
        deletions += world.counts["acked"] > before
        before = world.counts["acked"]
    assert deletions == 4
    world.tell(1000)
    world.step()
    assert world.service.window.slots < 50
    world.step(world.ack(world.service.window.cursor))
    assert world.counts["acked"] > before + 500


def test_connection_brings_state_events_and_birth(world):
    """The state comes first, then the events, then the birth; state and birth are retained, events are not."""
    world.tell(3)
    out = world.step(Connected("5"))
    assert [message.topic.rsplit("/", 1)[1] for message in out] == ["state", "usage", "birth"]
    assert [message.retain for message in out] == [True, False, True]
    assert numbers(out) == [1, 2, 3]


def test_window_is_respected_and_moves_with_the_acknowledgement(world):
    """Four messages of ten, then nothing, then as many as were acknowledged."""
    world.tell(100)
    assert numbers(world.step(Connected("5"))) == list(range(1, 41))
    assert numbers(world.step()) == []
    assert numbers(world.step(world.ack(20))) == list(range(41, 61))
    assert outbox.account(world.store) == outbox.Account(created=100, acked=20, pending=80, dropped=0)


def test_publishing_stops_where_the_broker_confirms_nothing(world):
    """A broker that takes bytes but confirms none is not fed for ever."""
    world.tell(10)
    world.link.unconfirmed = 100
    assert numbers(world.step(Connected("5"))) == []


def test_disk_that_is_full_keeps_rows_and_goes_on_later(world, monkeypatch):
    """When the deletion can't be written the window stays; a second later it is tried again."""
    world.tell(100)
    world.step(Connected("5"))
    real = outbox.acknowledge

    def full(*_):
        error = sqlite3.OperationalError("database or disk is full")
        error.sqlite_errorcode = sqlite3.SQLITE_FULL
        raise error

    monkeypatch.setattr(outbox, "acknowledge", full)
    assert numbers(world.step(world.ack(20))) == []
    assert world.counts["stumbled"] == 1
    assert outbox.account(world.store).pending == 100
    monkeypatch.setattr(outbox, "acknowledge", real)
    assert numbers(world.step(seconds=2.0)) == list(range(41, 61))
    assert outbox.account(world.store).acked == 20


def test_refused_reply_write_loses_no_reply(world, monkeypatch):
    """Replies that could not be written stay in hand until they can."""
    reply = {"n": 1, "epoch": "stream-0001", "request": "r", "state": "accepted", "reason": None, "reference": None}
    message = Message("parvis/1/parc/gateway-1/reply/1", json.dumps(reply).encode())
    world.step(Connected("5"))
    with monkeypatch.context() as patch:
        patch.setattr(world.service._replies, "apply", _refuse)
        world.step(message)
    out = world.step(seconds=2.0)
    assert [json.loads(m.payload) for m in out if m.topic.endswith("/replied")] == [{"epoch": "stream-0001", "n": 1}]


def test_a_notice_that_the_store_refuses_ends_nothing(world, monkeypatch):
    """The acknowledgement that can't be judged now is judged when it comes again; what came with it is heard."""
    world.tell(3)
    world.step(Connected("5"))
    with monkeypatch.context() as context:
        context.setattr("sync.service.outbox.last_seq", _refuse)
        world.step(world.ack(7), Message("parvis/1/parc/feed", b""))
    assert (world.counts["stumbled"], world.pokes) == (1, 1)
    world.step(world.ack(3), seconds=2)
    assert (world.counts["acked"], world.counts["stumbled"]) == (3, 1)


def _refuse(*_):
    raise StoreError("full")


def test_smaller_messages_after_several_silent_rounds(world):
    """When no acknowledgement comes the messages shrink to one event, and grow again with the first one."""
    world.tell(30)
    world.step(Connected("5"))
    sizes = [len(numbers(world.step(seconds=100.0))) for _ in range(3)]
    assert sizes == [10, 1, 1]
    assert numbers(world.step(world.ack(1))) == list(range(2, 22))


def test_feed_is_only_a_poke(world):
    """A feed message, whatever it says, wakes the download and is believed in nothing."""
    world.step(Connected("5"), Message("parvis/1/parc/feed", b"\xff"))
    assert world.pokes == 1


def test_birth_is_repeated_only_when_something_changed(world):
    """Quiet: no birth. A new event or new content: one within seconds."""
    world.step(Connected("5"))
    assert not [m for m in world.step(seconds=10.0) if m.topic.endswith("/birth")]
    world.content = 7
    birth = next(m for m in world.step(seconds=10.0) if m.topic.endswith("/birth"))
    assert json.loads(birth.payload)["content"] == {"version": 7}


def test_gap_is_told_before_its_turn(world):
    """Where a hole shows, the event that declares it leaves first."""
    world.tell(60)
    with database.write(world.store):
        outbox.drop(world.store, 5, 9)
        outbox.append(world.store, events.Gap(first=5, last=9, count=5, reason="room"), 1.7e9)
    assert numbers(world.step(Connected("5")))[:6] == [61, 1, 2, 3, 4, 10]


def test_end_says_offline(world):
    """The last word is the retained state, offline."""
    world.link.connected = True
    world.service.run(lambda: True)
    assert json.loads(world.link.out[-1].payload)["online"] is False
    assert world.link.out[-1].retain


def test_flood_of_nonsense_fills_no_log(world, capsys):
    """A thousand refused acknowledgements are all counted, and a dozen of them are told."""
    world.step(Connected("5"))
    capsys.readouterr()
    world.step(*[Message("parvis/1/parc/gateway-1/ack", b"nonsense")] * 1000)
    assert world.counts["refused_ack"] == 1000
    told = capsys.readouterr()
    assert (told.out + told.err).count("malformed") <= 12
