"""Schedules, image and scripts of `deploy`: held to the command line, to each other, and run where they can be."""

import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from pipeline.retrain_summary import CODES
from tests.checkout import IDENTITY, make_checkout
from tests.conftest import REPOSITORY, Program

DEPLOY = REPOSITORY / "deploy"
WORKFLOW = REPOSITORY / ".github/workflows/retrain.yml"
CRONJOB = DEPLOY / "kubernetes/retrain-cronjob.yaml"
README = DEPLOY / "README.md"
CRONTAB = DEPLOY / "crontab"
DOCKERFILE = REPOSITORY / "Dockerfile"
SCRIPTS = ("at_work.sh", "chroot.sh", "clock.sh", "scheduled.sh", "workspace.sh")
ROOT = os.geteuid() == 0


def run(
    *words: str | Path, cwd: Path = REPOSITORY, environment: Mapping[str, str] | None = None
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [str(word) for word in words],
        cwd=cwd,
        env={"PATH": os.environ["PATH"], "HOME": str(cwd), **IDENTITY, **(environment or {})},
        capture_output=True,
        text=True,
        check=False,
    )


def yaml(file: Path) -> list[Any]:
    return list(YAML(typ="safe").load_all(file))


def workflow() -> Any:
    return yaml(WORKFLOW)[0]


def workflow_scripts() -> str:
    return "\n".join(step.get("run", "") for step in workflow()["jobs"]["retrain"]["steps"])


def cronjob() -> Any:
    return next(part for part in yaml(CRONJOB) if part["kind"] == "CronJob")


def pod() -> Any:
    return cronjob()["spec"]["jobTemplate"]["spec"]["template"]["spec"]


def cron_lines() -> list[str]:
    return [line for line in CRONTAB.read_text().splitlines() if re.match(r"[\d*]", line)]


def exit_codes() -> dict[int, str]:
    """The table of deploy/README.md: code -> what a schedule makes of it."""
    rows = re.findall(r"^\| (\d+) \| [^|]+ \| ([^|]+) \|", README.read_text(), re.M)
    return {int(code): meaning for code, meaning in rows}


def schedules() -> Iterator[str]:
    yield workflow()["on"]["schedule"][0]["cron"]
    yield cronjob()["spec"]["schedule"]
    yield " ".join(cron_lines()[0].split()[:5])


def test_the_three_schedules_are_one_weekly_time() -> None:
    from celery.schedules import crontab  # type: ignore[import-untyped]  # a parser that comes with DVC

    assert len(set(schedules())) == 1 and len(cron_lines()) == 1
    when = crontab.from_string(next(schedules()))
    assert (len(when.minute), len(when.hour), len(when.day_of_week)) == (1, 1, 1)
    assert (len(when.day_of_month), len(when.month_of_year)) == (31, 12)


def test_no_schedule_starts_a_second_one_beside_the_first() -> None:
    assert workflow()["concurrency"] == {"group": "retrain", "cancel-in-progress": False}
    assert cronjob()["spec"]["concurrencyPolicy"] == "Forbid"
    assert pod()["restartPolicy"] == "Never"


def test_every_schedule_starts_the_same_script() -> None:
    assert "deploy/scheduled.sh --commit --push" in workflow_scripts()
    assert pod()["containers"][0]["command"] == ["/workspace/repository/deploy/scheduled.sh", "--push"]
    assert "deploy/scheduled.sh --push" in cron_lines()[0]
    assert '.venv/bin/reprolens retrain "$@"' in (DEPLOY / "scheduled.sh").read_text()


def named_commands() -> set[tuple[str, str]]:
    """Each `reprolens COMMAND OPTIONS` that deploy, the Dockerfile or the page on retraining tells to type."""
    files = [*DEPLOY.rglob("*"), DOCKERFILE, WORKFLOW, REPOSITORY / "docs/retraining.md"]
    text = "\n".join(file.read_text() for file in files if file.is_file())
    text = re.sub(r"docker run( -\S+ \S+)* reprolens", "", text)
    found = set(re.findall(r"(?:^|[`/ ])reprolens ([a-z]+)((?: --?[a-z-]+)*)", text, re.M))
    options = re.findall(r"deploy/scheduled\.sh((?: --[a-z]+)+)", text)
    return found | {("retrain", words) for words in options}


def test_commands_and_options_named_there_exist(reprolens: Program) -> None:
    listed = reprolens("--help").stdout.partition("Commands:")[2].split()
    named = named_commands()
    assert {"tune", "retrain", "promote", "rollback", "verify"} <= {name for name, _ in named} <= set(listed)
    for name in {name for name, _ in named}:
        options = {option for other, words in named if other == name for option in words.split()}
        assert options <= set(re.findall(r"--[a-z-]+", reprolens(name, "--help").stdout)), name


def test_the_table_of_exit_codes_is_the_one_of_the_command(reprolens: Program) -> None:
    told = reprolens("retrain", "--help").stdout.partition("Exit codes:")[2]
    assert set(exit_codes()) == set(CODES.values()) == {int(code) for code in re.findall(r"^ +(\d+) ", told, re.M)}
    words = dict(re.findall(r"^\| (\d+) \| ([^|]+) \|", README.read_text(), re.M))
    for answer, code in CODES.items():
        assert answer in words[str(code)]


@pytest.mark.parametrize("code", [0, 1, 10, 11, 12, 13, 130])
def test_a_schedule_fails_only_where_a_person_must_look(tmp_path: Path, code: int) -> None:
    stand_in(tmp_path, f'echo "$@"; exit {code}')
    done = run(tmp_path / "deploy/scheduled.sh", "--push", "--tune", cwd=tmp_path)
    fine = exit_codes().get(code, "fails").startswith("fine")
    assert done.returncode == (0 if fine else code)
    assert done.stdout.startswith("retrain --push --tune\n")
    assert bool(done.stderr) != fine


def stand_in(folder: Path, script: str) -> None:
    """A checkout of nothing but deploy and a program in the place of `reprolens`."""
    shutil.copytree(DEPLOY, folder / "deploy")
    program = folder / ".venv/bin/reprolens"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)


def test_kubernetes_gives_up_on_refused_data_only() -> None:
    job = cronjob()["spec"]["jobTemplate"]["spec"]
    evicted, refused = job["podFailurePolicy"]["rules"]
    assert evicted == {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}
    assert refused["action"] == "FailJob" and refused["onExitCodes"]["values"] == [13]
    assert refused["onExitCodes"]["containerName"] == pod()["containers"][0]["name"]
    assert job["backoffLimit"] > 0


def test_init_containers_run_what_the_others_run() -> None:
    images = {container["image"] for container in [*pod()["initContainers"], *pod()["containers"]]}
    assert len(images) == 1


def test_every_mounted_volume_is_declared() -> None:
    declared = {volume["name"] for volume in pod()["volumes"]}
    containers = [*pod()["initContainers"], *pod()["containers"]]
    assert {mount["name"] for container in containers for mount in container["volumeMounts"]} == declared
    claims = [part["metadata"]["name"] for part in yaml(CRONJOB) if part["kind"] == "PersistentVolumeClaim"]
    assert [volume["persistentVolumeClaim"]["claimName"] for volume in pod()["volumes"][:1]] == claims


def test_secrets_of_the_workflow_are_in_the_table_and_in_no_command() -> None:
    named = set(re.findall(r"secrets\.(\w+)", WORKFLOW.read_text()))
    assert {"MLFLOW_TRACKING_URI", "DVC_REMOTE"} <= named
    assert named == set(re.findall(r"^\| secret `(\w+)` \|", README.read_text(), re.M))
    assert "secrets." not in workflow_scripts()


def test_the_summary_is_shown_whatever_came_out() -> None:
    step = workflow()["jobs"]["retrain"]["steps"][-1]
    assert step["if"] == "always()" and "reports/retrain/summary.md" in step["run"] and "STEP_SUMMARY" in step["run"]


def dockerfile() -> list[tuple[str, str]]:
    text = re.sub(r"^\s*#.*\n", "", DOCKERFILE.read_text(), flags=re.M).replace("\\\n", " ")
    return [(line.split()[0], line.partition(" ")[2]) for line in text.splitlines() if line.strip()]


def test_the_image_is_not_root_s_and_finds_every_command() -> None:
    steps = dockerfile()
    assert [rest for keyword, rest in steps if keyword == "USER"][-1] == "reprolens"
    folder = next(rest for keyword, rest in steps if keyword == "WORKDIR")
    assert ("ENV", f"PATH={folder}/.venv/bin:$PATH") in steps
    assert json.loads(dict(steps)["CMD"]) == ["make", "repro"]
    assert f"install -d -o reprolens -g reprolens {folder}" in next(rest for keyword, rest in steps if keyword == "RUN")


def test_nothing_that_git_ignores_gets_into_the_image() -> None:
    left_out = set((REPOSITORY / ".dockerignore").read_text().split())
    ignored = [line.strip("/") for line in (REPOSITORY / ".gitignore").read_text().split()]
    assert {name for name in ignored if not {name, f"**/{name}"} & left_out} == set()
    assert {".dvc/cache", ".dvc/tmp", ".dvc/config.local"} <= left_out


@pytest.mark.parametrize("name", SCRIPTS)
def test_scripts_run_and_their_syntax_is_right(name: str) -> None:
    shell = (DEPLOY / name).read_text().splitlines()[0].split("/")[-1].split()[-1]
    assert os.access(DEPLOY / name, os.X_OK)
    assert run(shell, "-n", DEPLOY / name).stderr == ""


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """What an image holds: a repository with packages and one commit."""
    folder = tmp_path / "image"
    stand_in(folder, "echo packages")
    (folder / "dvc.lock").write_text("of the image\n")
    (folder / ".gitignore").write_text("/.venv/\n")
    assert run("git", "init", "-q", "-b", "main", cwd=folder).returncode == 0
    commit(folder)
    return folder


def commit(folder: Path) -> None:
    for words in (["add", "-A"], ["commit", "-q", "-m", "a step"]):
        done = run("git", *words, cwd=folder)
        assert done.returncode == 0, done.stderr


def test_a_workspace_keeps_its_lock_until_the_image_has_another_commit(tmp_path: Path, image: Path) -> None:
    place = tmp_path / "volume" / "repository"
    assert run(image / "deploy/workspace.sh", place).returncode == 0
    assert run(place / ".venv/bin/reprolens").stdout == "packages\n"
    (place / "dvc.lock").write_text("of last week\n")
    assert run(image / "deploy/workspace.sh", place).stdout == ""
    assert run("git", "status", "--porcelain", cwd=place).stdout == " M dvc.lock\n"
    (image / "code.py").write_text("new = True\n")
    commit(image)
    assert run(image / "deploy/workspace.sh", place).returncode == 0
    assert (place / "code.py").exists() and (place / "dvc.lock").read_text() == "of the image\n"


def test_a_workspace_s_own_commits_are_not_thrown_away(tmp_path: Path, image: Path) -> None:
    place = tmp_path / "volume"
    assert run(image / "deploy/workspace.sh", place).returncode == 0
    (place / "dvc.lock").write_text("of last week\n")
    commit(place)
    assert run(image / "deploy/workspace.sh", place).returncode == 0
    (image / "code.py").write_text("new = True\n")
    commit(image)
    done = run(image / "deploy/workspace.sh", place)
    assert done.returncode == 1 and "has commits of its own" in done.stderr
    assert (place / "dvc.lock").read_text() == "of last week\n" and not (place / "code.py").exists()


def test_a_shallow_clone_may_be_what_the_image_holds(tmp_path: Path, image: Path) -> None:
    (image / "code.py").write_text("new = True\n")
    commit(image)
    assert run("git", "clone", "-q", "--depth", "1", f"file://{image}", tmp_path / "shallow").returncode == 0
    done = run(tmp_path / "shallow/deploy/workspace.sh", tmp_path / "volume")
    assert (done.returncode, done.stderr) == (0, "") and (tmp_path / "volume/code.py").exists()


def test_a_command_at_work_runs_in_the_workspace(tmp_path: Path, image: Path) -> None:
    done = run(image / "deploy/at_work.sh", tmp_path / "volume", "git", "rev-parse", "--show-toplevel")
    assert done.returncode == 0 and done.stdout.endswith(f"{tmp_path / 'volume'}\n"), done.stderr
    assert "say deploy/at_work.sh" in run(image / "deploy/at_work.sh", tmp_path).stderr


def test_the_clock_runs_again_and_again_until_it_is_told_to_end(tmp_path: Path) -> None:
    stand_in(tmp_path, 'echo "$@"')
    command = [str(tmp_path / "deploy/clock.sh"), "0.1", "--push"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=tmp_path) as clock:
        assert clock.stdout
        said = [clock.stdout.readline() for _ in range(6)]
        clock.terminate()
        assert clock.wait(20) == 0
    assert said == ["retrain --push\n", "scheduled.sh: nothing to do\n"] * 3
    assert "say deploy/clock.sh SECONDS" in run(tmp_path / "deploy/clock.sh").stderr


def test_the_clock_waits_until_retraining_has_ended_tidily(tmp_path: Path) -> None:
    stand_in(tmp_path, "trap 'sleep 1; touch tidy; exit 143' TERM; echo begun; while :; do sleep 0.1; done")
    command = [str(tmp_path / "deploy/clock.sh"), "60"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=tmp_path) as clock:
        assert clock.stdout and clock.stdout.readline() == "begun\n"
        clock.terminate()
        assert clock.wait(20) == 0 and (tmp_path / "tidy").exists()


def test_chroot_says_what_it_cannot_do(tmp_path: Path) -> None:
    script = DEPLOY / "chroot.sh"
    assert "say `deploy/chroot.sh build FOLDER`" in run(script).stderr
    (tmp_path / "there").mkdir()
    done = run(script, "build", tmp_path / "there")
    expected = f"{tmp_path / 'there'} is there already" if ROOT else "only root"
    assert done.returncode == 1 and expected in done.stderr


# What the two containers of the pod do, once the image is one of a commit.
POD = """
git add -A && git -c user.name=Test -c user.email=test@localhost commit -q --allow-empty -m image
deploy/workspace.sh /workspace/repository && /workspace/repository/deploy/scheduled.sh
"""


@pytest.mark.slow
@pytest.mark.timeout(5400)
@pytest.mark.skipif(not (ROOT and shutil.which("debootstrap")), reason="needs root and debootstrap")
def test_the_dockerfile_s_steps_run_on_a_clean_debian(tmp_path: Path) -> None:
    script, image = DEPLOY / "chroot.sh", tmp_path / "image"

    def role(*command: str, code: int = 0) -> str:
        done = run(script, "run", image, *command, environment=os.environ)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout

    try:
        built = run(script, "build", image, environment=os.environ)
        assert built.returncode == 0, built.stdout + built.stderr
        assert "model      models/model.keras" in role()
        assert "trial 0" in role("reprolens", "tune", "--trials", "1")
        role("reprolens", "retrain", code=10)
        role("reprolens", "retrain", code=0)
        assert role("sh", "-ec", POD).endswith("scheduled.sh: promoted\n")
        assert role("/workspace/repository/deploy/scheduled.sh").endswith("scheduled.sh: nothing to do\n")
    finally:
        shutil.rmtree(image, ignore_errors=True)


NAMESPACE = ("unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c")
# A cron of its own: it sees no other crontab of this machine, and ends with this program.
CRON = """
mount -t proc proc /proc
for folder in /run /var/spool/cron/crontabs /etc/cron.d; do mount -t tmpfs tmpfs $folder; done
mount --bind /dev/null /etc/crontab
crontab "$1" && exec timeout 400 cron -f
"""


@pytest.mark.slow
@pytest.mark.skipif(not (ROOT and shutil.which("cron")), reason="needs root and cron")
def test_cron_itself_runs_the_crontab(tmp_path: Path) -> None:
    checkout = make_checkout(tmp_path, "digits", "train.epochs=1")
    checkout.run("dvc", "remote", "add", "--default", "storage", str(tmp_path / "remote"))
    text = CRONTAB.read_text().replace("/srv/reprolens", str(checkout.folder)).replace(next(schedules()), "* * * * *")
    (tmp_path / "crontab").write_text(text)
    summary = checkout.folder / "reports/retrain/summary.json"
    with subprocess.Popen([*NAMESPACE, CRON, "cron", str(tmp_path / "crontab")]) as cron:
        try:
            code = first_code_but(CODES["promoted"], summary)
        finally:
            cron.kill()
    assert code == CODES["nothing"], summary.read_text()


def first_code_but(promoted: int, summary: Path) -> int | None:
    """What the first call came to, or, if that is this code, the one a minute later; for six minutes at most."""
    for _ in range(360):
        code = json.loads(summary.read_text())["exit_code"] if summary.exists() else promoted
        if code != promoted:
            return int(code)
        time.sleep(1)
    return None
