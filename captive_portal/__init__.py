# SPDX-License-Identifier: EUPL-1.2
"""The captive portal that guests meet: unprivileged, local data only; it writes grants and requests, nothing else."""
