#!/bin/sh
# Secrets and folders of an installation, once before its first start; repeating it adds what is missing and renews
# certificates. The address's own certificate, secrets/proxy/tls.pem and tls.key, is the university's to replace.
set -eu
cd /made
trusted=/etc/ssl/certs/ca-certificates.crt
[ ! -f secrets/provider.pem ] || trusted=/made/secrets/provider.pem
set -- --folder secrets --postgres admin@postgres:5432 --public-host "$PUBLIC_HOST"
[ -z "$SIGN_IN_HOST" ] || set -- "$@" --public-host "$SIGN_IN_HOST"
[ ! -f "$trusted" ] || set -- "$@" --trusted "$trusted"
lixiao kit.provisioning secrets "$@" --server postgres --server kafka1 --server kafka2 --server kafka3
[ -s secrets/admin/grafana-password ] || cp secrets/admin/kafka-password secrets/admin/grafana-password
mkdir -p data/postgres data/kafka1 data/kafka2 data/kafka3 data/keys data/prometheus data/grafana
chmod 700 data/postgres data/keys
chown -R 65532:65532 secrets data
echo "The client secret for the identity provider is in secrets/gateway/openid-client-secret, tokens are in secrets/tokens."
