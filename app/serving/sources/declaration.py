"""What a client has declared of its source, as text that another worker can open the source by."""

from __future__ import annotations

import json
from dataclasses import asdict

from app.emg.auxiliary import AuxStream
from app.errors import NotReadyError
from app.serving.sources.declared import Declared


def written(declared: Declared) -> bytes:
    """Return it as JSON."""
    return json.dumps(asdict(declared), separators=(",", ":")).encode()


def read(declaration: bytes) -> Declared:
    """Return what `written` has made a text of.

    Raises:
        NotReadyError: it has not; a worker of another version may write other things.
    """
    try:
        values = json.loads(declaration)
        aux = values.pop("aux")
        streams = None
        if aux is not None:
            streams = tuple(AuxStream(**{**one, "channel_names": tuple(one["channel_names"])}) for one in aux)
        found = Declared(**values, aux=streams)
        if not (isinstance(found.channels, int) and isinstance(found.sampling_rate, int | float)):
            raise TypeError("channels and sampling_rate are numbers")
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise NotReadyError(
            f"what another worker says of a source cannot be read here ({str(error)[:200]}): it may be of another "
            "version; try again when all are of one"
        ) from None
    return found
