"""What `flask model` prints: models, accuracy and decisions, as lines of text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from app.inference.manifest import Manifest


def model_row(manifest: Manifest) -> dict[str, Any]:
    """Return what `model list --json` says of a model."""
    return {
        "name": manifest.name,
        "version": manifest.version,
        "architecture": manifest.architecture,
        "channels": manifest.channels,
        "length": manifest.length,
        "sampling_rate_hz": manifest.sampling_rate,
        "classes": list(manifest.classes),
        "parent": manifest.parent.name if manifest.parent else None,
        "metrics": dict(manifest.metrics),
    }


def list_line(row: dict[str, Any]) -> str:
    """Return the same as a line of text."""
    window = f"{row['length']} x {row['channels']} at {row['sampling_rate_hz']:g} Hz"
    return f"{row['name']}  {row['version']}  {row['architecture']}  {window}  {', '.join(row['classes'])}"


def accuracy_table(report: dict[str, Any]) -> str:
    """Return the accuracy of each person beside that of LDA, as lines of text."""
    baseline = {one["person"]: one for one in report["lda"]["people"]} if report["lda"] else {}
    lines = [
        f"{report['model']}, {report['split']}, {report['windows']} windows",
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
    if report["aligned"]:
        level = report["aligned"]["balanced_accuracy"]
        lines.append(f"each session aligned by its own signal, without labels: balanced {level:.3f}")
    recalls = zip(report["classes"], report["per_class_recall"], strict=True)
    lines.append("recall: " + ", ".join(f"{k} {'-' if r is None else f'{r:.2f}'}" for k, r in recalls))
    return "\n".join(lines)


def decision_table(report: dict[str, Any]) -> str:
    """Return the quality of decisions by votes and min_confidence, as lines of text."""
    lines = [
        f"{report['model']}, replayed at {report['fps']:g} windows a second",
        "votes  min_confidence  found  first correct  false activations/min  stability",
    ]
    for row in report["decisions"]:
        cells = [_cell(row[k]) for k in list(row)[2:]]
        lines.append(
            f"{row['votes']:5}  {row['min_confidence']:14.1f}  {cells[0]:>5}  {cells[1] + ' s':>13}  "
            f"{cells[2]:>21}  {cells[3]:>9}"
        )
    return "\n".join(lines)


def _cell(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
