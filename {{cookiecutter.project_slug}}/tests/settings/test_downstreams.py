"""In production, the service needs the address of each downstream, and refuses a setting of an unknown downstream."""

from app.settings.downstreams import DownstreamsSettings
from tests.settings.test_service import URL, start


def test_production_does_not_serve_without_the_address_of_a_downstream() -> None:
    result = start(["-c", "import app.main"], {"DATABASE_URL": URL})

    missing = [f"  DOWNSTREAMS__{name.upper()}__BASE_URL must be set" for name in DownstreamsSettings.model_fields]
    assert [name for name in missing if name not in result.stderr] == []
    # `python -m app.pgbouncer`, which only prints SQL, needs no downstream
    assert start(["-m", "app.pgbouncer"], {"DATABASE_URL": URL}).returncode == 0


def test_production_refuses_a_name_that_is_no_downstream() -> None:
    result = start(["-c", "import app.main"], {"DATABASE_URL": URL, "DOWNSTREAMS__X__Y": "5"})

    assert "DOWNSTREAMS__X: there is no such setting; the nearest is DOWNSTREAMS" in result.stderr
    assert result.returncode == 1
