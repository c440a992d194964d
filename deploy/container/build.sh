#!/bin/sh
# Builds the image with buildah or podman: build.sh BASE [NAME], after `make setup`. BASE by its digest, as
# docker.io/library/python:3.11-slim-bookworm@sha256:…
set -eu
base=$1
name=${2:-lixiao}
cd "$(dirname "$0")/../.."
rm -rf .container
mkdir -p .container/wheels
trap 'rm -rf .container' EXIT
.venv/bin/python -m tools.sbom >.container/sbom.json
.venv/bin/python -m pip download --quiet --disable-pip-version-check --require-hashes --only-binary :all: \
    --python-version 3.11 --implementation cp --abi cp311 --abi abi3 --abi none \
    --platform "manylinux_2_28_$(uname -m)" --platform "manylinux_2_17_$(uname -m)" \
    --platform "manylinux2014_$(uname -m)" --platform any \
    --requirement deploy/container/requirements.lock --dest .container/wheels
if command -v buildah >/dev/null 2>&1; then
    set -- buildah build --isolation "${BUILDAH_ISOLATION:-oci}"
else
    set -- podman build
fi
"$@" --pull=missing --build-arg "BASE=$base" --file deploy/container/Containerfile --tag "$name" .
