"""The manifests of `deploy/kubernetes`: held to Kubernetes' schemas, and to what the commands in them can do."""

import re
from pathlib import Path
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped]
import pytest
from ruamel.yaml import YAML

from tests.conftest import REPOSITORY, Program

FILES = sorted((REPOSITORY / "deploy" / "kubernetes").glob("*.yaml"))
VERSIONS = ("1.30", kubernetes_validate.latest_version())


def parts(file: Path) -> list[Any]:
    return list(YAML(typ="safe").load_all(file))


def part(name: str, kind: str) -> Any:
    return next(one for one in parts(REPOSITORY / "deploy" / "kubernetes" / name) if one["kind"] == kind)


def pods() -> list[Any]:
    found = [one["spec"] for file in FILES for one in parts(file) if "template" in one["spec"]]
    found += [one["spec"]["jobTemplate"]["spec"] for file in FILES for one in parts(file) if one["kind"] == "CronJob"]
    return [spec["template"]["spec"] for spec in found]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_manifests_are_valid(file: Path, version: str) -> None:
    for one in parts(file):
        kubernetes_validate.validate(one, version, strict=True)


def test_the_check_refuses_a_word_that_kubernetes_does_not_know() -> None:
    job = part("tune-job.yaml", "Job")
    job["spec"]["parallel"] = job["spec"].pop("parallelism")
    with pytest.raises(kubernetes_validate.ValidationError, match="parallel"):
        kubernetes_validate.validate(job, VERSIONS[0], strict=True)


def test_no_pod_is_root_or_without_bounds() -> None:
    assert len(pods()) == 3
    for pod in pods():
        assert pod["securityContext"]["runAsNonRoot"] and pod["securityContext"]["runAsUser"] == 1000
        assert pod["automountServiceAccountToken"] is False
        for container in [*pod.get("initContainers", []), *pod["containers"]]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "capabilities": {"drop": ["ALL"]},
            }
            assert set(container["resources"]["limits"]) == {"cpu", "memory"}
            assert not [item for item in container.get("env", []) if "PASSWORD" in item["name"]]


def test_commands_and_their_options_exist(reprolens: Program) -> None:
    commands = [container["command"] for pod in pods() for container in pod["containers"]]
    ours = [command for command in commands if command[0] == "reprolens"]
    assert {command[1] for command in ours} == {"serve", "tune"}
    for _, name, *words in ours:
        known = set(re.findall(r"--[a-z-]+", reprolens(name, "--help").stdout))
        assert {word.partition("=")[0] for word in words if word.startswith("--")} <= known


def test_serving_gets_no_request_before_it_is_ready_and_time_to_end() -> None:
    pod = part("serve.yaml", "Deployment")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    (port,) = container["ports"]
    assert f"--port={port['containerPort']}" in container["command"]
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert container[probe]["httpGet"] == {"path": "/health", "port": port["name"]}
    assert part("serve.yaml", "Service")["spec"]["ports"][0]["targetPort"] == port["name"]
    assert part("serve.yaml", "Deployment")["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0


def test_the_workers_of_a_study_are_indexed_and_an_evicted_one_comes_again() -> None:
    spec = part("tune-job.yaml", "Job")["spec"]
    assert spec["completionMode"] == "Indexed" and spec["completions"] == spec["parallelism"]
    (rule,) = spec["podFailurePolicy"]["rules"]
    assert rule["action"] == "Ignore" and rule["onPodConditions"][0]["type"] == "DisruptionTarget"
