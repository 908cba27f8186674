"""`dia serve`: answer requests of other programs over HTTP. Parses options, loads the model and runs the server."""

import argparse
import ipaddress
import logging
import os
import sys
import warnings
from collections.abc import Sequence
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dia.commands.options.early_checks import check_model
from dia.commands.options.models import add_model_options, load_model
from dia.commands.options.numbers import count

if TYPE_CHECKING:
    from socket import socket

    from dia.model import Dia

_EXAMPLES = """examples:
  dia serve
  dia serve --port 8080 --slots 8 --voices voices
  dia serve --host 0.0.0.0 --allow-public --wyoming 10200
  dia serve --host 0.0.0.0 --api-key-file key.txt --model nari-labs/Dia-1.6B-0626
  curl localhost:8000/v1/audio/speech -H "Content-Type: application/json" -o hello.mp3 \\
      -d '{"model": "tts-1", "voice": "alloy", "input": "Hello."}'

Programs that speak to OpenAI's API need another base URL: http://localhost:8000/v1. All addresses: /docs.
"""
_EXTRA = "pip install 'dia-tts[serve]'"
_KEY = "DIA_API_KEY"
_LONGEST_KEY = 4096  # bytes
_STOP_SECONDS = 10  # that open requests have to finish after Ctrl-C


def add_command(subparsers: Any, notice: str = "") -> None:
    """Add `serve` to the subparsers of `dia`; `notice` is appended to its help."""
    serve = subparsers.add_parser(
        "serve",
        usage="dia serve [options]",
        help="answer requests of other programs over HTTP",
        description="Answer requests of other programs over HTTP, with OpenAI's contract for speech.",
        epilog=f"{_EXAMPLES}\n{notice}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    serve.set_defaults(run=_serve)
    serve.add_argument("--host", default="127.0.0.1", help="address to listen on (default: this machine only)")
    serve.add_argument(
        "--port", type=_port, default=8000, help="port to listen on; 0 for any free one (default: 8000)"
    )
    serve.add_argument(
        "--wyoming", type=_port, metavar="PORT", help="port for the Wyoming protocol, such as 10200 for Home Assistant"
    )
    serve.add_argument("--voices", type=Path, metavar="FOLDER", help="folder of voices (default: that of `dia voice`)")
    serve.add_argument(
        "--no-watermark",
        dest="watermark",
        action="store_false",
        help="do not put an inaudible watermark into the sound",
    )
    access = serve.add_argument_group("access")
    access.add_argument(
        "--api-key", metavar="KEY", help=f"key that clients must send (default: ${_KEY}, if it is set)"
    )
    access.add_argument("--api-key-file", type=Path, metavar="FILE", help="file that contains the key")
    access.add_argument(
        "--allow-public", action="store_true", help="listen on an address of the network although there is no key"
    )
    access.add_argument(
        "--allow-host",
        action="append",
        default=[],
        metavar="NAME",
        help="name of this server that a proxy passes on as Host header; may be repeated",
    )
    group = serve.add_argument_group("model")
    add_model_options(group)
    group.add_argument(
        "--slots", type=count, metavar="N", help="clips to generate at once (default: 16 on a CPU, or 8)"
    )


def _serve(arguments: argparse.Namespace) -> int:
    key = _key(arguments)
    check_access(arguments.host, key, arguments.allow_public)
    if arguments.wyoming is not None and not (is_loopback(arguments.host) or arguments.allow_public):
        raise ValueError("--wyoming has no key, so others can use it. Pass --allow-public, or listen on 127.0.0.1.")
    check_extra(wyoming=arguments.wyoming is not None)
    check_model(arguments.model)
    _check_folder(arguments.voices)
    with ExitStack() as stack:
        sockets = [stack.enter_context(one) for one in _listen(arguments.host, arguments.wyoming)]
        run(load_model(arguments, hints=True), arguments, key, sockets)
    return 0


def _listen(host: str, port: int | None) -> "list[socket]":
    """Sockets for the Wyoming protocol, so that a port in use is known before the model is loaded."""
    if port is None:
        return []
    from dia.serving.wyoming.sockets import listen

    return listen(host, port)


def check_access(host: str, key: str | None, allow_public: bool) -> None:
    """Check that a server that others can reach has a key.

    Raises:
        ValueError: it has none, and this was not asked for.
    """
    if not (is_loopback(host) or key or allow_public):
        raise ValueError(
            f"--host {host} lets others use the server. Set --api-key-file FILE, or pass --allow-public to serve "
            f"without a key."
        )


def is_loopback(host: str) -> bool:
    """Whether only programs on this machine reach an address."""
    try:
        return host.lower() == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:  # the name of a machine
        return False


def host_names(host: str, allowed: Sequence[str] = ()) -> set[str]:
    """The names that the Host header may have; empty for any, if others can reach the server and no name is given."""
    if not (is_loopback(host) or allowed):
        return set()
    return {"localhost", "127.0.0.1", "::1", *(name.strip().lower() for name in (host, *allowed))}


def check_extra(wyoming: bool = False) -> None:
    """Check that the packages of the extra are installed.

    Args:
        wyoming: whether the one for the Wyoming protocol is needed, too.

    Raises:
        ImportError: one is missing; the message has the install command.
    """
    try:
        import fastapi  # noqa: F401
        import prometheus_client  # noqa: F401
        import python_multipart  # noqa: F401
        import uvicorn  # noqa: F401

        if wyoming:
            import_module("wyoming.tts")
    except ImportError as error:
        raise ImportError(f"dia serve needs {error.name}. Run: {_EXTRA}") from error


def run(model: "Dia", arguments: argparse.Namespace, key: str | None, wyoming: "Sequence[socket]" = ()) -> None:
    """Serve until a signal ends the process; on the sockets in `wyoming`, Wyoming."""
    import uvicorn

    from dia.runtime.warnings import DiaWarning
    from dia.serving.http.app import create_app
    from dia.serving.http.protocol import Protocol, allow_connections
    from dia.serving.limits import SWITCH_SECONDS

    # Problems with a script are for its client, and not for the log, since they contain its words.
    warnings.filterwarnings("ignore", category=DiaWarning)
    _log(logging.DEBUG if getattr(arguments, "debug", False) else logging.INFO)
    allow_connections()
    sys.setswitchinterval(SWITCH_SECONDS)
    hosts = host_names(arguments.host, arguments.allow_host)
    app = create_app(
        model,
        slots=arguments.slots,
        voices=arguments.voices,
        api_key=key,
        hosts=hosts,
        watermark=arguments.watermark,
        wyoming=wyoming,
    )
    config = uvicorn.Config(
        app,
        host=arguments.host,
        port=arguments.port,
        http=Protocol,
        ws="none",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_STOP_SECONDS,
    )
    uvicorn.Server(config).run()


def _log(level: int) -> None:
    """Print one line for each request, and errors, on standard error."""
    logger, handler = logging.getLogger("dia.serving"), logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logger.handlers, logger.propagate = [handler], False
    logger.setLevel(level)


def _key(arguments: argparse.Namespace) -> str | None:
    """The key from the options or the environment."""
    if arguments.api_key is not None and arguments.api_key_file is not None:
        raise ValueError("--api-key cannot be combined with --api-key-file; pass one of them.")
    given = arguments.api_key if arguments.api_key is not None else os.environ.get(_KEY)
    if arguments.api_key_file is not None:
        with open(arguments.api_key_file, encoding="utf-8") as file:
            given = file.read(_LONGEST_KEY)
    if given is None:
        return None
    if not given.strip() or not given.strip().isascii() or len(given.split()) > 1:
        raise ValueError("the API key must be one word of ASCII characters.")
    return given.strip()


def _check_folder(folder: Path | None) -> None:
    if folder is not None and folder.exists() and not folder.is_dir():
        raise ValueError(f"--voices: {folder} is not a folder.")


def _port(text: str) -> int:
    """A TCP port."""
    if not 0 <= (port := int(text)) <= 65_535:
        raise argparse.ArgumentTypeError(f"{text} must be 0 to 65535")
    return port


__all__ = ["add_command", "check_access", "check_extra", "is_loopback", "run"]
