{{/*
A component's pod template. Takes {root, component}; what differs between components is below, in templates whose names
end in the component's.
*/}}
{{- define "weir.podTemplate" -}}
{{- $values := get .root.Values .component -}}
{{- $ports := get (include "weir.ports" .root | fromYaml) .component -}}
{{- $isEtcd := eq .component "etcd" -}}
{{- $secretItems := eq .component "coordinator" | ternary (include "weir.etcdSecretItems" .root) "" -}}
metadata:
  labels:
    {{- include "weir.selectorLabels" . | nindent 4 }}
    {{- with $values.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  annotations:
    checksum/config: {{ include "weir.configFiles" . | sha256sum }}
    {{- if .root.Values.metrics.scrapeAnnotations }}
    prometheus.io/scrape: 'true'
    prometheus.io/port: {{ $ports.ops | quote }}
    prometheus.io/path: /metrics
    {{- end }}
    {{- with $values.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  {{- with .root.Values.image.pullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  serviceAccountName: {{ include "weir.serviceAccountName" .root }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  terminationGracePeriodSeconds: {{ $values.terminationGracePeriodSeconds }}
  {{- with $values.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  securityContext:
    {{- toYaml $values.podSecurityContext | nindent 4 }}
  {{- with include "weir.placement" . | trim }}
  {{- . | nindent 2 }}
  {{- end }}
  containers:
    - name: {{ .component }}
      {{- if $isEtcd }}
      image: {{ include "weir.etcdImage" .root }}
      imagePullPolicy: {{ $values.image.pullPolicy }}
      # There is no shell in this image. Kubernetes puts the pod's name in.
      command: [/usr/local/bin/etcd, --config-file, /etc/weir/$(POD_NAME).yaml]
      {{- else }}
      image: {{ include "weir.image" .root }}
      imagePullPolicy: {{ .root.Values.image.pullPolicy }}
      args: [{{ .component }}, --config, /etc/weir/{{ .component }}.yaml]
      {{- end }}
      env:
        {{- include "weir.env" . | nindent 8 }}
      ports:
        {{- range $name, $port := $ports }}
        - name: {{ $name }}
          containerPort: {{ $port }}
        {{- end }}
      startupProbe:
        httpGet: { path: {{ $isEtcd | ternary "/livez" "/startupz" }}, port: ops }
        {{- with ($values.probes).startup }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      livenessProbe:
        httpGet: { path: /livez, port: ops }
        {{- with ($values.probes).liveness }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      readinessProbe:
        httpGet: { path: /readyz, port: ops }
        {{- with ($values.probes).readiness }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      {{- if eq .component "gateway" }}
      lifecycle:
        preStop:
          # Until everybody has heard that this address is gone, connections still come here.
          sleep: { seconds: 5 }
      {{- end }}
      {{- with $values.resources }}
      resources:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      securityContext:
        {{- toYaml $values.securityContext | nindent 8 }}
      volumeMounts:
        - name: config
          mountPath: /etc/weir
          readOnly: true
        - name: tmp
          mountPath: /tmp
        {{- if include "weir.hasVolume" . }}
        - name: data
          mountPath: /var/lib/{{ $isEtcd | ternary "etcd" "weir" }}
        {{- end }}
        {{- if $secretItems }}
        - name: etcd
          mountPath: /etc/weir-etcd
          readOnly: true
        {{- end }}
        {{- with $values.extraVolumeMounts }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
  volumes:
    - name: config
      configMap:
        name: {{ include "weir.componentName" . }}
    - name: tmp
      emptyDir:
        sizeLimit: 64Mi
    {{- if $secretItems }}
    - name: etcd
      secret:
        secretName: {{ .root.Values.etcd.external.existingSecret }}
        items:
          {{- $secretItems | trim | nindent 10 }}
    {{- end }}
    {{- with $values.extraVolumes }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end -}}

{{/* Where pods may run. Takes {root, component}. */}}
{{- define "weir.placement" -}}
{{- $values := get .root.Values .component -}}
{{- $affinity := $values.affinity | default dict -}}
{{- if eq $values.scheduling "hard" -}}
{{- if hasKey $affinity "podAntiAffinity" -}}
{{- fail (printf "%s.scheduling is hard, which makes a podAntiAffinity, and %s.affinity has one as well: with one of your own leave scheduling at soft" .component .component) -}}
{{- end -}}
{{- $affinity = merge (dict "podAntiAffinity" (include "weir.antiAffinity" . | fromYaml)) $affinity -}}
{{- else if and (eq .component "etcd") (not (hasKey $affinity "podAntiAffinity")) -}}
{{- $affinity = merge (dict "podAntiAffinity" (include "weir.softAntiAffinity" . | fromYaml)) $affinity -}}
{{- end -}}
{{- with $affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- if $values.topologySpreadConstraints }}
topologySpreadConstraints:
  {{- toYaml $values.topologySpreadConstraints | nindent 2 }}
{{- else if and (eq $values.scheduling "soft") (ne .component "etcd") }}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "weir.selectorLabels" . | nindent 8 }}
{{- end }}
{{- with $values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* One pod a node. A new revision of the gateways may stand beside the old one: a rollout adds before it takes away. */}}
{{- define "weir.antiAffinity" -}}
requiredDuringSchedulingIgnoredDuringExecution:
  - topologyKey: kubernetes.io/hostname
    labelSelector:
      matchLabels:
        {{- include "weir.selectorLabels" . | nindent 8 }}
    {{- if eq .component "gateway" }}
    matchLabelKeys: [pod-template-hash]
    {{- end }}
{{- end -}}

{{/* Another node for each pod, where there is one. */}}
{{- define "weir.softAntiAffinity" -}}
preferredDuringSchedulingIgnoredDuringExecution:
  - weight: 100
    podAffinityTerm:
      topologyKey: kubernetes.io/hostname
      labelSelector:
        matchLabels:
          {{- include "weir.selectorLabels" . | nindent 10 }}
{{- end -}}
