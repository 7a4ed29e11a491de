# SPDX-License-Identifier: EUPL-1.2
"""The weekly report for a park's management: made of what was told already, so nothing in it is finer than that."""
