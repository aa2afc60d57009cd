"""`flask --app wsgi emg learn`: a person and an armband, and then a model under a running server's stream."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from app.cli.learn.following import follow_cursor
from app.cli.learn.keyboard import Keyboard
from app.cli.learn.python_client import expect_client
from app.cli.learn.view import View, best_view
from app.cli.options import as_json, names_of, one_line_errors, say
from app.counted import counted
from app.errors import DataError, MyostreamError

if TYPE_CHECKING:
    from myostream_client import Action, Progress, Prompt, Repetition, StreamingInferenceClient, Taught

DEFAULT_SERVER = "http://127.0.0.1:8000"
GO_ON = (" ", "\n", "\r")

above_0 = click.FloatRange(0.0, min_open=True)


@click.command()
@click.option("--server", default=DEFAULT_SERVER, show_default=True, help="A server that runs.")
@click.option("--key", envvar="EMG_API_KEY", help="With the scopes read and control; or in EMG_API_KEY.")
@click.option("--source", help="Which of the server's sources. Default: its own.")
@click.option("--gestures", callback=names_of, help="With commas between, such as rest,fist,open_hand.")
@click.option(
    "--follow",
    callback=names_of,
    help="In place of gestures, what a cursor moves that is followed, such as wrist,rotation,hand.",
)
@click.option("--one-way", callback=names_of, help="With --follow: those of its names that go from 0 to 1.")
@click.option("--repetitions", default=2, show_default=True, type=click.IntRange(1), help="Of each gesture.")
@click.option(
    "--seconds",
    type=above_0,
    help="Of each gesture, 3 by default; of all with --again, 10, and with --follow, 120.",
)
@click.option(
    "--rest-seconds", default=2.0, show_default=True, type=click.FloatRange(0.0), help="Between two gestures."
)
@click.option("--name", required=True, help="Of the model, and of the person's profile.")
@click.option("--base", help="A covariance model that is made this person's own. Default: from nothing.")
@click.option(
    "--use",
    type=click.Choice(["if-better", "yes", "no"]),
    help="Whether the source is read by it then. Default: if-better; with --again and --follow yes.",
)
@click.option(
    "--again",
    is_flag=True,
    help="The electrodes were put on again: free movement, and the model of the profile is brought to it.",
)
@as_json
@one_line_errors
def learn(server: str, key: str | None, again: bool, as_json: bool, **options: Any) -> None:
    """Ask a person for gestures, learn a model from them on a running server, and have its source use it.

    p pauses and goes on, r does the last repetition again, s leaves one out, Ctrl-C stops: nothing of it is kept then.
    """
    expect_client()
    from myostream_client import StreamingInferenceClient

    if options["follow"] is not None:
        if again or options["gestures"] is not None or options["base"] is not None:
            raise click.UsageError(
                "--follow takes no --gestures, --base or --again: it learns values, from nothing"
            )
        with _said_in_one_line(), StreamingInferenceClient(server, key) as client:
            _look_at_electrodes(client, options["source"])
            followed = follow_cursor(client, options)
        say(as_json, asdict(followed), _words(followed))
        return
    if options["one_way"] is not None:
        raise click.UsageError("--one-way goes with --follow")
    lesson = _free(options) if again else _prompted(options)
    with _said_in_one_line(), StreamingInferenceClient(server, key) as client, Keyboard() as keyboard:
        _look_at_electrodes(client, lesson["source"])
        _invite(keyboard, lesson)
        with best_view(keyboard.there) as view:
            teacher = _Teacher(keyboard, view)
            try:
                taught = _taught(client, lesson, teacher)
            except KeyboardInterrupt:
                raise DataError(teacher.left_behind) from None
    say(as_json, {**asdict(taught), "repetitions": teacher.repetitions}, _words(taught))


def _prompted(options: dict[str, Any]) -> dict[str, Any]:
    """Return what `teach` takes."""
    if options["gestures"] is None:
        raise click.UsageError("say which gestures: --gestures rest,fist,open_hand (or --again)")
    asked = {key: value for key, value in options.items() if key not in ("follow", "one_way")}
    return {**asked, "seconds": options["seconds"] or 3.0, "use": options["use"] or "if-better"}


def _free(options: dict[str, Any]) -> dict[str, Any]:
    """Return what `put_on_again` takes."""
    if options["gestures"] is not None:
        raise click.UsageError("--again takes no --gestures: they are those of the model")
    asked = {key: options[key] for key in ("name", "source", "base")}
    return {**asked, "seconds": options["seconds"] or 10.0, "use": options["use"] or "yes"}


def _taught(client: StreamingInferenceClient, lesson: dict[str, Any], teacher: _Teacher) -> Taught:
    told: dict[str, Any] = {"on_prompt": teacher.on_prompt, "on_progress": teacher.on_progress}
    if "gestures" not in lesson:
        return client.put_on_again(**lesson, **told)
    return client.teach(**lesson, **told, on_repetition=teacher.on_repetition)


class _Teacher:
    """Shows what is told, and answers with what the keys say."""

    def __init__(self, keyboard: Keyboard, view: View) -> None:
        self._keyboard, self._view = keyboard, view
        self._bad: Repetition | None = None  # that is offered again, and until then it is paused
        self._redone: set[tuple[str, int]] = set()
        self._then: Action | None = None  # what follows at the next look
        self.repetitions: list[dict[str, Any]] = []
        self.left_behind = "stopped; nothing of it is kept"

    def on_prompt(self, prompt: Prompt) -> Action | None:
        self._view.prompt(prompt)
        key, then = self._keyboard.pressed(), self._then
        self._then = None
        return then or self._meant(key, prompt)

    def on_repetition(self, repetition: Repetition) -> Action | None:
        """Offer what went wrong again: until a key says so, or, without a keyboard, once."""
        self.repetitions.append(asdict(repetition))
        place = (repetition.label, repetition.repetition)
        again = not repetition.good and place not in self._redone
        self._view.repetition(repetition, again=again)
        if not again:
            return None
        if self._keyboard.there:
            self._bad = repetition
            return "pause"
        self._redone.add(place)
        return repetition

    def on_progress(self, progress: Progress) -> None:
        self.left_behind = "stopped while it learned; the recording is kept, and no model"
        self._view.progress(progress)

    def _meant(self, key: str, prompt: Prompt) -> Action | None:
        """Return what a key says."""
        if key == "r":
            bad, self._bad = self._bad, None
            self._then = "resume" if prompt.paused else None
            return bad or "redo"
        if prompt.paused and key in ("p", *GO_ON):
            self._bad = None
            return "resume"
        if key in GO_ON:  # nothing comes any more but the last one again
            return "skip" if prompt.label is None and prompt.next_label is None else None
        words: dict[str, Action] = {"p": "pause", "s": "skip", "\x1b": "cancel"}
        return words.get(key)


@contextmanager
def _said_in_one_line() -> Iterator[None]:
    """Raise the client's errors as ours."""
    from myostream_client import ClientError

    try:
        yield
    except (ClientError, ValueError) as error:
        raise MyostreamError(str(error)) from None


def _look_at_electrodes(client: StreamingInferenceClient, source: str | None) -> None:
    """Say which electrodes deliver nothing worth learning from."""
    quality = client.quality(source)
    if quality["advice"]:
        click.echo(f"note: {quality['advice']}", err=True)
    for one in quality["channels"]:
        if one["problems"]:
            click.echo(f"note: channel {one['channel'] + 1} is {', '.join(one['problems'])}", err=True)


def _invite(keyboard: Keyboard, lesson: dict[str, Any]) -> None:
    """Say what is asked and how long it takes; where there is a keyboard, wait for Enter."""
    click.echo(_invitation(lesson), err=True)
    if keyboard.there:
        click.echo("Put your arm where you can hold it, and press Enter", err=True)
        while keyboard.there and keyboard.pressed(1.0) not in GO_ON:
            pass


def _invitation(lesson: dict[str, Any]) -> str:
    from app.emg.recording.prompts.label_plan import COUNTDOWN_SECONDS, plan_of

    if "gestures" not in lesson:
        whole = lesson["seconds"] + COUNTDOWN_SECONDS
        return f"all gestures of the model and rest, in any order: {whole:.0f} s in all"
    shown, times = lesson["gestures"], lesson["repetitions"]
    whole = plan_of(shown, times, lesson["seconds"], lesson["rest_seconds"]).seconds
    often = f"{counted(times, 'time')} each" if times > 1 else "once each"
    return f"{', '.join(shown)}, {often}: {whole:.0f} s in all"


def _words(taught: Taught) -> str:
    """Return what came of it, for people."""
    lines = [f"{taught.model}: {taught.told}"]
    if taught.used:
        before = f", in the place of {taught.previous}" if taught.previous else ""
        lines.append(f"{taught.source} is read by it from sample {taught.from_sample} on{before}")
    else:
        lines.append(f"it is kept, and not used: {taught.why_not_used}")
    if taught.alike is not None:
        one, two = taught.alike["gestures"]
        lines.append(f"alike: {one} and {two}, {taught.alike['share']:.0%} of them mistaken for each other")
    lines += [_hope(point) for point in taught.more_repetitions[-1:] if point["estimated"]]
    lines += [f"better: {advice}" for advice in taught.advice]
    kept = f"profile {taught.profile}, " if taught.profile else ""
    return "\n  ".join([*lines, f"kept: {kept}recording {taught.recording}"])


def _hope(point: dict[str, Any] | Any) -> str:
    return f"with {counted(point['repetitions'], 'repetition')} it would likely be {point['accuracy']:.2f}"
