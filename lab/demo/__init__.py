# SPDX-License-Identifier: EUPL-1.2
"""The whole zone on one computer: the site, a small internet with the platform, phones, and a console that tells it."""
