# SPDX-License-Identifier: EUPL-1.2
"""Machines for the tests of this folder: a module has one, provisioned once; skipped where they can't run."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).parents[2]
HOME = ROOT / "build" / "machine"
TOOLS = {
    "debootstrap": "debootstrap", "systemd-nspawn": "systemd-container", "ssh-keygen": "openssh-client",
    "apt-cacher-ng": "apt-cacher-ng", "dnsmasq": "dnsmasq-base", "udhcpc": "udhcpc",
}  # fmt: skip


def reason():
    """Return why the machines can't run here, or ""."""
    if os.environ.get("PARVIS_DEPLOY") != "1":
        return "takes minutes: make deploy-test"
    if os.geteuid() != 0:
        return "a container needs root"
    path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    missing = sorted({package for program, package in TOOLS.items() if not shutil.which(program, path=path)})
    if missing:
        return f"not installed: apt install {' '.join(missing)}"
    return (
        "" if (ROOT / "build/deploy-venv/bin/ansible-playbook").exists() else "no Ansible: make deploy-test installs it"
    )


def pytest_collection_modifyitems(items):
    """Say once why the tests with a machine stand aside."""
    why = reason()
    for item in items:
        if why and item.get_closest_marker("deploy"):
            item.add_marker(pytest.mark.skip(reason=why))


@pytest.fixture(scope="session")
def bundle():
    """The release of this checkout, built once for all machines."""
    from lab.machine import provision  # noqa: PLC0415  only where machines can run

    return provision.bundle()


@pytest.fixture(scope="session")
def keep_logs():
    """Return a function that keeps a machine's logs in build/machine/logs after it is gone."""

    def keep(machine):
        logs = HOME / "logs" / machine.name
        shutil.rmtree(logs, ignore_errors=True)
        logs.mkdir(parents=True)
        journal = machine.run("journalctl -b --no-pager", check=False).stdout
        (logs / "journal.log").write_text(journal, encoding="utf-8")
        for file in machine.folder.glob("*.log"):
            shutil.copy(file, logs)

    return keep


@pytest.fixture(scope="session")
def record():
    """Write a figure that was measured to build/machine/figures.json, and print it."""
    figures = {}

    def write(figure, value, unit):
        figures[figure] = {"value": round(value, 1), "unit": unit}
        HOME.mkdir(parents=True, exist_ok=True)
        (HOME / "figures.json").write_text(json.dumps(figures, indent=1), encoding="utf-8")
        print(f"{figure}: {value:.1f} {unit}")

    return write


@pytest.fixture(scope="session")
def settings(bundle):
    """Inventory values that every machine of the tests has."""
    site = {"id": "parc-exemple", "name": "Parc d'activités de l'Exemple"}
    return SimpleNamespace(
        every={"parvis_bundle": str(bundle), "parvis_site": site},
        lan={
            "interface": "lan0",
            "ipv4": "10.77.0.1/20",
            "ipv6": "fd77:0:0:1::1/64",
            "dhcp_range": "10.77.1.0-10.77.15.250",
        },
    )
