{{/* Labels of one component; the argument is (dict "root" $ "name" name). */}}
{{- define "lixiao.selector" -}}
app.kubernetes.io/part-of: lixiao
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/name: {{ .name }}
{{- end }}

{{- define "lixiao.labels" -}}
{{ include "lixiao.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
{{- end }}

{{- define "lixiao.podSecurity" -}}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  fsGroup: 65532
  seccompProfile: {type: RuntimeDefault}
{{- with .Values.imagePullSecrets }}
imagePullSecrets: {{ toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "lixiao.containerSecurity" -}}
image: {{ .Values.image.name }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  capabilities: {drop: [ALL]}
{{- end }}

{{/* How a container reaches Kafka, as the service whose folder is at /secrets. (dict "root" $ "name" name) */}}
{{- define "lixiao.kafka" -}}
- {name: LIXIAO_KAFKA, value: {{ .root.Values.kafka.bootstrap | quote }}}
- {name: LIXIAO_KAFKA_SSL_CAFILE, value: /secrets/authority.pem}
{{- if eq .root.Values.kafka.authentication "tls" }}
- {name: LIXIAO_KAFKA_SECURITY_PROTOCOL, value: SSL}
- {name: LIXIAO_KAFKA_SSL_CERTFILE, value: /secrets/tls.pem}
- {name: LIXIAO_KAFKA_SSL_KEYFILE, value: /secrets/tls.key}
{{- else }}
- {name: LIXIAO_KAFKA_SECURITY_PROTOCOL, value: SASL_SSL}
- {name: LIXIAO_KAFKA_SASL_MECHANISM, value: {{ ternary "PLAIN" "SCRAM-SHA-512" (eq .name "admin") }}}
- {name: LIXIAO_KAFKA_SASL_USERNAME, value: {{ ternary "admin" (printf "lixiao.%s" .name) (eq .name "admin") }}}
- {name: LIXIAO_KAFKA_SASL_PASSWORD_FILE, value: /secrets/kafka-password}
{{- end }}
{{- end }}
