"""Cases that block in database drivers and cloud clients without async."""

import contextlib
import sqlite3
import tempfile

import boto3
import MySQLdb
import psycopg
import psycopg2
import pymysql
import redis
from fastapi import APIRouter
from sqlalchemy import create_engine, text
from sqlalchemy.orm import Session

from app.loop_corpus.slow import HOST, PORT, URL

router = APIRouter()

COUNT = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 1200000) SELECT max(x) FROM n"


@router.get("/a_long_statement_of_sqlite")
async def a_long_statement_of_sqlite() -> int:
    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        return connection.execute(COUNT).fetchone()[0]


def write_note(path: str) -> None:
    with contextlib.closing(sqlite3.connect(path, timeout=0.2)) as connection:
        connection.execute("BEGIN IMMEDIATE")


@router.get("/a_locked_database")
async def a_locked_database() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/notes"
        with contextlib.closing(sqlite3.connect(path)) as other, contextlib.suppress(sqlite3.OperationalError):
            other.execute("BEGIN IMMEDIATE")
            write_note(path)


engine = create_engine("sqlite://")


@router.get("/an_orm_session_without_async")
async def an_orm_session_without_async() -> int:
    with Session(engine) as session:
        return session.execute(text(COUNT)).scalar_one()


@router.get("/psycopg2_connect")
async def psycopg2_connect() -> None:
    with psycopg2.connect(f"postgresql://{HOST}:{PORT}/shop") as connection:
        cursor = connection.cursor()
        cursor.execute("SELECT 1")
        cursor.fetchone()


@router.get("/psycopg_connect")
async def psycopg_connect() -> None:
    with psycopg.connect(f"postgresql://{HOST}:{PORT}/shop") as connection:
        connection.execute("SELECT 1")


@router.get("/pymysql_connect")
async def pymysql_connect() -> None:
    connection = pymysql.connect(host=HOST, port=PORT)
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


@router.get("/mysqlclient_connect")
async def mysqlclient_connect() -> None:
    MySQLdb.connect(host=HOST, port=PORT).query("SELECT 1")


cache = redis.Redis(host=HOST, port=PORT)


@router.get("/redis_get")
async def redis_get() -> bytes | None:
    return cache.get("key")


def remember(store: redis.Redis) -> None:
    with store.pipeline() as pipeline:
        pipeline.set("key", "value")
        pipeline.execute()


@router.get("/a_redis_pipeline_in_a_called_function")
async def a_redis_pipeline_in_a_called_function() -> None:
    remember(cache)


@router.get("/an_object_store")
async def an_object_store() -> None:
    boto3.client("s3", endpoint_url=URL).get_object(Bucket="pictures", Key="1")


@router.get("/a_queue_of_a_cloud")
async def a_queue_of_a_cloud() -> None:
    boto3.resource("sqs", endpoint_url=URL).Queue("orders").receive_messages(WaitTimeSeconds=1)
