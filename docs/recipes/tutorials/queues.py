import os

import dramatiq
from celery import Celery
from dramatiq.brokers.redis import RedisBroker
from fastapi import FastAPI
from redis import Redis
from rq import Queue
from taskiq_redis import ListQueueBroker

url = os.environ["VALKEY_URL"]


def confirm(order):
    """Confirm an order."""


celery = Celery(broker=url)
confirm_by_celery = celery.task(name="confirm")(confirm)
rq = Queue(connection=Redis.from_url(url))
dramatiq.set_broker(RedisBroker(url=url))
confirm_by_dramatiq = dramatiq.actor(confirm, actor_name="confirm")
confirm_by_taskiq = ListQueueBroker(url).task("confirm")(confirm)
app = FastAPI()


@app.post("/celery")
async def by_celery():
    confirm_by_celery.delay(1)


@app.post("/rq")
async def by_rq():
    rq.enqueue("tasks.confirm", 1)


@app.post("/dramatiq")
async def by_dramatiq():
    confirm_by_dramatiq.send(1)


@app.post("/taskiq")
async def by_taskiq():
    await confirm_by_taskiq.kiq(1)
