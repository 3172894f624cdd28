{{/* The environment of a component's container. Takes {root, component}. */}}
{{- define "weir.env" -}}
{{- $values := get .root.Values .component -}}
- name: POD_NAME
  valueFrom:
    fieldRef:
      fieldPath: metadata.name
{{- if ne .component "etcd" }}
# For `kubectl exec … -- weir topic list`.
- name: WEIR_COORDINATORS
  value: {{ include "weir.coordinators" .root }}
{{- include (printf "weir.env.%s" .component) .root }}
{{- include "weir.serviceEnv" . }}
{{- end }}
{{- with $values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* What all of Weir's own services are told. Takes {root, component}. */}}
{{- define "weir.serviceEnv" -}}
{{- $values := get .root.Values .component -}}
{{- if and (($values.resources).limits).memory (not (include "weir.hasNodeOptions" $values)) }}
# Node would give the heap more than the container has; what it leaves is for records, which are not in the heap.
- name: NODE_OPTIONS
  value: --max-old-space-size-percentage=40
{{- end }}
{{- if .root.Values.tracing.enabled }}
{{- include "weir.tracingEnv" . }}
{{- end }}
{{- end -}}

{{- define "weir.env.coordinator" }}
{{- $name := include "weir.componentName" (dict "root" . "component" "coordinator") }}
- name: WEIR_COORDINATOR_ID
  valueFrom:
    fieldRef:
      fieldPath: metadata.labels['apps.kubernetes.io/pod-index']
- name: WEIR_COORDINATOR_GRPC_ADVERTISE
  value: $(POD_NAME).{{ $name }}.{{ .Release.Namespace }}.svc.{{ .Values.clusterDomain }}:{{ (include "weir.ports" . | fromYaml).coordinator.grpc }}
{{- with .Values.etcd.external }}
{{- if .secretKeys.user }}
- name: WEIR_COORDINATOR_ETCD_USER
  valueFrom:
    secretKeyRef:
      name: {{ .existingSecret }}
      key: {{ .secretKeys.user | quote }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "weir.env.broker" }}
{{- $name := include "weir.componentName" (dict "root" . "component" "broker") }}
- name: WEIR_BROKER_ID
  valueFrom:
    fieldRef:
      fieldPath: metadata.labels['apps.kubernetes.io/pod-index']
{{- range $listener, $port := omit (include "weir.ports" . | fromYaml).broker "ops" }}
- name: WEIR_BROKER_{{ upper $listener }}_ADVERTISE
  value: $(POD_NAME).{{ $name }}.{{ $.Release.Namespace }}.svc.{{ $.Values.clusterDomain }}:{{ $port }}
{{- end }}
{{- end -}}

{{- define "weir.env.gateway" }}
- name: WEIR_GATEWAY_ID
  value: $(POD_NAME)
# Where the other gateways reach this one: each of them serves the consumers of all.
- name: POD_IP
  valueFrom:
    fieldRef:
      fieldPath: status.podIP
- name: WEIR_GATEWAY_PEER_ADVERTISE
  value: $(POD_IP):{{ (include "weir.ports" . | fromYaml).gateway.http }}
{{- end -}}

{{/* OpenTelemetry's own variables. Takes {root, component}. */}}
{{- define "weir.tracingEnv" -}}
{{- with .root.Values.tracing }}
{{- if not .endpoint }}
{{- fail "tracing.enabled needs tracing.endpoint: the base URL of an OTLP receiver over HTTP, as http://collector.observability:4318" }}
{{- end }}
- name: POD_NAMESPACE
  valueFrom:
    fieldRef:
      fieldPath: metadata.namespace
- name: NODE_NAME
  valueFrom:
    fieldRef:
      fieldPath: spec.nodeName
- name: OTEL_EXPORTER_OTLP_ENDPOINT
  value: {{ .endpoint | quote }}
- name: OTEL_TRACES_SAMPLER
  value: {{ .sampler }}
{{- with .samplerArg }}
- name: OTEL_TRACES_SAMPLER_ARG
  value: {{ . | quote }}
{{- end }}
- name: OTEL_SERVICE_NAME
  value: weir-{{ $.component }}
- name: OTEL_RESOURCE_ATTRIBUTES
  value: k8s.pod.name=$(POD_NAME),k8s.namespace.name=$(POD_NAMESPACE),k8s.node.name=$(NODE_NAME)
{{- end }}
{{- end -}}

{{/* "yes" when somebody sets NODE_OPTIONS; two of a name in one list are an error of some tools. Takes a component's values. */}}
{{- define "weir.hasNodeOptions" -}}
{{- range .extraEnv }}{{ if eq .name "NODE_OPTIONS" }}yes{{ end }}{{ end -}}
{{- end -}}
