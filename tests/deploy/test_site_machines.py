# SPDX-License-Identifier: EUPL-1.2
"""Two kiosks of a site: one enrols by a ticket, one takes a dead one's place; an update stops where it fails."""

from __future__ import annotations

import os
import time
from types import SimpleNamespace

import pytest

pytestmark = [pytest.mark.deploy, pytest.mark.timeout(2400)]

SUITE = os.environ.get("PARVIS_SUITE", "bookworm")
UNITS = "parvis-kiosk parvis-sync parvis-devices"
FIRST, SECOND = "kiosk-accueil", "kiosk-atelier"


@pytest.fixture(scope="module")
def site(settings, keep_logs, tmp_path_factory):
    """Two blank machines on cables of their own; nothing is provisioned yet."""
    from lab.machine import broken, cables, machine, operator, provision  # noqa: PLC0415  only where machines can run

    home = provision.ROOT / "build" / "machine"
    with (
        cables.laid(0) as one,
        cables.laid(1) as two,
        operator.desk(tmp_path_factory.mktemp("desk"), str(one.here), settings.every["parvis_site"]["id"]) as ticket,
        machine.booted(home, one, FIRST, suite=SUITE) as first,
        machine.booted(home, two, SECOND, suite=SUITE) as second,
    ):
        base = {**settings.every, "parvis_mqtt": {"url": f"mqtt://{one.here}:1"}, "kiosk_screen": False}
        values = {first: {**base, "sync_ticket": ticket(FIRST)}, second: base}

        def play(*words, book="site.yml", **bundles):
            """Run a playbook over both; `first` and `second` give one of them another release."""
            given = {box: dict(row) for box, row in values.items()}
            for name, bundle in bundles.items():
                given[{"first": first, "second": second}[name]]["parvis_bundle"] = str(bundle)
            provision.site(first.folder, "kiosk", given)
            return provision.play(first, "-e", "parvis_serial=1", *words, book=book)

        yield SimpleNamespace(first=first, second=second, play=play, broken=broken, bundle=base["parvis_bundle"])
        keep_logs(first)
        keep_logs(second)


def active(box, seconds=45):
    """Tell whether all units are active within a while."""
    deadline = time.monotonic() + seconds
    while set(box.run(f"systemctl is-active {UNITS}", check=False).stdout.split()) != {"active"}:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.5)
    return True


def release(box):
    """Return the release that runs."""
    return box.out("basename $(readlink /opt/parvis/current)")


def test_a_ticket_of_the_vault_gives_an_identity(site):
    """The first run enrols the device; its unit of sync has the certificate, and nobody else its key."""
    run = site.play("--limit", FIRST)
    assert run.code == 0, run.text[-4000:]
    assert active(site.first)
    assert '"device": "kiosk-accueil"' in site.first.out("parvis enroll status --json")
    key = "/var/lib/parvis/identity/current/device.key"
    assert site.first.out(f"stat -L -c '%U %G %a' {key}") == "parvis-sync parvis-identity 640"


def test_a_ticket_that_was_used_is_left_alone(site):
    """The ticket stays in the vault; the next run sees that the device has its identity, and changes nothing."""
    again = site.play("--limit", FIRST)
    assert (again.code, again.changed) == (0, 0), again.text[-4000:]


@pytest.mark.parametrize(
    ("words", "named"), [(["device=nobody"], "kiosk-accueil, kiosk-atelier"), (["device=kiosk-accueil"], "the old one")]
)
def test_only_a_dead_device_of_the_site_is_replaced(site, words, named):
    """A name that nobody knows, and a box that works, are refused with what to do; nothing changes."""
    run = site.play("-e", *words, book="replace.yml")
    assert run.code != 0
    assert named in " ".join(run.text.split())
    assert not any(run.changes.values())
    assert active(site.first)


def test_a_blank_box_takes_a_dead_one_s_place(site):
    """One command, one box: the other is not even looked at; a second one for the same box is refused."""
    run = site.play("-e", f"device={SECOND}", book="replace.yml")
    assert run.code == 0, run.text[-4000:]
    assert FIRST not in run.changes
    assert active(site.second)
    assert 'id = "kiosk-atelier"' in site.second.out("cat /etc/parvis/parvis.toml")
    assert site.play("-e", f"device={SECOND}", book="replace.yml").code != 0


def test_an_update_goes_on_from_device_to_device_until_one_fails(site, bundle, tmp_path):
    """The first device keeps the new release; the second isn't well with its own, goes back, and the run says so."""
    good, bad = site.broken.twin(bundle, tmp_path), site.broken.release(bundle, tmp_path)
    run = site.play(first=good, second=bad)
    assert run.code != 0
    assert f"{SECOND} is not well with {bad.name}" in " ".join(run.text.split())
    assert (release(site.first), release(site.second)) == (good.stem, bundle.stem)
    assert active(site.first)
    assert active(site.second)


def test_an_update_stops_before_the_devices_that_follow(site, bundle, tmp_path):
    """The first device isn't well: it goes back, and the second is as it was, without even a copy of the release."""
    good, bad = site.broken.twin(bundle, tmp_path), site.broken.release(bundle, tmp_path)
    before = site.second.out("ls /opt/parvis/releases")
    run = site.play(first=bad, second=bad)
    assert run.code != 0
    assert (release(site.first), release(site.second)) == (good.stem, bundle.stem)
    assert SECOND not in run.changes
    assert site.second.out("ls /opt/parvis/releases") == before
    assert active(site.first)
