# SPDX-License-Identifier: EUPL-1.2
"""Sees to it that our rules are loaded as they should be: alone decides whether to load them again.

Rules of the same version whose fingerprint is the one noted when they were loaded are left alone. Others are replaced
in one transaction that already holds the grants' elements, and live flows keep their mark in the connection table: no
session ends and nobody else gets through.
"""

from __future__ import annotations

import fcntl
from contextlib import contextmanager
from typing import TYPE_CHECKING

from edge_core import clock, logs, netlink, settings
from edge_core.errors import ConfigurationError, ParvisError
from edge_core.store import database, followed
from gateway_agent import leases, nft_load, nft_ruleset, nft_state, reconcile
from gateway_agent.nft_elements import lines
from gateway_agent.wishes import Wishes, holders

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from edge_core.settings import Settings
    from gateway_agent.nft_elements import Elements

_log = logs.get(__name__)


class NewSettingsError(ParvisError):
    """The rules in the kernel are those of the configuration file as it is now, and not as it was when we read it."""


def ensure(used: Settings, wanted: Callable[[], Elements]) -> bool:
    """Load the ruleset with the elements that `wanted` returns unless it is there as it should be; True where loaded.

    Raises NetworkError, or NewSettingsError where somebody has set the gateway up by settings newer than `used`.
    """
    with _alone(used), netlink.Socket(netlink.NETFILTER) as kernel:
        version = _intact_version(kernel, used)
        if version == nft_ruleset.version(used):
            return False
        if version is not None and version == _version_of_file(used):
            raise NewSettingsError("The gateway was set up anew.", remedy="Read the settings again.")
        now = clock.now()
        elements = wanted()
        nft_load.load(nft_ruleset.render(used, lines(elements, now)))
        _note(used).write_text(f"{nft_ruleset.version(used)} {nft_state.fingerprint(kernel)}\n", encoding="ascii")
        _log.info("rules_loaded", version=nft_ruleset.version(used), elements=sum(map(len, elements.values())))
    return True


@contextmanager
def _alone(used: Settings) -> Iterator[None]:
    """Wait for whoever is at it: what a setup has loaded and not yet noted would look like damage to the agent."""
    with _note(used).with_suffix(".lock").open("w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def stored_wish(used: Settings) -> Elements:
    """Return the elements of the grants in the store; none where the store can't be read: closed is the safe side."""
    now = clock.now()
    try:
        store = database.open_edge(used.edge_db)
    except ParvisError as error:
        _log.warning("store_unread", reason=str(error))
        return {}
    try:
        wishes = Wishes(used.zones)
        held = leases.take_up(used, store, now).current().values()
        wishes.update(followed.changed(store, None)[0], holders(held, now), now)
        return reconcile.elements(wishes.all().values(), followed.blocked(store))
    finally:
        store.close()


def _intact_version(kernel: netlink.Socket, used: Settings) -> str | None:
    """Return the version of the rules that are loaded, as they were when they were loaded; None for anything else."""
    try:
        version, _, mark = _note(used).read_text(encoding="ascii").strip().partition(" ")
        same = nft_state.comment(kernel) == f"parvis {version}" and nft_state.fingerprint(kernel) == mark
    except (OSError, UnicodeDecodeError):
        return None
    return version if same else None


def _version_of_file(used: Settings) -> str | None:
    try:
        return nft_ruleset.version(settings.load(used.source))
    except ConfigurationError:
        return None


def _note(used: Settings) -> Path:
    used.run_dir.mkdir(parents=True, exist_ok=True)
    return used.run_dir / "rules"
