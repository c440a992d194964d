#!/bin/sh
# `lixiao library`, `lixiao gateway sessions list`, `lixiao kit.provisioning topics`: a service, or a command of one.
# `lixiao healthy`: whether the container's service is ready.
set -eu
if [ $# = 0 ]; then
    echo "Name a service: $(cd /app/services && ls -d */ | grep -v '^kit/\|^__' | tr -d '/' | tr '\n' ' ')" >&2
    exit 64
fi
if [ "$1" = healthy ]; then exec python3 /app/healthy.py; fi
module=$1
shift
exec python3 -m "services.$module" "$@"
