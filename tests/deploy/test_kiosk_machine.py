# SPDX-License-Identifier: EUPL-1.2
"""A blank Debian becomes a kiosk by the playbook: its pages answer, a real browser shows them on a real compositor."""

from __future__ import annotations

import base64
import io
import os
import subprocess
import time
from types import SimpleNamespace

import pytest
from PIL import Image

pytestmark = [pytest.mark.deploy, pytest.mark.timeout(2400)]

SERVICES = ("parvis-kiosk", "parvis-sync", "parvis-screen", "parvis-desk")
HEALTH = "python3 -c \"import urllib.request as u; print(u.urlopen('http://127.0.0.1:8081/health').read().decode())\""
PAUSE = 45


@pytest.fixture(scope="module")
def site(settings, keep_logs, record, tmp_path_factory):
    """A blank machine, provisioned once as a kiosk whose screen is in memory, with a desk for our end of the cable."""
    from lab.machine import cables, machine, provision  # noqa: PLC0415  only where machines can run

    home = provision.ROOT / "build" / "machine"
    with (
        cables.laid() as laid,
        machine.booted(home, laid, "kiosk", suite=os.environ.get("PARVIS_SUITE", "bookworm")) as box,
    ):
        screen = {"WLR_BACKENDS": "headless", "WLR_RENDERER": "pixman", "WLR_LIBINPUT_NO_DEVICES": "1"}
        values = {
            **settings.every,
            "parvis_mqtt": {"url": f"mqtt://{laid.here}:1"},
            "kiosk_screen_environment": screen,
            "parvis_kiosk": {"public_corner": True},
            "kiosk_rotation": 180,
            "base_site_key": "0123456789abcdef0123456789abcdef0123456789ab",
            "parvis_desk": {"listen": "0.0.0.0:8443"},
            "kiosk_desk_networks": [f"{laid.here}/32"],
        }
        folder = tmp_path_factory.mktemp("desk")
        values["kiosk_desk_certificate"], values["kiosk_desk_key"] = certificate(folder, laid.machine)
        provision.inventory(box, "kiosk", values)
        began = time.monotonic()
        first = provision.play(box)
        record("blank machine to kiosk", time.monotonic() - began, "s")
        yield SimpleNamespace(box=box, first=first, provision=provision, laid=laid, authority=folder / "desk.pem")
        keep_logs(box)


def certificate(folder, address):
    """Return a certificate for an address, signed by itself, and its key, as PEM; it is in `folder` too."""
    made, key = folder / "desk.pem", folder / "desk.key"
    words = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "2",
    ]
    name = ["-subj", "/CN=desk.example", "-addext", f"subjectAltName=IP:{address}"]
    subprocess.run([*words, *name, "-keyout", key, "-out", made], check=True, capture_output=True)
    return made.read_text(encoding="ascii"), key.read_text(encoding="ascii")


def asked(site, *words):
    """Ask the desk from here by curl; return its exit code and what it says of the answer."""
    told = ["curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", "--cacert", str(site.authority), *words]
    done = subprocess.run([*told, f"https://{site.laid.machine}:8443/"], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout


def active(box):
    """Return the units that are not active."""
    told = box.run(f"systemctl is-active {' '.join(SERVICES)}", check=False).stdout.split()
    return {name: state for name, state in zip(SERVICES, told, strict=True) if state != "active"}


def page_seen(box, seconds):
    """Wait until the kiosk says that a page in the browser was alive lately."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if '"page_seen":null' not in box.run(HEALTH, check=False).stdout.replace(" ", ""):
            return True
        time.sleep(1)
    return False


def test_a_blank_machine_becomes_a_kiosk(site):
    """One playbook, and every unit is active and stays it; a second run changes nothing."""
    assert site.first.code == 0, site.first.text[-4000:]
    assert active(site.box) == {}
    again = site.provision.play(site.box)
    assert (again.code, again.changed) == (0, 0), again.text[-4000:]


def test_the_browser_shows_the_page(site):
    """The compositor runs Chromium with its own sandbox on, and the page in it is alive."""
    assert '"ok":true' in site.box.out(HEALTH).replace(" ", "")
    shown = site.box.out("pgrep -u parvis-screen -a chromium | head -1")
    assert "--no-sandbox" not in shown
    assert "8081" in shown
    assert page_seen(site.box, 30), "no page in the browser is alive"


def test_a_picture_of_the_first_page_is_there_for_the_device_page(site):
    """The compositor's own picture: of the screen's half size, not of one colour, for the group's eyes alone."""
    place, deadline = "/run/parvis-picture/screen.png", time.monotonic() + 120
    while site.box.run(f"test -s {place}", check=False).returncode and time.monotonic() < deadline:
        time.sleep(2)
    said = site.box.out("journalctl -b -u parvis-screen -n 30 --no-pager")
    picture = Image.open(io.BytesIO(base64.b64decode(site.box.out(f"base64 {place}")))).convert("L")
    assert min(picture.size) > 300, said
    low, high = picture.getextrema()
    assert high - low > 100, said
    assert site.box.out("stat -c '%U:%G %a' /run/parvis-picture").strip() == "parvis-screen:parvis 750"
    assert site.box.run(f"runuser -u nobody -- cat {place}", check=False).returncode != 0


def test_the_desk_answers_its_networks_by_tls_and_nobody_else(site):
    """The staff's network gets the desk's door; nobody else an answer; keys are not public."""
    assert asked(site) == (0, "303")
    other = "192.0.2.77"
    subprocess.run(["ip", "addr", "add", f"{other}/32", "dev", f"{site.laid.name}u"], check=True)
    assert asked(site, "--interface", other, "--connect-timeout", "5")[0] == 28  # curl(1): time is out
    modes = site.box.out("stat -c '%U:%G %a' /etc/parvis/site.key /etc/parvis/tls/desk.key").split("\n")
    assert modes == ["root:parvis 640", "root:parvis-desk 640"]
    assert 'key = "/etc/parvis/site.key"' in site.box.out("cat /etc/parvis/parvis.toml")


def test_a_reload_asks_only_for_what_is_there(site):
    """A kiosk has no set-up, no dnsmasq and no broker; all else reads its settings again and is active."""
    site.box.run("parvis reload --config /etc/parvis/parvis.toml")
    deadline = time.monotonic() + PAUSE
    while active(site.box) and time.monotonic() < deadline:
        time.sleep(0.5)
    assert active(site.box) == {}


LIST = """
import time
from pathlib import Path
from edge_core.settings import load
from sync.downlink import content_db
here = load(Path("/etc/parvis/parvis.toml"))
site = {"id": "mairie", "name": {"fr": "Mairie"}, "web": "https://mairie.example/", "hosts": ["mairie.example"]}
content_db.load(here.content_db, {"park": [{"id": "park", "name": "Parc"}], "administrations": [site]}, 1, time.time())
"""
ASK = (
    'python3 -c "import urllib.request as u;'
    " print(u.urlopen(u.Request('http://127.0.0.1:8081/fr/corner/mairie', method='POST')).status)\""
)
CORNER = ("parvis-corner", "parvis-corner-proxy", "parvis-corner-rules")
INSIDE = (
    "sh -c 'echo $$ >/sys/fs/cgroup/system.slice/parvis-corner.service/cgroup.procs;"
    ' exec timeout 3 python3 -c "import socket; socket.create_connection((\\"{}\\", {}))"\''
)


def states(box, *names):
    """Return how units are, in order; a compositor that was ended (Debian 12's by an assertion) is inactive."""
    told = box.run(f"systemctl is-active {' '.join(names)}", check=False).stdout.split()
    return ["inactive" if state == "failed" else state for state in told]


def becomes(box, wanted):
    """Wait until units are as `wanted` says, {name: state}."""
    deadline = time.monotonic() + PAUSE
    while states(box, *wanted) != list(wanted.values()) and time.monotonic() < deadline:
        time.sleep(0.5)
    assert dict(zip(wanted, states(box, *wanted), strict=True)) == wanted, box.out("journalctl -b -n 80 --no-pager")


def test_the_corner_takes_the_screen_and_gives_it_back(site):
    """A visitor's choice: one browser after the other, with one way out, policies of its own, and nothing left."""
    box = site.box
    box.run(f"runuser -u parvis-sync -g parvis -- /opt/parvis/current/bin/python - <<'E'{LIST}E")
    assert box.out(ASK).strip() == "200"
    becomes(box, {**dict.fromkeys(CORNER, "active"), "parvis-screen": "inactive"})
    time.sleep(5)
    assert states(box, *CORNER) == ["active"] * 3, box.out("journalctl -b -n 80 --no-pager")
    main = box.out("systemctl show -p MainPID --value parvis-corner").strip()
    assert "mairie.example" in box.out(f"nsenter -t {main} -m cat /etc/chromium/policies/managed/parvis.json")
    assert "127.0.0.1:8081" in box.out("cat /etc/chromium/policies/managed/parvis.json")
    assert "--no-sandbox" not in box.out("pgrep -u parvis-corner -a chromium | head -1")
    assert box.run(INSIDE.format("127.0.0.77", 8888), check=False).returncode == 0
    for address, port in (("127.0.0.1", 8081), ("127.0.0.1", 22), (site.laid.here, 53)):
        assert box.run(INSIDE.format(address, port), check=False).returncode == 124, (address, port)  # timeout(1)
    assert box.run("runuser -u parvis-corner -- touch /run/parvis-corner-rules/hosts", check=False).returncode != 0
    box.run("pkill -KILL -u parvis-corner -o chromium")
    becomes(box, {**dict.fromkeys(CORNER, "inactive"), "parvis-screen": "active"})
    assert "ok" in box.out(
        "ls -d /run/parvis-corner /run/parvis-corner-rules /run/parvis/corner.json 2>/dev/null || echo ok"
    )
    assert box.run("find / -xdev -user parvis-corner 2>/dev/null").stdout == ""
    assert page_seen(box, PAUSE)


@pytest.mark.parametrize("name", SERVICES)
def test_a_killed_process_is_back(site, name):
    """SIGKILL at any process: it is back."""
    before = site.box.out(f"systemctl show -p MainPID --value {name}")
    began = time.monotonic()
    site.box.run(f"kill -KILL {before}")
    while site.box.out(f"systemctl show -p MainPID --value {name}") in (before, "0"):
        assert time.monotonic() - began < PAUSE
    deadline = time.monotonic() + PAUSE
    while active(site.box) and time.monotonic() < deadline:
        time.sleep(0.5)
    assert active(site.box) == {}


def test_after_a_reboot_the_page_is_there(site):
    """Every unit comes back by itself and the page answers."""
    before = site.box.boot_id()
    site.box.run("systemctl reboot", check=False)
    time.sleep(2)
    site.box.wait()
    assert site.box.boot_id() != before
    deadline = time.monotonic() + PAUSE
    while active(site.box) and time.monotonic() < deadline:
        time.sleep(0.5)
    assert active(site.box) == {}
    assert '"ok":true' in site.box.out(HEALTH).replace(" ", "")
