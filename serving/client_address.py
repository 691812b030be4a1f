"""Whose request it is, as far as it can be believed."""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from litestar.types import Scope

Address = IPv4Address | IPv6Address
Networks = tuple[IPv4Network | IPv6Network, ...]


def client_address(scope: Scope, trusted: Networks) -> Address | None:
    """The client's address; None where the connection is no network's.

    It is the peer's, unless that is a trusted proxy: then it is the last in X-Forwarded-For that is
    none, as each proxy adds the peer that it saw and what stands before was sent by anybody.
    """
    peer = scope["client"]
    found = _parsed(peer[0]) if peer else None
    if found is None or not _within(found, trusted):
        return found
    lines = [value for name, value in scope["headers"] if name == b"x-forwarded-for"]
    for part in reversed(b",".join(lines).decode("latin-1").split(",")):
        hop = _parsed(part.strip())
        if hop is None:
            return found
        found = hop
        if not _within(hop, trusted):
            break
    return found


def network_of(address: Address | None) -> str:
    """What to count a client by: an IPv6 host has the 2^64 addresses of its network."""
    if isinstance(address, IPv6Address):
        return str(ip_network((address, 64), strict=False))
    return str(address)


def _within(address: Address, networks: Networks) -> bool:
    return any(address in network for network in networks)


def _parsed(text: str) -> Address | None:
    """The address in `1.2.3.4`, `1.2.3.4:80`, `::1` or `[::1]:80`; None for anything else."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        found = ip_address(text)
    except ValueError:
        return None
    return (found.ipv4_mapped if isinstance(found, IPv6Address) else None) or found
