"""`flask --app wsgi model list|train|evaluate|calibrate|export`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from flask.cli import AppGroup

from app.cli import named_recordings
from app.cli.model_tables import accuracy_table, decision_table, list_line, model_row
from app.cli.model_training import recipe_of, training_data
from app.cli.named_recordings import recording_path
from app.cli.options import (
    BAD_ARTEFACT,
    as_gestures,
    as_json,
    as_pairs,
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
    from app.inference.manifest import Manifest
    from app.learning.adaptation import Target

model = AppGroup("model", help="Make, judge and adapt models.")

EVALUATION_PEOPLE, EVALUATION_SEED = 10, 5000
AUGMENTATIONS = ("roll", "fraction", "gain", "channel_gain", "drop", "noise", "shift")


of_model = click.option("--model", "name", required=True, help="A name in instance/models, or a path.")


@model.command("list")
@as_json
@one_line_errors
def list_models(as_json: bool) -> None:
    """Return the models in instance/models."""
    from app.inference import artefact

    found, damaged = [], []
    for name in artefact.list_artefacts(_models()):
        try:
            found.append(artefact.load(_models() / name))
        except ArtefactError as error:
            damaged.append(str(error))
    rows = [model_row(one, found) for one in found]
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
    "folder",
    help=f"Folder of recordings, or one. {named_recordings.HELP} The simulator's model needs none.",
)
@click.option("--out", help="Name or path of the artefact; by default the recipe's name in instance/models.")
@click.option("--network", help="A network with the same data: power, tcn or spiking.")
@click.option("--without", multiple=True, type=click.Choice(AUGMENTATIONS), help="Leave an augmentation out.")
@click.option("--epochs", type=click.IntRange(1, 1000), help="Fewer or more than the recipe has.")
@as_gestures
@click.option("--folds", type=click.IntRange(0, 100), help="Groups of people to keep unseen weights for.")
@click.option("--fresh", is_flag=True, help="Begin again instead of going on from runs/.")
@force
@as_json
@one_line_errors
def train(name: str, folder: str | None, out: str | None, as_json: bool, **options: Any) -> None:
    """Train a model; an interrupted training goes on where it was."""
    import shutil

    from app.learning import shipping

    recipe = recipe_of(name, options)
    target = _target(out or recipe.name, options["force"])
    recordings = training_data(recipe, folder, options["gestures"])
    if recipe.architecture == "covariance":
        from app.learning.covariance.shipping import make

        made = make(recipe, recordings, target, progress, replacing=options["force"])
        say(
            as_json,
            {"model": str(made.path), "runs": made.manifest.training["runs"]},
            f"wrote {made.path}\n{_how_to_serve(made)}",
        )
        return
    work = Path("runs") / target.name
    if options["fresh"]:
        shutil.rmtree(work, ignore_errors=True)
    manifest, data, networks = shipping.train(recipe, recordings, work, progress)
    made = shipping.write(target, manifest, data, networks, replacing=options["force"])
    text = f"wrote {made.path}\n{_how_to_serve(made)}"
    say(as_json, {"model": str(made.path), "runs": manifest.training["runs"]}, text)


@model.command()
@of_model
@click.option(
    "--data",
    "folder",
    required=True,
    help=f"Folder or file of recordings, or `simulator`. {named_recordings.HELP}",
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
@click.option("--stream", is_flag=True, help="Replay through the live path: quality of decisions.")
@click.option("--save", is_flag=True, help="Keep the figures in the model's manifest.")
@click.option("--plot", type=click.Path(path_type=Path), help="Draw the confusion matrix to this PNG.")
@force
@as_json
@one_line_errors
def evaluate(name: str, folder: str, as_json: bool, **options: Any) -> None:
    """Judge a model on recordings, beside the LDA baseline on the same windows."""
    from app.inference import artefact

    expect_free_file(options["plot"], options["force"])
    opened = artefact.find(name, _models())
    recordings = _recordings(folder, opened.manifest, options["gestures"])
    if options["stream"]:
        report = _streamed(opened, recordings, options["repetitions"])
        click.echo(json.dumps(report) if as_json else decision_table(report))
        return
    report = _judged(opened, recordings, options)
    if options["plot"]:
        from app.learning.plotting import confusion_png

        confusion_png(options["plot"], report)
    if options["save"]:
        from app.learning.figures import keep

        keep(opened, report, Path(folder).name)
    click.echo(json.dumps(report) if as_json else accuracy_table(report))


@model.command()
@of_model
@click.option("--recording", required=True, help=named_recordings.HELP)
@as_gestures
@click.option("--session", default=1, show_default=True, help="Which of the recording's sessions.")
@click.option(
    "--repetitions",
    default=1,
    show_default=True,
    type=click.IntRange(1),
    help="Learn from so many, the first ones; the later ones judge it.",
)
@click.option(
    "--unlabelled",
    is_flag=True,
    help="Learn from the signal alone: a minute of every gesture and rest, in any order.",
)
@click.option(
    "--rename",
    multiple=True,
    callback=as_pairs,
    help="OLD=NEW: what a gesture of the model is called from now on; several.",
)
@click.option("--out", required=True, help="Name in instance/models, or a path.")
@click.option("--graphs/--no-graphs", default=True, help="ONNX graphs too, which run faster; default: yes.")
@click.option("--even-if-worse", is_flag=True, help="Write it also where it is no better than before.")
@force
@as_json
@one_line_errors
def calibrate(name: str, recording: str, out: str, as_json: bool, **options: Any) -> None:
    """Adapt a model to one person and write a new one, if that one is better."""
    from app.inference import artefact
    from app.learning.adaptation import Target, told
    from app.learning.datasets import load_one

    opened = artefact.find(name, _models())
    target = Target(
        path=_target(out, options["force"]),
        replacing=options["force"],
        graphs=options["graphs"],
        progress=progress,
    )
    where: dict[str, Any] = {"session": options["session"], "mains": _mains()}
    if options["unlabelled"]:
        with recording_path(recording) as path:
            one = load_one(path, labelled=False)
        _expect_fit([one], opened.manifest)
        made, said = _unlabelled(opened, one, target, where)
        metrics = made.manifest.metrics["alignment"]
    else:
        made = _adapted(opened, recording, target, options, where)
        metrics = made.manifest.metrics["calibration"]
        said = told(metrics)
    report = {"model": str(made.path), **metrics}
    say(as_json, report, f"wrote {made.path}: {said}\n{_how_to_serve(made)}")


def _unlabelled(
    opened: Artefact, one: Recording, target: Target, where: dict[str, Any]
) -> tuple[Artefact, str]:
    """Return the model that a recording without labels makes, and what it says."""
    if opened.manifest.architecture == "covariance":
        from app.learning.covariance.guided_minute import learn_minute, told

        made = learn_minute(opened, one, target, **where)
        return made, told(made.manifest.metrics["alignment"])
    from app.learning.adaptation import align

    made = align(opened, one, target, **where)
    metrics = made.manifest.metrics["alignment"]
    return made, f"turned by {metrics['roll']} electrodes, gain {metrics['gain']:.2f}"


def _adapted(
    opened: Artefact, recording: str, target: Target, options: dict[str, Any], where: dict[str, Any]
) -> Artefact:
    from app.emg.files.gesture_names import only_numbered
    from app.learning.adaptation import NotBetterError, adapt
    from app.learning.datasets import load_one, named

    with recording_path(recording) as path:
        loaded = [load_one(path, options["gestures"])]
    _expect_fit(loaded, opened.manifest)
    any_gestures = opened.manifest.architecture == "covariance"
    if options["rename"] and not any_gestures:
        raise DataError(f"--rename is for covariance models; {opened.manifest.name} is another")
    if not any_gestures or only_numbered(loaded[0]):
        loaded = list(named(loaded, opened.manifest.classes, opened.manifest.rest_class))
    kinds = {key: options[key] for key in ("repetitions", "even_if_worse")}
    try:
        if any_gestures:
            return _any_gestures(opened, loaded[0], target, dict(options["rename"]), {**kinds, **where})
        return adapt(opened, loaded[0], target, **kinds, **where)
    except NotBetterError as error:
        raise DataError(f"{error} (--even-if-worse writes it all the same)") from None


def _any_gestures(
    opened: Artefact, recording: Recording, target: Target, rename: dict[str, str], kinds: dict[str, Any]
) -> Artefact:
    from app.learning.own.adapting import Choice, adapt

    choice = Choice(session=kinds["session"], repetitions=kinds["repetitions"], rename=rename)
    return adapt(
        opened, recording, target, choice, mains=kinds["mains"], even_if_worse=kinds["even_if_worse"]
    )


@model.command()
@of_model
@click.option(
    "--data",
    "folder",
    help=f"Recordings that scale the int8 graph, or `simulator` (default). {named_recordings.HELP}",
)
@as_gestures
@force
@as_json
@one_line_errors
def export(name: str, folder: str | None, gestures: list[str] | None, force: bool, as_json: bool) -> None:
    """Write the model's ONNX graphs (fp32, fp16, int8) into its folder."""
    from app.inference import artefact
    from app.learning import shipping
    from app.learning.datasets import read
    from app.learning.export import export as graphs_of

    opened = artefact.find(name, _models())
    manifest = opened.manifest
    there = sorted(file for file in manifest.files if file.endswith(".onnx"))
    if there and not force:
        raise ArtefactError(f"{opened.path} has {', '.join(there)} already; make them again with --force")
    data = read(_recordings(folder or "simulator", manifest, gestures), manifest, _mains())
    network = shipping.network_of(opened)
    graphs = graphs_of(network, manifest, shipping.graph_windows(manifest, data), progress)
    kept = {file: opened.path / file for file in manifest.files if file not in graphs}
    made = shipping.save_beside_card(opened.path, manifest, {**kept, **graphs})
    say(as_json, {"model": str(made.path), "files": sorted(graphs)}, f"wrote {', '.join(sorted(graphs))}")


def _expect_fit(recordings: Iterable[Recording], manifest: Manifest) -> None:
    """Refuse a recording of another kind, naming the models here that take it."""
    from app.emg.simulated.playback import require
    from app.inference import artefact

    models = [(m.name, m.channels, m.sampling_rate) for m in artefact.manifests(_models())]
    for recording in recordings:
        require(recording, manifest.channels, manifest.sampling_rate, models)


def _how_to_serve(made: Artefact) -> str:
    """Return the line that puts a model into use."""
    name = made.path.name if made.path.parent == _models() else made.path.resolve()
    return f"serve it with: EMG_MODEL={name} make serve"


def _recordings(folder: str, manifest: Manifest, gestures: Sequence[str] | None) -> tuple[Recording, ...]:
    from app.learning import datasets, recipes

    if folder == recipes.SIMULATOR:
        seeds = range(EVALUATION_SEED, EVALUATION_SEED + EVALUATION_PEOPLE)
        return recipes.simulate(manifest, seeds, seconds=120.0)
    with recording_path(folder) as path:
        people = datasets.load_people(path, gestures)
    _expect_fit(people, manifest)
    return datasets.named(people, manifest.classes, manifest.rest_class)


def _judged(opened: Artefact, recordings: tuple[Recording, ...], options: dict[str, Any]) -> dict[str, Any]:
    if options["unlabelled"]:
        return _judged_unlabelled(opened, recordings, options)
    from app.learning.datasets import read
    from app.learning.evaluation import evaluate as judge

    data = read(recordings, opened.manifest, _mains())
    return judge(opened, data, options["split"], options["repetitions"], progress)


def _judged_unlabelled(
    opened: Artefact, recordings: tuple[Recording, ...], options: dict[str, Any]
) -> dict[str, Any]:
    """Return the figures after a minute without labels; what other options would say of it, is refused."""
    from app.learning.covariance.judging_minutes import evaluate_unlabelled

    if opened.manifest.architecture != "covariance":
        raise DataError(f"--unlabelled judges covariance models; of {opened.manifest.name} see `aligned`")
    if options["repetitions"] is not None or options["split"] not in ("person", "day"):
        raise DataError("--unlabelled goes with --split person or day, without --calibrate")
    return evaluate_unlabelled(opened, recordings, _mains(), options["split"], progress)


def _streamed(opened: Artefact, recordings: tuple[Recording, ...], repetitions: int | None) -> dict[str, Any]:
    from app.learning.streamed import report_of, streams_of

    return report_of(opened, streams_of(opened, recordings, repetitions, _mains(), progress), repetitions)


def _settings() -> Any:
    from app.config import Settings

    return Settings.from_env()


def _models() -> Path:
    return Path(_settings().instance) / "models"


def _mains() -> float | None:
    mains: float | None = _settings().mains_hz
    return mains


def _target(out: str, force: bool) -> Path:
    """Where an artefact goes: a bare name is one of instance/models. Said before the work, not after it.

    Raises:
        ArtefactError: something is there, and nobody said that it may be replaced.
    """
    from app.inference import artefact

    target = Path(out) if "/" in out else _models() / out
    if not force:
        try:
            artefact.expect_free(target)
        except ArtefactError as error:
            cure = ", or replace it with --force" if (target / "manifest.json").is_file() else ""
            raise ArtefactError(f"{error}{cure}") from None
    return target
