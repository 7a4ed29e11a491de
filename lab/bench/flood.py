# SPDX-License-Identifier: EUPL-1.2
"""Sends small UDP packets from one guest as fast as one core can: `python -m lab.bench.flood DEVICE ADDRESS SECONDS`.

Bounded by its seconds, and sent only inside the namespaces of a measure. Prints packets sent, seconds passed, and
seconds of processor time: on veth the whole way through the gateway is walked by the sender's own core.
"""

import ctypes
import json
import os
import socket
import sys
import time

_BATCH = 64
_SIZE = 64
_PORT = 9


class _Vector(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


class _Header(ctypes.Structure):
    """`struct mmsghdr` of sendmmsg(2)."""

    _fields_ = (
        ("name", ctypes.c_void_p),
        ("name_length", ctypes.c_uint),
        ("vector", ctypes.POINTER(_Vector)),
        ("vectors", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_length", ctypes.c_size_t),
        ("flags", ctypes.c_int),
        ("sent", ctypes.c_uint),
    )


def flood(device: str, address: str, seconds: float) -> dict[str, float]:
    """Send for `seconds`; return what was sent and what it took."""
    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sender.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
    sender.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 22)
    sender.connect((address, _PORT))
    payload = ctypes.create_string_buffer(_SIZE)
    vector = _Vector(ctypes.cast(payload, ctypes.c_void_p), _SIZE)
    batch = (_Header * _BATCH)(*[_Header(vector=ctypes.pointer(vector), vectors=1) for _ in range(_BATCH)])
    send = ctypes.CDLL(None, use_errno=True).sendmmsg
    sent, began, used = 0, time.monotonic(), time.process_time()
    while time.monotonic() - began < seconds:
        sent += max(0, send(sender.fileno(), batch, _BATCH, 0))
    return {"sent": sent, "seconds": time.monotonic() - began, "cpu": time.process_time() - used}


if __name__ == "__main__":
    os.sched_setaffinity(0, {0})
    print(json.dumps(flood(sys.argv[1], sys.argv[2], float(sys.argv[3]))))
