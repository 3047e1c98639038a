"""What the text after `--master` means, and whether somebody answers there."""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass
from urllib.parse import urlsplit

from gramian.errors import SetupError, UsageError

SECONDS = 20.0  # in which a cluster must have answered
CONNECT_PORT = 15002  # of a Spark Connect server whose URL names none

_LOCAL = re.compile(r"local(\[(\*|\d+)(, *\d+)?\])?")
_LOCAL_CLUSTER = re.compile(r"local-cluster\[ *\d+ *, *\d+ *, *\d+ *\]")
EXAMPLES = "local[*], spark://host:7077, sc://host:15002 (Spark Connect), yarn or k8s://host:443"


@dataclass(frozen=True)
class Master:
    """A place that runs Spark jobs. `connect`: by way of Spark Connect. `here`: all its processes are on this machine.

    `addresses` are those where somebody must listen; the first that does will do.
    """

    url: str
    connect: bool
    here: bool
    addresses: tuple[tuple[str, int], ...] = ()

    def check(self, seconds: float = SECONDS) -> None:
        """
        Raises:
            SetupError: nobody listens there.
        """
        reasons = []
        for address in self.addresses:
            try:
                socket.create_connection(address, timeout=seconds / len(self.addresses)).close()
                return
            except OSError as error:
                reasons.append(f"{address[0]}:{address[1]}: {error.strerror or error}")
        if reasons:
            what = "Spark Connect server" if self.connect else "Spark master"
            raise SetupError(
                f"no {what} answers at {self.url} ({'; '.join(reasons)})",
                f"start one, or check host and port; `gramian doctor --master {self.url}` tells when it is there",
            )


def parse(text: str | None) -> Master:
    """The master that a URL names; all cores of this machine if there is none.

    Raises:
        UsageError: it is not a master's URL.
    """
    url = (text or "local[*]").strip()
    if _LOCAL.fullmatch(url) or _LOCAL_CLUSTER.fullmatch(url):
        return Master(url, connect=False, here=True)
    if url == "yarn" or url.startswith("k8s://"):
        return Master(url, connect=False, here=False)
    try:
        if url.startswith("spark://"):
            addresses = tuple(_address(f"spark://{part}", None) for part in url[len("spark://") :].split(","))
            return Master(url, connect=False, here=_all_here(addresses), addresses=addresses)
        if url.startswith("sc://"):
            addresses = (_address(url, CONNECT_PORT),)
            return Master(url, connect=True, here=_all_here(addresses), addresses=addresses)
    except ValueError:
        pass
    raise UsageError(f"'{url}' is no Spark master; examples: {EXAMPLES}")


def _address(url: str, usual: int | None) -> tuple[str, int]:
    parts = urlsplit(url)
    port = parts.port or usual
    if not parts.hostname or port is None:
        raise ValueError(url)
    return parts.hostname, port


def _all_here(addresses: tuple[tuple[str, int], ...]) -> bool:
    return all(host in ("localhost", "127.0.0.1", "::1") for host, _ in addresses)
