#!/bin/sh
# What the console's tests need: Chromium with a font for Chinese, and axe-core in .cache/axe.
set -eu
version=4.14.1
sha256=e6b0ce02b84d892e2e33e403485e7f3d6c29e2be6df65daf44d89ba564139745
root=$(CDPATH= cd -- "$(dirname -- "$0")/../.." && pwd)
target="$root/.cache/axe/axe-$version.min.js"

missing=
[ -n "${FARLINE_CHROMIUM:-}" ] || command -v chromium >/dev/null 2>&1 || missing=chromium
fc-list :lang=zh 2>/dev/null | grep -q . || missing="$missing fonts-wqy-microhei fontconfig"
if [ -n "$missing" ] && command -v apt-get >/dev/null 2>&1 && [ "$(id -u)" -eq 0 ]; then
    apt-get update -qq
    # shellcheck disable=SC2086  # a list of packages
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
fi
if [ -z "${FARLINE_CHROMIUM:-}" ] && ! command -v chromium >/dev/null 2>&1; then
    echo "Chromium is needed for the console's tests: install your system's package 'chromium'," >&2
    echo "or set FARLINE_CHROMIUM to the path of one." >&2
    exit 1
fi
if [ ! -s "$target" ]; then
    mkdir -p "$root/.cache/axe"
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    cd "$work"
    npm pack --silent "axe-core@$version" >/dev/null
    echo "$sha256  axe-core-$version.tgz" | sha256sum -c --quiet -
    tar xzf "axe-core-$version.tgz"
    cp package/axe.min.js "$target"
fi
