"""Each Kubernetes overlay renders, matches Kubernetes' schemas, and has times, sizes and names that agree."""

from pathlib import Path

import pytest
import yaml

from devtools.deploy.__main__ import main
from devtools.deploy.check import problems
from devtools.deploy.manifests import render

FOLDER = Path("deploy/kubernetes")
OVERLAYS = sorted(found.parent for found in (FOLDER / "overlays").glob("*/kustomization.yaml"))


@pytest.mark.parametrize("overlay", OVERLAYS, ids=lambda overlay: overlay.name)
def test_an_overlay_has_no_fault(overlay: Path) -> None:
    assert problems(render(overlay)) == []


def test_an_overlay_behind_pgbouncer_has_no_fault(tmp_path: Path) -> None:
    up = "/".join([".."] * (len(tmp_path.parts) - 1))
    parts = {
        "resources": [f"{up}{(FOLDER / 'overlays/prod').absolute()}"],
        "components": [f"{up}{(FOLDER / 'components/pgbouncer').absolute()}"],
    }
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(parts), "utf-8")

    assert problems(render(tmp_path)) == []


def test_a_fault_is_a_line_and_an_exit_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rendered = render(OVERLAYS[0]).objects
    changed = yaml.safe_dump_all(rendered).replace(
        "terminationGracePeriodSeconds: 30", "terminationGracePeriodSeconds: 15"
    )
    (tmp_path / "rendered.yaml").write_text(changed, "utf-8")

    assert main(["check", str(tmp_path / "rendered.yaml")]) == 1
    assert "Deployment web: a grace period of 15 s is less than 30 s" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("a: [", "is no YAML, see its line 1"),
        ("a: 1", "has a document without apiVersion, kind and metadata"),
        ("", "has no object"),
    ],
)
def test_a_file_that_is_no_manifest_is_refused_with_a_sentence(tmp_path: Path, content: str, sentence: str) -> None:
    place = tmp_path / "rendered.yaml"
    place.write_text(content, "utf-8")

    with pytest.raises(SystemExit, match=sentence):
        main(["check", str(place)])


def test_a_place_that_is_not_there_or_does_not_render_is_refused_with_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="There is no"):
        main(["check", str(tmp_path / "nowhere")])
    with pytest.raises(SystemExit, match="does not render"):
        main(["check", str(tmp_path)])
