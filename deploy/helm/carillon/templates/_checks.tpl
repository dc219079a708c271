{{/* Settings below `path` that hold a secret, one on a line. A ConfigMap is readable to more people than a Secret. */}}
{{- define "carillon.secretPaths" -}}
{{- $names := list "secret" "password" "token" "access_token" "key" -}}
{{- range $name, $value := .settings -}}
{{- $path := printf "%s.%s" $.path $name -}}
{{- if kindIs "map" $value -}}
{{- include "carillon.secretPaths" (dict "path" $path "settings" $value) -}}
{{- else if and $value (or (has $name $names) (hasSuffix ".webrocket.admin.cookie" $path)) -}}
{{- printf "%s\n" $path -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Refuses values whose secrets would be in the ConfigMap. */}}
{{- define "carillon.checkSecrets" -}}
{{- range compact (splitList "\n" (include "carillon.secretPaths" (dict "path" "config" "settings" .Values.config))) -}}
{{- fail (printf "%s: the ConfigMap would contain the secret: set %s_file to a file of secretFiles, or the variable by secretVariables" . (splitList "." . | last)) -}}
{{- end -}}
{{- if contains "@" (join " " .Values.nats.servers) -}}
{{- fail "nats.servers: the ConfigMap would contain the login: use nats.credsSecret" -}}
{{- end -}}
{{- range $name, $broker := .Values.config.brokers -}}
{{- if contains "@" (join " " $broker.servers) -}}
{{- fail (printf "config.brokers.%s.servers: the ConfigMap would contain the login: set creds_file, token_file or password_file to a file of secretFiles" $name) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Refuses settings that the chart determines, instead of ignoring them. */}}
{{- define "carillon.checkOwn" -}}
{{- $config := .Values.config -}}
{{- range $name := list "http" "stop_timeout" -}}
{{- if hasKey $config $name -}}{{- fail (printf "config.%s: the chart sets this" $name) -}}{{- end -}}
{{- end -}}
{{- if hasKey $config "grpc" -}}
{{- if not (kindIs "map" $config.grpc) -}}{{- fail "config.grpc: the chart sets this; use config.grpc.server" -}}{{- end -}}
{{- if hasKey $config.grpc "listen" -}}{{- fail "config.grpc.listen: the chart sets this" -}}{{- end -}}
{{- end -}}
{{- if hasKey ($config.admin | default dict) "listen" -}}{{- fail "config.admin.listen: the chart sets this" -}}{{- end -}}
{{- if hasKey ($config.drain | default dict) "delay" -}}{{- fail "config.drain.delay: the chart sets this" -}}{{- end -}}
{{- if hasKey ($config.drain | default dict) "timeout" -}}{{- fail "config.drain.timeout: use drainSeconds" -}}{{- end -}}
{{- if and .Values.tlsSecret (hasKey $config "tls") -}}{{- fail "config.tls: use either this or tlsSecret" -}}{{- end -}}
{{- end -}}

{{/* Refuses several pods whose messages or state would stay in one of them. */}}
{{- define "carillon.checkShared" -}}
{{- if or .values.autoscaling.enabled (gt (int .values.replicas) 1) -}}
{{- $advice := "expected the driver nats, or replicas: 1 without autoscaling" -}}
{{- range $name, $broker := .settings.brokers -}}
{{- if ne (dig "driver" "" $broker) "nats" -}}
{{- fail (printf "config.brokers.%s: several pods would not receive each other's messages: %s" $name $advice) -}}
{{- end -}}
{{- end -}}
{{- if ne (dig "driver" "memory" (.settings.store | default dict)) "nats" -}}
{{- fail (printf "config.store: several pods would not see each other's keys, vhosts and channels: %s" $advice) -}}
{{- end -}}
{{- end -}}
{{- end -}}
