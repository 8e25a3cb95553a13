"""README and AGENTS.md agree with the code: files, commands, folders, settings, errors, the files a request passes.

If you replace a part of the README by your own words, delete the test of that part.
"""

import ast
import re
from pkgutil import resolve_name

import pytest
from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from app.capacity.from_settings import plan_for
from app.errors import ServiceError
from app.settings.route_groups import RouteGroup
from app.settings.service import Settings
from app.web.problem import ERRORS
from devtools.capacity.table import describe
from tests.architecture import FEATURE_ORDER, FEATURES, modules
from tests.databases import ROOT, make_settings
from tests.test_layers import layer_of

README, MAKEFILE = ((ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "Makefile"))
DOCUMENTS = pytest.mark.parametrize("name", ["README.md", "AGENTS.md"])
PAGES = [page for where in ("", "ops/*/", "deploy/*/", ".agents/*/*/") for page in ROOT.glob(f"{where}*.md")]
FENCED = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def section(heading: str) -> str:
    """Return the text of the README's section with this second-level heading."""
    return README.partition(f"## {heading}\n")[2].partition("\n## ")[0]


STEPS = re.findall(r"^\d+\. \[.+\]\((.+)\): ", section("A request's way"), re.MULTILINE)
WAY = pytest.mark.skipif(not STEPS, reason="the README has no section of a request's way")
ROOMS = re.findall(r"^\| \[app/(\w+)(?:\.py|/)\]", section("The rooms"), re.MULTILINE)
SUFFIXES = (".py", ".md", ".toml", ".yaml", ".yml", ".example")
MADE = {"uv.lock", ".env", ".devtools/"}  # files that commands or developers create, missing in a fresh checkout


def prose(name: str) -> str:
    return FENCED.sub("", (ROOT / name).read_text(encoding="utf-8"))


def words(name: str) -> list[str]:
    """Return the words between backticks in a Markdown document, without its code blocks."""
    return [word for span in re.findall(r"`([^`\n]+)`", prose(name)) for word in span.split()]


def is_path(word: str) -> bool:
    """Tell whether a word names a file of the repository; placeholders and URLs do not."""
    plain = re.fullmatch(r"[\w.\-]+(/[\w.\-]+)*/?", word)
    return bool(plain) and word not in MADE and (word.endswith(SUFFIXES) or "/" in word)


@DOCUMENTS
def test_every_file_that_is_named_exists(name: str) -> None:
    of_features = {f"{file}.py" for file in FEATURE_ORDER}  # documents may name these files even without a feature
    named = {word for word in words(name) if is_path(word)}

    assert [word for word in named - of_features if not (ROOT / word).exists()] == []


@pytest.mark.parametrize("name", [page.relative_to(ROOT).as_posix() for page in PAGES])
def test_every_link_leads_somewhere(name: str) -> None:
    links = re.findall(r"\]\(([^)]+)\)", prose(name))

    assert [link for link in links if "://" not in link and not leads_somewhere(name, link)] == []


def leads_somewhere(name: str, link: str) -> bool:
    """Tell whether a Markdown link is valid: the file exists, and has the heading that the link names."""
    file, _, anchor = link.partition("#")
    target = (ROOT / name).parent / file if file else ROOT / name
    headings = re.findall(r"^#+ (.+)$", prose(str(target)), re.MULTILINE) if anchor else []
    anchors = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
    return target.exists() and (not anchor or anchor in anchors)


@DOCUMENTS
def test_every_command_that_is_named_exists(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    targets = set(re.findall(r"(?:^|`)make (\w[\w-]*)", text, re.MULTILINE))
    modules = re.findall(r"python -m ([\w.]+)", text)

    assert targets <= set(re.findall(r"^(\w[\w-]*):", MAKEFILE, re.MULTILINE))
    assert [module for module in modules if not is_program(module)] == []


def is_program(module: str) -> bool:
    """Tell whether `python -m` can run a module: a file, a folder with `__main__.py`, or a package's program."""
    path = ROOT / module.replace(".", "/")
    return path.with_suffix(".py").is_file() or (path / "__main__.py").is_file() or module in {"pytest", "alembic"}


@DOCUMENTS
def test_every_variable_that_is_named_is_a_setting(name: str) -> None:
    """A variable with two underscores names a nested setting; only the part before `__` is checked."""
    named = {word.partition("__")[0].lower() for word in words(name) if re.fullmatch(r"[A-Z]+(_+[A-Z]+)+", word)}

    assert named <= Settings.model_fields.keys()


def test_the_table_of_rooms_has_every_folder_and_file_of_the_app() -> None:
    """The README's table of `app/` may leave out features: all feature folders have the same file names."""
    rooms = {name.split(".")[1] for name, _ in modules() if name != "app.__init__"}

    assert set(ROOMS) <= rooms
    assert rooms - set(ROOMS) <= FEATURES


def test_the_table_of_rooms_is_in_the_order_of_the_layers() -> None:
    layers = [layer_of(room) for room in ROOMS]

    assert layers == sorted(layers)


def settings_of(model: type[BaseModel], prefix: str = "") -> set[tuple[str, str, str]]:
    """Return variable, default and docstring of each settings field that is not a group of nested settings."""
    fields = [(name, field) for name, field in model.model_fields.items() if not isinstance(field.default, BaseModel)]
    return {(prefix + name.upper(), default_of(one), " ".join(f"{one.description}".split())) for name, one in fields}


def default_of(field: FieldInfo) -> str:
    """Return a settings field's default as the README's table of settings shows it."""
    default = field.default.get_secret_value() if isinstance(field.default, SecretStr) else field.default
    text = f"`{str(default).lower() if isinstance(default, bool) else default}`"
    return "required" if field.is_required() else "unset" if default is None else text


def test_the_tables_of_settings_have_every_setting_with_its_default_and_reason() -> None:
    rows = re.findall(r"^\| `(.+?)` \| (.+?) \| (.+) \|$", section("Configure it"), re.MULTILINE)

    wanted = settings_of(Settings) | settings_of(RouteGroup, "ROUTE_GROUPS__<NAME>__")
    if "downstreams" in Settings.model_fields:
        wanted |= settings_of(resolve_name("app.settings.downstreams:DownstreamSettings"), "DOWNSTREAMS__<NAME>__")
    assert set(rows) == wanted


def errors(parent: type[ServiceError] = ServiceError) -> list[type[ServiceError]]:
    return [parent, *(error for child in parent.__subclasses__() for error in errors(child))]


def test_the_table_of_error_codes_has_every_code_with_its_status() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (\d+) \| .+ \|$", section("Error codes"), re.MULTILINE)
    codes = {(error.code, str(error.status)) for error in errors()} | {(own[0], str(at)) for at, own in ERRORS.items()}
    assert sorted(rows, key=lambda row: row[1]) == rows
    assert set(rows) == codes


def test_the_table_of_capacity_is_what_the_command_prints() -> None:
    plan = plan_for(make_settings("postgresql://nobody@127.0.0.1:1/none", web_concurrency=2, open_files=65_536), cpus=2)
    described = describe(plan.model_copy(update={"downstreams": {}, "route_groups": {}}))
    of_groups = ("  kept for idle groups", "  connection quota", "  left by 2 stuck groups")
    table = "".join(line for line in described.splitlines(keepends=True) if not line.startswith(of_groups))
    assert f"{table}\n" in [code for _, code in FENCED.findall(README)]


def test_the_commands_for_windows_are_those_of_the_makefile() -> None:
    (code,) = (code for language, code in FENCED.findall(README) if language == "bat")
    install, *commands = code.splitlines()
    recipes = [line.strip("\t@").removesuffix(" $(args)") for line in MAKEFILE.splitlines() if line.startswith("\t")]

    assert install.removeprefix("py -m pip install ").strip('"') in MAKEFILE
    assert [line for line in commands if line.replace("py -m uv", "$(UV)") not in recipes] == []


def mentions(file: str) -> set[str]:
    """Return the modules that a source file imports or names in a string, such as gunicorn's `worker_class`."""
    found = set()
    for node in ast.walk(ast.parse((ROOT / file).read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}", *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found |= set(re.findall(r"app(?:\.[a-z_]+)+", node.value))
    return found


@WAY
def test_each_file_of_the_requests_way_is_reached_from_one_before_it() -> None:
    reached: set[str] = set()
    unreached = []
    for file in STEPS:
        if reached and file.removesuffix(".py").replace("/", ".") not in reached:
            unreached.append(file)
        reached |= mentions(file)

    assert STEPS[0] == "gunicorn.conf.py"
    assert unreached == []


@WAY
def test_the_requests_way_has_every_middleware_in_its_order() -> None:
    source = (ROOT / "app/main.py").read_text(encoding="utf-8")
    imports = re.findall(r"from app\.(\w+)\.(\w+) import (\w+)", source)
    file_of = {name: f"app/{room}/{module}.py" for room, module, name in imports}
    order = [file_of[name] for name in re.findall(r"Middleware\((\w+)", source)]

    assert [file for file in STEPS if file in order] == order
