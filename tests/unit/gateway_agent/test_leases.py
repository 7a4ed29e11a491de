# SPDX-License-Identifier: EUPL-1.2
"""Reading dnsmasq's leases, whatever guests call themselves."""

import os
from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_core import clock
from edge_core.leases import Lease, LeasesFile, parse

GOOD = "1795430000 02:50:00:00:00:01 10.77.0.10 phone 01:02:50:00:00:00:01"


def test_a_lease_is_its_mac_its_address_and_its_end():
    """The three fields that count are read; a lease without end is infinite."""
    assert parse(GOOD) == [Lease("02:50:00:00:00:01", IPv4Address("10.77.0.10"), 1795430000.0)]
    assert parse(GOOD.replace("1795430000", "0"))[0].ends_at == float("inf")


@pytest.mark.parametrize(
    "line",
    [
        "",
        "duid 00:01:00:01:2e:aa:bb:cc:dd:ee:ff",
        "1795430000 12345678 fd77::50 phone 00:01",
        "1795430000 02:50:00:00:00:01 10.77.0.10",
        "1795430000 02:50:00:00:00:0 10.77.0.10 phone *",
        "1795430000 02-50-00-00-00-01 10.77.0.10 phone *",
        "-1 02:50:00:00:00:01 10.77.0.10 phone *",
        "² 02:50:00:00:00:01 10.77.0.10 phone *",
        "1795430000 02:50:00:00:00:01 10.77.0.999 phone *",
        "1795430000 02:50:00:00:00:01 10.77.0.010 phone *",
        "1795430000 06-02:50:00:00:00:01 10.77.0.10 phone *",
    ],
)
def test_a_line_that_is_anything_else_is_left_out(line):
    """IPv6 leases, DUIDs and damaged lines give nothing and disturb nothing."""
    assert parse(f"{line}\n{GOOD}\n") == parse(GOOD)


@given(st.text(alphabet=st.characters(blacklist_characters="\n")), st.text())
def test_a_hostile_name_moves_no_field_and_nonsense_raises_nothing(name, nonsense):
    """What a guest writes as its name can't become an address, and no text at all makes the parser fail."""
    lease = f"1795430000 02:50:00:00:00:01 10.77.0.10 {name} *"
    assert parse(lease) == parse(GOOD)
    parse(nonsense)


@given(st.integers(0, len(GOOD)))
def test_a_line_cut_short_is_no_other_address(length):
    """A file caught while it is being written gives the right lease or none."""
    assert parse(GOOD[:length]) in ([], parse(GOOD))


def _write(path, text, age):
    path.write_text(text)
    moment = clock.now() - age
    os.utime(path, (moment, moment))


def test_a_file_cut_short_takes_no_lease_away(tmp_path):
    """A disk that is full leaves the file cut short or empty for as long as it is full: the lease lasts to its end."""
    path = tmp_path / "leases"
    leases = LeasesFile(path)
    lasting = GOOD.replace("1795430000", str(int(clock.now()) + 3600))
    _write(path, lasting, 10)
    assert len(leases.current()) == 1
    for left in ("", lasting[:20]):
        for age in (0, 10):
            _write(path, left, age)
            assert len(leases.current()) == 1
    path.unlink()
    assert len(leases.current()) == 1


def test_a_lease_goes_on_when_the_clock_is_set(tmp_path, monkeypatch):
    """A Pi that booted in the past shuts nobody's address out when it learns the time, though dnsmasq forgets it."""
    moment = [1_795_420_000.0]
    monkeypatch.setattr(clock, "now", lambda: moment[0])
    path = tmp_path / "leases"
    leases = LeasesFile(path)

    def ends(text):
        _write(path, text, 10)
        return [int(lease.ends_at) for _, lease in sorted(leases.current().items())]

    assert ends(GOOD) == [1_795_430_000]
    moment[0] += 86_400
    leases.move(86_400)
    other = "1795520000 02:50:00:00:00:02 10.77.0.11 phone *"
    assert ends(f"{GOOD}\n{other}\n") == [1_795_516_400, 1_795_520_000]
    assert ends(f"{other}\n") == [1_795_516_400, 1_795_520_000]
    assert ends(GOOD.replace("1795430000", "1795517000")) == [1_795_517_000, 1_795_520_000]


def test_a_lease_that_is_over_leaves_with_its_line(tmp_path):
    """What has reached its own end is forgotten once the file is without it."""
    path = tmp_path / "leases"
    leases = LeasesFile(path)
    _write(path, GOOD.replace("1795430000", str(int(clock.now()) - 5)), 10)
    assert len(leases.current()) == 1
    _write(path, "\n", 10)
    assert leases.current() == {}


def test_a_lease_known_from_elsewhere_yields_to_the_file(tmp_path):
    """What the kernel still held at the start counts where the file says nothing of that address."""
    path = tmp_path / "leases"
    held = [Lease(f"02:50:00:00:00:0{n}", IPv4Address(f"10.77.0.1{n}"), clock.now() + 60) for n in (0, 2)]
    leases = LeasesFile(path, held)
    _write(path, GOOD, 10)
    found = leases.current()
    assert {str(address): lease.mac[-1] for address, lease in found.items()} == {"10.77.0.10": "1", "10.77.0.12": "2"}


def test_a_new_lease_counts_at_once(tmp_path):
    """A lease added a moment ago is seen without waiting for the file to settle."""
    path = tmp_path / "leases"
    leases = LeasesFile(path)
    assert leases.current() == {}
    _write(path, GOOD, 0)
    assert list(leases.current()) == [IPv4Address("10.77.0.10")]


def test_a_lease_that_changed_hands_belongs_to_the_new_device(tmp_path):
    """An address given to another MAC leaves the first one at once, settled or not."""
    path = tmp_path / "leases"
    leases = LeasesFile(path)
    _write(path, GOOD, 10)
    leases.current()
    _write(path, GOOD.replace("00:01 10", "00:02 10"), 0)
    assert leases.current()[IPv4Address("10.77.0.10")].mac == "02:50:00:00:00:02"
