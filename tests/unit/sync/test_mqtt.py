# SPDX-License-Identifier: EUPL-1.2
"""The connection's decisions that need no network: addresses, certificates, who we are, and when to come back."""

from pathlib import Path

import pytest

from edge_core.errors import ConfigurationError
from sync.mqtt import Address, Link, Message, address_of


def link(chance=lambda: 1.0):
    return Link(Address(host="127.0.0.1", port=1), "id", Message("t", b"", retain=True), [], chance=chance)


@pytest.mark.parametrize(
    ("url", "host", "port", "tls"),
    [
        ("mqtt://broker.example", "broker.example", 1883, False),
        ("mqtts://broker.example", "broker.example", 8883, True),
        ("mqtt://[fd77::1]:99", "fd77::1", 99, False),
    ],
)
def test_addresses(url, host, port, tls):
    """Each scheme has its port; an IPv6 address loses its brackets."""
    found = address_of(url)
    assert (found.host, found.port, found.tls) == (host, port, tls)


def test_certificate_that_is_missing_is_named():
    """The error names the file."""
    with pytest.raises(ConfigurationError, match=r"/nowhere/ca\.pem"):
        address_of("mqtts://b", ca=Path("/nowhere/ca.pem")).context()


def test_waits_grow_to_a_minute_and_no_further():
    """The bound of the wait doubles: 1, 2, 4 … 60 s; each wait is anywhere up to it."""
    made, bounds = link(), []
    for _ in range(9):
        made._lose(0.0)
        bounds.append(made._due)
    assert bounds == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    half = link(chance=lambda: 0.25)
    half._lose(10.0)
    assert half._due == 10.25


def test_steady_connection_makes_the_next_wait_short():
    """After a connection that lasted, the first wait is up to a second again."""
    made = link()
    for _ in range(5):
        made._lose(0.0)
    made._greeted, made._began = True, 100.0
    made._lose(200.0)
    assert made._due == 201.0


def test_publishing_without_connection_says_so():
    """Nothing is queued behind the caller's back."""
    assert link().publish("t", b"x") is False


def test_inbound_flood_is_bounded():
    """Messages that are too large, or too many at once, are dropped and counted: the platform sends again."""
    made = link()
    made._client = client = object()

    class Inbound:
        topic, retain = "t", False
        payload = b"x" * 70000

    made._on_message(client, None, Inbound)
    Inbound.payload = b"x"
    for _ in range(10_005):
        made._on_message(client, None, Inbound)
    assert made.refused == 6
