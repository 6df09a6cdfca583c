#!/usr/bin/env bash
# cosmos-rl on this machine's GPUs, from a folder that scripts/dev/gpu/prepare.sh made; no network.
#   scripts/dev/gpu/run.sh FOLDER OUT [--minutes M] [phase ..]      OUT: report.json and logs.tar.xz; phases: session.py --help
set -euo pipefail
source "$(dirname "$0")/tools.sh"
enter_project "$@"
shift 2
# Each of cosmos-rl's processes imports all of it: compiled once, with the libraries that the machine has.
unset PYTHONDONTWRITEBYTECODE
libraries=$(python3 -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
[[ -w $libraries ]] || export PYTHONPYCACHEPREFIX=$site/pycache
install_tools "$folder"  # for the session and the local engine
if [[ ! -e $site/.ready ]]; then
    python3 -m pip install --quiet --no-index --no-deps --no-compile --upgrade --target "$site/packages" "$folder"/wheels/*.whl
    timeout 25 python3 -m compileall -q -j 0 "$site/packages" "$libraries"/{torch,numpy,scipy,sklearn,transformers} > /dev/null 2>&1 || true
    for deb in "$folder"/debs/*.deb; do dpkg -x "$deb" "$site/debian"; done
    mkdir -p "$site/bin"
    # cosmos-rl's shell scripts say `python`. No link: Python looks for its environment beside the name it was called by.
    printf '#!/bin/sh\nexec %q "$@"\n' "$(command -v python3)" > "$site/bin/python"
    chmod +x "$site/bin/python"
    touch "$site/.ready"
fi
[[ -e results/gpu/data ]] || tar -xJf "$folder/data.tar.xz"
# cosmos-rl and torchrun ask for this machine's address by its name.
getent hosts "$(hostname)" > /dev/null || echo "127.0.0.1 $(hostname)" >> /etc/hosts
export PATH="$site/bin:$PATH:$site/debian/usr/bin"
LD_LIBRARY_PATH="${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$(echo "$site"/debian/usr/lib/*-linux-gnu)"
export LD_LIBRARY_PATH PYTHONUNBUFFERED=1 PYTHONPATH="$PWD/scripts:$tools${PYTHONPATH:+:$PYTHONPATH}"
python3 scripts/dev/gpu/session.py --site "$site/packages" --out "$out" "$@"
