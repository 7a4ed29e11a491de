# SPDX-License-Identifier: EUPL-1.2
"""The talk of gateways without a broker: what one tells another, what is refused, and what people are told of it."""

from contextlib import closing

import pytest

from edge_core import gateway_key, gateways_heard
from edge_core.doctor import gateways as doctor
from edge_core.settings import load
from edge_core.store import database, followed, grants, site, usage, vouchers
from sync.site.exchange import Gateways

MAC = "02:00:00:00:00:01"
NOW = 1_800_000_000.0


class Gateway:
    """A gateway's store and its side of the talk; `ahead` is by how many seconds its clock is wrong."""

    def __init__(self, folder, name, secret="k" * 40, ahead=0.0, more=""):
        folder = folder / name
        folder.mkdir()
        (folder / "key").write_text(secret)
        (folder / "key").chmod(0o600)
        config = folder / "parvis.toml"
        config.write_text(
            f'[site]\nid = "parc"\nname = "Parc"\ngateway_key = "{folder}/key"\n'
            f'[device]\nid = "{name}"\nstate_dir = "{folder}/state"\n{more}'
        )
        self.name, self.settings, self.now = name, load(config, {}), NOW + ahead
        database.migrate(self.settings)
        self.settings.run_dir.mkdir(parents=True, exist_ok=True)
        self.store = database.open_edge(self.settings.edge_db)
        self.key = gateway_key.load(self.settings)
        self.talk = Gateways(self.settings, self.store, self.key, lambda: self.now)
        self.moment = 100.0

    def tells(self, *, connected=True):
        """Return what it publishes now, some seconds after the last time."""
        self.moment += 20
        return self.talk.turn(self.moment, connected=connected)

    def tell(self, *others):
        for message in self.tells():
            for other in others:
                other.talk.take(self.name, message)
        for other in others:
            other.tells(connected=False)


@pytest.fixture
def make(tmp_path):
    made = []

    def build(name, **how):
        made.append(Gateway(tmp_path, name, **how))
        return made[-1]

    yield build
    for each in made:
        each.store.close()


def test_a_session_is_known_elsewhere_with_the_time_that_is_left(make):
    """Also where the clocks are a day apart; prolonged and ended, it is so there too."""
    here, there = make("a"), make("b", ahead=86_400)
    grants.accept(here.store, MAC, "free", 600, NOW)
    here.tell(there)
    (known,) = site.changed(there.store, 0)[0]
    assert (known.device, known.expires_at - there.now) == (here.key.device(MAC), 600)
    grants.extend(here.store, MAC, NOW + 4000, 3, NOW)
    here.tell(there)
    assert site.of_device(there.store, here.key.device(MAC), there.now).expires_at - there.now == 4000
    grants.end(here.store, MAC, "logout", NOW)
    here.tell(there)
    assert site.of_device(there.store, here.key.device(MAC), there.now) is None


def test_nothing_is_told_without_a_connection_and_everything_after(make):
    """What happened meanwhile is in the store: it is told when the connection stands, as is what was told before."""
    here, there = make("a"), make("b")
    grants.accept(here.store, MAC, "free", 600, NOW)
    assert here.tells(connected=False) == []
    followed.block(here.store, MAC, NOW, followed.Site(here.key, "a"))
    vouchers.make(
        here.store, b"v" * 32, batch="lot", plan="voucher", seconds=60, limits=grants.Limits(), devices=1, count=2,
        valid_until=NOW + 600, now=NOW, site=True,
    )  # fmt: skip
    here.tells()
    here.talk.again()
    here.tell(there)
    assert [word.blocked for word in site.blocks(there.store)] == [True]
    assert len(vouchers.all_of(there.store, "lot")) == 2
    assert site.changed(there.store, 0)[0][0].end_reason == "blocked"


def test_a_message_heard_before_or_of_a_life_that_is_over_is_refused(make):
    """Whoever repeats old messages opens no session again."""
    here, there = make("a"), make("b")
    (first,) = here.tells()
    there.talk.take("a", first)
    there.tells(connected=False)
    there.talk.take("a", first)
    there.tells(connected=False)
    assert there.talk.counts["refused"] == 1
    again = Gateways(here.settings, here.store, here.key, lambda: NOW)
    (second,) = again.turn(5.0, connected=True)
    there.talk.take("a", second)
    there.talk.take("a", first)
    there.tells(connected=False)
    assert (there.talk.counts["heard"], there.talk.counts["refused"]) == (2, 2)


def test_what_a_device_without_the_key_says_is_counted_and_changes_nothing(make):
    """A kiosk may publish on the topic as itself: garbage, another's message, or a great deal of it."""
    here, there = make("a"), make("b")
    (message,) = here.tells()
    for payload in (b"", b"x" * 60_000, message):
        there.talk.take("kiosk-1", payload)
    for _ in range(2000):
        there.talk.take("kiosk-1", b"noise")
    there.tells(connected=False)
    assert there.talk.counts["heard"] == 0
    assert site.changed(there.store, 0) == ([], 0)


def test_people_are_told_who_is_heard_and_who_has_another_key(make):
    """`parvis doctor`: nobody yet, heard, another key, silent for long; each with its remedy."""
    here, there = make("a"), make("b", secret="o" * 40)
    assert [each.state for each in doctor.checks(here.settings)] == ["warning"]
    there.tell(here)
    (found,) = doctor.checks(here.settings)
    assert (found.state, "b has another key" in found.seen) == ("failed", True)
    gateways_heard.write(here.settings, {"c": gateways_heard.Heard(0.0, other_key=False)})
    (found,) = doctor.checks(here.settings)
    assert (found.state, "minutes ago" in found.seen) == ("warning", True)
    here.settings.site.gateway_key.unlink()
    (found,) = doctor.checks(here.settings)
    assert (found.state, "openssl" in found.remedy) == ("failed", True)


def test_a_replaced_gateway_has_everything_in_one_round(make):
    """A replaced gateway begins with nothing, asks, and has everything in one round."""
    here, there = make("a"), make("b")
    grants.accept(here.store, MAC, "free", 600, NOW)
    here.tells()
    there.tell(here)  # it says that it knows nothing
    here.tell(there)
    with closing(database.open_edge(there.settings.edge_db)) as store:
        assert site.of_device(store, here.key.device(MAC), NOW) is not None


@pytest.mark.parametrize(("more", "told"), [("[access]\nidle = 600\n", 7500), ("", None)])
def test_a_device_that_walked_on_is_heard_of_where_it_came_from(make, more, told):
    """Where silence ends sessions, the first gateway learns that the device speaks at the second."""
    first, second = make("a", more=more), make("b", more=more)
    here = grants.accept(first.store, MAC, "free", 3600, NOW)
    first.tell(second)
    shared = site.of_device(second.store, second.key.device(MAC), NOW)
    assert grants.adopt(second.store, MAC, shared, NOW)
    second.tell(first)
    grown = grants.by_mac(second.store, MAC, NOW)
    usage.record(second.store, [(grown.id, usage.Usage(up_bytes=2500, up_packets=3, down_bytes=5000))], NOW)
    second.tell(first)
    assert site.open_usage(first.store).get(here.id) == told
