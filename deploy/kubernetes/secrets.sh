#!/bin/sh
# The Secrets and ConfigMaps of an installation, as YAML: secrets.sh FOLDER NAMESPACE | kubectl apply -f -
# FOLDER is what `kit.provisioning secrets` made. They hold every secret: keep the output as you keep the folder.
set -eu
folder=$1
namespace=$2
kubectl=${KUBECTL:-kubectl}
make() {
    echo ---
    "$kubectl" create "$@" --namespace "$namespace" --dry-run=client --output yaml
}
for part in "$folder"/*/; do
    name=$(basename "$part")
    case $name in
    authority | tokens | trusted-keys | proxy | postgres | kafka) continue ;;
    esac
    make secret generic "$name" --from-file="$part"
done
for part in "$folder"/trusted-keys/*/; do
    make configmap "trusted-keys-$(basename "$part")" --from-file="$part"
done
if [ -d "$folder/kafka" ]; then
    make secret generic kafka --from-file="$folder/kafka"
    make secret generic lixiao-clients-ca --from-file=ca.key="$folder/authority/authority.key"
    make secret generic lixiao-clients-ca-cert --from-file=ca.crt="$folder/authority/authority.pem"
fi
if [ -d "$folder/postgres" ]; then
    make secret tls postgres-server --cert="$folder/postgres/tls.pem" --key="$folder/postgres/tls.key"
    make secret generic postgres-authority --from-file=ca.crt="$folder/authority/authority.pem"
    make secret generic postgres-superuser --type=kubernetes.io/basic-auth --from-literal=username=postgres \
        --from-file=password="$folder/admin/postgres-password"
fi
