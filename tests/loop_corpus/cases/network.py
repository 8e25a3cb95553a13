"""Cases that block in network clients without async: HTTP, name resolution, sockets, mail."""

import contextlib
import http.client
import select
import smtplib
import socket
import urllib.request
from urllib.request import urlopen as fetch

import httpx
import requests
import urllib3
from fastapi import APIRouter

from app.downstreams.client import httpx as own_client
from app.loop_corpus.slow import HOST, PORT, URL

router = APIRouter()


@router.get("/requests_get")
async def requests_get() -> int:
    return requests.get(URL, timeout=2).status_code


class Catalogue:
    def __init__(self) -> None:
        self.session = requests.Session()

    def product(self) -> str:
        return self.session.get(URL, timeout=2).text


@router.get("/a_requests_session_in_a_class")
async def a_requests_session_in_a_class() -> str:
    return Catalogue().product()


@router.get("/urllib_urlopen")
async def urllib_urlopen() -> int:
    with fetch(URL, timeout=2) as answer:
        return answer.status


@router.get("/urllib_with_an_opener")
async def urllib_with_an_opener() -> int:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(URL, timeout=2) as answer:
        return answer.status


@router.get("/http_client")
async def http_client() -> int:
    connection = http.client.HTTPConnection(HOST, PORT, timeout=2)
    connection.request("GET", "/")
    return connection.getresponse().status


@router.get("/httpx_without_async")
async def httpx_without_async() -> int:
    return httpx.get(URL, timeout=2, trust_env=False).status_code


def ask_with(client: own_client.Client) -> int:
    return client.get(URL).status_code


@router.get("/a_client_without_async_in_a_called_function")
async def a_client_without_async_in_a_called_function() -> int:
    with own_client.Client(trust_env=False, timeout=2) as client:
        return ask_with(client)


@router.get("/urllib3_pool")
async def urllib3_pool() -> int:
    return urllib3.PoolManager().request("GET", URL, timeout=2).status


@router.get("/an_address_looked_up")
async def an_address_looked_up() -> int:
    return len(socket.getaddrinfo("localhost", 80))


@router.get("/an_address_of_a_host")
async def an_address_of_a_host() -> str:
    return socket.gethostbyname("localhost")


@router.get("/a_plain_socket")
async def a_plain_socket() -> int:
    with socket.create_connection((HOST, PORT), timeout=2) as connection:
        connection.sendall(b"hello")
        return len(connection.recv(100))


@router.get("/a_socket_as_a_file")
async def a_socket_as_a_file() -> int:
    with socket.socket() as connection:
        connection.connect((HOST, PORT))
        stream = connection.makefile("rw")
        stream.write("hello\n")
        stream.flush()
        return len(stream.readline())


@router.get("/a_datagram_that_does_not_come")
async def a_datagram_that_does_not_come() -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as receiver, contextlib.suppress(TimeoutError):
        receiver.bind((HOST, 0))
        receiver.settimeout(0.2)
        receiver.recvfrom(100)


@router.get("/select_on_sockets")
async def select_on_sockets() -> None:
    select.select([], [], [], 0.5)


@router.get("/mail")
async def mail() -> None:
    with contextlib.suppress(OSError, smtplib.SMTPException), smtplib.SMTP(HOST, PORT, timeout=0.2) as server:
        server.sendmail("a@example.invalid", ["b@example.invalid"], "hello")
