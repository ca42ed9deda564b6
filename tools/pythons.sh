#!/bin/sh
# The quick tier and the compiler's tests under every supported Python found here: sh tools/pythons.sh
# A Python that is not installed is said to be missing. The environments lie in .venv/python3.NN.
set -eu
cd "$(dirname "$0")/.."
missing=""
tested=""

for version in 3.11 3.12 3.13 3.14; do
    python=""
    for candidate in "python$version" "$HOME"/.pyenv/versions/"$version".*/bin/python; do
        if "$candidate" -c 'import venv' 2>/dev/null; then python=$candidate; fi
    done
    if [ -z "$python" ]; then
        missing="$missing $version"
        continue
    fi
    echo "== Python $version ($python)"
    folder=.venv/python$version
    [ -e "$folder/ready" ] || sh tools/environment.sh "$python" "$folder" -e ".[train,fast]" --group test
    "$folder/bin/python" -m pytest -n "${CLEARPROP_WORKERS:-2}" \
        $("$folder/bin/python" tools/tier.py quick --arguments)
    "$folder/bin/python" -m pytest -n "${CLEARPROP_WORKERS:-2}" tests/compiler
    tested="$tested $version"
done
echo "tested under:${tested:- none}; not installed here:${missing:- none}"
[ -n "$tested" ]
