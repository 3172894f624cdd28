{{/* The members' pods, as a list. */}}
{{- define "weir.etcdPods" -}}
{{- $name := include "weir.componentName" (dict "root" . "component" "etcd") -}}
{{- range $index := until (int .Values.etcd.replicas) }}
- {{ $name }}-{{ $index }}
{{- end }}
{{- end -}}

{{/* Where a member is reached, whatever becomes of its pod. Takes {root, pod, port}. */}}
{{- define "weir.etcdAddress" -}}
{{- $name := include "weir.componentName" (dict "root" .root "component" "etcd") -}}
{{- $port := get (include "weir.ports" .root | fromYaml).etcd .port -}}
{{- printf "%s.%s.%s.svc.%s:%v" .pod $name .root.Release.Namespace .root.Values.clusterDomain $port -}}
{{- end -}}

{{/*
A member's file. Takes {root, pod, state}: `initial-cluster-state` counts only for a member whose volume is empty. "new"
forms the cluster, and refuses where the others know this member already; "existing" joins them, which is right only for
one that has been removed and added: under its old number a member may not come back without what it had promised.
*/}}
{{- define "weir.etcdConfig" -}}
{{- $etcd := .root.Values.etcd -}}
{{- $ports := (include "weir.ports" .root | fromYaml).etcd -}}
{{- $peers := list -}}
{{- range $pod := include "weir.etcdPods" .root | fromYamlArray -}}
{{- $peers = append $peers (printf "%s=http://%s" $pod (include "weir.etcdAddress" (dict "root" $.root "pod" $pod "port" "peer"))) -}}
{{- end -}}
name: {{ .pod }}
data-dir: /var/lib/etcd/data
listen-client-urls: http://0.0.0.0:{{ $ports.client }}
advertise-client-urls: http://{{ include "weir.etcdAddress" (dict "root" .root "pod" .pod "port" "client") }}
listen-peer-urls: http://0.0.0.0:{{ $ports.peer }}
initial-advertise-peer-urls: http://{{ include "weir.etcdAddress" (dict "root" .root "pod" .pod "port" "peer") }}
listen-metrics-urls: http://0.0.0.0:{{ $ports.ops }}
initial-cluster: {{ join "," $peers }}
initial-cluster-token: {{ .root.Release.Namespace }}-{{ include "weir.fullname" .root }}
initial-cluster-state: {{ .state }}
quota-backend-bytes: {{ include "weir.bytes" $etcd.quota }}
# Coordinators compact: they know what standbys and watches still have to read.
auto-compaction-retention: '0'
{{- with $etcd.config }}
{{ toYaml . }}
{{- end }}
{{- end -}}
