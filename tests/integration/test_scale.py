# SPDX-License-Identifier: EUPL-1.2
"""Several consumers on PostgreSQL, behind NATS or Mosquitto, whose parts are killed: nothing is lost or comes twice."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lab.scale.cluster import Cluster
from lab.scale.servers import nats_program, postgres_programs
from lab.scale.storm import storm

ROOT = Path(__file__).parents[2]
ZERO = ("lost", "twice", "wrong", "extra", "requests_off", "conflicts", "set_aside", "holes", "unacked", "unreplied")

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(postgres_programs() is None, reason="postgresql is not installed"),
]
needs_mosquitto = pytest.mark.skipif(shutil.which("mosquitto") is None, reason="mosquitto is not installed")
needs_nats = pytest.mark.skipif(nats_program() is None, reason="nats-server is not installed")
long_dose = pytest.mark.skipif(not os.environ.get("PARVIS_SOAK"), reason="takes minutes: make soak")


@pytest.fixture
def cluster(tmp_path, request):
    cluster = Cluster(tmp_path / "c", request.param)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.kill()


def weather(cluster, devices, seconds, rate):
    """Run a storm; return what was seen after checking that nothing is missing and nothing came twice."""
    seen = asyncio.run(storm(cluster, devices, seconds, rate))
    print(json.dumps(seen))
    assert {key: seen[key] for key in ZERO} == dict.fromkeys(ZERO, 0)
    assert seen["held"] == seen["told"] > devices
    return seen


@needs_mosquitto
@pytest.mark.parametrize("cluster", ["mosquitto"], indirect=True)
def test_kills_cost_nothing(cluster):
    """20 devices; broker, database and a consumer of a group are killed in mid-stream: all of it arrives once."""
    seen = weather(cluster, 20, 10, 10)
    assert seen["faults"] == ["mosquitto", "postgres", "consumer0"]


@pytest.mark.soak
@long_dose
@pytest.mark.timeout(600)
@needs_nats
@pytest.mark.parametrize("cluster", ["nats"], indirect=True)
def test_a_cluster_of_nats_loses_a_node(cluster):
    """200 devices on a stream of three replicas; a node, PostgreSQL and a consumer die: all of it arrives once."""
    weather(cluster, 200, 60, 0.5)


@pytest.mark.soak
@long_dose
@pytest.mark.timeout(600)
@needs_mosquitto
@pytest.mark.parametrize("cluster", ["mosquitto"], indirect=True)
def test_mosquitto_dies_under_many_devices(cluster):
    """200 devices; Mosquitto without persistence, PostgreSQL and a consumer die: all of it arrives once."""
    weather(cluster, 200, 60, 2)


@pytest.mark.soak
@long_dose
@pytest.mark.timeout(300)
@needs_nats
@pytest.mark.parametrize("cluster", ["nats"], indirect=True)
def test_the_cluster_keeps_the_contract(cluster):
    """Two consumers, PostgreSQL and NATS (MQTT 3.1.1 alone) are one platform to the conformance kit."""
    page = f"http://127.0.0.1:{cluster.consumers[1].port}"
    command = [
        sys.executable, "-m", "contracts.conformance", "--json", "--inspect", page, "--patience", "20",
        "--broker", f"mqtt://127.0.0.1:{cluster.ports[0]}",
    ]  # fmt: skip
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=280, check=False)
    findings = {one["id"]: (one["verdict"], one["seen"]) for one in json.loads(done.stdout)["findings"]}
    assert not {number: seen for number, seen in findings.items() if seen[0] == "fail"}, done.stderr
    assert findings["R-001"][0] == "pass"
