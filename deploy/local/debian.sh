#!/bin/sh
# Debian packages for tests, unpacked into FOLDER, which needs no root: debian.sh FOLDER 'FILES' PACKAGE...
# FILES are patterns below the root; nothing is fetched where the machine or FOLDER has them all. Never fails: a test
# that finds none says so itself.
set -eu
folder=$1
files=$2
shift 2

# Unquoted on purpose: a pattern stands for what it finds, and for itself where it finds nothing.
have() (
    cd "$1" 2>/dev/null && for file in $files; do [ -e "$file" ] || exit 1; done
)

if have / || have "$folder"; then exit 0; fi
if command -v apt-get >/dev/null 2>&1 && command -v dpkg-deb >/dev/null 2>&1; then
    mkdir -p "$folder/packages"
    cd "$folder/packages"
    fetch() { apt-get download -q "$@"; }
    if { fetch "$@" || { [ "$(id -u)" = 0 ] && apt-get update -q && fetch "$@"; }; } >fetch.log 2>&1; then
        for package in ./*.deb; do dpkg-deb -x "$package" ..; done
        cd .. && rm -rf packages
        if have .; then exit 0; fi
    else
        tail -3 fetch.log
    fi
fi
echo "Tests that need them are left out. apt install $*"
