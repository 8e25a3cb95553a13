"""A service's image: built from the Dockerfile, run with a read-only root, without capabilities, with little memory."""

import json
import os
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.booted import database, is_ready, stub_downstreams
from tests.conftest import WORKSHOP
from tests.containers import BASE, HARDENED, Container, Podman, catches, make_stand_in, status_of
from tests.image_programs import EARLY, PACKAGES, SIZES, WRITE
from tests.programs import environment, free_port, must
from tests.repository import ROOT
from tests.waiting_rates import waiting_rates

if os.environ.get("IMAGE_TESTS") != "1":
    pytest.skip("`make image` builds and runs an image, with podman, in a minute or two", allow_module_level=True)

pytestmark = [
    pytest.mark.needs_program(name, f"apt-get install {name}") for name in ("podman", "runc", "mmdebstrap")
] + [pytest.mark.skipif(os.geteuid() != 0, reason="the containers' limits need the user root")]

IMAGE = "localhost/service:test"
ORDER = {"customer": "Ada", "lines": [{"sku": "TEA-1", "quantity": 2, "unit_price": "4.50"}]}

FOLDERS = ("/dev/shm", "/tmp", "/var/tmp", "/service", "/run")

PATIENT = {
    "DOWNSTREAMS__RATES__READ_TIMEOUT_SECONDS": "18",
    "DOWNSTREAMS__RATES__TIMEOUT_SECONDS": "19",
    "ROUTE_GROUPS__CONVERSIONS__DEADLINE_SECONDS": "20",
    "DOWNSTREAMS__RATES__ROUTE_GROUPS": "conversions",
}
"""Settings of a service with timeouts so long that a busy machine does not reach any."""

Service = Callable[[str], Path]


@dataclass(frozen=True)
class Image:
    """A service's built image, and the environment variables of the containers.

    They name this machine's PostgreSQL and a port. `services` are of compose.yaml, and `stubs` is the downstreams' URL.
    """

    podman: Podman
    variables: dict[str, str]
    services: dict[str, Any]
    stubs: str
    started: list[Container] = field(default_factory=list)

    def run(self, *command: str, **variables: str) -> tuple[int, str]:
        """Run a command in a container of the image to the end, and return exit code and output."""
        values = (self.variables | variables).items()
        options = [part for name, value in values for part in ("--env", f"{name}={value}")]
        done = self.podman.run("run", "--rm", *HARDENED, *options, IMAGE, *command)
        return done.returncode, done.stdout + done.stderr

    def start(self, *command: str, **variables: str) -> Container:
        """Start a container of the image in the background."""
        self.started.append(Container(self.podman, IMAGE, self.variables | variables, command))
        return self.started[-1]

    def start_service(self, name: str) -> Container:
        """Start a service of compose.yaml in a container, with this machine's database and downstreams."""
        service = self.services[name]
        confirmations = {"DOWNSTREAMS__CONFIRMATIONS__BASE_URL": f"{self.stubs}/confirmations"}
        return self.start(*service.get("command", ()), **service["environment"] | self.variables | confirmations)

    @property
    def address(self) -> str:
        """The base URL at which the container's service answers."""
        return f"http://127.0.0.1:{self.variables['PORT']}"


@pytest.fixture(scope="module")
def image(service: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    """Build the image of a service with all options, and migrate a database with the image."""
    folder = service("full")
    podman = Podman(Path(tempfile.mkdtemp(dir=os.environ[WORKSHOP])))
    try:
        podman.must("import", make_stand_in(), BASE)
        podman.build(folder, IMAGE)
        logs = tmp_path_factory.mktemp("logs")
        with database(folder, logs) as url, stub_downstreams(folder, logs) as stubs:
            services = yaml.safe_load((folder / "compose.yaml").read_text())["services"]
            nowhere = "http://127.0.0.1:9"
            built = Image(
                podman,
                {
                    "DATABASE_URL": url,
                    "DOWNSTREAMS__RATES__BASE_URL": nowhere,
                    "DOWNSTREAMS__CONFIRMATIONS__BASE_URL": nowhere,
                    "WEB_CONCURRENCY": "1",
                    "HOST": "127.0.0.1",
                    "PORT": str(free_port()),
                    "MANAGEMENT_PORT": str(free_port()),
                    "DRAIN_SECONDS": "1",
                },
                services,
                stubs,
            )
            code, printed = built.run(*services["migrate"]["command"])
            assert code == 0, printed
            yield built
    finally:
        podman.remove()


@pytest.fixture(autouse=True)
def _nothing_runs_on(image: Image) -> Iterator[None]:
    """Kill the containers that a failed test has left, because the next test uses the same port."""
    yield
    while image.started:
        image.started.pop().exit_code(seconds=0)


def test_the_user_is_a_number_and_the_command_has_no_shell(image: Image) -> None:
    config = image.podman.inspect("image", IMAGE)["Config"]

    assert isinstance(config, dict)
    assert (config["User"], config["Cmd"]) == ("10001:10001", ["python", "-m", "app.server"])


def test_the_image_is_its_base_and_its_packages(image: Image) -> None:
    """The image has hardly more than the base and the packages: no build tool, and no package twice."""
    base, whole = (int(str(image.podman.inspect("image", name)["Size"])) for name in (BASE, IMAGE))
    packages = int(image.run("python", "-c", SIZES, "/service/.venv")[1])
    tools = image.run("python", "-c", "import shutil; print(*map(shutil.which, ('uv', 'uvx', 'gcc', 'git')))")[1]

    sizes = f"{whole:,} bytes, of them {base:,} of the base, {packages:,} of packages"
    assert packages <= 150e6, sizes
    assert whole <= 1.05 * (base + packages), sizes
    assert tools.split() == ["None"] * 4


def plain(name: str) -> str:
    """Return a Python package's name in the normalised spelling."""
    return name.lower().replace("_", "-").replace(".", "-")


def test_the_list_of_packages_of_the_image_is_complete_and_its_archive_small(image: Image, tmp_path: Path) -> None:
    """The list of packages in the image is an SBOM in CycloneDX format, which a vulnerability scanner reads."""
    archive, listed = tmp_path / "image.tar", tmp_path / "sbom.json"
    image.podman.must("save", "--quiet", "--format", "oci-archive", "--output", archive, IMAGE)
    syft, form = str(ROOT / ".venv/bin/syft"), f"cyclonedx-json={listed}"
    offline = environment({"SYFT_CHECK_FOR_APP_UPDATE": "false"})
    must([syft, "scan", "--quiet", f"oci-archive:{archive}", "--output", form], tmp_path, env=offline)
    found = {(plain(part["name"]), part.get("version")) for part in json.loads(listed.read_text())["components"]}
    installed = json.loads(image.run("python", "-c", PACKAGES)[1])

    assert len(installed) > 30
    assert {(plain(name), version) for name, version in installed} <= found
    assert archive.stat().st_size <= 110e6


def test_a_check_of_the_settings_says_what_is_wrong(image: Image) -> None:
    check = ("python", "-m", "app.server", "--check-config")
    code, printed = image.run(*check, GRACEFUL_SHUTDOWN_SECONDS="40")

    assert image.run(*check) == (0, "")
    assert code == 1
    assert "GRACEFUL_SHUTDOWN_SECONDS must be less than TERMINATION_GRACE_SECONDS" in printed


def test_only_the_shared_memory_can_be_written(image: Image) -> None:
    assert image.run("python", "-c", WRITE, *FOLDERS) == (0, "/dev/shm\n")


def test_the_services_of_compose_are_healthy_and_do_a_job(image: Image) -> None:
    """The web service accepts an import; the worker does the job, and confirms each line to the downstream."""
    web, worker = image.start_service("service"), image.start_service("worker")
    with httpx.Client(base_url=f"{image.address}/api/v1", trust_env=False) as client:
        web.wait_for(lambda: web.run(*healthcheck(image.services["service"], image.variables["PORT"])) == 0)
        lines = {"content-type": "application/jsonl"}
        started = client.post("/orders/imports", content=json.dumps(ORDER), headers=lines)
        worker.wait_for(lambda: worker.log().count('"state":"succeeded"') == 2)
        done = client.get("/jobs").json()["jobs"]

    worker.terminate()
    web.terminate()

    assert started.status_code == 202
    assert {(job["kind"], job["state"]) for job in done} == {
        ("orders.import", "succeeded"),
        ("orders.confirm", "succeeded"),
    }
    assert (worker.exit_code(), web.exit_code()) == (0, 0)


def healthcheck(service: dict[str, Any], port: str) -> list[str]:
    """Return the command with which compose.yaml checks the service's health, at the port of this test."""
    kind, *command = service["healthcheck"]["test"]
    assert kind == "CMD"
    return [part.replace(":8000/", f":{port}/") for part in command]


def test_orders_are_served_and_sigterm_answers_ten_requests_in_flight(image: Image) -> None:
    """Ten requests that wait for a downstream when SIGTERM arrives are all answered."""
    with waiting_rates() as rates:
        web = image.start(DOWNSTREAMS__RATES__BASE_URL=rates.address, **PATIENT)
        with httpx.Client(base_url=image.address, trust_env=False) as client, ThreadPoolExecutor(10) as pool:
            web.wait_for(lambda: is_ready(client) is True)
            status = status_of(web.process_id())
            placed, other = (client.post("/api/v1/orders", json=ORDER) for _ in range(2))
            where = placed.headers["location"]
            found, paid = client.get(where), client.patch(where, json={"state": "paid"})
            gone = [client.delete(where).status_code, client.get(where).status_code]
            total = f"{image.address}{other.headers['location']}/total?currency=EUR"
            answers = [pool.submit(httpx.get, total, trust_env=False, timeout=30) for _ in range(10)]
            rates.wait_for(10)
            web.terminate()
            rates.answer(10)
            statuses = [answer.result().status_code for answer in answers]

    assert (placed.status_code, found.json(), paid.json()["state"], gone) == (201, placed.json(), "paid", [204, 404])
    assert (status["NSpid"].split()[-1], int(status["CapBnd"], 16), status["NoNewPrivs"]) == ("1", 0, "1")
    assert set(status["Uid"].split()) == {"10001"}
    assert statuses == [200] * 10
    assert web.exit_code() == 0


def test_sigterm_has_a_handler_before_the_first_large_package_is_imported(image: Image) -> None:
    """The kernel drops a signal for which process 1 has no handler, so that an early stop would last until SIGKILL."""
    assert image.run("python", "-c", EARLY) == (0, "")


@pytest.mark.parametrize("delay", [0.0, 0.2, 0.4, 0.8])
def test_sigterm_in_the_first_second_ends_the_service(image: Image, delay: float) -> None:
    web = image.start()
    process = web.process_id()
    web.wait_for(lambda: catches(process, signal.SIGTERM))

    time.sleep(delay)
    web.terminate()

    assert web.exit_code() == 0


@pytest.mark.skipif(os.environ.get("IMAGE_TWICE") != "1", reason="`make bench-image` builds the image twice more")
def test_two_builds_are_the_same_image(image: Image, service: Service) -> None:
    digests = set()
    for number in range(2):
        name = f"{IMAGE}-{number}"
        image.podman.build(service("full"), name, "--timestamp", "0")
        digests.add(str(image.podman.inspect("image", name)["Digest"]))

    assert len(digests) == 1
