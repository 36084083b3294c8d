"""The champion behind HTTP: pictures in, labels with likelihoods out, in the forms of MLflow's scoring protocol.

    POST /invocations   JSON, as `request_pictures.values_of` takes it, or the bytes of one picture file
    GET  /health, /ping, /version, and `/` for the page

Everything that comes from outside is bounded: bytes, pixels, pictures, time to send it, and pictures that wait.
"""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline import __version__
from pipeline.request_pictures import Limits, Refused, answers, from_file, to_pixels, values_of
from pipeline.serving_batches import Batches, Full
from pipeline.serving_champion import Serving

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

PAGE = Path(__file__).parent / "assets" / "serve.html"
JSON = "application/json"
FILES = ("image/", "application/octet-stream")  # content types of a picture file as it is
AGAIN = "1"  # seconds, after which a client that was refused for too much work may come back
POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; img-src blob:"


@dataclass(frozen=True)
class Patience:
    """How long is waited, in seconds, and how many pictures may wait."""

    request: float = 30.0
    most_waiting: int = 1024


@dataclass(frozen=True)
class Server:
    """What the endpoints share. `now` tells who serves: a request is answered by one version, whoever comes after."""

    now: Callable[[], Serving]
    batches: Batches
    limits: Limits
    patience: Patience

    async def invocations(self, request: "Request") -> "Response":
        from starlette.requests import ClientDisconnect
        from starlette.responses import JSONResponse

        try:
            read = self._reader(request)
            body = await self._body(request)
            serving = self.now()
            pixels = await asyncio.to_thread(read, body, serving)
            asked = self.batches.ask(serving.classifier, pixels)
            found = answers(await asyncio.wrap_future(asked), serving.classifier.labels)
        except Refused as error:
            return _refusal(str(error), error.status)
        except ClientDisconnect:
            return _refusal("nobody listens any more", 400)
        except Full:
            return _refusal("too many pictures wait", 503)
        version = {"name": serving.version.name, "version": serving.version.number}
        return JSONResponse({"predictions": found, "model": version})

    def _reader(self, request: "Request") -> Callable[[bytes, Serving], list[Any]]:
        """What reads the body of a request, by its content type."""
        kind, _, rest = request.headers.get("content-type", "").lower().partition(";")
        kind = kind.strip()
        if request.headers.get("content-encoding", "identity").lower() != "identity":
            raise Refused("a compressed body is not read: send it as it is", 415)
        if kind == JSON:
            if rest.strip() not in ("", "charset=utf-8", 'charset="utf-8"'):
                raise Refused("JSON is UTF-8 here", 415)
            return partial(_pictures, self.limits)
        if kind.startswith(FILES):
            return partial(_picture, self.limits)
        raise Refused(f"content type {kind or 'none'!r}: send {JSON}, or a picture file as image/...", 415)

    async def _body(self, request: "Request") -> bytes:
        most = self.limits.num_bytes
        too_large = Refused(f"the request has more than {most:,} bytes", 413)
        length = request.headers.get("content-length", "")
        if length.isdecimal() and int(length) > most:
            raise too_large
        body = bytearray()
        try:
            async with asyncio.timeout(self.patience.request):
                async for chunk in request.stream():
                    body += chunk
                    if len(body) > most:
                        raise too_large
        except TimeoutError as error:
            raise Refused(f"the request was not whole after {self.patience.request:g} s", 408) from error
        if not body:
            raise Refused("the request is empty")
        return bytes(body)

    async def health(self, request: "Request") -> "Response":
        from starlette.responses import JSONResponse

        return JSONResponse({"status": "ok"})

    async def version(self, request: "Request") -> "Response":
        from starlette.responses import JSONResponse

        return JSONResponse({"reprolens": __version__, "model": self.now().about()})


def _picture(limits: Limits, body: bytes, serving: Serving) -> list[Any]:
    return [from_file(body, limits, serving.classifier.size, serving.classifier.channels)]


def _pictures(limits: Limits, body: bytes, serving: Serving) -> list[Any]:
    try:
        payload = json.loads(body)
    except (ValueError, RecursionError) as error:  # a text that is no UTF-8 is a `ValueError`, too
        raise Refused("the request is no JSON") from error
    values = values_of(payload)
    if not values:
        raise Refused("the request holds no picture")
    if len(values) > limits.num_pictures:
        raise Refused(f"the request holds {len(values):,} pictures: send at most {limits.num_pictures:,}", 413)
    return [_one(number, value, limits, serving) for number, value in enumerate(values)]


def _one(number: int, value: Any, limits: Limits, serving: Serving) -> Any:
    try:
        return to_pixels(value, limits, serving.classifier.size, serving.classifier.channels)
    except Refused as error:
        raise Refused(f"picture {number}: {error}", error.status) from error


def _refusal(reason: str, status: int) -> "Response":
    """As MLflow's server words it. The connection is closed where the rest of a body is not read."""
    from starlette.responses import JSONResponse

    code = "BAD_REQUEST" if status < 500 else "TEMPORARILY_UNAVAILABLE"
    headers = {"retry-after": AGAIN} if status == 503 else {"connection": "close"} if status in (408, 413, 415) else {}
    return JSONResponse({"error_code": code, "message": reason}, status, headers)


def app(server: Server, page: bool) -> "Starlette":
    """The endpoints; `page`: whether `/` is one to try pictures on."""
    from starlette.applications import Starlette
    from starlette.responses import HTMLResponse
    from starlette.routing import Route

    async def show(request: "Request") -> "Response":
        return HTMLResponse(PAGE.read_text(encoding="utf-8"), headers={"content-security-policy": POLICY})

    routes = [
        Route("/invocations", server.invocations, methods=["POST"]),
        Route("/health", server.health),
        Route("/ping", server.health),
        Route("/version", server.version),
        *([Route("/", show)] if page else []),
    ]
    return Starlette(routes=routes)
