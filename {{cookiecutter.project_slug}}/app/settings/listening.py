"""The addresses on which the server listens, and the proxies that it trusts, in the form of gunicorn and uvicorn."""

import socket
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated

from pydantic import AfterValidator, BaseModel, Field

HOST = r"^(unix:/.+|[^:/*,\s]+|\[?[\da-fA-F.]*:[\da-fA-F.]*:[\da-fA-F.:]*(%\w+)?\]?)$"
"""The pattern of the setting HOST: the path of a unix socket, a host name, or an IP address; no URL and no port."""

IPV4_BITS = 96
"""The length in bits of the prefix ::ffff: in an IPv6 address that contains an IPv4 address, such as
::ffff:10.0.0.1."""


def bind_address(host: str, port: int) -> str:
    """Return the value of gunicorn's option --bind: an IPv6 address gets brackets, a unix socket has no port.

    Raises:
        SystemExit: no address of this machine is that of HOST; gunicorn itself would retry, and name no variable.
    """
    if host.startswith("unix:"):
        return host
    try:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
            probe.bind((host.strip("[]"), 0))
    except (OSError, UnicodeError):
        reason = "HOST is no address of this machine: set it to 0.0.0.0, for all addresses, or to 127.0.0.1"
        raise SystemExit(f"The service cannot start: {reason}.") from None
    return f"[{host}]:{port}" if ":" in host and not host.startswith("[") else f"{host}:{port}"


def trusted_networks(proxies: str) -> str:
    """Return the networks of trusted proxies, comma separated, each IPv4 network in its IPv6 form too.

    A server that listens on `::` sees a client with an IPv4 address as ::ffff:10.0.0.1, so both forms must be in the
    list.
    """
    if proxies.strip() == "*":
        return "*"
    given = _networks(proxies)
    mapped = [
        f"::ffff:{one.network_address}/{IPV4_BITS + one.prefixlen}" for one in given if isinstance(one, IPv4Network)
    ]
    return ",".join([*map(str, given), *mapped])


def trusts_everybody(proxies: str) -> bool:
    """Tell whether a list of proxies trusts every address, by `*` or by the network of all addresses."""
    return "*" in proxies or any(network.prefixlen == 0 for network in _networks(proxies))


def _networks(proxies: str) -> list[IPv4Network | IPv6Network]:
    return [ip_network(one.strip()) for one in proxies.split(",") if one.strip() not in {"", "*"}]


def _addresses(proxies: str) -> str:
    try:
        _networks(proxies)
    except ValueError:  # replace this error, whose message would show the value of the setting
        raise ValueError("write IP addresses and networks, such as 10.0.0.0/8, separated by commas") from None
    return proxies


Proxies = Annotated[str, AfterValidator(_addresses)]
"""Addresses of proxies, comma separated. A host name is refused, as it would never equal the address of a
connection."""


class ListeningSettings(BaseModel, use_attribute_docstrings=True):
    """The addresses and ports on which the service listens."""

    host: str = Field(default="127.0.0.1", pattern=HOST)
    """The address to listen on; 0.0.0.0 in a container, :: for IPv6 too, unix:/path for the socket of a proxy."""

    port: int = Field(default=8000, ge=1, le=65535)
    """The TCP port to listen on."""

    management_host: str = Field(default="127.0.0.1", pattern=r"^[^:/*,\s]+$|^[\da-fA-F:.]+$")
    """The address on which the management port listens: choose an address that strangers cannot reach."""

    management_port: int = Field(default=9464, ge=0, le=65535)
    """The management port: metrics, verbose readiness and the status page over TCP; 0 turns all three off."""
