"""A stand-in for the package PyMySQL."""

from pymysql.connections import Connection as Connection

connect = Connection
