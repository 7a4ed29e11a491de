# SPDX-License-Identifier: EUPL-1.2
"""Brings a device to the release that its operator signed, or back from it; at no moment has it neither."""
