"""The template of this service: its commits, its questions, and the trees that it renders."""

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
STATE = ROOT / ".cruft.json"
"""The file with the address of the template, its commit and the answers, as cruft reads and writes it too."""

INHERITED = {"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_OBJECT_DIRECTORY"}
"""Variables by which git tells hooks where the repository is; inherited, they would lead git to the wrong repository.
"""

IDENTITY = {f"GIT_{role}_{part}": "template" for role in ("AUTHOR", "COMMITTER") for part in ("NAME", "EMAIL")}
"""The author of an update's temporary commits: git may have no name and address configured on this machine."""

Answers = dict[str, Any]


def run(*command: str | Path, folder: Path = ROOT, problem: str = "", **variables: str) -> str:
    """Return the output of a program; if it fails, exit with `problem` and the last line of the output.

    Raises:
        SystemExit: the program failed.
    """
    env = {name: value for name, value in os.environ.items() if name not in INHERITED} | IDENTITY | variables
    # Bytes that are not UTF-8 are replaced and cause no error: `git diff` shows files of any encoding.
    done = subprocess.run(
        command, cwd=folder, env=env, check=False, capture_output=True, encoding="utf-8", errors="replace"
    )
    if done.returncode:
        reason = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
        raise SystemExit(": ".join([problem or " ".join(map(str, command)), *reason]))
    return done.stdout.rstrip("\n")


def public(questions: Answers) -> Answers:
    """Return the template's questions, without the private variables of its cookiecutter.json."""
    return {question: answer for question, answer in questions.items() if not question.startswith("_")}


@dataclass(frozen=True)
class Template:
    """A bare clone of the template, and the content of `.cruft.json`."""

    clone: Path
    state: dict[str, Any]

    def git(self, *arguments: str | Path, problem: str = "") -> str:
        """Return the output of a git command, run in the clone of the template."""
        return run("git", *arguments, folder=self.clone, problem=problem)

    def commit(self, ref: str) -> str:
        """Return the commit id of a branch, a tag, or an abbreviated commit id."""
        problem = f"The template {self.state['template']} has no branch, tag or commit {ref}"
        return self.git("rev-parse", "--verify", "--quiet", ref + "^{commit}", problem=problem)

    def ahead(self, old: str, new: str) -> str:
        """Return how many template commits lead from `old` to `new`, and the entries of UPGRADING.md in between."""
        commits = re.sub("^1 commits$", "1 commit", self.git("rev-list", "--count", f"{old}..{new}") + " commits")
        added = re.findall(r"(?m)^\+(?!\+\+)(.*)", self.git("diff", "--unified=0", old, new, "--", "UPGRADING.md"))
        return "\n".join([f"{self.state['template']}: {new[:9]} is {commits} ahead of {old[:9]}", *added])

    def answers(self, commit: str, asked: Answers) -> Answers:
        """Return the stored template answers updated with `asked`, without answers to questions that this commit lacks.

        Raises:
            SystemExit: an answer has no question, or its question does not offer it.
        """
        questions = public(json.loads(self.git("show", f"{commit}:cookiecutter.json")))
        answers = public(self.state["context"]["cookiecutter"]) | asked
        for question, answer in answers.items():
            offered = questions.get(question)
            if question in asked and offered is None:
                raise SystemExit(f"The template has no question {question}: it asks {', '.join(questions)}.")
            if isinstance(offered, list) and answer not in offered:
                offer = " or ".join(f"--set {question}={choice}" for choice in offered)
                raise SystemExit(f"The template does not take {question}={answer}: add {offer}.")
        return {question: answer for question, answer in answers.items() if question in questions}

    def render(self, commit: str, answers: Answers, folder: Path) -> tuple[Path, Answers]:
        """Render the template at a commit with these answers; return the tree and all answers, defaults included."""
        source, config = folder / folder.name, folder / "config.yaml"
        folder.mkdir()
        self.git("worktree", "add", "--detach", source, commit)
        config.write_text(json.dumps({"replay_dir": str(folder / "replay")}), "utf-8")
        command = ("cookiecutter", "--no-input", "--config-file", config, "--output-dir", folder / "out", source)
        given = (f"{question}={answer}" for question, answer in answers.items())
        problem = f"cookiecutter cannot render the template at {commit[:9]} with these answers"
        run(sys.executable, "-m", *command, *given, folder=folder, problem=problem)
        (tree,), (replay,) = (list((folder / name).iterdir()) for name in ("out", "replay"))
        (tree / STATE.name).unlink(missing_ok=True)
        return tree, public(json.loads(replay.read_text("utf-8"))["cookiecutter"])


def fetch(clone: Path) -> Template:
    """Clone the template from the address in `.cruft.json`.

    Raises:
        SystemExit: `.cruft.json` has no address, or the template cannot be reached.
    """
    try:
        state = json.loads(STATE.read_text("utf-8"))
        address, _, _ = state["template"], state["commit"], state["context"]["cookiecutter"].items()
    except (OSError, ValueError, KeyError, TypeError):
        raise SystemExit("No template is named in .cruft.json: `uv tool run cruft link <address>` does it.") from None
    problem = f"The template cannot be read from {address}, the address in .cruft.json"
    run("git", "clone", "--quiet", "--bare", address, clone, problem=problem)
    return Template(clone, state)
