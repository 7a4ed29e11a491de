# SPDX-License-Identifier: EUPL-1.2
"""What a device tells Prometheus: its account, its guests as counts, and nothing of a person."""

import json
import re
import shutil
import subprocess
from contextlib import closing
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from edge_core import clock
from edge_core.events import Up
from edge_core.store import database, grants, outbox
from management import metrics, readings
from management.app import create_app

NOW = 1_800_000_000.0
MAC = "02:50:00:00:00:2a"
FILES = Path(__file__).parents[3] / "ansible/roles/monitoring/files"
NAME = re.compile(r"\bparvis_[a-z_]+")


def samples(settings, now=NOW):
    """Return {(name, labels): value} of what is told."""
    page = metrics.exposition(lambda: readings.take(settings, now)).decode()
    families = text_string_to_metric_families(page)
    return {(one.name, *sorted(one.labels.values())): one.value for family in families for one in family.samples}


@pytest.fixture
def busy(settings, answers):
    """A device with a guest online, an event that waits, an uplink, and content that was never seen."""
    with closing(database.open_edge(settings.edge_db)) as edge:
        grants.accept(edge, MAC, "free", 3600, clock.now())
        with database.write(edge):
            outbox.append(edge, Up(version="0", role="gateway"), NOW - 100)
    settings.run_dir.mkdir(parents=True, exist_ok=True)
    (settings.run_dir / "uplink.json").write_text(json.dumps({"up": False, "since": NOW - 60}))
    return settings


def test_numbers_are_those_of_the_device(busy):
    """Guests and refusals as the agent counts them, the account as the store has it, ages in seconds."""
    told = samples(busy)
    assert told["parvis_up",] == 1
    assert told["parvis_guests", "online"] == 7
    assert told["parvis_refused_total", "dns_before_grant"] == 3
    assert told["parvis_uplink_up",] == 0
    waiting = {name: value for name, value in told.items() if name[0] == "parvis_events" and "pending" in name}
    assert sum(waiting.values()) >= 1
    assert told["parvis_account_balanced",] == 1
    assert not [name for name in told if name[0] in {"parvis_content_version", "parvis_certificate_usable"}]


def test_no_agent_is_told_as_away_and_counts_nobody(busy, answers):
    """Zero guests would be a lie: there is no such line where nobody counts."""
    answers.clear()
    told = samples(busy)
    assert told["parvis_agent_up",] == 0
    assert not [name for name in told if name[0] == "parvis_guests"]


def test_nobody_is_named(busy):
    """No address of a device, in any writing, and no session's number."""
    page = metrics.exposition(lambda: readings.take(busy, NOW)).decode().lower()
    with closing(database.open_edge(busy.edge_db)) as edge:
        session = edge.execute("SELECT session FROM grants").fetchone()[0]
    assert MAC not in page
    assert MAC.replace(":", "") not in page
    assert session not in page


def test_an_unreadable_database_is_told_and_is_not_well(settings, answers):
    """`parvis_up 0`, and health answers 503: it never claims to be well, and never fails itself."""
    settings.edge_db.write_bytes(b"no database" * 1000)
    page = create_app(settings).test_client()
    assert "parvis_up 0.0" in page.get("/metrics").text
    assert page.get("/health").status_code == 503


def test_a_flood_of_scrapes_reads_the_device_once(settings, answers, monkeypatch):
    """A scrape every 10 ms costs no more than one every two seconds."""
    taken, moment = [], [100.0]
    monkeypatch.setattr(readings, "take", lambda *_: taken.append(1))
    gauge = readings.Gauge(settings, tick=lambda: moment[0])
    for _ in range(300):
        gauge.read()
        moment[0] += 0.01
    assert len(taken) == 2


@pytest.mark.skipif(not shutil.which("promtool"), reason="no promtool (apt install prometheus)")
def test_alerts_come_and_stay_away_and_ask_only_for_what_is_told(busy, tmp_path):
    """promtool plays each rule; rules and dashboard name no metric that a device doesn't tell."""

    def promtool(*words, stdin=None):
        done = subprocess.run(["promtool", *words], input=stdin, capture_output=True, timeout=60, check=False)
        assert done.returncode == 0, (done.stdout + done.stderr).decode()

    rules = FILES / "parvis.rules.yml"
    played = Path(__file__).with_name("alerts.test.yml").read_text().replace("RULES", str(rules))
    (tmp_path / "alerts.yml").write_text(played)
    promtool("check", "rules", str(rules))
    promtool("test", "rules", str(tmp_path / "alerts.yml"))
    assert not {name for name in re.findall(r"alert: (\w+)", rules.read_text()) if name not in played}
    page = metrics.exposition(lambda: readings.take(busy, NOW))
    promtool("check", "metrics", stdin=page)
    known = set(NAME.findall(page.decode())) | {"parvis_content_age_seconds", "parvis_certificate_usable"}
    dashboard = json.loads((FILES / "parvis-dashboard.json").read_text())
    expressions = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    asked = {name for text in (rules.read_text(), *expressions) for name in NAME.findall(text)}
    assert asked <= known, asked - known
