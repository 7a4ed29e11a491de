#!/bin/sh
# SPDX-License-Identifier: EUPL-1.2
# Installs what builds and boots the machines of tests/deploy, and Ansible in build/deploy-venv.
set -eu
cd "$(dirname "$0")/../.."

wanted="debootstrap:debootstrap systemd-container:systemd-nspawn openssh-client:ssh-keygen apt-cacher-ng:apt-cacher-ng"
PATH=$PATH:/usr/sbin:/sbin
missing=
for pair in $wanted; do
    command -v "${pair#*:}" >/dev/null 2>&1 || missing="$missing ${pair%%:*}"
done
if [ -n "$missing" ]; then
    # The proxy of the tests is their own process: Debian's own must not start beside it.
    policy=/usr/sbin/policy-rc.d
    made=
    [ -e $policy ] || { printf '#!/bin/sh\nexit 101\n' >$policy && chmod 755 $policy && made=1; }
    trap '[ -z "$made" ] || rm -f $policy' EXIT
    apt-get -qq update
    # shellcheck disable=SC2086  # a list of words
    DEBIAN_FRONTEND=noninteractive apt-get -qq install --yes --no-install-recommends $missing >/dev/null
fi

tools=build/deploy-venv
if ! cmp -s ansible/requirements.txt $tools/.installed; then
    python3 -m venv $tools
    $tools/bin/pip install --quiet --disable-pip-version-check --requirement ansible/requirements.txt
    cp ansible/requirements.txt $tools/.installed
fi
