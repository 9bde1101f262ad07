"""Stripe's error bodies, as one exception that `api.py` turns into a response.

Source of types, codes and statuses: https://docs.stripe.com/api/errors and
https://docs.stripe.com/error-codes.
"""

from typing import Any


class ApiError(Exception):
    """An answer other than 2xx. `keep` says whether what the handler did is kept (a decline is)."""

    def __init__(
        self,
        status: int,
        kind: str,
        message: str,
        *,
        keep: bool = False,
        headers: dict[str, str] | None = None,
        **fields: Any,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.keep = keep
        self.headers = headers or {}
        self.fields: dict[str, Any] = {
            **{name: value for name, value in fields.items() if value is not None},
            "message": message,
            "type": kind,
        }

    def body(self, request_id: str) -> dict[str, Any]:
        """The JSON body; `request_log_url` names the request as Stripe's dashboard link does."""
        error = dict(self.fields)
        if self.status not in (401, 429):
            error["request_log_url"] = (
                f"https://dashboard.stripe.com/test/workbench/logs?object={request_id}"
            )
        if "code" in error:
            error["doc_url"] = "https://docs.stripe.com/error-codes/" + str(error["code"]).replace(
                "_", "-"
            )
        return {"error": dict(sorted(error.items()))}


def invalid_request(
    message: str, *, param: str | None = None, code: str | None = None, **fields: Any
) -> ApiError:
    """400 `invalid_request_error`."""
    return ApiError(400, "invalid_request_error", message, param=param, code=code, **fields)


def missing_resource(noun: str, object_id: str, param: str = "id") -> ApiError:
    """404 when the path names it, 400 when a parameter does: `No such customer: 'cus_…'`."""
    status = 404 if param in ("id", "intent", "session", "payment_method_path") else 400
    named = "payment_method" if param == "payment_method_path" else param
    return ApiError(
        status,
        "invalid_request_error",
        f"No such {noun}: '{object_id}'",
        param=named,
        code="resource_missing",
    )


def missing_param(name: str) -> ApiError:
    """400 for a parameter Stripe requires."""
    return invalid_request(f"Missing required param: {name}.", param=name, code="parameter_missing")


def unknown_path(method: str, path: str) -> ApiError:
    """404 for an address Stripe doesn't have."""
    return ApiError(
        404,
        "invalid_request_error",
        f"Unrecognized request URL ({method}: {path}). Please see https://stripe.com/docs or we "
        "can help at https://support.stripe.com/.",
    )


def unauthorized(key: str | None) -> ApiError:
    """401: no key, a key of the wrong form, or a live key (which this stand-in refuses)."""
    if not key:
        message = (
            "You did not provide an API key. You need to provide your API key in the Authorization "
            "header, using Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY')."
        )
    elif "_live_" in key:
        message = "A live API key was sent to a local stand-in for Stripe. Use a test key."
    else:
        message = f"Invalid API Key provided: {masked(key)}"
    return ApiError(401, "invalid_request_error", message)


def masked(key: str) -> str:
    """A key with its middle hidden, as Stripe shows it."""
    if len(key) <= 12:
        return key[:4] + "*" * max(0, len(key) - 4)
    return key[:8] + "*" * (len(key) - 12) + key[-4:]


def rate_limited(reason: str = "global-rate") -> ApiError:
    """429 for too many requests. Like Stripe's, it tells the client not to retry by itself."""
    return ApiError(
        429,
        "invalid_request_error",
        "Request rate limit exceeded. Learn more about rate limits here "
        "https://stripe.com/docs/rate-limits.",
        code="rate_limit",
        headers={"Stripe-Should-Retry": "false", "Stripe-Rate-Limited-Reason": reason},
    )


def lock_timeout() -> ApiError:
    """429 for an object that another request holds."""
    return ApiError(
        429,
        "invalid_request_error",
        "This object cannot be accessed right now because another API request or Stripe process "
        "is currently accessing it. If you see this error intermittently, retry the request.",
        code="lock_timeout",
        headers={"Stripe-Should-Retry": "true"},
    )


def internal_error() -> ApiError:
    """500."""
    return ApiError(
        500,
        "api_error",
        "An unknown error occurred",
        headers={"Stripe-Should-Retry": "true"},
    )
