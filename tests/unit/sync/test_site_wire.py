# SPDX-License-Identifier: EUPL-1.2
"""What gateways tell each other: sealed, bound to its sender, and believed only where it is sound."""

import json
import zlib

import pytest

from edge_core.gateway_key import GatewayKey, OtherKeyError
from edge_core.store.site import SiteBlock, SiteSession, SiteVoucher
from sync.site import wire
from sync.site.wire import Told, in_parts, pack, unpack

KEY, OTHER = GatewayKey(b"k" * 32), GatewayKey(b"o" * 32)
MAC = "02:00:00:00:00:01"
NOW = 1_800_000_000.0
SESSION = SiteSession(
    "0191d2c1-0b10-7d02-8f11-5a6b7c8d9e0f", KEY.device(MAC), "free", NOW - 10, NOW + 600, None, None, 20_000, None,
    "", None, 0,
)  # fmt: skip
VOUCHER = SiteVoucher(b"d" * 32, "lot", "voucher", 600, None, None, 10**9, 2, NOW - 5, NOW + 50, NOW - 3, None)


def told(**rows):
    return Told(life="a" * 32, number=1, **rows)


def test_what_is_told_arrives_with_times_by_the_other_clock():
    """A receiver whose clock is an hour ahead sees the same time left."""
    block = SiteBlock(KEY.device(MAC), blocked=True, version=3, gateway="g1")
    message = pack(
        KEY, "g1", told(sessions=[SESSION], vouchers=[VOUCHER], blocks=[block], usage=[(SESSION.session, 7)]), NOW
    )
    found = unpack(KEY, "g1", message, NOW + 3600)
    assert found.sessions == [SESSION._replace(created_at=NOW + 3590, expires_at=NOW + 4200)]
    assert found.vouchers == [VOUCHER._replace(made_at=NOW + 3595, valid_until=NOW + 3650, used_at=NOW + 3597)]
    assert (found.blocks, found.usage, found.refused) == ([block], [(SESSION.session, 7)], 0)


def test_a_message_shows_nothing_and_belongs_to_its_sender():
    """Neither plan, session nor hash can be read; another's name, a changed byte or another key is refused."""
    message = pack(KEY, "g1", told(sessions=[SESSION]), NOW)
    assert not any(word in message for word in (b"free", SESSION.session.encode(), SESSION.device.hex().encode()))
    with pytest.raises(ValueError, match="not sealed"):
        unpack(KEY, "g2", message, NOW)
    with pytest.raises(ValueError, match="not sealed"):
        unpack(KEY, "g1", message[:-1] + bytes([message[-1] ^ 1]), NOW)
    with pytest.raises(OtherKeyError):
        unpack(OTHER, "g1", message, NOW)
    for length in range(20):
        with pytest.raises(ValueError, match="sealed"):
            unpack(KEY, "g1", message[:length], NOW)


def sealed(body):
    return KEY.seal(zlib.compress(json.dumps(body).encode()), "g1")


@pytest.mark.parametrize(
    "change",
    [
        {0: "no-uuid"}, {1: "zz"}, {2: ""}, {2: "a b"}, {3: -1}, {4: NOW + 10**9}, {4: float("inf")}, {4: 10**400},
        {4: True}, {5: "x" * 99}, {6: -5}, {7: 0}, {9: "voucher:7"}, {9: "person:" + "x" * 99}, {10: 0}, {11: "1"},
    ],
)  # fmt: skip
def test_a_row_that_makes_no_sense_is_left_out_and_counted(change):
    """Whatever a gateway gone mad says, the rest of its message counts."""
    good = [SESSION.session, SESSION.device.hex(), *SESSION[2:]]
    bad = [change.get(place, value) for place, value in enumerate(good)]
    body = {"life": "a" * 32, "number": 1, "now": NOW, "hello": False, "sessions": [bad, good, 5, []]}
    body |= {"usage": [], "vouchers": [[]], "blocks": [["00", True, 1, "g"]]}
    found = unpack(KEY, "g1", sealed(body), NOW)
    assert found.sessions == [SESSION]
    assert found.refused == 5


@pytest.mark.parametrize("body", [[], {}, {"life": "a" * 32, "number": 1, "now": "x"}, {"life": 5}, None])
def test_what_is_no_message_is_refused(body):
    with pytest.raises(ValueError, match=r".+"):
        unpack(KEY, "g1", sealed(body), NOW)


def test_a_packed_bomb_is_refused():
    """A small message that unpacks to more than a gateway has to say."""
    bomb = KEY.seal(zlib.compress(b" " * (wire._LONGEST_BODY + 1)), "g1")
    with pytest.raises(ValueError, match="too long"):
        unpack(KEY, "g1", bomb, NOW)


def test_much_is_told_in_parts():
    parts = list(in_parts(Told(sessions=[SESSION] * 7, usage=[("x", 1)]), 3))
    assert [len(part.sessions) for part in parts] == [3, 3, 1, 0]
    assert all(len(pack(KEY, "g1", part, NOW)) < 65536 for part in in_parts(Told(sessions=[SESSION] * 600), 300))
