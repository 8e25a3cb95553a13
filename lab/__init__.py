"""The lab: experiments with an event loop, each with what to expect, what happened here, and why."""
