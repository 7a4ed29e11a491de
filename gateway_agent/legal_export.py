# SPDX-License-Identifier: EUPL-1.2
"""Hands the sealed record out for a stated request, signed and logged; and opens it again where the key is.

An export is a tar: the day's sealed files as they are, a manifest with their digests and the request, and its
signature (Ed25519) by this device. Nothing in it can be read without the investigator's private key.
"""

from __future__ import annotations

import hashlib
import io
import ipaddress
import json
import tarfile
from typing import TYPE_CHECKING, Any, NamedTuple

from nacl.encoding import HexEncoder
from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey, VerifyKey

from edge_core import keyfile, legal
from edge_core.errors import ParvisError
from gateway_agent import legal_vault
from gateway_agent.legal_rows import ENDED, FOUND, Connection, Row, unpack

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from nacl.public import PrivateKey

    from edge_core.settings import Settings

_MANIFEST, _SIGNATURE = "manifest.json", "manifest.sig"
_LARGEST_MEMBER = 4 << 30


def signer(settings: Settings) -> SigningKey:
    """Return this device's signing key for exports, made at first. Raises OSError."""
    place = legal.folder(settings)
    place.mkdir(parents=True, exist_ok=True, mode=0o2770)
    return SigningKey(keyfile.read_or_create(place / "export.key"))


def export(settings: Settings, days: list[str], request: str, path: Path, now: float) -> str:
    """Write the export of `days` and note it in the log first; return the manifest's digest. Raises ParvisError."""
    folder = legal.folder(settings)
    files = [file for day in days for file in sorted((folder / day).glob("*")) if file.suffix in {".key", ".rows"}]
    if not files:
        raise ParvisError("Nothing is held of those days.", remedy="`parvis legal status` lists the days.")
    contents = {f"{file.parent.name}/{file.name}": file.read_bytes() for file in files}
    manifest = {
        "format": 1,
        "site": settings.site.id,
        "device": settings.device.id,
        "request": request,
        "days": days,
        "made_at": now,
        "files": {name: hashlib.sha256(data).hexdigest() for name, data in contents.items()},
    }
    body = json.dumps(manifest, ensure_ascii=False, indent=1).encode()
    digest = hashlib.sha256(body).hexdigest()
    key = signer(settings)
    legal_vault.log(folder, {"at": now, "exported": days, "request": request, "manifest": digest})
    signature = json.dumps(
        {"by": key.verify_key.encode(HexEncoder).decode(), "signature": key.sign(body, HexEncoder).signature.decode()}
    )
    with tarfile.open(path, "x") as tar:
        for name, data in {_MANIFEST: body, _SIGNATURE: signature.encode(), **contents}.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(data), 0o600
            tar.addfile(entry, io.BytesIO(data))
    return digest


class Opened(NamedTuple):
    """What an export holds: its manifest, its connections, the gaps, and how many parts could not be read."""

    manifest: dict[str, Any]
    connections: list[dict[str, Any]]
    gaps: list[dict[str, Any]]
    bad: int


def read(path: Path, key: PrivateKey, by: str) -> Opened:
    """Check and open an export; `by` is the device's public signing key, known from elsewhere. Raises ParvisError."""
    parts = _members(path)
    manifest = _checked(path, parts, by)
    files: list[list[tuple[dict[str, Any], list[Row]]]] = []
    bad = 0
    for name in (name for name in parts if name.endswith(".rows")):
        try:
            chunks, broken = legal_vault.unseal(parts[name.removesuffix(".rows") + ".key"], parts[name], key)
        except (KeyError, ValueError) as error:
            raise ParvisError(f"{path}: {name} can't be opened: {error}.", remedy="Is it the right key?") from error
        bad += broken
        files.append([unpack(plain) for plain in chunks])
    # A recorder that was started again goes on in another file, whose name says nothing of when.
    files.sort(key=lambda file: float(file[0][0]["began"]) if file else 0.0)
    gaps = [gap for file in files for head, _ in file for gap in head["gaps"]]
    return Opened(manifest, list(_joined(pair for file in files for pair in _owned(file))), gaps, bad)


def _owned(file: list[tuple[dict[str, Any], list[Row]]]) -> Iterator[tuple[Row, tuple[str, str]]]:
    """Yield a file's rows, each with whose it is: that stands in one of the file's heads."""
    people = {int(grant): (who[0], who[1]) for head, _ in file for grant, who in head["people"].items()}
    for _, rows in file:
        for row in rows:
            yield row, people.get(row.connection.grant, ("", ""))


def _joined(rows: Iterable[tuple[Row, tuple[str, str]]]) -> Iterator[dict[str, Any]]:
    """Yield one entry a connection: its opening and its end brought together, in the order of the ends.

    The kernel tells an end again, to everybody, until each of its listeners took it (`NETLINK_BROADCAST_SEND_ERROR`):
    what comes again, with nothing opened in between, is the same end.
    """
    opened: dict[Connection, tuple[Row, tuple[str, str]]] = {}
    over: set[Connection] = set()
    for row, who in rows:
        if row.kind != ENDED:
            over.discard(row.connection)
        elif row.connection in over:
            continue
        if row.kind == ENDED:
            over.add(row.connection)
            begin = opened.pop(row.connection, None)
            yield _entry(row.connection, who if any(who) else (begin[1] if begin else who), begin and begin[0], row)
        else:
            opened[row.connection] = (row, who)
    for row, who in opened.values():
        yield _entry(row.connection, who, row, None)


def _entry(which: Connection, who: tuple[str, str], begin: Row | None, end: Row | None) -> dict[str, Any]:
    return {
        "start": begin.at if begin and begin.kind != FOUND else None,
        "end": end.at if end else None,
        "session": who[0],
        "terminal": who[1],
        "protocol": which.protocol,
        "source": str(ipaddress.ip_address(which.inside)),
        "source_port": which.inside_port,
        "outside": str(ipaddress.ip_address(which.outside)),
        "outside_port": which.outside_port,
    }


def _members(path: Path) -> dict[str, bytes]:
    try:
        with tarfile.open(path) as tar:
            found = {}
            for entry in tar:
                stream = tar.extractfile(entry) if entry.isfile() and entry.size <= _LARGEST_MEMBER else None
                if stream is not None:
                    found[entry.name] = stream.read()
            return found
    except (OSError, tarfile.TarError) as error:
        raise ParvisError(f"{path}: is no export ({error}).", remedy="Ask for it again.") from error


def _checked(path: Path, parts: dict[str, bytes], by: str) -> dict[str, Any]:
    """Return the manifest, once its signature and every file's digest are right."""
    try:
        told = json.loads(parts[_SIGNATURE])
        body = VerifyKey(by.encode(), HexEncoder).verify(parts[_MANIFEST], bytes.fromhex(told["signature"]))
        manifest: dict[str, Any] = json.loads(body)
    except (KeyError, ValueError, TypeError, BadSignatureError) as error:
        raise ParvisError(
            f"{path}: its signature is not by the key {by[:16]}… ({type(error).__name__}).",
            remedy="Compare the device's key, as `parvis legal status` shows it, with the one that you gave.",
        ) from error
    sealed = {name: data for name, data in parts.items() if name not in (_MANIFEST, _SIGNATURE)}
    if {name: hashlib.sha256(data).hexdigest() for name, data in sealed.items()} != manifest["files"]:
        raise ParvisError(f"{path}: a file in it was changed.", remedy="Ask for the export again.")
    return manifest
