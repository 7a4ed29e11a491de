# SPDX-License-Identifier: EUPL-1.2
"""Set-up and its undoing, and the errors that a person can meet."""

import json
import os
import shutil
import sys

import pytest

from edge_core.store import database

from .conftest import run

pytestmark = pytest.mark.netns


def _state(zone):
    """Return all that set-up may change: rules, addresses, links and every network sysctl of the namespace."""
    inside = ("ip", "netns", "exec", zone.gateway)
    settings = run(*inside, "sysctl", "-a", "--pattern", r"^net\\.", check=False).stdout.splitlines()
    steady = [row for row in settings if "nf_conntrack_count" not in row and "random" not in row]
    listed = json.loads(run(*inside, "ip", "-j", "address").stdout)
    links = [(row["ifname"], "UP" in row["flags"], _addresses(row)) for row in listed]
    return {"rules": zone.nft("list", "ruleset").stdout, "links": links, "sysctls": steady}


def _addresses(row):
    return sorted(one["local"] for one in row["addr_info"] if one["scope"] == "global")


def _command(zone, *words, check=True, environment=None):
    return run(
        *("ip", "netns", "exec", zone.gateway, sys.executable, "-m", "gateway_agent", *words),
        *("--config", str(zone.config)),
        check=check,
        env={**os.environ, **(environment or {})},
    )


def test_clear_takes_everything_back(bare_zone):
    """After set-up and clear, rules, addresses, links and kernel settings are what they were."""
    before = _state(bare_zone)
    database.migrate(bare_zone.settings)
    bare_zone.setup()
    assert _state(bare_zone) != before
    assert _command(bare_zone, "clear", "--json").stdout.strip() == '{"cleared": true, "left": []}'
    assert _state(bare_zone) == before


def test_clear_leaves_other_tables_and_addresses_alone(bare_zone):
    """An address that was there before and somebody else's table outlive clear."""
    bare_zone.nft("add", "table", "inet", "other")
    run("ip", "-n", bare_zone.gateway, "address", "add", "10.77.0.1/20", "dev", "lan0")
    before = _state(bare_zone)
    bare_zone.setup()
    _command(bare_zone, "clear")
    assert _state(bare_zone) == before


def test_set_up_twice_and_clear_once(bare_zone):
    """A second set-up remembers what the first one found."""
    before = _state(bare_zone)
    bare_zone.setup()
    bare_zone.setup()
    _command(bare_zone, "clear")
    assert _state(bare_zone) == before


def test_clear_without_set_up_is_no_error(bare_zone):
    """Clear on an untouched machine changes nothing and says that all is as before."""
    before = _state(bare_zone)
    assert "as before" in _command(bare_zone, "clear").stdout
    assert _state(bare_zone) == before


def test_the_rules_are_closed_before_anything_else(bare_zone):
    """Set-up without a store still closes the gateway: nobody is let through for want of a database."""
    assert "store_unread" in bare_zone.setup().stderr
    assert "policy drop" in bare_zone.nft("list", "chain", "inet", "parvis", "forward").stdout


def test_a_missing_interface_is_named_with_its_remedy(bare_zone):
    """The message names the file, the setting, the interface, and the ones that are there."""
    run("ip", "-n", bare_zone.gateway, "link", "del", "lan0")
    said = bare_zone.setup(check=False)
    assert said.returncode == 1
    assert "[lan] interface is 'lan0'" in said.stderr
    assert "wan0" in said.stderr
    assert "Traceback" not in said.stderr


@pytest.mark.parametrize(("program", "package"), [("nft", "nftables"), ("dnsmasq", "dnsmasq-base")])
def test_a_missing_program_is_named_with_its_package(bare_zone, tmp_path, program, package):
    """Without nft or dnsmasq the message says what to install."""
    kept = {"nft": "dnsmasq", "dnsmasq": "nft"}[program]
    shutil.copy(shutil.which(kept), tmp_path / kept)
    words = f"{sys.executable} -m gateway_agent setup --config {bare_zone.config}"
    said = run(
        *("ip", "netns", "exec", bare_zone.gateway, "unshare", "-m", "/bin/sh", "-c"),
        f"mount -t tmpfs none /usr/sbin && exec {words}",
        check=False,
        env={**os.environ, "PATH": f"{tmp_path}:/bin:/usr/bin"},
    )
    assert said.returncode == 1
    assert package in said.stderr
    assert "Traceback" not in said.stderr


@pytest.mark.parametrize("words", [("setup",), ("clear",), ()])
def test_without_privilege_the_message_says_so(bare_zone, words):
    """A user without CAP_NET_ADMIN is told what is missing, without a traceback."""
    database.migrate(bare_zone.settings)
    bare_zone.settings.run_dir.mkdir(exist_ok=True)
    less = ("setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin")
    said = run(
        *("ip", "netns", "exec", bare_zone.gateway, *less, sys.executable, "-m", "gateway_agent", *words),
        *("--config", str(bare_zone.config)),
        check=False,
    )
    assert said.returncode == 1, said
    assert "CAP_NET_ADMIN" in said.stderr
    assert "Traceback" not in said.stderr
