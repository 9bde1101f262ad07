"""Answering with a download."""

from __future__ import annotations

from http import HTTPStatus

from flask import make_response, render_template, request
from werkzeug.wrappers import Response

from billing.revenue.exports.streaming import Download, Make, NoPlaceError
from billing.staff.audit_trail import Detail
from billing.staff.guard import signed_in
from billing.web import runtime


def send(make: Make, detail: Detail, filename: str, kind: str) -> Response:
    """Answer with a download, or say that there is no place for one just now."""
    try:
        body = Download(runtime(), make, staff_member_id=signed_in().staff_member_id, detail=detail)
    except NoPlaceError:
        page = render_template(
            "revenue/export_refused.html", back=request.full_path.rstrip("?"), staff=signed_in()
        )
        headers = {"Retry-After": "60"}
        return make_response(page, HTTPStatus.SERVICE_UNAVAILABLE, headers)
    response = Response(body, content_type=f"{kind}; charset=utf-8")
    response.headers["Content-Disposition"] = f'attachment; filename="{filename}"'
    return response
