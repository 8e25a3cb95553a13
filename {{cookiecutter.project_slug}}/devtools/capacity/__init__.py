"""The command of `make capacity` prints the capacity plan: workers, pool sizes and limits, from `app/capacity/`."""
