"""The commands `make feature` and `make downstream`, which copy the template's example under new names."""
