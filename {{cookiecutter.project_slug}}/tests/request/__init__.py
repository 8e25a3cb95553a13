"""Tests of `app/request`: the state of the current request, such as the database connections that a request holds."""
