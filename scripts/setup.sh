# Sourced by demo.sh and test.sh: makes .venv next to the sources and installs the package there.
# A second run finds everything in place and takes seconds.
#
# Settings, from the environment:
#   PYTHON                      the Python to use (3.11 or later); default: the newest one found
#   TEXTDIFUSE_ALLOW_CUDA=1     accept a torch with CUDA on a machine without an NVIDIA GPU
#   TEXTDIFUSE_EXTRAS           extras that test.sh installs; default: testing

set -euo pipefail

ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
VENV="$ROOT/.venv"
VENV_PYTHON="$VENV/bin/python"
TORCH="torch==2.13.0"
CPU_INDEX="https://download.pytorch.org/whl/cpu"

# shared library, Debian package: what Qt and OpenGL need to open a window, real or virtual
QT_LIBRARIES="
libEGL.so.1            libegl1
libGL.so.1             libgl1
libglib-2.0.so.0       libglib2.0-0
libxkbcommon.so.0      libxkbcommon0
libdbus-1.so.3         libdbus-1-3
libfontconfig.so.1     libfontconfig1
libxcb-cursor.so.0     libxcb-cursor0
libxkbcommon-x11.so.0  libxkbcommon-x11-0
libxcb-icccm.so.4      libxcb-icccm4
libxcb-keysyms.so.1    libxcb-keysyms1
libxcb-shape.so.0      libxcb-shape0
"

say() { printf '[%3d s] %s\n' "$SECONDS" "$*"; }
fail() { printf 'error: %s\n' "$1" >&2; exit "${2:-1}"; }

has_screen() { [ -n "${DISPLAY:-}${WAYLAND_DISPLAY:-}" ] || [ "$(uname)" = Darwin ]; }

# --- system packages ----------------------------------------------------------------------------

is_debian() {
    command -v apt-get >/dev/null && grep -qsE '^ID(_LIKE)?=.*debian' /etc/os-release
}

# Prints a prefix for commands that need root ("" for root itself), or fails.
as_root() {
    if [ "$(id -u)" = 0 ]; then return 0; fi
    sudo -n true 2>/dev/null && echo "sudo -n"
}

# install_packages PURPOSE PACKAGE...: installs what is missing, or says how and fails.
install_packages() {
    local purpose="$1" prefix
    shift
    if ! is_debian; then
        printf 'Missing for %s; Debian calls the packages: %s\n' "$purpose" "$*" >&2
        return 1
    fi
    if ! prefix="$(as_root)"; then
        printf 'Missing for %s. Run this once:\n' "$purpose" >&2
        printf '  sudo apt-get update && sudo apt-get install -y --no-install-recommends %s\n' \
            "$*" >&2
        return 1
    fi
    say "Installing system packages for $purpose: $*"
    # shellcheck disable=SC2086  # the prefix is two words or none
    $prefix apt-get update -qq &&
        $prefix env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq \
            --no-install-recommends "$@" >/dev/null
}

# Prints the Debian packages that Python needs, if there is no .venv and nothing to make one with.
missing_for_python() {
    [ -x "$VENV_PYTHON" ] || find_python >/dev/null || echo python3 python3-venv
}

# Prints the Debian packages of the libraries and programs that a window needs and that are absent.
missing_for_window() {
    [ "$(uname)" = Linux ] || return 0
    local known library package
    # ldconfig lives in /sbin, which is not on the PATH of a normal user in Debian
    if known="$(PATH="$PATH:/sbin:/usr/sbin" ldconfig -p 2>/dev/null)"; then
        while read -r library package; do
            [ -z "$library" ] && continue
            case "$known" in *"$library "*) ;; *) echo "$package" ;; esac
        done <<<"$QT_LIBRARIES"
    fi
    if ! has_screen; then
        command -v Xvfb >/dev/null || echo xvfb
        command -v xauth >/dev/null || echo xauth
    fi
}

# require_packages PURPOSE [PACKAGE...]: status 1 if they are missing and cannot be installed.
require_packages() { [ $# = 1 ] || install_packages "$@"; }

# --- Python -------------------------------------------------------------------------------------

# Prints the first Python that is 3.11 or later and can make virtual environments.
find_python() {
    local name
    for name in ${PYTHON:-python3.13 python3.12 python3.11 python3}; do
        if "$name" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' \
            >/dev/null 2>&1; then
            command -v "$name"
            return 0
        fi
    done
    return 1
}

make_venv() {
    local python
    if [ -x "$VENV_PYTHON" ] && "$VENV_PYTHON" -m pip --version >/dev/null 2>&1; then return 0; fi
    if ! python="$(find_python)"; then
        [ -z "${PYTHON:-}" ] || fail "PYTHON=$PYTHON is not Python 3.11 or later with venv." 2
        fail "Python 3.11 or later with its venv module is needed; none was found." 2
    fi
    say "Making .venv with $("$python" --version)"
    rm -rf "$VENV"
    "$python" -m venv "$VENV"
    # an older pip would download every package to answer a dry run
    pip_install "pip>=24.2"
}

# only errors are shown, but those in full
pip_install() { "$VENV_PYTHON" -m pip install -qq --no-input --disable-pip-version-check "$@"; }

has_nvidia_gpu() { command -v nvidia-smi >/dev/null && nvidia-smi -L >/dev/null 2>&1; }

# Whether the configured package index has this torch without CUDA packages.
index_has_cpu_torch() {
    local report="$VENV/torch-report.json"
    pip_install --dry-run --ignore-installed --report "$report" "$TORCH" 2>/dev/null || return 1
    "$VENV_PYTHON" - "$report" <<'PY'
import json, sys
names = [i["metadata"]["name"].lower() for i in json.load(open(sys.argv[1]))["install"]]
sys.exit(any(n.startswith(("nvidia", "cuda", "triton")) for n in names))
PY
}

install_torch() {
    if "$VENV_PYTHON" -c 'import torch' 2>/dev/null; then return 0; fi
    if has_nvidia_gpu || [ "${TEXTDIFUSE_ALLOW_CUDA:-}" = 1 ]; then
        say "Installing torch with CUDA"
        pip_install "torch>=2.6"
    elif say "Looking for a torch without CUDA" && index_has_cpu_torch; then
        say "Installing $TORCH for the CPU"
        pip_install "$TORCH"
    else
        say "Installing $TORCH for the CPU from $CPU_INDEX"
        pip_install --index-url "$CPU_INDEX" "$TORCH" || fail \
            "torch for the CPU could not be had from $CPU_INDEX; make that address reachable, or \
set TEXTDIFUSE_ALLOW_CUDA=1 to accept some gigabytes of CUDA packages from the default index."
    fi
}

# prepare_environment EXTRAS: .venv holds the package in editable form, with extras a or a,b.
prepare_environment() {
    local extra="$1" stamp="$VENV/installed-$1" wanted
    wanted="$ROOT $(cat "$ROOT/pyproject.toml" "$ROOT/scripts/setup.sh" | cksum)"
    if [ -x "$VENV_PYTHON" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ]; then
        say "The environment in .venv is up to date"
        return 0
    fi
    make_venv
    install_torch
    say "Installing napari-textdifuse and its [$extra] packages (about a minute)"
    pip_install --editable "${ROOT}[$extra]"
    # torchvision from PyPI does not import with a CPU torch, and breaks transformers with it
    if "$VENV_PYTHON" -c 'import torchvision' 2>/dev/null; then
        say "Note: torchvision is installed in .venv; it is not needed and must match torch"
    fi
    "$VENV_PYTHON" -m pip check >/dev/null || "$VENV_PYTHON" -m pip check
    echo "$wanted" >"$stamp"
    say "The environment is ready"
}
