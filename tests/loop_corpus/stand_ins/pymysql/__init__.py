"""Stands for PyMySQL."""

from pymysql.connections import Connection as Connection

connect = Connection
