"""Planted manifest faults by name: changes of the manifests, and words of the sentence that reports each change."""

from devtools.tests.deploy.planting import REMOVED, Fault, add, drop, put

POD = "spec.template.spec"
BOX = f"{POD}.containers.0"
WEB, WORKER, JOB = "Deployment/web", "Deployment/worker", "Job/migrate"
CONFIG, SCALER, POLICY = "ConfigMap/settings", "HorizontalPodAutoscaler/web", "NetworkPolicy/service"

SHM = "/dev/shm"  # noqa: S108 - a path in a container
SECRET = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "database"}, "data": {"url": "eA=="}}
NAMESPACE = "Namespace/{{ cookiecutter.project_slug }}"
PUBLIC = {"name": "metrics", "port": 9464, "targetPort": "management"}
VOLUME = {"name": "scratch", "mountPath": "/scratch"}
SHARED = {"name": "scratch", "hostPath": {"path": "/"}}

FAULTS: dict[str, list[tuple[str, list[Fault]]]] = {
    "the grace period is too short": [
        ("a grace period of 15 s is less than 30 s", [put(WEB, f"{POD}.terminationGracePeriodSeconds", 15)]),
        ("a grace period of 30 s is less than 35 s", [put(WEB, f"{BOX}.lifecycle.preStop.sleep.seconds", 5)]),
        ("GRACEFUL_SHUTDOWN_SECONDS must be less than", [put(CONFIG, "data.GRACEFUL_SHUTDOWN_SECONDS", "30")]),
    ],
    "nothing waits for the endpoints": [("requests may come for 5 s", [put(CONFIG, "data.DRAIN_SECONDS", "2")])],
    "too many replicas for the database": [
        ("for DATABASE_POOL_LIMIT=5", [put(SCALER, "spec.maxReplicas", 12), put(CONFIG, "data.REPLICAS", "12")]),
        ("maxReplicas of the autoscaler is 40", [put(SCALER, "spec.maxReplicas", 40)]),
        ("would not start", [put(SCALER, "spec.maxReplicas", 90), put(CONFIG, "data.REPLICAS", "90")]),
    ],
    "pods that terminate are not counted": [("Set it to 100%", [put(CONFIG, "data.REPLICAS_SURGE", "25%")])],
    "a Service finds no pod": [
        ("Service web: its selector", [put("Service/web", "spec.selector", {"app": "web"})]),
        ("finds no pod", [put("PodDisruptionBudget/web", "spec.selector.matchLabels", {"app": "web"})]),
        ("does not find its own pods", [put(WEB, "spec.selector.matchLabels", {"app": "web"})]),
        ("has to find one Service", [put("ServiceMonitor/web", "spec.selector.matchLabels", {"app": "web"})]),
        ("counts other pods", [put(WEB, f"{POD}.topologySpreadConstraints.0.labelSelector.matchLabels", {"app": "x"})]),
    ],
    "a port that nothing listens on": [
        ("targetPort htp is no port", [put("Service/web", "spec.ports.0.targetPort", "htp")]),
        ("its port http is 8080, but PORT is 8000", [put(WEB, f"{BOX}.ports.0.containerPort", 8080)]),
        ("but PORT is 9000", [put(CONFIG, "data.PORT", "9000")]),
        ("its port management", [put(CONFIG, "data.MANAGEMENT_PORT", "9000")]),
    ],
    "the autoscaler scales another workload": [
        ("which is not Deployment web", [put(SCALER, "spec.scaleTargetRef.name", "wbe")])
    ],
    "the autoscaler and `replicas` fight": [("remove `replicas`", [put(WEB, "spec.replicas", 3)])],
    "the autoscaler's bounds are swapped": [("2 <= minReplicas < maxReplicas", [put(SCALER, "spec.minReplicas", 7)])],
    "no node can be emptied": [
        ("maxUnavailable is 0", [put("PodDisruptionBudget/web", "spec.maxUnavailable", 0)]),
        ("maxUnavailable is 0", [put("PodDisruptionBudget/web", "spec.maxUnavailable", "0%")]),
        ("with 3 of 3 pods gone", [put("PodDisruptionBudget/web", "spec.maxUnavailable", "100%")]),
        ("AlwaysAllow", [put("PodDisruptionBudget/web", "spec.unhealthyPodEvictionPolicy", REMOVED)]),
        ("use maxUnavailable", [put("PodDisruptionBudget/web", "spec.maxUnavailable", REMOVED)]),
    ],
    "the network is closed or open": [
        ("ask for names", [put(POLICY, "spec.egress.0", {"ports": [{"port": 53, "protocol": "TCP"}]})]),
        ("no pod reach PostgreSQL", [put(POLICY, "spec.egress.1.ports.0.port", 5433)]),
        ("lets everybody in", [put(POLICY, "spec.ingress.0.from", REMOVED)]),
        ("opens the management port", [put(POLICY, "spec.ingress.0.ports.1", {"port": "management"})]),
        ("a NetworkPolicy for all pods", [drop(POLICY)]),
        ("which neither names", [put(POLICY, "spec.egress.0", {"ports": [{"port": 22}]})]),
    ],
    "more workers than CPUs": [
        ("8 processes fit a request of 4 to 8 CPUs", [put(CONFIG, "data.WEB_CONCURRENCY", "8")]),
        ("2 processes fit a request of 1 to 2 CPUs", [put(WEB, f"{BOX}.resources.requests.cpu", "500m")]),
    ],
    "a limit of CPU": [("remove the limit of CPU", [put(WEB, f"{BOX}.resources.limits.cpu", "2")])],
    "no limit of memory": [
        ("needs a limit of memory", [put(WEB, f"{BOX}.resources.limits", REMOVED)]),
        (
            "Mi of memory, not 256Mi",
            [
                put(WEB, f"{BOX}.resources.limits.memory", "256Mi"),
                put(WEB, f"{BOX}.resources.requests.memory", "256Mi"),
            ],
        ),
    ],
    "a folder of the node": [
        ("shares a folder with its node", [put(WEB, f"{POD}.volumes", [SHARED])]),
        ("shares hostNetwork with its node", [put(WEB, f"{POD}.hostNetwork", True)]),
    ],
    "a volume that is not there": [
        ("there is no volume scratch", [put(WEB, f"{BOX}.volumeMounts", [VOLUME])]),
        (
            "mount nothing at /dev/shm",
            [
                put(WEB, f"{POD}.volumes", [{"name": "shm", "emptyDir": {}}]),
                put(WEB, f"{BOX}.volumeMounts", [{"name": "shm", "mountPath": SHM}]),
            ],
        ),
    ],
    "the namespace is not restricted": [
        (
            "enforce: restricted",
            [put(NAMESPACE, "metadata.labels.pod-security~kubernetes~io/enforce", "baseline")],
        )
    ],
    "a version that was removed": [
        ("autoscaling/v2beta2 was removed", [put(SCALER, "apiVersion", "autoscaling/v2beta2")])
    ],
    "a pod that never restarts": [
        ("restartPolicy has to be Always", [put(WEB, f"{POD}.restartPolicy", "Never")]),
        ("Never or OnFailure", [put(JOB, f"{POD}.restartPolicy", "Always")]),
    ],
    "a secret in the manifests": [
        (
            "take DATABASE_URL from a Secret",
            [put(WEB, f"{BOX}.env.1", {"name": "DATABASE_URL", "value": "postgresql://host/db"})],
        ),
        ("DATABASE_URL belongs into a Secret", [put(CONFIG, "data.DATABASE_URL", "postgresql://host/db")]),
        ("a password, a key or a token", [put(CONFIG, "data.SERVICE_NAME", "AKIA" + "A1B2" * 4)]),
        ("name secrets only", [add(SECRET)]),
    ],
    "more rights than needed": [
        ("allowPrivilegeEscalation", [put(WEB, f"{BOX}.securityContext.allowPrivilegeEscalation", True)]),
        ("do not set privileged", [put(JOB, f"{BOX}.securityContext.privileged", True)]),
        ("drop ALL capabilities", [put(WEB, f"{BOX}.securityContext.capabilities", {"add": ["NET_ADMIN"]})]),
        ("automountServiceAccountToken", [put(WEB, f"{POD}.automountServiceAccountToken", REMOVED)]),
        ("enableServiceLinks", [put(WEB, f"{POD}.enableServiceLinks", REMOVED)]),
    ],
    "a root that can be written": [
        ("readOnlyRootFilesystem", [put(JOB, f"{BOX}.securityContext.readOnlyRootFilesystem", REMOVED)])
    ],
    "no profile of system calls": [("seccompProfile", [put(WEB, f"{POD}.securityContext.seccompProfile", REMOVED)])],
    "the user root": [
        ("set runAsNonRoot", [put(WEB, f"{POD}.securityContext.runAsNonRoot", REMOVED)]),
        ("as in the Dockerfile", [put(WEB, f"{POD}.securityContext.runAsUser", 1000)]),
        ("the container's own hides it", [put(WEB, f"{BOX}.securityContext.runAsUser", 0)]),
    ],
    "probes that do not fit": [
        ("needs a livenessProbe", [put(WEB, f"{BOX}.livenessProbe", REMOVED)]),
        ("livenessProbe asks /health/ready", [put(WEB, f"{BOX}.livenessProbe.httpGet.path", "/health/ready")]),
        ("the service asks its database for 1 s", [put(WEB, f"{BOX}.readinessProbe.timeoutSeconds", REMOVED)]),
        ("gunicorn replaces a blocked worker", [put(WEB, f"{BOX}.livenessProbe.failureThreshold", 1)]),
    ],
    "an image without a version": [
        ("no digest and no tag", [put(WEB, f"{BOX}.image", "registry.example.com:5000/service")]),
        ("no digest and no tag", [put(WEB, f"{BOX}.image", "registry.example.com/service:latest")]),
        ("of different images", [put(JOB, f"{BOX}.image", "registry.example.com/service:0.0.9")]),
    ],
    "the metrics are public": [
        (
            "not for the public",
            [
                put("Service/management", "spec.type", "LoadBalancer"),
                put("Service/management", "spec.clusterIP", REMOVED),
            ],
        ),
        ("not for the public", [put("Service/web", "spec.ports.1", PUBLIC)]),
    ],
    "a field or a type that Kubernetes does not know": [
        ("refuses it", [put(WEB, "spec.minReadySecond", 5)]),
        ("refuses it", [put(WEB, "spec.minReadySeconds", "5")]),
        ("has no Deploymnet", [put(WEB, "kind", "Deploymnet")]),
    ],
    "settings that the pods refuse": [
        ("WEB_CONCURENCY: there is no such setting", [put(CONFIG, "data.WEB_CONCURENCY", "2")]),
        ("there is no ConfigMap", [put(WEB, f"{BOX}.envFrom.0.configMapRef.name", "setings")]),
        ("DATABASE_URL", [put(JOB, f"{BOX}.env", [])]),
    ],
    "the migration does not come first": [
        ("one Job `migrate`", [drop(JOB)]),
        ("needs the label release-step", [put(CONFIG, "metadata.labels", {})]),
        ("alembic upgrade head", [put(JOB, f"{BOX}.command", ["alembic", "upgrade", "+1"])]),
        ("belong into the Job", [put(WEB, f"{POD}.initContainers", [{"name": "migrate", "image": "a:1"}])]),
    ],
    "rules or scrapes that are not those of ops": [
        ("not those of ops/alerts.yml", [put("PrometheusRule/alerts", "spec.groups.0.name", "other")]),
        ("need two scrapes", [put("ServiceMonitor/web", "spec.endpoints.0.interval", "1m")]),
    ],
    "a workload is missing": [
        ("There is no Deployment with the component web", [drop(WEB)]),
        ("There is no HorizontalPodAutoscaler", [drop(SCALER)]),
    ],
}

FAULTS_OF_JOBS: list[tuple[str, list[Fault]]] = [
    (
        "a grace period of 30 s is less than JOBS__STOP_SECONDS",
        [put(WORKER, f"{POD}.terminationGracePeriodSeconds", 30)],
    ),
    ("JOBS__WORKERS is 1, but Deployment worker has 5", [put(WORKER, "spec.replicas", 5)]),
    ("a livenessProbe that compares the age", [put(CONFIG, "data.JOBS__HEALTH_FILE", "")]),
]


REDIS = {"name": "REDIS_URL", "valueFrom": {"secretKeyRef": {"name": "redis", "key": "url"}}}
FAULTS_OF_LIMITS: list[tuple[str, list[Fault]]] = [("at port 6379", [put(WEB, f"{BOX}.env.3", REDIS)])]
"""The planted fault of rate limits that replicas share in Redis: no network policy lets pods reach the Redis server."""


def faults_of_a_downstream(variable: str) -> list[tuple[str, list[Fault]]]:
    """Return the planted faults of a downstream, whose address is in this environment variable."""
    address = f"data.{variable}"
    return [
        ("downstreams at port 443", [put(POLICY, "spec.egress.2.ports.0.port", 80)]),
        ("downstreams at port 8443", [put(CONFIG, address, "https://api.example.com:8443")]),
        ("a password, a key or a token", [put(CONFIG, address, "https://me:pass@api.example.com")]),
        (f"{variable} must be set", [put(CONFIG, address, REMOVED)]),
    ]
