# SPDX-License-Identifier: EUPL-1.2
"""What other gateways told: in any order, doubled or late, all come to the same; and the site's key."""

import random

import pytest

from edge_core import gateway_key
from edge_core.errors import ConfigurationError
from edge_core.settings import load
from edge_core.store import database, followed, grants, site, vouchers
from edge_core.store.site import SiteBlock, SiteSession

MAC, OTHER = "02:00:00:00:00:01", "02:00:00:00:00:02"
NOW = 1_800_000_000.0
KEY = gateway_key.GatewayKey(b"k" * 32)
SESSION = SiteSession(
    "0191d2c1-0b10-7d02-8f11-5a6b7c8d9e0f", KEY.device(MAC), "free", NOW, NOW + 600, None, None, None, None, "", None, 0
)


@pytest.fixture
def write_settings(tmp_path):
    def write(key=""):
        path = tmp_path / "device.toml"
        line = f'gateway_key = "{tmp_path}/gateway.key"\n' if key else ""
        head = f'[site]\nid = "parc"\nname = "Parc"\n{line}'
        path.write_text(f'{head}[device]\nid = "g1"\nstate_dir = "{tmp_path}/state"\n')
        return load(path, {})

    return write


@pytest.fixture
def edge(write_settings):
    settings = write_settings()
    database.migrate(settings)
    connection = database.open_edge(settings.edge_db)
    yield connection
    connection.close()


def state(connection):
    return connection.execute("SELECT session, expires_at, end_reason, extended FROM site_sessions").fetchall()


@pytest.mark.parametrize("site", [False, True])
def test_the_quota_of_a_code_is_found_by_its_holder(edge, site):
    """By its number, or all over the site by its digest; a code that is gone has none."""
    for quota in (500, None):
        limits = grants.Limits(quota=quota)
        vouchers.make(edge, b"k", batch="b", plan="p", seconds=60, limits=limits, devices=2, count=1,
                      valid_until=NOW + 60, now=NOW, site=site)  # fmt: skip
    holders = [each.holder.key for each in vouchers.all_of(edge)]
    assert [vouchers.quota_of(edge, holder) for holder in holders] == [500, None]
    assert vouchers.quota_of(edge, "voucher:99") is None
    assert vouchers.quota_of(edge, "voucher:" + "0" * 32) is None


def test_the_order_of_words_does_not_matter(write_settings, tmp_path):
    """Open, prolonged twice, ended: in every order, some doubled, it ends as ended with the reason that came first."""
    words = [
        SESSION,
        SESSION._replace(extended=1, expires_at=NOW + 900),
        SESSION._replace(extended=2, expires_at=NOW + 1200),
        SESSION._replace(end_reason="logout"),
    ]
    chance = random.Random(3)
    for _ in range(20):
        order = [*words, *words]
        chance.shuffle(order)
        kept = None
        for word in order:
            kept = site.newer(kept, word) or kept
        assert kept.end_reason == "logout"
    without = [word for word in words if word.end_reason is None]
    for _ in range(20):
        chance.shuffle(without)
        kept = None
        for word in without:
            kept = site.newer(kept, word) or kept
        assert (kept.extended, kept.expires_at) == (2, NOW + 1200)


def test_what_is_no_news_writes_nothing(edge):
    """Gateways tell everything again and again: only what differs gets a number for the agent."""
    with database.write(edge):
        assert site.merge_sessions(edge, [SESSION]) == 1
        assert site.merge_sessions(edge, [SESSION, SESSION._replace(expires_at=NOW + 601)]) == 0
    rows, upto = site.changed(edge, 0)
    assert (rows, upto) == ([SESSION], 1)
    assert site.changed(edge, upto) == ([], 1)


def test_an_end_outlives_its_session_s_time_and_no_more(edge):
    """While its time runs, a late word can't open it again; then it is forgotten."""
    with database.write(edge):
        site.merge_sessions(edge, [SESSION._replace(end_reason="logout"), SESSION])
        assert site.of_device(edge, SESSION.device, NOW) is None
        site.merge_sessions(edge, [SESSION._replace(session=SESSION.session[:-1] + "a", expires_at=NOW + 9000)])
        site.tidy(edge, NOW + 700)
    assert len(state(edge)) == 1


def test_a_session_that_was_over_here_is_not_adopted_again(edge):
    """Logged out here, and another gateway has not heard of it yet: the device stays out."""
    with database.write(edge):
        assert grants.adopt(edge, MAC, SESSION, NOW)
    assert grants.by_mac(edge, MAC, NOW).session == SESSION.session
    grants.end(edge, MAC, "logout", NOW)
    with database.write(edge):
        assert not grants.adopt(edge, MAC, SESSION, NOW)
    assert grants.by_mac(edge, MAC, NOW) is None


def test_blocks_are_settled_by_version_then_name(edge):
    """Two gateways at odds end with the same word, whoever is heard first."""
    on, off = (
        SiteBlock(KEY.device(MAC), blocked=said, version=2, gateway=by) for said, by in ((True, "g1"), (False, "g2"))
    )
    for first, second in ((on, off), (off, on)):
        with database.write(edge):
            edge.execute("DELETE FROM site_blocks")
            site.merge_block(edge, first)
            site.merge_block(edge, second)
        assert site.word_on(edge, KEY.device(MAC)) == off


def test_a_block_lifted_elsewhere_is_lifted_here_until_it_is_set_again(edge):
    """`parvis block` at two gateways: the last word counts, also over the row that this one keeps."""
    here = followed.Site(KEY, "g1")
    assert followed.block(edge, MAC, NOW, here)
    assert followed.blocked(edge, KEY) == {MAC}
    with database.write(edge):
        site.merge_block(edge, SiteBlock(KEY.device(MAC), blocked=False, version=2, gateway="g2"))
    assert followed.blocked(edge, KEY) == set()
    assert followed.block(edge, MAC, NOW, here)
    assert followed.blocked(edge, KEY) == {MAC}
    assert followed.unblock(edge, MAC, here)
    assert not followed.unblock(edge, MAC, here)


def test_too_many_devices_make_room_oldest_first_all_over_the_site():
    """Each gateway ends its own among the oldest; a session that goes on in both places counts once."""
    assert site.too_many([(1, "b"), (2, "d")], ["a", "c"], 4) == []
    assert site.too_many([(1, "b"), (2, "d")], ["a", "c"], 2) == [1]
    assert site.too_many([(1, "a")], ["a", "b"], 1) == [1]
    assert site.too_many([(1, "b")], ["a", "b"], 1) == []


def test_a_code_of_another_gateway_is_found_used_and_revoked(edge):
    """It is known by what the other told; its first use there counts, and a use here takes it over."""
    key = b"v" * 32
    made = site.SiteVoucher(
        vouchers.digest(key, "ABCDE12345"), "lot", "voucher", 600, None, None, 1000, 2, NOW, NOW + 50, NOW - 100, None
    )
    with database.write(edge):
        assert site.merge_vouchers(edge, [made]) == 1
        assert site.merge_vouchers(edge, [made, made._replace(used_at=NOW - 99)]) == 0
    found = vouchers.find(edge, key, "abcde-12345")
    assert (found.id, found.left(NOW), found.state(NOW)) == (0, 500, "used")
    vouchers.use(edge, found, NOW)
    taken = vouchers.find(edge, key, "abcde-12345")
    assert (taken.id, taken.left(NOW), taken.holder) == (1, 500, found.holder)
    with database.write(edge):
        site.merge_vouchers(edge, [made._replace(revoked_at=NOW)])
    assert vouchers.find(edge, key, "abcde-12345").state(NOW) == "revoked"
    assert [each.id for each in vouchers.all_of(edge, "lot")] == [1]


def test_usage_elsewhere_only_grows(edge):
    """A word that comes late or twice changes nothing."""
    with database.write(edge):
        site.merge_usage(edge, "g2", [("s", 10)], NOW)
        site.merge_usage(edge, "g2", [("s", 7)], NOW)
        site.merge_usage(edge, "g3", [("s", 5)], NOW)
    assert site.used_elsewhere(edge, "s") == 15


@pytest.mark.parametrize(
    ("content", "mode", "word"),
    [(None, 0, "there is none"), ("short", 0o640, "has 32"), ("k" * 40, 0o644, "everybody")],
)
def test_a_key_that_can_not_be_used_is_refused_with_the_remedy(write_settings, tmp_path, content, mode, word):
    """Missing, too short, or open to everybody: the file, what is wrong, and the command that mends it."""
    if content is not None:
        (tmp_path / "gateway.key").write_text(content)
        (tmp_path / "gateway.key").chmod(mode)
    with pytest.raises(ConfigurationError) as caught:
        gateway_key.load(write_settings("key"))
    assert word in caught.value.message
    assert str(tmp_path / "gateway.key") in caught.value.message
    assert "openssl" in caught.value.remedy or "chmod" in caught.value.remedy


def test_a_device_has_the_same_name_at_every_gateway_and_another_on_another_site():
    assert KEY.device(MAC) == gateway_key.GatewayKey(b"k" * 32).device(MAC)
    assert KEY.device(MAC) not in {KEY.device(OTHER), gateway_key.GatewayKey(b"o" * 32).device(MAC)}
