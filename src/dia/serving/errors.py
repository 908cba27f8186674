"""The catalogue of errors: codes, messages and types, for every protocol. Independent of how it is sent."""

import logging
import math
from collections.abc import Iterable
from enum import Enum
from typing import Any

import torch

from dia.decoding.engine import EngineClosed, EngineFull
from dia.runtime.spelling import did_you_mean

logger = logging.getLogger(__name__)


class Code(Enum):
    """The errors.

    Attributes:
        status: the HTTP status.
        type: OpenAI's type of the error.
        retryable: whether the same request may succeed later.
    """

    status: int
    type: str
    retryable: bool

    def __new__(cls, status: int, type: str, retryable: bool) -> "Code":
        """Make an entry. Entries that are equal otherwise are still different errors."""
        self = object.__new__(cls)
        self._value_ = len(cls.__members__)
        self.status, self.type, self.retryable = status, type, retryable
        return self

    invalid_json = 400, "invalid_request_error", False
    invalid_value = 400, "invalid_request_error", False
    missing_parameter = 400, "invalid_request_error", False
    unknown_parameter = 400, "invalid_request_error", False
    input_too_long = 400, "invalid_request_error", False
    invalid_audio = 400, "invalid_request_error", False
    consent_missing = 400, "invalid_request_error", False
    invalid_host = 400, "invalid_request_error", False
    invalid_api_key = 401, "authentication_error", False
    origin_not_allowed = 403, "permission_error", False
    voice_protected = 403, "permission_error", False
    not_found = 404, "invalid_request_error", False
    model_not_found = 404, "invalid_request_error", False
    voice_not_found = 404, "invalid_request_error", False
    method_not_allowed = 405, "invalid_request_error", False
    body_timeout = 408, "invalid_request_error", True
    voice_exists = 409, "invalid_request_error", False
    body_too_large = 413, "invalid_request_error", False
    unsupported_media_type = 415, "invalid_request_error", False
    queue_full = 429, "rate_limit_error", True
    internal_error = 500, "server_error", False
    speech_failed = 500, "server_error", False
    overloaded = 503, "server_error", True
    not_ready = 503, "server_error", True
    storage_failed = 503, "server_error", True
    engine_stopped = 503, "server_error", False
    replica_lost = 503, "server_error", True
    out_of_memory = 503, "server_error", True
    stream_timeout = 504, "server_error", False
    reader_too_slow = 504, "server_error", False


class ServingError(Exception):
    """An error for a client.

    Args:
        code: the entry of the catalogue.
        message: the fact and the remedy.
        param: the parameter of the request that is wrong.
        retry_after: seconds after which to try again.
    """

    def __init__(self, code: Code, message: str, param: str | None = None, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.code, self.message, self.param, self.retry_after = code, message, param, retry_after

    @property
    def body(self) -> dict[str, dict[str, Any]]:
        """The error in OpenAI's shape."""
        return {
            "error": {
                "message": self.message,
                "type": self.code.type,
                "param": self.param,
                "code": self.code.name,
            }
        }

    @property
    def headers(self) -> dict[str, str]:
        """The headers that go with it, which the official clients obey when they try again."""
        found = {"x-should-retry": "true" if self.code.retryable else "false"}
        if self.code.retryable:
            found["retry-after"] = str(max(1, math.ceil(self.retry_after or 1.0)))
        if self.code is Code.invalid_api_key:
            found["www-authenticate"] = "Bearer"
        return found


# The names of the facade's arguments in a request.
_PARAMETERS = {
    "cfg_filter_top_k": "top_k",
    "cfg_scale": "guidance_scale",
    "audio_prompt_text": "ref_text",
    "audio_prompt": "ref_audio",
    "speaking_rate": "speed",
    "text": "input",
}


def as_serving_error(error: BaseException) -> ServingError:
    """The entry of the catalogue for an error of the synthesis. Unknown errors keep their message to themselves."""
    match error:
        case ServingError():
            return error
        case EngineFull():
            return ServingError(Code.overloaded, "all slots are in use; try again later.")
        case EngineClosed():
            return ServingError(Code.engine_stopped, "the engine has stopped; the server must be restarted.")
        case MemoryError() | torch.OutOfMemoryError():
            return ServingError(Code.out_of_memory, "there is not enough memory at the moment; try again later.")
        case TimeoutError():  # an OSError, too, so it comes first
            return ServingError(Code.stream_timeout, "the speech took too long. Send a shorter text.")
        case ImportError():
            return ServingError(Code.invalid_value, str(error), "response_format")
        case OSError():
            return ServingError(Code.storage_failed, "the server cannot read or write its files; try again later.")
        case ValueError():
            return input_error(error)
        case FloatingPointError():
            return ServingError(Code.speech_failed, "the model computed NaN for this request; try another seed.")
        case _:
            return ServingError(Code.internal_error, "internal error; the log of the server has its place.")


def logged(error: BaseException) -> ServingError:
    """As `as_serving_error`. An unknown error is written to the log, with its place."""
    known = as_serving_error(error)
    if known.code is Code.internal_error and known is not error:
        log_unexpected(error, "while generating")
    return known


def log_unexpected(error: BaseException, request: str) -> None:
    """One line without the words of the client, which the message of an error may contain."""
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    place = "?" if frame is None else f"{frame.tb_frame.f_code.co_filename}:{frame.tb_lineno}"
    logger.error("%s internal error: %s at %s", request, type(error).__name__, place)
    logger.debug("traceback of %s", request, exc_info=error)


def input_error(error: Exception, param: str = "input") -> ServingError:
    """The error for a `ValueError` or `TypeError` of the facade, in the names of a request."""
    message = str(error)
    first = message.partition(" ")[0].partition("=")[0]
    named = _PARAMETERS.get(first.rstrip(":"), param)
    for ours, theirs in _PARAMETERS.items():
        message = message.replace(ours, theirs) if ours != "text" else message
    return ServingError(Code.invalid_value, message, named)


def unknown_name(code: Code, what: str, given: str, known: Iterable[str], param: str) -> ServingError:
    """The error for a name that does not exist. It names the most similar one, or all of a few."""
    names = list(known)
    shown = ", ".join(names[:20]) + (", …" if len(names) > 20 else "")
    near = did_you_mean(given, names) or "."
    return ServingError(code, f"there is no {what} {given[:60]!r}{near} Known: {shown}", param)


__all__ = ["Code", "ServingError", "as_serving_error", "input_error", "log_unexpected", "logged", "unknown_name"]
