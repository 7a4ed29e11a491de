#!/bin/sh
# SPDX-License-Identifier: EUPL-1.2
# Installs the Debian packages that the demo ("demo"), the tests ("test") or the portal's benchmark ("bench") use, as
# root; without root it names them.
set -eu

# package:program that shows it is there. Why each:
#   nftables, dnsmasq-base, iproute2: the gateway itself       mosquitto: the site's broker
#   udhcpc: a phone's real DHCP client                         chromium: a phone's and a kiosk's real browser
#   procps, util-linux: namespaces and who lives in them       python3-venv: the virtual environment
#   libatomic1: what drives the browser (Playwright) is linked against it
wanted="nftables:nft dnsmasq-base:dnsmasq iproute2:ip mosquitto:mosquitto udhcpc:udhcpc chromium:chromium
        procps:ps util-linux:unshare"
#   isc-dhcp-client, dhcpcd-base, ndisc6, network-manager, firefox-esr: real systems that detect a portal
#   nginx-light: the portal's front on devices                 systemd: checks our units
#   hostapd: reads our access point's configuration
#   keepalived: moves the addresses of a pair of gateways
#   umockdev, e2fsprogs: devices that aren't there             gcc: the shim that cuts the power
#   espeak-ng: the kiosk speaks                                tinyproxy-bin: the way out of its public service corner
#   xvfb, xdotool: real keys for the kiosk's real browser, to look for ways out of it
#   prometheus: its promtool judges our metrics and alerts
#   conntrack, tcpdump, curl, iputils-ping: tests look at the kernel and the wire
[ "${1:-demo}" != test ] || wanted="$wanted conntrack:conntrack tcpdump:tcpdump curl:curl iputils-ping:ping
        gcc:cc umockdev:umockdev-wrapper e2fsprogs:mkfs.ext4 isc-dhcp-client:dhclient dhcpcd-base:dhcpcd ndisc6:rdisc6
        network-manager:NetworkManager dbus-daemon:dbus-daemon firefox-esr:firefox-esr nginx-light:nginx
        systemd:systemd-analyze keepalived:keepalived prometheus:promtool xvfb:Xvfb xdotool:xdotool espeak-ng:espeak-ng
        tinyproxy-bin:tinyproxy"
#   keepalived: a pair of gateways
#   wrk: many guests at once                                   npm: fetches Lighthouse
[ "${1:-demo}" != bench ] || wanted="$wanted nginx-light:nginx keepalived:keepalived
        wrk:wrk npm:npm"
# The long tests also run a cluster.
[ -z "${PARVIS_SOAK:-}" ] || wanted="$wanted nats-server:nats-server postgresql:psql"

PATH=$PATH:/usr/sbin:/sbin
missing=
for pair in $wanted; do
    command -v "${pair#*:}" >/dev/null 2>&1 || missing="$missing ${pair%%:*}"
done
[ "${1:-demo}" != test ] || [ -e /usr/include/stdio.h ] || missing="$missing libc6-dev"
[ "${1:-demo}" != test ] || /usr/bin/python3 -c 'import gi; gi.require_version("UMockdev", "1.0")' 2>/dev/null ||
    missing="$missing gir1.2-umockdev-1.0 python3-gi"
python3 -c 'import ensurepip, venv' 2>/dev/null || missing="$missing python3-venv"
ldconfig -p 2>/dev/null | grep -q 'libatomic\.so\.1 ' || missing="$missing libatomic1"
[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null 2>&1; then
    echo "parvis: not installed:$missing. This is no Debian: install them with its package manager." >&2
    exit 0
fi
if [ "$(id -u)" -ne 0 ]; then
    echo "parvis: not installed:$missing" >&2
    echo "  → As root: apt-get install$missing. Going on without: what needs them stands aside and says so." >&2
    exit 0
fi
export DEBIAN_FRONTEND=noninteractive
# A package must not start its service: the demo and the tests run their own, on their own ports.
policy=/usr/sbin/policy-rc.d
made=
if [ ! -e $policy ]; then
    printf '#!/bin/sh\nexit 101\n' >$policy
    chmod 755 $policy
    made=1
fi
trap '[ -z "$made" ] || rm -f $policy' EXIT
apt-get -qq update
# shellcheck disable=SC2086  # a list of words
apt-get -qq install --yes --no-install-recommends $missing >/dev/null
