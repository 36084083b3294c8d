"""`reprolens serve`: the champion behind HTTP, until Ctrl-C or SIGTERM; a new champion takes over without a pause."""

import errno
import os
import socket
from contextlib import closing, suppress

from pipeline import params_file, paths, prediction_server, registry
from pipeline.errors import UserError
from pipeline.lifecycle.tune import terminated_as_interrupted
from pipeline.prediction_server import Patience, Server
from pipeline.request_pictures import Limits
from pipeline.serving_batches import Batches
from pipeline.serving_champion import Champion

LAST_ANSWERS = 30  # seconds that requests get to be answered after SIGTERM
WAITING = 2048  # connections that the system keeps waiting


def serve(name: str | None, host: str, port: int, every: float, limits: Limits, page: bool) -> None:
    """Answers until it is told to end.

    Args:
        name: of the registered model; None: that of the data set in params.yaml.
        every: seconds between looks for a new champion.

    Raises:
        UserError: the port is taken, there is no champion, or the registry is away.
    """
    import uvicorn

    with closing(_listening(host, port)) as place:
        client = registry.connect()
        model = name or registry.model_name(params_file.load(paths.PARAMS))
        patience = Patience()
        with Champion(client, model, every) as champion:
            batches = Batches(patience.most_waiting)
            app = prediction_server.app(Server(lambda: champion.now, batches, limits, patience), page)
            config = uvicorn.Config(
                app, log_level="warning", access_log=False, lifespan="off", timeout_graceful_shutdown=LAST_ANSWERS
            )
            version = champion.now.version
            print(f"serving version {version.number} of {version.name} at {_address(place)}", flush=True)
            with suppress(KeyboardInterrupt), terminated_as_interrupted():  # which uvicorn raises again at its end
                uvicorn.Server(config).run(sockets=[place])
            batches.close()


def _listening(host: str, port: int) -> socket.socket:
    """A socket that takes connections already, so that nobody else can take the port while the model loads."""
    try:
        family, kind, number, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        found = socket.socket(family, kind, number)
        if os.name == "posix":  # elsewhere it would let two servers share a port
            found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind(place)
        found.listen(WAITING)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise UserError(f"port {port} of {host} is taken: end the program there, or give another --port") from error
        raise UserError(f"cannot listen at {host}, port {port}: {error.strerror or error}") from error
    return found


def _address(place: socket.socket) -> str:
    host, port = place.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
