#!/bin/sh
# Databases with their roles, topics, Kafka's users and ACLs. Repeated at every start; changes nothing that is right.
set -eu
. /etc/lixiao/again.sh
again lixiao kit.provisioning databases --secrets /secrets/databases.json
again lixiao kit.provisioning topics
again lixiao kit.provisioning kafka-users --passwords /kafka-passwords
again lixiao kit.provisioning acls
