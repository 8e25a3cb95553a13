"""A stand-in for a company's mirror of the package index: HTTPS with a certificate of a private authority."""

import hashlib
import io
import ssl
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import trustme

EXECUTABLE = 0o100755 << 16
"""The file attributes of an executable program in a zip file."""


def wheel(name: str, version: str, files: Mapping[str, str]) -> tuple[str, bytes]:
    """Build a wheel from text files, and return file name and content; files below `scripts/` become programs."""
    information = f"{name}-{version}.dist-info"
    contents = {
        **{path.replace("scripts/", f"{name}-{version}.data/scripts/"): text for path, text in files.items()},
        f"{information}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{information}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    contents[f"{information}/RECORD"] = "".join(f"{path},,\n" for path in [*contents, f"{information}/RECORD"])
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for path, text in contents.items():
            entry = zipfile.ZipInfo(path)
            entry.external_attr = EXECUTABLE
            archive.writestr(entry, text)
    return f"{name}-{version}-py3-none-any.whl", packed.getvalue()


class Mirror(ThreadingHTTPServer):
    """A package index on a free port of 127.0.0.1; `asked` records the user agent and the path of each request."""

    daemon_threads = True

    def __init__(self, packages: Mapping[str, bytes], folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Request)
        self.packages = packages
        self.asked: list[tuple[str, str]] = []
        authority = trustme.CA()
        self.authority = folder / "company-ca.pem"
        authority.cert_pem.write_to_path(self.authority)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1").configure_cert(context)
        self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    @property
    def address(self) -> str:
        """The URL of the package index."""
        return f"https://127.0.0.1:{self.server_port}/simple"

    def handle_error(self, *_: object) -> None:
        """Print no error about a client that does not trust the server's certificate."""


class _Request(BaseHTTPRequestHandler):
    server: Mirror

    def do_GET(self) -> None:
        """Answer with the index page of a package, or with the package itself."""
        self.server.asked.append((self.headers["user-agent"].split("/")[0], self.path))
        _, kind, name, *_ = self.path.split("/")
        if kind == "files":
            self._answer(self.server.packages[name], "application/octet-stream")
            return
        links = [
            f'<a href="/files/{file}#sha256={hashlib.sha256(content).hexdigest()}">{file}</a>'
            for file, content in self.server.packages.items()
            if file.startswith(f"{name}-")
        ]
        self._answer(f"<!DOCTYPE html><html><body>{''.join(links)}</body></html>".encode(), "text/html")

    def _answer(self, body: bytes, kind: str) -> None:
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    do_HEAD = do_GET  # noqa: N815 - the base class looks for this name

    def log_message(self, *_: object) -> None:
        """Override the server's log, so that no request is printed."""


@contextmanager
def mirror(packages: Mapping[str, bytes], folder: Path) -> Iterator[Mirror]:
    """Serve packages as a mirror until the block ends; the certificate of the authority is a file in the folder."""
    with Mirror(packages, folder) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
