#!/usr/bin/env bash
# Installs LiteLLM's proxy from PyPI into an environment of its own, for `farline bench --systems litellm`.
# Wheels only, and one pinned release: a later one (1.107.0) was compromised, so no range is given here.
set -euo pipefail
cd "$(dirname "$0")/../.."

version=1.94.3
folder=.cache/litellm
[ -x "$folder/bin/litellm" ] && exit 0
rm -rf "$folder"
"${PYTHON:-python3}" -m venv "$folder"
"$folder/bin/python" -m pip install --quiet --only-binary :all: "litellm[proxy]==$version" || {
  rm -rf "$folder"
  echo "LiteLLM $version can't be installed here; the benchmark reports it as unavailable." >&2
  exit 1
}
