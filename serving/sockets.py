"""The sockets that a service listens on, which all of its workers share."""

import ctypes
import errno
import logging
import socket
import struct

from fraud_platform.errors import PredictFlowError
from fraud_platform.settings import Serving

BACKLOG = 2048
"""Connections that may wait to be accepted."""

_SO_ATTACH_FILTER = 26
_FLAGS_OF_TCP, _SYN = 13, 0x02
# Of each packet: its flags; where SYN is set, none of it, else all.
_NO_SYN = ((0x30, 0, 0, _FLAGS_OF_TCP), (0x45, 0, 1, _SYN), (0x06, 0, 0, 0), (0x06, 0, 0, 0xFFFF))

logger = logging.getLogger("predictflow.serving")


def listen(serving: Serving) -> list[socket.socket]:
    """The public listener, and the admin's where there is one; raises PredictFlowError."""
    public = _listen(serving.host, serving.port, "serving.port", "serving.host")
    if serving.admin_port is None:
        return [public]
    try:
        admin = _listen(
            serving.admin_host, serving.admin_port, "serving.admin_port", "serving.admin_host"
        )
    except PredictFlowError:
        public.close()
        raise
    return [public, admin]


def address_of(listener: socket.socket) -> str:
    """Where a listener answers, as a URL."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def hold_off(listener: socket.socket) -> None:
    """Lets no further connection begin; those that wait to be accepted can be, and are answered.

    Closing a listener resets what waits in it, so this comes before the last look. Who tries to
    connect meanwhile hears nothing and tries again a second later, when the next service listens
    there or nobody does. Linux alone can do it.
    """
    code = b"".join(struct.pack("HBBI", *step) for step in _NO_SYN)
    steps = ctypes.create_string_buffer(code, len(code))
    program = struct.pack("HP", len(_NO_SYN), ctypes.addressof(steps))
    try:
        listener.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)
    except OSError as error:
        fields = {"reason": f"{error.strerror}; a connection made in the last moment may be reset"}
        logger.warning("hold_off_failed", extra={"fields": fields})


def _listen(host: str, port: int, port_name: str, host_name: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        where = f"port {port} on {host} (settings {port_name} and {host_name})"
        match error.errno:
            case errno.EADDRINUSE:
                mend = "is in use; stop what listens there or set another port (0 takes a free one)"
            case errno.EACCES:
                mend = "may not be taken by this user; set a port over 1023"
            case _:
                mend = f"cannot be listened on: {error.strerror}; set an address of this machine"
        raise PredictFlowError(f"{where} {mend}") from error
