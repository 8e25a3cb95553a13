"""Runs a function in a process of `offload.py`, which imports this file: it stays as small as that.

The time limit is kept from outside, by killing the process. This one is for when nobody is left to do that: the service
was killed itself, and a process that computes does not notice.
"""

import faulthandler
from collections.abc import Callable
from typing import TypeVar, TypeVarTuple

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


def watched(seconds: float, function: Callable[[*Ts], T], *args: *Ts) -> T:
    """Call the function; end the process after so many seconds. The standard library's watchdog needs no GIL."""
    faulthandler.dump_traceback_later(seconds, exit=True)
    try:
        return function(*args)
    finally:
        faulthandler.cancel_dump_traceback_later()
