# SPDX-License-Identifier: EUPL-1.2
"""What `parvis run gateway` says when it can't: the thing, the place, the remedy, and no traceback."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys

import pytest

pytestmark = pytest.mark.netns


@pytest.fixture
def refusal(bare_zone):
    """Return a function that runs the gateway's command, which must refuse, and gives what it says."""

    def run(*before, role="gateway", environment=None):
        command = ["ip", "netns", "exec", bare_zone.gateway, *before, sys.executable, "-m", "edge_core.cli"]
        done = subprocess.run(
            [*command, "run", role, "--config", str(bare_zone.config)],
            capture_output=True, text=True, timeout=60, check=False, env=environment,
        )  # fmt: skip
        assert done.returncode == 1
        assert "Traceback" not in done.stderr
        return done.stderr

    return run


def only(tmp_path, *programs):
    """Return an environment in whose PATH there are these programs alone."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for program in (*programs, "mount", "unshare"):
        shutil.copy2(shutil.which(program), folder / program)
    return {**os.environ, "PATH": str(folder)}


def test_a_missing_interface_is_named_with_those_that_exist(refusal, bare_zone):
    """A technician who mistyped eth1 reads which interfaces there are."""
    text = bare_zone.config.read_text().replace('"lan0"', '"eth9"')
    bare_zone.config.write_text(text)
    told = refusal()
    assert "[lan] interface" in told
    assert "eth9" in told
    assert "lan0" in told


@pytest.mark.parametrize(("missing", "package"), [("nft", "nftables"), ("dnsmasq", "dnsmasq-base")])
def test_a_missing_program_is_named_with_its_package(refusal, tmp_path, missing, package):
    """The remedy is a line to copy."""
    there = {"ip", "nft", "dnsmasq", "mosquitto", "sh"} - {missing}
    # An ordinary user's PATH lacks it, so we look into /usr/sbin ourselves: there it must be missing too.
    hidden = ("unshare", "--mount", "sh", "-c", 'mount -t tmpfs none /usr/sbin && exec "$@"', "sh")
    told = refusal(*hidden, environment=only(tmp_path, *there))
    assert missing in told
    assert f"apt install {package}" in told


def test_without_privilege_the_capability_is_named(refusal):
    """Who forgot sudo is told, before anything was changed."""
    told = refusal("setpriv", "--bounding-set", "-net_admin", "--inh-caps", "-net_admin")
    assert "CAP_NET_ADMIN" in told
    assert "root" in told


def test_a_taken_port_is_named_with_its_setting(refusal, bare_zone):
    """Another program on our port is named by its port, with what shows it and what moves ours."""
    script = "import socket,time; s=socket.create_server(('0.0.0.0', 8080)); print('ready', flush=True); time.sleep(60)"
    command = ["ip", "netns", "exec", bare_zone.gateway, sys.executable, "-c", script]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as squatter:
        try:
            assert squatter.stdout.readline() == "ready\n"
            told = refusal()
        finally:
            squatter.kill()
    assert "port 8080" in told
    assert "[portal] port" in told
    assert "ss -ltnp" in told


def test_a_state_folder_that_can_not_be_used_is_named(refusal, bare_zone):
    """A file where the folder should be is no traceback."""
    bare_zone.settings.device.state_dir.parent.mkdir(exist_ok=True)
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(bare_zone.settings.device.state_dir)
    bare_zone.settings.device.state_dir.write_text("a file")
    told = refusal()
    assert str(bare_zone.settings.device.state_dir) in told
    assert "[device] state_dir" in told


def test_doctor_names_cause_and_remedy_of_each_failure(bare_zone):
    """Before anything runs, doctor fails with a remedy for each finding, in JSON too."""
    command = ["ip", "netns", "exec", bare_zone.gateway, sys.executable, "-m", "edge_core.cli", "doctor", "--json"]
    done = subprocess.run(
        [*command, "--config", str(bare_zone.config)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout, done.stderr
    findings = {one["check"]: one for one in json.loads(done.stdout)}
    assert done.returncode == 1
    assert findings["privilege"]["state"] == "ok"
    assert findings["interfaces"]["state"] in ("ok", "warning")  # nothing has brought the guests' side up yet
    assert all(findings[name]["state"] == "failed" for name in ("agent", "portal", "store", "broker"))
    assert all(one["remedy"] for one in findings.values() if one["state"] != "ok")
