"""The command of `make capacity` prints the capacity plan, which `app/capacity/` calculates."""
