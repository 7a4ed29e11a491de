# SPDX-License-Identifier: EUPL-1.2
"""A gateway whose root is closed to writing: provisioned, run again, updated by Debian, rebooted; all units active."""

from __future__ import annotations

import json
import os
import time
from types import SimpleNamespace

import pytest

pytestmark = [pytest.mark.deploy, pytest.mark.timeout(2400)]

SUITE = os.environ.get("PARVIS_SUITE", "bookworm")
UNITS = "parvis-broker parvis-dnsmasq parvis-agent parvis-advertiser parvis-portal parvis-front parvis-sync"


@pytest.fixture(scope="module")
def site(settings, keep_logs):
    """A blank machine whose /var is a file system of its own, provisioned once with readonly_root."""
    from lab.machine import cables, machine, provision  # noqa: PLC0415  only where machines can run

    home = provision.ROOT / "build" / "machine"
    with cables.laid() as laid, machine.booted(home, laid, "closed", suite=SUITE, data=True) as box:
        values = {
            **settings.every,
            "parvis_lan": settings.lan,
            "parvis_wan": {"interface": "wan0", "dns": [str(laid.here)]},
            "parvis_portal": {"hostname": "portal.example.net"},
            "readonly_root": True,
        }
        provision.inventory(box, "gateway", values)
        yield SimpleNamespace(box=box, first=provision.play(box), provision=provision)
        keep_logs(box)


def closed(box):
    """Tell whether nothing can be written on the root, and the state still can."""
    state = box.run("touch /var/lib/parvis/probe && rm /var/lib/parvis/probe && ! touch /probe", check=False)
    return state.returncode == 0 and "Read-only file system" in state.stderr


def settled(box, seconds=60):
    """Wait until all units are active; return what they are."""
    deadline = time.monotonic() + seconds
    while (told := set(box.run(f"systemctl is-active {UNITS}", check=False).stdout.split())) != {"active"}:
        if time.monotonic() > deadline:
            return told
        time.sleep(0.5)
    return told


def root_found(box):
    """Return what `parvis doctor` says of the root."""
    said = box.run("parvis doctor --json --config /etc/parvis/parvis.toml", check=False).stdout
    return next((one["state"], one["seen"]) for one in json.loads(said) if one["check"] == "root")


def test_a_blank_machine_is_closed_when_the_run_ends(site):
    """The run opens, does its work and closes; every unit works on what is left to write."""
    assert site.first.code == 0, site.first.text[-4000:]
    assert settled(site.box) == {"active"}
    assert closed(site.box)
    assert root_found(site.box) == ("ok", "closed to writing: a power cut breaks nothing there")


def test_a_second_run_changes_nothing_and_closes_again(site):
    """A run finds a closed root, opens it, and leaves it as it was."""
    again = site.provision.play(site.box)
    assert (again.code, again.changed) == (0, 0), again.text[-4000:]
    assert closed(site.box)


def test_debian_s_updates_open_and_close_it(site):
    """dpkg can write while it works, and nobody can afterwards."""
    site.box.run("apt-get -qq update && apt-get -qq install --yes --reinstall netbase", seconds=300)
    assert closed(site.box)


def test_a_root_left_open_is_told(site):
    """The doctor names a root that stands open against the plan, with what closes it."""
    site.box.run("mount -o remount,rw /")
    assert root_found(site.box)[0] == "warning"
    site.box.run("mount -o remount,ro /")


def test_after_a_reboot_it_is_closed_and_all_units_are_active(site):
    """Nothing that starts needs to write on the root."""
    before = site.box.boot_id()
    site.box.run("systemctl reboot", check=False)
    time.sleep(2)
    site.box.wait()
    assert site.box.boot_id() != before
    assert settled(site.box) == {"active"}
    assert closed(site.box)
    assert site.box.out("systemctl --failed --no-legend") == ""
    assert site.box.out("findmnt --noheadings --output FSTYPE --mountpoint /tmp") == "tmpfs"
