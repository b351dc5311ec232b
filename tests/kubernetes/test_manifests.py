"""Each overlay is valid for three versions of Kubernetes, and agrees with the programs that it runs.

No cluster is needed. test_pods.py runs the pods.
"""

from __future__ import annotations

import base64
import copy
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest
import yaml

from gatehouse_client.settings import Settings as ClientSettings
from gatehouse_example.app import example_app
from gatehouse_example.settings import ExampleSettings
from gatehouse_server import SigningKeys
from gatehouse_server.__main__ import SHUTDOWN_SECONDS
from gatehouse_server.serving.upstream_settings import UpstreamSettings
from mock_idp.settings import Settings as TenantSettings
from tests.kubernetes.conftest import VERSIONS, Object, Overlay, containers
from tests.kubernetes.restricted import violations
from tests.support.processes import ROOT

DOCUMENT = (ROOT / "docs" / "kubernetes.md").read_text(encoding="utf-8")
PRODUCTION = yaml.safe_load((ROOT / "docker-compose.prod.yml").read_text(encoding="utf-8"))["services"]["server"]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))["services"]
MARGIN_SECONDS = 5
NOT_SETTINGS = {"HOME", "E2E_ISSUER", "E2E_CONTROL_TOKEN"}  # of the runner of the suite


def names_of(*kinds: Any) -> set[str]:
    """The variables that settings of these kinds read."""
    fields = [(name, field) for kind in kinds for name, field in kind.model_fields.items()]
    return {str(field.validation_alias or name.upper()) for name, field in fields}


KNOWN = {
    "server": names_of(ExampleSettings, UpstreamSettings),
    "mock-idp": names_of(TenantSettings) | {"MCP_PUBLIC_URL", "OAUTH_CALLBACK_URI"},  # in the tenant's file
    "e2e": names_of(ClientSettings) | NOT_SETTINGS,
    "gateway": set(re.findall(r"\{\$([A-Z_]+)", (ROOT / "gateway" / "Caddyfile").read_text(encoding="utf-8")))
    | {"XDG_CONFIG_HOME", "XDG_DATA_HOME"},
}


def validate(tools: Path, version: str, *files: Path) -> subprocess.CompletedProcess[str]:
    command = [tools / "kubernetes-validate", "--strict", "--quiet", "-k", version, *files]
    return subprocess.run(command, capture_output=True, text=True)


def matches(selector: Object, labels: Object) -> bool:
    """Whether a selector of a policy, service or budget selects the labels."""
    expressions = selector.get("matchExpressions", [])
    assert all(each["operator"] == "In" for each in expressions)
    wanted = selector.get("matchLabels", {})
    return all(labels.get(key) == value for key, value in wanted.items()) and all(
        labels.get(each["key"]) in each["values"] for each in expressions
    )


def selected(overlay: Overlay, selector: Object) -> list[Object]:
    """The pod templates that the selector selects."""
    return [each for each in overlay.templates().values() if matches(selector, each["metadata"]["labels"])]


def ports_of(template: Object) -> dict[str, int]:
    return {port["name"]: port["containerPort"] for each in containers(template) for port in each.get("ports", [])}


@pytest.mark.parametrize("version", VERSIONS)
def test_every_object_is_valid(tools: Path, overlays: dict[str, Overlay], version: str) -> None:
    done = validate(tools, version, *[overlay.file for overlay in overlays.values()])
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    "change",
    [
        lambda server: server["spec"].update(replica=3),
        lambda server: server["spec"].update(minReadySeconds="soon"),
        lambda server: server["spec"]["template"]["spec"]["containers"][0]["readinessProbe"].update(httpget={}),
        lambda server: server["spec"].pop("selector"),
    ],
    ids=["unknown field", "wrong type", "misspelt probe", "missing field"],
)
def test_a_wrong_object_is_not_valid(
    tools: Path, overlays: dict[str, Overlay], tmp_path: Path, change: Callable[[Object], Any]
) -> None:
    server = copy.deepcopy(overlays["production"].one("Deployment", "server"))
    change(server)
    file = tmp_path / "wrong.yaml"
    file.write_text(yaml.safe_dump(server), encoding="utf-8")
    assert validate(tools, VERSIONS[-1], file).returncode != 0


def test_every_pod_meets_the_restricted_standard_and_its_namespace_requires_it(overlay: Overlay) -> None:
    for name, template in overlay.templates().items():
        assert violations(template["spec"]) == [], name
    (namespace,) = overlay.of_kind("Namespace")
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    assert {each["metadata"].get("namespace", namespace["metadata"]["name"]) for each in overlay.objects} == {
        namespace["metadata"]["name"]
    }


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda spec, _: spec.update(hostNetwork=True), "hostNetwork"),
        (lambda spec, _: spec["volumes"].append({"name": "x", "hostPath": {"path": "/"}}), "volume hostPath"),
        (lambda spec, _: spec["securityContext"].pop("runAsNonRoot"), "server: may run as root"),
        (lambda spec, _: spec["securityContext"].pop("seccompProfile"), "server: no seccomp profile"),
        (lambda _, own: own["securityContext"].update(privileged=True), "server: privileged"),
        (lambda _, own: own["securityContext"].pop("allowPrivilegeEscalation"), "server: allowPrivilegeEscalation"),
        (lambda _, own: own["securityContext"].update(runAsUser=0), "server: runs as root"),
        (lambda _, own: own["securityContext"].pop("capabilities"), "server: keeps capabilities"),
        (lambda _, own: own["securityContext"]["capabilities"].update(add=["SYS_ADMIN"]), "server: adds capabilities"),
        (lambda _, own: own["ports"][0].update(hostPort=5555), "server: hostPort"),
    ],
)
def test_a_pod_that_violates_the_restricted_standard_is_noticed(
    overlays: dict[str, Overlay], change: Callable[[Object, Object], Any], expected: str
) -> None:
    spec = copy.deepcopy(overlays["production"].templates()["server"]["spec"])
    change(spec, spec["containers"][0])
    assert violations(spec) == [expected]


def test_every_container_is_confined_and_has_bounds(overlay: Overlay) -> None:
    for template in overlay.templates().values():
        spec = template["spec"]
        assert spec["automountServiceAccountToken"] is False, "no program here talks to the API server"
        assert spec["enableServiceLinks"] is False, "MOCK_IDP_PORT and others would be set by Kubernetes"
        for container in containers(template):
            assert container["securityContext"]["readOnlyRootFilesystem"] is True
            assert {"cpu", "memory"} <= container["resources"]["requests"].keys()
            assert "memory" in container["resources"]["limits"]
        for volume in spec["volumes"]:
            assert "emptyDir" not in volume or "sizeLimit" in volume["emptyDir"]


def test_every_variable_is_one_that_the_program_reads(overlay: Overlay) -> None:
    for template in overlay.templates().values():
        for container in containers(template):
            assert set(overlay.variables(container)) - KNOWN[container["name"]] == set()


def test_the_server_gets_what_it_gets_from_compose_in_production_or_the_document_says_when(
    overlays: dict[str, Overlay],
) -> None:
    (container,) = overlays["production"].templates()["server"]["spec"]["containers"]
    section = DOCUMENT.partition("## Production")[2].partition("\n## ")[0]
    explained = set(re.findall(r"`([A-Z0-9_]+)[=`]", section))
    given = set(overlays["production"].variables(container))
    assert set(PRODUCTION["environment"]) - given - explained == set()


def test_the_server_starts_with_the_rendered_settings(overlay: Overlay, tmp_path: Path) -> None:
    settings = settings_of(overlay, tmp_path)
    assert settings.request_state_secret is not None, "several replicas need it"
    assert settings.offline_tenant is (overlay.name != "production")


def settings_of(overlay: Overlay, folder: Path) -> ExampleSettings:
    """The server's settings, with its secrets in files of `folder`."""
    template = overlay.templates()["server"]
    (container,) = template["spec"]["containers"]
    variables = overlay.variables(container)
    (mount,) = (each["mountPath"] for each in container["volumeMounts"] if each["name"] == "secrets")
    secrets = secrets_of(overlay)
    for name, value in variables.items():
        if name.endswith("_FILE"):
            assert value.startswith(f"{mount}/")
            file = folder / name
            file.write_bytes(secrets[value.removeprefix(f"{mount}/")])
            variables[name] = str(file)
    return ExampleSettings(_env_file=None, **variables)  # type: ignore[call-arg, arg-type]


def secrets_of(overlay: Overlay) -> dict[str, bytes]:
    """The Secret of the server; in production the one that the document creates."""
    if overlay.name == "production":
        assert overlay.of_kind("Secret") == []
        command = re.search(r"kubectl .*create secret generic server((?:.*\\\n)*.*)", DOCUMENT)
        assert command is not None
        return dict.fromkeys(re.findall(r"--from-literal=([a-z-]+)=", command[1]), b"x" * 64)
    (secret,) = overlay.of_kind("Secret")
    return {key: base64.b64decode(value) for key, value in secret["data"].items()}


def test_production_has_no_published_secret_and_no_example_of_the_demo(overlays: dict[str, Overlay]) -> None:
    text = overlays["production"].file.read_text(encoding="utf-8")
    assert not re.search("demo|localhost|http://|mock", text, re.IGNORECASE)
    for template in overlays["production"].templates().values():
        for container in containers(template):
            assert re.search(r"@sha256:[0-9a-f]{64}$", container["image"]), "an image must be pinned"


def test_images_and_users_are_those_of_the_dockerfiles(overlay: Overlay) -> None:
    for template in overlay.templates().values():
        user = template["spec"]["securityContext"]["runAsUser"]
        for container in containers(template):
            image = container["image"].partition("@")[0].rpartition("/")[2].removeprefix("gatehouse-")
            service = COMPOSE[container["name"]]
            if "image" in service:
                assert (container["image"], f"{user}:{user}") == (service["image"], service["user"])
                continue
            assert image == container["name"]
            build = service["build"]
            dockerfile = ROOT / build["context"] / build.get("dockerfile", "Dockerfile")
            assert f"\nUSER {user}:{user}\n" in dockerfile.read_text(encoding="utf-8")


def test_ports_are_those_that_the_programs_listen_on(overlay: Overlay) -> None:
    server = overlay.templates()["server"]
    variables = overlay.variables(server["spec"]["containers"][0])
    assert ports_of(server) == {"mcp": int(variables["MCP_PORT"]), "metrics": int(variables["METRICS_PORT"])}
    assert server["metadata"]["annotations"]["prometheus.io/port"] == variables["METRICS_PORT"]
    for service in overlay.of_kind("Service"):
        (template,) = selected(overlay, {"matchLabels": service["spec"]["selector"]})
        for port in service["spec"]["ports"]:
            assert ports_of(template)[port["targetPort"]] == port["port"]
    for template in overlay.templates().values():
        for container in containers(template):
            for kind in ("startupProbe", "livenessProbe", "readinessProbe"):
                for probe in (container.get(kind, {}).get("httpGet"), container.get(kind, {}).get("tcpSocket")):
                    assert probe is None or probe["port"] in ports_of({"spec": {"containers": [container]}})


def test_every_selector_selects_something(overlay: Overlay) -> None:
    assert selected(overlay, overlay.one("PodDisruptionBudget", "server")["spec"]["selector"])
    target = overlay.one("HorizontalPodAutoscaler", "server")["spec"]["scaleTargetRef"]
    assert overlay.one(target["kind"], target["name"])["apiVersion"] == target["apiVersion"]
    assert "replicas" not in overlay.one("Deployment", "server")["spec"], "each apply would undo the autoscaler's"
    for policy in overlay.of_kind("NetworkPolicy"):
        spec = policy["spec"]
        targets = selected(overlay, spec["podSelector"])
        assert targets, policy["metadata"]["name"]
        for rule in spec.get("ingress", []):
            for port in rule["ports"]:
                assert all(port["port"] in ports_of(each) for each in targets)
            for peer in rule["from"]:
                assert "namespaceSelector" in peer or selected(overlay, peer["podSelector"])
        for rule in spec.get("egress", []):
            for peer in rule["to"]:
                found = selected(overlay, peer["podSelector"]) if "podSelector" in peer else []
                assert "podSelector" not in peer or found
                assert all(port["port"] in ports_of(each) for each in found for port in rule["ports"])


def test_every_pod_may_do_only_what_a_policy_names(overlay: Overlay) -> None:
    everything = {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    assert overlay.one("NetworkPolicy", "nothing")["spec"] == everything
    for policy in overlay.of_kind("NetworkPolicy"):
        for rule in [*policy["spec"].get("ingress", []), *policy["spec"].get("egress", [])]:
            assert rule.get("ports"), "a rule without ports opens all of them"
            assert rule.get("from") or rule.get("to"), "a rule without a peer opens the port to everybody"


def test_only_the_tenant_on_the_internet_is_reached_from_production(overlays: dict[str, Overlay]) -> None:
    (egress,) = overlays["production"].one("NetworkPolicy", "server")["spec"]["egress"]
    assert [port["port"] for port in egress["ports"]] == [443]
    excepted = [cidr for peer in egress["to"] for cidr in peer["ipBlock"]["except"]]
    assert "169.254.0.0/16" in excepted, "the metadata service of a cloud gives credentials to anybody who asks"


def test_a_stop_leaves_time_for_the_calls_that_run(overlay: Overlay) -> None:
    spec = overlay.templates()["server"]["spec"]
    (container,) = spec["containers"]
    needed = container["lifecycle"]["preStop"]["sleep"]["seconds"] + SHUTDOWN_SECONDS + MARGIN_SECONDS
    assert needed <= spec["terminationGracePeriodSeconds"]
    rolling = overlay.one("Deployment", "server")["spec"]["strategy"]["rollingUpdate"]
    assert rolling == {"maxSurge": 1, "maxUnavailable": 0}


def test_replicas_are_spread_over_nodes_and_zones(overlay: Overlay) -> None:
    template = overlay.templates()["server"]
    spread = {each["topologyKey"]: each for each in template["spec"]["topologySpreadConstraints"]}
    assert spread.keys() == {"kubernetes.io/hostname", "topology.kubernetes.io/zone"}
    assert all(selected(overlay, each["labelSelector"]) == [template] for each in spread.values())


def test_the_ingress_has_tls_for_the_public_url(overlays: dict[str, Overlay]) -> None:
    production = overlays["production"]
    url = urlsplit(production.one("ConfigMap", "server")["data"]["MCP_PUBLIC_URL"])
    (ingress,) = production.of_kind("Ingress")
    (tls,), (rule,) = ingress["spec"]["tls"], ingress["spec"]["rules"]
    assert url.scheme == "https"
    assert tls["hosts"] == [rule["host"]] == [url.hostname]
    (path,) = rule["http"]["paths"]
    assert (path["path"], path["pathType"]) == ("/", "Prefix"), "the metadata is at the root of the origin"
    backend = path["backend"]["service"]
    service = production.one("Service", backend["name"])
    assert backend["port"]["name"] in [port["name"] for port in service["spec"]["ports"]]


def test_the_demo_has_the_tenant_and_the_gateway_of_the_other_runtimes(overlays: dict[str, Overlay]) -> None:
    made_of = {
        "tenant": ("auth0/tenant.yaml", "auth0/offline.yaml"),
        "gateway": ("gateway/Caddyfile", "gateway/servers.caddy"),
    }
    for name, files in made_of.items():
        data = overlays["demo"].one("ConfigMap", name)["data"]
        assert data == {Path(file).name: (ROOT / file).read_text(encoding="utf-8") for file in files}
    gateway = overlays["demo"].one("ConfigMap", "gateway")["data"]
    imported = set(re.findall(r"^import (\S+\.\S+)$", "\n".join(gateway.values()), re.MULTILINE))
    assert imported <= gateway.keys(), "the gateway would not start"


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_probes_are_answered_under_the_address_of_a_pod(overlays: dict[str, Overlay], tmp_path: Path) -> None:
    settings = settings_of(overlays["demo"], tmp_path)
    http = httpx2.AsyncClient(transport=httpx2.MockTransport(lambda _: httpx2.Response(500)))
    app = example_app(settings, keys=SigningKeys(settings.jwks_url, "RS256", http=http))
    (container,) = overlays["demo"].templates()["server"]["spec"]["containers"]
    probes = {kind: container[f"{kind}Probe"]["httpGet"]["path"] for kind in ("startup", "liveness", "readiness")}
    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://10.1.2.3:5555") as kubelet,
    ):
        answers = {kind: (await kubelet.get(path)).status_code for kind, path in probes.items()}
    assert answers == {"startup": 200, "liveness": 200, "readiness": 503}, "only readiness depends on the tenant"
