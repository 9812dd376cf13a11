#!/usr/bin/env bash
# The whole test run: static checks, then the tests, then the coverage of the pure modules. Fails if any part fails.
set -euo pipefail
cd "$(dirname "$0")/.."

ruff format --check --quiet .
ruff check --quiet .
mypy --no-error-summary
lint-imports --no-logo >/dev/null || { lint-imports --no-logo; exit 1; }
python -m pytest -n "${FARLINE_TEST_PROCESSES:-2}" --dist loadfile "$@"
