"""`.env.example` has every setting with its default, and `make env` keeps it complete."""

import re
from difflib import unified_diff
from pathlib import Path

from app.settings.service import Settings
from devtools.env_example import completed, settings_of
from tests.databases import ROOT

URL = "postgresql://app:secret@127.0.0.1:1/none"


def test_the_example_environment_names_exactly_the_settings() -> None:
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    lines, by_make_env = example.splitlines(), completed(example, settings_of()).splitlines()

    assert lines == by_make_env, "\n".join(["`make env` repairs this:", *unified_diff(lines, by_make_env, n=0)])
    assert set(re.findall(r"^#? ?([A-Z][A-Z0-9_]+)=", example, flags=re.MULTILINE)) == settings_of().keys()


def test_a_new_setting_follows_the_setting_before_it_and_a_removed_setting_goes() -> None:
    before = "# AA=1\n# yours below: route groups\n# BB=2\n\n# The downstream `gone`; ...\n# DOWNSTREAMS__GONE__X=1\n"
    settings = {"AA": "1", "NEW": "x", "BB": "2", "DOWNSTREAMS__STOCK__BASE_URL": "http://x"}

    assert completed(before, settings) == (
        "# AA=1\n# yours below: route groups\n# NEW=x\n# BB=2\n\n"
        "# The downstream `stock`; production does not start without its address.\n# DOWNSTREAMS__STOCK__BASE_URL=http://x\n"
    )


def test_the_example_environment_shows_the_defaults(tmp_path: Path) -> None:
    """With every commented-out line of `.env.example` switched on, the settings equal their defaults."""
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    switched_on = tmp_path / ".env"
    switched_on.write_text(re.sub(r"^# ([A-Z][A-Z0-9_]+=.+)", r"\1", example, flags=re.MULTILINE), encoding="utf-8")

    loaded = Settings(_env_file=switched_on, database_url=URL)

    defaults = Settings(_env_file=None, database_url=URL, web_concurrency=2)
    assert loaded.model_dump() == defaults.model_dump()
