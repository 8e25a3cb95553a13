"""Answers to the questions of cookiecutter that would make a broken service are refused, with one plain sentence.

The sentence says what to type instead.
"""

from pathlib import Path

import pytest
from cookiecutter.exceptions import CookiecutterException, FailedHookException, OutputDirExistsException
from cookiecutter.main import cookiecutter

from tests.repository import Answers, cookiecutter_home, render

TEXTS = ("project_name", "description", "author")

REFUSED_TEXTS = {
    "": "is empty",
    "   ": "is empty",
    "x" * 121: "has 121 characters",
    " padded": "starts or ends with a space",
    "padded ": "starts or ends with a space",
    "two\nlines": "invisible character",
    "a\ttab": "invisible character",
    "bell \a": "invisible character",
    "turned \u202e around": "invisible character",
    'a "quoted" word': "double quote",
    "back\\slash": "backslash",
    "'''\\\"\"\"": "backslash",
    "{ brace": "curly brace",
}

REFUSED_SLUGS = {
    "Orders": "cannot name",
    "order_service": "cannot name",
    "order service": "cannot name",
    "order--service": "cannot name",
    "-orders": "cannot name",
    "orders-": "cannot name",
    "3d": "cannot name",
    "órdenes": "cannot name",
    "a.b": "cannot name",
    "a'b": "cannot name",
    'a"b': "cannot name",
    " ": "cannot name",
    "x" * 51: "has 51 characters",
    "json": "the Python standard library",
    "concurrent": "the Python standard library",
    "lib2to3": "the Python standard library",
    "sqlalchemy": "a package that the service uses",
    "httpx2": "a package that the service uses",
    "pydantic-settings": "a package that the service uses",
    "app": "a folder of the service itself",
    "tests": "a folder of the service itself",
    "con": "a device of Windows",
    "lpt1": "a device of Windows",
}


def refusal(template: Path, parent: Path, answers: Answers, capfd: pytest.CaptureFixture[str]) -> str:
    """Generate a service from refused answers, check that no files are left behind, and return the printed refusal."""
    with pytest.raises(FailedHookException):
        render(template, parent / "out", answers)
    assert sorted(path.name for path in (parent / "out").iterdir()) == ["cookiecutter.yaml", "replay"]
    return capfd.readouterr().err


def assert_is_one_sentence_of_advice(text: str, about: str) -> None:
    """Check that a refusal is a single sentence about the right question, and says what to type instead."""
    sentence, *more = text.splitlines()
    assert not more
    assert sentence[0].isupper()
    assert about in sentence
    assert ": type " in sentence
    assert sentence.isascii()


@pytest.mark.parametrize("question", TEXTS)
@pytest.mark.parametrize(("text", "about"), REFUSED_TEXTS.items(), ids=ascii)
def test_a_text_that_would_break_a_file_is_refused(
    template: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], question: str, text: str, about: str
) -> None:
    answers = {"project_slug": "fine", question: text}

    assert_is_one_sentence_of_advice(refusal(template, tmp_path, answers, capfd), about)


@pytest.mark.parametrize(("slug", "about"), REFUSED_SLUGS.items(), ids=ascii)
def test_a_slug_that_cannot_name_a_folder_and_a_distribution_is_refused(
    template: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], slug: str, about: str
) -> None:
    assert_is_one_sentence_of_advice(refusal(template, tmp_path, {"project_slug": slug}, capfd), about)


@pytest.mark.parametrize("example", ["plain", "showcases"])
def test_an_example_without_a_client_for_the_service_that_it_calls_is_refused(
    template: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], example: str
) -> None:
    text = refusal(template, tmp_path, {"http_client": "none", "example": example}, capfd)

    assert_is_one_sentence_of_advice(text, f"The answers http_client=none and example={example} do not go together")
    assert "type http_client=none with example=no" in text


def test_checks_of_tokens_without_a_client_for_the_keys_of_the_issuer_are_refused(
    template: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    answers = {"http_client": "none", "example": "no", "auth": "jwt"}

    text = refusal(template, tmp_path, answers, capfd)

    assert_is_one_sentence_of_advice(text, "The answers http_client=none and auth=jwt do not go together")


@pytest.mark.parametrize(
    ("name", "slug"),
    {
        "Order Service": "order-service",
        "order_service v2": "order-service-v2",
        "Çatı & Söhne": "cati-sohne",
        "3D Printing": "service-3d-printing",
        "!!!": "service",
        "注文": "zhu-wen",
        "O'Brien's -- Orders": "o-brien-s-orders",
        "x" * 50: "x" * 40,
    }.items(),
)
def test_the_offered_slug_is_a_valid_one_whatever_the_name(
    template: Path, tmp_path: Path, name: str, slug: str
) -> None:
    assert render(template, tmp_path, {"project_name": name}).name == slug


def test_an_empty_slug_is_refused_by_cookiecutter_itself(template: Path, tmp_path: Path) -> None:
    with pytest.raises(OutputDirExistsException):
        render(template, tmp_path / "out", {"project_slug": ""})


@pytest.mark.parametrize("slug", ["order-service", ""])
@pytest.mark.parametrize("force", [True, False])
def test_a_folder_with_somebodys_files_is_never_touched(
    template: Path, tmp_path: Path, slug: str, *, force: bool
) -> None:
    target = tmp_path / "out" / slug
    target.mkdir(parents=True)
    (target / "Makefile").write_text("mine")

    with pytest.raises(CookiecutterException):
        cookiecutter(
            str(template),
            no_input=True,
            extra_context={"project_slug": slug},
            output_dir=str(tmp_path / "out"),
            overwrite_if_exists=force,
            config_file=str(cookiecutter_home(tmp_path)),
        )

    assert [path.name for path in target.iterdir()] == ["Makefile"]
    assert (target / "Makefile").read_text() == "mine"
