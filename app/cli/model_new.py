"""`flask --app wsgi model new`: a model from nothing but one's own recordings."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from app.cli import model_folder, named_recordings
from app.cli.named_recordings import recording_path
from app.cli.options import as_gestures, as_json, force, one_line_errors, say
from app.counted import counted
from app.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

    from app.emg.files.recordings import Recording
    from app.learning.own.making import Made
    from app.learning.values.making import MadeValues


@click.command("new")
@click.option(
    "--recording",
    "recordings",
    multiple=True,
    help=f"What to learn from: any format that `emg import` reads; several, or a folder. {named_recordings.HELP}",
)
@as_gestures
@click.option("--rest", help="The gesture that is rest, where none is called so.")
@click.option("--out", required=True, help="Name in instance/models, or a path.")
@click.option(
    "--values",
    is_flag=False,
    flag_value="trajectory",
    help="Learn values in place of gestures: what was recorded beside the EMG under that name (a followed cursor's "
    "trajectory where none is named, joint angles, forces).",
)
@click.option("--labels-as-they-are", is_flag=True, help="Do not move labels to where the activity changes.")
@click.option("--even-if-worse", is_flag=True, help="Write it also where it is no better than guessing.")
@force
@as_json
@one_line_errors
def new_model(recordings: tuple[str, ...], out: str, force: bool, as_json: bool, **options: Any) -> None:
    """Learn a model from recordings alone: any device, any gestures, any names."""
    from app.learning.own.making import new

    target = model_folder.target_of(out, force)
    if options["values"] is not None:
        _new_values(recordings, target, force, as_json, options)
        return
    try:
        made = new(
            load_all(recordings),
            target,
            gestures=options["gestures"],
            rest=options["rest"],
            mains=model_folder.mains(),
            refine=not options["labels_as_they_are"],
            replacing=force,
            even_if_worse=options["even_if_worse"],
        )
    except KeyboardInterrupt:
        raise DataError("cancelled; nothing was written") from None
    say(as_json, report(made), told(made))


def _new_values(
    recordings: tuple[str, ...], target: Path, force: bool, as_json: bool, options: dict[str, Any]
) -> None:
    from app.learning.values.making import new_values

    if options["gestures"] or options["rest"] or options["labels_as_they_are"]:
        raise DataError("--gestures, --rest and --labels-as-they-are are for gestures; --values learns none")
    try:
        made = new_values(
            load_all(recordings),
            target,
            stream=options["values"],
            mains=model_folder.mains(),
            replacing=force,
            even_if_worse=options["even_if_worse"],
        )
    except KeyboardInterrupt:
        raise DataError("cancelled; nothing was written") from None
    say(as_json, values_report(made), values_told(made))


def values_report(made: MadeValues) -> dict[str, Any]:
    """Return what `--json` says of a model of values."""
    manifest = made.artefact.manifest
    return {
        "model": str(made.artefact.path),
        "values": [asdict(value) for value in manifest.outputs.values],
        "channels": manifest.channels,
        "sampling_rate_hz": manifest.sampling_rate,
        "window": manifest.length,
        "context": manifest.context,
        **manifest.metrics["values"],
    }


def values_told(made: MadeValues) -> str:
    """Return the same for people."""
    manifest = made.artefact.manifest
    figures = manifest.metrics["values"]
    linear, mean = (figures["beside"][who] for who in ("linear", "mean"))
    each = (f"{name} {one['r2']:.2f}" for name, one in figures["of_each"].items())
    lines = [
        f"wrote {made.artefact.path}: R2 {figures['r2']:.2f}, mean error {figures['mae']:.1%} of the range on "
        f"{figures['split']}; linear regression {linear['r2']:.2f} and {linear['mae']:.1%}, the mean {mean['mae']:.1%}",
        f"  {counted(manifest.channels, 'channel')} at {manifest.sampling_rate:g} Hz; R2 of each: {', '.join(each)}",
        f"  the signal follows {figures['lag_s']:.2f} s late",
        *(
            f"  {said}: mean error {figures[key]['mae']:.1%}"
            for key, said in (("between", "at levels between"), ("combined", "two or more at once"))
            if key in figures
        ),
        *(f"  better: {line}" for line in figures["advice"]),
        model_folder.how_to_serve(made.artefact),
    ]
    return "\n".join(lines)


def load_all(names: tuple[str, ...]) -> list[Recording]:
    """Return what those paths and names hold, whatever format it is in; labels are looked for later.

    Raises:
        DataError: one cannot be read; one line says why.
    """
    from app.emg.files.loading import load_path

    found: list[Recording] = []
    with ExitStack() as open_ones:
        for name in names:
            path = open_ones.enter_context(recording_path(name))
            found += load_path(path, labelled=False)
    return found


def report(made: Made) -> dict[str, Any]:
    """Return what `--json` says."""
    manifest, learned = made.artefact.manifest, made.learned
    return {
        "model": str(made.artefact.path),
        "classes": list(manifest.classes),
        "channels": manifest.channels,
        "sampling_rate_hz": manifest.sampling_rate,
        "window": manifest.length,
        "context": manifest.context,
        **manifest.metrics["own"],
        "labels": manifest.training["labels"],
        "said": list(learned.said),
        "seconds": round(made.seconds, 2),
    }


def told(made: Made) -> str:
    """Return the same for people."""
    learned, manifest = made.learned, made.artefact.manifest
    found, labels = learned.judgement, learned.told
    lines = [f"wrote {made.artefact.path}: {figures(made)}"]
    lines.append(
        f"  {manifest.channels} channels at {manifest.sampling_rate:g} Hz; {', '.join(manifest.classes)}"
    )
    if labels.edges:
        lines.append(
            f"  labels: {counted(labels.edges, 'edge')} moved by {labels.moved_s:.2f} s on average; "
            f"{counted(labels.left_out, 'stretch', 'stretches')} and {counted(labels.vague, 'edge')} left out"
        )
    if found is not None:
        recalls = zip(found.classes, found.recall, strict=True)
        lines.append("  found: " + ", ".join(f"{k} {'-' if r is None else f'{r:.2f}'}" for k, r in recalls))
    lines += [f"  note: {line}" for line in learned.said]
    lines += [f"  better: {line}" for line in learned.advice]
    lines.append(model_folder.how_to_serve(made.artefact))
    return "\n".join(lines)


def figures(made: Made) -> str:
    """Return how good it is, in words."""
    found = made.learned.judgement
    if found is None:
        return "not judged, since there is one repetition of each gesture"
    low, high = found.interval
    return (
        f"balanced accuracy {found.balanced_accuracy:.2f} ({low:.2f}-{high:.2f}) on repetitions left out; "
        f"LDA {found.lda:.2f}, shuffled labels {found.chance:.2f}"
    )
