# SPDX-License-Identifier: EUPL-1.2
"""What portal and kiosk pages share: language, dates, safe content, headers, style, icons, error pages. No business."""
