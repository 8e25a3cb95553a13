"""Short tests of the faults that every service meets, such as a killed worker; the tests run in `make test`."""
