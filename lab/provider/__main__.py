# SPDX-License-Identifier: EUPL-1.2
"""Runs the provider: `python -m lab.provider --port 8090 --redirect http://wifi.parc.example/sign-in/back`."""

import argparse

from werkzeug.serving import make_server

from lab.provider.app import Client, create_app


def main() -> None:
    """Serve until ended."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bind", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8090)
    parser.add_argument("--client", default="portal")
    parser.add_argument("--secret", default="", help="empty: a public client")
    parser.add_argument("--redirect", action="append", required=True)
    parser.add_argument("--certificate", help="chain (PEM): then it speaks TLS, as everywhere but on this machine")
    parser.add_argument("--key", help="its key (PEM)")
    given = parser.parse_args()
    tls = (given.certificate, given.key) if given.certificate else None
    app = create_app(Client(given.client, given.secret, tuple(given.redirect)))
    make_server(given.bind, given.port, app, threaded=True, ssl_context=tls).serve_forever()


if __name__ == "__main__":
    main()
