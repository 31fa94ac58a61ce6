"""The image, the compose file and the manifests: they agree with the program and with each other, and grant little."""

from __future__ import annotations

import re
import runpy
import shlex
import subprocess
import threading
import tomllib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import yaml

from opengiro.settings import SECRETS
from tests.packaging.conftest import ROOT
from tests.packaging.deployment import command_line, settings

VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
COMPOSE = yaml.safe_load((ROOT / "deploy/compose/compose.yaml").read_text())
OURS = {name: one for name, one in COMPOSE["services"].items() if one["image"].startswith("opengiro")}
MANIFESTS = sorted((ROOT / "deploy/kubernetes").rglob("*.yaml"))
USER = 10001
SECRET_FILES = {f"OPENGIRO_{name.upper()}_FILE" for name in SECRETS}


def environment_of_the_image() -> dict[str, str]:
    (block,) = re.findall(r"^ENV PATH=.*?[^\\]$", DOCKERFILE, re.MULTILINE | re.DOTALL)
    return dict(word.split("=", 1) for word in shlex.split(block.replace("\\\n", " "))[1:])


def objects() -> Iterator[dict[str, Any]]:
    """Every object of the manifests, as it stands in its file."""
    return chain.from_iterable(yaml.safe_load_all(path.read_text()) for path in MANIFESTS)


def of_kind(*kinds: str) -> list[dict[str, Any]]:
    return [one for one in objects() if one["kind"] in kinds]


def names(entries: list[dict[str, Any]]) -> list[str]:
    return [entry["metadata"]["name"] for entry in entries]


WORKLOADS = of_kind("Deployment", "Job")
by_workload = pytest.mark.parametrize("workload", WORKLOADS, ids=names(WORKLOADS))
by_service = pytest.mark.parametrize("service", OURS)


def container(workload: dict[str, Any]) -> dict[str, Any]:
    (only,) = workload["spec"]["template"]["spec"]["containers"]
    return dict(only)


def test_the_image_tells_the_version_that_is_in_it() -> None:
    assert f'image.version="{VERSION}"' in DOCKERFILE
    images = {OURS[name]["image"] for name in OURS} | {container(one)["image"] for one in WORKLOADS}
    assert images == {f"opengiro:{VERSION}"}


def test_the_image_takes_locked_libraries_and_pinned_bases() -> None:
    bases = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    assert all(re.fullmatch(r"python:3\.\d+-slim-\w+", base) for base in bases)
    assert len(set(bases)) == 1
    assert DOCKERFILE.count("--require-hashes --only-binary :all:") == DOCKERFILE.count(" -r requirements/") == 2


def test_the_image_runs_as_a_user_that_is_a_number() -> None:
    assert re.findall(r"^USER (.*)", DOCKERFILE, re.MULTILINE) == [f"{USER}:{USER}"]


def test_the_image_has_settings_that_are_settings() -> None:
    settings(environment_of_the_image() | {"OPENGIRO_BASE_URL": "https://pay.example.com"})
    (start,) = re.findall(r'^CMD \["(\w+)"\]', DOCKERFILE, re.MULTILINE)
    command_line([start])


def test_all_that_the_image_copies_is_let_in() -> None:
    let_in = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE)
    for name in chain.from_iterable(line.split() for line in copied):
        assert (ROOT / name).exists()
        assert any(Path(name).is_relative_to(entry) for entry in let_in), name


@pytest.mark.parametrize("path", ["/healthz", "/elsewhere"])
def test_the_health_check_tells_a_server_that_answers(path: str) -> None:
    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == path else 503)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    check = runpy.run_path(str(ROOT / "deploy/container/healthcheck.py"))["healthy"]
    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        assert check(server.server_port) == (path == "/healthz")
        server.shutdown()
    assert not check(server.server_port)


@by_service
def test_a_service_is_started_by_a_command_that_there_is(service: str) -> None:
    command_line(OURS[service]["command"])


@by_service
def test_a_service_has_settings_that_are_settings(service: str) -> None:
    environment = OURS[service]["environment"]
    assert {name for name in environment if name.endswith("_FILE")} == SECRET_FILES
    settings(environment | {"OPENGIRO_BASE_URL": "https://pay.example.com"})


@pytest.mark.parametrize("service", COMPOSE["services"])
def test_a_service_is_granted_little(service: str) -> None:
    granted = COMPOSE["services"][service]
    assert granted["read_only"]
    assert granted["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in granted["security_opt"]
    assert granted["deploy"]["resources"]["limits"].keys() == {"cpus", "memory", "pids"}
    assert "privileged" not in granted
    assert "cap_add" not in granted


def test_the_schema_is_there_before_anybody_serves_or_works() -> None:
    for name in OURS.keys() - {"migrate"}:
        assert OURS[name]["depends_on"] == {"migrate": {"condition": "service_completed_successfully"}}
    assert OURS["migrate"]["depends_on"] == {"postgres": {"condition": "service_healthy"}}


def test_the_database_is_reached_from_inside_alone() -> None:
    assert COMPOSE["services"]["postgres"]["networks"] == ["inside"]
    assert COMPOSE["networks"]["inside"] == {"internal": True}
    assert "ports" not in COMPOSE["services"]["postgres"]


def test_the_proxy_that_is_believed_is_the_gateway() -> None:
    (net,) = COMPOSE["networks"]["outside"]["ipam"]["config"]
    assert OURS["web"]["environment"]["OPENGIRO_PROXIES"] == net["gateway"]


def test_the_secrets_are_made_once_and_kept(tmp_path: Path) -> None:
    script = tmp_path / "make-secrets"
    script.write_bytes((ROOT / "deploy/compose/make-secrets").read_bytes())
    made = []
    for _ in range(2):
        subprocess.run(["/bin/sh", script], check=True, capture_output=True)
        made.append({path.name: path.read_text() for path in (tmp_path / "secrets").iterdir()})
    first, second = made
    assert first == second
    assert {f"./secrets/{name}" for name in first} == {one["file"] for one in COMPOSE["secrets"].values()}
    assert f":{first['database_password']}@postgres:" in first["database_url"]
    settings({"OPENGIRO_ROOT_KEY": first["root_key"], "OPENGIRO_DATABASE_URL": first["database_url"]})
    assert (tmp_path / "secrets").stat().st_mode & 0o077 == 0


@by_workload
def test_a_pod_is_started_by_a_command_that_there_is(workload: dict[str, Any]) -> None:
    command_line(container(workload)["args"])


@by_workload
def test_a_pod_keeps_to_the_restricted_profile(workload: dict[str, Any]) -> None:
    pod = workload["spec"]["template"]["spec"]
    assert pod["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": USER,
        "runAsGroup": USER,
        "fsGroup": USER,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert container(workload)["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert pod["automountServiceAccountToken"] is False
    assert all(volume.keys() <= {"name", "secret", "emptyDir"} for volume in pod["volumes"])
    assert {"requests", "limits"} == container(workload)["resources"].keys()


@by_workload
def test_a_pod_has_its_secrets_from_files_that_are_mounted(workload: dict[str, Any]) -> None:
    box = container(workload)
    named = {one["name"]: one["value"] for one in box["env"]}
    assert named.keys() == SECRET_FILES
    (folder,) = [one["mountPath"] for one in box["volumeMounts"] if one["name"] == "secrets"]
    assert all(Path(value).parent == Path(folder) for value in named.values())
    volumes = {one["name"] for one in workload["spec"]["template"]["spec"]["volumes"]}
    assert volumes == {one["name"] for one in box["volumeMounts"]}


def test_what_selects_pods_finds_them() -> None:
    pods = [{"app.kubernetes.io/name": "opengiro"} | one["spec"]["template"]["metadata"]["labels"] for one in WORKLOADS]
    budgets = [one["spec"]["selector"]["matchLabels"] for one in of_kind("PodDisruptionBudget", "Deployment")]
    services = [one["spec"]["selector"] for one in of_kind("Service")]
    policies = [one["spec"]["podSelector"]["matchLabels"] for one in of_kind("NetworkPolicy")]
    for wanted in chain(budgets, services, policies):
        assert any(wanted.items() <= labels.items() for labels in pods), wanted


def test_every_manifest_is_in_a_kustomization() -> None:
    for path in (ROOT / "deploy/kubernetes").rglob("kustomization.yaml"):
        listed = {name for name in yaml.safe_load(path.read_text())["resources"] if name.endswith(".yaml")}
        assert listed == {other.name for other in path.parent.glob("*.yaml")} - {path.name}


def test_the_manifests_have_settings_that_are_settings() -> None:
    for one in of_kind("Kustomization"):
        (generated,) = one["configMapGenerator"]
        settings(environment_of_the_image() | dict(line.split("=", 1) for line in generated["literals"]))
