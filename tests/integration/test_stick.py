# SPDX-License-Identifier: EUPL-1.2
"""A stick with the repository on it: verified like any road, read-only, and harmless when it is hostile or pulled."""

import shutil
import subprocess
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from tuf.api.exceptions import DownloadError

from edge_core import clock, settings, stick_receipt
from edge_core.errors import ContentError
from edge_core.hotplug import Change, Plugged, role_of
from edge_core.store.replica import Replica
from sync import stick, stick_watch
from sync.downlink import Downlink
from sync.publish import keys, publisher

pytestmark = pytest.mark.integration
ROOT = Path(__file__).parents[2]


@pytest.fixture
def place(tmp_path):
    shutil.copytree(ROOT / "content" / "demo", tmp_path / "source")
    keys.make(tmp_path / "keys", clock.now())
    publisher.publish(tmp_path / "source", tmp_path / "stick" / "parvis", tmp_path / "keys", clock.now())
    file = tmp_path / "device.toml"
    file.write_text(
        f'[site]\nid = "site"\nname = "Site"\n[device]\nid = "device"\nstate_dir = "{tmp_path}/state"\n'
        f'[content]\nroot = "{tmp_path}/keys/root.json"\n',
        encoding="utf-8",
    )
    configuration = settings.load(file, {})
    with closing(Downlink(configuration)) as downlink, closing(Replica(configuration.content_db)) as replica:
        yield tmp_path, downlink, replica, configuration


def test_content_comes_from_a_stick(place):
    """A device without any network takes what a stick holds, and tells how far it is."""
    folder, downlink, replica, _ = place
    seen = []
    result = stick.take(downlink, folder / "stick", lambda done, total: seen.append((done, total)))
    assert (result.version, result.error) == (1, None)
    assert replica.park()["name"] == "Parc Exemple"
    assert seen == [(0, 2), (1, 2)]


def test_a_stick_with_nothing_on_it_is_said(place, tmp_path):
    """No repository: the message says what to copy where."""
    (tmp_path / "empty").mkdir()
    with pytest.raises(ContentError, match="no content repository"):
        stick.take(place[1], tmp_path / "empty")


def test_an_older_stick_takes_nothing_back(place):
    """Yesterday's stick can't roll a device back."""
    folder, downlink, replica, _ = place
    shutil.copytree(folder / "stick", folder / "yesterday")
    text = (folder / "source" / "companies.csv").read_text(encoding="utf-8")
    (folder / "source" / "companies.csv").write_text(text.replace("couvreurs", "zingueurs"), encoding="utf-8")
    publisher.publish(folder / "source", folder / "stick" / "parvis", folder / "keys", clock.now())
    assert stick.take(downlink, folder / "stick").version == 2
    assert "rolled back" in str(stick.take(downlink, folder / "yesterday").error)
    assert "zingueurs" in replica.get("companies", "exemple-ardoise")["activity"]["fr"]


def test_links_on_a_stick_lead_nowhere(place):
    """A file of the stick that is a link to a file of the device is not read."""
    folder, downlink, replica, _ = place
    for path in (folder / "stick" / "parvis" / "snapshots").iterdir():
        path.rename(folder / path.name)
        path.symlink_to(folder / path.name)
    assert stick.take(downlink, folder / "stick").error is not None
    assert replica.version() is None
    fetcher = stick.FolderFetcher(folder / "stick" / "parvis")
    (folder / "linked").mkdir()
    (folder / "linked" / "parvis").symlink_to(folder / "stick" / "parvis")
    assert (folder / "linked" / "parvis" / "metadata" / "timestamp.json").exists()
    assert stick.repository_in(folder / "linked") is None
    for name in ("../../keys/root.json", "metadata/../../../keys/root.json", "/etc/passwd", "metadata", "a\0b"):
        with pytest.raises(DownloadError):
            fetcher.download_bytes(f"stick:///{name}", 1000)


@pytest.mark.parametrize("kept", range(12))
def test_a_stick_that_is_pulled_changes_nothing(place, monkeypatch, kept):
    """Pulled after any number of files, the content before stays, whole; the next stick completes it."""
    folder, downlink, replica, _ = place
    real, opened = stick.FolderFetcher._open, []

    def pulled(self, name):
        opened.append(name)
        if len(opened) > kept:
            raise DownloadError("the stick was pulled out")
        return real(self, name)

    monkeypatch.setattr(stick.FolderFetcher, "_open", pulled)
    result = stick.take(downlink, folder / "stick")
    assert result.error is not None
    assert replica.version() is None
    monkeypatch.setattr(stick.FolderFetcher, "_open", real)
    assert stick.take(downlink, folder / "stick").version == 1


def test_a_stick_is_mounted_without_any_right(place, tmp_path):
    """A real file system is mounted read-only, without devices, set-user-id or execution, and released."""
    image = tmp_path / "stick.img"
    subprocess.run(["truncate", "-s", "8M", str(image)], check=True)
    made = subprocess.run(
        ["mkfs.ext4", "-q", "-d", str(tmp_path / "stick"), str(image)], check=False, capture_output=True
    )
    loop = subprocess.run(["losetup", "--find", "--show", str(image)], check=False, capture_output=True, text=True)
    if made.returncode or loop.returncode:
        pytest.skip(f"no loop device here: {loop.stderr.strip()}")
    node = loop.stdout.strip()
    try:
        with stick.mounted(node) as folder:
            options = next(
                line.split()[3] for line in Path("/proc/mounts").read_text().splitlines() if str(folder) in line
            )
            assert {"ro", "nosuid", "nodev", "noexec"} <= set(options.split(","))
            assert stick.take(place[1], folder).version == 1
        assert str(folder) not in Path("/proc/mounts").read_text()
        change = Change(came=True, device=Plugged("stick", node, "PARVIS", "ext4"))
        assert stick.react(change, place[3], place[1]).version == 1
    finally:
        subprocess.run(["losetup", "--detach", node], check=True)


def test_each_stick_leaves_a_receipt_for_the_screen(place, monkeypatch):
    """How far it is; taken, refused for its signature, for its age, for holding nothing: the technician reads which."""
    folder, downlink, _, configuration = place
    write = stick_receipt.write

    def receipt(name):
        @contextmanager
        def mounted(_node):
            yield folder / name

        monkeypatch.setattr(stick, "mounted", mounted)
        stick.react(Change(came=True, device=Plugged("stick", "/dev/sda1")), configuration, downlink)
        return stick_receipt.read(configuration.run_dir)

    shutil.copytree(folder / "stick", folder / "yesterday")
    shutil.copytree(folder / "stick", folder / "forged")
    (folder / "empty").mkdir()
    for path in (folder / "forged" / "parvis" / "metadata").glob("*timestamp.json"):
        path.write_text(path.read_text(encoding="utf-8").replace('"version": 1', '"version": 9'), encoding="utf-8")
        path.write_text(path.read_text(encoding="utf-8").replace('"version":1', '"version":9'), encoding="utf-8")
    text = (folder / "source" / "companies.csv").read_text(encoding="utf-8")
    (folder / "source" / "companies.csv").write_text(text.replace("couvreurs", "zingueurs"), encoding="utf-8")
    publisher.publish(folder / "source", folder / "stick" / "parvis", folder / "keys", clock.now())
    told = []
    monkeypatch.setattr(stick, "_TELL_SECONDS", 0.0)
    monkeypatch.setattr(stick_receipt, "write", lambda run, each: told.append(each) or write(run, each))
    good = receipt("stick")
    assert (good.state, good.reason, good.node) == ("taken", "", "/dev/sda1")
    assert [(each.state, each.reason) for each in told[:1]] == [("reading", "")]
    assert len(told) > 2
    assert [each.percent for each in told] == sorted(each.percent for each in told)
    reasons = {name: receipt(name) for name in ("forged", "yesterday", "empty")}
    assert {each.state for each in reasons.values()} == {"rejected"}
    assert "rolled back" in reasons["yesterday"].reason
    assert "no content repository" in reasons["empty"].reason
    assert "sign" in reasons["forged"].reason


@pytest.mark.parametrize("node", ["sda1", "/dev/../etc/passwd", "/dev/sda1 -o rw", "--bind", "/tmp/x"])
def test_only_block_devices_are_mounted(node):
    """What is no plain name below /dev never reaches the mount command."""
    with pytest.raises(ContentError, match="no block device"), stick.mounted(node):
        pass


@pytest.mark.parametrize(
    ("properties", "role"),
    [
        ({"ID_BUS": "usb", "ID_FS_TYPE": "vfat"}, "stick"),
        ({"ID_BUS": "usb", "ID_FS_TYPE": "crypto_LUKS"}, None),
        ({"ID_BUS": "ata", "ID_FS_TYPE": "ext4"}, None),
        ({"ID_BUS": "usb"}, None),
    ],
)
def test_not_every_disk_is_a_stick(properties, role):
    """Only a file system that we read, on the USB bus, is a stick."""
    found = role_of("block", "/dev/sdb1", properties, {})
    assert (found.role if found else None) == role


def test_the_unit_of_sticks_takes_what_is_there_and_ends(place, monkeypatch):
    """As udev starts it: each stick that is plugged in is taken, once, and the process ends."""
    _, _, _, configuration = place
    taken = []

    class Plugs:
        def present(self):
            return {Plugged("stick", "/dev/sdb1", "PARVIS", "vfat"), Plugged("scanner", "/dev/input/event3")}

    monkeypatch.setattr(stick_watch, "Hotplug", Plugs)
    monkeypatch.setattr(stick_watch.stick, "react", lambda change, *_: taken.append((change.came, change.device.node)))
    monkeypatch.setattr("sys.argv", ["stick_watch", "--once", "--config", str(configuration.source)])
    assert stick_watch.main() == 0
    assert taken == [(True, "/dev/input/event3"), (True, "/dev/sdb1")]
