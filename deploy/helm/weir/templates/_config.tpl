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
store: sqlite:/var/lib/weir/coordinator/metadata.db
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
