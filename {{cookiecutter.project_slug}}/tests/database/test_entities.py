"""A SELECT of ORM entities, which needs a session, is told apart from a SELECT of columns, which needs no session."""

import pytest
from sqlalchemy import Executable, select, text
from sqlalchemy.orm import Bundle, aliased

from app.database.reader import has_entities
from tests.database.test_reader import Author

ONE = text("SELECT 1")


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        (select(Author), True),
        (select(aliased(Author)), True),
        (select(Author.id, aliased(Author)), True),
        (select(Bundle("key", Author.id)), True),
        (select(Author).from_statement(ONE), True),
        (select(Author.id, Author.name), False),
        (select(Author.metadata.tables["scratch_authors"]), False),
        (ONE, False),
    ],
)
def test_a_statement_that_selects_entities_is_recognised(statement: Executable, expected: bool) -> None:
    assert has_entities(statement) is expected
