#!/usr/bin/env bash
# Makes the keys that compose.yaml's two nodes and their operator need, and edge.toml, relay.toml and .env beside it.
# FARLINE is the command to use: by default the image, which `docker compose build` makes.
set -euo pipefail
cd "$(dirname "$0")"
umask 077
farline() { ${FARLINE:-docker run --rm -i --user "$(id -u):$(id -g)" -v "$PWD/keys:$PWD/keys" farline} "$@"; }

if [ -e keys ]; then
  echo "keys/ is there already: remove it to begin anew" >&2
  exit 1
fi
mkdir -p keys/edge keys/relay
fingerprint() { farline keys node --out "$PWD/keys/$1/node.key" --json | sed -n 's/.*"fingerprint": *"\([^"]*\)".*/\1/p'; }
edge=$(fingerprint edge)
relay=$(fingerprint relay)
admin=$(farline keys new --id operator --role admin --json)
member() { sed -n "s/.*\"$1\": *\"\([^\"]*\)\".*/\1/p"; }

cat > edge.toml <<TOML
[node]
name = "edge-1"
key = "file:keys/node.key"
state_dir = "/var/lib/farline"

[listen]
data = ["0.0.0.0:8080"]
admin = "0.0.0.0:8081"

[[line]]
id = "default"

[[relay]]
id = "relay-1"
address = "relay:4433"
lines = ["default"]
fingerprint = "$relay"

[[provider]]
id = "openai"
[[provider]]
id = "anthropic"
[[provider]]
id = "gemini"

[cache]
store = "redis://redis:6379"

[[admin_key]]
id = "operator"
sha256 = "$(member sha256 <<< "$admin")"
role = "admin"
TOML
cat > relay.toml <<TOML
[node]
name = "relay-1"
role = "relay"
key = "file:keys/node.key"

[listen]
session = ["0.0.0.0:4433"]
admin = "0.0.0.0:8081"

[[edge]]
id = "edge-1"
fingerprint = "$edge"

[[provider]]
id = "openai"
[[provider]]
id = "anthropic"
[[provider]]
id = "gemini"
TOML
cat > .env <<ENV
FARLINE_USER=$(id -u):$(id -g)
GRAFANA_PASSWORD=$(od -An -N12 -tx1 /dev/urandom | tr -d ' \n')
ENV
mkdir -p state
echo "For the console and the admin API, shown only now: $(member key <<< "$admin")"
echo "Grafana's password is in deploy/container/.env"
