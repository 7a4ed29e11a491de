# SPDX-License-Identifier: EUPL-1.2
"""The gateway without root: inside a user namespace of one's own."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.netns
_ROOT = Path(__file__).parents[2]
_CONFIG = """
[site]
id = "essai"
name = "Parc d'essai"
[device]
id = "passerelle"
state_dir = "{folder}/state"
[lan]
interface = "lan0"
ipv4 = "10.77.0.1/20"
ipv6 = "fd77::1/64"
dhcp_range = "10.77.0.10-10.77.3.250"
[wan]
interface = "wan0"
dns = ["192.0.2.1"]
[portal]
hostname = "portail.example.net"
"""
_STORY = """
set -e
ip link add lan0 type veth peer name guest0
ip link set guest0 up
ip link add wan0 type veth peer name up0
ip link set lo up
{python} -c "from edge_core.settings import load; from edge_core.store import database
database.migrate(load('{config}'))"
{python} -m gateway_agent setup --config {config}
dnsmasq --keep-in-foreground --conf-file={folder}/state/generated/dnsmasq.conf & dns=$!
{python} -m gateway_agent --config {config} & agent=$!
for _ in $(seq 100); do [ -S {folder}/state/run/agent.sock ] && break; sleep 0.2; done
kill -0 $dns && echo dnsmasq lives
{python} -c "from edge_core import control; from pathlib import Path
print('agent says', control.ask(Path('{folder}/state/run/agent.sock'), {{'op': 'nudge'}}))"
nft list chain inet parvis forward | grep -q 'policy drop' && echo closed
kill $agent $dns
wait
{python} -m gateway_agent clear --config {config}
nft list ruleset | wc -l
"""


def test_the_gateway_works_inside_a_user_namespace(tmp_path):
    """`unshare -Urnm` (one user, no power over the machine): set-up, dnsmasq, agent and clear all do their work."""
    missing = [name for name in ("unshare", "nft", "dnsmasq") if not shutil.which(name)]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")
    tried = subprocess.run(["unshare", "-Urnm", "true"], capture_output=True, text=True, check=False)
    if tried.returncode:
        pytest.skip(f"user namespaces are not permitted here: {tried.stderr.strip()}")
    config = tmp_path / "gateway.toml"
    config.write_text(_CONFIG.format(folder=tmp_path))
    story = _STORY.format(python=sys.executable, config=config, folder=tmp_path)
    done = subprocess.run(
        ["unshare", "-Urnm", "/bin/sh", "-c", story],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=_ROOT,
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"},
    )
    said = done.stdout.splitlines()
    assert done.returncode == 0, done
    assert said[:3] == ["dnsmasq lives", "agent says {'ok': True}", "closed"], done
    assert said[-1] == "0", done
