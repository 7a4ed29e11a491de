# SPDX-License-Identifier: EUPL-1.2
"""The pictures of docs/guides/pictures, each taken from a real run."""
