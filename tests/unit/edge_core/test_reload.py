# SPDX-License-Identifier: EUPL-1.2
"""`parvis reload` under systemd: which units are started anew, which read their files again, which are left alone."""

import pytest

from edge_core import settings
from edge_core.cli import reload
from edge_core.errors import ProcessError

GATEWAY = ["setup", "migrate", "dnsmasq", "agent", "portal", "broker", "keepalived"]
KIOSK = ["migrate", "kiosk", "sync"]


@pytest.fixture
def device(tmp_path):
    """A device's settings."""
    file = tmp_path / "parvis.toml"
    file.write_text(f'[site]\nid = "parc"\nname = "P"\n[device]\nid = "g"\nstate_dir = "{tmp_path}/state"\n')
    loaded = settings.load(file, {})
    loaded.generated_dir.mkdir(parents=True)
    return loaded


@pytest.fixture
def asked(device, monkeypatch):
    """Give a function that reloads a device of some units and returns what systemd was asked.

    `written` is what the set-up then writes for keepalived; `refuses` a unit whose reload fails.
    """

    def reloaded(units, written="", refuses=""):
        told = []

        def systemctl(*words):
            told.append(words)
            if words[0] == "list-dependencies":
                return "".join(f"parvis-{name}.service\n" for name in units) + "parvis-portal.socket\n"
            if words == ("restart", "parvis-setup.service"):
                (device.generated_dir / "keepalived.conf").write_text(written)
            if words == ("try-reload-or-restart", f"parvis-{refuses}.service"):
                raise ProcessError("it says no", remedy="start it anew")
            return ""

        monkeypatch.setattr(reload, "_systemctl", systemctl)
        reload._by_systemd(device)
        return [
            (word, name.removeprefix("parvis-").removesuffix(".service")) for word, *names in told[1:] for name in names
        ]

    return reloaded


def test_a_gateway_s_connections_and_addresses_stay(asked, device):
    """The set-up comes first; keepalived, whose file is as it was, isn't touched; the broker reads its files again."""
    (device.generated_dir / "keepalived.conf").write_text("as it was")
    assert asked(GATEWAY, "as it was") == [
        ("restart", "setup"),
        ("try-restart", "dnsmasq"),
        ("try-reload-or-restart", "agent"),
        ("try-reload-or-restart", "portal"),
        ("try-reload-or-restart", "broker"),
    ]


def test_what_changed_is_started_anew(asked, device):
    """A pair with other settings, and a broker that says that a reload isn't enough."""
    (device.generated_dir / "keepalived.conf").write_text("as it was")
    told = asked(GATEWAY, "another peer", refuses="broker")
    assert ("try-restart", "keepalived") in told
    assert told[-1] == ("try-restart", "broker")


def test_a_kiosk_is_not_asked_for_what_it_has_not(asked):
    """systemctl fails for a unit that isn't installed, and a kiosk has neither set-up nor dnsmasq nor broker."""
    assert asked(KIOSK) == [("try-reload-or-restart", "kiosk"), ("try-reload-or-restart", "sync")]
