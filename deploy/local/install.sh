#!/bin/sh
# Makes the virtual environment: install.sh PYTHON FOLDER. Every package is named with its sum in requirements.lock.
set -eu
python=$1
venv=$2

say() { printf '%s\n' "$*"; }

if ! command -v "$python" >/dev/null 2>&1; then
    say "Python 3.11 or newer is needed, and there is no $python. Install it, or: make PYTHON=/path/to/python3.11"
    exit 1
fi
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    say "Python 3.11 or newer is needed; $python is $("$python" -V 2>&1). Another one: make PYTHON=python3.11"
    exit 1
fi
if ! "$python" -c 'import venv, ensurepip' >/dev/null 2>&1; then
    say "$python has no venv module. On Debian and Ubuntu: apt install python3-venv"
    exit 1
fi

count=$(grep -c '==' requirements.lock)
say "Installing $count packages into $venv, once (about 250 MB to fetch, 1 to 3 minutes)."
"$venv/bin/python" -c '' 2>/dev/null || "$python" -m venv --clear "$venv"

log=$venv/install.log
{
    "$venv/bin/python" -m pip install --disable-pip-version-check --no-color --progress-bar off \
        --require-hashes --requirement requirements.lock 2>&1 || echo "pip failed"
} | tee "$log" | awk -v count="$count" '
    /^(Collecting|Requirement already)/ { if (++seen % 40 == 0) { print "  " seen " of " count " looked at"; fflush() } }
    /^Installing collected/ { print "  all fetched, unpacking"; fflush() }'
if tail -1 "$log" | grep -q '^pip failed'; then
    grep -v '^\(Collecting\|  \)' "$log" | tail -15
    say "The packages could not be installed; the whole log: $log"
    exit 1
fi
