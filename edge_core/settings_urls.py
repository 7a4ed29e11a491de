# SPDX-License-Identifier: EUPL-1.2
"""How a raw URL of the configuration becomes a checked one; each parser raises ValueError saying what it expects."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit


def mqtt_url(raw: Any) -> str:
    """Accept the address of a broker: mqtt://host:port, or mqtts:// with TLS."""
    return _url(raw, {"mqtt", "mqtts"}, "mqtt://broker.example.net:1883, or mqtts:// with TLS")


def http_urls(raw: Any) -> tuple[str, ...]:
    """Accept the addresses of several repositories: a list, or one text with commas."""
    items = raw.split(",") if isinstance(raw, str) else raw
    if not isinstance(items, list):
        raise ValueError('a list such as ["http://10.77.0.1:8083"]')  # noqa: TRY004  every parser raises this one
    return tuple(http_url(item.strip() if isinstance(item, str) else item) for item in items)


def http_url(raw: Any) -> str:
    """Accept the address of a content repository."""
    return _url(raw, {"http", "https"}, "https://content.example.net/repository")


def smtp_url(raw: Any) -> str:
    """Accept the address of a mail server: smtp://host:port, or smtps:// with TLS from the first byte."""
    return _url(raw, {"smtp", "smtps"}, "smtp://mail.example.net:587, or smtps://mail.example.net")


def protected_url(raw: Any) -> str:
    """Accept an address that is asked over TLS; this machine's own may go without."""
    value = _url(raw, {"http", "https"}, "https://id.example.net")
    if not value.startswith("https://") and urlsplit(value).hostname not in {"localhost", "127.0.0.1", "::1"}:
        raise ValueError("a URL with https://: who signs in must not be read or changed on the way")
    return value


def _url(raw: Any, schemes: set[str], example: str) -> str:
    try:
        parts = urlsplit(raw if isinstance(raw, str) else "")
        good = parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good:
        raise ValueError(f"a URL such as {example}")
    if parts.username or parts.password:
        raise ValueError("a URL without a user or password in it: a device shows who it is by its certificate")
    return str(raw).rstrip("/")
