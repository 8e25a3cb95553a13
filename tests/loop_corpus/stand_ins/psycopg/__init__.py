"""A stand-in for the part of the package psycopg that has no async."""

from psycopg.connection import Connection as Connection

connect = Connection.connect
