# SPDX-License-Identifier: EUPL-1.2
"""Several consumers write into one PostgreSQL: nothing is oversold, nothing twice, and a deadlock costs a try."""

import json
import logging
import random
import threading
import time
from collections import Counter, defaultdict, deque
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import psycopg
import pytest

from lab.platform import deciding, quotas, replies, store, writer
from lab.platform.contract import Contract
from lab.platform.deciding import Ways
from lab.platform.inbox import Decision, Inbox, Message
from lab.platform.testing import PATIENCE, uuid7, wait_for
from lab.platform.writer import Writer
from lab.scale.servers import Postgres, postgres_programs

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(postgres_programs() is None, reason="postgresql is not installed"),
]
CONTRACT = Contract()
THINGS = {"atelier": (40, 4), "conference": (60, 5), "visite": (20, 3)}  # subject: how many, and a lease's share
MORE = {**THINGS, "visite": (30, 3)}  # after somebody has found more chairs
CREATED, LEASED = "eu.parvis.request.created.v1", "eu.parvis.request.created.v2"
RETURNED = "eu.parvis.quota.returned.v1"
ASKED = {"kind": "event", "subject": "atelier", "data": {"people": "1"}, "place": None}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """Return a running PostgreSQL."""
    made = Postgres(tmp_path_factory.mktemp("consumers") / "postgres")
    made.start()
    yield made
    made.kill()


@pytest.fixture
def place(server, request):
    """Return the address of a database of the test's own."""
    name = f"test_{abs(hash(request.node.name))}"
    with psycopg.connect(server.url, autocommit=True) as link:
        link.execute(f"CREATE DATABASE {name}")
    return server.url.replace("/postgres", f"/{name}")


class Device:
    """A device as the contract has it: spends what it was leased by itself, asks for the rest, gives leases back."""

    def __init__(self, name):
        self.root, self.source, self.epoch = f"parvis/1/cite/{name}", f"/cite/{name}", f"epoch-{name}"
        self.seq = self.acked = self.replied = 0
        self.leases = {}  # key: [subject, units, spent]
        self.promised = Counter()  # subject: units that somebody was promised without the platform
        self.asked = {}  # request: (subject, units)
        self.answers = defaultdict(list)  # request: states, each reply once
        self.heard = deque()

    def event(self, type_, klass, data):
        self.seq += 1
        body = {
            "specversion": "1.0", "id": uuid7(), "source": self.source, "type": type_, "time": "2025-03-04T12:34:56Z",
            "epoch": self.epoch, "seq": self.seq, "boot": "b1", "monotonic": float(self.seq), "synchronised": True,
            "datacontenttype": "application/json", "data": data,
        }  # fmt: skip
        return self.says(f"ev/{klass}", [body])

    def birth(self):
        zero = {"created": 0, "acked": 0, "pending": 0, "dropped": 0}
        said = {
            "version": "0.1.0", "epoch": self.epoch, "boot": "b1", "schemas": [RETURNED], "content": {"version": None},
            "account": zero, "oldest": None, "at": "2025-03-04T12:00:00Z",
        }  # fmt: skip
        return [self.says("state", {"online": True, "epoch": self.epoch}), self.says("birth", said)]

    def says(self, what, body):
        return Message(f"{self.root}/{what}", json.dumps(body).encode())

    def hear(self, topic, payload):
        self.heard.append((topic.split("/")[4], json.loads(payload)))

    def listen(self):
        """Take what the platform said, replies in their order and once each; return what the device says to it."""
        said = []
        while self.heard:
            what, body = self.heard.popleft()
            if what == "ack":
                self.acked = max(self.acked, body["seq"])
            elif body["n"] <= self.replied + 1:
                if body["n"] > self.replied:
                    self.replied = body["n"]
                    self._apply(body)
                said = [self.says("replied", {"epoch": body["epoch"], "n": self.replied})]
        return said

    def waitlisted(self):
        return [request for request, states in self.answers.items() if states[-1] == "waitlisted"]

    def _apply(self, reply):
        lease = reply.get("lease")
        if lease is None:
            self.answers[reply["request"]].append(reply["state"])
        elif "granted" in lease:
            assert reply["request"] not in self.leases
            self.leases[reply["request"]] = [lease["granted"]["subject"], lease["granted"]["units"], 0]

    def act(self, chance):
        """Promise a seat from a lease, or ask for one, or give a lease back."""
        subject, units = chance.choice(sorted(THINGS)), chance.randint(1, 2)
        key = next((k for k, (s, n, spent) in self.leases.items() if s == subject and n - spent >= units), None)
        request = {
            "request": uuid7(),
            "kind": "event",
            "subject": subject,
            "data": {"people": str(units)},
            "place": None,
        }
        if key is None:
            self.asked[request["request"]] = (subject, units)
            return self.event(CREATED, "order", request)
        if chance.random() < 0.15:
            used = self.leases.pop(key)[2]
            return self.event(RETURNED, "order", {"lease": key, "used": used, "reason": "expired"})
        self.leases[key][2] += units
        self.promised[subject] += units
        return self.event(LEASED, "order", {**request, "lease": key, "units": units})


class Consumers:
    """Writers on one database, each with a connection and an inbox of its own, as processes would have them."""

    def __init__(self, place, count, devices=()):
        self.inboxes = [Inbox() for _ in range(count)]
        self.by_root = {device.root: device for device in devices}
        self.writers = [
            Writer(store.open_writer(place), CONTRACT, inbox, self._publish, accept=True) for inbox in self.inboxes
        ]
        for one in self.writers:
            one.start()

    def _publish(self, topic, payload):
        self.by_root["/".join(topic.split("/")[:4])].hear(topic, payload)

    def end(self):
        for one in self.writers:
            one.end()


def oversold(link):
    """Return the things of which more is taken than there is, in one look at the database."""
    return link.execute(
        "SELECT q.subject, q.capacity FROM quotas q WHERE q.capacity <"
        " coalesce((SELECT sum(coalesce(returned, units)) FROM leases WHERE quota = q.n), 0)"
        " + coalesce((SELECT sum(units) FROM requests WHERE quota = q.n AND state IN ('accepted', 'done')), 0)"
    ).fetchall()


class Watcher(threading.Thread):
    """Looks all the time whether something is oversold at this very moment."""

    def __init__(self, place):
        super().__init__(daemon=True)
        self.link, self.ending, self.seen, self.looks = (
            psycopg.connect(place, autocommit=True),
            threading.Event(),
            [],
            0,
        )

    def run(self):
        while not self.ending.wait(0.01):
            self.seen += oversold(self.link)
            self.looks += 1

    def end(self):
        self.ending.set()
        self.join()
        self.link.close()


def put(things):
    """Return a decision that says of each thing how many there are, and a lease's share."""

    def change(connection):
        made = [quotas.Quota("event", subject, "", "person", *numbers) for subject, numbers in things.items()]
        assert all(quotas.put(connection, one) for one in made)

    return Decision(change, Future())


def decide(request, state):
    """Return a person's decision."""
    return Decision(lambda connection: replies.answer(connection, request, state, None, time.time()), Future())


@pytest.fixture
def quiet(caplog):
    """Say in the end that no writer lost a batch."""
    caplog.set_level(logging.ERROR, "lab.platform.writer")
    yield
    assert [record.getMessage() for record in caplog.get_records("call")] == []


def play(devices, consumers, chance):
    """Let devices, and people at the platform, do as they do; each message goes to two consumers, in any order."""

    def deliver(*messages):
        for message in messages:
            for inbox in chance.sample(consumers.inboxes, 2):
                assert inbox.put(message)

    def settled():
        for device in devices:
            deliver(*device.listen())
        return all(d.acked == d.seq and len(d.answers) >= len(d.asked) for d in devices)

    consumers.inboxes[0].put(first := put(THINGS))
    first.done.result(PATIENCE)
    for device in devices:
        deliver(*device.birth())
    for turn in range(20):
        for device in chance.sample(devices, len(devices)):
            deliver(*device.listen(), device.act(chance))
            for request in device.waitlisted()[:1]:
                chance.choice(consumers.inboxes).put(decide(request, chance.choice(["accepted", "rejected"])))
        if turn == 15:
            consumers.inboxes[1].put(put(MORE))
        wait_for(lambda: all(inbox.waiting < 20 for inbox in consumers.inboxes))
    wait_for(settled)


def test_three_consumers_lease_and_store_at_once(place, quiet, monkeypatch):
    """What goes to two of three consumers is held once and answered once; nothing is oversold at any moment."""
    monkeypatch.setattr(writer, "RESEND_INTERVAL", 0.05)  # what comes due is decided by all of them, all the time
    devices = [Device(f"kiosk-{n:02}") for n in range(12)]
    consumers, watcher = Consumers(place, 3, devices), Watcher(place)
    watcher.start()
    try:
        play(devices, consumers, random.Random(5))
    finally:
        watcher.end()
        consumers.end()
    with psycopg.connect(place) as link:
        stored = link.execute("SELECT count(*), count(DISTINCT id) FROM events").fetchone()
        told = link.execute("SELECT count(*) FROM requests WHERE state = 'accepted'").fetchone()[0]
        assert oversold(link) == []
    print(f"{stored[0]} events, {told} requests accepted, {watcher.looks} looks")
    assert stored == (sum(device.seq for device in devices),) * 2
    assert (watcher.seen, watcher.looks > 20, told > 20) == ([], True, True)
    check_promises(devices)


def check_promises(devices):
    """No request has two answers of one kind, or another after its last; none is beyond what there is."""
    promised = Counter()
    for device in devices:
        promised.update(device.promised)
        for request, states in device.answers.items():
            assert states in (["accepted"], *(["waitlisted", *last] for last in ([], ["accepted"], ["rejected"])))
            if states[-1] == "accepted" and request in device.asked:
                subject, units = device.asked[request]
                promised[subject] += units
    for subject, (capacity, _) in MORE.items():
        assert 0 < promised[subject] <= capacity


def waiters(place):
    """Return how many connections wait for a lock that another holds."""
    with psycopg.connect(place) as link:
        waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        return link.execute(waits).fetchone()[0]


@contextmanager
def aside(work, *arguments):
    """Run something in a thread of its own; it has ended when this ends. Yields a future of what it returns."""
    with ThreadPoolExecutor(1) as thread:
        yield thread.submit(work, *arguments)


@pytest.fixture
def one(place):
    """Return a writer that works when it is told to, in the thread that tells it, and the device that it answers."""
    device = Device("kiosk-1")
    made = Writer(store.open_writer(place), CONTRACT, Inbox(), device.hear, accept=True)
    made._work([put(THINGS), Message("nonsense", b""), device.event(CREATED, "order", {**ASKED, "request": uuid7()})])
    yield made, device
    made._connection.close()


def test_the_victim_of_a_deadlock_works_once_more(place, one):
    """A transaction that PostgreSQL breaks off for another's sake is done again, and its device is answered."""
    made, device = one
    with psycopg.connect(place) as first, psycopg.connect(place) as second:
        # The writer locks the device, then counts the refusal, then locks the things. The first holds it in between
        # until the second, who never looks for a deadlock, has the things and waits for the device.
        first.execute("UPDATE refusals SET n = n")
        second.execute("SET LOCAL deadlock_timeout = '1h'")
        second.execute("UPDATE quotas SET touched = touched")
        with aside(made._try, [*device.birth(), Message("nonsense", b"")]) as done:
            wait_for(lambda: waiters(place) == 1)
            with aside(second.execute, "UPDATE devices SET replied = replied") as has_the_device:
                wait_for(lambda: waiters(place) == 2)
                first.commit()
                has_the_device.result(PATIENCE)
            assert not done.done()  # it has let go of the device, and tries again
            second.commit()
            done.result(PATIENCE)
    device.listen()
    assert (device.acked, len(device.leases)) == (1, len(THINGS))


def test_two_consumers_lease_the_last_units(place, one):
    """Whoever comes second to a thing waits for the first, and finds what that one has left."""
    made, device = one
    made._work([*device.birth(), *Device("kiosk-2").birth()])
    writers, ways, now = [store.open_writer(place) for _ in range(2)], Ways(accept=True, term=60.0), time.time()
    writers[0].execute("UPDATE quotas SET capacity = 7 WHERE subject = 'atelier'")
    writers[0].execute("UPDATE leases SET returned = 0")
    devices = [{row[0]} for row in writers[0].execute("SELECT id FROM devices ORDER BY id").fetchall()]
    for writing in writers:
        writing.execute("BEGIN")
    deciding.at_once(writers[0], ways, now, devices[0])
    with aside(deciding.at_once, writers[1], ways, now, devices[1]) as late:
        wait_for(lambda: waiters(place) == 1)
        writers[0].execute("COMMIT")
        late.result(PATIENCE)
        writers[1].execute("COMMIT")
    held = "SELECT sum(units) FROM leases JOIN quotas q ON q.n = quota WHERE returned IS NULL AND subject = 'atelier'"
    assert writers[0].execute(held).fetchone()[0] == 6  # and one was asked for
    for writing in writers:
        writing.close()


def test_two_people_decide_at_once(place, one):
    """Of two decisions at the same moment the second sees the first: nobody is accepted who has just been rejected."""
    made, device = one
    request = uuid7()
    crowd = {**ASKED, "request": request, "data": {"people": "41"}}  # more than there are: it waits for somebody
    made._work([device.event(CREATED, "order", crowd)])
    first, second = store.open_writer(place), store.open_writer(place)
    first.execute("UPDATE quotas SET capacity = 100")
    first.execute("BEGIN")
    assert replies.answer(first, request, "rejected", None, 1.0)
    with aside(replies.answer, second, request, "accepted", None, 2.0) as late:
        wait_for(lambda: waiters(place) == 1)
        first.execute("COMMIT")
        assert late.result(PATIENCE) is None
    first.close()
    second.close()


def test_what_no_index_can_hold_spoils_no_batch(place, quiet):
    """An invalid event that is long in bytes, without a number, is set aside; what came with it is acknowledged."""
    hostile, honest = Device("kiosk-1"), Device("kiosk-2")
    consumers = Consumers(place, 1, [hostile, honest])
    chance = random.Random(1)
    text = "".join(chr(chance.randrange(0x4E00, 0x9FFF)) for _ in range(4000))
    try:
        consumers.inboxes[0].put(hostile.says("ev/order", [{"type": text}]))
        consumers.inboxes[0].put(honest.event(CREATED, "order", {**ASKED, "request": uuid7()}))
        wait_for(lambda: honest.listen() is not None and honest.acked == 1)
    finally:
        consumers.end()
    with psycopg.connect(place) as link:
        assert link.execute("SELECT count(*) FROM dead_letters").fetchone()[0] == 1
