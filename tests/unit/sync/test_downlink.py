# SPDX-License-Identifier: EUPL-1.2
"""The way down, over a road that is a folder: what is good is applied, what is bad is refused and named."""

import hashlib
import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest
from tuf.api.exceptions import DownloadHTTPError
from tuf.ngclient import FetcherInterface

from edge_core import clock
from edge_core.errors import ContentError, NetworkError
from edge_core.store.replica import Replica
from sync.downlink import Downlink, blobs, content_db
from sync.downlink import repository_format as layout
from sync.publish import changes, keys, publisher, signing

ROOT = Path(__file__).parents[3]
NOW = clock.now()
DAY = 86_400


class FolderRoad(FetcherInterface):
    """Serves a folder as if it were a web server, and remembers what was asked."""

    def __init__(self, folder):
        self.folder, self.asked, self.cut = folder, [], {}

    def _fetch(self, url):
        name = url.removeprefix("http://repository.example/")
        self.asked.append(name)
        path = self.folder / name
        if not path.is_file():
            raise DownloadHTTPError("absent", 404)
        yield path.read_bytes()

    def taken(self):
        asked, self.asked = self.asked, []
        return sorted(name.split("/")[0] for name in asked if not name.endswith("root.json"))


class Site:
    """A publisher's folder with its repository, and a device."""

    def __init__(self, folder):
        self.folder = folder
        self.source = Path(shutil.copytree(ROOT / "content" / "demo", folder / "source"))
        self.repository, self.keys = folder / "repository", folder / "keys"
        keys.make(self.keys, NOW)
        content = SimpleNamespace(url="http://repository.example/", root=self.keys / "root.json", share=None)
        self.settings = SimpleNamespace(
            content=content,
            content_db=folder / "state" / "content.db",
            blobs_dir=folder / "state" / "blobs",
            tuf_dir=folder / "state" / "tuf",
        )
        self.road = FolderRoad(self.repository)
        self.downlink = Downlink(self.settings, self.road)
        self.replica = Replica(self.settings.content_db)

    def publish(self, now=NOW):
        return publisher.publish(self.source, self.repository, self.keys, now)

    def edit(self, old="couvreurs", new="zingueurs"):
        path = self.source / "companies.csv"
        path.write_text(path.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")

    def publish_change(self, old="couvreurs", new="zingueurs"):
        self.edit(old, new)
        return self.publish()

    def activity(self):
        return self.replica.get("companies", "exemple-ardoise")["activity"]["fr"]

    def forge(self, records, collection="companies", **entry):
        """Publish records as they are, signed by the right keys, as a hostile publisher could."""
        root = keys.load_root(self.keys).signed
        before = signing.verify(lambda name: (self.repository / name).read_bytes(), root)
        index = layout.read_index(before.index)
        lines = {each["id"]: layout.canonical(each) for each in records}
        data = layout.pack(lines[key] for key in sorted(lines))
        file = layout.FileRef(hashlib.sha256(data).hexdigest(), len(data))
        cursor = index.collections["companies"].cursor + 1
        made = layout.Collection(
            cursor, layout.state_hash(lines[key] for key in sorted(lines)), layout.Snapshot(cursor, file)
        )
        after = layout.Index(index.version + 1, {**index.collections, collection: made})
        self.write({layout.snapshot_path(file): data})
        self.write_index(layout.write_index(after), before)

    def write_index(self, data, before):
        root = keys.load_root(self.keys).signed
        signers = {role: keys.load_signer(self.keys, role, root) for role in signing.LASTS}
        self.write(signing.sign_index(data, before, signers, NOW))

    def write(self, files):
        for name, data in files.items():
            (self.repository / name).parent.mkdir(parents=True, exist_ok=True)
            (self.repository / name).write_bytes(data)


@pytest.fixture
def site(tmp_path):
    site = Site(tmp_path)
    site.publish()
    yield site
    site.replica.close()
    site.downlink.close()


@pytest.fixture
def served(site):
    assert site.downlink.check().error is None
    site.road.taken()
    return site


def test_the_first_look_brings_everything(site):
    """A new device has all records and blobs after one look, and its readers see them."""
    result = site.downlink.check()
    assert (result.changed, result.version, result.error) == (True, 1, None)
    assert site.replica.park()["name"] == "Parc Exemple"
    assert site.replica.count("companies") == 15
    for plan in site.replica.list("plans"):
        data = site.replica.blob_path(plan["svg"]).read_bytes()
        assert hashlib.sha256(data).hexdigest() == plan["svg"]
    assert [each["id"] for each in site.replica.search("brebis", ["companies"])] == ["brebis-robotique"]
    assert site.replica.departures("parvis", NOW)
    assert [plan["level"] for plan in site.replica.list("plans")] == [0, 1]


def test_a_look_without_news_costs_one_small_file(served):
    """An idle device fetches the timestamp only, and writes nothing."""
    before = served.settings.content_db.stat().st_mtime_ns
    result = served.downlink.check()
    assert (result.changed, result.version, result.error) == (False, 1, None)
    assert served.road.asked[-1] == "metadata/timestamp.json"
    assert served.road.taken() == ["metadata"]
    assert served.settings.content_db.stat().st_mtime_ns == before


def test_a_changed_record_costs_one_segment(served):
    """Metadata, index and one segment are fetched, nothing else; the page shows it."""
    served.publish_change()
    assert served.downlink.check().version == 2
    assert served.road.taken() == ["metadata", "metadata", "metadata", "segments", "targets"]
    assert "zingueurs" in served.activity()


def test_a_device_that_was_away_catches_up(served):
    """Several versions later, by segments or by snapshot, the device holds what is published."""
    for step in range(12):
        served.publish_change("couvreurs" if step == 0 else f"métier {step}", f"métier {step + 1}")
        if step in {2, 11}:
            result = served.downlink.check()
            assert (result.changed, result.error) == (True, None)
            assert f"métier {step + 1}" in served.activity()


def test_a_removed_collection_goes(served):
    """A file that the publisher takes away leaves the pages too."""
    (served.source / "news.rss").unlink()
    shutil.rmtree(served.source / "gtfs")
    served.publish()
    assert served.downlink.check().error is None
    assert served.replica.count("news") == 2
    assert served.replica.count("stops") == 0


def refused(site, said):
    """Check that a look is refused with these words and a remedy, and that the content before is served."""
    version = site.replica.version()
    result = site.downlink.check()
    assert isinstance(result.error, ContentError | NetworkError), result
    assert said in str(result.error)
    assert result.error.remedy
    assert (result.changed, result.version, site.replica.version()) == (False, version, version)
    if version is not None:
        assert "couvreurs" in site.activity()


def test_another_publishers_signature_is_refused(served):
    """A repository signed by other keys changes nothing, however new it is."""
    shutil.rmtree(served.repository)
    shutil.move(served.keys, served.folder / "trusted")
    keys.make(served.keys, NOW)
    served.settings.content.root = served.folder / "trusted" / "root.json"
    served.publish_change()
    refused(served, "is not signed by the trusted keys")


def test_a_tampered_index_is_refused(served):
    """An index that was changed on the server is not the signed one."""
    served.publish_change()
    for path in (served.repository / "targets").iterdir():
        path.write_bytes(path.read_bytes()[:-1] + b"x")
    refused(served, "is not the one that was signed")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda data: data[:-1] + bytes([data[-1] ^ 1]), "is not the file that was signed"),
        (lambda data: data[: len(data) // 2], "is not the file that was signed"),
        (lambda data: data + b"more", "is larger than what was signed"),
        (lambda data: b"", "is not the file that was signed"),
    ],
    ids=["tampered", "truncated", "oversized", "empty"],
)
@pytest.mark.parametrize("folder", ["segments", "blobs"])
def test_a_spoilt_file_is_refused(served, folder, spoil, said):
    """A segment or blob that is not byte for byte the signed one is never stored; mended, it is taken."""
    known = set((served.repository / folder).iterdir()) if (served.repository / folder).exists() else set()
    plan = served.source / "plan" / "etage-1.svg"
    plan.write_text(plan.read_text(encoding="utf-8").replace("<title", "<desc>x</desc><title", 1), encoding="utf-8")
    served.publish_change()
    spoilt = {path: path.read_bytes() for path in set((served.repository / folder).iterdir()) - known}
    assert spoilt
    for path, data in spoilt.items():
        path.write_bytes(spoil(data))
    refused(served, said)
    for path, data in spoilt.items():
        path.write_bytes(data)
    assert served.downlink.check().version == 2


def test_a_missing_file_is_named(served):
    """A half-copied repository is told by the name of the file that the server lacks."""
    served.publish_change()
    shutil.rmtree(served.repository / "segments")
    refused(served, "The server answers 404 for http://repository.example/segments/")


def test_an_older_repository_is_refused(served):
    """Putting an old, rightly signed state back on the server doesn't bring old content back."""
    old = served.folder / "old"
    shutil.copytree(served.repository, old)
    served.publish_change()
    assert served.downlink.check().version == 2
    shutil.rmtree(served.repository)
    shutil.copytree(old, served.repository)
    result = served.downlink.check()
    assert "was rolled back" in str(result.error)
    assert result.version == 2


def test_an_older_version_is_refused_even_when_metadata_was_lost(served):
    """The content itself remembers its version when the verified metadata of the device is gone."""
    old = served.folder / "old"
    shutil.copytree(served.repository, old)
    served.publish_change()
    assert served.downlink.check().version == 2
    shutil.rmtree(served.settings.tuf_dir)
    shutil.rmtree(served.repository)
    shutil.copytree(old, served.repository)
    result = served.downlink.check()
    assert "offers version 1 where version 2 is already here" in str(result.error)
    assert result.version == 2


def test_another_trusted_root_begins_anew(served):
    """Whoever configures another publisher's root gets that publisher's content, whatever its version."""
    served.publish_change()
    served.downlink.check()
    shutil.rmtree(served.repository)
    shutil.rmtree(served.keys)
    keys.make(served.keys, NOW)
    served.publish_change("zingueurs", "charpentiers")
    result = served.downlink.check()
    assert (result.changed, result.version, result.error) == (True, 1, None)
    assert "charpentiers" in served.activity()


def test_expired_content_is_not_taken_but_served_on(site):
    """A frozen repository, or a clock that is far ahead, keeps what was verified and refuses what is new."""
    assert site.downlink.check().error is None
    shutil.rmtree(site.repository)
    site.edit()
    site.publish(NOW - 30 * DAY)
    site.publish(NOW - 29 * DAY)
    shutil.rmtree(site.settings.tuf_dir)
    refused(site, "has expired")


@pytest.mark.parametrize("behind", ["timestamp", "root"])
def test_malformed_metadata_is_refused(served, behind):
    """Rubbish in place of metadata is refused in words."""
    served.publish_change()
    name = "timestamp.json" if behind == "timestamp" else "2.root.json"
    (served.repository / "metadata" / name).write_bytes(b"{]")
    refused(served, "malformed")


def test_metadata_without_end_is_cut(served):
    """A server that sends without end fills neither memory nor disk."""
    (served.repository / "metadata" / "timestamp.json").write_bytes(b" " * (1 << 20))
    refused(served, "larger than what was signed")


@pytest.mark.parametrize(
    "record",
    [
        {"id": "x", "name": "X", "blobs": {"../../etc/passwd": 5}},
        {"id": "x", "name": "X", "blobs": {"a" * 64: 1 << 40}},
        {"id": "x", "name": "X", "blobs": ["a"]},
        {"id": "../x", "name": "X"},
        {"id": "x", "name": "X", "start": "never"},
        {"id": "x", "name": {"fr": 7}, "published": 7},
    ],
    ids=["path", "size", "list", "id", "date", "type"],
)
def test_signed_nonsense_is_refused(served, record):
    """Even a trusted publisher's record can't leave its place, fill the disk or break the pages."""
    served.forge([record])
    result = served.downlink.check()
    assert isinstance(result.error, ContentError), result
    assert served.replica.version() == 1
    assert sorted(path.name for path in served.settings.content_db.parent.iterdir()) == [
        "blobs", "content.db", "content.db-shm", "content.db-wal", "tuf",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "spoil",
    [
        lambda index: index | {"format": 2},
        lambda index: index | {"version": -1},
        lambda index: index | {"collections": {"../x": next(iter(index["collections"].values()))}},
        lambda index: index | {"collections": {"x": {"cursor": 1}}},
        lambda index: index | {"collections": []},
    ],
)
def test_a_signed_index_that_breaks_the_format_is_refused(served, spoil):
    """What the format does not allow is refused before anything is fetched for it."""
    root = keys.load_root(served.keys).signed
    before = signing.verify(lambda name: (served.repository / name).read_bytes(), root)
    index = json.loads(layout.unpack(before.index)[0])
    served.write_index(layout.pack([layout.canonical(spoil(index))]), before)
    assert isinstance(served.downlink.check().error, ContentError)
    assert served.replica.version() == 1


def test_a_bomb_is_refused():
    """A file that swells beyond all measure is cut while it is decompressed."""
    with pytest.raises(ContentError, match="larger than 1000 bytes once decompressed"):
        layout.unpack(layout.pack(["0" * 100_000]), limit=1000)


def test_damage_of_the_database_heals(served):
    """Records that were changed behind our back are found by the state hash and fetched again."""
    with closing(sqlite3.connect(served.settings.content_db)) as connection:
        connection.execute("UPDATE records SET body = replace(body, 'couvreurs', 'pirates')")
        connection.commit()
    assert "pirates" in served.activity()
    assert served.downlink.check().error is None
    assert "couvreurs" in served.activity()


def test_a_destroyed_database_is_put_aside_and_fetched_again(served):
    """A file full of rubbish costs one download, not the service."""
    served.replica.close()
    served.downlink.close()
    served.settings.content_db.write_bytes(b"rubbish" * 10_000)
    result = served.downlink.check()
    assert (result.changed, result.version) == (True, 1)
    assert served.settings.content_db.with_name("content.db.corrupt").exists()
    assert "couvreurs" in served.activity()


def test_pages_of_rubbish_inside_the_database_are_noticed(served):
    """Damage in the middle of the file is told once and mended by the next look."""
    served.replica.close()
    served.downlink.close()
    with served.settings.content_db.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * 300_000)
    results = [served.downlink.check() for _ in range(2)]
    assert results[-1].error is None
    assert results[-1].version == 1
    assert "couvreurs" in served.activity()


def test_lost_blobs_come_back(served):
    """A blob that vanished from the device is fetched at the next look."""
    for path in served.settings.blobs_dir.iterdir():
        path.unlink()
    assert served.downlink.check().changed
    assert all(served.replica.blob_path(plan["svg"]) for plan in served.replica.list("plans"))


def test_a_full_disk_is_told_and_leaves_everything(served, monkeypatch):
    """Where new images would not fit, none is fetched, and what is here stays."""
    plan = served.source / "plan" / "etage-1.svg"
    plan.write_text(plan.read_text(encoding="utf-8").replace("<title", "<desc>x</desc><title", 1), encoding="utf-8")
    served.publish_change()
    monkeypatch.setattr(blobs.shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))
    refused(served, "The disk has 1000 bytes free")


def test_a_full_database_is_told_and_leaves_everything(served):
    """SQLite's own "disk is full" rolls back; afterwards the same look succeeds."""
    served.edit()
    table = (served.source / "companies.csv").read_text(encoding="utf-8").splitlines()
    rows = [table[-1].replace("conciergerie-exemple", f"entreprise-{number}") for number in range(500)]
    (served.source / "companies.csv").write_text("\n".join([*table, *rows]) + "\n", encoding="utf-8")
    served.publish()
    connection = served.downlink._open._connection
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {pages}")
    refused(served, "can't be stored (database or disk is full)")
    connection.execute("PRAGMA max_page_count = 1000000")
    assert served.downlink.check().version == 2


@pytest.mark.parametrize("root", [None, Path("/nowhere/root.json")])
def test_without_a_trusted_root_nothing_is_taken(site, root):
    """Content is never taken on trust; the message says which setting to fill."""
    site.settings.content.root = root
    refused(site, "[content] root")


def test_without_a_url_what_is_here_is_served(served):
    """A device without a repository is no error."""
    served.settings.content.url = ""
    result = served.downlink.check()
    assert (result.changed, result.version, result.error) == (False, 1, None)


def test_a_first_content_by_hand(tmp_path):
    """Records can be loaded without a repository, as the tests of the pages do."""
    content_db.load(tmp_path / "content.db", {"park": [{"id": "park", "name": "P"}]}, 1, NOW)
    with closing(Replica(tmp_path / "content.db")) as replica:
        assert replica.park() == {"collection": "park", "id": "park", "name": "P"}


def test_a_segment_chain_of_another_line_heals_by_snapshot(served):
    """Segments that start from other records than ours don't make a mixture: the state hash tells."""
    with closing(sqlite3.connect(served.settings.content_db)) as connection:
        connection.execute("DELETE FROM records WHERE id = 'galet-fictif'")
        connection.commit()
    served.publish_change()
    assert served.downlink.check().error is None
    assert served.replica.count("companies") == 15
    assert "snapshots" in served.road.taken()


assert changes.MOST_SEGMENTS < 12, "test_a_device_that_was_away_catches_up needs a compaction"
