{{/* Where the metadata are: "own" (an etcd of the release's), "external" (one that is there already) or "sqlite". */}}
{{- define "weir.store" -}}
{{- if .Values.etcd.external.endpoints -}}external{{- else if .Values.etcd.enabled -}}own{{- else -}}sqlite{{- end -}}
{{- end -}}

{{/* The coordinators' options of the store. */}}
{{- define "weir.storeConfig" -}}
{{- $store := include "weir.store" . -}}
{{- $external := .Values.etcd.external -}}
{{- if eq $store "sqlite" -}}
store: sqlite:/var/lib/weir/coordinator/metadata.db
{{- else if eq $store "own" -}}
{{- $members := list -}}
{{- range $pod := include "weir.etcdPods" . | fromYamlArray -}}
{{- $members = append $members (printf "http://%s" (include "weir.etcdAddress" (dict "root" $ "pod" $pod "port" "client"))) -}}
{{- end -}}
store: etcd:{{ join "," $members }}
{{- else -}}
store: etcd:{{ join "," $external.endpoints }}
etcd-prefix: {{ $external.prefix }}
{{- range $key := list "ca" "certificate" "key" }}
{{- if get $external.secretKeys $key }}
etcd-{{ $key }}: /etc/weir-etcd/{{ $key }}
{{- end }}
{{- end }}
{{- if $external.secretKeys.password }}
etcd-password-file: /etc/weir-etcd/password
{{- end }}
{{- end -}}
{{- end -}}

{{/* "yes" when a component's pods have a volume each: a coordinator only with SQLite. Takes {root, component}. */}}
{{- define "weir.hasVolume" -}}
{{- if ne .component "coordinator" -}}
{{- if hasKey (get .root.Values .component) "persistence" -}}yes{{- end -}}
{{- else if eq (include "weir.store" .root) "sqlite" -}}yes
{{- end -}}
{{- end -}}

{{/* What of an etcd's Secret coordinators read as files, as items of a volume; empty without any. */}}
{{- define "weir.etcdSecretItems" -}}
{{- range $file := list "ca" "certificate" "key" "password" }}
{{- with get $.Values.etcd.external.secretKeys $file }}
- { key: {{ . | quote }}, path: {{ $file }} }
{{- end }}
{{- end }}
{{- end -}}

{{/* Ends with a message where what the values say of the store makes no sense, or would lose what is there. */}}
{{- define "weir.checkStore" -}}
{{- $etcd := .Values.etcd }}
{{- $store := include "weir.store" . }}
{{- $replicas := int .Values.coordinator.replicas }}
{{- if and $etcd.enabled $etcd.external.endpoints }}
{{- fail "etcd.enabled is true, which makes an etcd of the release's own, and etcd.external.endpoints names another one: set etcd.enabled=false to use that one, or name none" }}
{{- end }}
{{- if and (eq $store "sqlite") (gt $replicas 1) }}
{{- fail (printf "coordinator.replicas is %d, and without etcd there is SQLite, which one coordinator has for itself: set coordinator.replicas=1 (as values-dev.yaml does), or etcd.enabled=true, or name an etcd in etcd.external.endpoints" $replicas) }}
{{- end }}
{{- include "weir.checkExternalEtcd" . }}
{{- if eq $store "own" }}
{{- include "weir.checkOwnEtcd" . }}
{{- else if $etcd.joiningPod }}
{{- fail (printf "etcd.joiningPod is %s, and this release has no etcd of its own: leave it empty" $etcd.joiningPod) }}
{{- end }}
{{- include "weir.keepsStore" . }}
{{- end -}}

{{- define "weir.checkOwnEtcd" -}}
{{- $etcd := .Values.etcd }}
{{- $pods := include "weir.etcdPods" . | fromYamlArray }}
{{- with $etcd.joiningPod }}
{{- if not (has . $pods) }}
{{- fail (printf "etcd.joiningPod is %s, and the members' pods are %s" . (join ", " $pods)) }}
{{- end }}
{{- if eq (len $pods) 1 }}
{{- fail (printf "etcd.joiningPod is %s, and there is no other member that it could join: one that is lost comes back from a backup (docs/OPERATIONS.md)" .) }}
{{- end }}
{{- end }}
{{- $quota := include "weir.bytes" $etcd.quota | float64 }}
{{- $size := include "weir.bytes" $etcd.persistence.size | float64 }}
{{- $needed := addf (mulf 2 $quota) 536870912 }}
{{- if lt $size $needed }}
{{- fail (printf "etcd.persistence.size is %s, and etcd.quota is %s: a volume has to have room for the file twice, and for 512Mi of log. Make the volume %.0f bytes or more, or the quota smaller" $etcd.persistence.size $etcd.quota $needed) }}
{{- end }}
{{- end -}}

{{/* An etcd that is there already: how it is reached fits together, and no password is sent in the clear. */}}
{{- define "weir.checkExternalEtcd" -}}
{{- $external := .Values.etcd.external }}
{{- $keys := $external.secretKeys }}
{{- $given := list }}
{{- range $name := list "ca" "certificate" "key" "user" "password" }}
{{- if get $keys $name }}{{ $given = append $given $name }}{{ end }}
{{- end }}
{{- if and $external.existingSecret (not $external.endpoints) }}
{{- fail "etcd.external.existingSecret is for the etcd that etcd.external.endpoints names, and it names none" }}
{{- end }}
{{- if and $given (not $external.existingSecret) }}
{{- fail (printf "etcd.external.secretKeys.%s names a key of a Secret, and etcd.external.existingSecret no Secret" (first $given)) }}
{{- end }}
{{- if and $external.existingSecret (not $given) }}
{{- fail (printf "etcd.external.existingSecret is %s, and etcd.external.secretKeys says of no key what it is: name them, as ca=ca.crt" $external.existingSecret) }}
{{- end }}
{{- range $pair := list (list "certificate" "key") (list "user" "password") }}
{{- if ne (empty (get $keys (first $pair))) (empty (get $keys (last $pair))) }}
{{- fail (printf "etcd.external.secretKeys.%s and etcd.external.secretKeys.%s go together" (first $pair) (last $pair)) }}
{{- end }}
{{- end }}
{{- $plain := list }}
{{- range $endpoint := $external.endpoints }}
{{- if hasPrefix "http://" $endpoint }}{{ $plain = append $plain $endpoint }}{{ end }}
{{- if and (hasPrefix "https://" $endpoint) (not $keys.ca) (include "weir.isPrivateName" $endpoint) }}
{{- fail (printf "etcd.external.endpoints has %s, and no public authority signs for such a name: put the certificate of the one that did into a Secret, and name both in etcd.external.existingSecret and etcd.external.secretKeys.ca" $endpoint) }}
{{- end }}
{{- end }}
{{- if and $plain (lt (len $plain) (len $external.endpoints)) }}
{{- fail "etcd.external.endpoints mixes http and https: all members are reached in one way" }}
{{- end }}
{{- if and $plain $keys.password }}
{{- fail (printf "etcd.external.secretKeys.password would be sent in the clear to %s: use https endpoints, or an etcd without users" (first $plain)) }}
{{- end }}
{{- range $name := list "ca" "certificate" }}
{{- if and $plain (get $keys $name) }}
{{- fail (printf "etcd.external.secretKeys.%s is for endpoints at https://, and %s is none" $name (first $plain)) }}
{{- end }}
{{- end }}
{{- end -}}

{{/* "yes" for an endpoint by address, by a name without dots, or by one of a cluster: takes an URL. */}}
{{- define "weir.isPrivateName" -}}
{{- $host := . | trimPrefix "https://" | regexFind "^(\\[.*\\]|[^:]*)" -}}
{{- if or (not (contains "." $host)) (regexMatch "^[0-9.]+$|\\.(svc|local|internal)$|\\.svc\\." $host) -}}yes{{- end -}}
{{- end -}}

{{/*
Ends with a message when an upgrade or a new release of an old name would leave the metadata where they are and begin
without them, or would have another number of members than they are on.
*/}}
{{- define "weir.keepsStore" -}}
{{- $store := include "weir.store" . }}
{{- $ns := .Release.Namespace }}
{{- $claims := printf "data-%s" (include "weir.componentName" (dict "root" . "component" "etcd")) }}
{{- $file := printf "data-%s-0" (include "weir.componentName" (dict "root" . "component" "coordinator")) }}
{{- if and (ne $store "sqlite") (lookup "v1" "PersistentVolumeClaim" $ns $file) }}
{{- fail (printf "the claim %s has this release's metadata in SQLite, and nothing moves them to etcd: keep them there with etcd.enabled=false and coordinator.replicas=1. To begin anew without what is there, delete the release's claims first" $file) }}
{{- end }}
{{- $there := list }}
{{- $has := 1 }}
{{- range $index := until 3 }}
{{- $claim := printf "%s-%d" $claims $index }}
{{- if lookup "v1" "PersistentVolumeClaim" $ns $claim }}
{{- $there = append $there $claim }}
{{- if $index }}{{ $has = 3 }}{{ end }}
{{- end }}
{{- end }}
{{- if and $there (eq $store "sqlite") }}
{{- fail (printf "the claim %s has this release's metadata in etcd, and nothing moves them to SQLite: keep them there with etcd.enabled=true. To begin anew without what is there, delete the release's claims first" (first $there)) }}
{{- end }}
{{- if and $there (eq $store "own") }}
{{- if ne $has (int .Values.etcd.replicas) }}
{{- fail (printf "etcd.replicas is %d, and the metadata of this release are on %d: etcd does not take another number of members over from one to the next. Set etcd.replicas=%d" (int .Values.etcd.replicas) $has $has) }}
{{- end }}
{{- end }}
{{- end -}}
