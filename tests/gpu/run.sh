#!/usr/bin/env bash
# cosmos-rl on this machine's GPU, from a folder that tests/gpu/prepare.sh made; no network. Under ten minutes.
#   tests/gpu/run.sh FOLDER OUT [phase ..]      report.json, logs and curves go to OUT; phases: session.py --help
set -euo pipefail
folder=$(realpath "${1:?the folder that prepare.sh made}")
mkdir -p "${2:?a folder for the results}"
out=$(realpath "$2")
shift 2
cd "$(dirname "$0")/../.."
site=$(mktemp -d)
python3 -m pip install --quiet --no-index --no-deps --no-compile --target "$site/cosmos-rl" "$folder"/wheels/*.whl
for deb in "$folder"/debs/*.deb; do dpkg -x "$deb" "$site/debian"; done
mkdir -p "$site/bin"
ln -s "$(command -v python3)" "$site/bin/python" # cosmos-rl's shell scripts say `python`
export PATH="$site/bin:$site/debian/usr/bin:$PATH"
LD_LIBRARY_PATH="$(echo "$site"/debian/usr/lib/*-linux-gnu):${LD_LIBRARY_PATH:-}"
export LD_LIBRARY_PATH PYTHONUNBUFFERED=1
tar -xJf "$folder/data.tar.xz"
python3 tests/gpu/session.py --site "$site/cosmos-rl" --out "$out" "$@" 2>&1 | tee "$out/session.log"
