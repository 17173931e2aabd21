#!/usr/bin/env bash
# Runs the tests: bash scripts/test.sh [pytest arguments]
#
# Makes .venv on the first run. Tests open real windows; without a screen, pytest-xvfb gives them
# a virtual one.

# shellcheck source=scripts/setup.sh
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"

cd "$ROOT"
# shellcheck disable=SC2046  # lists of words
require_packages "the tests" $(missing_for_python) $(missing_for_window) || exit 2
prepare_environment testing
say "Running the tests"
exec "$VENV_PYTHON" -m pytest "$@"
