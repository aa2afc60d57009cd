"""manifest.json: read without trusting it, written so that a person can read it (DESIGN.md section 6)."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any, NoReturn, TypeVar

import numpy as np

from app.errors import ArtefactError
from app.inference.control import ControlRule
from app.inference.decision_rule import DecisionRule
from app.inference.gestures.events import rule_set
from app.inference.manifest import FOREIGN, SCHEMA, TIME_FIRST, Manifest, Parent, Statistics, shown
from app.inference.outputs import LOGITS, VALUES, Outputs
from app.inference.strength import Effort
from app.inference.values import NamedValue

MAX_BYTES = 1 << 20  # a manifest is a few kilobytes; metrics of 25 people are some tens
MAX_DIGITS = 20  # Python 3.10 converts long integers in quadratic time

T = TypeVar("T")
Json = Mapping[str, Any]


def parse(text: bytes) -> Manifest:
    """Read a manifest.

    Raises:
        ArtefactError: whatever is wrong with it, in one line, whoever wrote it.
    """
    top = _object(decode(text), "the manifest")
    schema = _get(top, "", "schema", int)
    if schema != SCHEMA:
        raise ArtefactError(f"schema must be {SCHEMA}, got {shown(schema)}: another version wrote it")
    return _manifest(top)


def encode(manifest: Manifest) -> bytes:
    """Return the manifest as indented JSON.

    Raises:
        ArtefactError: `training`, `metrics`, `filters` or `hyper_parameters` hold what JSON cannot.
    """
    try:
        text = json.dumps(_layout(manifest), indent=2, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise ArtefactError(f"the manifest of {manifest.name} cannot be written as JSON: {error}") from None
    return (text + "\n").encode("ascii")


def _layout(manifest: Manifest) -> dict[str, Any]:
    parent = manifest.parent
    foreign = manifest.architecture == FOREIGN
    return {
        "schema": SCHEMA,
        "name": manifest.name,
        "version": manifest.version,
        "architecture": manifest.architecture,
        "hyper_parameters": dict(manifest.hyper_parameters),
        "input": {
            "channels": manifest.channels,
            "length": manifest.length,
            **({"context": manifest.context} if manifest.context else {}),
            "sampling_rate_hz": manifest.sampling_rate,
            "units": manifest.units,
            "filters": [dict(entry) for entry in manifest.filters],
            **({"layout": manifest.layout} if foreign else {}),
        },
        "normalisation": {"mean": manifest.mean.tolist(), "std": manifest.std.tolist()},
        **_of_classes(manifest),
        "steps": manifest.steps,
        "intensity": {"rest_rms": manifest.rest_rms, "active_rms": manifest.active_rms},
        **_efforts(manifest),
        **_decided(manifest),
        "parent": None if parent is None else {"name": parent.name, "sha256": parent.sha256},
        "training": dict(manifest.training),
        "metrics": dict(manifest.metrics),
        **({"outputs": _told(manifest.outputs)} if foreign or manifest.gives_values else {}),
        "files": dict(sorted(manifest.files.items())),
    }


def _of_classes(manifest: Manifest) -> dict[str, Any]:
    if manifest.gives_values:
        return {}
    return {"classes": list(manifest.classes), "rest_class": manifest.rest_class}


def _efforts(manifest: Manifest) -> dict[str, Any]:
    """Return how strong gestures are; nothing where the model knows of no person's effort."""
    if not manifest.strength:
        return {}
    return {"strength": {name: effort.as_json() for name, effort in manifest.strength.items()}}


def _told(outputs: Outputs) -> dict[str, Any]:
    values = {"values": [asdict(value) for value in outputs.values]} if outputs.values else {}
    return {"kind": outputs.kind, "name": outputs.name, **values}


def _decided(manifest: Manifest) -> dict[str, Any]:
    """Return what the model says of decisions; nothing where it says nothing, as models before version 2 do."""
    said: dict[str, Any] = {} if manifest.decision is None else {"decision": asdict(manifest.decision)}
    if manifest.gesture_rules is not None:
        said["gesture_rules"] = manifest.gesture_rules.fields
    if manifest.control is not None:
        said["control"] = asdict(manifest.control)
    return said if manifest.reject_below is None else {**said, "reject_below": manifest.reject_below}


def _manifest(top: Json) -> Manifest:
    emg = _get(top, "", "input", dict)
    statistics = _get(top, "", "normalisation", dict)
    intensity = _get(top, "", "intensity", dict)
    outputs = _outputs(top)
    if outputs.kind == VALUES:
        top = {"classes": [], "rest_class": "", **top}
    return Manifest(
        name=_get(top, "", "name", str),
        version=_get(top, "", "version", str),
        architecture=_get(top, "", "architecture", str),
        hyper_parameters=_get(top, "", "hyper_parameters", dict),
        channels=_get(emg, "input.", "channels", int),
        length=_get(emg, "input.", "length", int),
        context=_get({"context": 0, **emg}, "input.", "context", int),
        sampling_rate=_number(emg, "input.", "sampling_rate_hz"),
        units=_get(emg, "input.", "units", str),
        filters=tuple(_object(entry, "input.filters[]") for entry in _get(emg, "input.", "filters", list)),
        mean=_statistics(statistics, "mean"),
        std=_statistics(statistics, "std"),
        classes=tuple(_texts(top, "classes")),
        rest_class=_get(top, "", "rest_class", str),
        steps=_get(top, "", "steps", int),
        rest_rms=_number(intensity, "intensity.", "rest_rms"),
        active_rms=_number(intensity, "intensity.", "active_rms"),
        strength=_strength(top),
        decision=_decision(top),
        gesture_rules=None
        if top.get("gesture_rules") is None
        else rule_set(_get(top, "", "gesture_rules", dict)),
        control=_control(top),
        reject_below=_number_or_none(top, "", "reject_below"),
        parent=_parent(top),
        training=_get(top, "", "training", dict),
        metrics=_get(top, "", "metrics", dict),
        files=_files(top),
        layout=_text_or(emg, "input.", "layout", TIME_FIRST),
        outputs=outputs,
    )


def _decision(top: Json) -> DecisionRule | None:
    """Return the model's rule; what it leaves out is as for a model without one."""
    if top.get("decision") is None:
        return None
    given = _get(top, "", "decision", dict)
    known = [entry.name for entry in fields(DecisionRule)]
    for name in given:
        if name not in known:
            raise ArtefactError(f"decision has {shown(name)}; it takes {', '.join(known)}")
    values: dict[str, Any] = {
        name: _number_or_none(given, "decision.", name) for name in ("enter", "leave", "change")
    }
    if "votes" in given:
        values["votes"] = _get(given, "decision.", "votes", int)
    if "min_confidence" in given:
        values["min_confidence"] = _number(given, "decision.", "min_confidence")
    return DecisionRule(**values)


def _control(top: Json) -> ControlRule | None:
    """Return how values are made smooth; what it leaves out is as for a model that says nothing of it."""
    if top.get("control") is None:
        return None
    given = _get(top, "", "control", dict)
    known = [entry.name for entry in fields(ControlRule)]
    for name in given:
        if name not in known:
            raise ArtefactError(f"control has {shown(name)}; it takes {', '.join(known)}")
    values: dict[str, Any] = {
        name: _number(given, "control.", name) for name in known if given.get(name) is not None
    }
    return ControlRule(**values)


def _strength(top: Json) -> dict[str, Effort]:
    given = _get(top, "", "strength", dict) if "strength" in top else {}
    return {name: _effort(entry, f"strength.{name[:64]}") for name, entry in given.items()}


def _effort(entry: object, where: str) -> Effort:
    given = _object(entry, where)
    known = [one.name for one in fields(Effort)]
    for name in given:
        if name not in known:
            raise ArtefactError(f"{where} has {shown(name)}; it takes {', '.join(known)}")
    weights = _get(given, f"{where}.", "weights", list)
    return Effort(
        weights=tuple(_real(one, f"{where}.weights[]") for one in weights),
        rest_rms=_number(given, f"{where}.", "rest_rms"),
        comfortable_rms=_number(given, f"{where}.", "comfortable_rms"),
    )


def _outputs(top: Json) -> Outputs:
    given = _get(top, "", "outputs", dict) if "outputs" in top else {}
    kind = _text_or(given, "outputs.", "kind", LOGITS)
    listed = _get(given, "outputs.", "values", list) if "values" in given else []
    return Outputs(kind, _text_or(given, "outputs.", "name", ""), tuple(map(_named_value, listed)))


def _named_value(entry: object) -> NamedValue:
    given, where = _object(entry, "outputs.values[]"), "outputs.values[]."
    known = [one.name for one in fields(NamedValue)]
    for name in given:
        if name not in known:
            raise ArtefactError(f"outputs.values[] has {shown(name)}; it takes {', '.join(known)}")
    return NamedValue(
        name=_get(given, where, "name", str),
        low=_number(given, where, "low"),
        high=_number(given, where, "high"),
        units=_text_or(given, where, "units", ""),
        rest=_number_or_none(given, where, "rest"),
    )


def _text_or(where: Json, prefix: str, name: str, usual: str) -> str:
    return _get(where, prefix, name, str) if name in where else usual


def _parent(top: Json) -> Parent | None:
    if top.get("parent") is None:
        return None
    parent = _get(top, "", "parent", dict)
    return Parent(_get(parent, "parent.", "name", str), _get(parent, "parent.", "sha256", str))


def _files(top: Json) -> dict[str, str]:
    files = _get(top, "", "files", dict)
    return {name: _typed(digest, f"files[{shown(name)}]", str) for name, digest in files.items()}


def _texts(top: Json, name: str) -> list[str]:
    texts: list[str] = _get(top, "", name, list)
    for text in texts:
        _typed(text, f"{name}[]", str)
    return texts


def _statistics(statistics: Json, name: str) -> Statistics:
    where = f"normalisation.{name}"
    values = [_real(value, f"{where}[]") for value in _get(statistics, "normalisation.", name, list)]
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes inf, which Manifest refuses
        array = np.asarray(values, np.float32)
    array.setflags(write=False)
    return array


def _number(where: Json, prefix: str, name: str) -> float:
    return _real(_get(where, prefix, name, object), prefix + name)


def _number_or_none(where: Json, prefix: str, name: str) -> float | None:
    return None if where.get(name) is None else _number(where, prefix, name)


def _real(value: object, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ArtefactError(f"{where} must be a number, got {shown(value)}")
    return float(value)


def _get(where: Json, prefix: str, name: str, kind: type[T]) -> T:
    if name not in where:
        raise ArtefactError(f"{prefix}{name} is missing")
    return _typed(where[name], prefix + name, kind)


_KINDS = {str: "a text", int: "an integer", list: "a list", dict: "an object"}


def _typed(value: object, where: str, kind: type[T]) -> T:
    # JSON's true is an int to Python
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is int):
        raise ArtefactError(f"{where} must be {_KINDS[kind]}, got {shown(value)}")
    return value


def _object(value: object, where: str) -> dict[str, Any]:
    return _typed(value, where, dict)


def decode(text: bytes) -> object:
    """Return what the JSON says.

    Raises:
        ArtefactError: it is none, or more than a manifest holds.
    """
    if len(text) > MAX_BYTES:
        raise ArtefactError(f"it is larger than {MAX_BYTES} bytes")
    try:
        return json.loads(
            text,
            parse_int=_integer,
            parse_float=_finite,
            parse_constant=_refuse_constant,
            object_pairs_hook=_without_doubles,
        )
    except ValueError as error:  # syntax, encoding
        raise ArtefactError(f"it is not JSON: {error}") from None
    except RecursionError:
        raise ArtefactError("it is not JSON that we read: nested too deeply") from None


def _integer(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise ArtefactError(f"it holds a number of {len(digits)} digits")
    return int(digits)


def _finite(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise ArtefactError(f"it holds a number too large: {digits[:20]}")
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise ArtefactError(f"it holds {name}, which is not JSON")


def _without_doubles(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ArtefactError("it names a field twice")
    return found
