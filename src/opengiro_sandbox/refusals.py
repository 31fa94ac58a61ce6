"""What the XS2A interface answers when it declines: the standard's codes and the statuses they travel with."""

import uuid
from collections.abc import Sequence

from starlette.responses import JSONResponse

from opengiro_sandbox.order import Complaint

STATUS = {
    "FORMAT_ERROR": 400,
    "PARAMETER_NOT_SUPPORTED": 400,
    "EXECUTION_DATE_INVALID": 400,
    "PERIOD_INVALID": 400,
    "PRODUCT_INVALID": 403,
    "RESOURCE_UNKNOWN": 404,
    "PRODUCT_UNKNOWN": 404,
    "SERVICE_INVALID": 405,
    "CANCELLATION_INVALID": 405,
    "STATUS_INVALID": 409,
    "SERVICE_UNAVAILABLE": 503,
}


class Refused(Exception):
    """The bank understood, declines, and nothing happened."""

    def __init__(self, code: str, text: str, path: str = "", status: int = 0) -> None:
        """Take the code and a sentence; `status` where the code's usual one does not fit."""
        super().__init__(text)
        self.complaints: Sequence[Complaint] = (Complaint(code, path, text),)
        self.status = status or STATUS[code]


class BadBody(Refused):
    """The body of an initiation breaks one rule or several."""

    def __init__(self, complaints: Sequence[Complaint]) -> None:
        """Take every complaint; the status is always 400."""
        super().__init__(complaints[0].code, complaints[0].text, status=400)
        self.complaints = complaints


def refusal_response(refused: Refused, request_id: str) -> JSONResponse:
    """Return the refusal as the standard's `tppMessages`."""
    messages = [_message(complaint) for complaint in refused.complaints]
    headers = {"X-Request-ID": request_id or str(uuid.uuid4())}
    if refused.status == 503:
        headers["Retry-After"] = "30"
    return JSONResponse({"tppMessages": messages}, refused.status, headers)


def _message(complaint: Complaint) -> dict[str, str]:
    message = {"category": "ERROR", "code": complaint.code, "text": complaint.text}
    return message | {"path": complaint.path} if complaint.path else message
