# SPDX-License-Identifier: EUPL-1.2
"""The sealed record on the disk: a folder a day, and the only module that seals (libsodium by PyNaCl).

Each file has a random key that lives in memory while it is written, and on the disk only as a sealed box for the
investigator's public key: who has this device, running or stolen, can read nothing that was written before. A day's
keys are destroyed when its year is over; without them nobody can read it, the investigator neither.
"""

from __future__ import annotations

import errno
import json
import os
import secrets
import struct
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import zstandard
from nacl.encoding import HexEncoder
from nacl.exceptions import CryptoError
from nacl.public import PrivateKey, PublicKey, SealedBox
from nacl.secret import SecretBox

from edge_core import durable
from edge_core.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MAGIC = b"parvis-legal 1\n"
YEAR = timedelta(days=365)
RESERVE = 32 << 20
"""Bytes of the file system that are left to the rest of the device."""
_LENGTH = struct.Struct("<I")
_LARGEST = 16 << 20


def investigator(path: Path) -> PublicKey:
    """Return the public key in a file of 64 hexadecimal digits. Raises ConfigurationError with the remedy."""
    try:
        return PublicKey(path.read_bytes().strip(), HexEncoder)
    except (OSError, ValueError, TypeError, CryptoError) as error:
        raise ConfigurationError(
            f"{path}: is no investigator's public key ({error}).",
            remedy="Make a pair elsewhere with `parvis legal keygen`, and copy the .pub file here, never the other.",
        ) from error


def day_of(now: float) -> str:
    """Return the day (UTC) that a moment belongs to."""
    return datetime.fromtimestamp(now, UTC).date().isoformat()


class Segment:
    """One file of one day, being written."""

    def __init__(self, folder: Path, day: str, reader: PublicKey) -> None:
        """Create it with its wrapped key. Raises OSError; then nothing of it is left."""
        self.day = day
        self._box = SecretBox(secrets.token_bytes(SecretBox.KEY_SIZE))
        self._number = 0
        self._packer = zstandard.ZstdCompressor(level=3)
        place = folder / day
        place.mkdir(parents=True, exist_ok=True, mode=0o2770)
        _require_room(place)
        name = secrets.token_hex(8)
        key, rows = place / f"{name}.key", place / f"{name}.rows"
        try:
            _write_through(key, SealedBox(reader).encrypt(bytes(self._box)))
            _write_through(rows, MAGIC)
            durable.settle(place)
            self._file = os.open(rows, os.O_WRONLY)
        except OSError:
            key.unlink(missing_ok=True)
            rows.unlink(missing_ok=True)
            raise

    @property
    def number(self) -> int:
        """The number of the next chunk: a missing one shows."""
        return self._number

    def append(self, plain: bytes) -> int:
        """Seal a chunk and bring it to the disk; return its bytes there. Raises OSError; then nothing was added."""
        _require_room(self._file)
        sealed = bytes(self._box.encrypt(self._packer.compress(plain)))
        before = os.lseek(self._file, 0, os.SEEK_END)
        whole = memoryview(_LENGTH.pack(len(sealed)) + sealed)
        try:
            written = 0
            while written < len(whole):
                written += os.write(self._file, whole[written:])
            os.fsync(self._file)
        except OSError:
            os.ftruncate(self._file, before)
            raise
        self._number += 1
        return len(whole)

    def close(self) -> None:
        """Close it; its key is gone from memory with this object."""
        os.close(self._file)


def frames(data: bytes) -> Iterator[bytes]:
    """Yield the sealed chunks of a file; what a power cut left half at its end is not one. Raises ValueError."""
    if not data.startswith(MAGIC):
        raise ValueError("this is no file of the legal record")
    offset = len(MAGIC)
    while offset + _LENGTH.size <= len(data):
        (length,) = _LENGTH.unpack_from(data, offset)
        offset += _LENGTH.size
        if length > _LARGEST or offset + length > len(data):
            return
        yield data[offset : offset + length]
        offset += length


def unseal(wrapped: bytes, data: bytes, key: PrivateKey) -> tuple[list[bytes], int]:
    """Return the chunks of a file, and how many could not be read. Raises ValueError where the key isn't its own."""
    try:
        box = SecretBox(SealedBox(key).decrypt(wrapped))
    except (CryptoError, ValueError) as error:
        raise ValueError("this key doesn't open it, or its day was destroyed") from error
    chunks, bad = [], 0
    for frame in frames(data):
        try:
            chunks.append(zstandard.ZstdDecompressor().decompress(box.decrypt(frame), max_output_size=_LARGEST * 8))
        except (CryptoError, zstandard.ZstdError):
            bad += 1
    return chunks, bad


def days(folder: Path) -> list[str]:
    """Return the days that are held, oldest first."""
    return sorted(place.name for place in folder.glob("????-??-??") if place.is_dir())


def shred(folder: Path, today: date) -> list[str]:
    """Destroy the days whose year is over: keys are overwritten first, then all goes; return them. Raises OSError."""
    gone = []
    for day in days(folder):
        if date.fromisoformat(day) + YEAR >= today:
            break
        place = folder / day
        for key in place.glob("*.key"):
            _overwrite(key)
        for file in place.iterdir():
            file.unlink()
        durable.settle(place)
        place.rmdir()
        durable.settle(folder)
        gone.append(day)
    return gone


def log(folder: Path, entry: dict[str, object]) -> None:
    """Append what was done with the record to its own log, which says nothing of anybody. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o2770)
    with (folder / "log.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(entry, ensure_ascii=False) + "\n")
        file.flush()
        os.fsync(file.fileno())


def _require_room(place: int | Path) -> None:
    status = os.statvfs(place)
    if status.f_bavail * status.f_frsize < RESERVE:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _overwrite(path: Path) -> None:
    with path.open("r+b", buffering=0) as file:
        file.write(secrets.token_bytes(path.stat().st_size))
        os.fsync(file.fileno())


def _write_through(path: Path, data: bytes) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
