# SPDX-License-Identifier: EUPL-1.2
"""What goes over the wire, for anybody: the documents, their schemas, and a program that checks both sides."""
