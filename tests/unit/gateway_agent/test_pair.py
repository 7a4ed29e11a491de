# SPDX-License-Identifier: EUPL-1.2
"""A pair of gateways, without keepalived: what it is told to do, how fit a gateway is, and whose lease counts."""

from contextlib import closing
from ipaddress import IPv4Address

import pytest

from edge_core.errors import ConfigurationError
from edge_core.leases import Lease, LeasesFile
from edge_core.settings import load
from edge_core.store import database, site_leases
from gateway_agent import keepalived
from gateway_agent.leases import Known, join, reservations
from gateway_agent.standing import Fitness
from gateway_agent.timekeeping import Timekeeper

NOW = 1_800_000_000.0
ONE, TWO = IPv4Address("10.77.1.1"), IPv4Address("10.77.1.2")
ANN, BEN = "02:00:00:00:00:0a", "02:00:00:00:00:0b"
TEXT = """
[site]
id = "parc"
name = "Parc"
gateway_key = "/etc/parvis/gateway.key"
[device]
id = "gateway-1"
state_dir = "{folder}"
[lan]
interface = "eth1"
ipv4 = "10.77.0.1/20"
ipv6 = "fd77::1/64"
dhcp_range = "10.77.1.0-10.77.15.250"
[wan]
interface = "eth0"
dns = ["192.0.2.53"]
[portal]
hostname = "portal.example.net"
[ha]
peer = "192.0.2.2"
interface = "eth2"
"""


def settings(folder, text=TEXT):
    path = folder / "parvis.toml"
    path.write_text(text.format(folder=folder))
    return load(path, {})


def test_a_pair_is_told_who_may_have_which_addresses(tmp_path):
    """One instance for all addresses, IPv6 and the shared link-local one included, spoken of to the peer alone."""
    text = keepalived.render(settings(tmp_path))
    for line in ("  10.77.0.1/20 dev eth1", "  fd77::1/64 dev eth1", "  fe80::200:5eff:fe00:24d/64 dev eth1"):
        assert line in text.splitlines()
    assert " unicast_peer {\n  192.0.2.2 min_ttl 255\n }" in text
    assert " advert_int 0.20" in text


def test_the_link_between_them_counts_only_where_it_is_the_uplink(tmp_path):
    """A cable of its own goes dark with the peer: the one that is left must not stop for that."""
    assert "dont_track_primary" in keepalived.render(settings(tmp_path))
    shared = TEXT.replace('interface = "eth2"', 'interface = "eth0"')
    assert "dont_track_primary" not in keepalived.render(settings(tmp_path, shared))


def test_a_gateway_has_to_show_that_it_is_well(tmp_path):
    """At first it is taken to be ill; setting up again leaves what was judged since. Alone, there is no file."""
    found = settings(tmp_path)
    keepalived.write(found)
    assert keepalived.weight_file(found).read_text() == "-50\n"
    keepalived.weight_file(found).write_text("0\n")
    keepalived.write(found)
    assert keepalived.weight_file(found).read_text() == "0\n"
    keepalived.write(settings(tmp_path, TEXT.partition("[ha]")[0]))
    assert not keepalived.path_of(found).exists()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (('interface = "eth2"', ""), "interface is missing"),
        (('peer = "192.0.2.2"', ""), "peer is missing"),
        (('interface = "eth2"', 'interface = "eth1"'), "Any guest could"),
        (('"192.0.2.2"', '"10.77.3.4"'), "in a guests' network"),
        (('gateway_key = "/etc/parvis/gateway.key"', ""), "gateway_key is not"),
        (('"192.0.2.2"', '"gateway-2"'), "It must be an IPv4 address"),
        (('"192.0.2.2"', '"127.0.0.1"'), "another host"),
        (('peer = "192.0.2.2"', 'peer = "192.0.2.2"\nrouter_id = 256'), "1 to 255"),
        (('peer = "192.0.2.2"', 'peer = "192.0.2.2"\ninterval = 55'), "steps of 10"),
    ],
)
def test_what_can_not_be_is_refused_with_the_remedy(tmp_path, change, words):
    """Half a section, a link that guests reach, no key to share sessions by, and values that VRRP can't say."""
    with pytest.raises(ConfigurationError, match=words):
        settings(tmp_path, TEXT.replace(*change))


def test_a_restart_of_the_portal_moves_nothing_and_its_absence_does():
    """Two looks without an answer say nothing, the third does; the first answer after it is enough."""
    fitness = Fitness()
    looks = [fitness.judge(answers=each, shut_seconds=0) for each in (True, False, False, True, False, False, False)]
    assert looks == [0, None, None, 0, None, None, keepalived.ILL]
    assert fitness.judge(answers=False, shut_seconds=0) == keepalived.ILL
    assert fitness.judge(answers=True, shut_seconds=0) == 0


def test_an_outage_counts_after_a_while_and_weighs_less_than_illness():
    """Two gateways see the same outage some seconds apart."""
    fitness = Fitness()
    assert [fitness.judge(answers=True, shut_seconds=each) for each in (0, 29, 30)] == [0, 0, keepalived.SHUT]
    assert keepalived.ILL < keepalived.SHUT < 0


def test_of_two_words_on_an_address_the_later_one_counts():
    """What lasts longer was said later, on whichever side; the other's are known beside our own."""
    old, new = Lease(ANN, ONE, NOW + 10), Lease(BEN, ONE, NOW + 20)
    beside = Lease(ANN, TWO, NOW + 5)
    assert join({ONE: old}, {ONE: new, TWO: beside}) == {ONE: new, TWO: beside}
    assert join({ONE: new}, {ONE: old}) == {ONE: new}


@pytest.mark.parametrize(
    ("own", "told", "kept"),
    [
        ([], [(ANN, ONE, 10)], {f"{ANN},{ONE}\n"}),
        ([], [(ANN, ONE, -1)], set()),
        # It renewed here: the word still says what is so, and taking it away would say nothing new.
        ([(ANN, ONE, 20)], [(ANN, ONE, 10)], {f"{ANN},{ONE}\n"}),
        # Given to somebody else since, or the device has another address since: the word is out of date.
        ([(BEN, ONE, 20)], [(ANN, ONE, 10)], set()),
        ([(ANN, TWO, 20)], [(ANN, ONE, 10)], set()),
        # One device, two addresses: dnsmasq takes one line for a MAC, the later.
        ([], [(ANN, ONE, 10), (ANN, TWO, 20)], {f"{ANN},{TWO}\n"}),
    ],
)
def test_the_others_leases_are_kept_for_their_devices(own, told, kept):
    """None is reserved that is over, or that a newer lease of our own contradicts."""

    def leases(rows):
        return {address: Lease(mac, address, NOW + ends) for mac, address, ends in rows}

    assert reservations(leases(own), leases(told), NOW) == kept


def test_what_sync_wrote_is_known_to_the_agent_and_to_dnsmasq(tmp_path):
    """A new word at once; one that is over leaves dnsmasq's file within a minute, and the file is not written else."""
    found = settings(tmp_path)
    database.migrate(found)
    hosts = tmp_path / "dhcp-hosts"
    with closing(database.open_edge(found.edge_db)) as agent, closing(database.open_edge(found.edge_db)) as sync:
        known = Known(LeasesFile(tmp_path / "leases"), agent, hosts)
        assert known.current() == {}
        with database.write(sync):
            site_leases.merge(sync, [Lease(ANN, ONE, NOW + 100), Lease(BEN, TWO, NOW + 200)])
        assert set(known.current()) == {ONE, TWO}
        assert known.current() is known.current()
        known.reserve(NOW, 1000.0)
        assert hosts.read_text() == f"{ANN},{ONE}\n{BEN},{TWO}\n"
        known.reserve(NOW + 150, 1001.0)
        assert hosts.read_text() == f"{ANN},{ONE}\n{BEN},{TWO}\n"
        known.reserve(NOW + 150, 1061.0)
        assert hosts.read_text() == f"{BEN},{TWO}\n"
        with database.write(sync):
            site_leases.merge(sync, [Lease(ANN, ONE, NOW + 900)])
        known.current()
        known.reserve(NOW + 150, 1062.0)
        assert hosts.read_text() == f"{ANN},{ONE}\n{BEN},{TWO}\n"


def test_a_clock_that_is_set_ends_no_lease_that_was_told(tmp_path, monkeypatch):
    """What was told before keeps its time, as the agent sees at once; what was told since is right already."""
    found, moment = settings(tmp_path), [NOW, 50.0]
    database.migrate(found)
    monkeypatch.setattr("edge_core.clock.now", lambda: moment[0])
    monkeypatch.setattr("edge_core.clock.monotonic", lambda: moment[1])
    with closing(database.open_edge(found.edge_db)) as agent, closing(database.open_edge(found.edge_db)) as sync:
        known, keeper = Known(LeasesFile(tmp_path / "leases"), agent, tmp_path / "dhcp-hosts"), Timekeeper(agent)
        with database.write(sync):
            site_leases.merge(sync, [Lease(ANN, ONE, NOW + 100)])
        keeper.settle()
        moment[:] = [NOW + 86_400, 51.0]
        with database.write(sync):
            site_leases.merge(sync, [Lease(BEN, TWO, NOW + 86_500)])
        assert keeper.settle() == 86_399
        assert {lease.mac: lease.ends_at for lease in known.current().values()} == {
            ANN: NOW + 86_499,
            BEN: NOW + 86_500,
        }


def test_words_are_merged_bounded_and_forgotten(tmp_path, monkeypatch):
    """The last word on an address counts, saying it again is no news, and there is an end to how many are kept."""
    found = settings(tmp_path)
    database.migrate(found)
    with closing(database.open_edge(found.edge_db)) as store:
        assert site_leases.merge(store, [Lease(ANN, ONE, NOW + 10)]) == 1
        assert site_leases.merge(store, [Lease(ANN, ONE, NOW + 11)]) == 0
        assert site_leases.merge(store, [Lease(BEN, ONE, NOW + 5)]) == 1
        assert site_leases.all_of(store) == [Lease(BEN, ONE, NOW + 5)]
        monkeypatch.setattr(site_leases, "MOST", 1)
        assert site_leases.merge(store, [Lease(ANN, TWO, NOW + 50)]) == 0
        monkeypatch.undo()
        site_leases.merge(store, [Lease(ANN, TWO, NOW + 50)])
        site_leases.tidy(store, NOW + 20)
        assert site_leases.all_of(store) == [Lease(ANN, TWO, NOW + 50)]
