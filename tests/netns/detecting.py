# SPDX-License-Identifier: EUPL-1.2
"""A zone with the whole gateway by its own command, a certificate of the lab's authority, and the detectors' sites."""

import contextlib
import http.server
import json
import re
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlencode, urlsplit

from lab.ca import Authority

from .conftest import Zone, _Server, inside, run, until

NAME = "portail.example.net"
PROCESSES = {"agent", "dnsmasq", "portal", "front", "advertiser", "sync"}
APPLE = b"<HTML><HEAD><TITLE>Success</TITLE></HEAD><BODY>Success</BODY></HTML>\n"
FIREFOX = b'<meta http-equiv="refresh" content="0;url=https://support.mozilla.org/kb/captive-portal"/>'
SITES = {
    "/generate_204": (204, b""),
    "/gen_204": (204, b""),
    "/hotspot-detect.html": (200, APPLE),
    "/canonical.html": (200, FIREFOX),
    "/connecttest.txt": (200, b"Microsoft Connect Test"),
    "/check_network_status.txt": (200, b"NetworkManager is online"),
    "/nm-check.txt": (200, b"NetworkManager is online\n"),
}


class _Sites(http.server.BaseHTTPRequestHandler):
    """The Internet's side of all detectors: what each calls success."""

    asked: list

    def do_GET(self):
        self.asked.append((self.headers.get("Host", ""), self.path))
        status, body = SITES.get(urlsplit(self.path).path, (200, b"some site"))
        self.send_response(status)
        if status != 204:
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class _SecureServer(_Server):
    """The same over TLS, its handshake in the connection's own thread."""

    def finish_request(self, request, client_address):
        with contextlib.suppress(OSError), self.context.wrap_socket(request, server_side=True) as secure:
            self.RequestHandlerClass(secure, client_address, self)


class Detecting(Zone):
    """The zone, with what its detectors need."""

    def __init__(self):
        folder = Path(tempfile.mkdtemp(prefix="parvis-detect-"))
        folder.chmod(0o755)  # dnsmasq gives up its rights and reads its options again
        super().__init__(folder)
        self.authority = Authority(folder / "ca")
        self.certificate, self.key = folder / "portal.pem", folder / "portal.key"
        self.asked = []
        self.renew(30)
        self.write_config(f'tls_certificate = "{self.certificate}"\ntls_key = "{self.key}"\n')

    def renew(self, days, name=NAME):
        """Put a certificate in place that ends in so many days."""
        chain, key = self.authority.issue(name, life=timedelta(days=days))
        for source, target in ((key, self.key), (chain, self.certificate)):
            draft = target.with_suffix(".new")
            shutil.copyfile(source, draft)
            draft.replace(target)

    def start_whole(self):
        """Start the Internet and `parvis run gateway`; return self when all of it answers."""
        conf = self.folder / "internet-dns.conf"
        conf.write_text(
            f"port=53\nno-resolv\nno-hosts\nuser=root\npid-file=\nbind-interfaces\nlisten-address={self.WEB4}\n"
            f"address=/#/{self.WEB4}\naddress=/#/{self.WEB6}\n"
        )
        self.spawn("internet-dns", self.internet, "dnsmasq", "--keep-in-foreground", f"--conf-file={conf}")
        for address in (self.WEB4, self.WEB6):
            handler = type("Handler", (_Sites,), {"asked": self.asked})
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            with inside(self.internet):
                server = type("Server", (_Server,), {"address_family": family})((address, 80), handler)
            threading.Thread(target=server.serve_forever, daemon=True).start()
            self.servers.append(server)
        self._serve_securely()
        words = (sys.executable, "-m", "edge_core.cli", "run", "gateway", "--config", str(self.config))
        self.spawn("run", self.gateway, *words)
        until(lambda: set(self.pids()) >= PROCESSES, 30, "every process")
        until(self._answers, 20, "the portal")
        return self

    def _serve_securely(self):
        """Serve the detectors' sites over TLS too, with a certificate that the lab's authority signed."""
        chain, key = self.authority.issue("www.google.com", "www.gstatic.com")
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(chain, key)
        for address in (self.WEB4, self.WEB6):
            handler = type("Handler", (_Sites,), {"asked": self.asked})
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            with inside(self.internet):
                server = type("Server", (_SecureServer,), {"address_family": family})((address, 443), handler)
            server.context = context
            threading.Thread(target=server.serve_forever, daemon=True).start()
            self.servers.append(server)

    def _answers(self):
        with inside(self.gateway), contextlib.suppress(OSError):
            return b" 200 " in raw(self.V4, 8080, b"GET /api/captive HTTP/1.1\r\nHost: localhost\r\n\r\n")
        return False

    def pids(self):
        with contextlib.suppress(FileNotFoundError):
            lines = (self.settings.run_dir / "gateway.pids").read_text().splitlines()
            return {entry["name"]: entry["pid"] for entry in map(json.loads, lines)}
        return {}

    def status(self):
        """Return what `parvis status --json` prints."""
        words = (sys.executable, "-m", "edge_core.cli", "status", "--json", "--config", str(self.config))
        return json.loads(run("ip", "netns", "exec", self.gateway, *words).stdout)

    def api(self, guest, family="4"):
        """Ask the captive portal API as a device does, over HTTPS, trusting the lab's authority alone."""
        done = guest.run(
            *("curl", "-s", f"-{family}", "--max-time", "5", "--cacert", str(self.authority.certificate_file), "-i"),
            *("--resolve", f"{NAME}:443:{self.V4 if family == '4' else f'[{self.V6}]'}"),
            f"https://{NAME}/api/captive",
        )
        head, _, body = done.stdout.partition("\n\n" if "\r\n" not in done.stdout else "\r\n\r\n")
        return head.lower(), json.loads(body)

    def accept(self, guest):
        """Go the guest's way: the welcome page, its form, the button."""
        return press(self, guest, "accept")

    def tear_down(self):
        if "run" in self.processes:
            self.kill("run", 15)
        super().tear_down()
        shutil.rmtree(self.folder, ignore_errors=True)


@contextlib.contextmanager
def whole():
    """A running Detecting zone."""
    zone = Detecting()
    try:
        yield zone.start_whole()
    finally:
        zone.tear_down()


def raw(address, port, data, seconds=3.0):
    """Send bytes and return all that comes back until the end."""
    with socket.create_connection((address, port), seconds) as connection:
        connection.sendall(data)
        return everything(connection)


def everything(connection):
    answer = b""
    with contextlib.suppress(ConnectionResetError):
        while more := connection.recv(65536):
            answer += more
    return answer


def fetch(zone, guest, path, fields=None):
    """Ask the portal itself over plain HTTP; return (status, location, page)."""
    body = urlencode(fields).encode() if fields is not None else b""
    method = "POST" if fields is not None else "GET"
    head = f"{method} {path} HTTP/1.1\r\nHost: {NAME}\r\nAccept-Language: fr\r\n"
    if fields is not None:
        head += f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n"
    with inside(guest.name):
        answer = raw(zone.V4, 80, head.encode() + b"\r\n" + body, 10)
    headers, _, page = answer.partition(b"\r\n\r\n")
    location = re.search(rb"(?im)^location: (.*?)\r?$", headers)
    return int(headers.split(b" ", 2)[1]), location[1].decode() if location else "", page.decode()


def press(zone, guest, what):
    """Send the form of the portal that leads to `what` ("accept", "logout"); return the answer to it."""
    page = fetch(zone, guest, "/fr/" if what == "accept" else "/fr/status")[2]
    form = re.search(rf'<form[^>]*action="([^"]*{what}[^"]*)"[^>]*>(.*?)</form>', page, re.DOTALL)
    assert form, page[:2000]
    fields = dict(re.findall(r'<input[^>]*name="([^"]+)"[^>]*value="([^"]*)"', form[2]))
    return fetch(zone, guest, urlsplit(form[1]).path, fields)


def have(program):
    """Return the path of a program, also where only root's PATH has it."""
    return shutil.which(program, path="/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin")


def finish(process):
    """End a process that a test started."""
    process.terminate()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(5)
