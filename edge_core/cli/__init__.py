# SPDX-License-Identifier: EUPL-1.2
"""The `parvis` command, a file for each command; `main` puts them together."""
