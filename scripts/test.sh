#!/usr/bin/env bash
# Runs the tests: bash scripts/test.sh [pytest arguments]
#
# Makes .venv on the first run. Tests open real windows; without a screen, pytest-xvfb gives them
# a virtual one. They run in as many processes as there are cores, four at most; -n 0 gives one.

# shellcheck source=scripts/setup.sh
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"

cd "$ROOT"
# shellcheck disable=SC2046  # lists of words
require_packages "the tests" $(missing_for_python) $(missing_for_window) || exit 2
prepare_environment "${TEXTDIFUSE_EXTRAS:-testing}"
say "Running the tests"
exec "$VENV_PYTHON" -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile "$@"
