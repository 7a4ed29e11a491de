# SPDX-License-Identifier: EUPL-1.2
"""The errors that reach a person: each says what is wrong, where, and what to do about it."""

from __future__ import annotations


class ParvisError(Exception):
    """Anything that Parvis explains to a person instead of showing a traceback.

    `message` names the thing and the place; `remedy` is the command or the value that mends it.
    """

    def __init__(self, message: str, *, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}".strip()


class ConfigurationError(ParvisError):
    """The configuration file or the environment holds a value that can't be used."""


class StoreError(ParvisError):
    """A database is missing, unreadable, full, or has a schema that this version doesn't know."""


class NetworkError(ParvisError):
    """The kernel, an interface, nftables or dnsmasq refuses what the gateway needs."""


class ContentError(ParvisError):
    """Content is unsigned, malformed, too large or older than what is already here."""


class ProcessError(ParvisError):
    """A program that Parvis runs is not installed, or can't be started."""
