"""`make feature` and `make downstream` add code that passes all checks of a service; a refusal changes nothing."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from tests.programs import environment, must, run
from tests.repository import SERVICE, render
from tests.updating import edit, git, start

FIELDS = "amount:decimal paid:bool note:str count:int due:datetime begins:date"

FEATURES = {
    "purchase_orders": 'name=purchase_order fields="amount:decimal"',
    "categories": 'name=category plural=categories fields="title:str"',
    "zzs": 'name=zz fields="count:int"',
    "confirmationoforganisationlongs": 'name=confirmationoforganisationlong fields="amount:decimal note:str"',
    "selects": 'name=select fields="due:datetime"',
    "abaci": f'name=abacus plural=abaci fields="{FIELDS}"',
}
"""The arguments of each new feature, by plural: two words, an irregular plural, names of two and of thirty letters, a
word that SQLAlchemy uses, and the first name in the alphabet."""

DOWNSTREAMS = ("ledger", "credit_ledger")

NO_NAME = "is no name: it has at most 30 small letters and digits, as in purchase_order."
IN_USE = "is in use in app, tests, app/main.py, app/settings/route_groups.py: choose a different name, or a plural."
IN_CODE = "is a name in the code of every feature: choose a different name."
KNOWN = "is in use in app/downstreams, devtools, tests, app/settings/downstreams.py: choose a different name."

TYPES = "bool, date, datetime, decimal, int, str."

REFUSED = {
    "name= fields=a:int": "`` " + NO_NAME,
    "name=Invoice fields=a:int": "`Invoice` " + NO_NAME,
    f"name={'a' * 31} fields=a:int": f"`{'a' * 31}` " + NO_NAME,
    "name=class fields=a:int": "`class` is a word of Python: choose a different name.",
    "name=order fields=a:int": "`orders` " + IN_USE,
    "name=log fields=a:int": "`logs` " + IN_USE,
    "name=session fields=a:int": "`session` " + IN_CODE,
    "name=text fields=a:str": "`Text` " + IN_CODE,
    "name=invoice fields=created_at:int": "`created_at` is a name that the classes of a feature have already: choose a "
    "different name.",
    "name=invoice fields=id:int": "`id` is a name that the classes of a feature have already: choose a different name.",
    "name=invoice fields='a:int a:str'": "Two fields have the same name: choose a different name.",
    "name=invoice fields=amount:money": "A field has a type, as in amount:str, and `money` is none of " + TYPES,
    "name=invoice fields=amount": "A field has a type, as in amount:str, and `` is none of " + TYPES,
    "name=invoice": 'A feature needs a field, as in fields="amount:decimal paid:bool note:str".',
}
"""Arguments of `make feature` that are refused, each with the sentence of the refusal."""

REFUSED_DOWNSTREAMS = {
    "": "`` " + NO_NAME,
    "name=Ledger": "`Ledger` " + NO_NAME,
    "name=import": "`import` is a word of Python: choose a different name.",
    "name=rates": "`rates` " + KNOWN,
    "name=client": "`client` " + KNOWN,
    "name=body": "`body` is a name in the code of every downstream: choose a different name.",
}
"""Arguments of `make downstream` that are refused, each with the sentence of the refusal."""


def feature(folder: Path, arguments: str, target: str = "feature") -> subprocess.CompletedProcess[str]:
    """Run `make feature`, or `make downstream`, in a service."""
    done = run(["sh", "-c", f"make {target} {arguments}"], folder, env=environment())
    assert "Traceback" not in done.stdout + done.stderr
    return done


def refusal(folder: Path, arguments: str, target: str = "feature") -> str:
    """Return the sentence with which a command is refused, after a check that nothing has changed."""
    done = feature(folder, arguments, target)
    assert done.returncode == 2, done.stdout
    assert git(folder, "status", "--porcelain") == ""
    return done.stderr.splitlines()[0]


@pytest.fixture
def service(copied: Path) -> Path:
    """Return a copy of the default service, with the same environment, in a git repository."""
    return start(copied)


@pytest.mark.parametrize("name", ["feature", "feature_owned", "downstream"])
def test_each_phrase_that_the_scaffold_replaces_is_in_the_example(name: str) -> None:
    """Each phrase to replace is in the example; otherwise, new features would keep words of the example."""
    table = tomllib.loads((SERVICE / f"devtools/scaffold/{name}.toml").read_text("utf-8"))
    texts = [*table["keep"], *(example(file, name).read_text("utf-8") for file in table["keep"])]

    unused = []
    for phrase, replacement in table["phrases"].items():
        unused += [] if any(re.search(phrase, text) for text in texts) else [phrase]
        texts = [re.sub(phrase, replacement, text) for text in texts]

    assert unused == []


def example(file: str, name: str) -> Path:
    """Return the file of the example feature that the scaffold copies; a service with access tokens has its own."""
    plain = SERVICE / file
    owned = plain.with_stem(f"{plain.stem}_owned")
    return owned if name == "feature_owned" and owned.exists() else plain


def test_features_are_added_and_pass_all_checks(service: Path) -> None:
    for plural, arguments in FEATURES.items():
        done = feature(service, arguments)
        assert done.returncode == 0, (plural, done.stdout, done.stderr)
    for name in DOWNSTREAMS:
        must(["make", "downstream", f"name={name}"], service)
    main, groups, env = ((service / file).read_text("utf-8") for file in WIRED)
    own = [*(f"tests/{plural}" for plural in FEATURES), *(f"tests/test_{name}.py" for name in DOWNSTREAMS)]

    for target in ("lint", "types"):
        must(["make", target], service)
    tests = (
        *own,
        "tests/test_migrations.py",
        "tests/settings/test_env_example.py",
        "tests/orders/test_rates_settings.py",
    )
    assert " passed" in must(["uv", "run", "python", "-m", "pytest", "-n2", *tests], service)
    assert all(f"app.include_router({plural})" in main for plural in FEATURES)
    assert all(f'"/api/v1/{plural}/*"' in groups for plural in FEATURES)
    assert all(f"# ROUTE_GROUPS__{plural.upper()}__DEADLINE_SECONDS=4.0" in env for plural in FEATURES)
    assert special_words(service) == []
    assert stubs(service) == {"rates", *DOWNSTREAMS}


@pytest.mark.parametrize("copied", ["jwt"], indirect=True)
def test_a_feature_of_a_service_with_access_tokens_belongs_to_its_owners(service: Path) -> None:
    """The feature's name has the greatest length, so that each docstring and comment is tried with a long name."""
    plural = "confirmationoforganisationlongs"
    done = feature(service, FEATURES[plural])
    assert done.returncode == 0, (done.stdout, done.stderr)

    must(["make", "types"], service)
    tests = (f"tests/{plural}", "tests/auth/test_routes.py", "tests/test_migrations.py")
    assert " passed" in must(["uv", "run", "python", "-m", "pytest", "-n2", *tests], service)
    assert f"tests/{plural}/test_owners.py" in git(service, "ls-files", "--others", "--exclude-standard")


WIRED = ("app/main.py", "app/settings/route_groups.py", ".env.example")


def special_words(service: Path) -> list[str]:
    """Return the lines of the new features that have a word of the example."""
    words = re.compile(r"(?i)\b(rates?|states?|customers?|currency|quantity|decimal_stores|(?<!in )orders?|lines?)\b")
    files = [file for room in ("app", "tests") for file in (service / room / "abaci").glob("*.py")]
    files += [service / "app/downstreams/ledger.py", service / "devtools/ledger_stub.py"]
    return [line for file in files for line in file.read_text("utf-8").splitlines() if words.search(line)]


def stubs(service: Path) -> set[str]:
    """Return the names of the downstreams for which `make run` starts a stub."""
    code = "from devtools.stubs import build_app, names; build_app(names()); print(*names())"
    return set(must(["uv", "run", "python", "-c", code], service).split())


def test_a_wrong_feature_is_refused_in_a_sentence_and_nothing_is_written(service: Path) -> None:
    (service / "app/invoices/__pycache__").mkdir(parents=True)  # only a cache, as `git clean` leaves
    assert {arguments: refusal(service, arguments) for arguments in REFUSED} == REFUSED
    assert {
        arguments: refusal(service, arguments, "downstream") for arguments in REFUSED_DOWNSTREAMS
    } == REFUSED_DOWNSTREAMS


def test_a_failure_half_way_changes_nothing(service: Path) -> None:
    edit(service / "app/settings/route_groups.py", "    # yours below\n}", "}")
    git(service, "commit", "--quiet", "--all", "--message=marks")

    assert refusal(service, "name=invoice fields=a:int") == (
        "route_groups.py needs 2 lines `# yours below`, as the template has them."
    )
    (service / "migrations/versions/broken.py").write_text("revision = 'b'\ndown_revision = 'order_service__0001'\n")
    git(service, "add", "--all")
    git(service, "commit", "--quiet", "--message=broken")
    assert refusal(service, "name=invoice fields=a:int").startswith("The migrations need one head, not ")


def test_without_the_example_the_template_has_it(service: Path, template: Path, tmp_path: Path) -> None:
    bare = start(render(template, tmp_path, {"example": "no"}))
    (bare / ".venv").symlink_to(service / ".venv")

    done = feature(bare, 'name=invoice fields="amount:decimal"')
    called = feature(bare, "name=ledger", "downstream")
    (bare / ".cruft.json").unlink()
    unknown = feature(bare, 'name=bill fields="amount:decimal"')

    assert (done.returncode, called.returncode) == (0, 0), done.stderr + called.stderr
    must(["uv", "run", "ruff", "check", "."], bare)
    tests = ("tests/invoices", "tests/test_ledger.py", "tests/test_migrations.py", "tests/settings")
    must(["uv", "run", "python", "-m", "pytest", "-n2", *tests], bare)
    assert (bare / "app/invoices/routes.py").is_file()
    assert unknown.stderr.startswith("The example is gone: No template is named in .cruft.json")
    assert not (bare / "app/bills").exists()


def test_a_service_without_a_client_says_how_to_get_one(service: Path) -> None:
    git(service, "rm", "--quiet", "app/settings/downstreams.py")
    git(service, "commit", "--quiet", "--message=no client")

    assert refusal(service, "name=ledger", "downstream") == (
        'The service has no HTTP client: `make template args="update --set http_client=httpx"` brings it.'
    )
