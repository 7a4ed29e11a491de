# SPDX-License-Identifier: EUPL-1.2
"""The command line: tables for people, JSON for scripts, errors that name the remedy."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from click.testing import CliRunner

from edge_core import clock, leftovers
from edge_core.cli import main as cli
from edge_core.errors import ProcessError
from edge_core.settings import load
from edge_core.store import database, grants

MAC = "02:00:00:00:00:01"


@pytest.fixture
def config(tmp_path):
    """A configuration without enforcement, and its migrated store with one session."""
    path = tmp_path / "device.toml"
    path.write_text(
        f'[site]\nid = "parc"\nname = "Parc"\n[device]\nid = "g1"\nstate_dir = "{tmp_path}/state"\n'
        '[enforcement]\nmode = "none"\n'
    )
    settings = load(path, {})
    database.migrate(settings)
    connection = database.open_edge(settings.edge_db)
    grants.accept(connection, MAC, "free", 600, clock.now())
    connection.close()
    return str(path)


def call(*words):
    """Run one command and return its result; an error of ours is raised as it is."""
    return CliRunner().invoke(cli.parvis, words, catch_exceptions=False)


def test_sessions_are_listed(config):
    """A script finds the device, its plan and the time left."""
    (row,) = json.loads(call("sessions", "list", "--config", config, "--json").output)
    assert (row["mac"], row["plan"]) == (MAC, "free")
    assert 590 <= row["remaining_seconds"] <= 600
    assert MAC in call("sessions", "list", "--config", config).output


def test_a_session_is_ended_whatever_way_its_mac_is_written(config):
    """Windows' way of writing a MAC address works too; a second end is refused with what to look at."""
    assert "is over" in call("sessions", "end", "--config", config, "02-00-00-00-00-01".upper()).output
    assert json.loads(call("sessions", "list", "--config", config, "--json").output) == []
    with pytest.raises(Exception, match="parvis sessions list"):
        call("sessions", "end", "--config", config, MAC)


def test_a_mac_that_is_none_is_refused(config):
    """The input is named, and how to write it."""
    with pytest.raises(Exception, match="'nonsense' is not a MAC address"):
        call("sessions", "end", "--config", config, "nonsense")


def test_status_for_scripts(config):
    """`parvis status --json` has sessions, content and the loss account."""
    facts = json.loads(call("status", "--config", config, "--json").output)
    assert facts["sessions"]["active"] == 1
    assert facts["events"] == {"created": 1, "acked": 0, "pending": 1, "dropped": 0}
    assert facts["agent"] is False
    assert "1 created, 0 acknowledged, 1 pending, 0 dropped" in call("status", "--config", config).output


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_can_complete(shell):
    """Each shell gets its completion script."""
    assert "_PARVIS_COMPLETE" in call("completion", shell).output


def test_errors_are_told_in_words(monkeypatch, capsys, tmp_path):
    """A known error is a sentence and a remedy on standard error, with status 1 and no traceback."""
    monkeypatch.setattr(sys, "argv", ["parvis", "status", "--config", str(tmp_path / "none.toml")])
    with pytest.raises(SystemExit) as end:
        cli.main()
    told = capsys.readouterr().err
    assert end.value.code == 1
    assert "there is no such file" in told
    assert "→ Give the configuration's path" in told
    assert "Traceback" not in told


@pytest.mark.parametrize("role", ["gateway", "kiosk"])
def test_a_second_run_leaves_the_first_alone(config, role, monkeypatch):
    """Who starts it twice is told so, before a single process of the first run is ended."""
    monkeypatch.setattr("edge_core.cli.run.Supervisor", lambda *_, **__: pytest.fail("it was started"))
    settings = load(config, {})
    settings.run_dir.mkdir()
    leftovers.remember(settings.run_dir / "gateway.run", "run", os.getpid())
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as child:
        leftovers.remember(settings.run_dir / "gateway.pids", "front", child.pid)
        with pytest.raises(ProcessError, match=f"process {os.getpid()}.*runs already"):
            call("run", role, "--config", config)
        assert child.poll() is None
        child.kill()
    assert leftovers.alive(settings.run_dir / "gateway.run") == [os.getpid()]
