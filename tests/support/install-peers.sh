#!/usr/bin/env bash
# Installs the real programs that the tests talk to: nginx, HAProxy, Redis, nghttpd/h2load, wrk, curl, openssl, iproute2, promtool, systemd-analyze,
# dig, named-checkzone.
# Debian packages; needs root only for what is missing.
set -euo pipefail

declare -A package_of=(
  [nginx]=nginx-light [haproxy]=haproxy [nghttpd]=nghttp2-server [h2load]=nghttp2-client [wrk]=wrk [curl]=curl
  [redis-server]=redis-server [redis-cli]=redis-tools [promtool]=prometheus [systemd-analyze]=systemd [openssl]=openssl [ip]=iproute2 [ping]=iputils-ping
  [dig]=bind9-dnsutils [named-checkzone]=bind9-utils
)
missing=()
for program in "${!package_of[@]}"; do
  PATH="$PATH:/usr/sbin:/sbin" command -v "$program" >/dev/null || missing+=("${package_of[$program]}")
done
[ ${#missing[@]} -eq 0 ] && exit 0

if ! command -v apt-get >/dev/null; then
  echo "The tests need these programs: ${!package_of[*]}. Install them with your system's package manager." >&2
  exit 1
fi
root=()
[ "$(id -u)" -eq 0 ] || root=(sudo)
export DEBIAN_FRONTEND=noninteractive
"${root[@]}" apt-get update -qq
# The packages' own services must not start: tests run these programs themselves, on ports of their own.
"${root[@]}" env RUNLEVEL=1 apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
