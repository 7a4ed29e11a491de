# SPDX-License-Identifier: EUPL-1.2
"""Measures: each prints a table and writes its figures as JSON."""
