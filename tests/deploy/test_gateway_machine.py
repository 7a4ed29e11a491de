# SPDX-License-Identifier: EUPL-1.2
"""A blank Debian becomes a gateway by the playbook, serves a guest, and stays one: kills, upgrades, a reboot."""

from __future__ import annotations

import json
import os
import time
import urllib.request
from types import SimpleNamespace

import pytest

pytestmark = [pytest.mark.deploy, pytest.mark.timeout(2400)]

SERVICES = (
    "parvis-broker",
    "parvis-dnsmasq",
    "parvis-agent",
    "parvis-advertiser",
    "parvis-portal",
    "parvis-front",
    "parvis-sync",
    "parvis-management",
)
SUITE = os.environ.get("PARVIS_SUITE", "bookworm")
UNITS = (*SERVICES, "parvis-migrate", "parvis-setup")
PROBE = "http://connectivitycheck.gstatic.com/generate_204"
ELSEWHERE = "http://www.example.org/"
PAUSE = 45  # seconds in which a unit has to be back


@pytest.fixture(scope="module")
def site(settings, keep_logs, record, tmp_path_factory):
    """A blank machine, provisioned once, with a guest in the air and an Internet behind it."""
    from lab import ca  # noqa: PLC0415
    from lab.machine import broken, cables, guest, machine, operator, provision  # noqa: PLC0415  only where machines can run

    home = provision.ROOT / "build" / "machine"
    authority = ca.Authority(tmp_path_factory.mktemp("ca"))
    chain, key = authority.issue("portal.example.net")
    signer = operator.Operator(tmp_path_factory.mktemp("operator"))
    with (
        cables.laid() as laid,
        guest.internet(laid),
        operator.served(signer.repository, str(laid.here)) as url,
        machine.booted(home, laid, "gateway", suite=SUITE) as box,
    ):
        values = {
            **settings.every,
            "parvis_content": {"url": url, "root": "/etc/parvis/root.json", "interval": 5},
            "sync_content_root": signer.root,
            "parvis_lan": settings.lan,
            "parvis_wan": {"interface": "wan0", "dns": [str(laid.here)]},
            "parvis_portal": {
                "hostname": "portal.example.net",
                "tls_certificate": "/etc/parvis/tls/portal.pem",
                "tls_key": "/etc/parvis/tls/portal.key",
            },
            "portal_certificate": chain.read_text(),
            "portal_key": key.read_text(),
            "parvis_management": {"listen": f"{laid.machine}:9105"},
        }
        provision.inventory(box, "gateway", values)
        began = time.monotonic()
        first = provision.play(box)
        record("blank machine to all units healthy", time.monotonic() - began, "s")
        with guest.here(laid, box.folder, authority.certificate_file) as phone:
            yield SimpleNamespace(
                box=box, first=first, guest=phone, values=values, provision=provision, broken=broken, operator=signer
            )
        keep_logs(box)


def states(box, names=UNITS):
    """Return the units that are not active."""
    told = box.run(f"systemctl is-active {' '.join(names)}", check=False).stdout.split()
    return {name: state for name, state in zip(names, told, strict=True) if state != "active"}


def settled(box, names=UNITS, seconds=PAUSE):
    """Wait until all units are active at two looks a second apart; return those that aren't."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not states(box, names):
            time.sleep(1)
            if not states(box, names):
                return {}
        time.sleep(0.2)
    return states(box, names)


def test_a_blank_machine_becomes_a_gateway(site):
    """One playbook, and every unit is active and stays it."""
    assert site.first.code == 0, site.first.text[-4000:]
    assert states(site.box) == {}
    assert site.box.out("systemctl --failed --no-legend") == ""


def test_a_second_run_changes_nothing(site, record):
    """What is as it should be is left alone."""
    began = time.monotonic()
    again = site.provision.play(site.box)
    record("second run", time.monotonic() - began, "s")
    assert (again.code, again.changed, again.failed) == (0, 0, 0), again.text[-4000:]


def test_a_dry_run_works_and_finds_nothing(site):
    """`--check --diff` goes through to the end, and agrees."""
    dry = site.provision.play(site.box, "--check", "--diff")
    assert (dry.code, dry.changed) == (0, 0), dry.text[-4000:]


def test_a_dry_run_of_an_update_changes_nothing(site, bundle, tmp_path):
    """`--check` with a release that the device doesn't have says so, and the device goes on as it is."""
    other = site.broken.release(bundle, tmp_path)
    running = site.box.out("readlink /opt/parvis/current")
    dry = site.provision.play(site.box, "--check", "-e", f"parvis_bundle={other}")
    assert dry.code == 0, dry.text[-4000:]
    assert dry.changed > 0
    assert site.box.out("readlink /opt/parvis/current; ls /opt/parvis/releases | wc -l") == f"{running}\n1"


def test_nothing_complains(site):
    """No unit was started twice, and the sandbox refused nothing that a process noticed."""
    restarts = site.box.out("systemctl show -p NRestarts --value " + " ".join(SERVICES)).split()
    assert set(restarts) == {"0"}
    said = site.box.run("journalctl -b -p err -u 'parvis*' --no-pager -q", check=False).stdout
    assert said == ""


def test_each_process_is_its_own_user_in_its_own_sandbox(site):
    """No process of ours is root, each is another user, and only three hold a capability of the network."""
    users, holders = set(), set()
    for name in SERVICES:
        pid = site.box.out(f"systemctl show -p MainPID --value {name}")
        users.add(site.box.out(f"ps -o user:32= -p {pid}"))
        effective = int(site.box.out(f"grep CapEff /proc/{pid}/status").split()[1], 16)
        assert site.box.out(f"grep NoNewPrivs /proc/{pid}/status").endswith("1"), name
        holders |= {name} if effective >> 12 & 1 else set()
    assert len(users) == len(SERVICES) - 1  # the advertiser writes for dnsmasq as the set-up does
    assert "root" not in users
    assert holders == {"parvis-agent", "parvis-dnsmasq"}


def test_a_guest_comes_online(site):
    """A lease, a redirect, nothing else before; one POST, and the Internet answers."""
    assert site.guest.ask("join")["address"].startswith("10.77.")
    answer = site.guest.ask("fetch", url=PROBE)
    assert (answer["status"], answer["location"].split("?")[0]) == (302, "http://portal.example.net/")
    assert not site.guest.ask("online", url=ELSEWHERE, seconds=1)["online"]
    accepted = site.guest.ask("accept", url=PROBE)
    assert accepted["status"] in (302, 303, 200), accepted["text"]
    assert site.guest.ask("online", url=ELSEWHERE, seconds=5)["online"]


def test_the_api_answers_over_https(site):
    """RFC 8908 by the portal's name: nginx ends TLS, and the portal knows who asks."""
    answer = site.guest.ask("fetch", url="https://portal.example.net/api/captive")
    assert answer["status"] == 200
    assert json.loads(answer["text"])["captive"] is False
    assert json.loads(answer["text"])["user-portal-url"] == "https://portal.example.net/"
    assert site.guest.ask("join")["portal"] == "https://portal.example.net/api/captive"


def test_a_guest_cannot_speak_for_another(site):
    """What a guest claims in headers about an address is not believed: the front overwrites it."""
    forged = {"X-Parvis-Peer": "10.77.15.251", "X-Forwarded-For": "10.77.15.251"}
    answer = site.guest.ask("fetch", url="https://portal.example.net/api/captive", headers=forged)
    assert json.loads(answer["text"])["captive"] is False  # still the guest that is online, not an unknown one


def test_the_front_tells_of_its_own_pages_and_nothing_of_it_stays(site):
    """nginx writes into a file in memory that it and the portal alone may open; the portal reads it and empties it."""
    file = "/run/parvis-told/front.log"
    assert site.box.out(f"stat -c '%U %G %a' {file}").split() == ["parvis-portal", "parvis-front", "660"]
    assert site.box.out(f"stat -f -c %T {file}").strip() == "tmpfs"
    before, end = site.box.out(f"stat -c %y {file}"), time.monotonic() + PAUSE
    while site.box.out(f"stat -c %y {file}") == before:
        site.guest.ask("fetch", url="https://portal.example.net/fr/news")
        assert time.monotonic() < end, "nginx told of nothing"
    while site.box.out(f"stat -c %s {file}").strip() != "0":
        assert time.monotonic() < end, "the portal read nothing"
        time.sleep(0.5)


def test_the_portal_restarts_without_refusing_anybody(site, record):
    """systemd holds the socket and the front holds the guests: a restart is a pause, never an error."""
    site.box.run("systemd-run --collect --on-active=1 systemctl restart parvis-portal.service")
    outcomes = site.guest.ask("hammer", url="http://portal.example.net/health", seconds=6)["outcomes"]
    record("requests in 6 s around a restart of the portal", sum(outcomes.values()), "requests")
    assert set(outcomes) == {"404"}, outcomes  # there is no such page: the portal itself answered each one
    assert settled(site.box) == {}


# What starts each of the units that run for a moment, as its owner would do it.
CAUSES = {
    "parvis-reload": (
        "setpriv --reuid=parvis-sync --regid=parvis --clear-groups sh -c"
        """ 'echo "{\\"applied\\": {\\"settings\\": {\\"access.duration\\": 7200}}}" >/var/lib/parvis/desired.json'"""
    ),
    "parvis-revoked": (
        "setpriv --reuid=parvis-sync --regid=parvis --clear-groups sh -c 'echo >/var/lib/parvis/identity/revoked.pem'"
    ),
    "parvis-reread": (
        "cd /var/lib/parvis/generated && setpriv --reuid=parvis-agent --regid=parvis --clear-groups"
        " sh -c 'cat dhcp-options >again && mv again dhcp-options'"
    ),
    "parvis-stick": "systemctl start parvis-stick.service",
}


@pytest.mark.parametrize("name", CAUSES)
def test_what_runs_for_a_moment_does_its_work(site, name):
    """Its cause starts it, its sandbox lets it end well, no other unit is disturbed, and the guest stays online."""
    ends = f"journalctl -b -q -u {name} -o cat | grep -E 'Deactivated successfully|Failed with result' || true"
    before, deadline = len(site.box.out(ends).splitlines()), time.monotonic() + PAUSE
    site.box.run(CAUSES[name])
    while len(found := site.box.out(ends).splitlines()) <= before:
        assert time.monotonic() < deadline, site.box.out(f"journalctl -b -u {name} | tail -30")
        time.sleep(0.5)
    assert "Deactivated successfully" in found[-1], site.box.out(f"journalctl -b -u {name} | tail -30")
    # A signal that found nobody ends well, too, but not with 0.
    assert site.box.out(f"systemctl show -p ExecMainStatus --value {name}") == "0"
    assert settled(site.box) == {}
    assert site.guest.ask("online", url=ELSEWHERE, seconds=10)["online"]


def test_a_reload_cuts_no_connection_of_the_broker(site):
    """`parvis reload` has Mosquitto read its files again as it runs; what it takes at a start alone, it gets by one."""
    reload, pid = "parvis reload --config /etc/parvis/parvis.toml", "systemctl show -p MainPID --value parvis-broker"
    before = site.box.out(pid)
    site.box.run(reload)
    assert site.box.out(pid) == before
    assert "Reloaded parvis-broker" in site.box.out("journalctl -b -q -o cat -u parvis-broker")
    own = "echo '[broker]' >>parvis.toml && echo 'bridge = \"mqtt://192.0.2.1:1\"' >>parvis.toml"
    site.box.run(f"cd /etc/parvis && cp -p parvis.toml kept && {own}")
    site.box.run(reload)
    assert site.box.out(pid) != before
    site.box.run(f"mv /etc/parvis/kept /etc/parvis/parvis.toml && {reload}")
    assert settled(site.box) == {}
    assert site.guest.ask("online", url=ELSEWHERE, seconds=10)["online"]


def test_those_who_look_after_it_read_its_health(site):
    """Metrics and health answer on the management network's address."""
    for page, words in (("metrics", "parvis_up 1"), ("health", "")):
        with urllib.request.urlopen(f"http://{site.box.address}:9105/{page}", timeout=20) as answer:
            assert words in answer.read().decode()


def test_an_access_point_of_its_own_starts_in_its_sandbox(site):
    """hostapd reads its configuration, starts and opens its control socket; there is no radio, so it has no driver."""
    site.box.run("apt-get -qq install --yes hostapd", seconds=300)
    lines = "interface=ap0\\ndriver=none\\nieee8021x=0\\nctrl_interface=/run/parvis/hostapd\\n"
    site.box.run("ip link add ap0 type veth peer name ap1 && ip link set ap0 up")
    site.box.run(f"printf '{lines}' >/var/lib/parvis/generated/hostapd.conf && systemctl start parvis-access-point")
    deadline = time.monotonic() + PAUSE
    while site.box.run("test -S /run/parvis/hostapd/ap0", check=False).returncode:
        assert time.monotonic() < deadline, site.box.out("journalctl -b -u parvis-access-point | tail -20")
        time.sleep(0.5)
    assert states(site.box, ("parvis-access-point",)) == {}
    site.box.run("systemctl stop parvis-access-point && rm /var/lib/parvis/generated/hostapd.conf && ip link del ap0")
    assert settled(site.box) == {}


@pytest.mark.parametrize("name", SERVICES)
def test_a_killed_process_is_back(site, name, record):
    """SIGKILL at any process: it is back and well, and the guest stays online all along."""
    before = site.box.out(f"systemctl show -p MainPID --value {name}")
    began = time.monotonic()
    site.box.run(f"kill -KILL {before}")
    assert site.guest.ask("online", url=ELSEWHERE, seconds=3)["online"]
    while site.box.out(f"systemctl show -p MainPID --value {name}") in (before, "0"):
        assert time.monotonic() - began < PAUSE
    assert settled(site.box, (name,)) == {}
    record(f"{name} back after SIGKILL (two looks a second apart)", time.monotonic() - began, "s")
    assert site.guest.ask("fetch", url="http://portal.example.net/health")["status"] == 404  # the portal's own answer
    assert site.guest.ask("online", url=ELSEWHERE, seconds=3)["online"]


def test_a_process_that_hangs_is_started_again(site, record):
    """A portal and an agent that live and do nothing are noticed by the watchdog."""
    worker = "pgrep -u parvis-portal | tail -1"
    before = site.box.out("systemctl show -p NRestarts --value parvis-agent parvis-portal").split()
    site.box.run(f"kill -STOP $({worker}) $(systemctl show -p MainPID --value parvis-agent)")
    began = time.monotonic()
    while True:
        now = site.box.out("systemctl show -p NRestarts --value parvis-agent parvis-portal").split()
        if all(int(after) > int(first) for first, after in zip(before, now, strict=True)):
            break
        assert time.monotonic() - began < 60, now
        time.sleep(1)
    record("hung portal and agent started again", time.monotonic() - began, "s")
    assert settled(site.box) == {}
    assert site.guest.ask("online", url=ELSEWHERE, seconds=5)["online"]


def test_a_broken_release_is_taken_back(site, bundle, tmp_path, record):
    """A release whose portal doesn't start stops the run; the one before serves again, and nobody is cut off."""
    running = site.box.out("readlink /opt/parvis/current")
    bad = site.broken.release(bundle, tmp_path)
    began = time.monotonic()
    run = site.provision.play(site.box, "-e", f"parvis_bundle={bad}")
    record("run with a broken release, back included", time.monotonic() - began, "s")
    assert run.code != 0
    assert "runs" in run.text.split("Stop the run")[1], run.text[-3000:]
    assert site.box.out("readlink /opt/parvis/current") == running
    assert settled(site.box) == {}
    assert site.guest.ask("fetch", url=PROBE)["status"] == 200  # online: the Internet's answer, not the portal's
    assert site.guest.ask("online", url=ELSEWHERE, seconds=3)["online"]


def test_every_service_is_far_from_its_bound(site, record):
    """What its processes hold in memory, each page counted once among those that share it, is below MemoryMax."""
    for name in SERVICES:
        shown = site.box.out(f"systemctl show -p MainPID -p MemoryMax {name}").splitlines()
        told = dict(line.split("=") for line in shown)
        pids = f"for p in {told['MainPID']} $(pgrep -P {told['MainPID']}); do cat /proc/$p/smaps_rollup; done"
        held = site.box.out(f"{pids} | awk '/^Pss:/ {{ sum += $2 }} END {{ print sum }}'")
        record(f"memory of {name}", int(held) / 1024, "MB")
        assert int(held) * 1024 < int(told["MemoryMax"]), name


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"parvis_lan": {"interface": "lan7", "ipv4": "10.77.0.1/20", "dhcp_range": "10.77.1.0-10.77.1.9"}}, "lan7"),
        ({"parvis_lan": {"interface": "lan0", "ipv4": "10.77.0.1/20"}}, "dhcp_range"),
        ({"parvis_access": {"duration": "long"}}, "duration"),
        ({"parvis_wan": {"interface": "wan0", "dns": ["dns.example.net"]}}, "dns"),
        ({"parvis_bundle": "/nowhere/parvis-1.0.0-00000000-py313-riscv64.tar"}, "riscv64"),
    ],
)
def test_a_wrong_inventory_changes_nothing(site, wrong, named):
    """The wrong value is named, and the device is as it was."""
    site.provision.inventory(site.box, "gateway", {**site.values, **wrong})
    try:
        run = site.provision.play(site.box)
    finally:
        site.provision.inventory(site.box, "gateway", site.values)
    assert run.code != 0
    assert named in run.text
    assert run.changed == 0, run.text[-3000:]
    assert states(site.box) == {}


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["-e", "base_clock=2000000000"], "timedatectl set-time"),
        (["-e", "base_room=900000000"], "MB free"),
        (["-e", '{"parvis_device": {"id": "gateway-2"}}'], "Is this the right address"),
        (["-e", "parvis_role=kiosk"], "stands in gateways"),
        (["-e", "base_mirror_age=0"], "Nothing was changed"),
    ],
    ids=["clock", "disk", "device", "group", "mirror"],
)
def test_what_cannot_work_is_refused_before_anything_changes(site, words, named):
    """A wrong clock, no room, another device's inventory, the wrong group, no mirror: named with what to do."""
    dead = "/etc/apt/apt.conf.d/99dead"
    if "base_mirror_age=0" in words:
        site.box.run(f"echo 'Acquire::http::Proxy \"http://127.0.0.1:9\";' >{dead}")
    try:
        run = site.provision.play(site.box, *words)
    finally:
        site.box.run(f"rm -f {dead}")
    assert run.code != 0
    assert named in " ".join(run.text.split())
    assert run.changed == 0, run.text[-3000:]
    assert states(site.box) == {}


def running(box):
    """Return the releases that run, and that were found well."""
    return box.out("basename $(readlink /opt/parvis/current); basename $(readlink /opt/parvis/proven)").split()


def test_a_signed_release_installs_itself(site, bundle, tmp_path, record):
    """The operator signs; the device fetches, verifies, builds, switches and judges; no guest is refused or cut off."""
    twin = site.broken.twin(bundle, tmp_path)
    site.operator.release(twin)
    deadline, refused, seen = time.monotonic() + 900, 0, 0
    while running(site.box) != [twin.stem, twin.stem]:
        outcomes = site.guest.ask("hammer", url="http://portal.example.net/health", seconds=3)["outcomes"]
        seen += sum(outcomes.values())
        refused += sum(number for outcome, number in outcomes.items() if outcome != "404")
        assert time.monotonic() < deadline, site.box.out("journalctl -b -u parvis-release -u parvis-sync | tail -30")
    record("requests around an update", seen, "requests")
    record("requests refused during an update", refused, "requests")
    assert refused == 0
    assert settled(site.box) == {}
    assert site.guest.ask("online", url=ELSEWHERE, seconds=3)["online"]
    again = site.provision.play(site.box, "-e", f"parvis_bundle={twin}")
    assert (again.code, again.changed) == (0, 0), again.text[-4000:]


def test_a_signed_release_that_is_not_well_takes_itself_back(site, bundle, tmp_path, record):
    """Within a minute of the switch the one before serves again; guests stay online; it isn't tried again."""
    before = running(site.box)
    bad = site.broken.release(bundle, tmp_path)
    site.operator.release(bad)
    told = "journalctl -b -u parvis-release --no-pager -q -o short-unix"
    ended = f"{told} | grep release_ended | grep rolled_back"
    deadline = time.monotonic() + 900
    while not (said := site.box.run(ended, check=False).stdout):
        assert time.monotonic() < deadline, site.box.out("journalctl -b -u parvis-release -u parvis-sync | tail -30")
        assert site.guest.ask("online", url=ELSEWHERE, seconds=3)["online"]
        time.sleep(1)
    switched = site.box.out(f"{told} | grep services_restart | tail -2 | head -1")  # the last one is the way back
    back = float(said.split()[0]) - float(switched.split()[0])
    record("switch to a broken release until the one before serves again", back, "s")
    assert running(site.box) == before
    assert settled(site.box) == {}
    assert site.guest.ask("online", url=ELSEWHERE, seconds=3)["online"]
    assert bad.stem in site.box.out("cat /opt/parvis/refused")


def test_after_a_reboot_all_is_as_before(site, bundle, tmp_path, record):
    """Every unit comes back by itself, and the guest is still online without accepting again."""
    before = site.box.boot_id()
    began = time.monotonic()
    site.box.run("systemctl reboot", check=False)
    time.sleep(2)
    site.box.wait()
    assert site.box.boot_id() != before
    assert settled(site.box) == {}
    record("reboot to all units active", time.monotonic() - began, "s")
    site.guest.ask("join")
    assert site.guest.ask("online", url=ELSEWHERE, seconds=10)["online"]
    twin = site.broken.twin(bundle, tmp_path)  # a signed release may have come meanwhile
    runs = {release.stem: release for release in (bundle, twin)}[running(site.box)[0]]
    again = site.provision.play(site.box, "-e", f"parvis_bundle={runs}")
    assert (again.code, again.changed) == (0, 0), again.text[-4000:]
