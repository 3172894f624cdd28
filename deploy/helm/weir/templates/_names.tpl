{{/* The chart's name, as labels have it. */}}
{{- define "weir.name" -}}
{{- .Values.nameOverride | default .Chart.Name | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/*
What names are made of. 40 characters at most: a StatefulSet's name plus a hash is a label, which may have 63. What is
longer ends in a hash, so that two long names do not become one.
*/}}
{{- define "weir.fullname" -}}
{{- $name := include "weir.name" . -}}
{{- $full := .Values.fullnameOverride | default (contains $name .Release.Name | ternary .Release.Name (printf "%s-%s" .Release.Name $name)) -}}
{{- if gt (len $full) 40 -}}
{{- printf "%s-%s" ($full | trunc 31 | trimSuffix "-") ($full | sha256sum | trunc 8) -}}
{{- else -}}
{{- $full -}}
{{- end -}}
{{- end -}}

{{/* Name of a component's objects. Takes {root, component}. */}}
{{- define "weir.componentName" -}}
{{- printf "%s-%s" (include "weir.fullname" .root) .component -}}
{{- end -}}

{{/* What finds a component's pods, and never changes. Takes {root, component}. */}}
{{- define "weir.selectorLabels" -}}
app.kubernetes.io/name: {{ include "weir.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{/* All labels of an object. Takes {root, component}; what belongs to no component has none. */}}
{{- define "weir.labels" -}}
app.kubernetes.io/name: {{ include "weir.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
{{- with .component }}
app.kubernetes.io/component: {{ . }}
{{- end }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name (.root.Chart.Version | replace "+" "_") }}
{{- end -}}

{{/* What the release runs, as a list. */}}
{{- define "weir.components" -}}
[{{ if eq (include "weir.store" .) "own" }}etcd, {{ end }}coordinator, broker, gateway]
{{- end -}}

{{/* Ports of all containers. */}}
{{- define "weir.ports" -}}
etcd: { client: 2379, peer: 2380, ops: 2381 }
coordinator: { grpc: 7070, ops: 7079 }
broker: { grpc: 7071, replication: 7072, kafka: 9092, ops: 7080 }
gateway: { http: 8080, ops: 8081 }
{{- end -}}

{{/* Where coordinators are. Names with five dots are looked up as they stand, without a search list. */}}
{{- define "weir.coordinators" -}}
{{- $name := include "weir.componentName" (dict "root" . "component" "coordinator") -}}
{{- $addresses := list -}}
{{- range $index := until (int .Values.coordinator.replicas) -}}
{{- $addresses = append $addresses (printf "%s-%d.%s.%s.svc.%s:7070" $name $index $name $.Release.Namespace $.Values.clusterDomain) -}}
{{- end -}}
{{- join "," $addresses -}}
{{- end -}}

{{/* Where Kafka clients begin: any broker tells them of all of them. */}}
{{- define "weir.kafkaBootstrap" -}}
{{- $name := include "weir.componentName" (dict "root" . "component" "kafka") -}}
{{- printf "%s.%s.svc.%s:%v" $name .Release.Namespace .Values.clusterDomain (include "weir.ports" . | fromYaml).broker.kafka -}}
{{- end -}}

{{/* The image of all containers but etcd's. */}}
{{- define "weir.image" -}}
{{- with .Values.image -}}
{{- printf "%s:%s" .repository (.tag | default $.Chart.AppVersion) -}}
{{- with .digest }}@{{ . }}{{ end -}}
{{- end -}}
{{- end -}}

{{/* The image of etcd's members. */}}
{{- define "weir.etcdImage" -}}
{{- with .Values.etcd.image -}}
{{- printf "%s:%s" .repository .tag -}}
{{- with .digest }}@{{ . }}{{ end -}}
{{- end -}}
{{- end -}}

{{/* So many of something in words: "1 broker", "2 brokers". Takes {count, noun}. */}}
{{- define "weir.count" -}}
{{- printf "%d %s%s" (int .count) .noun (eq 1 (int .count) | ternary "" "s") -}}
{{- end -}}

{{/* Name of the pods' service account. */}}
{{- define "weir.serviceAccountName" -}}
{{- .Values.serviceAccount.name | default (.Values.serviceAccount.create | ternary (include "weir.fullname" .) "default") -}}
{{- end -}}
