# SPDX-License-Identifier: EUPL-1.2
"""What a device remembers: SQL is written here and nowhere else, one module for each family of tables."""
