#!/usr/bin/env bash
# The sample through profiles/slurm on two GPUs of this machine: a Slurm of one node that has them, Snakemake, a job script each;
# the local engine on two GPUs and on one, and cosmos-rl on two where scripts/dev/gpu/run.sh has installed it before. No network; root.
#   scripts/dev/gpu/slurm_gpus.sh FOLDER OUT [MINUTES]      FOLDER: of prepare_slurm.sh; OUT: report.json and logs.tar.xz; ends by itself
set -euo pipefail
folder=$(realpath "${1:?the folder that prepare_slurm.sh made}")
mkdir -p "${2:?a folder for the results}"
out=$(realpath "$2")
minutes=${3:-4}
cd "$(dirname "$0")/../../.."
site=${TMPDIR:-/tmp}/roadtrain-slurm
cosmos=${TMPDIR:-/tmp}/roadtrain-cosmos
devices=${GPUS:-/dev/nvidia0,/dev/nvidia1}
spec=${SPEC:-scripts/dev/gpu/slurm_sample.yaml} # a trial without GPUs: float32, few cores
export PATH="$site/bin:$PATH:/usr/sbin:/sbin"
if [[ ! -e $site/.ready ]]; then
    python3 -m pip install --quiet --no-index --no-deps --no-compile --upgrade --target "$site/tools" "$folder"/wheels/*.whl
    timeout 20 python3 -m compileall -q -j 0 "$site/tools" > /dev/null 2>&1 || true
    # Slurm's plugins and slurmstepd have absolute paths. Only /usr: /lib is a link on merged systems, which a package's folder would replace.
    for deb in "$folder"/debs/{slurm,munge_}*.deb; do
        dpkg --fsys-tarfile "$deb" | tar -x -C / --keep-directory-symlink --no-overwrite-dir ./usr
    done
    for program in /usr/bin/*-wlm /usr/sbin/*-wlm; do # what their installation links, through alternatives
        [[ -e ${program%-wlm} || ! -e $program ]] || ln -s "$(basename "$program")" "${program%-wlm}"
    done
    # Libraries that the machine lacks, behind its own: Debian's must not stand before those that its Python was built with.
    for deb in "$folder"/debs/lib*.deb; do dpkg -x "$deb" "$site/debian"; done
    mkdir -p "$site/lib" "$site/bin"
    there=$(ldconfig -p)
    find "$site/debian" -name 'lib*.so.*' -path '*linux-gnu/*' | while read -r library; do
        grep -q "^[[:space:]]*$(basename "$library") " <<< "$there" || cp -a "$library" "$site/lib/"
    done
    echo "$site/lib" > /etc/ld.so.conf.d/zz-roadtrain-slurm.conf
    ldconfig
    # No link: Python looks for its environment beside the name it was called by.
    printf '#!/bin/sh\nexec %q "$@"\n' "$(command -v python3)" > "$site/bin/python"
    printf '#!/bin/sh\nPYTHONPATH=%q:"$PYTHONPATH" exec %q "$@"\n' "$cosmos/packages" "$(command -v python3)" > "$site/bin/cosmos-python"
    chmod +x "$site"/bin/*
    touch "$site/.ready"
fi
tar -xJf "$folder/data.tar.xz"
getent hosts "$(hostname)" > /dev/null || echo "127.0.0.1 $(hostname)" >> /etc/hosts
# Slurm looks up addresses as if there were none where loopback's is the only one (AI_ADDRCONFIG).
python3 - <<'PYTHON'
import fcntl, socket, struct

try:
    socket.getaddrinfo("127.0.0.1", 80, socket.AF_INET, flags=socket.AI_ADDRCONFIG)
except socket.gaierror:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        alias = struct.pack("16sH2x4s8x", b"lo:1", socket.AF_INET, socket.inet_aton("10.99.0.1"))
        fcntl.ioctl(any_socket, 0x8916, alias)  # SIOCSIFADDR
PYTHON
export PYTHONUNBUFFERED=1 PYTHONPATH="$PWD/scripts:$site/tools${PYTHONPATH:+:$PYTHONPATH}"
ablations=(one two)
if [[ -e $cosmos/.ready ]]; then
    ablations+=(cosmos)
    export ROADTRAIN_COSMOS_PYTHON=${ROADTRAIN_COSMOS_PYTHON:-$site/bin/cosmos-python} PATH="$PATH:$cosmos/debian/usr/bin"
    LD_LIBRARY_PATH="${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$(echo "$cosmos"/debian/usr/lib/*-linux-gnu)"
    export LD_LIBRARY_PATH
fi
targets=()
for name in "${ablations[@]}"; do targets+=("results/slurm/$name/accuracy/epoch_2.json"); done
logs=$site/logs
mkdir -p "$logs"
slurm=$site/slurm
python3 tests/support/slurm_node.py start "$slurm" --gpus "$devices" --cpus "$(($(nproc) > 16 ? $(nproc) : 16))"
while nvidia-smi --query-compute-apps=gpu_bus_id,pid,used_memory --format=csv,noheader 2> /dev/null; do sleep 1; done > "$logs/gpus.csv" &
watcher=$!
began=$SECONDS
status=0
# What was prepared is taken as it is, also where the code has changed since: this machine has not all that makes it.
timeout --signal=INT --kill-after=20 "$(python3 -c "print(int(60 * $minutes))")" \
    python3 -m snakemake --profile profiles/slurm --slurm-init-seconds-before-status-checks 2 --configfile "$spec" \
    --rerun-triggers input -- \
    "${targets[@]}" 2>&1 | tee "$logs/snakemake.log" || status=$?
kill $watcher 2> /dev/null || true
python3 scripts/dev/gpu/slurm_report.py --seconds $((SECONDS - began)) --status $status --logs "$logs" --slurm "$slurm" --out "$out" "${ablations[@]}" || status=1
python3 tests/support/slurm_node.py stop "$slurm"
exit $status
