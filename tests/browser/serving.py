# SPDX-License-Identifier: EUPL-1.2
"""The portal by gunicorn as it is in use, without enforcement, with a provider and a mail server beside it."""

import email
import email.policy
import hashlib
import json
import os
import re
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Message
from werkzeug.serving import make_server

from captive_portal import seal
from edge_core.settings import load
from edge_core.store import database, grants, vouchers
from lab.ports import free_port
from lab.provider.app import Client, create_app
from sync.downlink import content_db

ROOT = Path(__file__).parents[2]
PARK = ROOT / "tests" / "unit" / "captive_portal" / "park.json"
DRAWING = ROOT / "content" / "demo" / "plan" / "rez-de-chaussee.svg"
PLANS = [
    {"id": "libre", "ways": ["click"], "duration": 14400, "name": {"fr": "Libre"}, "quota": 2 * 10**9, "extensions": 3},
    {"id": "membre", "ways": ["sign-in"], "duration": 43200, "name": {"fr": "Membre"}, "devices": 3},
    {"id": "visiteur", "ways": ["voucher"], "duration": 86400, "name": {"fr": "Visiteur"}},
    {"id": "courriel", "ways": ["mail"], "duration": 28800, "name": {"fr": "E-mail"}},
]  # fmt: skip
_START_SECONDS = 60


class Post(Message):
    """Keeps the links of the letters."""

    def __init__(self):
        super().__init__()
        self.links = []

    def prepare_message(self, session, envelope):
        return email.message_from_bytes(envelope.content, policy=email.policy.default)

    def handle_message(self, message):
        self.links.append(re.search(r"http\S+", message.get_content()).group(0))


class Zone:
    """The sample park's portal with every way in; every browser here is one and the same device."""

    def __init__(self, folder):
        port = free_port()
        self.home = f"http://127.0.0.1:{port}"
        provider = create_app(Client("portal", "", (f"{self.home}/sign-in/back",)))
        self.provider = make_server("127.0.0.1", 0, provider, threaded=True)
        threading.Thread(target=self.provider.serve_forever, daemon=True).start()
        self.post = Post()
        self.smtp = Controller(self.post, hostname="127.0.0.1", port=free_port())
        self.smtp.start()
        path = self._configure(folder)
        self.settings = load(path, {})
        database.migrate(self.settings)
        self.edge = database.open_edge(self.settings.edge_db)
        self._fill()
        self.log = folder / "log"
        command = [sys.executable, "-m", "gunicorn", "--config", "python:edge_core.web.server"]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [*command, "--bind", f"127.0.0.1:{port}", "captive_portal.wsgi:app"],
                cwd=ROOT,
                env={**os.environ, "PARVIS_CONFIG": str(path)},
                stdout=log,
                stderr=log,
            )
        self._await()
        self.code()  # the way by a code is offered where there is one

    def _configure(self, folder):
        path = folder / "parvis.toml"
        path.write_text(
            f'[site]\nid = "exemple"\nname = "Parc Exemple"\n[device]\nid = "gateway-1"\nstate_dir = "{folder}/state"\n'
            f'[enforcement]\nmode = "none"\n[sign_in]\nissuer = "http://127.0.0.1:{self.provider.server_port}"\n'
            f'client_id = "portal"\nlabel = "Parc Exemple"\n[walled_garden]\nhosts = ["127.0.0.1"]\n[mail]\n'
            f'server = "smtp://127.0.0.1:{self.smtp.port}"\nsender = "wifi@parc.example"\n',
            encoding="utf-8",
        )
        return path

    def _fill(self):
        svg = DRAWING.read_bytes()
        digest = hashlib.sha256(svg).hexdigest()
        self.settings.blobs_dir.mkdir(parents=True)
        (self.settings.blobs_dir / digest).write_bytes(svg)
        park = json.loads(PARK.read_text(encoding="utf-8").replace('"PLAN"', f'"{digest}"'))
        park["access"] = [{"collection": "access", **plan} for plan in PLANS]
        content_db.load(self.settings.content_db, park, 1, time.time())

    def _await(self):
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            assert self.process.poll() is None, self.log.read_text(encoding="utf-8")
            try:
                with urllib.request.urlopen(f"{self.home}/fr/", timeout=5):
                    return
            except OSError:
                time.sleep(0.1)
        pytest.fail(self.log.read_text(encoding="utf-8"))

    def code(self):
        """Return a new code of the visitors' plan."""
        key = seal.load(self.settings.device.state_dir / "portal.key").derive("vouchers")
        now = time.time()
        (made,) = vouchers.make(
            self.edge, key, batch="b", plan="visiteur", seconds=86400, limits=grants.Limits(), devices=1, count=1,
            valid_until=now + 86400, now=now,
        )  # fmt: skip
        return made

    def offline(self):
        """End what the device has."""
        for grant in grants.active(self.edge, time.time()):
            grants.end(self.edge, grant.mac, "test", time.time())

    def close(self):
        """Stop it all; whatever failed in a page fails the tests."""
        self.process.terminate()
        self.process.wait(20)
        self.smtp.stop()
        self.provider.shutdown()
        self.provider.server_close()
        self.edge.close()
        assert "page_failed" not in self.log.read_text(encoding="utf-8")
