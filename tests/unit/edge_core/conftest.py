# SPDX-License-Identifier: EUPL-1.2
"""A kiosk's database for the tests of its tables."""

import pytest

from edge_core.settings import load
from edge_core.store import database


@pytest.fixture
def store(tmp_path):
    """An empty edge.db."""
    path = tmp_path / "device.toml"
    path.write_text(f'[site]\nid = "parc"\nname = "Parc"\n[device]\nid = "k1"\nstate_dir = "{tmp_path}/state"\n')
    settings = load(path, {})
    database.migrate(settings)
    connection = database.open_edge(settings.edge_db)
    yield connection
    connection.close()
