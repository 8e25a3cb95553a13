"""Rules of the architecture as tests: an import that breaks a rule is reported with file, line and remedy."""

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from tests.architecture import imports_of, refuse

from tests import architecture

WAY_OUT = "Call other services through `shop/clients.py`."

with TemporaryDirectory() as folder:
    architecture.APP = Path(folder, "shop")
    for name in ("clients.py", "orders.py"):
        architecture.APP.mkdir(exist_ok=True)
        (architecture.APP / name).write_text('"""A module."""\nimport httpx\n', "utf-8")

    refuse(imports_of("requests"), WAY_OUT)
    with pytest.raises(pytest.fail.Exception) as failure:
        refuse(imports_of("httpx"), WAY_OUT, but=["shop.clients"])
    assert str(failure.value) == f"shop/orders.py:2: httpx. {WAY_OUT}"
