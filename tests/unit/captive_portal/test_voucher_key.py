# SPDX-License-Identifier: EUPL-1.2
"""Codes are made under the portal's key by whoever shares its group, and nobody outside it learns that key."""

import os
import stat
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest

from captive_portal import app, commands, seal
from edge_core.errors import StoreError

_NOBODY, _GROUP = 65534, 60_000

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="acts as another user, which only root may")


@pytest.fixture
def settings(configured):
    """Settings of a state folder that other users may reach, as /var/lib/parvis is, owned by another group."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        made = configured(Path(name), "nftables")
        os.chown(made.device.state_dir, 0, _GROUP)
        made.device.state_dir.chmod(0o2770)
        yield made


@contextmanager
def _somebody(group):
    os.setegid(group)
    os.seteuid(_NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)


def test_the_group_makes_codes_that_the_portal_knows(settings):
    """The device page's user reads the key of codes, and not the one that seals forms and passes."""
    house = app.create_app(settings).extensions["parvis"]
    own = seal.own_key(settings)
    with _somebody(_GROUP):
        with pytest.raises(PermissionError):
            own.read_bytes()
        assert commands._key(settings) == house.voucher_key


def test_nobody_else_does(settings):
    """Who is not in the group is told whose right it is; the file says so too."""
    app.create_app(settings)
    lent = settings.device.state_dir / "vouchers.key"
    assert stat.S_IMODE(lent.stat().st_mode) == 0o640
    assert lent.stat().st_gid == _GROUP
    settings.device.state_dir.chmod(0o2775)
    with _somebody(_NOBODY), pytest.raises(StoreError) as refused:
        commands._key(settings)
    assert "root" in refused.value.remedy


def test_another_key_of_the_portal_is_lent_anew(settings):
    """A key that was replaced must not leave codes behind that the portal refuses."""
    app.create_app(settings)
    seal.own_key(settings).unlink()
    house = app.create_app(settings).extensions["parvis"]
    with _somebody(_GROUP):
        assert commands._key(settings) == house.voucher_key
