# SPDX-License-Identifier: EUPL-1.2
"""The power goes at any moment: what a person was told is there, the account sums, the content is whole.

The long dose (make soak) cuts 20,000 times.
"""

import json
import os
import random
import sqlite3
import sys
import time
from contextlib import closing

import pytest

from edge_core import settings
from edge_core.store import database, outbox
from lab.faults import powercut, workload
from sync.downlink.content_db import ContentDatabase

LONG = os.environ.get("PARVIS_SOAK") == "1"
pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(not powercut.is_possible(), reason="no C compiler: the shim can't be built"),
]


class Cutter:
    """Cuts one recorded run again and again, and checks what is left."""

    def __init__(self, folder, seed):
        self.folder, self.dice = folder, random.Random(seed)
        self.counts = {"cuts": 0, "promises": 0, "lost": 0, "set_aside": 0}

    def check(self, disk, told):
        target = self.folder / "after" / "state"
        disk.cut(target, self.dice)
        self.counts["cuts"] += 1
        configuration = workload.configure(self.folder / "after")
        begun = any(line.startswith("epoch ") for line in told)
        database.migrate(configuration)
        self.counts["set_aside"] += len(list(target.glob("edge-corrupt-*")))
        assert not list(target.glob("edge-corrupt-*")), "a power cut must not damage the database"
        with closing(database.open_edge(configuration.edge_db)) as edge:
            self.check_edge(edge, told, begun)
        self.check_content(configuration, told)

    def check_edge(self, edge, told, begun):
        assert edge.execute("PRAGMA quick_check").fetchone()[0] == "ok"
        if begun:
            assert f"epoch {outbox.epoch(edge)}" in told, "the epoch that was told is the one that is there"
        acked = max((int(line.split()[1]) for line in told if line.startswith("acked ")), default=0)
        held = {row[0]: row[1] for row in edge.execute("SELECT id, seq FROM requests")}
        waiting = {row[0] for row in edge.execute("SELECT seq FROM outbox")}
        for line in told:
            if line.startswith("request "):
                self.counts["promises"] += 1
                key = line.split()[1]
                assert key in held, f"promised and lost: {key}"
                assert held[key] in waiting or held[key] <= acked or self.was_acknowledged(edge, held[key])
        account = outbox.account(edge)
        assert account.balanced, account
        assert outbox.recount(edge), "counted as it is"
        gaps = [json.loads(row[0])["data"] for row in edge.execute("SELECT body FROM outbox WHERE type LIKE '%gap%'")]
        for gap in gaps:
            assert not waiting & set(range(gap["first"], gap["last"] + 1)), "declared as lost, and still there"

    def was_acknowledged(self, edge, seq):
        """The acknowledgement was committed, though not told yet: everything up to it went at once."""
        row = edge.execute("SELECT min(seq) FROM outbox").fetchone()
        return row[0] is None or row[0] > seq

    def check_content(self, configuration, told):
        told_version = max((int(line.split()[1]) for line in told if line.startswith("content ")), default=None)
        if not configuration.content_db.exists():
            assert told_version is None
            return
        with closing(ContentDatabase(configuration.content_db)) as content:
            assert not list(configuration.device.state_dir.glob("content.db.corrupt"))
            assert told_version is None or (content.version() or 0) >= told_version
            for name in content.collections():
                expected = content._connection.execute(
                    "SELECT state_hash FROM collections WHERE name = ?", (name,)
                ).fetchone()[0]
                assert content.state_hash(name) == expected


def cut_everywhere(folder, seed, rounds, cuts, seconds=None):
    library = powercut.build(folder)
    life = folder / "life"
    life.mkdir()
    words = [sys.executable, "-m", "lab.faults.workload", str(life), str(seed), str(rounds)]
    steps = powercut.record(library, life / "state", words)
    assert sum(step.kind == "S" for step in steps) > rounds // 4, "the shim saw the store make things durable"
    cutter = Cutter(folder, seed)
    disk = powercut.Disk(life / "state")
    chosen = sorted(cutter.dice.choices(range(len(steps)), k=cuts))
    end = time.monotonic() + (seconds or 10**6)
    told, upto = [], 0
    for moment in chosen:
        for step in steps[upto : moment + 1]:
            disk.take(step)
            if step.path.endswith(f"/{powercut.PROMISES}"):
                told += step.data.decode().splitlines()
        upto = moment + 1
        cutter.check(disk, told)
        if time.monotonic() > end:
            break
    return cutter.counts


def test_power_cuts_lose_no_promise(tmp_path, capsys):
    """A short life, cut at random moments: nothing promised is lost."""
    counts = cut_everywhere(tmp_path, seed=1, rounds=80, cuts=250)
    with capsys.disabled():
        print(f"\npower cuts: {counts}")
    assert counts["cuts"] > 10
    assert counts["promises"] > 0


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.skipif(not LONG, reason="takes minutes: make soak")
def test_twenty_thousand_power_cuts(tmp_path, capsys):
    """Twenty lives, a thousand cuts each."""
    total = {}
    for seed in range(2, 22):
        folder = tmp_path / str(seed)
        folder.mkdir()
        for name, count in cut_everywhere(folder, seed, rounds=120, cuts=1000).items():
            total[name] = total.get(name, 0) + count
    with capsys.disabled():
        print(f"\npower cuts: {total}")
    assert total["cuts"] == 20_000


def test_the_shim_shows_a_missing_fsync(tmp_path):
    """The test can fail: a store that doesn't wait for the disk loses a promise to the same cuts."""
    folder = tmp_path / "state"
    script = (
        "import sqlite3, sys\n"
        "folder = sys.argv[1]\n"
        "c = sqlite3.connect(folder + '/edge.db', isolation_level=None)\n"
        "c.execute('PRAGMA journal_mode = WAL'); c.execute('PRAGMA synchronous = OFF')\n"
        "c.execute('CREATE TABLE t (n)')\n"
        "for n in range(30): c.execute('INSERT INTO t VALUES (?)', [n])\n"
    )
    folder.mkdir()
    steps = powercut.record(powercut.build(tmp_path), folder, [sys.executable, "-c", script, str(folder)])
    disk, dice, lost = powercut.Disk(folder), random.Random(3), 0
    for step in [step for step in steps if step.kind != "U"][:-1]:
        disk.take(step)
    for _ in range(20):
        disk.cut(tmp_path / "after", dice)
        try:
            with closing(sqlite3.connect(tmp_path / "after" / "edge.db")) as after:
                lost += after.execute("SELECT count(*) FROM t").fetchone()[0] < 30
        except sqlite3.DatabaseError:
            lost += 1
    assert lost > 0
    assert settings.SECTIONS
