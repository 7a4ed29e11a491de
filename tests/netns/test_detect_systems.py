# SPDX-License-Identifier: EUPL-1.2
"""Real systems at the real gateway: NetworkManager, Firefox's captive portal service, and Chromium with a person."""

import contextlib
import json
import os
import shlex
import signal
import socket

import pytest

from .conftest import inside, run, until
from .detecting import finish, have, press

pytestmark = [pytest.mark.netns, pytest.mark.timeout(120)]
NOT_CAPTIVE, UNLOCKED, LOCKED = 1, 2, 3  # nsICaptivePortalService.idl

DBUS = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>system</type><listen>unix:path=/run/dbus/system_bus_socket</listen><auth>EXTERNAL</auth>
<policy context="default"><allow user="*"/><allow own="*"/><allow send_destination="*"/><allow receive_sender="*"/>
<allow send_type="method_call"/><allow send_type="signal"/></policy></busconfig>
"""
MANAGER = """[main]
plugins=keyfile
dhcp=internal
dns=none
rc-manager=unmanaged
auth-polkit=false
[connectivity]
uri=http://nmcheck.gnome.org/check_network_status.txt
interval=5
"""
CONNECTION = """[connection]
id=radio
uuid=6c1e2f5a-7d2b-4a7e-9a43-0d3f5d8d0b11
type=ethernet
interface-name=eth0
autoconnect=true
[ipv4]
method=auto
[ipv6]
method=auto
"""
RUN_MANAGER = """#!/bin/sh
# Its own folders: nothing of this host is touched, and nothing of it is seen.
set -e
for place in /run /var/lib/NetworkManager /var/lib/dhcp /etc/NetworkManager; do mount -t tmpfs tmpfs $place; done
mount -o remount,ro,bind /sys  # without udev here, NetworkManager must not wait for it
mkdir -p /run/dbus /run/NetworkManager /etc/NetworkManager/system-connections
mount --bind {folder}/resolv.conf /etc/resolv.conf
cp {folder}/NetworkManager.conf /etc/NetworkManager/NetworkManager.conf
install -m 600 {folder}/radio.nmconnection /etc/NetworkManager/system-connections/radio.nmconnection
ip link set eth0 down  # what is up already it would take for somebody else's
dbus-daemon --config-file={folder}/dbus.conf --nopidfile --fork
{manager} --debug >{folder}/manager.log 2>&1 &
while sleep 0.5; do nmcli networking connectivity check; done
"""
PREFERENCES = {
    "network.captive-portal-service.enabled": True,
    "network.captive-portal-service.minInterval": 1000,
    "network.captive-portal-service.maxInterval": 2000,
    "captivedetect.canonicalURL": "http://detectportal.firefox.com/canonical.html",
    "remote.prefs.recommended": False,
    "browser.shell.checkDefaultBrowser": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "app.update.enabled": False,
    "network.trr.mode": 5,
}


@pytest.fixture(scope="module")
def zone(whole_zone):
    (whole_zone.folder / "resolv.conf").write_text(f"nameserver {whole_zone.V4}\n")
    return whole_zone


@pytest.fixture
def guest(zone):
    device = zone.guest()
    yield device
    for pid in run("ip", "netns", "pids", device.name).stdout.split():
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(pid), signal.SIGKILL)
    device.leave()


def with_resolver(zone, *words):
    """Return the words that run a program with the gateway as its resolver, in a mount namespace of its own."""
    script = f'mount --bind {zone.folder}/resolv.conf /etc/resolv.conf && exec "$@"'
    return ("unshare", "--mount", "sh", "-c", script, "sh", *words)


@pytest.mark.skipif(
    not all(map(have, ("NetworkManager", "nmcli", "dbus-daemon"))), reason="apt install network-manager dbus-daemon"
)
def test_networkmanager_goes_from_portal_to_full(zone, guest):
    """It joins by itself, finds the portal, and the Internet after accepting; then the portal again."""
    for name, text in (("dbus.conf", DBUS), ("NetworkManager.conf", MANAGER), ("radio.nmconnection", CONNECTION)):
        (zone.folder / name).write_text(text)
    script = zone.folder / "manager.sh"
    script.write_text(RUN_MANAGER.format(folder=zone.folder, manager=have("NetworkManager")))
    process = zone.spawn("nm", guest.name, "unshare", "--mount", "sh", str(script))

    def state():
        return (zone.log("nm").split() or [""])[-1]

    try:
        try:
            until(lambda: state() == "portal", 60, "the portal")
        except AssertionError as error:
            raise AssertionError(zone.log("nm") + zone.log("manager")) from error
        zone.accept(guest)
        until(lambda: state() == "full", 60, "the Internet")
        press(zone, guest, "logout")
        until(lambda: state() == "portal", 60, "the portal again")
    finally:
        zone.processes.pop("nm")
        finish(process)


class Marionette:
    """Firefox's remote protocol: `length:[0, number, command, parameters]`, answered in kind."""

    def __init__(self, namespace, port=2828):
        with inside(namespace):
            self.connection = until(lambda: self._connect(port), 40, "Marionette")
        self.connection.settimeout(20)
        self.number = 0
        self._read()
        self.ask("WebDriver:NewSession", {})
        self.ask("Marionette:SetContext", {"value": "chrome"})

    @staticmethod
    def _connect(port):
        try:
            return socket.create_connection(("127.0.0.1", port), 2)
        except OSError:
            return None

    def ask(self, command, parameters):
        self.number += 1
        text = json.dumps([0, self.number, command, parameters])
        self.connection.sendall(f"{len(text)}:{text}".encode())
        _, _, error, result = self._read()
        assert error is None, error
        return result

    def _read(self):
        length = b""
        while not length.endswith(b":"):
            length += self.connection.recv(1)
        left, data = int(length[:-1]), b""
        while len(data) < left:
            data += self.connection.recv(left - len(data))
        return json.loads(data)

    def state(self):
        """Return what Firefox's captive portal service believes, having it look again."""
        script = """
            const service = Cc["@mozilla.org/network/captive-portal-service;1"].getService(Ci.nsICaptivePortalService);
            service.recheckCaptivePortal();
            return service.state;"""
        return self.ask("WebDriver:ExecuteScript", {"script": script, "args": []})["value"]


@pytest.mark.browser
@pytest.mark.skipif(not have("firefox-esr"), reason="firefox-esr is not installed: apt install firefox-esr")
def test_firefox_locks_and_unlocks(zone, guest):
    """Its captive portal service sees a locked portal, then an unlocked one."""
    guest.join()
    profile = zone.folder / "firefox"
    profile.mkdir()
    rows = (f"user_pref({json.dumps(name)}, {json.dumps(value)});" for name, value in PREFERENCES.items())
    (profile / "user.js").write_text("\n".join(rows) + "\n")
    words = ("env", f"HOME={profile}", "firefox-esr", "--headless", "--marionette", "--remote-allow-system-access")
    process = zone.spawn("firefox", guest.name, *with_resolver(zone, *words, "--no-remote", "--profile", str(profile)))
    try:
        fox = Marionette(guest.name)
        until(lambda: fox.state() == LOCKED, 60, "the lock")
        zone.accept(guest)
        until(lambda: fox.state() == UNLOCKED, 60, "the key")
        fox.connection.close()
    finally:
        zone.processes.pop("firefox")
        finish(process)


@pytest.mark.browser
@pytest.mark.skipif(not have("chromium"), reason="chromium is not installed: apt install chromium")
def test_chromium_shows_the_portal_and_leaves_it(zone, guest):
    """A person asks for a site, sees the welcome page, presses the button, and is on that site."""
    playwright = pytest.importorskip("playwright.sync_api")
    guest.join()
    start = zone.folder / "chromium.sh"
    words = " ".join(map(shlex.quote, ("ip", "netns", "exec", guest.name, *with_resolver(zone))))
    start.write_text(f'#!/bin/sh\nexec {words} chromium "$@"\n')
    start.chmod(0o755)
    switches = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
    with playwright.sync_playwright() as player:
        browser = player.chromium.launch(executable_path=str(start), args=switches)
        page = browser.new_page(locale="fr-FR")
        page.goto("http://site.example/a?b=c")
        assert page.url.startswith("http://portail.example.net/")
        page.locator('form[action*="accept"] button').first.click()
        page.wait_for_url("http://site.example/a?b=c", timeout=10_000)
        assert page.text_content("body") == "some site"
        assert page.evaluate("fetch('http://www.gstatic.com/generate_204', {mode: 'no-cors'}).then(() => true)")
        browser.close()
