# SPDX-License-Identifier: EUPL-1.2
"""A zone in network namespaces: guests on a bridge, the gateway with the real product, an Internet with its servers."""

from __future__ import annotations

import contextlib
import ctypes
import http.server
import itertools
import os
import secrets
import shutil
import signal
import socket
import socketserver
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from edge_core import clock, control
from edge_core.settings import load
from edge_core.store import database, grants

_ROOT = Path(__file__).parents[2]
_LIBC = ctypes.CDLL(None, use_errno=True)
_CLONE_NEWNET = 0x40000000
_LEASE_SCRIPT = """#!/bin/sh
case "$1" in bound|renew)
 ip -4 address flush dev "$interface" scope global 2>/dev/null
 ip address add "$ip/$mask" dev "$interface"
 ip route replace default via "$router" dev "$interface"
esac
"""
BODY = b"the Internet itself " * 500


def run(*words, check=True, **options):
    """Run a program to its end; the text of its failure is part of the assertion."""
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False, cwd=_ROOT, **options)
    assert done.returncode == 0 or not check, f"{words}: {done.stderr}"
    return done


def until(condition, seconds=60.0, what="it"):
    """Wait for a condition and return its value."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, f"{what} did not come within {seconds} s"
        time.sleep(0.02)
    return value


@contextlib.contextmanager
def inside(namespace):
    """Put this thread into a network namespace; sockets made here stay there."""
    with Path("/proc/thread-self/ns/net").open() as home, Path(f"/run/netns/{namespace}").open() as away:
        assert _LIBC.setns(away.fileno(), _CLONE_NEWNET) == 0
        try:
            yield
        finally:
            assert _LIBC.setns(home.fileno(), _CLONE_NEWNET) == 0


class _Answer(http.server.BaseHTTPRequestHandler):
    """The Internet's web server, or (location set) a stand-in for the portal: a 302 to its own welcome."""

    location = ""

    def do_GET(self):
        self.send_response(302 if self.location else 200)
        if self.location:
            self.send_header("Location", self.location)
        self.send_header("Content-Length", str(len(BODY)))
        self.end_headers()
        self.wfile.write(BODY)

    def log_message(self, *_):
        pass


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def server_bind(self):
        """Bind without the standard library's look-up of our own name, which waits for a resolver."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]


def serve(namespace, address, port, location=""):
    """Serve HTTP inside a namespace from a thread of this process; return the server."""
    handler = type("Handler", (_Answer,), {"location": location})
    kind = type("Server", (_Server,), {"address_family": socket.AF_INET6 if ":" in address else socket.AF_INET})
    with inside(namespace):
        server = kind((address, port), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


class Stream(threading.Thread):
    """An echo server: what a guest sends on its connection comes back."""

    def __init__(self, namespace, address, port):
        super().__init__(daemon=True)
        with inside(namespace):
            self.listener = socket.create_server(
                (address, port), family=socket.AF_INET6 if ":" in address else socket.AF_INET
            )
        self.start()

    def run(self):
        while True:
            try:
                peer, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._echo, args=(peer,), daemon=True).start()

    @staticmethod
    def _echo(peer):
        with contextlib.suppress(OSError), peer:
            while data := peer.recv(65536):
                peer.sendall(data)


class Guest:
    """A device of its own namespace on the guests' bridge."""

    def __init__(self, zone, number):
        self.zone, self.name = zone, f"{zone.prefix}c{number}"
        self.mac = f"02:50:00:00:{number >> 8:02x}:{number & 255:02x}"
        run("ip", "netns", "add", self.name)
        port = f"c{number}"
        run("ip", "-n", zone.guests, "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", self.name)
        run("ip", "-n", zone.guests, "link", "set", port, "master", "br0", "up")
        self.run("sysctl", "-qw", "net.ipv6.conf.eth0.accept_dad=0")
        self.ip("link", "set", "eth0", "address", self.mac)
        self.ip("link", "set", "lo", "up")
        self.ip("link", "set", "eth0", "up")

    def ip(self, *words):
        return run("ip", "-n", self.name, *words)

    def run(self, *words, check=True):
        return run("ip", "netns", "exec", self.name, *words, check=check)

    def join(self):
        """Take a lease by DHCP, and wait for an IPv6 address by SLAAC."""
        script = self.zone.folder / "lease.sh"
        self.run("udhcpc", "-i", "eth0", "-n", "-q", "-f", "-t", "10", "-T", "1", "-s", str(script))
        # One that is still tentative (RFC 4862, 2) isn't used: a link-local one is, and leads nowhere.
        shown = ("-6", "address", "show", "dev", "eth0", "-tentative")
        until(lambda: "fd77:" in self.ip(*shown).stdout, 40, "a SLAAC address")
        return self

    @property
    def address(self):
        return self.ip("-4", "-o", "address", "show", "dev", "eth0").stdout.split()[3].partition("/")[0]

    def connect(self, address, port, seconds=60.0):
        with inside(self.name):
            return socket.create_connection((address, port), seconds)

    def get(self, url):
        """Ask with curl; return (status, redirect location, bytes of the body)."""
        done = self.run(
            *("curl", "-s", "-o", "/dev/null", "--max-time", "4", "-g", "--noproxy", "*"),
            *("-w", "%{http_code} %{size_download} %{redirect_url}", url),
            check=False,
        )
        status, size, location = done.stdout.split(" ", 2)
        return int(status), location, int(size)

    def leave(self):
        run("ip", "netns", "del", self.name, check=False)


class Zone:
    """Three namespaces, the product's gateway parts in the middle one."""

    V4, V6 = "10.77.0.1", "fd77::1"
    WEB4, WEB6 = "192.0.2.1", "2001:db8:1::1"

    def __init__(self, folder):
        self.folder = folder
        self.prefix = f"pv{os.getpid() % 100000}{secrets.token_hex(2)}"
        self.guests, self.gateway, self.internet = (self.prefix + end for end in ("g", "w", "i"))
        self.numbers = itertools.count(1)
        self.everyone, self.processes, self.servers = [], {}, []
        self.config = folder / "gateway.toml"
        self.write_config()
        (folder / "lease.sh").write_text(_LEASE_SCRIPT)
        (folder / "lease.sh").chmod(0o755)
        self._build()

    def write_config(self, extra=""):
        self.config.write_text(f"""
[site]
id = "essai"
name = "Parc d'essai"
[device]
id = "passerelle"
state_dir = "{self.folder}/state"
[lan]
interface = "lan0"
ipv4 = "{self.V4}/20"
ipv6 = "{self.V6}/64"
dhcp_range = "10.77.0.10-10.77.3.250"
[wan]
interface = "wan0"
dns = ["{self.WEB4}"]
[portal]
hostname = "portail.example.net"
{extra}
""")
        self.settings = load(self.config)

    def _build(self):
        for name in (self.guests, self.gateway, self.internet):
            run("ip", "netns", "add", name)
            run("ip", "-n", name, "link", "set", "lo", "up")
        # The bridge is an access point, no device: it takes no address of its own.
        for which in ("all", "default"):
            run("ip", "netns", "exec", self.guests, "sysctl", "-qw", f"net.ipv6.conf.{which}.disable_ipv6=1")
        run("ip", "-n", self.guests, "link", "add", "br0", "type", "bridge", "mcast_snooping", "0")
        run("ip", "-n", self.guests, "link", "set", "br0", "up")
        link = ("link", "add", "up0", "type", "veth", "peer", "name")
        run("ip", "-n", self.guests, *link, "lan0", "netns", self.gateway)
        run("ip", "-n", self.guests, "link", "set", "up0", "master", "br0", "up")
        run("ip", "-n", self.internet, *link, "wan0", "netns", self.gateway)
        for namespace, device, tail in ((self.internet, "up0", "1"), (self.gateway, "wan0", "2")):
            run("ip", "netns", "exec", namespace, "sysctl", "-qw", f"net.ipv6.conf.{device}.accept_dad=0")
            run("ip", "-n", namespace, "link", "set", device, "up")
            run("ip", "-n", namespace, "address", "add", f"192.0.2.{tail}/24", "dev", device)
            run("ip", "-n", namespace, "address", "add", f"2001:db8:1::{tail}/64", "dev", device)
        run("ip", "-n", self.gateway, "route", "add", "default", "via", self.WEB4)
        run("ip", "-n", self.gateway, "-6", "route", "add", "default", "via", self.WEB6)

    def start(self):
        """Start everything: the Internet's servers, set-up, dnsmasq, a portal of the test's own, the agent."""
        database.migrate(self.settings)
        self.start_internet()
        self.setup()
        self.start_dnsmasq()
        for address in (self.V4, self.V6):
            self.servers.append(serve(self.gateway, address, 8080, "http://portail.example.net/"))
        self.start_agent()
        self.start_advertiser()
        return self

    def start_internet(self):
        conf = self.folder / "internet-dns.conf"
        conf.write_text(
            f"port=53\nno-resolv\nno-hosts\nuser=root\npid-file=\nbind-interfaces\nlisten-address={self.WEB4}\n"
            f"address=/#/{self.WEB4}\naddress=/#/{self.WEB6}\n"
        )
        self.spawn("internet-dns", self.internet, "dnsmasq", "--keep-in-foreground", f"--conf-file={conf}")
        for address in (self.WEB4, self.WEB6):
            self.servers += [serve(self.internet, address, port) for port in (80, 443)]
            Stream(self.internet, address, 7777)

    def setup(self, check=True):
        return run(
            *("ip", "netns", "exec", self.gateway, sys.executable, "-m", "gateway_agent", "setup"),
            *("--config", str(self.config)),
            check=check,
        )

    def start_dnsmasq(self):
        conf = self.settings.generated_dir / "dnsmasq.conf"
        self.spawn("dnsmasq", self.gateway, "dnsmasq", "--keep-in-foreground", "--user=root", f"--conf-file={conf}")

    def start_agent(self):
        words = (sys.executable, "-m", "gateway_agent", "--config", str(self.config))
        agent = self.spawn("agent", self.gateway, *words)
        until(lambda: control.ask(self.settings.agent_socket, {"op": "status"}), 40, "the agent")
        return agent

    def start_advertiser(self):
        words = (sys.executable, "-m", "gateway_agent", "advertise", "--config", str(self.config))
        return self.spawn("advertiser", self.gateway, *words)

    def spawn(self, name, namespace, *words):
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                ["ip", "netns", "exec", namespace, *words], stdout=log, stderr=log, cwd=_ROOT, start_new_session=True
            )
        self.processes[name] = process
        return process

    def kill(self, name, number=signal.SIGKILL):
        process = self.processes.pop(name)
        process.send_signal(number)
        process.wait(10)

    def log(self, name):
        return (self.folder / f"{name}.log").read_text()

    def guest(self):
        guest = Guest(self, next(self.numbers))
        self.everyone.append(guest)
        return guest

    def store(self):
        return database.open_edge(self.settings.edge_db)

    def grant(self, guest, seconds=600):
        """Accept for a guest as the portal does, and nudge the agent."""
        with contextlib.closing(self.store()) as store:
            grant = grants.accept(store, guest.mac, "free", seconds, clock.now())
        if "agent" in self.processes:
            assert control.nudge(self.settings.agent_socket)
        return grant

    def end(self, guest):
        with contextlib.closing(self.store()) as store:
            grants.end(store, guest.mac, "operator", clock.now())
        assert control.nudge(self.settings.agent_socket)

    def rows(self, sql, *values):
        with contextlib.closing(sqlite3.connect(self.settings.edge_db)) as store:
            return store.execute(sql, values).fetchall()

    def nft(self, *words):
        return run("ip", "netns", "exec", self.gateway, "nft", *words)

    def tear_down(self):
        for name in list(self.processes):
            self.kill(name)
        for server in self.servers:
            server.shutdown()
            server.server_close()
        for guest in self.everyone:
            guest.leave()
        for name in (self.guests, self.gateway, self.internet):
            run("ip", "netns", "del", name, check=False)


def _refusal():
    """Return why namespaces can't be used here, or nothing."""
    missing = [name for name in ("ip", "nft", "dnsmasq", "udhcpc", "curl") if not shutil.which(name)]
    if missing:
        return f"not installed: {', '.join(missing)}"
    name = f"pvtry{os.getpid()}"
    tried = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True, check=False)
    if tried.returncode:
        return f"network namespaces are not permitted here: {tried.stderr.strip()}"
    subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)
    return ""


@pytest.fixture(scope="session")
def namespaces_allowed():
    if reason := _refusal():
        pytest.skip(reason)


@pytest.fixture(scope="module")
def zone(namespaces_allowed, tmp_path_factory):
    """A running zone, shared by the tests of a module; each test brings guests of its own."""
    built = Zone(tmp_path_factory.mktemp("zone"))
    try:
        yield built.start()
    finally:
        built.tear_down()


@pytest.fixture
def bare_zone(namespaces_allowed, tmp_path):
    """The three namespaces alone, with nothing started."""
    built = Zone(tmp_path)
    try:
        yield built
    finally:
        built.tear_down()


@pytest.fixture
def guest(zone):
    """A guest with a lease and an IPv6 address, and without a grant."""
    device = zone.guest().join()
    yield device
    device.leave()


@pytest.fixture(scope="session")
def whole_zone(namespaces_allowed):
    """A zone with `parvis run gateway` and a certificate, shared by the modules that leave it as they found it."""
    from .detecting import whole  # noqa: PLC0415  it builds upon this module

    with whole() as built:
        yield built
