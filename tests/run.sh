#!/usr/bin/env bash
# The whole test run: static checks, the pure modules with their coverage, then everything else. Fails if any part fails.
set -euo pipefail
cd "$(dirname "$0")/.."

ruff format --check --quiet .
ruff check --quiet .
mypy --no-error-summary
lint-imports --no-logo >/dev/null || { lint-imports --no-logo; exit 1; }
if [ $# -gt 0 ]; then
  exec python -m pytest "$@"
fi
python -m tests.coverage
# Real processes, sockets and time: a busy machine can lose a test once. It gets one more chance, and is listed (-rR).
shells=(-q -rR --reruns 1 --ignore tests/unit --ignore tests/property)
python -m pytest "${shells[@]}" -m "not alone" -n "${FARLINE_TEST_PROCESSES:-2}" --dist loadfile
python -m pytest "${shells[@]}" -m alone
