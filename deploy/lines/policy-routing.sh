#!/usr/bin/env bash
# Sends what leaves from a carrier line's address through that line: one routing table per line.
#
#   policy-routing.sh add  TABLE DEVICE SOURCE GATEWAY     e.g.  add 101 eth1 10.20.0.2 10.20.0.1
#   policy-routing.sh del  TABLE SOURCE
#   policy-routing.sh show
#
# Idempotent, IPv4 and IPv6 by the address's form. Without it the kernel chooses the way by destination only, whatever
# address a connection is bound to, and all `source` lines share one line. Run it at boot for every [[line]] (a unit
# with Before=farline-edge.service, or your network manager's own policy rules); `farline probe` shows whether it holds.
set -euo pipefail

usage() { sed -n '2,6s/^# \{0,1\}//p' "$0" >&2; exit 2; }

family() { case $1 in *:*) echo -6 ;; *) echo -4 ;; esac; }

add() {
  local table=$1 device=$2 source=$3 gateway=$4 ip
  ip="ip $(family "$source")"
  $ip route replace default via "$gateway" dev "$device" src "$source" table "$table"
  del_rules "$table" "$source"
  $ip rule add from "$source" table "$table" priority "$table"
  # a line that is down must not leak onto another one
  $ip rule add from "$source" unreachable priority "$((table + 10000))"
}

del_rules() {
  local table=$1 source=$2 ip
  ip="ip $(family "$source")"
  while $ip rule del from "$source" table "$table" 2>/dev/null; do :; done
  while $ip rule del from "$source" unreachable priority "$((table + 10000))" 2>/dev/null; do :; done
}

case ${1:-} in
  add) [ $# -eq 5 ] || usage; add "$2" "$3" "$4" "$5" ;;
  del) [ $# -eq 3 ] || usage; del_rules "$2" "$3"; ip "$(family "$3")" route flush table "$2" ;;
  show) ip -4 rule; ip -6 rule ;;
  *) usage ;;
esac
