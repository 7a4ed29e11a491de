# SPDX-License-Identifier: EUPL-1.2
"""The schema of edge.db and its way forward; each step stays usable by the release before it."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

from sqlite_utils.migrations import Migrations

from edge_core.store import schema_first, schema_leases, schema_site, schema_visits

if TYPE_CHECKING:
    from sqlite_utils import Database

edge = Migrations("edge")


@edge()
def m001_first(db: Database) -> None:
    """Create the tables and draw this database's epoch: a new one for each new file, so that numbers never clash."""
    for statement in schema_first.FIRST.split(";\n"):
        if statement.strip():
            db.execute(statement)
    db.execute("INSERT INTO meta (key, value) VALUES ('epoch', ?)", [uuid4().hex])


@edge()
def m002_set_aside(db: Database) -> None:
    """Keep rows that can't be sent because they are damaged, and find declared gaps without reading a long outbox."""
    db.execute(
        "CREATE TABLE set_aside (seq INTEGER PRIMARY KEY, class TEXT NOT NULL, type TEXT NOT NULL, body TEXT NOT NULL,"
        " reason TEXT NOT NULL, at REAL NOT NULL) STRICT"
    )
    db.execute("CREATE INDEX outbox_gaps ON outbox (seq) WHERE type = 'eu.parvis.health.gap.v1'")


_M020 = (
    # What a plan gives, kept with the grant: rates in kbit/s, quota in bytes of both directions; NULL is no limit.
    "ALTER TABLE grants ADD COLUMN rate_up INTEGER",
    "ALTER TABLE grants ADD COLUMN rate_down INTEGER",
    "ALTER TABLE grants ADD COLUMN quota INTEGER",
    # Whose devices belong together ("voucher:7", "person:…", a keyed hash); '' for nobody's.
    "ALTER TABLE grants ADD COLUMN holder TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE grants ADD COLUMN extended INTEGER NOT NULL DEFAULT 0",
    "CREATE INDEX grants_holder ON grants (holder) WHERE holder <> ''",
    # The form that a request came from: a form sent twice is one request.
    "ALTER TABLE requests ADD COLUMN form TEXT",
    "CREATE UNIQUE INDEX requests_form ON requests (form) WHERE form IS NOT NULL",
)


@edge()
def m020_plans(db: Database) -> None:
    """Keep what a plan gives with its grant, whose devices belong together, and which form a request came from."""
    for statement in _M020:
        db.execute(statement)


_VOUCHERS = """
CREATE TABLE vouchers (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    digest BLOB NOT NULL UNIQUE,
    batch TEXT NOT NULL,
    plan TEXT NOT NULL,
    seconds INTEGER NOT NULL,
    rate_up INTEGER,
    rate_down INTEGER,
    quota INTEGER,
    devices INTEGER NOT NULL,
    made_at REAL NOT NULL,
    valid_until REAL NOT NULL,
    used_at REAL,
    revoked_at REAL
) STRICT
"""


@edge()
def m021_vouchers(db: Database) -> None:
    """Keep vouchers by a keyed hash of their code: who reads this file can use none of them."""
    db.execute(_VOUCHERS)
    db.execute("CREATE INDEX vouchers_batch ON vouchers (batch)")


@edge()
def m010_followed(db: Database) -> None:
    """Let the gateway agent find what changed, and what is over, without reading all grants; and shut devices out.

    A trigger numbers every change of a grant, by whatever release it was written: the newest has the highest revision.
    """
    db.execute("ALTER TABLE grants ADD COLUMN revision INTEGER NOT NULL DEFAULT 0")
    db.execute("CREATE INDEX grants_revision ON grants (revision)")
    number = "UPDATE grants SET revision = (SELECT max(revision) FROM grants) + 1 WHERE id = NEW.id; END"
    db.execute(f"CREATE TRIGGER grants_new AFTER INSERT ON grants BEGIN {number}")
    db.execute(f"CREATE TRIGGER grants_change AFTER UPDATE ON grants WHEN NEW.revision = OLD.revision BEGIN {number}")
    # A grant keeps its device's MAC until its end is told, so these two hold only what is open or just over.
    db.execute("CREATE INDEX grants_running ON grants (expires_at) WHERE ended_at IS NULL AND mac <> ''")
    db.execute("CREATE INDEX grants_ended ON grants (id) WHERE ended_at IS NOT NULL AND mac <> ''")
    db.execute("CREATE TABLE blocks (mac TEXT PRIMARY KEY, created_at REAL NOT NULL) STRICT, WITHOUT ROWID")


@edge()
def m025_services(db: Database) -> None:
    """Tell whether a request has left, by its event's number; count what people answer, once for each device.

    `device` is a keyed hash that is another one for each survey: who reads this file learns of nobody what they said.
    """
    db.execute("ALTER TABLE requests ADD COLUMN seq INTEGER")
    db.execute(
        "CREATE TABLE answers (survey TEXT NOT NULL, choice TEXT NOT NULL, number INTEGER NOT NULL,"
        " PRIMARY KEY (survey, choice)) STRICT, WITHOUT ROWID"
    )
    db.execute(
        "CREATE TABLE answered (survey TEXT NOT NULL, device TEXT NOT NULL, PRIMARY KEY (survey, device))"
        " STRICT, WITHOUT ROWID"
    )


_M040 = (
    "ALTER TABLE account ADD COLUMN pending INTEGER NOT NULL DEFAULT 0",
    """INSERT INTO account (class, pending) SELECT class, count(*) FROM outbox WHERE true GROUP BY class
    ON CONFLICT (class) DO UPDATE SET pending = excluded.pending""",
)


@edge()
def m040_pending(db: Database) -> None:
    """Count what waits as it comes and goes: counting a million rows takes 0.3 s. Triggers would cost a third more."""
    for statement in _M040:
        db.execute(statement)


_PRINT_JOBS = """
CREATE TABLE print_jobs (
    id TEXT PRIMARY KEY,
    ticket TEXT NOT NULL,
    state TEXT NOT NULL,
    reason TEXT,
    created_at REAL NOT NULL,
    updated_at REAL NOT NULL
) STRICT, WITHOUT ROWID
"""


@edge()
def m050_print_jobs(db: Database) -> None:
    """Keep what waits for the ticket printer under the ticket's own id, so that nothing is printed twice."""
    db.execute(_PRINT_JOBS)
    db.execute("CREATE INDEX print_jobs_waiting ON print_jobs (created_at) WHERE state IN ('waiting', 'printing')")


@edge()
def m060_visits(db: Database) -> None:
    """Keep visits with their tickets, who was found at the assembly point, and the proof that old visits are gone."""
    for statement in schema_visits.VISITS:
        db.execute(statement)


@edge()
def m061_desk(db: Database) -> None:
    """Keep who may open the reception desk: a password's slow hash, and of badges and sessions only a digest."""
    for statement in schema_visits.DESK:
        db.execute(statement)


_M070 = (
    # Windows of presence as they were told: nothing here is finer than what everybody may read.
    """CREATE TABLE series (
    zone TEXT NOT NULL, access_point TEXT NOT NULL, start INTEGER NOT NULL, seconds INTEGER NOT NULL,
    observed INTEGER NOT NULL, doubt TEXT, synchronised INTEGER NOT NULL, associated INTEGER, online INTEGER,
    arrivals INTEGER, departures INTEGER, repeats INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (zone, access_point, start)
    ) STRICT, WITHOUT ROWID""",
    "CREATE INDEX series_start ON series (start)",
    # Who is not to be counted, by a hash that many devices share, and the day on which they said so.
    "CREATE TABLE oppositions (token BLOB PRIMARY KEY, day INTEGER NOT NULL) STRICT, WITHOUT ROWID",
)


@edge()
def m070_presence(db: Database) -> None:
    """Keep the told windows for publishing, and who is not to be counted."""
    for statement in _M070:
        db.execute(statement)


@edge()
def m080_zones(db: Database) -> None:
    """Say of each grant in which zone it holds; those of before, and of a release that knows no zones, in the first."""
    db.execute("ALTER TABLE grants ADD COLUMN zone TEXT NOT NULL DEFAULT 'main'")


@edge()
def m081_site(db: Database) -> None:
    """Keep what the other gateways of the site tell: sessions, their usage, vouchers, blocked devices."""
    for statement in schema_site.STATEMENTS:
        db.execute(statement)
    number = "UPDATE vouchers SET revision = (SELECT max(revision) FROM vouchers) + 1 WHERE id = NEW.id; END"
    db.execute(f"CREATE TRIGGER vouchers_new AFTER INSERT ON vouchers BEGIN {number}")
    db.execute(
        f"CREATE TRIGGER vouchers_change AFTER UPDATE ON vouchers WHEN NEW.revision = OLD.revision BEGIN {number}"
    )


@edge()
def m090_pair(db: Database) -> None:
    """Keep the leases that the other gateway of a pair told; `change` numbers what is new for the agent."""
    for statement in schema_site.PAIR:
        db.execute(statement)


@edge()
def m091_leases(db: Database) -> None:
    """Keep what the platform leases of scarce things, and of each request under which lease it was confirmed."""
    for statement in schema_leases.STATEMENTS:
        db.execute(statement)


@edge()
def m092_ticks(db: Database) -> None:
    """Keep a tick of a roll-call that was taken back, so that no other kiosk puts it there again."""
    db.execute("ALTER TABLE roll_ticks ADD COLUMN found INTEGER NOT NULL DEFAULT 1")


@edge()
def m093_over(db: Database) -> None:
    """Find the sessions that are to be forgotten without reading the million that are not."""
    db.execute("CREATE INDEX grants_over ON grants (ended_at) WHERE mac = '' AND holder = ''")
