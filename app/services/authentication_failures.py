"""Wrong tokens: remembered for a moment, and limited per address."""

from __future__ import annotations

import re
import threading
import time
from ipaddress import IPv6Address, IPv6Network, ip_address
from typing import TYPE_CHECKING, TypeVar

from app.domain.allowances import LeakyBucket
from app.errors import RateLimited

if TYPE_CHECKING:
    from collections.abc import Callable

K = TypeVar("K")
V = TypeVar("V")

_MOST_REMEMBERED = 10_000  # of tokens, and of addresses
_LONGEST_ADDRESS = 64
# Some proxies, such as Azure's, add the port, which differs for each connection.
_WITH_PORT = re.compile(r"([0-9.]+):[0-9]+|\[(.+)\](?::[0-9]+)?", re.ASCII)
_SITE = 64  # bits of an IPv6 prefix: one client usually has all addresses of a /64


class WrongTokens:
    """The wrong tokens that one process has seen, in bounded memory.

    A token is remembered for `remember` seconds: a token whose owner is activated again by another
    process is refused for that long. An address may send `rate` wrong tokens per second, and that
    many at once; 0 is any number.
    """

    def __init__(
        self, *, rate: int, remember: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.rate = rate
        self._remember = remember
        self._clock = clock
        self._known: dict[bytes, float] = {}
        self._buckets: dict[str, LeakyBucket] = {}
        self._lock = threading.Lock()

    def knows(self, token_hash: bytes) -> bool:
        until = self._known.get(token_hash)
        return until is not None and until > self._clock()

    def add(self, token_hash: bytes, looked_up_at: float) -> None:
        with self._lock:
            _keep(self._known, token_hash, looked_up_at + self._remember)

    def forget(self) -> None:
        """Forget the tokens, not how many each address has sent."""
        with self._lock:
            self._known.clear()

    def count(self, address: str) -> None:
        """Count a wrong token of this address; raises RateLimited where it has sent too many."""
        if not self.rate:
            return
        now, site = self._clock(), _site(address)
        with self._lock:
            bucket = self._buckets.pop(site, None) or LeakyBucket(self.rate, 0.0, now)
            _keep(self._buckets, site, bucket)  # as the newest
            if not bucket.take(now):
                detail = f"An address may send {self.rate} wrong tokens per second."
                raise RateLimited(detail, bucket.wait)


def _keep(known: dict[K, V], key: K, value: V) -> None:
    """Add it; where there are too many, drop the oldest."""
    if key not in known and len(known) >= _MOST_REMEMBERED:
        del known[next(iter(known))]
    known[key] = value


def _site(address: str) -> str:
    """The address without its port, and of IPv6 the network that is one client's."""
    if match := _WITH_PORT.fullmatch(address):
        address = match[1] or match[2]
    try:
        parsed = ip_address(address)
    except ValueError:  # some proxies send a name of their own
        return address[:_LONGEST_ADDRESS]
    if not isinstance(parsed, IPv6Address):
        return address
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(IPv6Network((int(parsed), _SITE), strict=False))
