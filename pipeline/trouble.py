"""What goes wrong with a server, in a few words."""

import http.client

import requests
import urllib3.exceptions

from pipeline.errors import one_line

LONGEST_SHOWN = 60  # characters of what a server says


class Trouble(Exception):
    """Why a file did not come."""


class Cut(Trouble):
    """It broke off; worth another try if bytes came."""


class Busy(Trouble):
    """The server asks to come back."""


def shown(text: str) -> str:
    """What a server says, fit for a line on a terminal."""
    line = "".join(character for character in text if character.isprintable())
    return line if len(line) <= LONGEST_SHOWN else f"{line[:LONGEST_SHOWN]}..."


def understood(error: Exception, connect: float, silence: float) -> Trouble:
    """What an error of `requests` or `urllib3` means to a user who waited so many seconds."""
    if isinstance(error, requests.ConnectTimeout):
        return Trouble(f"no connection within {connect:g} s")
    if isinstance(error, (requests.Timeout, urllib3.exceptions.ReadTimeoutError)):
        return Cut(f"no answer within {silence:g} s")
    if isinstance(error, urllib3.exceptions.HTTPError):  # while the body is read
        return Cut("connection cut")
    if isinstance(error, requests.exceptions.SSLError):
        return Trouble("its certificate is not accepted")
    if isinstance(error, requests.ConnectionError):
        return _disconnected(error)
    return Trouble(shown(one_line(error)))


def _disconnected(error: requests.ConnectionError) -> Trouble:
    """Before the body; below `requests` there is `urllib3`, and below it what Python's own reader says."""
    causes = [cause for outer in error.args if isinstance(outer, Exception) for cause in outer.args]
    if any(isinstance(cause, http.client.RemoteDisconnected | ConnectionError) for cause in causes):
        return Trouble("the server closed the connection without an answer")
    if any(isinstance(cause, http.client.HTTPException) for cause in causes):
        return Trouble("the answer is not HTTP")
    return Trouble("host unreachable")
