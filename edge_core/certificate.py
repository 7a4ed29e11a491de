# SPDX-License-Identifier: EUPL-1.2
"""Judges whether the portal's certificate may be told to guests; it reads the file and changes nothing.

A device that is told of an API whose certificate it can't trust may take the whole network for broken. So the API is
told of (RFC 8910) only while the certificate is good, and for another week.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from cryptography import x509

if TYPE_CHECKING:
    from pathlib import Path

WEEK = 7 * 86400.0
_LARGEST = 256 * 1024
"""A chain is a few kilobytes; what is larger is another file."""


class Verdict(NamedTuple):
    """`usable`: guests may be told. `reason`: one sentence, either way. `ends_at`: seconds since 1970, where known."""

    usable: bool
    reason: str
    ends_at: float | None = None


def judge(path: Path | None, hostname: str, now: float) -> Verdict:
    """Return the verdict on the chain in `path` (PEM, the server's own first) for `hostname` at `now`; never raises."""
    if path is None:
        return Verdict(usable=False, reason="There is none.")
    try:
        with path.open("rb") as file:
            first = x509.load_pem_x509_certificates(file.read(_LARGEST))[0]
        names = _names(first)
    except (OSError, ValueError, IndexError) as error:
        why = error.strerror if isinstance(error, OSError) else "not a certificate in PEM"
        return Verdict(usable=False, reason=f"{path} can't be read: {why}.")
    begins, ends = first.not_valid_before_utc.timestamp(), first.not_valid_after_utc.timestamp()
    if not any(_matches(name, hostname) for name in names):
        problem = f"is for another name than {hostname}"
    elif now < begins:
        problem = "is not valid yet"
    elif now >= ends:
        problem = "has expired"
    elif ends - now < WEEK:
        problem = f"expires in {(ends - now) / 86400:.1f} days"
    else:
        return Verdict(usable=True, reason=f"Valid for {(ends - now) / 86400:.0f} days.", ends_at=ends)
    return Verdict(usable=False, reason=f"{path} {problem}.", ends_at=ends)


def _names(certificate: x509.Certificate) -> list[str]:
    """Return the DNS names of a certificate; the common name doesn't count (RFC 9525, 2)."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return []
    return found.value.get_values_for_type(x509.DNSName)


def _matches(name: str, hostname: str) -> bool:
    """Tell whether a certificate's name covers a host; `*` stands for the whole first label (RFC 9525, 6.3)."""
    name, hostname = name.lower().rstrip("."), hostname.lower().rstrip(".")
    if name.startswith("*."):
        return "." in hostname and name[2:] == hostname.partition(".")[2]
    return name == hostname
