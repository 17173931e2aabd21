#!/usr/bin/env bash
# Fuses the bundled PET and MRI sample and shows the result: bash scripts/demo.sh [--no-window]
#
# Makes .venv on the first run. Pictures and files go to out/demo. With a screen, napari opens on
# the result; without one, or with --no-window, nothing graphical is needed.

# shellcheck source=scripts/setup.sh
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"

window=yes
for argument in "$@"; do
    case "$argument" in
        --no-window) window=no ;;
        *) fail "unknown option $argument; the only option is --no-window" 2 ;;
    esac
done
has_screen || window=no

cd "$ROOT"
# shellcheck disable=SC2046  # lists of words
require_packages "Python" $(missing_for_python) || exit 2
prepare_environment qt

say "Fusing a simulated PET with an MRI, prompt \"tumour\""
"$VENV_PYTHON" -m napari_textdifuse sample pet-mri --out out/demo

say "Done. Pictures:"
find "$ROOT/out/demo" -name '*.png' | sort | sed 's/^/  /'
echo "All results: $ROOT/out/demo (for research, not for diagnosis)"

if [ "$window" = no ]; then
    exit 0
fi
# shellcheck disable=SC2046
if ! require_packages "napari's window" $(missing_for_window); then
    say "napari is not opened; the results above are complete without it"
    exit 0
fi
layers=()
for file in sample_data/brain/t1.nii.gz sample_data/brain/pet.nii.gz out/demo/{fused,mask}.nii.gz; do
    [ -f "$file" ] && layers+=("$file")
done
say "Opening napari; close its window to end"
"$VENV_PYTHON" -m napari --plugin napari-textdifuse "${layers[@]}" --with napari-textdifuse ||
    say "napari could not open its window; the results above are complete without it"
