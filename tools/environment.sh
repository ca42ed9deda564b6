#!/bin/sh
# Make a virtual environment and install into it: environment.sh PYTHON FOLDER PIP-ARGUMENTS...
set -eu
python=$1
folder=$2
shift 2

if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    echo "clearprop needs Python 3.11 or newer; $python is $("$python" --version 2>&1)." >&2
    echo "Try: make PYTHON=python3.12 ..." >&2
    exit 1
fi

if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    # Debian and Ubuntu ship the standard library's venv as a package of its own.
    root=""
    [ "$(id -u)" = 0 ] || root=sudo
    if command -v apt-get >/dev/null; then
        version=$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
        echo "Installing $version, which $python lacks ..."
        $root apt-get -qq update && $root apt-get -qq install -y "$version"
    else
        echo "$python has no venv module: install your system's package for it and run make again." >&2
        exit 1
    fi
fi

# One pip installs into all environments of a folder: one of its own in each takes seven seconds to make.
pip=$(dirname "$folder")/pip
if ! "$pip/bin/python" -c 'import pip, sys; sys.exit(tuple(map(int, pip.__version__.split(".")[:2])) < (25, 1))' 2>/dev/null; then
    rm -rf "$pip"
    "$python" -m venv "$pip"
    "$pip/bin/python" -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
fi

rm -rf "$folder"
"$python" -m venv --without-pip "$folder"
"$pip/bin/python" -m pip --python "$folder/bin/python" install --quiet --disable-pip-version-check "$@"
touch "$folder/ready"
