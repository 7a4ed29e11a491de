# SPDX-License-Identifier: EUPL-1.2
"""`parvis sync status`: the account of each stream, ages, content and the last error, for people and for scripts."""

import json

import pytest
from click.testing import CliRunner

from edge_core import events, settings
from edge_core.store import database, outbox
from sync import status

NOW = 1_795_000_000.0


@pytest.fixture
def device(tmp_path, monkeypatch):
    file = tmp_path / "device.toml"
    text = f'[site]\nid = "site"\nname = "Site"\n[device]\nid = "device"\nstate_dir = "{tmp_path}/state"\n'
    file.write_text(text, encoding="utf-8")
    configuration = settings.load(file, {})
    database.migrate(configuration)
    edge = database.open_edge(configuration.edge_db)
    with database.write(edge):
        for number in range(5):
            tap = events.SurveyAnswered(survey=f"s{number}", choice="good", place="portal")  # its moment is told whole
            outbox.append(edge, tap, NOW - 7200 + number)
        outbox.append(edge, events.RequestCreated(request="r", kind="room", subject="s", place="kiosk"), NOW - 60)
        outbox.acknowledge(edge, 2)
    monkeypatch.setattr(status.clock, "now", lambda: NOW)
    yield configuration
    edge.close()


def run(device, *words):
    result = CliRunner().invoke(status.sync, ["status", "--config", str(device.source), *words])
    assert result.exit_code == 0, result.output
    return result.output


def test_for_scripts(device):
    """Each class and the whole, with the age of the oldest that waits, and why content failed last."""
    status.note_error(device, "content", "The server answers 404.", NOW - 30)
    facts = json.loads(run(device, "--json"))
    usage = {"created": 5, "acked": 2, "pending": 3, "dropped": 0, "oldest_seconds": 7198}
    assert facts["streams"]["usage"] == usage
    assert facts["streams"]["order"]["oldest_seconds"] == 60
    assert facts["total"] == {"created": 6, "acked": 2, "pending": 4, "dropped": 0, "oldest_seconds": 7198}
    assert facts["balanced"] is True
    assert facts["content"] == {"version": None, "applied_seconds": None, "checked_seconds": None}
    assert facts["errors"] == {"content": {"reason": "The server answers 404.", "seconds": 30}}


def test_for_people(device):
    """The same as a table, with ages as people say them."""
    status.note_error(device, "content", "The server answers 404.", NOW - 30)
    shown = run(device)
    assert "usage" in shown
    assert "120 min" in shown
    assert "Content: none yet." in shown
    assert "The server answers 404." in shown
    status.note_error(device, "content", "", NOW)
    assert "Last error" not in run(device)


@pytest.mark.parametrize("text", ["", "[]", '{"content": 1}', '{"content": {"reason": 1, "at": "x"}}'])
def test_a_damaged_note_hides_nothing(device, text):
    """The account is shown whatever the note of errors holds."""
    device.run_dir.mkdir(parents=True, exist_ok=True)
    (device.run_dir / status.ERROR_FILE).write_text(text)
    assert json.loads(run(device, "--json"))["errors"] == {}


@pytest.mark.parametrize(
    ("seconds", "said"), [(0, "0 s"), (119, "119 s"), (120, "2 min"), (7200, "2 h"), (10**6, "12 d")]
)
def test_ages_are_said_as_people_say_them(seconds, said):
    """Seconds, minutes, hours, days."""
    assert status.span(seconds) == said
