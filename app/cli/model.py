"""`flask --app wsgi model list|train|evaluate|export`."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from flask.cli import AppGroup

from app.cli import model_folder, named_recordings
from app.cli.event_tables import events_table
from app.cli.model_tables import accuracy_table, decision_table, list_line, model_row
from app.cli.model_training import recipe_of, training_sets
from app.cli.options import (
    BAD_ARTEFACT,
    as_gestures,
    as_json,
    as_renamed,
    expect_free_file,
    force,
    one_line_errors,
    progress,
    say,
)
from app.errors import ArtefactError, DataError

if TYPE_CHECKING:
    from app.emg.files.recordings import Recording
    from app.inference.artefact import Artefact
    from app.learning.evaluation import JudgedSet
    from app.learning.recording_sets import RecordingSet

model = AppGroup("model", help="Make, judge and adapt models.")

AUGMENTATIONS = ("roll", "fraction", "gain", "channel_gain", "drop", "noise", "shift")


of_model = click.option("--model", "name", required=True, help="A name in instance/models, or a path.")


@model.command("list")
@as_json
@one_line_errors
def list_models(as_json: bool) -> None:
    """Return the models in instance/models, and those that came with the code."""
    from app.inference import artefact

    found, damaged = [], []
    for name in artefact.list_artefacts(model_folder.model_folders()):
        try:
            found.append(artefact.find(name, model_folder.model_folders()))
        except ArtefactError as error:
            damaged.append(str(error))
    rows = [model_row(one, found, read_only=model_folder.is_read_only(one)) for one in found]
    if as_json:
        click.echo(json.dumps({"models": rows, "damaged": damaged}))
    else:
        for row in rows:
            click.echo(list_line(row))
    for reason in damaged:
        click.echo(f"error: {reason}", err=True)
    if damaged:
        sys.exit(BAD_ARTEFACT)


@model.command()
@click.option("--model", "name", required=True, help="The recipe: myo-8ch-200hz or synthetic-16ch-2khz.")
@click.option(
    "--data",
    "folders",
    multiple=True,
    help=f"Folder of recordings, or one; several sets teach together. {named_recordings.HELP} The simulator's model "
    "needs none.",
)
@click.option("--out", help="Name or path of the artefact; by default the recipe's name in instance/models.")
@click.option("--network", help="A network with the same data: power, tcn or spiking.")
@click.option("--without", multiple=True, type=click.Choice(AUGMENTATIONS), help="Leave an augmentation out.")
@click.option("--epochs", type=click.IntRange(1, 1000), help="Fewer or more than the recipe has.")
@as_gestures
@as_renamed
@click.option("--folds", type=click.IntRange(0, 100), help="Groups of people to keep unseen weights for.")
@click.option("--fresh", is_flag=True, help="Begin again instead of going on from runs/.")
@force
@as_json
@one_line_errors
def train(name: str, folders: tuple[str, ...], out: str | None, as_json: bool, **options: Any) -> None:
    """Train a model on the people of one set of recordings, or of several.

    A training that was interrupted goes on where it was.
    """
    from app.learning.recording_sets import described, told, united

    recipe = recipe_of(name, options)
    target = model_folder.target_of(out or recipe.name, options["force"])
    sets = training_sets(recipe, folders, options["gestures"], dict(options["rename"]))
    lines: list[str] = []
    if len(sets) > 1:
        recipe = united(recipe, sets, target.name)
        lines = told(recipe, sets)
    made = _trained(recipe, _everyone(sets), target, options)
    report = {"model": str(made.path), "runs": made.manifest.training["runs"]}
    if lines:
        report["sets"] = described(recipe, sets)
    text = "\n".join([*lines, f"wrote {made.path}", model_folder.how_to_serve(made)])
    say(as_json, report, text)


@model.command()
@of_model
@click.option(
    "--data",
    "folders",
    required=True,
    multiple=True,
    help=f"Folder or file of recordings, or `simulator`; several sets are told apart. {named_recordings.HELP}",
)
@click.option(
    "--split",
    default="person",
    show_default=True,
    type=click.Choice(["person", "repetition", "session", "day"]),
    help="Judge as it is; or adapted on other repetitions, sessions or the first day of the same person.",
)
@click.option(
    "--unlabelled",
    is_flag=True,
    help="Let it see the first repetition of each session without labels; the later ones judge it.",
)
@click.option("--calibrate", "repetitions", type=int, help="Adapt on repetitions 1..K of each session.")
@as_gestures
@as_renamed
@click.option("--stream", is_flag=True, help="Replay through the live path: quality of decisions.")
@click.option(
    "--events",
    is_flag=True,
    help="Replay after --calibrate 1, 2 or 3: false activations an hour of rest, gestures found, and how late.",
)
@click.option("--save", is_flag=True, help="Keep the figures in the model's manifest.")
@click.option(
    "--plot",
    type=click.Path(path_type=Path),
    help="Draw the confusion matrix, or with --events the curve of misses and false activations, to this PNG.",
)
@force
@as_json
@one_line_errors
def evaluate(name: str, folders: tuple[str, ...], as_json: bool, **options: Any) -> None:
    """Judge a model on recordings, beside the LDA baseline on the same windows."""
    from app.inference import artefact

    expect_free_file(options["plot"], options["force"])
    if options["events"] and (options["repetitions"] is None or options["save"]):
        raise DataError("--events goes with --calibrate 1, 2 or 3, and without --save")
    opened = artefact.find(name, model_folder.model_folders())
    model_folder.expect_gestures(opened.manifest)
    if options["save"]:
        model_folder.expect_own(opened)
    sets = model_folder.recordings_for(folders, opened.manifest, options["gestures"], dict(options["rename"]))
    if options["events"]:
        report = _events(opened, _everyone(sets), options)
        click.echo(json.dumps(report) if as_json else events_table(report))
        return
    if options["stream"]:
        report = _streamed(opened, _everyone(sets), options["repetitions"])
        click.echo(json.dumps(report) if as_json else decision_table(report))
        return
    report = _judged(opened, sets, options)
    if options["plot"]:
        from app.learning.plotting import confusion_png

        confusion_png(options["plot"], report)
    if options["save"]:
        from app.learning.figures import keep

        keep(opened, report, ", ".join(one.name for one in sets))
    click.echo(json.dumps(report) if as_json else accuracy_table(report))


@model.command()
@of_model
@click.option(
    "--data",
    "folder",
    help=f"Recordings that scale the int8 graph, or `simulator` (default). {named_recordings.HELP}",
)
@click.option(
    "--to",
    "layout",
    type=click.Choice(["triton"]),
    help="Write a graph that is there into a model repository of Triton, which KServe reads too.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="With --to: the repository, a folder of models; model_repository by default.",
)
@click.option(
    "--precision",
    type=click.Choice(["fp32", "fp16", "int8"]),
    help="With --to: of the graph; fp32 by default.",
)
@as_gestures
@force
@as_json
@one_line_errors
def export(
    name: str,
    folder: str | None,
    layout: str | None,
    out: Path | None,
    precision: str | None,
    gestures: list[str] | None,
    force: bool,
    as_json: bool,
) -> None:
    """Write the model's ONNX graphs (fp32, fp16, int8) into its folder, or one of them for Triton."""
    from app.inference import artefact

    if layout is not None:
        _exported(name, out or Path("model_repository"), precision or "fp32", force, as_json)
        return
    if out is not None or precision is not None:
        raise DataError(
            "--out and --precision go with --to triton; without it the graphs go into the model's folder"
        )
    from app.learning import shipping
    from app.learning.datasets import read
    from app.learning.export import export as graphs_of

    opened = artefact.find(name, model_folder.model_folders())
    model_folder.expect_gestures(opened.manifest)
    model_folder.expect_own(opened)
    manifest = opened.manifest
    there = sorted(file for file in manifest.files if file.endswith(".onnx"))
    if there and not force:
        raise ArtefactError(f"{opened.path} has {', '.join(there)} already; make them again with --force")
    sets = model_folder.recordings_for([folder or "simulator"], manifest, gestures)
    data = read(_everyone(sets), manifest, model_folder.mains())
    network = shipping.network_of(opened)
    graphs = graphs_of(network, manifest, shipping.graph_windows(manifest, data), progress)
    kept = {file: opened.path / file for file in manifest.files if file not in graphs}
    made = shipping.save_beside_card(opened.path, manifest, {**kept, **graphs})
    say(as_json, {"model": str(made.path), "files": sorted(graphs)}, f"wrote {', '.join(sorted(graphs))}")


def _exported(name: str, repository: Path, precision: str, force: bool, as_json: bool) -> None:
    """Write a graph of the model into a repository of Triton."""
    from app.inference import artefact
    from app.inference.remote.triton_repository import write_repository

    opened = artefact.find(name, model_folder.model_folders())
    made = write_repository(opened, repository, precision=precision, force=force)
    files = sorted(str(file.relative_to(made)) for file in made.rglob("*") if file.is_file())
    lines = [f"wrote {made}", f"serve it with: tritonserver --model-repository={repository.resolve()}"]
    say(as_json, {"model": str(made), "files": files}, "\n".join(lines))


def _everyone(sets: Sequence[RecordingSet]) -> tuple[Recording, ...]:
    return tuple(recording for one in sets for recording in one.recordings)


def _trained(
    recipe: Any, recordings: tuple[Recording, ...], target: Path, options: dict[str, Any]
) -> Artefact:
    """Return the artefact that those recordings make of a recipe."""
    import shutil

    from app.learning import shipping

    if recipe.architecture == "covariance":
        from app.learning.covariance.shipping import make

        return make(recipe, recordings, target, progress, replacing=options["force"])
    work = Path("runs") / target.name
    if options["fresh"]:
        shutil.rmtree(work, ignore_errors=True)
    manifest, data, networks = shipping.train(recipe, recordings, work, progress)
    return shipping.write(target, manifest, data, networks, replacing=options["force"])


def _judged(opened: Artefact, sets: Sequence[RecordingSet], options: dict[str, Any]) -> dict[str, Any]:
    from app.learning.evaluation import JudgedSet

    several = [JudgedSet(one.name, len(one.recordings)) for one in sets] if len(sets) > 1 else []
    if options["unlabelled"]:
        return _judged_unlabelled(opened, _everyone(sets), options, several)
    from app.learning.datasets import read
    from app.learning.evaluation import evaluate as judge

    data = read(_everyone(sets), opened.manifest, model_folder.mains())
    return judge(opened, data, options["split"], options["repetitions"], progress, several)


def _judged_unlabelled(
    opened: Artefact, recordings: tuple[Recording, ...], options: dict[str, Any], sets: Sequence[JudgedSet]
) -> dict[str, Any]:
    """Return the figures after a minute without labels; what other options would say of it, is refused."""
    from app.learning.covariance.judging_minutes import evaluate_unlabelled

    if opened.manifest.architecture != "covariance":
        raise DataError(f"--unlabelled judges covariance models; of {opened.manifest.name} see `aligned`")
    if options["repetitions"] is not None or options["split"] not in ("person", "day"):
        raise DataError("--unlabelled goes with --split person or day, without --calibrate")
    return evaluate_unlabelled(opened, recordings, model_folder.mains(), options["split"], progress, sets)


def _streamed(opened: Artefact, recordings: tuple[Recording, ...], repetitions: int | None) -> dict[str, Any]:
    from app.learning.replays.streamed import report_of, streams_of

    return report_of(
        opened, streams_of(opened, recordings, repetitions, model_folder.mains(), progress), repetitions
    )


def _events(opened: Artefact, recordings: tuple[Recording, ...], options: dict[str, Any]) -> dict[str, Any]:
    from app.learning.events.report import report_of_events
    from app.learning.events.streams import event_streams

    repetitions = options["repetitions"]
    people = event_streams(opened, recordings, repetitions, model_folder.mains(), progress)
    report = report_of_events(opened.manifest, people, repetitions, progress)
    if options["plot"]:
        from app.learning.plotting import events_png

        events_png(options["plot"], report)
    return report
