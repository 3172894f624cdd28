{{/*
The file that a service gets as `--config`: what the chart decides, and the user's `config`. Takes {root, component}.
The schema lets nobody set what is decided here.
*/}}
{{- define "weir.config" -}}
{{- $ports := get (include "weir.ports" .root | fromYaml) .component -}}
# There is no TLS and no authentication yet: the network has to be trusted.
insecure: true
{{- range $name, $port := $ports }}
{{ $name }}-listen: 0.0.0.0:{{ $port }}
{{- end }}
{{- if eq .component "coordinator" }}
{{ include "weir.storeConfig" .root }}
{{- if not (hasKey (.root.Values.coordinator.config | default dict) "default-replication-factor") }}
# Of the brokers that there are to be: not all of them may be there when the first topic comes.
default-replication-factor: {{ min 3 (int .root.Values.broker.replicas) }}
{{- end }}
{{- else }}
coordinators: {{ include "weir.coordinators" .root }}
{{- end }}
{{- if eq .component "broker" }}
data-dir: /var/lib/weir/broker
{{- end }}
{{- with (get .root.Values .component).config }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/*
A component's files by name, as the data of its ConfigMap. Takes {root, component, joining}: with `joining` etcd's members
are told which one of them joins the others. Pods are not rolled for that, as only one with an empty volume reads it.
*/}}
{{- define "weir.configFiles" -}}
{{- if eq .component "etcd" }}
{{- range $pod := include "weir.etcdPods" .root | fromYamlArray }}
{{- $state := "new" }}
{{- if and $.joining (eq $pod $.root.Values.etcd.joiningPod) }}{{ $state = "existing" }}{{ end }}
{{ $pod }}.yaml: |
  {{- include "weir.etcdConfig" (dict "root" $.root "pod" $pod "state" $state) | nindent 2 }}
{{- end }}
{{- else }}
{{ .component }}.yaml: |
  {{- include "weir.config" . | nindent 2 }}
{{- end }}
{{- end -}}
