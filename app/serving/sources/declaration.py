"""What a client has declared of its source, as text that another worker can open the source by."""

from __future__ import annotations

import json
from dataclasses import asdict

from app.emg.auxiliary import AuxStream
from app.serving.sources.declared import Declared


def written(declared: Declared) -> bytes:
    """Return it as JSON."""
    return json.dumps(asdict(declared), separators=(",", ":")).encode()


def read(declaration: bytes) -> Declared:
    """Return what `written` has made a text of."""
    values = json.loads(declaration)
    aux = values.pop("aux")
    streams = None
    if aux is not None:
        streams = tuple(AuxStream(**{**one, "channel_names": tuple(one["channel_names"])}) for one in aux)
    return Declared(**values, aux=streams)
