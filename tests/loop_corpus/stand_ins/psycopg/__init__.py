"""A stand-in for the part of psycopg without async."""

from psycopg.connection import Connection as Connection

connect = Connection.connect
