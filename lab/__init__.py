"""The lab: experiments on blocked and free event loops, which `python -m lab` runs on this machine."""
