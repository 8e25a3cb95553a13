#!/usr/bin/env bash
# Versions: kubernetes-validate 1.37.0, the newest. Python 3.11 or newer.
#
# Belief: `kubernetes-validate --strict -k 1.37` ends with an exit code other than 0 for a manifest that Kubernetes 1.37
# refuses because it no longer has the version of its API. Teams rely on it before an upgrade of a cluster.
#
# Observed: a HorizontalPodAutoscaler of autoscaling/v2beta2, which was removed in Kubernetes 1.26, and a misspelt kind
# both end with 0 and a line that begins with WARN: without a schema of that name there is nothing to compare with. A
# misspelt field of a known version ends with 1.
#
# Output:
#   a misspelt field: exit code 1
#   a removed version: exit code 0
#   a misspelt kind: exit code 0
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check kubernetes-validate==1.37.0

autoscaler() {
    cat > "$folder/manifest.yaml" <<YAML
apiVersion: $1
kind: $2
metadata: {name: web}
spec:
  $3: 3
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}
YAML
    "$folder/venv/bin/kubernetes-validate" -k 1.37 --strict "$folder/manifest.yaml" >/dev/null 2>&1 && echo 0 || echo $?
}

field=$(autoscaler autoscaling/v2 HorizontalPodAutoscaler maxReplica)
version=$(autoscaler autoscaling/v2beta2 HorizontalPodAutoscaler maxReplicas)
kind=$(autoscaler autoscaling/v2 HorizontalPodAutoscalr maxReplicas)
echo "a misspelt field: exit code $field"
echo "a removed version: exit code $version"
echo "a misspelt kind: exit code $kind"
[[ $field == 1 && $version == 0 && $kind == 0 ]]
