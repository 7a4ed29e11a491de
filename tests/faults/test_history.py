# SPDX-License-Identifier: EUPL-1.2
"""A device through everything at once: killed at named points, brokers wiped, clocks that jump, old copies put back.

In the end the history is checked: what a person was told is at the platform, once, in order; gaps are declared gaps.
The long dose (make soak) kills a thousand times.
"""

import os
import random
import shutil
import signal
import sys
import time

import pytest

from edge_core.store import database, outbox, requests
from lab.faults import history, killed
from lab.faults.peer import Peer
from lab.faults.site import Broker, Device, Process, until

LONG = os.environ.get("PARVIS_SOAK") == "1"
pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(
        not shutil.which("mosquitto", path="/usr/sbin:/usr/bin:/usr/local/sbin"), reason="mosquitto is not installed"
    ),
]


class Story:
    """A device, its broker and platform, and what people were told."""

    def __init__(self, folder, seed):
        self.folder, self.dice = folder, random.Random(seed)
        self.broker = Broker(folder / "broker")
        self.broker.start()
        self.peer = Peer(self.broker.port).start()
        self.device = Device(folder / "device", self.broker.port)
        self.promised, self.kills, self.now = [], 0, time.time()

    def ask(self, count=5):
        for _ in range(count):
            request = requests.create(
                self.device.store, kind="room", subject="s", data={}, place="kiosk", now=self.now
            )  # fmt: skip
            self.promised.append(request.id)

    def kill_at(self, point):
        words = [
            sys.executable,
            "-m",
            "lab.faults.killed",
            point,
            str(self.dice.randint(1, 3)),
            str(self.device.config),
        ]
        process = Process(words, self.folder / "killed.log")
        process.start()
        if "reply" in point and self.promised:
            time.sleep(0.5)
            self.peer.reply(self.device.name, 1, self.promised[0], "accepted")
        end = time.monotonic() + 4
        while process.popen.poll() is None and time.monotonic() < end:
            time.sleep(0.05)
        code = process.popen.poll()
        assert code in (None, -signal.SIGKILL), f"{point}: it ended by itself ({code}), see {process.log}"
        self.kills += code is not None
        process.kill()  # where the point was not reached this time

    def settle(self):
        self.device.sync.start()
        until(self.device.empty, 60, "everything acknowledged")
        self.device.sync.kill()

    def check(self):
        mine = {(epoch, seq): event for (name, epoch, seq), event in self.peer.held.items() if name == self.device.name}
        lasts = {self.device.epoch: outbox.last_seq(self.device.store)}
        found = history.check(self.promised, mine, lasts)
        assert found.good, found
        assert self.device.account().balanced
        assert outbox.recount(self.device.store)
        return {"promised": len(self.promised), "kills": self.kills, "held": len(mine), "declared": found.declared}

    def close(self):
        self.device.sync.kill()
        self.device.store.close()
        self.peer.stop()
        self.broker.kill()


@pytest.fixture
def story(tmp_path):
    story = Story(tmp_path, 11)
    yield story
    story.close()


def play(story, rounds, points):
    for number in range(rounds):
        story.ask(story.dice.randint(1, 6))
        story.device.tell(story.dice.randint(0, 400))
        story.now += story.dice.choice([1.0, 1.0, 315_576_000.0, -315_576_000.0])  # ten years, either way
        story.kill_at(points[number % len(points)])
        if story.dice.random() < 0.15:
            story.broker.kill()
            shutil.rmtree(story.folder / "broker" / "data", ignore_errors=True)
            story.broker.start()
    story.settle()
    return story.check()


@pytest.mark.parametrize("point", killed.POINTS)
def test_each_point_is_there(point):
    """A name that has moved would be a kill that never comes."""
    owner, name, _ = killed.POINTS[point]
    assert callable(getattr(owner, name, None))


def test_killed_at_named_points(story, capsys):
    """A kill at each of three points, chosen anew by the day: nothing lost, nothing twice, order kept."""
    points = sorted(killed.POINTS)
    random.Random(time.strftime("%Y%j")).shuffle(points)
    counts = play(story, 3, points)
    with capsys.disabled():
        print(f"\nkilled at named points: {counts}")


@pytest.mark.soak
@pytest.mark.timeout(7200)
@pytest.mark.skipif(not LONG, reason="takes minutes: make soak")
def test_a_thousand_kills(story, capsys):
    """Every point, again and again."""
    counts = play(story, 1000, sorted(killed.POINTS))
    with capsys.disabled():
        print(f"\nkilled at named points: {counts}")


@pytest.mark.parametrize("witness", ["outlived", "old too"])
def test_an_old_copy_put_back(story, witness):
    """The database of this morning is put back: no number is used again, and what is told after that arrives once.

    Where the witness is as old, the platform's first word shows it: it holds more than this copy ever gave.
    """
    story.ask(20)
    story.settle()
    story.device.store.close()
    state = story.device.settings.device.state_dir
    shutil.copytree(state, story.folder / "morning")
    story.device.store = database.open_edge(story.device.settings.edge_db)
    before = story.device.epoch
    story.ask(20)
    story.settle()
    story.device.store.close()
    kept = (state / "edge.witness").read_bytes()
    shutil.rmtree(state)
    shutil.copytree(story.folder / "morning", state)
    if witness == "outlived":
        (state / "edge.witness").write_bytes(kept)
    database.migrate(story.device.settings)  # as at each boot
    story.device.store = database.open_edge(story.device.settings.edge_db)
    story.ask(20 if witness == "outlived" else 5)
    story.device.sync.start()
    until(lambda: story.device.epoch != before and story.device.empty(), 40, "a new epoch, acknowledged")
    story.device.sync.kill()
    held = {(epoch, seq): event for (_, epoch, seq), event in story.peer.held.items()}
    assert history.check(story.promised, held, {story.device.epoch: outbox.last_seq(story.device.store)}).good


def test_the_checker_finds_what_is_wrong():
    """Each kind of wrong history is found: the checker can fail."""

    def request(key, event=""):
        return {"type": "eu.parvis.request.created.v1", "id": event or key, "data": {"request": key}}

    good = {("e", 1): request("a"), ("e", 2): request("b")}
    assert history.check(["a", "b"], good, {"e": 2}).good
    assert history.check(["a", "b", "c"], good, {"e": 2}).lost == ["c"]
    assert history.check(["b", "a"], good, {"e": 2}).disordered
    assert history.check(["a", "b"], good, {"e": 3}).undeclared == [("e", 3)]
    assert history.check(["a"], {("e", 1): request("a"), ("f", 1): request("a")}, {}).twice == ["a"]
    gap = {"type": "eu.parvis.health.gap.v1", "id": "g", "data": {"first": 3, "last": 3, "count": 1}}
    assert history.check(["a", "b"], {**good, ("e", 4): gap}, {"e": 4}).good
