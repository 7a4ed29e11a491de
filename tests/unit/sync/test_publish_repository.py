# SPDX-License-Identifier: EUPL-1.2
"""Publishing into a repository: small changes cost little, mistakes cost nothing, nothing is half-written."""

import json
import os
import shutil
import stat
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from edge_core.errors import ContentError
from sync.downlink import repository_format as layout
from sync.publish import changes, keys, publisher, signing, watch
from sync.publish.folder import Folder
from sync.publish.problems import SourceError

ROOT = Path(__file__).parents[3]
NOW = 1_795_000_000.0
DAY = 86_400


@pytest.fixture
def place(tmp_path):
    shutil.copytree(ROOT / "content" / "demo", tmp_path / "source")
    keys.make(tmp_path / "keys", NOW)
    return tmp_path


def publish(place, now=NOW):
    return publisher.publish(place / "source", place / "repository", place / "keys", now)


def files(place):
    return {
        path.relative_to(place / "repository").as_posix(): path.read_bytes()
        for path in (place / "repository").rglob("*")
        if path.is_file() and path.name != ".lock"
    }


def edit(place, name, old, new):
    path = place / "source" / name
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def index_of(place):
    timestamp = signing.verify(
        lambda name: (place / "repository" / name).read_bytes(), keys.load_root(place / "keys").signed
    )
    return layout.read_index(timestamp.index)


def test_the_index_is_as_the_contract_says(place):
    """The published index is valid by its JSON Schema."""
    publish(place)
    edit(place, "companies.csv", "couvreurs", "zingueurs")
    publish(place)
    schema = json.loads((ROOT / "contracts" / "content" / "index.schema.json").read_text(encoding="utf-8"))
    (newest,) = [data for name, data in files(place).items() if name.startswith("targets/") and data != b""][-1:]
    Draft202012Validator(schema).validate(json.loads(layout.unpack(newest)[0]))


def test_publishing_again_writes_nothing(place):
    """Without a change there is no new version, no new file and nothing for devices to fetch."""
    first = publish(place)
    before = files(place)
    second = publish(place, NOW + 3600)
    assert (first.version, first.published, second.version, second.published) == (1, True, 1, False)
    assert files(place) == before


def test_the_same_folder_gives_the_same_files(place, tmp_path):
    """Published twice from nothing by the same keys, content and signatures are the same bytes."""
    publish(place)
    before = files(place)
    shutil.rmtree(place / "repository")
    publish(place)
    assert files(place) == before


def test_one_changed_company_costs_one_small_segment(place):
    """A device fetches some hundred bytes and the index, not the collection."""
    publish(place)
    before = set(files(place))
    edit(place, "companies.csv", "couvreurs", "zingueurs")
    report = publish(place)
    fresh = {name: len(data) for name, data in files(place).items() if name not in before}
    assert report.changes == {"companies": (0, 1, 0)}
    assert sorted(name.split("/")[0] for name in fresh) == ["metadata", "metadata", "segments", "targets"]
    assert sum(size for name, size in fresh.items() if not name.startswith("metadata")) < 2048


def test_a_mistake_leaves_the_repository_untouched(place):
    """Nothing at all is written when a single file is wrong."""
    publish(place)
    before = files(place)
    edit(place, "companies.csv", "couvreurs", "zingueurs")
    edit(place, "services.csv", "room,park", "salon,park")
    with pytest.raises(SourceError, match=r"1 mistake to correct[\s\S]*services.csv, line 2"):
        publish(place)
    assert files(place) == before


def test_keys_are_secret_and_never_overwritten(place):
    """A private key is readable by its owner only, and a second `keys make` doesn't destroy it."""
    assert stat.S_IMODE((place / "keys" / "targets.pem").stat().st_mode) == 0o600
    with pytest.raises(ContentError, match="holds keys already"):
        keys.make(place / "keys", NOW)


def test_publishing_needs_no_root_key(place):
    """The root's private key can stay in a safe."""
    (place / "keys" / "root.pem").unlink()
    assert publish(place).version == 1


def test_other_keys_are_refused(place):
    """A repository goes on with the keys that it began with; the message says so."""
    publish(place)
    shutil.rmtree(place / "keys")
    keys.make(place / "keys", NOW)
    with pytest.raises(ContentError, match="not signed by these keys"):
        publish(place)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda folder: (folder / "timestamp.pem").unlink(), "it is missing"),
        (lambda folder: shutil.copy(folder / "root.pem", folder / "targets.pem"), "not the one that root.json names"),
        (lambda folder: (folder / "targets.pem").write_text("x"), "can't be read"),
        (lambda folder: (folder / "root.json").write_text("{}"), "can't be read"),
    ],
)
def test_bad_keys_are_said(place, spoil, said):
    """A lost or foreign key is named with what to do."""
    spoil(place / "keys")
    with pytest.raises(ContentError, match=said) as raised:
        publish(place)
    assert raised.value.remedy


def test_a_lost_file_is_replaced_by_a_new_snapshot(place):
    """A repository that lost a snapshot mends itself at the next publication."""
    publish(place)
    for path in (place / "repository" / "snapshots").iterdir():
        path.unlink()
    publish(place)
    index = index_of(place)
    for entry in index.collections.values():
        lines = changes.replay(entry, lambda name: (place / "repository" / name).read_bytes())
        assert layout.state_hash(lines[key] for key in sorted(lines)) == entry.state_hash


def test_signatures_are_renewed_before_they_expire(place):
    """Publishing without a change puts off the expiry in time, and only then."""
    publish(place)
    (place / "source" / "events" / "park.ics").unlink()
    publish(place)
    before = files(place)
    assert publish(place, NOW + 3 * DAY).version == 2
    assert files(place) == before
    publish(place, NOW + 8 * DAY)
    renewed = {name for name, data in files(place).items() if before.get(name) != data}
    assert renewed == {"metadata/timestamp.json"}


def test_another_publisher_is_kept_out(place):
    """Two publications at once don't mix."""
    publish(place)
    with Folder(place / "repository").locked(), pytest.raises(ContentError, match="Another publisher"):
        publish(place)


def test_old_files_go_after_a_day(place):
    """What nothing names any more is swept, but not while a device may be fetching it."""
    publish(place)
    old = place / "repository" / "snapshots" / ("0" * 64 + ".jsonl.zst")
    young = place / "repository" / "blobs" / ("1" * 64)
    for path, age in ((old, 2 * DAY), (young, 60)):
        path.write_bytes(b"x")
        os.utime(path, (NOW - age, NOW - age))
    edit(place, "companies.csv", "couvreurs", "zingueurs")
    publish(place)
    assert not old.exists()
    assert young.exists()


LINES = st.dictionaries(st.sampled_from("abcdefgh"), st.integers(0, 3)).map(
    lambda chosen: {key: layout.canonical({"id": key, "n": number}) for key, number in chosen.items()}
)


@given(st.lists(LINES, min_size=1, max_size=30), st.data())
def test_any_device_comes_out_where_the_publisher_is(history, data):
    """From nothing or from any version, snapshot and segments lead to exactly what was published last."""
    stored, entries, states = {}, [], []
    entry, old = None, None
    for lines in history:
        step = changes.step(entry, old, lines)
        stored |= step.files
        entry, old = step.collection, lines
        entries.append(entry)
        states.append(lines)
    start = data.draw(st.integers(-1, len(entries) - 1))
    held, cursor = (dict(states[start]), entries[start].cursor) if start >= 0 else ({}, None)
    snapshot, segments = entry.path_from(cursor)
    steps = [layout.read_segment(stored[layout.segment_path(each.file)]) for each in segments]
    if snapshot is not None:
        held = {}
        steps.insert(0, layout.read_snapshot(stored[layout.snapshot_path(snapshot.file)]))
    for change in (change for each in steps for change in each):
        if change.line is None:
            held.pop(change.id, None)
        else:
            held[change.id] = change.line
    assert held == history[-1]
    assert layout.state_hash(held[key] for key in sorted(held)) == entry.state_hash
    assert len(entry.segments) <= changes.MOST_SEGMENTS


def test_watching_publishes_each_change_and_survives_mistakes(place, monkeypatch):
    """A change is published once it is whole, one of what others hand in too; the watch goes on whatever happened."""
    monkeypatch.setattr(watch, "POLL", 0.01)
    seen, enough = [], threading.Event()

    def once():
        seen.append((place / "source" / "park.toml").read_text(encoding="utf-8"))
        if len(seen) == 1:
            edit(place, "park.toml", "Parc Exemple", "Parc Renommé")
        elif len(seen) == 2:
            (place / "handed-in" / "ardoise").mkdir(parents=True)
        else:
            enough.set()

    watch.watch([place / "source", place / "handed-in"], once, enough.is_set)
    assert "Parc Renommé" in seen[-1]
    assert len(seen) == 3
