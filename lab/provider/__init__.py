# SPDX-License-Identifier: EUPL-1.2
"""A small, real OpenID Connect provider for tests and the demo: Authlib's server, code flow, PKCE required.

Anybody signs in under any name; it keeps everything in memory and signs with a key made at start.
"""
