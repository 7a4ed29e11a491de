# SPDX-License-Identifier: EUPL-1.2
"""Releases: who gets which, that nobody but the operator says so, and how a device judges and goes back."""

import errno
import hashlib
import io
import os
import shutil
import sys
import tarfile
from ipaddress import ip_interface
from pathlib import Path
from types import SimpleNamespace

import pytest
from securesystemslib.signer import CryptoSigner

from edge_core import clock
from edge_core.errors import ContentError, ProcessError
from lab.faults import updating
from sync.downlink import Downlink, blobs
from sync.downlink.repository_format import FileRef
from sync.publish import ceremony, keys, publisher, releasing
from sync.release import build, carry, channel, gate, install, trial
from sync.release.shelf import Shelf
from sync.stick import FolderFetcher

ROOT = Path(__file__).parents[3]
NOW = clock.now()
PLACE = "py311-x86_64"
NAME = f"parvis-0.2.0-1a2b3c4d-{PLACE}"
WORD = channel.Channel(3, "0.2.0-1a2b3c4d", 10, halted=False, bundles={PLACE: FileRef("a" * 64, 9)})


def staged(stage, **changed):
    return channel.Channel(3, "0.2.0-1a2b3c4d", stage, changed.get("halted", False), WORD.bundles)


def test_a_stage_holds_the_stages_before_it():
    """About 1 and 10 of a hundred devices, then all; who was in an earlier stage stays in."""
    fleet = [f"gateway-{number}" for number in range(2000)]
    chosen = [{name for name in fleet if staged(stage).wanted("parc", name, PLACE)} for stage in (1, 10, 100)]
    assert chosen[0] < chosen[1] < chosen[2]
    assert len(chosen[2]) == 2000
    assert 5 < len(chosen[0]) < 45
    assert 150 < len(chosen[1]) < 250


def test_another_release_has_other_pioneers():
    """The same devices aren't always the first to suffer."""
    shares = [channel.share_of("parc", f"g{number}", release) for release in ("1", "2") for number in range(50)]
    assert len(set(shares)) == 100


def test_nobody_gets_a_release_that_is_stopped_or_not_made_for_it():
    """Stopped means everybody; a bundle for another machine is none."""
    assert staged(100, halted=True).wanted("parc", "g", PLACE) is None
    assert staged(100).wanted("parc", "g", "py313-aarch64") is None


@pytest.mark.parametrize(
    ("stage", "told", "then"),
    [
        (1, (1000, 10, 0), (10, False)),  # all of the first stage have it
        (1, (1000, 3, 0), (1, False)),  # too early to say
        (10, (1000, 95, 1), (100, False)),
        (10, (1000, 95, 3), (10, True)),  # more than 2 of 100 went back
        (1, (1000, 0, 1), (1, True)),
        (100, (1000, 999, 1), (100, False)),
    ],
)
def test_a_stage_goes_on_or_stops_by_what_devices_told(stage, told, then):
    """Further when nine of ten have it, stopped when more than 2 % went back."""
    word = channel.next_step(staged(stage), *told)
    assert (word.stage, word.halted) == then


def test_what_was_stopped_goes_on_by_hand_only():
    """A stopped release isn't set going by good news."""
    assert channel.next_step(staged(1, halted=True), 1000, 10, 0).halted


def test_the_word_is_read_as_it_was_written():
    """Both ways, every member."""
    assert channel.read(channel.write(WORD)) == WORD


@pytest.mark.parametrize(
    "wrong",
    [b"", b"[]", b"{}", b"\xff", b'{"format":1}', channel.write(WORD).replace(b'"stage": 10', b'"stage": 101'),
     channel.write(WORD).replace(b"py311", b"../..") , channel.write(WORD).replace(b"a" * 64, b"b"),
     channel.write(WORD).replace(b"0.2.0-1a2b3c4d", b"0.2.0-1a2b3c4d/../x"), b"[" * 100000],
)  # fmt: skip
def test_a_malformed_word_is_refused_in_words(wrong):
    """A signature doesn't make nonsense true, nor may a name lead out of its folder."""
    with pytest.raises(ContentError, match="releases"):
        channel.read(wrong)


class Fleet:
    """An operator's repository, and one device with its state and its shelf."""

    def __init__(self, folder, demo):
        self.keys, self.repository, self.shelf = folder / "keys", folder / "repository", Shelf(folder / "opt")
        self.bundle = folder / f"{NAME}.tar"
        self.bundle.write_bytes(b"wheels")
        self.demo = demo
        keys.make(self.keys, NOW)
        self.settings = SimpleNamespace(
            site=SimpleNamespace(id="parc"), device=SimpleNamespace(id="g1", state_dir=folder / "state"),
            content=SimpleNamespace(url="", root=self.keys / "root.json", share=None, interval=60, neighbours=()),
            content_db=folder / "state/content.db", blobs_dir=folder / "state/blobs", tuf_dir=folder / "state/tuf",
        )  # fmt: skip
        self.shelf.home.mkdir()
        updating.begin(self.shelf.home)
        self.publish()

    def publish(self):
        publisher.publish(self.demo, self.repository, self.keys, NOW)

    def release(self, stage=100):
        return releasing.publish([self.bundle], self.repository, self.keys, NOW, stage)

    def look(self):
        """Fetch as `sync` does, by the road of a folder."""
        downlink = Downlink(self.settings, carry=lambda said, road: carry.carry(said, self.settings, road))
        road = carry_road(self.repository)
        try:
            return downlink.check(road)
        finally:
            downlink.close()

    def digest(self):
        return hashlib.sha256(self.bundle.read_bytes()).hexdigest()

    def due(self):
        return install.due(self.settings, self.shelf)


def carry_road(repository):
    from sync.downlink.road import Road  # noqa: PLC0415  beside its use

    return Road("stick://here", FolderFetcher(repository))


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """A source of content."""
    return shutil.copytree(ROOT / "content" / "demo", tmp_path_factory.mktemp("content") / "demo")


@pytest.fixture
def fleet(tmp_path, demo, monkeypatch):
    """A device that runs 0.1.0."""
    monkeypatch.setattr(carry, "running", lambda: updating.OLD)
    monkeypatch.setattr(carry, "place", lambda: PLACE)
    monkeypatch.setattr(install, "place", lambda: PLACE)
    return Fleet(tmp_path, demo)


def test_a_signed_release_comes_to_the_device(fleet):
    """Carried by `sync` with the content, verified again by the installer, which keeps a copy of its own."""
    fleet.release()
    assert fleet.look().error is None
    assert (carry.carried(fleet.settings) / carry.DUE).read_text() == f"1 {NAME}\n"
    name, bundle, sequence = fleet.due()
    assert (name, bundle.read_bytes(), sequence) == (NAME, b"wheels", 1)


def test_the_installer_can_read_what_was_carried(fleet):
    """It is root without a right over others' files: the group must be able to read every file that it verifies."""
    fleet.release()
    fleet.look()
    files = [path for path in fleet.settings.tuf_dir.rglob("*") if path.is_file() and path.suffix in (".json", ".zst")]
    assert len(files) > 4
    assert all(path.stat().st_mode & 0o040 for path in files)


def test_a_process_knows_its_release_through_the_link(tmp_path, monkeypatch):
    """Units start Python by /opt/parvis/current; elsewhere there is no release."""
    (tmp_path / "releases" / NAME).mkdir(parents=True)
    (tmp_path / "current").symlink_to(tmp_path / "releases" / NAME)
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "current"))
    assert carry.running() == NAME
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    assert not carry.running()


def test_content_goes_on_beside_releases(fleet):
    """Publishing content after a release keeps the release, and the other way round."""
    fleet.release()
    fleet.publish()
    assert fleet.look().version == 1
    assert fleet.due()[0] == NAME


def test_a_repository_keeps_the_bundles_that_its_word_names(fleet):
    """Those of earlier releases go after a day: a device may be fetching one at this moment."""
    fleet.release()
    before = fleet.digest()
    fleet.bundle.write_bytes(b"other wheels")
    fleet.release()
    bundles = fleet.repository / "releases"
    assert sorted(path.stem for path in bundles.iterdir()) == sorted([before, fleet.digest()])
    for path in bundles.iterdir():
        os.utime(path, (NOW - 2 * 86_400,) * 2)
    fleet.release()
    assert [path.stem for path in bundles.iterdir()] == [fleet.digest()]


def test_releases_go_on_after_a_change_of_the_root(fleet):
    """Rotating a key of content, or renewing the root, leaves the key of releases where it is, and its word stands."""
    fleet.release()
    ceremony.rotate(fleet.keys, "timestamp", [], NOW)
    fleet.publish()
    assert releasing.standing(fleet.repository, fleet.keys)[1] == 1
    assert fleet.release().sequence == 2
    assert fleet.look().error is None
    assert (carry.carried(fleet.settings) / carry.DUE).read_text() == f"2 {NAME}\n"


def test_a_stolen_key_of_releases_is_replaced(fleet, tmp_path):
    """The word that stands is signed anew and goes on; what the old key signs is believed nowhere any more."""
    fleet.release()
    fleet.look()
    thief = shutil.copytree(fleet.keys, tmp_path / "thief")
    assert releasing.replace_key(fleet.repository, fleet.keys, NOW).sequence == 1
    assert fleet.look().error is None
    assert fleet.due()[0] == NAME
    assert len(list((fleet.keys / "retired").glob("releases-*.pem"))) == 1
    with pytest.raises(ContentError, match="not signed by these keys"):
        releasing.publish([fleet.bundle], fleet.repository, thief, NOW, 100)
    assert fleet.release().sequence == 2
    fleet.look()
    assert fleet.due()[2] == 2


def test_a_replacement_that_was_interrupted_is_completed(fleet, monkeypatch):
    """Cut off before the new key took the old one's place: asked again, it goes on with the same new key."""
    fleet.release()
    with monkeypatch.context() as patch:
        patch.setattr(Path, "hardlink_to", _cut)
        with pytest.raises(KeyboardInterrupt):
            releasing.replace_key(fleet.repository, fleet.keys, NOW)
    waiting = (fleet.keys / "releases.next.pem").read_bytes()
    releasing.replace_key(fleet.repository, fleet.keys, NOW)
    assert (fleet.keys / "releases.pem").read_bytes() == waiting
    assert fleet.look().error is None
    assert fleet.due()[0] == NAME


def _cut(*_):
    raise KeyboardInterrupt


def test_a_device_out_of_the_stage_gets_nothing(fleet):
    """It doesn't even fetch the bundle."""
    fleet.release(stage=0)
    fleet.look()
    assert not carry.carried(fleet.settings).exists()
    assert fleet.due() is None


def test_a_stopped_release_is_installed_nowhere(fleet):
    """Also where it was brought already."""
    fleet.release()
    fleet.look()
    releasing.change(fleet.repository, fleet.keys, NOW, lambda before: channel.staged(before, None, halted=True))
    fleet.look()
    assert fleet.due() is None


def test_a_bundle_that_was_changed_on_the_device_is_refused(fleet):
    """Whoever gets hold of `sync` can't choose what runs."""
    fleet.release()
    fleet.look()
    next(carry.carried(fleet.settings).glob("*.tar")).write_bytes(b"wheelz")
    with pytest.raises(ContentError, match="not the one that was signed"):
        fleet.due()


def test_a_word_of_another_key_is_refused_and_content_goes_on(fleet, tmp_path):
    """Whoever holds the web server, or the keys without the releases' own, changes no program; content stays."""
    fleet.release()
    thief = tmp_path / "thief"
    shutil.copytree(fleet.keys, thief)
    (thief / "releases.pem").unlink()
    keys.write_secret(thief / "releases.pem", CryptoSigner.generate_ed25519())
    with pytest.raises(ContentError, match="not signed by these keys"):
        releasing.publish([fleet.bundle], fleet.repository, thief, NOW, 100)
    stolen = next((fleet.repository / "metadata").glob("1.releases.json"))
    stolen.write_bytes(stolen.read_bytes().replace(b'"sig":"', b'"sig":"00', 1))
    result = fleet.look()
    assert (result.error, result.version) == (None, 1)
    assert not carry.carried(fleet.settings).exists()


@pytest.fixture
def installer(fleet, monkeypatch):
    """Return a way to have the installer do one round with a device that says what troubles it."""
    monkeypatch.setattr(install, "tell", lambda *_: None)

    def run(trouble):
        monkeypatch.setattr(install, "Device", lambda _: updating.Hands(trouble))
        return install.run(fleet.settings, fleet.shelf)

    return run


def test_an_installed_release_leaves_no_copy_of_its_bundle(fleet, installer):
    """The bundle that was verified goes once the release is there: it is as large as the release."""
    fleet.release()
    assert fleet.look().error is None
    assert installer("").what == "installed"
    assert [path.name for path in fleet.shelf.home.glob("*.tar")] == []


def test_a_release_that_brings_the_machine_down_is_not_tried_for_ever(fleet, installer):
    """A trial that was cut and then found bad is refused as any other: by the word that asked for it."""
    fleet.release()
    assert fleet.look().error is None
    updating.Hands().build(fleet.bundle, fleet.shelf.folder(NAME))
    fleet.shelf.complete(NAME)
    fleet.shelf.point("current", NAME)  # and then the power went
    assert installer("the portal is away").what == "rolled_back"
    assert fleet.due() is None


def test_a_bundle_leaves_room_to_sessions_and_events(fleet, monkeypatch):
    """On a disk that it would fill it isn't fetched, content goes on; what came of other releases is taken away."""
    assert fleet.look().error is None
    fleet.release()
    folder = carry.carried(fleet.settings)
    folder.mkdir(parents=True)
    for name in ("other.tar", ".other.tar.partial"):
        (folder / name).write_bytes(b"half of another release")
    with monkeypatch.context() as full:
        full.setattr(blobs.shutil, "disk_usage", lambda _: SimpleNamespace(free=8 << 20))
        assert fleet.look().error is None
    assert list(folder.iterdir()) == []
    assert fleet.look().error is None
    assert sorted(path.name for path in folder.iterdir()) == sorted([f"{fleet.digest()}.tar", carry.DUE])


def test_a_release_that_was_not_well_waits_for_a_new_word(fleet):
    """It isn't tried again and again; the operator's next word begins anew."""
    fleet.release()
    fleet.look()
    fleet.shelf.refuse(NAME, 1)
    assert fleet.due() is None
    fleet.release()
    fleet.look()
    assert fleet.due()[2] == 2


def test_bundles_that_no_device_could_take_are_refused(fleet, tmp_path, monkeypatch):
    """One word, one release; nothing larger than a device will fetch."""
    other = tmp_path / f"parvis-0.3.0-aaaaaaaa-{PLACE}.tar"
    other.write_bytes(b"x")
    with pytest.raises(ContentError, match="2 releases"):
        releasing.publish([fleet.bundle, other], fleet.repository, fleet.keys, NOW, 1)
    monkeypatch.setattr(channel, "MOST_BYTES", 4)
    with pytest.raises(ContentError, match="has 6 bytes, where devices take 1 to 4"):
        fleet.release()
    with pytest.raises(ContentError, match="no bundle's name"):
        releasing.publish([tmp_path / "x.tar"], fleet.repository, fleet.keys, NOW, 1)


@pytest.fixture
def home(tmp_path):
    """A device that runs the old release."""
    folder = tmp_path / "home"
    folder.mkdir()
    updating.begin(folder)
    return folder


def test_a_good_release_is_proven_and_the_old_one_stays_for_going_back(home):
    """Three links say it; what no link names goes."""
    shelf = Shelf(home)
    assert trial.bring(shelf, updating.Hands(), updating.NEW, home, 1).what == "installed"
    links = [shelf.named(link) for link in ("current", "proven", "previous")]
    assert links == [updating.NEW, updating.NEW, updating.OLD]
    (home / "releases" / "half.wheels").mkdir()
    assert shelf.sweep() == ["half"]
    assert shelf.holds(updating.OLD)
    assert shelf.holds(updating.NEW)


def test_a_bad_release_is_taken_back_and_refused(home):
    """The reason goes along, and the old one runs."""
    shelf = Shelf(home)
    outcome = trial.bring(shelf, updating.Hands("parvis-portal.service is failed"), updating.NEW, home, 7)
    assert (outcome.what, outcome.before, outcome.reason) == (
        "rolled_back", updating.OLD, "parvis-portal.service is failed",
    )  # fmt: skip
    assert shelf.named("current") == updating.OLD
    assert shelf.refuses(updating.NEW, 7)
    assert not shelf.refuses(updating.NEW, 8)


def test_a_release_that_cannot_be_built_changes_nothing(home):
    """Whole or not pointed to, also where the disk is full in the middle of it."""

    class Clumsy(updating.Hands):
        def build(self, bundle, folder):
            folder.mkdir(parents=True)
            raise ProcessError("no room", remedy="free some")

    shelf = Shelf(home)

    class Full(updating.Hands):
        def build(self, bundle, folder):
            raise OSError(errno.ENOSPC, "No space left on device", str(folder / "a.whl"))

    for hands, said in ((Clumsy(), "no room"), (Full(), "can't be written .No space left on device")):
        with pytest.raises(ProcessError, match=said):
            trial.bring(shelf, hands, updating.NEW, home, 1)
        assert shelf.named("current") == updating.OLD
    with pytest.raises(ProcessError, match="not whole"):
        shelf.point("current", updating.NEW)


def bundle_of(path, *members):
    with tarfile.open(path, "w") as archive:
        for info, data in members:
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def test_a_bundle_is_unpacked_file_by_file(tmp_path):
    """Plain files arrive as they are."""
    build.unpack(bundle_of(tmp_path / "b.tar", (tarfile.TarInfo("a.whl"), b"one")), tmp_path / "out")
    assert hashlib.sha256((tmp_path / "out/a.whl").read_bytes()).hexdigest() == hashlib.sha256(b"one").hexdigest()


@pytest.mark.parametrize("name", ["../a.whl", "/etc/a", "x/a.whl", ".hidden"])
def test_a_name_that_leads_elsewhere_is_refused(tmp_path, name):
    """Nothing is written outside of the folder, and a link is none of a bundle's files."""
    with pytest.raises(ProcessError, match="holds what no bundle holds"):
        build.unpack(bundle_of(tmp_path / "b.tar", (tarfile.TarInfo(name), b"one")), tmp_path / "out")
    link = tarfile.TarInfo("a.whl")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    with pytest.raises(ProcessError, match="holds what no bundle holds"):
        build.unpack(bundle_of(tmp_path / "l.tar", (link, b"")), tmp_path / "out2")


def test_a_damaged_bundle_is_told(tmp_path):
    """In words, with what to do."""
    (tmp_path / "b.tar").write_bytes(b"no tar at all" * 100)
    with pytest.raises(ProcessError, match="damaged"):
        build.unpack(tmp_path / "b.tar", tmp_path / "out")


@pytest.mark.parametrize(
    ("written", "restarted"),
    [
        ({}, []),
        ({"dnsmasq.conf": "new"}, [["dnsmasq"]]),
        ({"dnsmasq.conf": "new", "hostapd.conf": "new"}, [["access-point", "dnsmasq"]]),
    ],
)
def test_what_comes_from_debian_is_restarted_only_for_something_new(tmp_path, monkeypatch, written, restarted):
    """A release takes no guest's WiFi or names away for nothing: radio and dnsmasq go on unless their file changed."""
    (tmp_path / "dnsmasq.conf").write_text("old")
    units = [f"parvis-{name}.service" for name in ("setup", "agent", "access-point", "dnsmasq", "front", "portal")]
    settings, asked = SimpleNamespace(generated_dir=tmp_path), []

    def systemctl(words, **_):
        asked.append([word.removeprefix("parvis-").removesuffix(".service") for word in words[2:]])
        for name, text in written.items():
            (tmp_path / name).write_text(text)

    monkeypatch.setattr(install.gate, "units", lambda: units)
    monkeypatch.setattr(install.gate, "baseline", lambda _: None)
    monkeypatch.setattr(install.subprocess, "run", systemctl)
    install.Device(settings).restart()
    assert asked == [["setup", "agent", "portal"], *restarted]


def test_a_service_that_never_is_ready_leaves_the_judging_to_the_gate(tmp_path, monkeypatch):
    """The installer doesn't wait for it longer than a release has: it goes back in time, and doesn't stumble itself."""
    waited = []

    def systemctl(words, *, timeout, **_):
        waited.append(timeout)
        raise install.subprocess.TimeoutExpired(words, timeout)

    monkeypatch.setattr(install.gate, "units", lambda: ["parvis-agent.service"])
    monkeypatch.setattr(install.gate, "baseline", lambda _: None)
    monkeypatch.setattr(install.subprocess, "run", systemctl)
    install.Device(SimpleNamespace(generated_dir=tmp_path)).restart()
    assert 0 < waited[0] <= gate.PATIENCE


class Told:
    """What systemd and the clock say to the gate: `rows` gives (state, restarts) of the one unit at a second."""

    def __init__(self, rows):
        self.now, self._rows = 100.0, rows

    def monotonic(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds

    def run(self, words, **_):
        state, restarts = self._rows(self.now - 100)
        shown = f"Id=parvis-portal.service\nActiveState={state}\nNRestarts={restarts}\n"
        return SimpleNamespace(stdout=shown if words[1] == "show" else f"{state}\n")


@pytest.mark.parametrize(
    ("rows", "said", "at_least", "at_most"),
    [
        (lambda _: ("active", 7), "", 2, 3),
        (lambda at: ("activating", int(at)), "parvis-portal.service is activating", 3, 6),
        (lambda _: ("activating", 7), "parvis-portal.service is activating", 30, 33),
        (lambda at: ("activating" if at < 25 else "active", 2), "", 25, 28),
        (lambda at: ("activating", 1 + int(at / 12)), "parvis-portal.service is activating", 30, 33),
    ],
    ids=["well", "dies again and again", "hangs", "slow", "dies slowly"],
)
def test_who_dies_again_and_again_is_given_up_and_who_is_slow_is_not(monkeypatch, rows, said, at_least, at_most):
    """One whose service can't start goes back after ten seconds; one that takes its time has forty, from its restart.

    The restart took ten of them here.
    """
    told = Told(rows)
    monkeypatch.setattr(gate, "clock", told)
    monkeypatch.setattr(gate, "time", told)
    monkeypatch.setattr(gate, "subprocess", told)
    assert gate.trouble(None, gate.Baseline(0, reached=False), ["parvis-portal.service"], 90.0) == said
    assert at_least <= told.now - 100 <= at_most


@pytest.mark.parametrize(("peer", "asked"), [(None, "10.77.0.1"), ("192.0.2.2", "127.0.0.1")])
def test_a_gateway_that_stands_by_is_asked_where_it_answers(monkeypatch, peer, asked):
    """Of a pair one has no address on the guests' side: a release there isn't taken back for that."""
    settings = SimpleNamespace(
        ha=SimpleNamespace(peer=peer),
        lan=SimpleNamespace(ipv4=ip_interface("10.77.0.1/20")),
        portal=SimpleNamespace(port=80),
    )
    monkeypatch.setattr(gate, "_ask", lambda address, *_: (302, b"") if address == asked else (0, b""))
    assert gate._redirects(settings) == ""
