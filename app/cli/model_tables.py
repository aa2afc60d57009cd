"""What `flask model` prints: models, accuracy and decisions, as lines of text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from app.counted import counted

if TYPE_CHECKING:
    from app.inference.artefact import Artefact


def model_row(model: Artefact, others: Sequence[Artefact], *, read_only: bool) -> dict[str, Any]:
    """Return what `model list --json` says of a model: what GET /models says, and the input as plain fields."""
    from app.inference.description import described

    manifest = model.manifest
    return {
        **described(model, others),
        "name": manifest.name,
        "version": manifest.version,
        "architecture": manifest.architecture,
        "channels": manifest.channels,
        "length": manifest.length,
        "context": manifest.context,
        "sampling_rate_hz": manifest.sampling_rate,
        "classes": list(manifest.classes),
        "parent": manifest.parent.name if manifest.parent else None,
        "metrics": dict(manifest.metrics),
        "read_only": read_only,
    }


def list_line(row: dict[str, Any]) -> str:
    """Return the same as a line of text."""
    before = f" after {row['context']}" if row["context"] else ""
    window = f"{row['length']}{before} x {row['channels']} at {row['sampling_rate_hz']:g} Hz"
    known = f"{row['name']}  {row['version']}  {row['sha256'][:8]}  {row['architecture']}"
    made_from = f"  (from {row['parent']})" if row["parent"] else ""
    with_code = "  (came with the code)" if row["read_only"] else ""
    return f"{known}  {window}  {', '.join(row['classes'] or _values(row))}{made_from}{with_code}"


def _values(row: dict[str, Any]) -> list[str]:
    """Return the values that a model gives, with their ranges and units."""
    return [
        f"{value['name']} {value['low']:g}..{value['high']:g} {value['units'] or ''}".rstrip()
        for value in row["outputs"]["values"]
    ]


def accuracy_table(report: dict[str, Any]) -> str:
    """Return the accuracy of each person beside that of LDA, as lines of text."""
    baseline = {one["person"]: one for one in report["lda"]["people"]} if report["lda"] else {}
    lines = [
        f"{report['model']}, {report['split']}, {counted(report['windows'], 'window')}",
        "person      accuracy  balanced  active    LDA balanced",
    ]
    for one in [*report["people"], {"person": "mean", **report}]:
        classic = report["lda"] if one["person"] == "mean" else baseline.get(one["person"])
        lda = f"{classic['balanced_accuracy']:.3f}" if classic else "-"
        found = (one[k] for k in ("accuracy", "balanced_accuracy", "active_accuracy"))
        figures = "     ".join("-    " if value is None else f"{value:.3f}" for value in found)
        lines.append(f"{one['person']:10}  {figures}     {lda}")
    spread = report["spread"]["balanced_accuracy"]
    lines.append(
        f"balanced accuracy over people: sd {spread['sd']:.3f}, {spread['min']:.3f}-{spread['max']:.3f}"
    )
    lines += _sets(report)
    if report["aligned"]:
        level = report["aligned"]["balanced_accuracy"]
        lines.append(f"each session aligned by its own signal, without labels: balanced {level:.3f}")
    if report.get("as_it_is"):
        lines += _without_labels(report)
    recalls = zip(report["classes"], report["per_class_recall"], strict=True)
    lines.append("recall: " + ", ".join(f"{k} {'-' if r is None else f'{r:.2f}'}" for k, r in recalls))
    return "\n".join(lines)


def _sets(report: dict[str, Any]) -> list[str]:
    """Return the figures of each set, where several were judged in one run."""
    lines = []
    for name, one in report.get("sets", {}).items():
        beside = {"as it is": one.get("as_it_is"), "LDA": one["lda"], "shuffled labels": one.get("shuffled")}
        others = [f"{what} {found['balanced_accuracy']:.3f}" for what, found in beside.items() if found]
        spread = one["spread"]["balanced_accuracy"]
        of = counted(len(one["people"]), "person", "people")
        figures = f"balanced {one['balanced_accuracy']:.3f}, sd {spread['sd']:.3f}, worst {spread['min']:.3f}"
        lines.append(", ".join([f"{name}, {of}: {figures}", *others]))
    return lines


FIGURES = (  # of a row of decisions: its name, the column's title, digits
    ("gestures_found", "found", 3),
    ("time_to_first_correct_s", "first, s", 2),
    ("false_activations_per_rest_minute", "false/min", 2),
    ("false_activations_per_rest_hour", "false/h", 0),
    ("back_at_rest_s", "back, s", 2),
    ("never_back_at_rest", "never", 3),
    ("right", "right", 3),
    ("right_balanced", "balanced", 3),
    ("stability", "stability", 3),
    ("change_right_in_first_second", "changes", 3),
)


def _without_labels(report: dict[str, Any]) -> list[str]:
    """Return what the same windows say of the model before it saw a minute of each session."""
    before, lda = report["as_it_is"], report["lda"]
    classic = f"LDA {lda['balanced_accuracy']:.3f}, " if lda else ""
    minutes = ", ".join(f"{count} {outcome}" for outcome, count in report["minutes"].items())
    return [
        f"as it is: balanced {before['balanced_accuracy']:.3f}, sd {before['spread']['balanced_accuracy']['sd']:.3f}; "
        f"{classic}chance {report['chance']:.3f}",
        f"sessions: {minutes}",
    ]


def decision_table(report: dict[str, Any]) -> str:
    """Return the quality of decisions by votes and min_confidence, by thresholds, and by the model's own rule."""
    return "\n".join(
        [
            f"{report['model']}, {report['split']}, replayed at {report['fps']:g} windows a second",
            _line(("votes", "min_confidence"), [title for _, title, _ in FIGURES]),
            *(_row(row, ("votes", "min_confidence")) for row in report["decisions"]),
            _line(("enter", "leave", "change"), [title for _, title, _ in FIGURES]),
            *(_row(row, ("enter", "leave", "change")) for row in report["hysteresis"]),
            f"the model's own rule: {_said(report['default'])}",
            _row(report["default"], ()),
        ]
    )


def _said(row: dict[str, Any]) -> str:
    names = ("votes", "min_confidence", "enter", "leave", "change")
    return ", ".join(f"{name} {row[name]:g}" for name in names if row[name] is not None)


def _row(row: dict[str, Any], rule: tuple[str, ...]) -> str:
    said = ["-" if row[name] is None else f"{row[name]:g}" for name in rule]
    return _line(said, [_cell(row.get(name), digits) for name, _, digits in FIGURES])


def _line(rule: Sequence[str], cells: list[str]) -> str:
    return "  ".join([f"{' '.join(f'{one:>6}' for one in rule):>22}", *(f"{one:>9}" for one in cells)])


def _cell(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
