"""Keeps this service up to date with its template, as in `make template args="update --set proofs=yes"`.

`.cruft.json` has the address of the template, its commit and the answers. An update renders the old commit with the old
answers and the new commit with the new answers, and applies the difference of the two trees as `git cherry-pick` does:
git follows a moved file, and marks a conflict. Only git and cookiecutter are needed.

  status   says how far the template is ahead, and which behaviour an update changes
  diff     shows what this service changed in the files of the template
  update   merges what has changed in the template, and exits with 1 for conflicts
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from devtools.template.migrations import rechain
from devtools.template.source import ROOT, STATE, Answers, Template, fetch, run

RULES = ("-c", "merge.renames=true", "-c", "merge.directoryRenames=conflict", "-c", "merge.conflictStyle=diff3")
"""git's options for the merge, which override the developer's configuration.

The style of conflicts is `diff3`, since git before 2.35 does not know `zdiff3`.
"""

CONFLICTS = {"UU": "both changed it", "AA": "both added it", "UD": "you changed it, and the template deletes it"}
"""The meaning of the two letters by which `git status` shows a conflict; the first letter stands for the service."""


def clean() -> Path:
    """Return the top folder of the repository; raise unless the working copy is clean, so that git can undo an update.

    Raises:
        SystemExit: there is no repository, or there are uncommitted changes.
    """
    why = "so that git can undo an update"
    top = Path(run("git", "rev-parse", "--show-toplevel", problem=f"Run `git init` and commit first, {why}"))
    run("git", "ls-files", "--error-unmatch", STATE.name, problem=f"Commit the service first, {why}")
    if changed := run("git", "status", "--porcelain", "--untracked-files=normal", folder=top).splitlines():
        raise SystemExit(f"Commit or stash all changes first, {why}: {', '.join(line[3:] for line in changed[:3])}")
    return top


def write_tree(rendered: Path) -> str:
    """Write the rendered template into git's object store, below this service's folder, and return the tree's id."""
    top = rendered.parents[1] / "top"
    below = top / run("git", "rev-parse", "--show-prefix")
    below.parent.mkdir(parents=True, exist_ok=True)
    rendered.rename(below)
    place = {"GIT_INDEX_FILE": f"{top}-index", "GIT_WORK_TREE": str(top)}
    place["GIT_DIR"] = run("git", "rev-parse", "--absolute-git-dir")
    run("git", "-c", "core.fsmonitor=false", "add", "--all", "--force", ".", folder=top, **place)
    return run("git", "write-tree", folder=top, **place)


def pick(step: str, top: Path) -> Iterator[str]:
    """Apply a commit to the working copy and the index, and yield a line for each conflict.

    Raises:
        SystemExit: git would overwrite a file that it ignores.
    """
    added = run("git", "diff-tree", "-r", "-z", "--no-commit-id", "--name-only", "--diff-filter=A", step).split("\0")
    for name in set(added).difference(run("git", "ls-files", "-z", folder=top).split("\0")):
        if (top / name).exists():
            raise SystemExit(f"The template adds {name}, and git ignores your file of this name: move it away first.")
    try:
        run("git", *RULES, "cherry-pick", "--no-commit", step, folder=top)
    except SystemExit:
        if not run("git", "ls-files", "--unmerged", folder=top):
            raise
    for entry in run("git", "status", "--porcelain", "--no-renames", "-z", folder=top).split("\0"):
        letters, name = entry[:2], entry[3:]
        if letters == "DU":
            run("git", "--literal-pathspecs", "rm", "--quiet", "--force", "--", name, folder=top)
            yield f"{name} stays deleted: `git show {step[:9]} -- {name}` is what changes in the template."
        elif "U" in letters or letters in {"AA", "DD"}:
            yield f"CONFLICT {letters} {name}: {CONFLICTS.get(letters, 'you or the template moved it')}"


def update(template: Template, old: str, new: str, asked: Answers, top: Path) -> int:
    """Merge the difference between two commits of the template; return 1 if there are conflicts."""
    after, stored = template.render(new, template.answers(new, asked), template.clone.with_name("new"))
    before, _ = template.render(old, template.answers(old, {}), template.clone.with_name("old"))
    lines = list(rechain(ROOT, before, after))
    base = run("git", "commit-tree", write_tree(before), "-m", f"The template at {old[:9]}")
    step = run("git", "commit-tree", write_tree(after), "-p", base, "-m", f"Update from the template at {new[:9]}")
    lines += pick(step, top)
    state = template.state | {"commit": new, "context": {"cookiecutter": stored}}
    STATE.write_text(json.dumps(state, ensure_ascii=False, indent=2, sort_keys=True) + "\n", "utf-8", newline="\n")
    run("git", "add", STATE.name)
    conflicts = any(line.startswith("CONFLICT") for line in lines)
    print(*lines, *["Resolve each CONFLICT and `git add` its file."] * conflicts, sep="\n")
    print("Then `make setup`, `make check` and commit.", "`git reset --hard` undoes all of it.", sep="\n")
    return conflicts


def main() -> int:
    """Run the command of `make template` that the arguments name: status, diff or update."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", nargs="?", choices=("status", "diff", "update"), default="status")
    parser.add_argument("--to", metavar="REF", help="a tag, branch or commit of the template, in place of the newest")
    parser.add_argument("--set", metavar="QUESTION=ANSWER", action="append", default=[], help="change an answer")
    options = parser.parse_args()
    top = clean() if options.command == "update" else ROOT  # check the working copy before the slow clone
    with tempfile.TemporaryDirectory(prefix="template-", ignore_cleanup_errors=True) as name:
        template = fetch(Path(name, "clone"))
        old = template.commit(template.state["commit"])
        new = template.commit(options.to or template.state.get("checkout") or "HEAD")
        if options.command == "diff":
            tree, _ = template.render(old, template.answers(old, {}), template.clone.with_name("old"))
            list(rechain(ROOT, tree, tree))
            print(run("git", "diff", "--diff-filter=a", write_tree(tree), "--", "."))
            return 0
        print(template.ahead(old, new))
        asked = dict(pair.partition("=")[::2] for pair in options.set)
        return options.command == "update" and (old != new or bool(asked)) and update(template, old, new, asked, top)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("Stopped. If `git status` shows changes, `git reset --hard` undoes them.")
