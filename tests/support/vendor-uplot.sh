#!/bin/sh
# Fetches the chart library of the console, checks it and puts it beside the console's files. For a new version change
# the version and the hash, run this, look at the console, commit what changed. Users need none of this.
set -eu
version=1.6.32
sha256=4b8a8191e425658e3ea8c8c1314b0fc679c861ee3a1af2b20c7b16ba50b5133d
root=$(CDPATH= cd -- "$(dirname -- "$0")/../.." && pwd)
target="$root/edge/console/static/vendor"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm pack --silent "uplot@$version" >/dev/null
echo "$sha256  uplot-$version.tgz" | sha256sum -c --quiet -
tar xzf "uplot-$version.tgz"
mkdir -p "$target"
cp package/dist/uPlot.iife.min.js package/dist/uPlot.min.css "$target/"
cp package/LICENSE "$target/uPlot.LICENSE"
echo "uPlot $version is in $target"
