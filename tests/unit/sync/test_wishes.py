# SPDX-License-Identifier: EUPL-1.2
"""The platform's wishes for settings: what is taken, what is refused, and how an ill device goes back by itself."""

import json
from pathlib import Path

import pytest

from edge_core import desired, settings
from edge_core.errors import ConfigurationError, StoreError
from sync.wishes import Told, Trial, Wishes, parse

SCHEMA = Path(__file__).parents[3] / "contracts" / "schemas" / "desired.schema.json"
ALL = frozenset({"agent", "portal"})


def wish(generation, **values):
    return json.dumps(
        {"generation": generation, "settings": {k.replace("__", "."): v for k, v in values.items()}}
    ).encode()


class World:
    """A device whose clock and health the test sets; `start` is what a restart of `sync` does."""

    def __init__(self, folder):
        self.folder, self.now, self.well, self.reread, self.refusal = folder, 0.0, ALL, 0, None
        self.start()

    def start(self):
        self.wishes = Wishes(
            self.folder, check=self._check, well=lambda: self.well, reread=self._reread,
            clock=lambda: self.now, patience=90.0,
        )  # fmt: skip

    def _check(self, _wished):
        if self.refusal:
            raise ConfigurationError(self.refusal)

    def _reread(self):
        self.reread += 1

    def wait(self, seconds):
        for _ in range(seconds):
            self.now += 1
            self.wishes.turn()

    def holds(self):
        return desired.in_force(desired.read(self.folder))


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


def test_the_list_is_the_contracts():
    """Device and contract name the same settings with the same bounds."""
    listed = json.loads(SCHEMA.read_text())["properties"]["settings"]["properties"]
    assert {name: (row["minimum"], row["maximum"]) for name, row in listed.items()} == dict(desired.ALLOWED)


def test_the_list_is_of_settings_that_exist(tmp_path):
    """Each has a row, takes both its bounds, and what a wish says is what the processes read; the environment wins."""
    file = tmp_path / "p.toml"
    file.write_text(
        f'[site]\nid = "a"\nname = "A"\n[device]\nid = "b"\nstate_dir = "{tmp_path}"\n[access]\nduration = 1000\n'
    )
    for name, bounds in desired.ALLOWED.items():
        section, _, key = name.partition(".")
        for value in bounds:
            found = settings.load(file, {}, {name: value})
            assert getattr(getattr(found, section), key) == value
    desired.path(tmp_path).write_text(json.dumps({"applied": {"settings": {"access.duration": 7200, "site.id": "x"}}}))
    found = settings.load(file, {})
    assert (found.access.duration, found.site.id) == (7200, "a")
    assert settings.load(file, {"PARVIS_ACCESS_DURATION": "600"}).access.duration == 600
    file.write_text(file.read_text() + "[desired]\naccept = false\n")
    assert settings.load(file, {}).access.duration == 1000


@pytest.mark.parametrize(
    "damage", ["", "{", "[]", '{"applied": 3}', '{"applied": {"settings": {"access.duration": 1}}}']
)
def test_a_damaged_file_keeps_no_device_from_starting(tmp_path, damage):
    """What can't be read, or is out of bounds, is passed over."""
    desired.path(tmp_path).write_text(damage)
    assert desired.in_force(desired.read(tmp_path)) == {}
    assert Wishes(
        tmp_path, check=print, well=lambda: ALL, reread=print, clock=lambda: 0.0, patience=1.0
    ).told is None  # fmt: skip


def test_a_wish_is_tried_and_kept_when_all_is_well_again(world):
    """It holds at once, processes read it, and after a restart and ten seconds of health it is applied."""
    assert world.wishes.hear(wish(3, access__duration=7200))
    assert (world.wishes.told, world.holds(), world.reread) == (Told(3, "trying"), {"access.duration": 7200}, 1)
    world.wait(5)
    world.start()
    world.wait(9)
    assert world.wishes.told.state == "trying"
    world.wait(3)
    assert (world.wishes.told, world.holds(), world.reread) == (Told(3, "applied"), {"access.duration": 7200}, 1)
    world.start()
    assert world.wishes.told == Told(3, "applied")


def test_an_ill_device_goes_back_by_itself(world):
    """A part that was well and doesn't come back takes the wish back; one that was ill before is not blamed on it."""
    world.wishes.hear(wish(1, access__duration=7200))
    world.start()
    world.wait(20)
    world.wishes.hear(wish(2, access__duration=600))
    world.start()
    world.well = frozenset({"portal"})
    world.wait(89)
    assert world.wishes.told.state == "trying"
    world.wait(2)
    assert world.wishes.told == Told(2, "rolled_back", "Not well again in time: agent.")
    assert world.holds() == {"access.duration": 7200}
    assert world.reread == 3
    world.wishes.hear(wish(3, access__duration=900))
    world.start()
    world.wait(20)
    assert world.wishes.told == Told(3, "applied")


def test_settings_that_nobody_reads_are_not_called_applied(world):
    """Without a restart of `sync` nothing says that the settings were read: the wish goes back."""
    world.wishes.hear(wish(1, access__duration=7200))
    world.wait(91)
    assert world.wishes.told == Told(1, "rolled_back", "Not well again in time: reload.")
    assert world.holds() == {}


def test_a_start_again_and_again_takes_the_wish_back(world):
    """Settings that make `sync` itself die are taken back by its sixth start."""
    world.wishes.hear(wish(1, access__duration=7200))
    for _ in range(6):
        world.start()
    assert (world.wishes.told.state, world.holds()) == ("rolled_back", {})


def test_health_must_last(world):
    """A part that comes and goes is not well: ten seconds without a break, or the wish goes back."""
    trial = Trial(ALL, 0.0, 90.0)
    for second in range(90):
        assert trial.judge(ALL if second % 9 else frozenset({"portal"}), float(second)) is None
    assert trial.judge(frozenset({"portal"}), 90.0)[0] == "rolled_back"


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"access__duration": 299}, "access.duration must be a whole number from 300 to 86400."),
        ({"access__duration": True}, "access.duration must be"),
        ({"access__duration": "7200"}, "access.duration must be"),
        ({"access__duration": 7200, "presence__minimum": 1}, "presence.minimum must be"),
        ({"device__state_dir": "/"}, "device.state_dir is not a setting that the platform may change."),
        ({"é" * 100: 1}, "? is not a setting"),
    ],
)
def test_a_wish_that_cant_be_had_changes_nothing(world, values, said):
    """All or nothing, with the setting named, and nobody reads anything again."""
    assert world.wishes.hear(wish(1, **values))
    told = world.wishes.told
    assert (told.generation, told.state, world.holds(), world.reread) == (1, "refused", {}, 0)
    assert said in told.reason


def test_a_configuration_that_would_be_refused_is_told(world):
    """What the file and the wish together can't be is refused before anything is written."""
    world.refusal = "/etc/parvis.toml: é is wrong."
    world.wishes.hear(wish(1, access__duration=7200))
    assert world.wishes.told == Told(
        1, "refused", "With it the configuration is refused: /etc/parvis.toml: ? is wrong."
    )


def test_only_a_higher_generation_counts(world):
    """Older and repeated generations change nothing, whatever they say; nonsense is told apart."""
    world.wishes.hear(wish(5, access__duration=1))
    assert world.wishes.told.state == "refused"
    for generation in (5, 4):
        assert world.wishes.hear(wish(generation, access__duration=7200))
    assert (world.wishes.told.generation, world.holds()) == (5, {})
    nonsense = (b"{", b"[]", b'{"generation": 0, "settings": {}}', b'{"generation": true}', b"[" * 20000)
    assert [world.wishes.hear(payload) for payload in nonsense] == [False] * len(nonsense)
    assert world.wishes.hear(b"")
    assert parse(b'{"generation": 9}').flaw == "settings is missing."


def test_a_full_disk_is_an_error_of_the_store(world):
    """A wish that can't be written down is tried again later, not half taken."""
    kept = desired.path(world.folder)
    kept.with_name(f".{kept.name}.new").mkdir()
    with pytest.raises(StoreError):
        world.wishes.hear(wish(1, access__duration=7200))
    assert (world.holds(), world.wishes.told) == ({}, None)
