# SPDX-License-Identifier: EUPL-1.2
"""The reference platform behind other brokers: TLS with a certificate for each device, and one of MQTT 3.1.1 alone."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from lab.ca import Authority
from lab.platform.testing import Platform, Process, free_port, wait_for

ROOT = Path(__file__).parents[2]
# A device's common name is SITE/DEVICE, so that one pattern is the rule of all of them.
RULES = """user platform
topic readwrite parvis/#
pattern write parvis/1/%u/state
pattern write parvis/1/%u/birth
pattern write parvis/1/%u/ev/+
pattern write parvis/1/%u/replied
pattern write parvis/1/%u/reported
pattern read parvis/1/%u/ack
pattern read parvis/1/%u/reply/+
pattern read parvis/1/%u/desired
pattern read parvis/1/+/feed
"""
pytestmark = pytest.mark.integration


def answers(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def kit(*options, only):
    words = [word for number in only for word in ("--only", number)]
    command = [sys.executable, "-m", "contracts.conformance", "--json", *map(str, options), *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)
    assert done.stdout, done.stderr
    return {one["id"]: (one["verdict"], one["seen"]) for one in json.loads(done.stdout)["findings"]}


@pytest.mark.skipif(shutil.which("mosquitto") is None, reason="mosquitto is not installed")
def test_each_device_has_its_certificate_and_its_own_topics(tmp_path):
    """Over TLS the platform works with its own certificate, and a device reads and writes nothing of another's."""
    authority = Authority(tmp_path / "ca")
    server, platform_own, device = (authority.issue(name) for name in ("localhost", "platform", "cite/gateway-1"))
    port = free_port()
    (tmp_path / "rules").write_text(RULES)
    (tmp_path / "rules").chmod(0o600)
    (tmp_path / "mosquitto.conf").write_text(
        f"listener {port} 127.0.0.1\nuser root\npersistence false\ncafile {authority.certificate_file}\n"
        f"certfile {server[0]}\nkeyfile {server[1]}\nrequire_certificate true\nuse_identity_as_username true\n"
        f"acl_file {tmp_path / 'rules'}\n"
    )
    broker = Process(["mosquitto", "-c", str(tmp_path / "mosquitto.conf")], tmp_path / "mosquitto.log")
    wait_for(lambda: answers(port))
    url, ca = f"mqtts://localhost:{port}", ["--ca", str(authority.certificate_file)]
    own = ["--certificate", str(platform_own[0]), "--key", str(platform_own[1])]
    platform = Platform(tmp_path, SimpleNamespace(port=port), "--broker", url, *ca, *own)
    try:
        seen = kit(
            "--broker", url, *ca, "--certificate", device[0], "--key", device[1], "--site", "cite",
            "--device", "gateway-1", "--inspect", platform.url, only=["R-006", "R-103", "R-203", "R-402", "R-002"],
        )  # fmt: skip
    finally:
        platform.process.kill()
        broker.kill()
    assert {number: verdict for number, (verdict, _) in seen.items()} == dict.fromkeys(seen, "pass"), seen


def test_a_broker_of_mqtt_3_1_1_alone_is_enough(tmp_path):
    """Behind amqtt, a broker in Python, the platform keeps the rules that rest on a broker."""
    pytest.importorskip("amqtt")
    port = free_port()
    broker = Process([sys.executable, "-m", "lab.broker", "127.0.0.1", str(port)], tmp_path / "amqtt.log")
    wait_for(lambda: answers(port), 20)
    platform = Platform(tmp_path, SimpleNamespace(port=port))
    try:
        # Not R-002: the flags that a message arrives with are this broker's own.
        only = ["R-001", "R-103", "R-108", "R-202", "R-203", "R-307", "R-402"]
        seen = kit("--broker", f"mqtt://127.0.0.1:{port}", "--inspect", platform.url, only=only)
    finally:
        platform.process.kill()
        broker.kill()
    assert {number: verdict for number, (verdict, _) in seen.items()} == dict.fromkeys(seen, "pass"), seen
