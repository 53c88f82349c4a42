"""Every workflow, in use or in the documents, keeps strangers' text and code away from tokens and secrets."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from bench.check.approval import LABEL
from bench.check.comment import MEMBER
from bench.cli.main import cli

ROOT = Path(__file__).parents[2]
FILES = sorted([*(ROOT / ".github" / "workflows").glob("*.y*ml"), *(ROOT / "docs").glob("*.y*ml")])
BLOCKS = [
    (page.name, number, block)
    for page in sorted(ROOT.glob("**/*.md"))
    if not {part for part in page.relative_to(ROOT).parts if part.startswith(".")}
    for number, block in enumerate(re.findall(r"```ya?ml\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL))
]
PRIVILEGED = {"pull_request_target", "workflow_run", "issue_comment", "issues"}
PINNED = re.compile(r"^[\w.-]+/[\w./-]+@[0-9a-f]{40}$")
HEAD = re.compile(r"head|merge_commit|refs/pull|needs\.|inputs\.")
CHECKS_OUT = re.compile(r"git\s+(-\S+\s+)*(checkout|switch|reset|merge|pull|worktree|restore)\b|gh\s+pr\s+checkout")

PRINTS = re.compile(r"(^|/|\s)bench\s+(check|evaluate|verify|show|list|score|challenge)\b", re.MULTILINE)
STOPPED = re.compile(
    r"""\A(\s*\#.*\n)*token="\$\(openssl\ rand\ -hex\ 16\)"\n
    echo\ "::stop-commands::\$token"\n
    (trap\ 'echo\ "::\$token::"'\ EXIT\n | (.*\n)+echo\ "::\$token::"\n)""",
    re.VERBOSE,
)


def faults(workflow: dict[Any, Any]) -> Iterator[str]:
    """What is wrong with a workflow."""
    on = workflow.get("on", workflow.get(True))  # YAML 1.1 reads the key `on` as true
    events = {on} if isinstance(on, str) else set(on or ())
    if workflow.get("permissions") != {}:
        yield "permissions are not empty by default"
    if "secrets: inherit" in yaml.safe_dump(workflow) or (
        events & (PRIVILEGED | {"pull_request"}) and "secrets." in yaml.safe_dump(workflow)
    ):
        yield "a secret is near a pull request"
    for name, job in workflow.get("jobs", {}).items():
        yield from (f"{name}: {fault}" for fault in _faults_of_job(job, events))
        scripts = [step.get("run", "") for step in job.get("steps", [])]
        if events & (PRIVILEGED | {"pull_request"}) and any(map(_is_obeyed, scripts)):
            yield f"{name}: what bench prints could be a command of GitHub's log; stop commands first"


def _faults_of_job(job: dict[str, Any], events: set[str]) -> Iterator[str]:
    if not isinstance(job.get("permissions"), dict):
        yield "has no permissions of its own"
    if "timeout-minutes" not in job and "uses" not in job:
        yield "has no time limit"
    granted = {key for key, value in (job.get("permissions") or {}).items() if value == "write"}
    if "pull_request" in events and granted - ({"pages", "id-token"} if _is_off_for_pulls(job) else set()):
        yield "may write although a pull request's code runs in it"
    if "pull_request" in events and "self-hosted" in str(job.get("runs-on")):
        yield "runs a pull request's workflow on a machine of ours"
    for step in [job, *job.get("steps", [])]:
        if "uses" in step and not step["uses"].startswith("./") and not PINNED.match(step["uses"]):
            yield f"{step['uses']} is not pinned by a commit's full id"
        if "${{" in step.get("run", "") or "${{" in str(step.get("with", {}).get("script", "")):
            yield "an expression is pasted into a script; hand it over by env"
        if "actions/checkout@" in step.get("uses", ""):
            if step.get("with", {}).get("persist-credentials") is not False:
                yield "a checkout leaves its token behind"
            if events & PRIVILEGED and HEAD.search(
                f"{step['with'].get('ref', '')} {step['with'].get('repository', '')}"
            ):
                yield "checks out a pull request's code with a token of ours"
        if events & PRIVILEGED and CHECKS_OUT.search(step.get("run", "")):
            yield "checks out a pull request's code with a token of ours"
        if "actions/cache" in step.get("uses", "") and events & (PRIVILEGED | {"pull_request"}):
            yield "shares a cache with pull requests"


def _is_obeyed(script: str) -> bool:
    """Whether GitHub's log would obey what bench prints about a submission."""
    script = re.sub(r"^\s*#.*\n", "", script, flags=re.MULTILINE)
    return PRINTS.search(script) is not None and STOPPED.match(script) is None


def _is_off_for_pulls(job: dict[str, Any]) -> bool:
    return job.get("if") == "github.event_name != 'pull_request'"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_workflows_are_safe(path: Path) -> None:
    """Those that run here, and those that the documents offer."""
    assert list(faults(yaml.safe_load(path.read_text(encoding="utf-8")))) == []


@pytest.mark.parametrize(("page", "number", "text"), BLOCKS, ids=lambda value: str(value)[:40])
def test_workflows_in_pages_are_safe(page: str, number: int, text: str) -> None:
    """Blocks of YAML that are whole workflows."""
    workflow = yaml.safe_load(text)
    if isinstance(workflow, dict) and "jobs" in workflow and (True in workflow or "on" in workflow):
        assert list(faults(workflow)) == []


GOOD = """
on: {event}
permissions: {{}}
jobs:
  one:
    runs-on: ubuntu-24.04
    timeout-minutes: 5
    permissions: {{contents: read}}
    steps:
      - {step}
"""
STOP = 'token="$(openssl rand -hex 16)"\necho "::stop-commands::$token"\ntrap \'echo "::$token::"\' EXIT\n'
CHECKOUT = "{uses: actions/checkout@" + "a" * 40 + ", with: {persist-credentials: false%s}}"


@pytest.mark.parametrize(
    ("event", "step", "says"),
    [
        ("push", "{run: 'echo ${{ github.event.pull_request.title }}'}", "pasted into a script"),
        ("push", "{run: 'echo ${{ github.head_ref }}'}", "pasted into a script"),
        ("push", "{uses: a/b@" + "a" * 40 + ", with: {script: '${{ github.actor }}'}}", "pasted into a script"),
        ("push", "{uses: actions/checkout@v4, with: {persist-credentials: false}}", "not pinned"),
        ("push", "{uses: actions/checkout@" + "a" * 40 + "}", "leaves its token behind"),
        (
            "pull_request_target",
            CHECKOUT % ", ref: '${{ github.event.pull_request.head.sha }}'",
            "checks out a pull request's code",
        ),
        ("workflow_run", CHECKOUT % ", repository: '${{ x.head_repository }}'", "checks out a pull request's code"),
        ("pull_request_target", "{run: 'git fetch x && git checkout FETCH_HEAD'}", "checks out a pull request's code"),
        ("pull_request_target", "{run: 'gh pr checkout 3'}", "checks out a pull request's code"),
        ("pull_request", "{run: 'x', env: {K: '${{ secrets.KEY }}'}}", "a secret is near"),
        ("pull_request", "{run: 'bench check --changed-by a..b'}", "stop commands first"),
        ("pull_request_target", "{run: '.venv/bin/bench evaluate approved/*/*'}", "stop commands first"),
        ("pull_request", json.dumps({"run": f"bench list results\n{STOP}"}), "stop commands first"),
        ("pull_request", "{uses: actions/cache@" + "a" * 40 + "}", "shares a cache"),
    ],
)
def test_unsafe_steps_are_found(event: str, step: str, says: str) -> None:
    """Each of the known mistakes, alone."""
    assert list(faults(yaml.safe_load(GOOD.format(event=event, step="{run: 'true'}")))) == []
    (fault,) = faults(yaml.safe_load(GOOD.format(event=event, step=step)))
    assert says in fault


def test_a_step_that_stops_commands_first_may_print() -> None:
    """Until it ends."""
    step = json.dumps({"run": f"# why\n{STOP}bench check --changed-by a..b\n"})
    assert list(faults(yaml.safe_load(GOOD.format(event="pull_request", step=step)))) == []


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("permissions: {}\njobs", "jobs", "not empty by default"),
        ("permissions: {contents: read}", "x: 1", "no permissions of its own"),
        ("permissions: {contents: read}", "permissions: {contents: write}", "may write"),
        ("timeout-minutes: 5", "x: 1", "no time limit"),
        ("ubuntu-24.04", "[self-hosted, gpu]", "on a machine of ours"),
    ],
)
def test_unsafe_jobs_are_found(old: str, new: str, says: str) -> None:
    """Of a workflow that runs on pull requests."""
    text = GOOD.format(event="pull_request", step="{run: 'true'}")
    assert old in text
    (fault,) = faults(yaml.safe_load(text.replace(old, new)))
    assert says in fault


def _commands() -> list[str]:
    texts = [path.read_text(encoding="utf-8") for path in FILES if path.name.startswith("submission-")]
    texts.append((ROOT / "docs" / "pull-requests.md").read_text(encoding="utf-8"))
    lines = [line.strip() for text in texts for line in text.splitlines() if not line.strip().startswith("#")]
    return [found[1] for line in lines if (found := re.match(r"(?:\.venv/bin/)?(bench [a-z].*)", line))]


@pytest.mark.parametrize("line", _commands())
def test_the_commands_of_submission_workflows_exist(line: str) -> None:
    """With the options that they are given."""
    words = shlex.split(re.split(r" > | \|\| ", line)[0])
    command = cli.get_command(click.Context(cli), words[1])

    assert command is not None
    known = {option for parameter in command.params for option in [*parameter.opts, *parameter.secondary_opts]}
    assert {word for word in words if word.startswith("--")} <= known


def test_the_workflows_agree_with_each_other_and_with_the_code() -> None:
    """Names of workflows, artifacts, labels and modules are written in several places."""
    check, comment, evaluate = (
        yaml.safe_load((ROOT / ".github" / "workflows" / f"submission-{name}.yml").read_text(encoding="utf-8"))
        for name in ("check", "comment", "evaluate")
    )
    uploaded = check["jobs"]["check"]["steps"][-1]["with"]
    fetch, write, post = (step["run"] for step in comment["jobs"]["comment"]["steps"][-3:])

    assert comment[True]["workflow_run"]["workflows"] == [check["name"]]
    assert f'"{uploaded["name"]}"' in fetch
    assert uploaded["path"] == MEMBER
    assert "python -m bench.check.comment " in write
    assert "head.sha == env.HEAD" in post
    assert f"label.name == '{LABEL}'" in evaluate["jobs"]["approve"]["if"]
    assert "python -m bench.check.approval " in evaluate["jobs"]["approve"]["steps"][-1]["run"]
    assert evaluate["jobs"]["evaluate"]["needs"] == "approve"
