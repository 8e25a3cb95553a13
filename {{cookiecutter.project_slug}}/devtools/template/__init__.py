"""The command `make template` keeps this service up to date with its template, by git's own three-way merge."""
