"""Short tests of faults that every service meets, such as a killed worker; they run in `make test`."""
