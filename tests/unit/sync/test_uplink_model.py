# SPDX-License-Identifier: EUPL-1.2
"""A model of everything between outbox and platform: whatever the world does, nothing is lost or deleted too early."""

from collections import Counter

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from sync.uplink import Limits, Verdict, Window

LIMITS = Limits(messages=5, events=3, patience=5.0, patience_cap=40.0)
CLASSES = ("usage", "order")


class Uplink(RuleBasedStateMachine):
    """The device's outbox and window, a broker that loses, repeats and reorders, and a platform that commits."""

    @initialize()
    def start(self):
        self.outbox, self.created, self.acked, self.dropped = {}, 0, 0, 0
        self.gaps = {}  # sequence of a gap row -> the sequence that it declares
        self.held, self.declared, self.applied = set(), set(), Counter()
        self.up, self.down = [], []
        self.now = 0.0
        self.window = Window("epoch-01", LIMITS, chance=lambda: 0.5)

    # The device.
    @rule(klass=st.sampled_from(CLASSES), count=st.integers(1, 8))
    def append(self, klass, count):
        for _ in range(count):
            self.created += 1
            self.outbox[self.created] = klass

    @rule()
    def drop_oldest_usage(self):
        oldest = next((s for s, k in sorted(self.outbox.items()) if k == "usage" and s not in self.gaps), None)
        if oldest is not None:
            del self.outbox[oldest]
            self.dropped += 1
            self.created += 1
            self.outbox[self.created] = "health"
            self.gaps[self.created] = oldest

    @rule()
    def send(self):
        """As sync/service does: declared gaps first where a hole shows, then consecutive rows."""
        if not self.window.slots:
            return
        rows = sorted(seq for seq in self.outbox if seq > self.window.cursor)[: self.window.slots * LIMITS.events]
        if rows and rows[-1] - self.window.cursor != len(rows):
            for seq in self.gaps.keys() & self.outbox.keys():
                self.up.append([seq])
                self.window.sent_ahead(seq)
        messages = [rows[i : i + LIMITS.events] for i in range(0, len(rows), LIMITS.events)][: self.window.slots]
        if messages:
            self.up.extend(messages)
            self.window.sent([message[-1] for message in messages], messages[-1][-1], self.now)

    @rule(seconds=st.floats(0.01, 70.0))
    def wait(self, seconds):
        self.now += seconds
        self.window.expire(self.now)

    @rule()
    def crash(self):
        self.window = Window("epoch-01", LIMITS, chance=lambda: 0.5)

    @rule()
    def connect(self):
        self.window.connect(self.now)

    @rule()
    def cut(self):
        self.window.disconnect()

    # The way between.
    @rule(data=st.data())
    def deliver(self, data):
        if self.up:
            self._commit(self.up.pop(data.draw(st.integers(0, len(self.up) - 1))))

    @rule(data=st.data())
    def duplicate(self, data):
        if self.up:
            self.up.append(self.up[data.draw(st.integers(0, len(self.up) - 1))])

    @rule()
    def wipe_broker(self):
        self.up.clear()
        self.down.clear()

    @rule(data=st.data(), disk_full=st.booleans())
    def acknowledgement_arrives(self, data, disk_full):
        if self.down:
            self._hear("epoch-01", self.down.pop(data.draw(st.integers(0, len(self.down) - 1))), disk_full)

    @rule(ahead=st.integers(1, 10**15))
    def acknowledgement_of_what_never_was(self, ahead):
        self._hear("epoch-01", self.created + ahead)

    @rule(seq=st.integers(0, 50))
    def acknowledgement_of_another_life(self, seq):
        self._hear("epoch-00", seq)

    # The platform.
    def _commit(self, seqs):
        for seq in seqs:
            self.applied[seq] += seq not in self.held
            self.held.add(seq)
            if seq in self.gaps:
                self.declared.add(self.gaps[seq])
        self.down.append(self._complete())

    def _complete(self):
        seq = 0
        while seq + 1 in self.held or seq + 1 in self.declared:
            seq += 1
        return seq

    def _hear(self, epoch, seq, disk_full=False):
        verdict, upto = self.window.judge(epoch, seq, self.now)
        if verdict is Verdict.ADVANCED and not disk_full:
            gone = [s for s in self.outbox if s <= upto]
            for s in gone:
                del self.outbox[s]
            self.acked += len(gone)
            self.window.advance(upto, self.now)

    @invariant()
    def nothing_is_deleted_before_the_platform_holds_it(self):
        assert all(s in self.outbox or s in self.held or s in self.gaps.values() for s in range(1, self.created + 1))

    @invariant()
    def the_account_sums(self):
        assert self.created == self.acked + len(self.outbox) + self.dropped

    @invariant()
    def the_window_is_bounded(self):
        assert self.window.in_flight <= LIMITS.messages
        assert self.window.acked <= self.window.cursor <= self.window.ceiling or self.window.ceiling == 0

    @invariant()
    def each_is_applied_once(self):
        assert all(times <= 1 for times in self.applied.values())

    def teardown(self):
        """Once the world calms down, everything arrives, and soon."""
        if not hasattr(self, "window"):
            return
        self.connect()
        for _ in range(20 + 2 * self.created):
            if not self.outbox:
                break
            self.send()
            for message in self.up:
                self._commit(message)
            self.up.clear()
            acks, self.down = self.down, []
            for seq in acks:
                self._hear("epoch-01", seq)
            self.wait(50.0)
        assert not self.outbox
        assert self.held | set(self.gaps.values()) >= set(range(1, self.created + 1))


Uplink.TestCase.settings = settings(max_examples=100, stateful_step_count=50, deadline=None)
TestUplink = Uplink.TestCase
