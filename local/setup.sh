#!/bin/sh
# Installs the pinned packages into a virtual environment: setup.sh FOLDER REQUIREMENTS. Called by `make setup`.
set -eu
venv=$1
requirements=$2

recent() { # whether this is a Python that we can use
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

if ! recent "$venv/bin/python"; then
    for python in ${PYTHON3:-python3 python3.14 python3.13 python3.12 python3.11 python}; do
        if recent "$python"; then
            break
        fi
        python=
    done
    if [ -z "$python" ]; then
        echo "Python 3.11 or later is needed and was not found; PYTHON3=/path/to/python names one." >&2
        exit 1
    fi
    rm -rf "$venv"
    if ! "$python" -m venv "$venv"; then
        rm -rf "$venv"
        echo "$python has no venv module; on Debian and Ubuntu: apt install python3-venv" >&2
        exit 1
    fi
fi

echo "Installing the pinned packages into $venv …"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r "$requirements"
