# SPDX-License-Identifier: EUPL-1.2
"""Asks The Update Framework which index is signed; the only module of the downlink that uses python-tuf's client.

It refuses what is unsigned, rolled back, mixed or expired (theupdateframework.github.io/specification/latest, 5). The
metadata that was verified last is kept in the device's own folder and outlives a restart.
"""

from __future__ import annotations

import hashlib
import urllib.parse
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import urllib3
from tuf.api import exceptions
from tuf.ngclient import Updater, UpdaterConfig

from edge_core.errors import ContentError, ParvisError
from sync.downlink.ownership import publisher_index
from sync.downlink.repository_format import INDEX, RELEASES, RELEASES_ROLE, Index, read_index
from sync.downlink.road import explain

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from sync.downlink.road import Road

_QUOTED = urllib.parse.quote(INDEX, "")
_MAX_INDEX = 8 << 20  # bytes; beyond, an index is hostile even when it is signed


def load_root(path: Path | None) -> bytes:
    """Return the trusted root. Raises ContentError when there is none."""
    if path is None:
        raise ContentError("No trusted root is configured.", remedy="Name the publisher's root.json as [content] root.")
    try:
        return path.read_bytes()
    except OSError as error:
        raise ContentError(
            f"The trusted root {path} can't be read ({error.strerror}).",
            remedy="Copy the publisher's root.json there, or correct [content] root.",
        ) from error


def digest(root: bytes) -> str:
    """Return what tells one trusted root from another."""
    return hashlib.sha256(root).hexdigest()


@dataclass(frozen=True)
class Signed:
    """What a repository signs now: the park's index, those of other publishers, and why others of these are refused.

    `releases`: what its operator says of releases (sync/release/channel.py); empty where that is nothing usable.
    """

    index: Index
    publishers: Mapping[str, Index] = field(default_factory=dict)
    refused: Mapping[str, ParvisError] = field(default_factory=dict)
    releases: bytes = b""


def signed(road: Road, folder: Path, root: bytes) -> Signed:
    """Return what the repository signs now. Raises ContentError or NetworkError.

    A publisher whose signature, date or index is bad is refused alone: it can't keep the others' news away.
    """
    metadata, targets = folder / "metadata", folder / "targets"
    for each in (metadata, targets):
        each.mkdir(parents=True, exist_ok=True)
    _begin_anew_for(root, folder)
    updater = Updater(
        str(metadata),
        f"{road.url}/metadata/",
        str(targets),
        f"{road.url}/targets/",
        fetcher=road.fetcher,
        config=UpdaterConfig(targets_max_length=1 << 20, snapshot_max_length=1 << 20),
        bootstrap=root,
    )
    index = _index(updater, INDEX, road)
    publishers: dict[str, Index] = {}
    refused: dict[str, ParvisError] = {}
    for name in index.publishers:
        try:
            publishers[name] = _index(updater, publisher_index(name), road)
        except ContentError as error:
            refused[name] = error
    try:
        releases = _target(updater, RELEASES, road) or b""
    except ParvisError as error:  # whatever is wrong with releases keeps no content away
        releases, refused[RELEASES_ROLE] = b"", error
    return Signed(index, publishers, refused, releases)


def _index(updater: Updater, path: str, road: Road) -> Index:
    data = _target(updater, path, road)
    if data is None:
        raise ContentError(f"The repository signs no usable {path}.", remedy="Publish it with `parvis publish`.")
    return read_index(data)


def _target(updater: Updater, path: str, road: Road) -> bytes | None:
    """Return a small signed file; None where the repository signs none of that path, or one that is far too large."""
    try:
        target = updater.get_targetinfo(path)
        if target is None or target.length > _MAX_INDEX:
            return None
        cached = updater.find_cached_target(target)
        found = cached if cached is not None else updater.download_target(target)
    except exceptions.RepositoryError as error:
        raise _refusal(error, road.url) from error
    except (exceptions.DownloadError, urllib3.exceptions.HTTPError) as error:
        raise explain(error, road.url) from error
    with open(found, "rb") as file:  # noqa: PTH123  # python-tuf answers a str
        return file.read()


def _begin_anew_for(root: bytes, folder: Path) -> None:
    """Forget what another root had signed: whoever configures a new root starts a new line of versions."""
    note = folder / "root.sha256"
    trusted = digest(root)
    if note.is_file() and note.read_text(encoding="ascii") == trusted:
        return
    for path in (*(folder / "metadata").rglob("*.json"), *(folder / "targets").glob(f"*{_QUOTED}")):
        path.unlink(missing_ok=True)
    note.write_text(trusted, encoding="ascii")


def _refusal(error: exceptions.RepositoryError, url: str) -> ContentError:
    """Return why the metadata is refused, in words."""
    told = {
        exceptions.ExpiredMetadataError: (
            "has expired: the publisher has not renewed it, or this device's clock is wrong",
            "Run `parvis publish` (or keep its --watch running), and check the clock with `timedatectl`.",
        ),
        exceptions.UnsignedMetadataError: (
            "is not signed by the trusted keys",
            "Compare [content] root with the publisher's root.json; if they agree, don't trust where this came from.",
        ),
        exceptions.BadVersionNumberError: (
            "was rolled back to an older version than this device has seen",
            "Restore the newest version on the server, or begin anew with new keys and give devices their root.json.",
        ),
        exceptions.LengthOrHashMismatchError: (
            "holds a file that is not the one that was signed",
            "Copy the whole repository to the server again.",
        ),
    }
    for kind, (what, remedy) in told.items():
        if isinstance(error, kind):
            return ContentError(f"The content at {url} {what} ({error}).", remedy=remedy)
    return ContentError(f"The content at {url} is malformed ({error}).", remedy="Publish it with `parvis publish`.")
