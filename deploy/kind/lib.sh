# What the scripts beside this file share; they source it.
# shellcheck shell=bash

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
chart=$here/../helm/weir

: "${KIND_CLUSTER:=weir}"
# Another cluster than kind's, as minikube: its context in the kubeconfig.
: "${KUBE_CONTEXT:=kind-$KIND_CLUSTER}"
: "${WEIR_NAMESPACE:=weir}"
: "${WEIR_RELEASE:=weir}"

say() {
  echo "$(basename "$0"): $*" >&2
}

fail() {
  say "$*"
  exit 1
}

# need PROGRAM...: ends with where to get the first one that is missing.
need() {
  local program
  for program in "$@"; do
    command -v "$program" >/dev/null && continue
    case $program in
      kind) fail "kind is not installed: go install sigs.k8s.io/kind@v0.33.0, or https://kind.sigs.k8s.io" ;;
      helm) fail "helm is not installed: go install helm.sh/helm/v3/cmd/helm@v3.19.5, or https://helm.sh" ;;
      kubectl) fail "kubectl is not installed: https://kubernetes.io/docs/tasks/tools/" ;;
      docker) fail "docker is not installed: https://docs.docker.com/engine/install/" ;;
      *) fail "$program is not installed" ;;
    esac
  done
}

has_cluster() {
  kind get clusters 2>/dev/null | grep -qx "$KIND_CLUSTER"
}

# The image that the chart's default values name.
image() {
  echo "weir:$(sed -n 's/^appVersion: *//p' "$chart/Chart.yaml")"
}
