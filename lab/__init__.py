"""Lab: experiments on blocked and free event loops, run on this machine by `python -m lab`."""
