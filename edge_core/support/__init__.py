# SPDX-License-Identifier: EUPL-1.2
"""What a device tells of its troubles: its journal as fields, and the bundle for support, without anything personal."""
