"""`flask --app wsgi model calibrate`: a model made one person's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from app.cli import model_folder, named_recordings
from app.cli.model import of_model
from app.cli.named_recordings import recording_path
from app.cli.options import as_gestures, as_json, as_pairs, force, one_line_errors, progress, say
from app.errors import DataError

if TYPE_CHECKING:
    from app.emg.files.recordings import Recording
    from app.inference.artefact import Artefact
    from app.learning.target import Target


@click.command("calibrate")
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
def calibrate_model(name: str, recording: str, out: str, as_json: bool, **options: Any) -> None:
    """Adapt a model to one person and write a new one, if that one is better."""
    from app.inference import artefact
    from app.learning.datasets import load_one
    from app.learning.target import Target, told

    opened = artefact.find(name, model_folder.model_folders())
    model_folder.expect_gestures(opened.manifest)
    target = Target(
        path=model_folder.target_of(out, options["force"]),
        replacing=options["force"],
        graphs=options["graphs"],
        progress=progress,
    )
    where: dict[str, Any] = {"session": options["session"], "mains": model_folder.mains()}
    if options["unlabelled"]:
        with recording_path(recording) as path:
            one = load_one(path, labelled=False)
        model_folder.expect_fit([one], opened.manifest)
        made, said = _unlabelled(opened, one, target, where)
        metrics = made.manifest.metrics["alignment"]
    else:
        made = _adapted(opened, recording, target, options, where)
        metrics = made.manifest.metrics["calibration"]
        said = told(metrics)
    report = {"model": str(made.path), **metrics}
    say(as_json, report, f"wrote {made.path}: {said}\n{model_folder.how_to_serve(made)}")


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
    from app.learning.datasets import load_one, named
    from app.learning.target import NotBetterError

    with recording_path(recording) as path:
        loaded = [load_one(path, options["gestures"])]
    model_folder.expect_fit(loaded, opened.manifest)
    any_gestures = opened.manifest.architecture == "covariance"
    if options["rename"] and not any_gestures:
        raise DataError(f"--rename is for covariance models; {opened.manifest.name} is another")
    if not any_gestures or only_numbered(loaded[0]):
        loaded = list(named(loaded, opened.manifest.classes, opened.manifest.rest_class))
    kinds = {key: options[key] for key in ("repetitions", "even_if_worse")}
    try:
        if any_gestures:
            return _any_gestures(opened, loaded[0], target, dict(options["rename"]), {**kinds, **where})
        from app.learning.adaptation import adapt  # with PyTorch, which a covariance model needs not

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
