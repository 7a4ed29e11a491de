# SPDX-License-Identifier: EUPL-1.2
"""The ruleset as text: a pure template, the only place that says which packets pass.

A flow is judged once, at its first packet: the nat prerouting chain looks the guest up (MAC and leased address for
IPv4, MAC alone for the many addresses of IPv6) and writes the grant into the conntrack mark. Each later packet meets
one rule. One packet in 31 is looked up again, so that a flow doesn't outlive its grant even with no process of ours.
Nothing grows with the number of guests.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from gateway_agent import garden, nft_zones

if TYPE_CHECKING:
    from collections.abc import Iterable

    from edge_core.settings import Settings

TABLE = "parvis"
LIVE = 0x80000000
"""The bit of a conntrack mark that lets its flow through; GRANT_MASK holds the grant's id."""
SHAPED = 0x40000000
"""The bit of a mark whose packets are sorted into a class of their rate."""
GARDEN = 0x20000000
"""The mark of a flow to the walled garden: let through, and nobody's usage."""
GRANT_MASK = 0x1FFFFFFF
"""The bits that hold the grant's id; what is left over tells how its flows are treated."""
SIZE = 65536
"""Elements that each set may hold."""
SAMPLE = 31
"""One packet in so many is checked again; odd, or of question and answer in turn it would always be the same side."""

_ICMPV6 = (
    "nd-neighbor-solicit, nd-neighbor-advert, nd-router-solicit, echo-request, "
    "mld-listener-report, mld-listener-done, mld2-listener-report"
)
_SOLICITS = "nd-neighbor-solicit, nd-neighbor-advert, echo-request"
"""What makes an entry in the table of neighbours."""

_TEMPLATE = """\
table inet parvis {{
 comment "parvis {version}"

 # The grants. Every element carries its session's own timeout: with the agent dead, the kernel still ends it.
 map grant4 {{ type ether_addr . ipv4_addr : mark; flags timeout; size {size}; }}
 map grant6 {{ type ether_addr : mark; flags timeout; size {size}; }}
 # IPv6 in further zones: the same device may have a session in one of them and none in another.
 map zone6 {{ type ether_addr . ifname : mark; flags timeout; size {size}; }}
 set live {{ type mark; flags timeout; size {size}; }}
 map shape {{ type mark : classid; flags timeout; size {size}; }}
 set blocked {{ type ether_addr; size {size}; }}
 # What somebody without a grant asks of DNS: in a burst, in the long run, and with the long labels that tunnels need.
 set dns_burst {{ type ether_addr; flags dynamic,timeout; timeout 1m; size {size}; }}
 set dns_steady {{ type ether_addr; flags dynamic,timeout; timeout 10m; size {size}; }}
 set dns_long {{ type ether_addr; flags dynamic,timeout; timeout 2m; size {size}; }}
 # Who asks for many names that nobody has is left without answers for a while.
 set dns_unknown4 {{ type ipv4_addr; flags dynamic,timeout; timeout 2m; size {size}; }}
 set dns_unknown6 {{ type ipv6_addr; flags dynamic,timeout; timeout 2m; size {size}; }}
 set dns_noisy4 {{ type ipv4_addr; flags dynamic,timeout; timeout 10s; size {size}; }}
 set dns_noisy6 {{ type ipv6_addr; flags dynamic,timeout; timeout 10s; size {size}; }}
{garden_sets}
 counter refused {{ }}
 counter dns_dropped {{ }}
 counter spoofed {{ }}
 # New connections of a device without a grant to the gateway itself: the portal's.
 set portal_rate {{ type ether_addr; flags dynamic,timeout; timeout 1m; size {size}; }}
 # What a device holds open there, whatever addresses it has: the front knows it by address alone.
 set portal_open {{ type ether_addr; flags dynamic; size {size}; }}
 counter blocked_dropped {{ }}
 counter flood_dropped {{ }}

 chain prerouting {{ type nat hook prerouting priority dstnat; policy accept;
  iifname {lans} jump arrive
 }}
 chain arrive {{
  ether saddr @blocked counter name blocked_dropped drop
  meta nfproto ipv4 meta l4proto {{ tcp, udp }} th dport 53 dnat ip to {to4}
{resolver6}
  # What is for the gateway itself is nobody's Internet usage; port 80 there is the portal.
  fib daddr type local goto to_gateway
  # Guest to guest through the gateway would go round the isolation of the access points.
  ip daddr {net4} return
{guests6}
  ct mark set ether saddr . ip saddr map @grant4
{grant6}
{garden}
  ct mark 0 goto to_portal
 }}
 chain to_gateway {{
  tcp dport 80 goto to_portal
 }}
 chain to_portal {{
  meta nfproto ipv4 tcp dport 80 dnat ip to {to4}:{portal}
{portal6}
 }}
 chain postrouting {{ type nat hook postrouting priority srcnat; policy accept;
  ct mark and {passing:#x} == 0 accept
  oifname {wan} masquerade
  drop
 }}

 chain forward {{ type filter hook forward priority filter; policy drop;
  numgen inc mod {sample} 0 jump recheck
  ct mark and {lanes:#x} == {live:#x} accept
  ct mark and {live:#x} != 0 goto shaped
  # What a device has open without a grant, to the walled garden or a neighbour, ends when it is blocked.
  iifname {lans} ether saddr @blocked counter name blocked_dropped drop
{neighbours}
{garden_passes}
  iifname {lans} goto refuse
  oifname {lans} drop
  # Neither from nor to guests: not ours to judge.
  accept
 }}
 # Only flows of a plan with a rate come here.
 chain shaped {{
  meta priority set ct mark map @shape accept
  accept
 }}
 chain recheck {{
  ct mark and {live:#x} == 0 return
  ct mark != @live ct mark set ct mark and {dead:#x}
  iifname {lans} meta nfproto ipv4 ether saddr . ip saddr != @grant4 counter name spoofed drop
{recheck6}
 }}
 chain refuse {{
  counter name refused
  meta l4proto tcp reject with tcp reset
  reject with icmpx type admin-prohibited
 }}

 chain input {{ type filter hook input priority filter; policy accept;
  iifname {lans} goto from_guests
  iifname {wan} goto from_wan
 }}
 chain from_guests {{
  ether saddr @blocked counter name blocked_dropped drop
  {stranger} ct state new,untracked jump flood
  # Before "established": a tunnel through DNS keeps one flow. Local flows carry no mark, the MAC tells the grant.
  meta l4proto {{ tcp, udp }} th dport 53 {stranger} jump dns_before_grant
  ct state established,related accept
  tcp dport {{ {doors} }} ct state new add @portal_open {{ ether saddr ct count over 128 }}\
 counter name flood_dropped drop
  udp dport {{ 53, 67 }} accept
  ip daddr {own4} tcp dport {{ {doors} }} accept
  icmp type echo-request accept
{input6}
  goto refuse
 }}
 # Dropped here, a first packet leaves nothing behind: no connection, no neighbour.
 chain flood {{
  tcp dport != 53 update @portal_rate {{ ether saddr limit rate over 200/second burst 1000 packets }}\
 counter name flood_dropped drop
  icmp type echo-request limit rate over 500/second burst 1000 packets counter name flood_dropped drop
{flood6}
 }}
 chain dns_before_grant {{
  ip saddr @dns_noisy4 counter name dns_dropped drop
  ip6 saddr @dns_noisy6 counter name dns_dropped drop
  update @dns_burst {{ ether saddr limit rate over 20/second burst 60 packets }} counter name dns_dropped drop
  update @dns_steady {{ ether saddr limit rate over 3/second burst 300 packets }} counter name dns_dropped drop
  udp length > 100 jump dns_long_names
 }}
 chain dns_long_names {{
  update @dns_long {{ ether saddr limit rate over 1/second burst 30 packets }} counter name dns_dropped drop
 }}
 chain output {{ type filter hook output priority filter; policy accept;
  # The answer's code (RFC 1035, 4.1.1) is 3: there is no such name.
  oifname {lans} udp sport 53 @th,92,4 3 goto dns_no_such_name
 }}
 chain dns_no_such_name {{
  update @dns_unknown4 {{ ip daddr limit rate over 1/second burst 40 packets }} update @dns_noisy4 {{ ip daddr }}
  update @dns_unknown6 {{ ip6 daddr limit rate over 1/second burst 40 packets }} update @dns_noisy6 {{ ip6 daddr }}
 }}
 # A technician's way in (SSH and what the host's own firewall says) is left alone; what serves guests is shut.
 chain from_wan {{
  ct state established,related accept
  ip daddr {own4} drop
{wan6}
  tcp dport {{ 53, {services} }} drop
  udp dport {{ 53, 67, 547 }} drop
 }}
 # Never reached: that a rule reads `ct bytes` turns on the counting of bytes where sysctl may not be written.
 chain accounting {{
  ct bytes 0
 }}
}}
"""


def render(settings: Settings, elements: Iterable[str] = ()) -> str:
    """Return the input of one `nft -f`: it replaces our table by a fresh one that already holds `elements`.

    `elements` are lines such as `add element inet parvis live { 0x80000001 timeout 60000ms }`. One transaction:
    no packet meets half of it.
    """
    return "\n".join(
        [f"table inet {TABLE}", f"delete table inet {TABLE}", _text(settings, version(settings)), *elements, ""]
    )


def version(settings: Settings) -> str:
    """Return the ruleset's version: the same for the same rules, whatever the elements."""
    return hashlib.sha256(_text(settings, "").encode()).hexdigest()[:16]


def _text(settings: Settings, mark: str) -> str:
    portal = settings.portal.port
    doors = sorted({53, 80, portal} | ({443} if settings.portal.tls_certificate else set()))
    services = sorted({portal, settings.kiosk.port, settings.broker.port})
    return _TEMPLATE.format(
        version=mark,
        size=SIZE,
        sample=SAMPLE,
        live=LIVE,
        lanes=LIVE | SHAPED,
        passing=LIVE | GARDEN,
        dead=LIVE - 1,
        wan=_outside(settings),
        portal=portal,
        doors=", ".join(map(str, doors)),
        services=", ".join(map(str, services)),
        **nft_zones.lines(settings),
        **_garden(settings),
        **_sixth(settings, ", ".join(map(str, doors))),
    )


def _garden(settings: Settings) -> dict[str, str]:
    """Return the lines of the walled garden; nothing where it is empty."""
    if not settings.walled_garden.hosts:
        return dict.fromkeys(("garden_sets", "garden", "garden_passes"), "")
    sets, judged = [], []
    for version, family in ((4, "ip"), (6, "ip6")):
        fixed = ", ".join(map(str, garden.networks(settings, version)))
        # dnsmasq adds the addresses of names as it answers; they are renewed by its next answer.
        sets.append(f" set garden{version} {{ type ipv{version}_addr; flags timeout; timeout 1d; size 8192; }}")
        listed = f" elements = {{ {fixed} }};" if fixed else ""
        sets.append(f" set places{version} {{ type ipv{version}_addr; flags interval;{listed} }}")
        if sources := nft_zones.networks(settings, version):
            judged += [
                f"  ct mark 0 {family} saddr {sources} {family} daddr @{name}{version} ct mark set {GARDEN:#x} accept"
                for name in ("garden", "places")
            ]
    passes = f"  ct mark {GARDEN:#x} accept"
    return {"garden_sets": "\n".join(sets), "garden": "\n".join(judged), "garden_passes": passes}


def _sixth(settings: Settings, doors: str) -> dict[str, str]:
    """Return the lines of IPv6; without an address of ours there, guests' IPv6 is refused and nothing else."""
    own = nft_zones.own(settings, 6)
    if not own:
        return dict.fromkeys(("resolver6", "guests6", "grant6", "portal6", "input6", "wan6", "flood6"), "")
    to6 = nft_zones.arrived(settings, 6)
    door = f"[{to6}]" if ":" in to6.partition(" ")[0] else to6
    return {
        "resolver6": f"  meta nfproto ipv6 meta l4proto {{ tcp, udp }} th dport 53 dnat ip6 to {to6}",
        "guests6": f"  ip6 daddr {nft_zones.networks(settings, 6)} return",
        "grant6": nft_zones.grant6(settings),
        "portal6": f"  meta nfproto ipv6 tcp dport 80 dnat ip6 to {door}:{settings.portal.port}",
        "input6": f"""\
  ip6 daddr {own} tcp dport {{ {doors} }} accept
  udp dport 547 accept
  icmpv6 type {{ {_ICMPV6} }} accept""",
        "wan6": f"  ip6 daddr {own} drop",
        "flood6": f"  icmpv6 type {{ {_SOLICITS} }} limit rate over 1000/second burst 4000 packets"
        " counter name flood_dropped drop",
    }


def _outside(settings: Settings) -> str:
    names = [f'"{name}"' for name in (settings.wan.interface, settings.wan.second) if name]
    return names[0] if len(names) == 1 else f"{{ {', '.join(names)} }}"
