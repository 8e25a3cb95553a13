"""Stands for psycopg, the part without async."""

from psycopg.connection import Connection as Connection

connect = Connection.connect
