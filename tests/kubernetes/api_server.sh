#!/bin/sh
# Builds kube-apiserver with Go and fetches etcd and the operators' resource definitions: api_server.sh FOLDER.
# Once, 102 MB; five minutes of processor time. All by the Go module proxy and Debian, nothing by containers.
set -eu
folder=$1
version=1.34.3
definitions='github.com/cloudnative-pg/cloudnative-pg@v1.27.1 github.com/kedacore/keda/v2@v2.18.1
    github.com/prometheus-operator/prometheus-operator@v0.85.0'

mkdir -p "$folder/build" "$folder/definitions"
sh "$(dirname "$0")/../../deploy/local/debian.sh" "$folder/etcd" 'usr/bin/etcd' etcd-server
cd "$folder/build"
sources() { go mod download -json "$1" | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p'; }

for module in $definitions; do
    # KEDA and CloudNativePG have them under config/crd, the Prometheus operator under example.
    find "$(sources "$module")" -path '*crd*' \( -name 'postgresql.cnpg.io_*.yaml' -o -name 'keda.sh_*.yaml' \
        -o -path '*/example/prometheus-operator-crd/*servicemonitors.yaml' \) -exec cp -f {} ../definitions/ \;
done
[ ! -x ../kube-apiserver ] || exit 0
{
    printf 'module kube-apiserver\n\ngo 1.24.0\n\nrequire k8s.io/kubernetes v%s\n\nreplace (\n' "$version"
    sed -n "s|^\t\(k8s.io/[a-z0-9-]*\) => ./staging/.*|\t\1 => \1 v0.${version#*.}|p" "$(sources "k8s.io/kubernetes@v$version")/go.mod"
    printf ')\n'
} >go.mod
printf '//go:build tools\n\npackage tools\n\nimport _ "k8s.io/kubernetes/cmd/kube-apiserver"\n' >tools.go
go mod tidy
CGO_ENABLED=0 go build -trimpath -ldflags='-s -w' -o ../kube-apiserver k8s.io/kubernetes/cmd/kube-apiserver
