# Sourced by run.sh and many_gpus.sh: what Roadtrain's programs import and a machine with PyTorch may lack.
site=${TMPDIR:-/tmp}/roadtrain-cosmos
tools=$site/tools

# FOLDER OUT, the first words of run.sh and many_gpus.sh: as $folder and $out, seen from the project's folder, where all else happens.
enter_project() {
    folder=$(realpath "${1:?the folder that prepare.sh made}")
    mkdir -p "${2:?a folder for the results}"
    out=$(realpath "$2")
    cd "$(dirname "${BASH_SOURCE[0]}")/../../.."
}

# From the folder that prepare.sh made, once.
install_tools() {
    [[ -e $tools/.ready ]] && return
    python3 -m pip install --quiet --no-index --no-deps --upgrade --target "$tools" \
        "$1"/wheels/{psutil,pydantic,pydantic_core,annotated_types,typing_inspection}-*.whl
    touch "$tools/.ready"
}
