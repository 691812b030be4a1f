"""The server.properties of a broker that is alone on its machine's loopback."""

import secrets
import socket
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

HOST = "127.0.0.1"
_FIRST = 10_000


def free_port() -> int:
    """A loopback port that nobody has at this moment.

    It is below those that the kernel gives to connections that go out: one of theirs could be taken
    before its server listens, or while it is started again.
    """
    while True:
        port = _FIRST + secrets.randbelow(_outgoing() - _FIRST) if _outgoing() > _FIRST else 0
        with socket.socket() as probe, suppress(OSError):
            probe.bind((HOST, port))
            return probe.getsockname()[1]


def _outgoing() -> int:
    """The first port for connections that go out; Linux says which, others begin higher up."""
    said = Path("/proc/sys/net/ipv4/ip_local_port_range")
    return int(said.read_text().split()[0]) if said.exists() else 49_152


def server_properties(
    data: Path,
    port: int,
    listeners: Mapping[str, tuple[int, str]],
    extra: Mapping[str, str],
) -> str:
    """The file's text: the plain listener on `port`, further ones, and lines that win over ours."""
    # The controller's port is anybody's: this broker alone talks to it, and only while it runs.
    controller = free_port()
    ports = {"PLAINTEXT": port} | {name: port for name, (port, _) in listeners.items()}
    protocols = {"PLAINTEXT": "PLAINTEXT", "CONTROLLER": "PLAINTEXT"}
    protocols |= {name: protocol for name, (_, protocol) in listeners.items()}
    advertised = [f"{name}://{HOST}:{port}" for name, port in ports.items()]
    lines = {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": f"1@{HOST}:{controller}",
        "controller.listener.names": "CONTROLLER",
        "listeners": ",".join([*advertised, f"CONTROLLER://{HOST}:{controller}"]),
        "advertised.listeners": ",".join(advertised),
        "listener.security.protocol.map": ",".join(map(":".join, protocols.items())),
        "inter.broker.listener.name": "PLAINTEXT",
        "log.dirs": str(data),
        "auto.create.topics.enable": "false",
        # One broker can't replicate, and nobody waits for members that may yet come.
        "offsets.topic.replication.factor": "1",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "share.coordinator.state.topic.replication.factor": "1",
        "share.coordinator.state.topic.min.isr": "1",
        "offsets.topic.num.partitions": "4",
        "transaction.state.log.num.partitions": "4",
        "group.initial.rebalance.delay.ms": "0",
        # After a SIGKILL a broker waits until its former self counts as gone.
        "broker.session.timeout.ms": "3000",
        "broker.heartbeat.interval.ms": "500",
    }
    return "".join(f"{name}={value}\n" for name, value in {**lines, **extra}.items())
