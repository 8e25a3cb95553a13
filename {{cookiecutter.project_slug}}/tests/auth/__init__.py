"""Tests of `app/auth`: access tokens are checked with the issuer's keys, and each route needs its scopes."""
