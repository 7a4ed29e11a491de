# SPDX-License-Identifier: EUPL-1.2
"""A model of leased quotas: sites and a platform, the real stores on both sides, and a world that does its worst.

Messages are lost, doubled and reordered; sites are cut off, restarted and put back from old copies; clocks jump by
years. What people were promised, by a page or by the platform, is never more than there is.
"""

import json
import os
import shutil
import sqlite3
import tempfile
import time
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from edge_core import events
from edge_core import settings as edge_settings
from edge_core.store import database, lives, outbox, quotas, requests
from lab.platform import leasing, store
from lab.platform import quotas as platform_quotas
from lab.platform.contract import Contract
from lab.platform.inbox import Decision, Inbox, Message
from lab.platform.testing import uuid7
from lab.platform.writer import Writer
from sync import batches, birth
from sync.replies import Replies, parse
from sync.uplink import Limits, read_ack

CAPACITY, SHARE, TERM, YEARS = 12, 3, 3600.0, 10 * 365 * 86400.0
SOAK = bool(os.environ.get("PARVIS_SOAK"))
SITES = ("a", "b", "c")
PART = Limits(messages=3, events=2)
CONTRACT = Contract()


class Ending:
    """A future that nobody waits for."""

    def __init__(self):
        self.result = "nothing"

    def set_result(self, result):
        self.result = result


def quick(connection):
    """No power is cut here: what the disk keeps is another test's."""
    connection.execute("PRAGMA synchronous=OFF")
    return connection


class Site:
    """One device: its edge.db, its clock, and what `sync` does with it, step by step."""

    def __init__(self, folder, name, template):
        self.root, self.source = f"parvis/1/{name}/kiosk", f"/{name}/kiosk"
        self.file = folder / f"{name}.db"
        shutil.copy(template, self.file)
        self.open()
        with database.write(self.edge):
            lives.begin_anew(self.edge)
        self.offset, self.old = 0.0, None

    def open(self):
        self.edge = quick(database.open_edge(self.file))
        self.replies = Replies(self.edge)

    def now(self):
        return time.time() + self.offset

    def restart(self):
        self.edge.close()
        self.open()

    def copy(self):
        """Keep a copy of the database as it is now."""
        self.old = self.file.with_suffix(".old")
        with closing(sqlite3.connect(self.old)) as copy:
            self.edge.backup(copy)

    def restore(self):
        """Put the copy back; the witness notices, and a new epoch begins."""
        self.edge.close()
        for path in self.file.parent.glob(f"{self.file.name}*"):
            path.unlink()
        shutil.copy(self.old, self.file)
        self.open()
        with database.write(self.edge):
            lives.begin_anew(self.edge)

    def births(self):
        epoch = outbox.epoch(self.edge)
        account, oldest = outbox.account(self.edge), outbox.oldest(self.edge)
        said = birth.birth(
            self.root, epoch=epoch, boot="boot", account=account, oldest=oldest, content=None, now=time.time()
        )
        return [Message(one.topic, one.payload) for one in (birth.state(self.root, epoch, online=True), said)]

    def sends(self):
        rows = outbox.read_after(self.edge, 0, 6)
        packed = batches.pack(rows, self.source, outbox.epoch(self.edge), 3, PART)
        return [Message(f"{self.root}/ev/{batch.klass}", batch.payload()) for batch in packed.batches]

    def hears(self, topic, payload):
        """Do what `sync` does; return what it says."""
        if topic.endswith("/ack"):
            epoch, seq = read_ack(payload)
            if epoch == outbox.epoch(self.edge) and seq <= outbox.last_seq(self.edge):
                with database.write(self.edge):
                    outbox.acknowledge(self.edge, seq)
            return []
        if "/reply/" not in topic:
            return []
        done = self.replies.apply([parse(payload)], self.now())
        said = [json.dumps({"epoch": epoch, "n": n}).encode() for epoch, n in done.items()]
        return [Message(f"{self.root}/replied", body) for body in said]


class Quotas(RuleBasedStateMachine):
    """Three sites that sell the same seats, and a platform in front of which they are cut off all the time."""

    template = None

    @initialize()
    def start(self):
        self.folder = Path(tempfile.mkdtemp())
        self.sites = {name: Site(self.folder, name, self.template) for name in SITES}
        self.up, self.down = [], []
        self.promised = {}  # request: units that a page called confirmed, in whichever life
        self.restored = False
        self.open_platform()
        self.put(SHARE)
        for name in SITES:
            self.talk(name, times=2, lost=0)

    def open_platform(self):
        self.platform = quick(store.open_writer(self.folder / "platform.db"))
        self.writer = Writer(
            self.platform, CONTRACT, Inbox(), lambda *said: self.down.append(said), accept=True, term=TERM
        )

    def put(self, share):
        quota = platform_quotas.Quota("event", "atelier", "", "person", CAPACITY, share)
        done = Ending()
        self.writer._work([Decision(lambda connection: 0 if platform_quotas.put(connection, quota) else None, done)])
        assert done.result == 0

    def teardown(self):
        if not hasattr(self, "writer"):
            return
        try:
            self.heal()
        finally:
            self.platform.close()
            for site in self.sites.values():
                site.edge.close()
            shutil.rmtree(self.folder)

    # People.
    @rule(name=st.sampled_from(SITES), groups=st.lists(st.integers(1, 3), min_size=1, max_size=4))
    def ask(self, name, groups):
        """Groups of people ask, one after the other."""
        self.confirmed(name, groups)

    def confirmed(self, name, groups):
        """Let groups of people ask; return how many seats a page called confirmed."""
        site, confirmed = self.sites[name], 0
        for people in groups:
            answers = {"people": str(people)}
            made = requests.create(
                site.edge, kind="event", subject="atelier", data=answers, place="kiosk", now=site.now()
            )
            assert made.is_confirmed != made.is_provisional
            if made.is_confirmed:
                assert made.units == people
                self.promised[made.id] = people
                confirmed += people
        self.never_more_than_there_is()
        return confirmed

    @rule(share=st.sampled_from([0, SHARE, 6]))
    def change_share(self, share):
        self.put(share)

    # The sites.
    @rule(name=st.sampled_from(SITES), times=st.integers(1, 3), lost=st.sampled_from([0, 0, 0, 2, 3]))
    def talk(self, name, times, lost):
        """A while with a connection, of which each so many-th message is lost; all may come again later, or late."""
        site = self.sites[name]
        for _ in range(times):
            sent = [*site.births(), *site.sends()]
            before = len(self.down)
            self.writer._resend_at = 0.0
            self.writer._work([one for n, one in enumerate(sent, 1) if not lost or n % lost])
            heard = [said for said in self.down[before:] if said[0].split("/")[2] == name]
            answers = [site.hears(*said) for n, said in enumerate(heard, 1) if not lost or n % lost]
            told = [one for some in answers for one in some]
            self.writer._work(told)
            self.up = [*self.up, *sent, *told][-60:]
            self.down = self.down[-60:]

    @rule(name=st.sampled_from(SITES), born=st.booleans())
    def send(self, name, born):
        self.up += (self.sites[name].births() if born else []) + self.sites[name].sends()

    @rule(name=st.sampled_from(SITES), seconds=st.sampled_from([0.0, TERM * 0.6, TERM * 1.1, -YEARS, YEARS]))
    def set_clock(self, name, seconds):
        self.sites[name].offset = seconds

    @rule(name=st.sampled_from(SITES))
    def tend(self, name):
        with database.write(self.sites[name].edge):
            quotas.give_back(self.sites[name].edge, self.sites[name].now())

    @rule(name=st.sampled_from(SITES))
    def restart(self, name):
        self.sites[name].restart()

    @rule(name=st.sampled_from(SITES))
    def copy(self, name):
        self.sites[name].copy()

    @rule(name=st.sampled_from(SITES))
    def restore(self, name):
        if self.sites[name].old:
            self.restored = True
            self.sites[name].restore()

    # The way between, and the platform.
    @rule(places=st.lists(st.integers(0, 50), min_size=1, max_size=6), keep=st.booleans())
    def deliver_up(self, places, keep):
        taken = [self.up[place % len(self.up)] for place in places] if self.up else []
        self.up = self.up if keep else [message for message in self.up if message not in taken]
        self.writer._work(taken)

    @rule(places=st.lists(st.integers(0, 50), min_size=1, max_size=6), keep=st.booleans())
    def deliver_down(self, places, keep):
        taken = [self.down[place % len(self.down)] for place in places] if self.down else []
        self.down = self.down if keep else [said for said in self.down if said not in taken]
        self.hear(taken)

    def hear(self, messages):
        for topic, payload in messages:
            self.up += self.sites[topic.split("/")[2]].hears(topic, payload)

    @rule(lose=st.sampled_from(["up", "down"]))
    def lose(self, lose):
        setattr(self, lose, [])

    @rule()
    def turn(self):
        self.writer._resend_at = 0.0
        self.writer._work([])

    @rule()
    def restart_platform(self):
        self.platform.close()
        self.open_platform()

    # What must be true.
    @invariant()
    def never_more_than_there_is(self):
        if hasattr(self, "writer"):
            rows = self.platform.execute(
                "SELECT request, units, doubt FROM requests WHERE state = 'accepted'"
            ).fetchall()
            assert not any(doubt for _, _, doubt in rows)
            others = sum(units for request, units, _ in rows if request not in self.promised)
            assert sum(self.promised.values()) + others <= CAPACITY
            assert platform_quotas.taken(self.platform, 1) <= CAPACITY

    def heal(self):
        """Let everything through: what was promised is accepted, and what nobody wanted is free again."""
        self.put(0)
        for _ in range(40):
            for site in self.sites.values():
                self.up += [*site.births(), *site.sends()]
            self.turn()
            said, self.up = self.up, []
            self.writer._work(said)
            heard, self.down = self.down, []
            self.hear(heard)
            if not self.up and not any(site.sends() for site in self.sites.values()) and self.settled():
                break
        states = dict(self.platform.execute("SELECT request, state FROM requests").fetchall())
        assert not self.platform.execute("SELECT 1 FROM requests WHERE doubt = 1").fetchone()
        assert {states.get(key, "lost with its life") for key in self.promised} <= (
            {"accepted", "lost with its life"} if self.restored else {"accepted"}
        )
        self.never_more_than_there_is()
        if not self.restored:
            assert self.settled()
            accepted = "SELECT coalesce(sum(units), 0) FROM requests WHERE state = 'accepted'"
            assert platform_quotas.taken(self.platform, 1) == self.platform.execute(accepted).fetchone()[0]

    def settled(self):
        open_leases = "SELECT count(*) FROM leases WHERE returned IS NULL"
        return not self.platform.execute(open_leases).fetchone()[0]


@pytest.fixture
def template(tmp_path):
    file = tmp_path / "parvis.toml"
    file.write_text(f'[site]\nid = "a"\nname = "A"\n[device]\nid = "kiosk"\nstate_dir = "{tmp_path}/state"\n')
    loaded = edge_settings.load(file, {})
    database.migrate(loaded)
    with closing(sqlite3.connect(loaded.edge_db)) as plain:
        plain.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return loaded.edge_db


@pytest.mark.soak
def test_people_are_never_promised_more_than_there_is(template):
    """Sites confirm what their leases hold and nothing else; the platform frees only what they gave back."""
    machine = type("Machine", (Quotas,), {"template": template})
    dose = settings(max_examples=1000 if SOAK else 20, stateful_step_count=60 if SOAK else 30)
    run_state_machine_as_test(machine, settings=dose)


@pytest.fixture
def world(template):
    """Three sites with a lease each, to be led through one story."""
    machine = object.__new__(type("World", (Quotas,), {"template": template}))
    machine.start()
    yield machine
    machine.teardown()


def test_a_site_confirms_its_share_and_the_rest_waits(world):
    """Cut off: three seats are confirmed, the fourth is provisional, and the platform accepts both when it hears."""
    assert world.confirmed("a", [2, 1, 1]) == 3
    world.talk("a", times=3, lost=0)
    states = world.platform.execute("SELECT units, lease IS NULL, state FROM requests ORDER BY n").fetchall()
    assert states == [(2, 0, "accepted"), (1, 0, "accepted"), (1, 1, "accepted")]
    assert world.confirmed("a", [2]) == 2  # a spent lease is followed by another


def test_what_is_gone_is_gone(world):
    """All twelve seats: whoever comes later waits, wherever; seats that come back go to who waits longest."""
    for name in SITES:
        world.confirmed(name, [3])
        world.talk(name, times=3, lost=0)
    assert [world.confirmed(name, [3]) for name in SITES].count(3) == 1
    for name in SITES:
        world.talk(name, times=3, lost=0)
    waiting = "SELECT count(*) FROM requests WHERE state = 'waitlisted'"
    assert world.platform.execute(waiting).fetchone()[0] == 2


def test_a_copy_that_is_put_back_confirms_nothing(world):
    """The life before spent the lease: the copy of it must not do so again."""
    world.sites["a"].copy()
    assert world.confirmed("a", [3]) == 3
    world.restore("a")
    assert world.confirmed("a", [3]) == 0
    world.talk("a", times=3, lost=0)
    assert (
        platform_quotas.taken(world.platform, 1) == CAPACITY
    )  # three of the lost life, six of leases, three by the platform's word
    assert world.confirmed("a", [1]) == 0


def test_a_lease_for_the_life_before_is_not_taken(world):
    """It was sent before the copy was put back, and arrives after."""
    site = world.sites["a"]
    site.copy()
    world.confirmed("a", [3])
    said = [*site.births(), *site.sends()]
    world.writer._work(said)  # the next lease is on its way
    late = [told for told in world.down if "/a/kiosk/reply/" in told[0]]
    assert b"granted" in late[-1][1]
    world.restore("a")
    world.hear(late)
    assert world.confirmed("a", [3]) == 0


def test_no_clock_frees_what_a_site_may_still_confirm(world):
    """By the platform's clock the lease is over, by the site's it is not: its seats are nobody else's."""
    world.put(0)  # nothing is leased from now on, and site a doesn't hear it
    world.platform.execute("UPDATE leases SET until = 1")
    world.sites["a"].offset = -YEARS
    world.put(SHARE)
    for _ in range(4):
        for name in ("b", "c"):
            world.confirmed(name, [3])
            world.talk(name, times=3, lost=0)
    assert world.confirmed("a", [3]) == 3


def test_a_lease_that_ended_never_runs_again(world):
    """An extension that comes late finds it given back; its seats may be somebody else's by then."""
    site = world.sites["a"]
    key = quotas.running(site.edge)[0].id
    site.offset = YEARS
    world.tend("a")
    site.offset = 0.0
    with database.write(site.edge):
        assert not quotas.extend(site.edge, key, site.now() + TERM)
        assert not quotas.withdraw(site.edge, key, site.now())
    assert world.confirmed("a", [1]) == 0


def test_a_device_that_never_comes_back_is_a_persons_decision(world):
    """What it holds stays held, until somebody says that it is lost."""
    assert platform_quotas.taken(world.platform, 1) == 9
    lost = quotas.running(world.sites["a"].edge)[0].id
    world.confirmed("a", [1])
    world.talk("a", times=1, lost=0)
    with store.transaction(world.platform):
        assert leasing.release(world.platform, lost)
    assert world.platform.execute("SELECT returned FROM leases WHERE lease = ?", [lost]).fetchone()[0] == 1
    with store.transaction(world.platform):
        assert leasing.release(world.platform, lost) is None
    world.restored = True  # as good as a new life: the other end of the lease isn't told


def test_what_no_lease_holds_waits_for_a_person(world):
    """A device out of its mind overspends, and names a lease that is not its own: neither is accepted."""
    own, other = (quotas.running(world.sites[name].edge)[0].id for name in ("a", "b"))
    for lease, units in ((own, 4), (other, 1)):
        with database.write(world.sites["a"].edge) as _:
            event = events.RequestConfirmed(
                request=uuid7(), kind="event", subject="atelier", place="kiosk", answers={}, lease=lease, units=units
            )
            outbox.append(world.sites["a"].edge, event, time.time())
    world.talk("a", times=3, lost=0)
    rows = world.platform.execute("SELECT state, doubt FROM requests").fetchall()
    assert rows == [("received", 1), ("received", 1)]
    world.platform.execute("DELETE FROM requests")
    world.up = []
