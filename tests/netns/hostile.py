# SPDX-License-Identifier: EUPL-1.2
"""A hostile guest, run as a program inside its own namespace: `hostile.py KIND SECONDS SEED`; prints what it sent.

Every loop is bounded by time and count, and everything goes to the lab's own gateway over the lab's own cable.
"""

import contextlib
import json
import os
import random
import socket
import struct
import sys
import time
from pathlib import Path

GATEWAY, GATEWAY6, WEB = "10.77.0.1", "fd77::1", "192.0.2.1"
MOST = 20_000
BROADCAST = b"\xff" * 6
ALL_NODES = bytes.fromhex("333300000001")


def mac(chance):
    return bytes([0x02, *chance.randbytes(5)])


def own_mac():
    return bytes.fromhex(Path("/sys/class/net/eth0/address").read_text().strip().replace(":", ""))


def wire():
    sender = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    sender.bind(("eth0", 0))
    return sender


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data)) if len(data) % 2 == 0 else checksum(data + b"\0")
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def ipv4(source, target, protocol, payload, chance):
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), chance.getrandbits(16), 0, 64, protocol, 0,
                       socket.inet_aton(source), socket.inet_aton(target))  # fmt: skip
    return head[:10] + struct.pack("!H", 0xFFFF & ~checksum(head)) + head[12:] + payload


def udp4(source, target, ports, payload, chance):
    return ipv4(source, target, 17, struct.pack("!HHHH", *ports, 8 + len(payload), 0) + payload, chance)


def icmp6(source, target, message):
    pseudo = source + target + struct.pack("!II", len(message), 58)
    total = 0xFFFF & ~checksum(pseudo + message)
    body = message[:2] + struct.pack("!H", total) + message[4:]
    return struct.pack("!IHBB", 0x60000000, len(body), 58, 255) + source + target + body


def inet6(text):
    return socket.inet_pton(socket.AF_INET6, text)


def mutated(chance, whole):
    """Return `whole` with some bytes changed, cut out, doubled, or only its beginning."""
    data = bytearray(whole)
    for _ in range(chance.randint(1, 8)):
        place = chance.randrange(len(data) or 1)
        action = chance.randrange(4)
        if action == 0 and data:
            data[place % len(data)] = chance.getrandbits(8)
        elif action == 1:
            del data[place : place + chance.randint(1, 20)]
        elif action == 2:
            data[place:place] = chance.randbytes(chance.randint(1, 40))
        else:
            data[place:place] = data[:place][-200:]
    return bytes(data[:60_000])


class Attack:
    """Until the time is over: each method sends one thing."""

    def __init__(self, seconds, seed):
        self.end, self.chance = time.monotonic() + seconds, random.Random(seed)

    def rounds(self, most=MOST):
        for number in range(most):
            if time.monotonic() > self.end:
                return
            yield number

    def http(self):
        whole = (
            b"POST /fr/accept?a=b HTTP/1.1\r\nHost: portail.example.net\r\nContent-Type: application/"
            b"x-www-form-urlencoded\r\nContent-Length: 9\r\nCookie: a=b\r\nExpect: 100-continue\r\n\r\ntoken=abc"
        )
        for number in self.rounds():
            self._speak((GATEWAY, 80), mutated(self.chance, whole) if number % 3 else self.chance.randbytes(300))

    def tls(self):
        hello = bytes.fromhex("16030100c6010000c20303") + self.chance.randbytes(190)
        for number in self.rounds():
            self._speak((GATEWAY, 443), mutated(self.chance, hello) if number % 3 else b"GET / HTTP/1.1\r\n\r\n")

    def _speak(self, target, data):
        with contextlib.suppress(OSError), socket.create_connection(target, 1) as peer:
            peer.sendall(data)
            peer.settimeout(0.02)
            peer.recv(4096)

    def dns(self):
        query = (
            b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x01\x06exempl\x04test\x00\x00\x01\x00\x01\x00\x00\x29\x10\x00"
            + bytes(6)
        )
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for number in self.rounds():
                data = mutated(self.chance, query)
                with contextlib.suppress(OSError):
                    sender.sendto(data[:1400], (GATEWAY, 53))
                if number % 50 == 0:
                    self._speak((GATEWAY, 53), struct.pack("!H", self.chance.getrandbits(16)) + data)

    def dhcp(self):
        sender = wire()
        for number in self.rounds():
            hardware = mac(self.chance)
            options = (
                b"\x63\x82\x53\x63\x35\x01" + bytes([self.chance.choice([1, 3, 4, 7, 8])]) + b"\x37\x03\x01\x03\x72\xff"
            )
            message = (
                struct.pack("!BBBBIHH16x16s192x", 1, 1, 6, 0, self.chance.getrandbits(32), 0, 0x8000, hardware)
                + options
            )
            data = mutated(self.chance, message)[:1000]
            packet = udp4("0.0.0.0", "255.255.255.255", (68, 67), data, self.chance)
            sender.send(BROADCAST + hardware + b"\x08\x00" + packet)
            if number % 4 == 0:
                six = mutated(
                    self.chance,
                    b"\x0b\x01\x02\x03\x00\x01\x00\x0a\x00\x03\x00\x01" + hardware + b"\x00\x06\x00\x02\x00\x67",
                )
                with contextlib.suppress(OSError), socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as asker:
                    asker.sendto(six[:1200], ("ff02::1:2", 547, 0, socket.if_nametoindex("eth0")))
            time.sleep(0.001)

    def arp(self):
        """Claim every address of the guests, some five thousand times a second, which is more than a radio carries."""
        sender = wire()
        for number in self.rounds():
            if number % 50 == 0:
                time.sleep(0.01)
            hardware = mac(self.chance)
            claimed = socket.inet_aton(f"10.77.{self.chance.randrange(16)}.{self.chance.randrange(1, 255)}")
            if claimed == socket.inet_aton(GATEWAY):
                continue
            body = struct.pack(
                "!HHBBH6s4s6s4s", 1, 0x800, 6, 4, 1, hardware, claimed, bytes(6), socket.inet_aton(GATEWAY)
            )
            sender.send(BROADCAST + hardware + b"\x08\x06" + body)

    def neighbours(self):
        sender, target = wire(), inet6(GATEWAY6)
        group = inet6("ff02::1:ff00:1")
        for number in self.rounds():
            hardware = mac(self.chance)
            source = inet6("fd77::")[:8] + self.chance.randbytes(8)
            if number % 5:
                message = bytes([135, 0, 0, 0, 0, 0, 0, 0]) + target + b"\1\1" + hardware
                frame = icmp6(source, group, message)
                sender.send(bytes.fromhex("3333ff000001") + hardware + b"\x86\xdd" + frame)
            else:
                local = inet6("fe80::")[:8] + self.chance.randbytes(8)
                frame = icmp6(local, inet6("ff02::2"), bytes([133, 0, 0, 0, 0, 0, 0, 0]))
                sender.send(bytes.fromhex("333300000002") + hardware + b"\x86\xdd" + frame)

    def rogue(self):
        sender, hardware = wire(), own_mac()
        local = inet6("fe80::bad")
        router = bytes([134, 0, 0, 0, 64, 0]) + struct.pack("!HII", 9000, 0, 0)
        prefix = struct.pack("!BBBBIII16s", 3, 4, 64, 0xC0, 86400, 86400, 0, inet6("2001:db8:bad::"))
        for _ in self.rounds(2000):
            frame = icmp6(local, inet6("ff02::1"), router + b"\1\1" + hardware + prefix)
            sender.send(ALL_NODES + hardware + b"\x86\xdd" + frame)
            given, server = socket.inet_aton("10.77.3.3"), socket.inet_aton("10.77.0.66")
            head = struct.pack("!BBBBIHH", 2, 1, 6, 0, 1, 0, 0x8000)
            offer = head + struct.pack("!4s4s4s4s16s192x", bytes(4), given, server, bytes(4), hardware)
            offer += b"\x63\x82\x53\x63\x35\x01\x02\xff"
            packet = udp4("10.77.0.66", "255.255.255.255", (67, 68), offer, self.chance)
            sender.send(BROADCAST + hardware + b"\x08\x00" + packet)
            time.sleep(0.002)

    def half_open(self):
        """A thousand connections that say nothing, to the portal's doors; then first packets alone, never answered."""
        held = []
        for number in self.rounds(1000):
            port = 80 if number % 2 else 443
            with contextlib.suppress(OSError):
                peer = socket.create_connection((GATEWAY, port), 1)
                peer.sendall(b"GET / HT" if port == 80 else b"\x16\x03\x01")
                held.append(peer)
        sender, hardware = wire(), own_mac()
        source = socket.gethostbyname(os.environ.get("HOSTILE_ADDRESS", "127.0.0.1"))
        gateway = bytes.fromhex(os.environ["HOSTILE_GATEWAY_MAC"].replace(":", ""))
        for _ in self.rounds(5000):
            ports = (self.chance.randrange(1024, 65535), self.chance.choice([80, 443, 53]))
            pseudo = socket.inet_aton(source) + socket.inet_aton(GATEWAY) + struct.pack("!HH", 6, 20)
            first = struct.pack("!HHIIBBHHH", *ports, self.chance.getrandbits(32), 0, 0x50, 2, 65535, 0, 0)
            first = first[:16] + struct.pack("!H", 0xFFFF & ~checksum(pseudo + first)) + first[18:]
            sender.send(gateway + hardware + b"\x08\x00" + ipv4(source, GATEWAY, 6, first, self.chance))
        time.sleep(max(0.0, self.end - time.monotonic()))

    def frames(self):
        """Frames of any kind: broken heads, fragments, extension headers, wrong lengths."""
        sender, hardware = wire(), own_mac()
        gateway = bytes.fromhex(os.environ["HOSTILE_GATEWAY_MAC"].replace(":", ""))
        for number in self.rounds():
            kind = self.chance.choice([b"\x08\x00", b"\x86\xdd", b"\x08\x06", b"\x81\x00", self.chance.randbytes(2)])
            whole = udp4("10.77.0.99", WEB, (1, 53), self.chance.randbytes(60), self.chance)
            data = mutated(self.chance, whole) if number % 2 else self.chance.randbytes(self.chance.randint(1, 1200))
            sender.send(self.chance.choice([gateway, BROADCAST]) + hardware + kind + data[:1400])


if __name__ == "__main__":
    attack = Attack(float(sys.argv[2]), int(sys.argv[3]))
    begun = time.monotonic()
    getattr(attack, sys.argv[1])()
    print(json.dumps({"kind": sys.argv[1], "seconds": time.monotonic() - begun}))
