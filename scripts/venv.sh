#!/usr/bin/env bash
# Makes the virtual environment with a Python of 3.12 or 3.13: one that is found on the PATH, one
# that pyenv has (its shims fail outside their version, so uv does not see them), or one that uv
# downloads.
set -euo pipefail
uv=$1 venv=$2

fits() { "$1" -c 'import sys; sys.exit(not (3, 12) <= sys.version_info < (3, 14))' 2>/dev/null; }

for python in python3.13 python3.12 python3 \
  "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.1[23].*/bin/python3; do
  if found=$(command -v "$python") && fits "$found"; then
    exec "$uv" venv --quiet --clear --python "$found" "$venv"
  fi
done
if "$uv" venv --quiet --clear --managed-python --python 3.12 "$venv" 2>/dev/null; then exit; fi
echo "No Python 3.12 or 3.13 was found, and uv could not download one." >&2
echo "Install one (for example: apt-get install python3.12 python3.12-venv, or pyenv install 3.12)." >&2
exit 1
