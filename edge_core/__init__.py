# SPDX-License-Identifier: EUPL-1.2
"""What every process of Parvis must agree on: settings, store, events, messages, logs and the `parvis` command."""

__version__ = "0.1.0"
