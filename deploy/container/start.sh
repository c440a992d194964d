#!/bin/sh
# `lixiao library`, `lixiao gateway sessions list`, `lixiao kit.provisioning topics`: a service, or a command of one.
set -eu
if [ $# = 0 ]; then
    echo "Name a service: $(cd /app/services && ls -d */ | grep -v '^kit/\|^__' | tr -d '/' | tr '\n' ' ')" >&2
    exit 64
fi
module=$1
shift
exec python3 -m "services.$module" "$@"
