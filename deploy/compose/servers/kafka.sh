#!/bin/sh
# One broker of three, with Kafka's own programs in /opt/kafka: TLS everywhere, PLAIN for the administrator and between
# brokers, SCRAM for services, which may do what ACLs grant. `kafka.sh healthy`: whether it has joined.
set -eu
settings=/tmp/server.properties
if [ "${1:-}" = healthy ]; then
    # Clients are listened to, at 9092 (hexadecimal 2384), once the broker has joined; its own programs would each
    # start a Java for this.
    exec grep -q ':2384 [0-9A-F]*:0000 0A' /proc/net/tcp /proc/net/tcp6
fi
umask 077
password=$(cat /run/kafka-password)
plain="org.apache.kafka.common.security.plain.PlainLoginModule required username=\"admin\" password=\"$password\""
scram="org.apache.kafka.common.security.scram.ScramLoginModule required;"
cat /secrets/tls.key /secrets/tls.pem >/tmp/keystore.pem
cat >"$settings" <<END
process.roles=broker,controller
node.id=$NODE_ID
controller.quorum.voters=1@kafka1:9093,2@kafka2:9093,3@kafka3:9093
listeners=SASL_SSL://:9092,CONTROLLER://:9093
advertised.listeners=SASL_SSL://kafka$NODE_ID:9092
controller.listener.names=CONTROLLER
inter.broker.listener.name=SASL_SSL
listener.security.protocol.map=CONTROLLER:SASL_SSL,SASL_SSL:SASL_SSL
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-512
sasl.mechanism.inter.broker.protocol=PLAIN
sasl.mechanism.controller.protocol=PLAIN
listener.name.sasl_ssl.plain.sasl.jaas.config=$plain user_admin="$password";
listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config=$scram
listener.name.controller.sasl.enabled.mechanisms=PLAIN
listener.name.controller.plain.sasl.jaas.config=$plain user_admin="$password";
ssl.keystore.type=PEM
ssl.keystore.location=/tmp/keystore.pem
ssl.truststore.type=PEM
ssl.truststore.location=/secrets/authority.pem
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:admin
log.dirs=/data
auto.create.topics.enable=false
default.replication.factor=3
min.insync.replicas=2
offsets.topic.replication.factor=3
offsets.topic.num.partitions=12
transaction.state.log.replication.factor=3
transaction.state.log.min.isr=2
share.coordinator.state.topic.replication.factor=3
share.coordinator.state.topic.min.isr=2
unclean.leader.election.enable=false
END
export KAFKA_HEAP_OPTS="${KAFKA_HEAP_OPTS:--Xms256m -Xmx384m}" LOG_DIR=/tmp
/opt/kafka/bin/kafka-storage.sh format --ignore-formatted --cluster-id="$CLUSTER_ID" --config "$settings"
exec /opt/kafka/bin/kafka-server-start.sh "$settings"
