# SPDX-License-Identifier: EUPL-1.2
"""Faults on purpose: a proxy that cuts and delays, and a platform that can be told to misbehave."""
