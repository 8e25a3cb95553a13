"""The template keeps the shape that it promises: every line of the ruler holds."""

import pytest

from tests.ruler import Measure, measure


@pytest.mark.parametrize("line", measure(), ids=lambda line: line.question)
def test_the_ruler_holds(line: Measure) -> None:
    assert line.holds, f"{line.question}: {line.target}, and now {line.now} {line.where}"
