# SPDX-License-Identifier: EUPL-1.2
"""From who is here to rows that are written down: who is left out, and what a repeated window does."""

import json

import pytest

from edge_core.settings import load
from edge_core.store import database, opposition, series
from gateway_agent.counting import Counting


def people(count):
    return {f"02:50:00:00:00:{n:02x}" for n in range(count)}


@pytest.fixture
def settings(tmp_path):
    path = tmp_path / "device.toml"
    path.write_text(
        f'[site]\nid = "parc"\nname = "Parc"\n[device]\nid = "g1"\nstate_dir = "{tmp_path}/state"\n'
        '[lan]\ninterface = "lo"\n'
    )
    settings = load(path, {})
    database.migrate(settings)
    return settings


@pytest.fixture
def store(settings):
    connection = database.open_edge(settings.edge_db)
    yield connection
    connection.close()


def windows(store):
    return list(series.read(store, 0, 1 << 40))


def test_strangers_and_those_who_object_are_not_counted(settings, store):
    """A neighbour without lease or grant is nobody; a device that objected is not here; the change counts soon."""
    counting, here = Counting(settings, store), people(40)
    opposition.oppose(store, "02:50:00:00:00:00", 0.0)
    strangers = {f"06:66:00:00:{n >> 8:02x}:{n & 255:02x}" for n in range(5000)}
    counting.observe(dict.fromkeys(here | strangers, "main"), here, here, 300.0, 300.0)
    for number in range(5):
        opposition.oppose(store, f"02:50:00:00:00:0{number}", 0.0)
    assert counting.counts()["strangers"] == 5000
    counting.observe(dict.fromkeys(here, "main"), here, here, 600.0, 600.0)
    (window,) = windows(store)
    assert window.associated == 40
    counting.observe(dict.fromkeys(here, "main"), here, here, 900.0, 900.0)
    assert [each.associated for each in windows(store)] == [40, 35]
    assert counting.counts()["floods"] == 0
    assert counting.told == 35


def test_a_window_is_an_event_and_a_row_or_neither(settings, store):
    """Both are in one transaction: after a power cut there is no half of it."""
    counting = Counting(settings, store)
    counting.observe(dict.fromkeys(people(30), "main"), people(30), set(), 300.0, 300.0)
    store.execute("ALTER TABLE series RENAME TO gone")
    with pytest.raises(Exception, match="series"):
        counting.observe(dict.fromkeys(people(30), "main"), people(30), set(), 600.0, 600.0)
    assert store.execute("SELECT count(*) FROM outbox").fetchone()[0] == 0
    store.execute("ALTER TABLE gone RENAME TO series")
    counting.observe(dict.fromkeys(people(30), "main"), people(30), set(), 601.0, 601.0)
    (event,) = store.execute("SELECT body FROM outbox").fetchall()
    (window,) = windows(store)
    assert json.loads(event[0])["data"]["start"] == window.start == 300


def test_the_same_window_again_keeps_the_longer_look(settings, store):
    """The clock went back: the window that was watched longer stands, and the row says that it came twice."""
    counting = Counting(settings, store)
    for second in range(300, 601, 10):
        counting.observe(dict.fromkeys(people(30), "main"), people(30), set(), float(second), float(second))
    counting.observe(dict.fromkeys(people(20), "main"), people(20), set(), 310.0, 610.0)
    counting.observe(dict.fromkeys(people(20), "main"), people(20), set(), 600.0, 900.0)
    first = windows(store)[0]
    assert (first.start, first.associated, first.repeats) == (300, 30, 1)
    assert counting.counts()["clock_steps"] >= 1
