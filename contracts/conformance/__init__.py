# SPDX-License-Identifier: EUPL-1.2
"""The contract's numbered requirements as a program: runs them against any platform and any device, imports neither."""
