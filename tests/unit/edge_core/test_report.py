# SPDX-License-Identifier: EUPL-1.2
"""The weekly report: from a platform's events and from a lone device alike; nothing small is shown, nothing is lost."""

import json
import shutil
import sqlite3
import subprocess
import sys
import uuid
from contextlib import closing

import pytest
from click.testing import CliRunner

from edge_core import events
from edge_core.cli import main as cli
from edge_core.errors import ParvisError
from edge_core.report import document, figures
from edge_core.report.figures import Told
from edge_core.settings import load
from edge_core.store import database, grants, outbox, requests, series, usage
from lab.platform.store import _TABLES

DAY = "2030-05-20"
START = 1_905_458_400.0  # 2030-05-20 00:00 in Paris
HOUR = 3600.0


def window(start, associated, access_point=None, doubt=None):
    return events.PresenceWindow(
        zone="main", access_point=access_point, start=int(start), seconds=300, observed=300, doubt=doubt,
        associated=associated, online=None, arrivals=None, departures=None,
    )  # fmt: skip


def week():
    """Return a week's events: two hours of presence, searches, answers, probes."""
    told = [window(START + 9 * HOUR, 100), window(START + 9 * HOUR + 300, 140), window(START + 12 * HOUR, 300)]
    told += [
        window(START + 12 * HOUR, 45, "ap-cafe"),
        window(START + 3 * HOUR, None),
        window(START, 900, None, "flood"),
    ]
    ended = {"reason": "expired", "duration": 3600, "up_packets": 1, "down_packets": 1}
    told += [
        events.SessionEnded(session=str(uuid.UUID(int=n)), plan="libre", up_bytes=10**9, down_bytes=10**9, **ended)
        for n in range(12)
    ]
    told += [events.SessionEnded(session=str(uuid.UUID(int=12)), plan="<b>rare</b>", up_bytes=0, down_bytes=0, **ended)]
    told += [events.RequestCreated(request=str(n), kind="lunch", subject="s", place="portal") for n in range(10)]
    told += [events.SurveyAnswered(survey="accueil", choice="good", place="portal")] * 9
    told += [events.SurveyAnswered(survey="accueil", choice="poor", place="portal")]
    told += [events.SurveyAnswered(survey="rare", choice="poor", place="portal")]
    words = [{"text": "vélo", "askers": 15}]
    told += [events.SearchesAsked(place="portal", start=0, seconds=300, asked=50, unanswered=20, words=words)]
    told += [
        events.UplinkMeasured(way="first", start=0, seconds=300, asked=30, answered=answered,
                              milliseconds_median=9, milliseconds_worst=20)
        for answered in (30, 27)
    ]  # fmt: skip
    return told


def told(found):
    return [Told(each.type.removeprefix("eu.parvis.").removesuffix(".v1"), START, each.data()) for each in found]


def test_figures_are_those_of_the_week():
    """Means by the site's hour, sums by plan and service; what is in doubt, or of fewer than ten, is not shown."""
    found = figures.build(told(week()))
    assert found.by_hour == {9: 120, 12: 300}
    assert found.by_place == {"ap-cafe": (45, 45), "main": (180, 300)}
    assert found.hidden == 2
    assert found.sessions == {"<b>rare</b>": None, "libre": 10}
    assert found.gigabytes == 24
    assert found.services == {"lunch": 10}
    assert (found.searches, found.unanswered, found.words) == (50, 20, {"vélo": 15})
    assert found.satisfaction == {"accueil": {"good": 9, "poor": 1}}
    assert found.availability == pytest.approx(0.95)
    assert found.lost == 0
    assert figures.build(told([events.Gap(first=1, last=5, count=5, reason="budget")])).lost == 5
    assert figures.build([]) == figures.Figures()


@pytest.mark.parametrize("code", ["fr", "en", "es", "oc"])
def test_the_report_is_read_by_people(code):
    """French first; hostile names stay text; a week without anything says so."""
    page = document.html(figures.build(told(week())), name="Parc <i>X</i>", since=START, until=START + 7e5, code=code)
    assert "<svg" in page
    assert "<b>rare" not in page
    assert "<i>X" not in page
    assert "<b>95\N{NO-BREAK SPACE}%" in page.replace(" %", "\N{NO-BREAK SPACE}%")
    assert "vélo" in page
    assert page.count("<script") == 0
    assert "\N{EN DASH}" in document.html(figures.Figures(), name="P", since=START, until=START + 7e5, code=code)


@pytest.fixture
def device(tmp_path):
    path = tmp_path / "device.toml"
    path.write_text(f'[site]\nid = "parc"\nname = "Parc"\n[device]\nid = "g1"\nstate_dir = "{tmp_path}/state"\n')
    settings = load(path, {})
    database.migrate(settings)
    return settings


def make(device, output, *words):
    done = ["report", "--config", str(device.source), "--from", DAY, "--output", str(output), *words]
    return CliRunner().invoke(cli.parvis, done, catch_exceptions=False).output


def test_a_platform_and_a_lone_device_tell_the_same_week(device, tmp_path):
    """The same windows, sessions, requests and searches, read from the one and from the other, are one report."""
    present = [each for each in week() if isinstance(each, events.PresenceWindow)]
    with closing(database.open_edge(device.edge_db)) as edge:
        with database.write(edge):
            for each in present:
                series.record(edge, each, START)
            for each in week():
                if isinstance(each, events.SearchesAsked | events.UplinkMeasured | events.SurveyAnswered):
                    outbox.append(edge, each, START + HOUR)
        for number in range(12):
            grants.accept(edge, f"02:00:00:00:00:{number:02x}", "libre", 9999, START)
            ended = grants.end(edge, f"02:00:00:00:00:{number:02x}", "logout", START + HOUR)
            usage.close(edge, [(ended, usage.Usage(10**9, 1, 10**9, 1))], START + HOUR)
        for _ in range(10):
            requests.create(edge, kind="lunch", subject="s", data={}, place="portal", now=START + HOUR)
        bodies = [json.loads(body) for _, _, body in outbox.read_after(edge, 0, 1000)]
    store = tmp_path / "platform.db"
    with closing(sqlite3.connect(store)) as platform, platform:
        platform.executescript(_TABLES)
        platform.execute("INSERT INTO devices (id, site, name, seen_at) VALUES (1, 'parc', 'g1', 0)")
        platform.execute("INSERT INTO streams (id, device, epoch) VALUES (1, 1, 'e')")
        for number, body in enumerate(bodies):
            row = [number, body["id"], body["type"], START + HOUR, json.dumps(body["data"])]
            platform.execute("INSERT INTO events VALUES (NULL, 1, ?, ?, 'c', ?, ?, 'b', 0, 1, ?)", row)
    lines = tmp_path / "events.jsonl"
    with lines.open("w") as file:
        subprocess.run([sys.executable, "-m", "lab.platform.export", str(store)], stdout=file, check=True)
    assert "2030-05-20 to 2030-05-26" in make(device, tmp_path / "device.html")
    make(device, tmp_path / "platform.html", "--events", str(lines))
    pages = [(tmp_path / f"{name}.html").read_text() for name in ("device", "platform")]
    assert "vélo" in pages[0]
    assert pages[0] == pages[1]


@pytest.mark.parametrize("line", ["x", "[]", "{}", '{"type": 1, "time": "now", "data": {}, "source": "/parc/g"}'])
def test_a_line_that_is_no_event_is_named(device, tmp_path, line):
    """With its number and the remedy; another site's events are left out."""
    lines = tmp_path / "events.jsonl"
    lines.write_text(f"\n{line}\n")
    with pytest.raises(ParvisError, match="line 2"):
        make(device, tmp_path / "x.html", "--events", str(lines))


def test_only_files_that_can_be_made_are_asked_for(device, tmp_path):
    """Another suffix, a folder that isn't there: told with the name."""
    with pytest.raises(ParvisError, match="neither"):
        make(device, tmp_path / "report.docx")
    with pytest.raises(ParvisError, match="can't be written"):
        make(device, tmp_path / "nowhere" / "report.html")


def test_it_becomes_a_pdf(device, tmp_path):
    """By the system's Chromium."""
    if not (shutil.which("chromium") or shutil.which("chromium-browser")):
        pytest.skip("needs Chromium (apt-get install chromium)")
    make(device, tmp_path / "report.pdf")
    assert (tmp_path / "report.pdf").read_bytes().startswith(b"%PDF-")
