# SPDX-License-Identifier: EUPL-1.2
"""The card's wear budget: counted from what the kernel tells, judged after an hour at the earliest."""

import os
from types import SimpleNamespace

import pytest

from edge_core.doctor import checks, wear

GB = 10**9


@pytest.fixture
def card(tmp_path):
    """A /sys in which `tmp_path` is on the second partition of a 32 GB card that wrote 1 GB."""
    number = tmp_path.stat().st_dev
    block = tmp_path / "devices" / "mmcblk0"
    part = block / "mmcblk0p2"
    part.mkdir(parents=True)
    (part / "partition").write_text("2\n")
    (block / "stat").write_text(f"  1 0 8 0 5 0 {GB // 512} 9 0 0 0\n")
    (block / "size").write_text(f"{32 * GB // 512}\n")
    sys = tmp_path / "dev"
    sys.mkdir()
    (sys / f"{os.major(number)}:{os.minor(number)}").symlink_to(part)
    return sys


def test_a_quiet_day_is_within_the_budget(tmp_path, card):
    """1 GB in a day on a card of 32 GB: it lasts five years."""
    found = wear.of(tmp_path, 86_400, card)
    assert (found.name, round(found.daily / GB, 1), round(found.budget / GB, 2)) == ("mmcblk0", 1.0, 1.75)
    assert found.told() == "1.00 GB written a day; the card's budget is 1.8 GB a day for five years"


def test_the_first_hour_says_nothing(tmp_path, card):
    """A boot writes more than a day: no alarm from it."""
    found = wear.of(tmp_path, 600, card)
    assert found.daily is None
    assert "too early to say" in found.told()


def test_memory_does_not_wear(tmp_path):
    """An overlay or tmpfs has no block device of its own."""
    assert wear.of(tmp_path, 86_400, tmp_path / "empty") is None


def test_the_doctor_warns_of_a_card_that_is_written_too_fast(tmp_path, card, monkeypatch):
    """1 GB in two hours is 12 GB a day: a warning with what to do; a quiet card is well."""
    settings = SimpleNamespace(device=SimpleNamespace(state_dir=tmp_path))
    monkeypatch.setattr(wear, "_SYS", card)
    monkeypatch.setattr(wear.of, "__defaults__", (card,))
    for uptime, state in ((7200.0, "warning"), (86_400.0, "ok")):
        monkeypatch.setattr(checks.clock, "monotonic", lambda uptime=uptime: uptime)
        assert checks.card(settings).state == state
