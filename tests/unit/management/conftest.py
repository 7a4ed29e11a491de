# SPDX-License-Identifier: EUPL-1.2
"""A gateway's state folder, with an agent that answers."""

import pytest

from edge_core import control
from edge_core.settings import load
from edge_core.store import database

AGENT = {"ok": True, "guests": 12, "online": 7, "dropped": {"dns_before_grant": 3}, "refused": 1}


@pytest.fixture
def settings(tmp_path):
    path = tmp_path / "device.toml"
    path.write_text(f'[site]\nid = "parc"\nname = "Parc"\n[device]\nid = "g1"\nstate_dir = "{tmp_path}/state"\n')
    settings = load(path, {})
    database.migrate(settings)
    return settings


@pytest.fixture
def answers(settings, monkeypatch):
    """What each socket answers; a test may take some away."""
    told = {settings.agent_socket: AGENT}
    monkeypatch.setattr(control, "ask", lambda path, _message, **_: told.get(path))
    return told
