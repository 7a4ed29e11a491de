# SPDX-License-Identifier: EUPL-1.2
"""The desk over HTTPS, as contracts/enrolment says. Each connection has its own thread from its first byte on."""

from __future__ import annotations

import ssl
import threading
import time
from collections import defaultdict, deque
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from cryptography import x509
from flask import Blueprint, Flask, current_app, jsonify, request
from werkzeug.serving import WSGIRequestHandler, make_server

from lab.platform.enrolment.desk import RefusalError

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask.typing import ResponseReturnValue
    from werkzeug.serving import BaseWSGIServer

    from lab.platform.enrolment.desk import Desk

_LARGEST = 16384
_PATIENCE = 10  # seconds for each step of a connection
_WRONG, _MINUTE = 10, 60.0  # wrong codes that an address may try in a minute
pages = Blueprint("enrolment", __name__, url_prefix="/enrolment/1")


class Tries:
    """How often an address was wrong lately."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._wrong: dict[str, deque[float]] = defaultdict(deque)
        self._lock = threading.Lock()

    def wait(self, address: str) -> float:
        """Return the seconds for which this address has to wait; 0 when it may try."""
        with self._lock:
            self._forget()
            tries = self._wrong.get(address)
            return tries[0] + _MINUTE - self._clock() if tries and len(tries) >= _WRONG else 0.0

    def wrong(self, address: str) -> None:
        """Note a wrong code."""
        with self._lock:
            self._wrong[address].append(self._clock())

    def _forget(self) -> None:
        before = self._clock() - _MINUTE
        for address in list(self._wrong):
            tries = self._wrong[address]
            while tries and tries[0] <= before:
                tries.popleft()
            if not tries:
                del self._wrong[address]


def create_app(desk: Desk, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> Flask:
    """Wire the application."""
    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = _LARGEST
    app.extensions["desk"], app.extensions["clock"], app.extensions["tries"] = desk, clock, Tries()
    app.register_blueprint(pages)
    app.register_error_handler(RefusalError, _refused)
    return app


def _refused(error: RefusalError) -> ResponseReturnValue:
    response = jsonify(error.problem)
    response.headers["Content-Type"] = "application/problem+json"
    return response, error.status


def _desk() -> Desk:
    desk: Desk = current_app.extensions["desk"]
    return desk


def _now() -> datetime:
    now: datetime = current_app.extensions["clock"]()
    return now


@pages.get("/ca")
def authority() -> ResponseReturnValue:
    """Answer the authority's certificate; whoever asks knows its fingerprint from elsewhere (RFC 7030, 4.1.1)."""
    return _desk().authority.pem, 200, {"Content-Type": "application/x-pem-file"}


@pages.get("/revoked")
def revoked() -> ResponseReturnValue:
    """Answer the list of revoked certificates, for a site's own broker."""
    path = _desk().authority.folder / "crl.pem"
    return path.read_bytes(), 200, {"Content-Type": "application/x-pem-file"}


@pages.post("/look")
def look() -> ResponseReturnValue:
    """Answer what a code would give."""
    return jsonify(_with_code(lambda code, _body: _desk().look(code, _now())))


@pages.post("/device")
def device() -> ResponseReturnValue:
    """Answer the identity for a code and a signing request."""
    return jsonify(_with_code(lambda code, body: _desk().enrol(code, _text(body, "csr").encode(), _now()))), 201


@pages.post("/renewal")
def renewal() -> ResponseReturnValue:
    """Answer a new certificate to the bearer of an old one, which TLS has checked."""
    shown = request.environ.get("SSL_CLIENT_CERT")
    if not shown:
        raise RefusalError(401, "certificate-needed", "A renewal is asked for with the certificate that it renews.")
    certificate = x509.load_pem_x509_certificate(shown.encode())
    return jsonify(_desk().renew(certificate, _text(_body(), "csr").encode(), _now())), 201


def _with_code(act: Callable[[str, dict[str, Any]], dict[str, Any]]) -> dict[str, Any]:
    """Act on the code of the request; an address that is wrong too often has to wait."""
    tries: Tries = current_app.extensions["tries"]
    address = request.remote_addr or ""
    if (wait := tries.wait(address)) > 0:
        raise RefusalError(429, "too-many", f"Too many wrong codes came from here. Wait {wait:.0f} s.")
    body = _body()
    try:
        return act(_text(body, "code"), body)
    except RefusalError as error:
        if error.status == 404:
            tries.wrong(address)
        raise


def _body() -> dict[str, Any]:
    body = request.get_json(silent=True)
    if not isinstance(body, dict):
        raise RefusalError(400, "bad-request", "The body is no JSON object.")
    return body


def _text(body: dict[str, Any], key: str) -> str:
    value = body.get(key)
    if not isinstance(value, str) or not 1 <= len(value) <= 8192:
        raise RefusalError(400, "bad-request", f"{key} is missing, or no text.")
    return value


class Handler(WSGIRequestHandler):
    """Shakes hands in its own thread and logs no visitor."""

    timeout = _PATIENCE
    protocol_version = "HTTP/1.1"

    def setup(self) -> None:
        """Make the connection a TLS one before anything is read."""
        self.request.settimeout(_PATIENCE)
        self.request = self.server.ssl_context.wrap_socket(self.request, server_side=True)  # type: ignore[union-attr]
        super().setup()

    def finish(self) -> None:
        """End the TLS connection, of which the server itself knows nothing."""
        try:
            super().finish()
        finally:
            self.request.close()

    def log_request(self, *_args: Any) -> None:
        """Say nothing."""


class Server:
    """The desk's HTTPS server, in a thread."""

    def __init__(self, desk: Desk, bind: str, port: int) -> None:
        """Listen; raises OSError where the port is taken."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(desk.authority.folder / "server.pem", desk.authority.folder / "server.key")
        context.load_verify_locations(desk.authority.folder / "ca.pem")
        context.verify_mode = ssl.CERT_OPTIONAL
        self._server: BaseWSGIServer = make_server(bind, port, create_app(desk), threaded=True, request_handler=Handler)
        self._server.ssl_context = context
        self._server.handle_error = lambda *_: None  # type: ignore[method-assign]  # a broken handshake is no event
        self.port = self._server.server_port

    def start(self) -> None:
        """Serve in the background."""
        threading.Thread(target=self._server.serve_forever, name="enrolment", daemon=True).start()

    def end(self) -> None:
        """Stop."""
        self._server.shutdown()
        self._server.server_close()
