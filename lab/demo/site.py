# SPDX-License-Identifier: EUPL-1.2
"""Starts the parts of the zone, each in its place, and answers what they say of themselves; tells no story."""

import secrets
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from edge_core import settings
from edge_core.errors import ParvisError
from edge_core.store import database, outbox
from lab import broker
from lab.ca import Authority
from lab.demo.console import Totals
from lab.demo.plan import HOSTNAME, PLATFORM_NAME, ROOT, WEB_NAME, Plan, configurations
from lab.demo.platform_view import PlatformView
from lab.net import web, zone
from lab.processes import Processes
from lab.talk import Peer

_PYTHON = (sys.executable, "-m")


@dataclass
class Site:
    """The running zone. Methods start parts; `close` of its processes ends them."""

    plan: Plan
    processes: Processes
    relays: dict[str, int] = field(default_factory=dict)  # listening descriptors of the desktop's ports, by name
    peers: dict[str, Peer] = field(default_factory=dict)
    crowd_status: Callable[[], tuple[int, int]] = lambda: (0, 0)

    @property
    def content(self) -> Path:
        """The folder that is published."""
        return self.plan.state / "content"

    @cached_property
    def authority(self) -> Authority:
        """Who signs the certificates of the zone; the phone trusts it."""
        return Authority(self.plan.state / "ca")

    @property
    def platform(self) -> PlatformView:
        """What the platform knows."""
        return PlatformView(self.plan.state / "platform" / "platform.db")

    def log(self, *names: str) -> list[Path]:
        """Log files of processes."""
        return [self.processes.log(name) for name in names]

    def last_words(self, name: str) -> str:
        """Return the end of a process's log on one line."""
        return " ".join(self.processes.log(name).read_text(encoding="utf-8", errors="replace").split())[-300:]

    def start_internet(self) -> None:
        """Start the DNS server and the web server that answer for everybody."""
        hosts = sorted({host for host, _ in web.PROBES})
        certificate, key = self.authority.issue(WEB_NAME, *hosts)
        resolver = [
            "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--user=root",
            "--group=", "--pid-file=", "--log-facility=-", "--bind-interfaces", f"--listen-address={zone.PROVIDER.ip}",
            f"--address=/#/{zone.WEB}", f"--address=/#/{zone.WEB6}", f"--address=/{PLATFORM_NAME}/{zone.PLATFORM}",
            f"--local=/{PLATFORM_NAME}/",
        ]  # fmt: skip
        self.processes.start("dns", resolver, place="internet")
        words = [*_PYTHON, "lab.net.web", str(certificate), str(key), str(zone.WEB), str(zone.WEB6)]
        self.processes.start("web", words, place="internet")

    def start_platform(self) -> None:
        """Start the platform's broker and the platform."""
        address, port = self.plan.platform_address, self.plan.brokers[0]
        folder = self.plan.state / "platform"
        repository = self.plan.state / "repository"
        for needed in (folder, repository):
            needed.mkdir(parents=True, exist_ok=True)
        self.processes.start("platform-broker", broker.words(address, port, folder), place="internet")
        words = [
            *_PYTHON, "lab.platform", "--store", str(folder / "platform.db"), "--broker", f"mqtt://{address}:{port}",
            "--repository", str(repository), "--bind", address, "--port", str(self.plan.platform_port),
            "--feed-site", "parc-exemple",
        ]  # fmt: skip
        self.processes.start("platform", words, place="internet")

    def make_keys(self) -> None:
        """Make the publisher's keys."""
        self._parvis("keys", "make", str(self.plan.state / "keys"))

    def publish(self) -> None:
        """Publish once, so that a fault of the content is seen here, then go on watching the folder."""
        words = [
            "publish",
            str(self.content),
            str(self.plan.state / "repository"),
            "--keys",
            str(self.plan.state / "keys"),
        ]
        self._parvis(*words)
        root = next(path for path in sorted((self.plan.state / "repository").rglob("*root.json")))
        shutil.copyfile(root, self.plan.state / "root.json")
        self.processes.start("publish", [*_PYTHON, "edge_core.cli", *words, "--watch"])

    def configure(self) -> None:
        """Write the configuration of both devices."""
        certificate = self.authority.issue(HOSTNAME) if self.plan.enforced else None
        key = self.plan.state / "site.key"
        key.touch(mode=0o600)
        key.write_text(secrets.token_hex(32), encoding="ascii")
        for device, text in configurations(self.plan, certificate).items():
            self.plan.configuration(device).write_text(text, encoding="utf-8")

    def start_role(self, role: str) -> None:
        """Start `parvis run ROLE`, as a person would."""
        words = [*_PYTHON, "edge_core.cli", "run", role, "--config", str(self.plan.configuration(role))]
        self.processes.start(role, words, place="gateway")

    def start_relay(self, name: str) -> None:
        """Join a port of the desktop to the portal, as one more guest, to the kiosk, or to the platform."""
        targets: dict[str, tuple[zone.Place, str, tuple[str, int]]] = {
            "portal": ("guests", "lab.phone.desk", self.plan.portal_target),
            "kiosk": ("gateway", "lab.relay", self.plan.kiosk_target),
            "platform": ("internet", "lab.relay", (self.plan.platform_address, self.plan.platform_port)),
        }
        if name in self.relays:
            place, module, (host, port) = targets[name]
            words = [*_PYTHON, module, str(self.relays[name]), host, str(port)]
            self.processes.start(f"relay-{name}", words, place=place, descriptors=(self.relays[name],))

    def start_peer(self, name: str, place: zone.Place, module: str, *words: str) -> Peer:
        """Start a process that takes commands, such as a phone."""
        process = self.processes.start(name, [*_PYTHON, module, *words], place=place, pipes=True)
        self.peers[name] = Peer(process)
        return self.peers[name]

    def parvis(self, device: str, *words: str) -> str:
        """Run a `parvis` command about a device in the gateway's namespace and return what it printed."""
        return self._parvis(*words, "--config", str(self.plan.configuration(device)), place="gateway")

    def _parvis(self, *words: str, place: zone.Place | None = None) -> str:
        command = [*_PYTHON, "edge_core.cli", *words]
        own = self.processes.zone
        inside = own.command(place, command) if own and place else command
        done = subprocess.run(
            inside, capture_output=True, text=True, timeout=120, check=False, cwd=ROOT,
            pass_fds=own.descriptors() if own else (),
        )  # fmt: skip
        if done.returncode:
            raise OSError(f"`parvis {' '.join(words)}` ended with {done.returncode}: {done.stderr.strip()[-1500:]}")
        return done.stdout

    def accounts(self) -> dict[str, outbox.Account]:
        """Return the loss account of each device that has a store."""
        found = {}
        for device in ("gateway", "kiosk"):
            if (self.plan.folder(device) / "edge.db").exists():
                with closing(database.open_edge(settings.load(self.plan.configuration(device)).edge_db)) as edge:
                    found[device] = outbox.account(edge)
        return found

    def totals(self) -> Totals:
        """Return what the console's bottom line says."""
        try:
            accounts = list(self.accounts().values())
        except (ParvisError, sqlite3.Error):  # a database that is being made
            accounts = []
        guests, online = self.crowd_status()
        return Totals(
            sum(one.created for one in accounts), sum(one.acked for one in accounts),
            sum(one.pending for one in accounts), sum(one.dropped for one in accounts), guests, online,
        )  # fmt: skip
