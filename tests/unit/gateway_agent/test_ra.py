# SPDX-License-Identifier: EUPL-1.2
"""Router advertisements: bytes against the RFCs, and when they are sent."""

import itertools
from ipaddress import IPv6Interface, IPv6Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_agent import overheard, ra

URL = "https://portail.example.net/api/captive"
ADVERT = ra.Advert(IPv6Interface("fd77::1/64"), bytes.fromhex("025000000001"), URL)


def options(message):
    """Read the options as a client does (RFC 4861, 4.6)."""
    found, offset = {}, 16
    while offset < len(message):
        length = message[offset + 1] * 8
        assert length, "an option of no length would never end"
        found[message[offset]] = message[offset : offset + length]
        offset += length
    assert offset == len(message)
    return found


def test_an_advertisement_says_router_prefix_resolver_and_portal():
    """Each option stands where and as the RFCs want it."""
    message = ra.encode(ADVERT)
    assert message[:2] == bytes([134, 0])
    assert message[5] == 0x40  # O, not M: addresses are made by the devices themselves
    assert int.from_bytes(message[6:8], "big") == 1800
    found = options(message)
    assert found[1] == bytes.fromhex("0101025000000001")
    assert found[3][2:4] == bytes([64, 0xC0])
    assert IPv6Network((found[3][16:32], 64)) == IPv6Network("fd77::/64")
    assert found[25][8:24] == ADVERT.address.ip.packed
    assert found[37][2:].rstrip(b"\0").decode() == URL


def test_without_a_portal_to_tell_there_is_no_option():
    """Withdrawn means absent, not empty."""
    assert 37 not in options(ra.encode(ADVERT._replace(url="")))


@given(st.integers(1, 2100))
def test_the_portals_option_has_a_whole_length(length):
    """Filled with zeros to a multiple of eight bytes; an address that doesn't fit is left out, not cut."""
    option = ra.captive_portal("h" * length)
    assert len(option) % 8 == 0
    assert option == b"" if length > 2038 else option[2:].rstrip(b"\0") == b"h" * length


def test_a_farewell_takes_the_route_back_and_nothing_else():
    """Lifetime 0, prefix no longer preferred, no resolver, no portal."""
    message = ra.farewell(ADVERT)
    found = options(message)
    assert int.from_bytes(message[6:8], "big") == 0
    assert int.from_bytes(found[3][8:12], "big") == 0
    assert int.from_bytes(found[25][4:8], "big") == 0
    assert 37 not in found


SOUND = bytes([133, 0, 0, 0, 0, 0, 0, 0])


@pytest.mark.parametrize(
    ("message", "hops", "nameless", "sound"),
    [
        (SOUND, 255, True, True),
        (SOUND + bytes.fromhex("0101025000000001"), 255, False, True),
        (SOUND + bytes.fromhex("0101025000000001"), 255, True, False),
        (SOUND, 64, False, False),
        (SOUND[:7], 255, False, False),
        (bytes([133, 1, 0, 0, 0, 0, 0, 0]), 255, False, False),
        (SOUND + b"\1\0", 255, False, False),
        (SOUND + b"\1\2", 255, False, False),
        (b"", 255, False, False),
    ],
)
def test_only_sound_solicitations_count(message, hops, nameless, sound):
    """RFC 4861, 6.1.1, line by line."""
    assert ra.solicits(message, hops, nameless=nameless) is sound


@given(st.binary(max_size=80), st.booleans())
def test_no_solicitation_breaks_the_reader(message, nameless):
    """Any bytes are sound or not; nothing else happens."""
    assert ra.solicits(message, 255, nameless=nameless) in {True, False}


def test_three_quick_ones_first_then_minutes_apart():
    """RFC 4861, 6.2.4: the first three at most 16 s apart, later ones 200 to 600 s."""
    schedule, now, moments = ra.Schedule(lambda: 0.5), 1000.0, []
    for _ in range(6):
        moments.append(now)
        assert schedule.take(now) == (True, [])
        now = schedule.due
    gaps = [later - earlier for earlier, later in itertools.pairwise(moments)]
    assert gaps == [16.0, 16.0, 16.0, 400.0, 400.0]


def test_whoever_asks_is_answered_alone_within_half_a_second():
    """Phones that sleep are not woken by somebody else's question (RFC 7772)."""
    schedule = ra.Schedule(lambda: 0.5)
    schedule.take(1000.0)
    schedule.asked("fe80::1", 1001.0)
    schedule.asked("fe80::1", 1001.1)
    assert schedule.due == 1001.25
    assert schedule.take(1001.2) == (False, [])
    assert schedule.take(1001.25) == (False, ["fe80::1"])
    assert schedule.take(1001.5) == (False, [])


def test_questions_without_an_address_are_answered_to_all_three_seconds_apart():
    """A storm of nameless questions makes one advertisement each 3 s."""
    schedule, now, sent = ra.Schedule(lambda: 0.0), 1000.0, 0
    while now < 1030.0:
        schedule.asked("", now)
        sent += schedule.take(now)[0]
        now += 0.1
    assert 9 <= sent <= 11


def test_a_flood_of_questions_costs_a_bounded_table():
    """What finds no room is counted."""
    schedule = ra.Schedule(lambda: 0.5)
    schedule.take(1000.0)
    for number in range(3000):
        schedule.asked(f"fe80::{number:x}", 1000.0)
    assert len(schedule.take(1001.0)[1]) == 1024
    assert schedule.refused == 3000 - 1024


def test_news_is_told_at_once():
    """A new portal address doesn't wait for the next interval."""
    schedule = ra.Schedule(lambda: 0.5)
    schedule.take(1000.0)
    schedule.changed()
    assert schedule.due == 1003.0


@given(st.binary(max_size=64))
def test_no_overheard_frame_breaks_the_reader(frame):
    """Any bytes are somebody's, or too short."""
    assert overheard.read(frame) is None or overheard.read(frame).kind in {"router", "dhcp"}
