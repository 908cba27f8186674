"""Sockets that listen, made before a model is loaded, so that a port in use is known early."""

import socket


def listen(host: str, port: int) -> list[socket.socket]:
    """Sockets that listen on all addresses of a host.

    Raises:
        OSError: the name of the host is unknown, or the port is in use.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    sockets = list[socket.socket]()
    try:
        for family, _, _, _, address in dict.fromkeys(found):
            if port == 0 and sockets:
                break  # a second address would get another port
            sockets.append(socket.create_server(address[:2], family=family))
    except OSError as error:
        for one in sockets:
            one.close()
        raise OSError(error.errno, error.strerror, f"{host}:{port}") from error
    return sockets


__all__ = ["listen"]
