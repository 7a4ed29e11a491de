# SPDX-License-Identifier: EUPL-1.2
"""A portal over a real edge.db and a real content.db, at a fixed moment."""

import hashlib
import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from flask.testing import FlaskClient

from captive_portal import app as portal_app
from edge_core import neighbour
from edge_core.settings import load
from edge_core.store import database
from sync.downlink import content_db

NOW = 1_905_580_800.0  # 2030-05-21 10:00 in Paris
PLAN = Path(__file__).parents[3] / "content" / "demo" / "plan" / "rez-de-chaussee.svg"
PHONE = "02:11:22:33:44:55"
ADDRESS = "10.77.16.20"
HOST = "wifi.parc.example"


def fill(settings, plan=PLAN):
    """Write the sample park into content.db and its plan into the blobs."""
    svg = plan.read_bytes()
    digest = hashlib.sha256(svg).hexdigest()
    settings.blobs_dir.mkdir(parents=True, exist_ok=True)
    (settings.blobs_dir / digest).write_bytes(svg)
    text = (Path(__file__).parent / "park.json").read_text(encoding="utf-8").replace('"PLAN"', f'"{digest}"')
    content_db.load(settings.content_db, json.loads(text), 7, NOW)


def configuration(folder, mode):
    path = folder / "parvis.toml"
    path.write_text(
        f"""[site]
id = "exemple"
name = "Parc Exemple"
[device]
id = "gateway-1"
state_dir = "{folder}/state"
[lan]
interface = "lan0"
ipv4 = "10.77.16.1/20"
ipv6 = "fd00:77::1/64"
dhcp_range = "10.77.16.10-10.77.31.250"
[wan]
interface = "wan0"
dns = ["192.0.2.53"]
[portal]
hostname = "{HOST}"
[enforcement]
mode = "{mode}"
""",
        encoding="utf-8",
    )
    settings = load(path, {})
    database.migrate(settings)
    return settings


@pytest.fixture
def clock():
    return SimpleNamespace(now=NOW)


@pytest.fixture
def settings(tmp_path):
    found = configuration(tmp_path, "nftables")
    fill(found)
    return found


@pytest.fixture
def neighbours(monkeypatch):
    """The kernel's neighbour table, as addresses to MACs."""
    table = {ADDRESS: PHONE, "fd00:77::20": PHONE, "10.77.16.21": "02:66:77:88:99:aa"}
    monkeypatch.setattr(neighbour, "mac_of", lambda address, _interface: table.get(str(address)))
    return table


@pytest.fixture
def app(settings, neighbours, clock):
    made = portal_app.create_app(settings, lambda: clock.now)
    made.config["TESTING"] = False  # errors must become pages here as they do in use
    yield made
    _close(made)


def _close(made):
    house = made.extensions["parvis"]
    house.replica.close()
    if getattr(house._local, "edge", None) is not None:
        house._local.edge.close()


@pytest.fixture
def bare_app(tmp_path, neighbours, clock):
    """A portal to which no content has come yet, and whose store was never made."""
    (tmp_path / "bare").mkdir()
    settings = configuration(tmp_path / "bare", "nftables")
    settings.edge_db.unlink()
    made = portal_app.create_app(settings, lambda: clock.now)
    yield made
    _close(made)


@pytest.fixture
def open_app(tmp_path, clock):
    """A portal without enforcement."""
    (tmp_path / "open").mkdir()
    settings = configuration(tmp_path / "open", "none")
    fill(settings)
    made = portal_app.create_app(settings, lambda: clock.now)
    yield made
    _close(made)


def visitor(app, address=ADDRESS, host=HOST, **headers):
    """Return a test client that comes from `address` and asks `host`."""
    environ = {"REMOTE_ADDR": address, "HTTP_HOST": host, "HTTP_ACCEPT_LANGUAGE": "fr"}
    environ |= {f"HTTP_{name.upper()}": value for name, value in headers.items()}
    return Visitor(app, environ)


class Visitor(FlaskClient):
    """A test client whose every request carries the same address and headers."""

    def __init__(self, app, environ):
        super().__init__(app, app.response_class)
        self.environ = environ

    def open(self, *args, **named):
        return super().open(*args, environ_overrides=self.environ, **named)


@pytest.fixture
def phone(app):
    return visitor(app)


@pytest.fixture
def visiting():
    return visitor


@pytest.fixture
def configured():
    return configuration
