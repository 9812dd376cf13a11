#!/bin/sh
# Builds the Toxiproxy server that the TCP fault tests use, into .cache/bin of this project.
set -eu
version=v2.5.0
root=$(CDPATH= cd -- "$(dirname -- "$0")/../.." && pwd)
target="$root/.cache/bin/toxiproxy-server"

if [ -x "$target" ]; then
    echo "$target is there already"
    exit 0
fi
if ! command -v go >/dev/null 2>&1 && command -v apt-get >/dev/null 2>&1 && [ "$(id -u)" -eq 0 ]; then
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends golang-go >/dev/null
fi
if ! command -v go >/dev/null 2>&1; then
    echo "The Go compiler is needed to build toxiproxy-server $version and isn't installed." >&2
    echo "Install Go 1.19 or later (your system's package 'golang'), and run this again;" >&2
    echo "or set FARLINE_TOXIPROXY to the path of a toxiproxy-server you have." >&2
    exit 1
fi
mkdir -p "$root/.cache/bin"
build=$(mktemp -d)
trap 'rm -rf "$build"' EXIT
GOBIN="$build" go install "github.com/Shopify/toxiproxy/v2/cmd/server@$version"
mv "$build/server" "$target"
echo "built $target ($version)"
