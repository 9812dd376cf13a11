#!/bin/sh
# A certified OpenID provider for the tests of sign-in: oidc-provider (Node.js 20 or newer), in .cache/openid.
# Its versions and hashes are those of openid/package-lock.json.
set -eu
here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
target="$here/../../.cache/openid"
if [ "$(node -p 'process.versions.node.split(".")[0] >= 20' 2>/dev/null)" != true ]; then
    echo "The tests of signing in need Node.js 20 or newer." >&2
    exit 1
fi
cmp -s "$here/openid/package-lock.json" "$target/package-lock.json" && [ -d "$target/node_modules" ] && exit 0
rm -rf "$target"
mkdir -p "$target"
cp "$here/openid/package.json" "$here/openid/package-lock.json" "$target/"
cd "$target"
npm ci --silent --ignore-scripts --no-audit --no-fund >/dev/null || { rm -rf "$target"; exit 1; }
