#!/usr/bin/env bash
# Installs the Debian packages that the tests drive: real phones, real servers, a real browser.
# Installs only what is missing, and starts no service.
set -euo pipefail

packages=(
  sip-tester     # SIPp: trunks and phones by the hundred
  baresip-core   # a softphone: citizen and agent
  linphone-cli   # another, whose library is in many phones
  kamailio       # a proxy in front of nodes
  kamailio-tls-modules # which speaks TLS too
  sipvicious     # scans ports and guesses passwords, as strangers do
  gcc            # compiles the packet engine, also with its sanitisers
  libc6-dev      # its headers
  libopus0       # Opus
  redis-server   # started by the tests themselves, each on a socket or port of its own
  mosquitto      # an MQTT 5 broker
  postgresql     # the other database
  libfst-tools   # composes the graphs of recognition models
  sox            # G.711 by somebody else's hand
  chromium       # the agents' desktop is driven in it
  node-typescript # checks the types of the pages' scripts
  fonts-noto-cjk # and must show Chinese
)
missing=()
for package in "${packages[@]}"; do
  dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
done
if [ ${#missing[@]} = 0 ]; then
  echo "Programs that the tests drive: all there"
  exit 0
fi
echo "Installing programs that the tests drive: ${missing[*]}"

as_root() {
  if [ "$(id -u)" = 0 ]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    echo "Run as root: apt-get install ${missing[*]}" >&2
    exit 1
  fi
}
command -v apt-get >/dev/null || {
  echo "This script knows Debian only. Install by other means: ${missing[*]}" >&2
  exit 1
}

# Debian starts a server as soon as it is installed, unless this program says no (101).
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
  as_root chmod 755 "$policy"
  trap 'as_root rm -f "$policy"' EXIT
fi
as_root apt-get update -qq
as_root env DEBIAN_FRONTEND=noninteractive \
  apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
