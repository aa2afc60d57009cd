"""`/stream/tickets`: what lets a browser's own EventSource in."""

from __future__ import annotations

from typing import Any

from flask import Response
from flask_smorest import Blueprint
from marshmallow import Schema, fields

from app.api.access.access import READ, current_access, current_caller, needs
from app.api.access.tickets import VALID_S
from app.api.openapi import fails

bp = needs(READ)(
    Blueprint("tickets", __name__, url_prefix="/stream/tickets", description="Tickets for streams")
)


class TicketSchema(Schema):
    """Good once, for GET /infer/stream?ticket=..."""

    ticket = fields.String(required=True)
    expires_in_seconds = fields.Integer(required=True, metadata={"example": VALID_S})


@bp.post("")
@bp.response(201, TicketSchema)
@fails(bp, 503)
def issue() -> Any:
    """Return a one-use ticket for `GET /infer/stream?ticket=...`, where no header can be sent."""
    key = current_caller().key
    return {"ticket": current_access().tickets.issue(key.name if key else ""), "expires_in_seconds": VALID_S}


@bp.after_request
def keep_out_of_caches(answer: Response) -> Response:
    """Have nobody between here and the client keep a ticket."""
    answer.headers["Cache-Control"] = "no-store"
    return answer
