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
    given = parser.parse_args()
    app = create_app(Client(given.client, given.secret, tuple(given.redirect)))
    make_server(given.bind, given.port, app, threaded=True).serve_forever()


if __name__ == "__main__":
    main()
