"""Authentication: checks the access tokens of requests with the public keys of the issuer."""
