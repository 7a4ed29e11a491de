# SPDX-License-Identifier: EUPL-1.2
"""The pictures of docs/guide, each taken from a real run."""
