# SPDX-License-Identifier: EUPL-1.2
"""A phone without a screen: resolves, fetches and fills in forms through one interface, as an HTTP robot."""

import http.client
import socket
import ssl
import struct
from dataclasses import dataclass, field
from html.parser import HTMLParser
from ipaddress import IPv4Address
from typing import Any
from urllib.parse import urlencode, urljoin, urlsplit

from lab.phone.lease import Lease

_TIMEOUT = 20.0
_SO_BINDTODEVICE = 25
_REDIRECTS = (301, 302, 303, 307, 308)
_MOST_REDIRECTS = 6


class UnresolvedError(Exception):
    """A name did not resolve."""


@dataclass(frozen=True)
class Page:
    """An answer: where it came from, status, headers with lower-case names, text."""

    url: str
    status: int
    headers: dict[str, str]
    text: str

    @property
    def location(self) -> str:
        """Absolute address of a redirect, "" when it is none."""
        return urljoin(self.url, self.headers.get("location", "")) if self.status in _REDIRECTS else ""


@dataclass
class Form:
    """An HTML form as a browser would send it with every box ticked."""

    method: str = "get"
    action: str = ""
    fields: dict[str, str] = field(default_factory=dict)


class _Forms(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[Form] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {key: value or "" for key, value in attrs}
        if tag == "form":
            self.found.append(Form(given.get("method", "get").lower(), given.get("action", "")))
        elif tag in ("input", "button") and self.found and given.get("name") and given.get("type") != "button":
            default = "on" if given.get("type") == "checkbox" else ""
            self.found[-1].fields.setdefault(given["name"], given.get("value", default))


def forms(html: str) -> list[Form]:
    """Return the forms of a page, in order."""
    parser = _Forms()
    parser.feed(html)
    return parser.found


def question(name: str, number: int) -> bytes:
    """Return a DNS query for the IPv4 address of a name (RFC 1035)."""
    labels = b"".join(bytes((len(part),)) + part.encode("idna") for part in name.split("."))
    return struct.pack("!HHHHHH", number, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack("!HH", 1, 1)


def addresses(answer: bytes) -> list[IPv4Address]:
    """Return the IPv4 addresses in a DNS answer; names in it may be compressed."""
    count = struct.unpack("!H", answer[6:8])[0]
    place = _after_name(answer, 12) + 4
    found = []
    for _ in range(count):
        place = _after_name(answer, place)
        kind, _, _, size = struct.unpack("!HHIH", answer[place : place + 10])
        if kind == 1:
            found.append(IPv4Address(answer[place + 10 : place + 14]))
        place += 10 + size
    return found


def _after_name(message: bytes, place: int) -> int:
    while message[place]:
        if message[place] & 0xC0:
            return place + 2
        place += 1 + message[place]
    return place + 1


class Robot:
    """Speaks through one phone's interface, or as this process (`lease` None) with the system's resolver."""

    def __init__(self, lease: Lease | None = None, trust: str | None = None, source: str = "") -> None:
        """Take the phone's lease, and the file of a certificate authority to trust.

        Without a lease, `source` tells phones apart where there is no guests' network: any address of 127.0.0.0/8.
        """
        self._lease = lease
        self._source = source
        self._trust = trust

    def resolve(self, name: str) -> str:
        """Return the first IPv4 address of a name, asked from the lease's DNS server; UnresolvedError if none."""
        try:
            return str(IPv4Address(name))
        except ValueError:
            pass
        if self._lease is None:
            return name
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ask:
            self._bind(ask)
            ask.settimeout(3)
            for number in (1, 2):
                ask.sendto(question(name, number), (str(self._lease.dns), 53))
                try:
                    found = addresses(ask.recv(1500))
                except TimeoutError:
                    continue
                if found:
                    return str(found[0])
        raise UnresolvedError(f"{name} does not resolve at {self._lease.dns}")

    def _bind(self, made: socket.socket) -> None:
        if self._lease:
            made.setsockopt(socket.SOL_SOCKET, _SO_BINDTODEVICE, self._lease.interface.encode() + b"\0")
            made.bind((str(self._lease.address), 0))

    def connect(self, host: str, port: int, timeout: float = _TIMEOUT) -> socket.socket:
        """Return a connection to a host; OSError as the network answers (ConnectionRefusedError, TimeoutError)."""
        if self._lease is None:
            return socket.create_connection((host, port), timeout, (self._source, 0) if self._source else None)
        made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        made.settimeout(timeout)
        try:
            self._bind(made)
            made.connect((self.resolve(host), port))
        except BaseException:
            made.close()
            raise
        return made

    def fetch(
        self, url: str, form: dict[str, str] | None = None, headers: dict[str, str] | None = None,
        patience: float = _TIMEOUT,
    ) -> Page:  # fmt: skip
        """GET the address, or POST the form; follows nothing. TimeoutError after `patience` seconds of silence."""
        parts = urlsplit(url)
        host = parts.hostname or ""
        connection = self._connection(host, parts.scheme, parts.port, patience)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        sent = {"Accept-Language": "fr", "User-Agent": "parvis-lab-phone", "Connection": "close", **(headers or {})}
        sent["Host"] = parts.netloc
        body = urlencode(form) if form is not None else None
        if body is not None:
            sent["Content-Type"] = "application/x-www-form-urlencoded"
        try:
            connection.request("POST" if body is not None else "GET", path, body, sent)
            answer = connection.getresponse()
            text = answer.read().decode("utf-8", "replace")
            return Page(url, answer.status, {key.lower(): value for key, value in answer.getheaders()}, text)
        finally:
            connection.close()

    def _connection(self, host: str, scheme: str, port: int | None, patience: float) -> http.client.HTTPConnection:
        made: Any = self.connect(host, port or (443 if scheme == "https" else 80), patience)
        if scheme == "https":
            made = ssl.create_default_context(cafile=self._trust).wrap_socket(made, server_hostname=host)
        connection = http.client.HTTPConnection(host, port)
        connection.sock = made
        return connection

    def read(self, url: str) -> Page:
        """Fetch and follow redirects to the page at their end."""
        page = self.fetch(url)
        for _ in range(_MOST_REDIRECTS):
            if not page.location:
                break
            page = self.fetch(page.location)
        return page

    def submit(self, page: Page, to: str = "", **changes: str) -> Page:
        """Send the first form that posts to an address beginning with `to`, with changed fields; else ValueError."""
        for form in forms(page.text):
            if form.method == "post" and form.action.startswith(to):
                headers = {"Origin": "{0.scheme}://{0.netloc}".format(urlsplit(page.url)), "Referer": page.url}
                return self.fetch(urljoin(page.url, form.action), {**form.fields, **changes}, headers)
        raise ValueError(f"{page.url} has no form to send (status {page.status})")
