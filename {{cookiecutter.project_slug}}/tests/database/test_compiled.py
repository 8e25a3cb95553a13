"""Reads straight through the driver return the same Python values as SQLAlchemy, for each column type."""

import datetime as dt
import enum
from collections.abc import AsyncGenerator
from decimal import Decimal
from typing import Any

import greenlet  # type: ignore[import-untyped] # greenlet has no type hints
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.dialects import postgresql as pg
from sqlalchemy.util import greenlet_spawn

from app.database.reader import Reader
from tests.databases import make_settings, opened


class Mood(enum.Enum):
    """An enum whose values are a PostgreSQL enum type."""

    GLAD = "glad"
    SAD = "sad"


class Cents(sa.TypeDecorator[Decimal]):
    """A custom column type: a decimal that is stored as an integer number of cents."""

    impl = sa.Integer
    cache_ok = True

    def process_bind_param(self, value: Decimal | None, _dialect: object) -> int | None:
        """Convert a decimal into cents."""
        return None if value is None else int(value * 100)

    def process_result_value(self, value: int | None, _dialect: object) -> Decimal | None:
        """Convert cents into a decimal."""
        return None if value is None else Decimal(value) / 100


INT = st.integers(-(2**31), 2**31 - 1)
TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
DATE = st.dates(dt.date(1, 1, 2), dt.date(9999, 12, 30))
MOMENT = st.datetimes(dt.datetime(1, 1, 2), dt.datetime(9999, 12, 30))  # noqa: DTZ001 - for a column without time zone
AWARE = st.datetimes(dt.datetime(1900, 1, 2), dt.datetime(2100, 12, 30), timezones=st.just(dt.UTC))  # noqa: DTZ001 - `timezones` adds the time zone
NUMBER = st.decimals(-(10**9), 10**9, places=4)
FLOAT = st.floats(allow_nan=False)
JSON = st.recursive(st.none() | st.booleans() | INT | TEXT, lambda kept: st.lists(kept) | st.dictionaries(TEXT, kept))


def ranges(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Return a strategy for PostgreSQL ranges of these values, with empty and unbounded ranges."""
    ends = st.tuples(st.none() | values, st.none() | values).map(
        lambda pair: pair if None in pair else tuple(sorted(pair))
    )
    return ends.map(lambda pair: pg.Range(*pair)) | st.just(pg.Range(empty=True))


TYPES: dict[str, tuple[Any, st.SearchStrategy[Any]]] = {
    "small_integer": (sa.SmallInteger(), st.integers(-(2**15), 2**15 - 1)),
    "integer": (sa.Integer(), INT),
    "big_integer": (sa.BigInteger(), st.integers(-(2**63), 2**63 - 1)),
    "boolean": (sa.Boolean(), st.booleans()),
    "float": (sa.Float(), FLOAT),
    "float_as_decimal": (sa.Float(asdecimal=True), st.floats(-1e6, 1e6)),
    "double": (sa.Double(), FLOAT),
    "numeric": (sa.Numeric(20, 4), NUMBER),
    "numeric_as_float": (sa.Numeric(20, 4, asdecimal=False), NUMBER),
    "string": (sa.String(50), TEXT),
    "char": (sa.CHAR(3), TEXT.map(lambda text: text[:3])),
    "text": (sa.Text(), TEXT),
    "unicode": (sa.Unicode(), TEXT),
    "bytes": (sa.LargeBinary(), st.binary(max_size=20)),
    "date": (sa.Date(), DATE),
    "time": (sa.Time(), st.times()),
    "moment": (sa.DateTime(), MOMENT),
    "moment_with_zone": (sa.DateTime(timezone=True), AWARE),
    "interval": (sa.Interval(), st.timedeltas(dt.timedelta(-10000), dt.timedelta(10000))),
    "uuid": (sa.Uuid(), st.uuids()),
    "uuid_as_text": (sa.Uuid(as_uuid=False), st.uuids().map(str)),
    "enum": (sa.Enum(Mood, name="mood"), st.sampled_from(Mood)),
    "enum_as_text": (sa.Enum(Mood, native_enum=False), st.sampled_from(Mood)),
    "json": (sa.JSON(), JSON),
    "jsonb": (pg.JSONB(), JSON),
    "array": (pg.ARRAY(sa.Integer()), st.lists(st.none() | INT, max_size=5)),
    "array_of_numeric": (pg.ARRAY(sa.Numeric(20, 4)), st.lists(NUMBER, max_size=5)),
    "array_of_enums": (pg.ARRAY(sa.Enum(Mood, name="mood")), st.lists(st.sampled_from(Mood), max_size=3)),
    "bits": (pg.BIT(4), st.sampled_from(["0000", "1010"])),
    "inet": (pg.INET(), st.ip_addresses(v=4).map(str)),
    "range_of_integers": (pg.INT4RANGE(), ranges(INT)),
    "range_of_numbers": (pg.NUMRANGE(), ranges(NUMBER)),
    "range_of_dates": (pg.DATERANGE(), ranges(DATE)),
    "range_of_moments": (pg.TSRANGE(), ranges(MOMENT)),
    "range_of_moments_with_zone": (pg.TSTZRANGE(), ranges(AWARE)),
    "ranges": (pg.INT4MULTIRANGE(), st.lists(ranges(INT), max_size=3)),
    "own": (Cents(), st.decimals(-(10**6), 10**6, places=2)),
}
"""Each column type that SQLAlchemy has for PostgreSQL, by name, with a strategy for its values."""

EVERY_TYPE = sa.select(
    *(
        sa.type_coerce(sa.cast(sa.bindparam(name, type_=kind), kind), kind).label(name)
        for name, (kind, _) in TYPES.items()
    )
)


@pytest.fixture(scope="module")
async def reader(shared_url: str) -> AsyncGenerator[Reader]:
    """A `Reader` on a database that has the enum type `mood`."""
    async with opened(make_settings(shared_url, database_pool_limit=1)) as resources:
        async with resources.write_sessions.begin() as session:
            await session.execute(sa.text("CREATE TYPE mood AS ENUM ('GLAD', 'SAD')"))
        yield resources.reader
        async with resources.write_sessions.begin() as session:
            await session.execute(sa.text("DROP TYPE mood"))


@given(values=st.fixed_dictionaries({name: st.none() | values for name, (_, values) in TYPES.items()}))
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
async def test_each_type_is_the_same_as_through_sqlalchemy(reader: Reader, values: dict[str, Any]) -> None:
    expected = (await greenlet_spawn(reader._run_in_greenlet, EVERY_TYPE, values)).one()  # noqa: SLF001 - the result through SQLAlchemy
    seen: list[str] = []
    greenlet.settrace(lambda event, _greenlets: seen.append(event))

    found = (await reader.execute(EVERY_TYPE, values)).one()
    greenlet.settrace(None)

    assert seen == []  # no greenlet ran: the read went straight to asyncpg, past SQLAlchemy
    assert (found, found._asdict(), [*map(type, found)]) == (expected, expected._asdict(), [*map(type, expected)])
