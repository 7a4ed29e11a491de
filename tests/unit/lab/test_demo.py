# SPDX-License-Identifier: EUPL-1.2
"""The demo's decisions: configuration, folder, content copy, certificates, the internet's answers."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509 import verification

from edge_core import broker, settings
from lab.ca import Authority
from lab.demo import forecast, overlay
from lab.demo.console import Totals
from lab.demo.folder import FolderError, claim
from lab.demo.plan import SOURCE, Plan, Ports, configurations
from lab.net import web

_PORTS = Ports(8080, 8081, 8082)


@pytest.mark.parametrize("enforced", [True, False])
@pytest.mark.parametrize("kind", ["mosquitto", "amqtt"])
def test_the_configurations_are_ones_that_the_product_takes(tmp_path, monkeypatch, enforced, kind):
    """What the demo writes is read back by the product's own parser; with amqtt, which can't bridge, none is asked."""
    monkeypatch.setattr(broker, "kind", lambda: kind)
    plan = Plan("root", enforced, tmp_path, _PORTS, (1001, 1002))
    certificate = (tmp_path / "c.pem", tmp_path / "c.key") if enforced else None
    for device, text in configurations(plan, certificate).items():
        plan.configuration(device).write_text(text)
        read = settings.load(plan.configuration(device), {})
        assert read.device.id == device
        assert read.enforcement.mode == ("nftables" if enforced else "none")
        assert read.device.state_dir == tmp_path / device
        assert bool(read.broker.bridge) == (device == "gateway" and kind == "mosquitto")
    settings.require_gateway(settings.load(plan.configuration("gateway"), {}))


def test_a_folder_with_files_of_somebody_else_is_never_emptied(tmp_path):
    """A mistyped --state costs nothing."""
    precious = tmp_path / "thesis.txt"
    precious.write_text("years")
    with pytest.raises(FolderError, match="holds files that no demo made"):
        claim(tmp_path)
    assert precious.read_text() == "years"


def test_a_folder_is_claimed_by_one_demo_and_emptied_for_the_next(tmp_path):
    """Two demos don't share a folder; what a killed one left is gone at the next start."""
    first = claim(tmp_path / "demo")
    (first.folder / "left").mkdir()
    with pytest.raises(FolderError, match="runs in"):
        claim(tmp_path / "demo")
    os.close(first.descriptor)
    second = claim(tmp_path / "demo")
    assert [path.name for path in second.folder.iterdir()] == [".parvis-demo"]
    os.close(second.descriptor)


def test_a_change_of_the_source_reaches_the_copy_and_a_change_of_the_copy_stays(tmp_path):
    """The story edits the copy; a person who edits the source sees that too, and only that."""
    source, copy = tmp_path / "source", tmp_path / "copy"
    (source / "news").mkdir(parents=True)
    (source / "news" / "a.md").write_text("one")
    (source / "b.csv").write_text("two")
    seen = overlay.stamps(source)
    assert overlay.follow(source, copy, {}, seen) == 2
    (copy / "news" / "a.md").write_text("changed by the story")
    (source / "b.csv").write_text("two and a half")
    now = overlay.stamps(source)
    assert overlay.follow(source, copy, seen, now) == 1
    assert (copy / "news" / "a.md").read_text() == "changed by the story"
    assert (copy / "b.csv").read_text() == "two and a half"
    (source / "b.csv").unlink()
    overlay.follow(source, copy, now, overlay.stamps(source))
    assert not (copy / "b.csv").exists()


def test_the_labs_certificates_are_valid_for_their_names_alone(tmp_path):
    """A client that verifies is satisfied, and not by another name."""
    authority = Authority(tmp_path)
    chain, key = authority.issue("wifi.parc.example", "www.page.example")
    leaf, root = x509.load_pem_x509_certificates(chain.read_bytes())
    builder = verification.PolicyBuilder().store(verification.Store([root]))
    builder.build_server_verifier(x509.DNSName("www.page.example")).verify(leaf, [])
    with pytest.raises(verification.VerificationError):
        builder.build_server_verifier(x509.DNSName("autre.example")).verify(leaf, [])
    assert key.stat().st_mode & 0o077 == 0


def test_probes_are_answered_as_their_owners_do_and_other_hosts_by_a_page():
    """What each system must read before it believes that it is online (gateway design, probes)."""
    assert web.answer("connectivitycheck.gstatic.com", "/generate_204") == (204, "", b"")
    assert b"Success" in web.answer("captive.apple.com:80", "/hotspot-detect.html?x=1")[2]
    assert web.answer("elsewhere.example", "/generate_204")[0] == 200


def test_totals_know_whether_every_event_is_accounted_for():
    """created = acked + pending + dropped."""
    assert Totals(10, 7, 2, 1).balanced
    assert not Totals(10, 7, 2, 0).balanced


def test_the_demo_publishes_the_checkouts_own_content():
    """The copy begins as content/demo."""
    assert (SOURCE / "park.toml").is_file()


def test_the_demos_weather_is_todays(tmp_path):
    """The forecast of the source is moved to this day, whole; a file that is none stays for the publisher to judge."""
    source, copy, now = SOURCE, tmp_path / "copy", 1_800_000_000.0
    moved = json.loads(forecast.of_today((source / "weather.json").read_text(encoding="utf-8"), now))
    hours = [datetime.fromisoformat(each["time"]).timestamp() for each in moved["properties"]["timeseries"]]
    assert len(hours) == 48
    assert hours[0] <= now < hours[24]
    assert 0 <= now - datetime.fromisoformat(moved["properties"]["meta"]["updated_at"]).timestamp() <= 3600
    assert forecast.of_today("{", now) == "{"
    overlay.follow(source, copy, {}, {Path("weather.json"): (0, 0)})
    assert f"{datetime.now(UTC):%Y-%m-%d}" in (copy / "weather.json").read_text(encoding="utf-8")
