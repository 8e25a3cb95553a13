"""The guide for adding a downstream is followed to the letter, in a generated service."""

import re
import shutil
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.programs import must
from tests.repository import ROOT

GUIDE = (ROOT / "docs/patterns.md").read_text("utf-8").partition("## Add a downstream\n")[2].partition("\n## ")[0]
SETTING, FEATURE, ALIAS, STUB = (textwrap.dedent(code) for code in re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL))
"""The pieces of the guide, in its order; each says in the text around it where it goes."""

IMPORTS = {
    "app/orders/stock.py": '''"""What can be delivered, in the words of this feature."""

from typing import Any

from app.downstreams.downstream import Downstream
from app.errors import DownstreamBadResponse, DownstreamNotFound


''',
    "devtools/stock_stub.py": '''"""The stub of `stock`."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route


''',
}

TEST = '''"""The new downstream, as the guide tests it."""

from fastapi import FastAPI

from app.downstreams.client import httpx
from app.orders.stock import Stock
from tests.conftest import Fakes


async def test_the_stock_is_known(committed_app: FastAPI, fakes: Fakes) -> None:
    fakes["stock"] = lambda _request: httpx.Response(200, json={"available": 3})
    stock = Stock(committed_app.state.resources.downstreams["stock"])

    assert await stock.available("TEA-1") == 3
'''


@pytest.fixture
def followed(service: Callable[[str], Path], workshop: Path) -> Path:
    """A copy of a service in which somebody did what the guide says."""
    folder = workshop / "guided"
    shutil.copytree(service("default"), folder, ignore=shutil.ignore_patterns(".venv", ".*_cache", ".devtools"))
    insert_setting(folder / "app/downstreams/settings.py")
    example = folder / ".env.example"
    lines = re.findall(r"^# DOWNSTREAMS__RATES__.*$", example.read_text("utf-8"), re.MULTILINE)
    with example.open("a", encoding="utf-8") as file:
        file.writelines(line.replace("RATES", "STOCK").replace("/rates", "/stock") + "\n" for line in lines)
    for name, code in (("app/orders/stock.py", FEATURE), ("devtools/stock_stub.py", STUB)):
        (folder / name).write_text(IMPORTS[name] + code, "utf-8")
    dependencies = folder / "app/orders/dependencies.py"
    text = dependencies.read_text("utf-8").replace(
        "import PICTURE_FORMATS\n", "import PICTURE_FORMATS\nfrom app.orders.stock import Stock\n"
    )
    dependencies.write_text(f"{text}\n\n{ALIAS}", "utf-8")
    (folder / "tests/orders/test_stock.py").write_text(TEST, "utf-8")
    return folder


def insert_setting(file: Path) -> None:
    before, after = file.read_text("utf-8").split("    # yours below\n")
    file.write_text(f"{before}    # yours below\n{textwrap.indent(SETTING, '    ')}{after}", "utf-8")


def test_a_downstream_is_added_by_a_settings_block_a_file_and_a_stub(followed: Path) -> None:
    tests = ("tests/orders/test_stock.py", "tests/test_settings.py", "devtools/tests/test_stubs.py")

    must(["make", "setup"], followed)
    must(["make", "types"], followed)
    must(["make", "lint"], followed)
    assert " passed" in must(["uv", "run", "pytest", "-n0", *tests], followed)
