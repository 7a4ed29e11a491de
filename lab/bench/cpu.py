# SPDX-License-Identifier: EUPL-1.2
"""Processor time of a family of processes."""

import psutil


def family(process: psutil.Process) -> list[psutil.Process]:
    """Return a process and all below it."""
    return [process, *process.children(recursive=True)]


def seconds(process: psutil.Process) -> float:
    """Return the seconds of a process and all below it, ended ones too; packets in soft interrupts are nobody's."""
    times = [one.cpu_times() for one in family(process)]
    return sum(one.user + one.system + one.children_user + one.children_system for one in times)
