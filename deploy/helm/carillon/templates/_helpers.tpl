{{- define "carillon.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- define "carillon.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride -}}
{{- else if contains (include "carillon.name" .) .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "carillon.name" .) | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "carillon.selector" -}}
app.kubernetes.io/name: {{ include "carillon.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "carillon.labels" -}}
{{ include "carillon.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{/* Seconds in which the endpoints of a stopping pod disappear from proxies, while it serves as before. */}}
{{- define "carillon.delaySeconds" -}}10{{- end -}}

{{/* Seconds for the requests in progress after the drain. */}}
{{- define "carillon.stopSeconds" -}}10{{- end -}}

{{- define "carillon.graceSeconds" -}}
{{- add (include "carillon.delaySeconds" .) .Values.drainSeconds (include "carillon.stopSeconds" .) 5 -}}
{{- end -}}

{{/* Settings of a node: those of the values, with what the chart determines. */}}
{{- define "carillon.settings" -}}
{{- include "carillon.checkSecrets" . -}}
{{- include "carillon.checkOwn" . -}}
{{- $settings := deepCopy .Values.config -}}
{{- $drain := dict "delay" (printf "%ss" (include "carillon.delaySeconds" .)) "timeout" (printf "%ds" (int .Values.drainSeconds)) -}}
{{- $grpc := "0.0.0.0:6001" -}}
{{- if hasKey $settings "grpc" -}}{{- $grpc = dict "listen" $grpc -}}{{- end -}}
{{- $own := dict
  "http" "0.0.0.0:8080"
  "grpc" $grpc
  "admin" (dict "listen" "0.0.0.0:9090")
  "drain" $drain
  "stop_timeout" (printf "%ss" (include "carillon.stopSeconds" .))
-}}
{{- if not (hasKey $settings "brokers") -}}
{{- $nats := dict "driver" "nats" "servers" .Values.nats.servers -}}
{{- if .Values.nats.credsSecret -}}
{{- $_ := set $nats "creds_file" "/etc/carillon/nats/creds" -}}
{{- end -}}
{{- $_ := set $own "brokers" (dict "nats" $nats) -}}
{{- end -}}
{{- if .Values.tlsSecret -}}
{{- $_ := set $own "tls" (dict "cert_file" "/etc/carillon/tls/tls.crt" "key_file" "/etc/carillon/tls/tls.key") -}}
{{- end -}}
{{- $hasKeys := false -}}
{{- range $settings.vhosts -}}{{- if or .keys .certificates -}}{{- $hasKeys = true -}}{{- end -}}{{- end -}}
{{- if not (or $hasKeys $settings.insecure) -}}
{{- fail "config.vhosts: no vhost has keys, and the nodes would refuse to start: add one that `carillon key create` makes" -}}
{{- end -}}
{{- $settings = mustMergeOverwrite $settings $own -}}
{{- include "carillon.checkShared" (dict "values" .Values "settings" $settings) -}}
{{- toYaml $settings -}}
{{- end -}}
