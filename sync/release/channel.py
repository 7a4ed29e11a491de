# SPDX-License-Identifier: EUPL-1.2
"""What an operator says about releases: which is wanted, by how many devices, and whether it stops; pure.

The words are one small signed file, the only target of the role `releases` (contracts/content/README.md, Releases).
Which devices are in a stage is decided by a hash of their names and the release's: each release has other pioneers.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from edge_core.errors import ContentError
from sync.downlink.repository_format import FileRef, is_sha256

if TYPE_CHECKING:
    from collections.abc import Mapping

MOST_BYTES = 256 << 20  # of one bundle
STAGES = (1, 10, 100)  # per cent of the devices
_FORMAT = 1
_PLACE = re.compile(r"py3\d{2}-(?:x86_64|aarch64)")
_BUNDLE = re.compile(r"parvis-([0-9][0-9A-Za-z.+]{0,40}-[0-9a-f]{8})-(py3\d{2}-(?:x86_64|aarch64))\.tar")
_RELEASE = re.compile(r"[0-9][0-9A-Za-z.+]{0,40}-[0-9a-f]{8}")
_MOST_FAILED = 0.02  # of the devices that tried: beyond, a stage stops by itself
_ENOUGH = 0.9  # of a stage's devices have it before the next stage begins


@dataclass(frozen=True)
class Channel:
    """The operator's word: `release` for `stage` per cent of devices; `bundles` by place (py311-aarch64)."""

    sequence: int
    release: str
    stage: int
    halted: bool
    bundles: Mapping[str, FileRef]

    def wanted(self, site: str, device: str, place: str) -> FileRef | None:
        """Return the bundle that this device is to install; None where it isn't its turn, or there is none for it."""
        if self.halted or share_of(site, device, self.release) >= self.stage:
            return None
        return self.bundles.get(place)

    def name(self, place: str) -> str:
        """Return how a device calls this release: its folder in /opt/parvis/releases."""
        return f"parvis-{self.release}-{place}"


def share_of(site: str, device: str, release: str) -> float:
    """Return where a device stands among all, 0 to below 100: it takes part in a stage above that."""
    digest = hashlib.sha256(f"{site}/{device}/{release}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64 * 100


def next_step(channel: Channel, devices: int, installed: int, went_back: int) -> Channel:
    """Return what the operator says next, from what devices told: further, the same, or stopped.

    `devices`: how many there are; `installed` and `went_back`: how many told of each for this release.
    """
    tried = installed + went_back
    if went_back and went_back / tried > _MOST_FAILED:
        return _later(channel, channel.stage, halted=True)
    due = max(1, round(devices * channel.stage / 100))
    further = [stage for stage in STAGES if stage > channel.stage]
    if channel.halted or not further or tried < due * _ENOUGH:
        return channel
    return _later(channel, further[0], halted=False)


def first(before: Channel | None, release: str, bundles: Mapping[str, FileRef], stage: int) -> Channel:
    """Return the word that begins a release. Raises ContentError for a stage that can't be."""
    sequence = before.sequence + 1 if before else 1
    return Channel(sequence, release, _per_cent(stage), halted=False, bundles=bundles)


def staged(before: Channel, stage: int | None, *, halted: bool) -> Channel:
    """Return the word that changes who gets the release, or stops it (`halted`)."""
    return _later(before, before.stage if stage is None else _per_cent(stage), halted=halted)


def parts_of(file_name: str) -> tuple[str, str]:
    """Return (release, place) of a bundle that `make bundle` named. Raises ContentError."""
    found = _BUNDLE.fullmatch(file_name)
    if not found:
        raise ContentError(f"{file_name} is no bundle's name.", remedy="Give the file that `make bundle` printed.")
    return found[1], found[2]


def bundle_path(bundle: FileRef) -> str:
    """Return where a bundle stands in a repository."""
    return f"releases/{bundle.sha256}.tar"


def write(channel: Channel) -> bytes:
    """Return the file that is signed."""
    whole = {"format": _FORMAT, **asdict(channel)}
    return (json.dumps(whole, sort_keys=True, indent=1) + "\n").encode()


def read(data: bytes) -> Channel:
    """Return what a signed file says. Raises ContentError: a signature doesn't make nonsense true."""
    try:
        whole = json.loads(data)
        bundles = {place: FileRef(str(ref["sha256"]), int(ref["bytes"])) for place, ref in whole["bundles"].items()}
        channel = Channel(
            int(whole["sequence"]), str(whole["release"]), _per_cent(whole["stage"]), bool(whole["halted"]), bundles
        )
        good = whole["format"] == _FORMAT and _RELEASE.fullmatch(channel.release) is not None and channel.sequence > 0
        good = good and all(_PLACE.fullmatch(place) and _is_sound(ref) for place, ref in bundles.items())
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise ContentError(f"What is signed about releases is malformed ({error!r}).", remedy=_REMEDY) from error
    if not good:
        raise ContentError(
            "What is signed about releases is of another format, or names what can't be.", remedy=_REMEDY
        )
    return channel


_REMEDY = "Publish it again with `parvis release publish` of the devices' own version."


def _is_sound(ref: FileRef) -> bool:
    return is_sha256(ref.sha256) and 0 < ref.bytes <= MOST_BYTES


def _later(channel: Channel, stage: int, *, halted: bool) -> Channel:
    return Channel(channel.sequence + 1, channel.release, stage, halted, channel.bundles)


def _per_cent(stage: object) -> int:
    if not isinstance(stage, int) or isinstance(stage, bool) or not 0 <= stage <= 100:
        raise ContentError(f"{stage!r} is no share of devices for releases.", remedy="Give a number from 0 to 100.")
    return stage
