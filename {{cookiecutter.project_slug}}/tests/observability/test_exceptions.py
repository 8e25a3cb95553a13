"""Tests of the text of an exception on a JSON log line: classes and stacks of the whole chain, and no message."""

from app.observability.exceptions import exception_text, rendering


class Refused(Exception):
    """An error of PostgreSQL with its SQLSTATE."""

    sqlstate = "22P02"


def refuse() -> None:
    raise Refused("canary")


def text_of(error: BaseException) -> str:
    event = exception_text(None, "error", {"event": "failed", "exc_info": error})
    text: str = event["exception"]
    return text


def chain() -> BaseException:  # type: ignore[return] # the group is raised and caught
    """Return an exception with a cause, a group and a note, each with the canary in its message."""
    try:
        try:
            refuse()
        except Refused as error:
            raise ExceptionGroup("canary", [KeyError("canary"), ValueError("canary")]) from error
    except ExceptionGroup as error:
        error.add_note("canary")
        error.exceptions[0].__context__ = error  # a circle
        return error


def test_classes_and_stacks_of_all_exceptions_are_shown_and_no_message() -> None:
    text = text_of(chain())

    last = [part.splitlines()[-1] for part in text.split("Traceback (most recent call last):\n")[1:]]
    assert last == [f"{__name__}.Refused (SQLSTATE 22P02)", "ExceptionGroup", "KeyError", "ValueError"]
    assert ", in chain\n" in text
    assert 'canary"' not in text.replace('("canary"', "").replace('add_note("canary"', "")  # but in lines of the source


def test_messages_are_shown_if_the_settings_say_so() -> None:
    rendering.messages = True
    try:
        text = text_of(ValueError("canary"))
    finally:
        rendering.messages = False

    assert "ValueError: canary" in text
