# SPDX-License-Identifier: EUPL-1.2
"""Keys: who must sign, how keys change, and whether devices follow; over a road that is a folder."""

import json
import shutil
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest
from tuf.api.exceptions import DownloadHTTPError
from tuf.ngclient import FetcherInterface

from edge_core import clock
from edge_core.errors import ContentError
from edge_core.store.replica import Replica
from sync.downlink import Downlink
from sync.downlink import repository_format as layout
from sync.downlink.ownership import claims_of
from sync.publish import ceremony, changes, keys, publisher, publishers, signing, source

ROOT = Path(__file__).parents[3]
NOW = clock.now()


class FolderRoad(FetcherInterface):
    """Serves a folder as if it were a web server."""

    def __init__(self, folder):
        self.folder = folder

    def _fetch(self, url):
        path = self.folder / url.removeprefix("http://repository.example/")
        if not path.is_file():
            raise DownloadHTTPError("absent", 404)
        yield path.read_bytes()


class Park:
    """A park's source, keys and repository, and one device."""

    def __init__(self, folder, **making):
        self.folder = folder
        self.source = Path(shutil.copytree(ROOT / "content" / "demo", folder / "source"))
        self.keys, self.repository = folder / "keys", folder / "repository"
        keys.make(self.keys, NOW, **making)
        shutil.copy(self.keys / "root.json", folder / "trusted.json")
        self.settings = SimpleNamespace(
            content=SimpleNamespace(url="http://repository.example/", root=folder / "trusted.json", share=None),
            content_db=folder / "state" / "content.db",
            blobs_dir=folder / "state" / "blobs",
            tuf_dir=folder / "state" / "tuf",
        )
        self.publish()

    def publish(self, **options):
        return publisher.publish(self.source, self.repository, self.keys, NOW, **options)

    def look(self):
        with closing(Downlink(self.settings, FolderRoad(self.repository))) as downlink:
            return downlink.check()

    def record(self, collection, name):
        with closing(Replica(self.settings.content_db)) as replica:
            return replica.get(collection, name)

    def edit(self, old, new):
        path = self.source / "companies.csv"
        path.write_text(path.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")


@pytest.fixture
def park(tmp_path):
    return Park(tmp_path)


def test_a_device_follows_a_chain_of_roots(park):
    """Every role rotated, the root's own key three times: a device that knows only the first root follows."""
    assert park.look().version == 1
    for number, role in enumerate(["timestamp", "root", "snapshot", "root", "targets", "root"]):
        assert ceremony.rotate(park.keys, role, [], NOW).installed
        if number % 2:
            park.edit("couvreurs" if number == 1 else f"métier {number - 2}", f"métier {number}")
        park.publish()
    result = park.look()
    assert (result.error, result.changed) == (None, True)
    assert "métier 5" in park.record("companies", "exemple-ardoise")["activity"]["fr"]
    assert json.loads((park.settings.tuf_dir / "metadata" / "root.json").read_text())["signed"]["version"] == 7


def test_what_a_revoked_key_signs_is_refused(park):
    """After the targets key was stolen and revoked, what a thief publishes with it changes nothing."""
    shutil.copytree(park.keys, park.folder / "stolen")
    assert park.look().version == 1
    ceremony.revoke(park.keys, "targets.pem", [], NOW)
    park.publish()
    assert park.look().error is None
    root = keys.load_root(park.keys).signed
    before = signing.verify(lambda name: (park.repository / name).read_bytes(), root)
    thief = {role: keys.load_signer(park.keys, role, root) for role in ("snapshot", "timestamp")}
    stolen = park.folder / "stolen"
    thief["targets"] = keys.load_signer(stolen, "targets", keys.load_root(stolen).signed)
    index = layout.read_index(before.index)
    forged = layout.write_index(layout.Index(index.version + 1, {}))
    for name, data in signing.sign_index(forged, before, thief, NOW).items():
        (park.repository / name).write_bytes(data)
    result = park.look()
    assert "is not signed by the trusted keys" in str(result.error)
    assert "couvreurs" in park.record("companies", "exemple-ardoise")["activity"]["fr"]


def test_a_threshold_of_people_must_sign(tmp_path):
    """With 2 of 3 root keys kept apart, one person alone changes nothing; the second completes it."""
    park = Park(tmp_path, root_keys=3, threshold=2)
    for number in (1, 2, 3):
        (tmp_path / f"person-{number}").mkdir()
        (park.keys / f"root-{number}.pem").rename(tmp_path / f"person-{number}" / f"root-{number}.pem")
    alone = ceremony.rotate(park.keys, "targets", [tmp_path / "person-1"], NOW)
    assert (alone.installed, alone.signatures, alone.needed) == (False, 1, 2)
    assert park.publish().published is False, "publishing goes on with the keys that stand"
    assert keys.load_root(park.keys).signed.version == 1
    with pytest.raises(ContentError, match="waits for signatures"):
        ceremony.rotate(park.keys, "targets", [], NOW)
    assert ceremony.sign(park.keys, [tmp_path / "person-3"]).installed
    park.edit("couvreurs", "zingueurs")
    park.publish()
    assert park.look().error is None
    assert "zingueurs" in park.record("companies", "exemple-ardoise")["activity"]["fr"]


def test_a_lost_root_key_is_replaced_without_it(tmp_path):
    """With 2 of 3, the third key's file may be gone for ever: the other two revoke it."""
    park = Park(tmp_path, root_keys=3, threshold=2)
    lost = keys.load_root(park.keys).signed.roles["root"].keyids[0]
    path = next(file for key_id, (file, _) in keys.signers_in(park.keys).items() if key_id == lost)
    path.unlink()
    assert ceremony.revoke(park.keys, lost[:12], [], NOW).installed
    root = keys.load_root(park.keys).signed
    assert lost not in root.roles["root"].keyids
    assert len(root.roles["root"].keyids) == 3
    park.publish()
    assert park.look().error is None


@pytest.mark.parametrize("making", [{"root_keys": 2, "threshold": 3}, {"root_keys": 0}, {"root_keys": 10}])
def test_keys_that_could_never_sign_are_not_made(tmp_path, making):
    """A threshold that can't be reached is refused before anything is written."""
    with pytest.raises(ContentError, match="can't be asked for"):
        keys.make(tmp_path / "keys", NOW, **making)
    assert not (tmp_path / "keys").exists()


class Company:
    """A company that signs its own records, and hands them in."""

    def __init__(self, park, name="ardoise", owns=("companies/exemple-ardoise", "news/ardoise-*")):
        self.park, self.name = park, name
        self.folder = park.folder / name
        (self.folder / "source").mkdir(parents=True)
        public = publishers.make_key(self.folder / "keys")
        publishers.delegate(park.keys, name, public, owns)

    def write(self, activity="Tuiles signées", record="exemple-ardoise"):
        text = f"id,name,activity_fr\n{record},Exemple Ardoise SARL,{activity}\n"
        (self.folder / "source" / "companies.csv").write_text(text, encoding="utf-8")
        return self

    def hand_in(self, now=NOW):
        place = self.park.folder / "contributions" / self.name
        publisher.contribute(self.folder / "source", place, self.folder / "keys", self.name, now)
        return self.park.folder / "contributions"


def test_a_company_signs_its_own_page(park):
    """What a company hands in replaces the park's line, on a device too, and changes with its next signature."""
    company = Company(park).write()
    assert park.look().version == 1
    assert any("handed in nothing yet" in notice for notice in park.publish().notices)
    park.publish(contributions=company.hand_in())
    assert park.look().error is None
    assert park.record("companies", "exemple-ardoise")["activity"]["fr"] == "Tuiles signées"
    assert park.record("companies", "galet-fictif"), "the park's other lines stay"
    company.write("Tuiles neuves")
    park.publish(contributions=company.hand_in(NOW + 1))
    assert park.look().changed
    assert park.record("companies", "exemple-ardoise")["activity"]["fr"] == "Tuiles neuves"
    park.publish()
    assert park.look().error is None
    assert park.record("companies", "exemple-ardoise")["activity"]["fr"] == "Tuiles neuves", "stays without a new part"


def test_a_withdrawn_publisher_gives_its_page_back(park):
    """When the park takes a delegation back, its own line returns; the device follows."""
    company = Company(park).write()
    park.publish(contributions=company.hand_in())
    assert park.look().error is None
    publishers.withdraw(park.keys, "ardoise")
    park.publish()
    assert park.look().error is None
    assert "couvreurs" in park.record("companies", "exemple-ardoise")["activity"]["fr"]


def test_a_company_cannot_sign_anothers_page(park):
    """The publisher refuses it with the record's name; nothing of it reaches the repository."""
    company = Company(park).write(record="galet-fictif")
    report = park.publish(contributions=company.hand_in())
    assert any("companies/galet-fictif, which is not its own" in notice for notice in report.notices)
    assert park.look().error is None
    assert "Tuiles" not in park.record("companies", "galet-fictif")["activity"]["fr"]


def test_a_device_refuses_anothers_page_too(park, monkeypatch):
    """Even when the park's publisher lets it through, a device takes no record from who doesn't own it."""
    company = Company(park).write()
    park.publish(contributions=company.hand_in())
    assert park.look().error is None
    company.write(record="galet-fictif", activity="Usurpé")
    with monkeypatch.context() as lax:
        lax.setattr(publishers, "foreign", lambda *_: "")
        park.edit("couvreurs", "zingueurs")
        park.publish(contributions=company.hand_in(NOW + 1))
    result = park.look()
    assert (result.changed, result.error) == (True, None), "the park's own news arrives all the same"
    assert "Usurpé" not in str(park.record("companies", "galet-fictif"))
    assert "zingueurs" in park.record("companies", "exemple-ardoise")["activity"]["fr"], "the park's own word returns"


def signed_by(monkeypatch, **fields):
    """Have whoever publishes next sign a record with these fields, whatever the files say."""
    record = {"id": "exemple-ardoise", "name": "Exemple Ardoise", "activity": {"fr": "Tuiles"}, **fields}
    content = source.Content({"companies": {"exemple-ardoise": record}}, {})
    monkeypatch.setattr(publisher.source, "read", lambda *_, **__: content)


def wrong_state(monkeypatch):
    monkeypatch.setattr(changes, "hash_of", lambda _: "0" * 64)


BAD_PARTS = [
    ({"name": 5}, "5 is not of type 'string'"),
    ({"name": None}, "None is not of type 'string'"),
    ({"published": "never"}, "Invalid isoformat string"),
    ({"blobs": {"a" * 64: 64 << 20}}, "images of ardoise"),
    ({"blobs": ["a"]}, "blobs"),
    ({}, "does not come out as it says"),
]


def bad_part(company, monkeypatch, fields):
    """Have a company hand in a record with these fields, or without any a collection that isn't what it says."""
    with monkeypatch.context() as bad:
        signed_by(bad, **fields)
        if not fields:
            wrong_state(bad)
        return company.hand_in()


@pytest.mark.parametrize(("fields", "said"), BAD_PARTS)
def test_a_bad_part_is_published_by_nobody(park, monkeypatch, fields, said):
    """Signed or not: what the contract, a page or a device could not take is refused in words, by record."""
    company = Company(park).write()
    handed_in = bad_part(company, monkeypatch, fields)
    (notice,) = park.publish(contributions=handed_in).notices
    assert said in notice
    assert park.look().error is None
    assert "couvreurs" in park.record("companies", "exemple-ardoise")["activity"]["fr"]


@pytest.mark.parametrize("fields", [{"published": "never"}, {"blobs": {"a" * 64: 64 << 20}}, {}])
def test_a_bad_part_keeps_nobodys_news_away(park, monkeypatch, fields):
    """Even when the park's publisher lets it through, a device refuses that part alone."""
    company = Company(park).write()
    handed_in = bad_part(company, monkeypatch, fields)
    park.edit("couvreurs", "zingueurs")
    with monkeypatch.context() as lax:
        lax.setattr(publishers, "_require_good", lambda *_: None)
        lax.setattr(publishers, "_verified", lambda *_: None)
        assert park.publish(contributions=handed_in).notices == ()
    result = park.look()
    assert (result.version, result.error) == (2, None)
    assert park.record("companies", "galet-fictif"), "the park's own news arrives all the same"
    assert park.record("companies", "exemple-ardoise") is None, "nobody else signs it"
    park.publish(contributions=company.hand_in(NOW + 1))
    assert park.look().error is None
    assert park.record("companies", "exemple-ardoise")["activity"]["fr"] == "Tuiles signées"


def test_another_key_cannot_speak_for_a_company(park):
    """A contribution signed by a key that the park didn't name is refused and said."""
    company = Company(park).write()
    shutil.rmtree(company.folder / "keys")
    publishers.make_key(company.folder / "keys")
    report = park.publish(contributions=company.hand_in())
    assert any("can't be used" in notice for notice in report.notices)
    assert park.look().error is None
    assert "couvreurs" in park.record("companies", "exemple-ardoise")["activity"]["fr"]


@pytest.mark.parametrize(
    "pattern", ["park/park", "companies", "companies/", "*/x", "Companies/x", "companies/x*y", "../x/y"]
)
def test_a_claim_says_whose_it_is_or_is_refused(pattern):
    """Patterns that mean too much, or nothing, are refused."""
    with pytest.raises(ContentError):
        claims_of([pattern])


def test_a_record_has_one_publisher(park):
    """Two publishers can't be given the same record, by pattern either."""
    Company(park)
    with pytest.raises(ContentError, match="belongs to ardoise already"):
        Company(park, "autre", ["news/ardoise-ete"])


def test_going_back_holds_nothing_of_another_root_back(park):
    """Other keys begin versions at 1 again: devices take them, whatever they once went back from."""
    park.look()
    park.edit("couvreurs", "zingueurs")
    park.publish()
    with closing(Downlink(park.settings, FolderRoad(park.repository))) as downlink:
        assert downlink.check().version == 2
        assert downlink.rollback() == 1
    shutil.rmtree(park.repository)
    shutil.rmtree(park.keys)
    keys.make(park.keys, NOW)
    shutil.copy(park.keys / "root.json", park.folder / "trusted.json")
    for version in (1, 2):
        park.edit("zingueurs", f"charpentiers {version}, zingueurs")
        park.publish()
        assert park.look().version == version
        assert f"charpentiers {version}" in park.record("companies", "exemple-ardoise")["activity"]["fr"]


def test_going_back_to_the_content_before(park):
    """`content rollback` serves the version before, whole, until a newer one than the bad one is published."""
    park.look()
    park.edit("couvreurs", "zingueurs")
    (park.source / "events" / "park.ics").unlink()
    park.publish()
    assert park.look().version == 2
    downlink = Downlink(park.settings, FolderRoad(park.repository))
    with closing(downlink):
        assert downlink.rollback() == 1
        assert "couvreurs" in park.record("companies", "exemple-ardoise")["activity"]["fr"]
        assert (downlink.check().changed, downlink.check().version) == (False, 1)
        with pytest.raises(ContentError, match="no content before"):
            downlink.rollback()
        park.edit("zingueurs", "charpentiers")
        park.publish()
        assert downlink.check().version == 3
        assert "charpentiers" in park.record("companies", "exemple-ardoise")["activity"]["fr"]
        assert downlink.rollback() == 1
        downlink.resume()
        assert downlink.check().version == 3
