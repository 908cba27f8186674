"""Sockets that listen, made before a model is loaded, so that a port in use is known early."""

import errno
import socket

# Of an address that the machine does not have, such as ::1 where IPv6 is turned off.
_ABSENT = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)


def listen(host: str, port: int) -> list[socket.socket]:
    """Sockets that listen on all addresses of a host; on one of them if the port is 0, which is any free one.

    Raises:
        OSError: the name of the host is unknown, this machine has none of its addresses, or the port is in use.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    sockets, absent = list[socket.socket](), OSError()
    for family, _, _, _, address in dict.fromkeys(found):
        try:
            sockets.append(socket.create_server(address[:2], family=family))
        except OSError as error:
            absent = OSError(error.errno, error.strerror, f"{host}:{port}")
            if error.errno in _ABSENT:
                continue
            for one in sockets:
                one.close()
            raise absent from error
        if port == 0:
            break
    if not sockets:
        raise absent
    return sockets


__all__ = ["listen"]
