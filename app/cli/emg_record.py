"""`flask --app wsgi emg record`: prompts in the terminal, and a labelled recording from the source of the settings."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from app.cli.exports import as_format, expect_target, write
from app.cli.learn.cursor_view import CursorView
from app.cli.options import as_json, force, names_of, one_line_errors
from app.cli.verdicts import GOOD, said
from app.counted import counted, verb
from app.errors import DataError, MyostreamError

if TYPE_CHECKING:
    from app.config import Settings
    from app.emg.recording.export_npz import Summary
    from app.emg.recording.prompts.course import Prompt
    from app.emg.recording.prompts.label_plan import LabelPlan
    from app.emg.recording.prompts.prompt_log import Repetition
    from app.emg.recording.prompts.trajectory import Trajectory
    from app.serving.recordings.session import RecordingSession
    from app.serving.sources.opening import Opened

PROMPT_POLL_S = 0.05  # between two looks at what is to be prompted
SECONDS = 120.0  # of a cursor that is followed
PATIENCE_S = 10.0  # for the first sample


@click.command()
@click.option(
    "--follow",
    callback=names_of,
    help="In place of a plan, what a cursor moves that is followed, such as wrist,hand: for `model new --values`.",
)
@click.option("--one-way", callback=names_of, help="With --follow: those of its names that go from 0 to 1.")
@click.option("--seconds", default=SECONDS, show_default=True, help="With --follow: of the cursor.")
@click.option(
    "--label-plan",
    "text",
    help="`rest:3,fist:3 x 3`, or a file with that or with JSON: gestures, repetitions, seconds, ...",
)
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The file to write.")
@as_format
@click.option("--subject", help="Who is recorded: a code of letters and digits, such as S01.")
@force
@as_json
@one_line_errors
def record(
    text: str | None,
    out: Path,
    form: str | None,
    subject: str | None,
    force: bool,
    as_json: bool,
    **cursor: Any,
) -> None:
    """Record a person who follows the prompts; labels go by sample index. Ctrl-C ends early and keeps what there is.

    The source is that of EMG_MODE, and no server may have it open meanwhile. The simulator's person follows, too.
    """
    from app.config import Settings
    from app.emg.recording.prompts.label_plan import REST, read_plan
    from app.serving.engine.opening import expected_artefact
    from app.serving.sources.opening import open_reading

    follow = _followed(text, **cursor)
    settings = Settings.from_env()
    form = expect_target(out, form, force)
    _expect_subject(subject)
    usual = expected_artefact(settings)
    opened = open_reading(settings, None if usual is None else usual.manifest)
    if opened is None:
        raise DataError("with EMG_MODE=push the sources are clients': record them with POST /emg/recordings")
    manifest = opened.manifest
    plan = (
        None
        if text is None
        else read_plan(text, (manifest.rest_class if manifest is not None else "") or REST)
    )
    if plan is not None and manifest is not None and not manifest.gives_values:
        for name in sorted(set(plan.gesture_names) - set(manifest.classes)):
            click.echo(f"note: {manifest.name} does not know {name}; it cannot be trained on this", err=True)
    held, complete = _recorded(settings, opened, (plan, follow), subject, out, form)
    report = _report(held, out, complete)
    click.echo(json.dumps(report) if as_json else _words(report))


def _recorded(
    settings: Settings,
    opened: Opened,
    asked: tuple[LabelPlan | None, Trajectory | None],
    subject: str | None,
    out: Path,
    form: str,
) -> tuple[Summary, bool]:
    """Record, export, and delete what was exported; what that was, and whether the plan came to its end.

    Until the export is written, the recording lies in instance/recordings, where a server lists it too.
    """
    from app.emg.recording import folder as recording_folder
    from app.emg.recording.prompts.step_judge import StepJudge
    from app.emg.recording.writer import RecordingWriter
    from app.serving.process.offload import BlockingWorker
    from app.serving.recordings.cursor import FollowedCursor
    from app.serving.recordings.headers import header_of
    from app.serving.recordings.session import RecordingSession
    from app.serving.sources.acquisition import Acquisition

    source, root = opened.source, settings.instance / "recordings"
    plan, follow = asked
    header = header_of(
        source, time.time(), subject=subject, mains_hz=settings.mains_hz, plan=plan, follow=follow
    )
    cursor = None if follow is None else FollowedCursor(follow, header.sampling_rate, len(header.aux) - 1)
    acquisition, aside = Acquisition(source, opened.path), BlockingWorker()
    try:
        judge = StepJudge(header.channels, header.sampling_rate, settings.mains_hz)
        take = RecordingSession(RecordingWriter(root, header), acquisition, aside, judge, False, cursor)
        take.start()
        acquisition.start()
        complete = _prompted(take, lambda: acquisition.look().error)
        take.stop()
    except OSError as error:
        raise MyostreamError(f"the recording cannot be written: {error.strerror or error}") from None
    finally:
        acquisition.close()
        aside.close()
    ending = take.ended
    kept = f"what was recorded is {header.name} in {root}"
    if ending is None or ending.state == "failed":
        raise MyostreamError(f"{ending.error if ending else 'the disk does not answer'}; {kept}")
    if not ending.samples:
        recording_folder.remove(root, header.name)
        trouble = acquisition.look().error
        raise MyostreamError(trouble or f"the source {source.name} delivered no sample")
    try:
        held = write(form, root, header.name, out)
    except OSError as error:
        raise MyostreamError(f"{out} cannot be written: {error.strerror or error}; {kept}") from None
    except DataError as error:
        raise DataError(f"{error}; {kept}") from None
    recording_folder.remove(root, header.name)
    return held, complete


def _prompted(take: RecordingSession, trouble: Callable[[], str | None]) -> bool:
    """Tell the person what to do until the plan is over, or Ctrl-C. Whether it came to its end."""
    began, board = time.monotonic(), _Board()
    with suppress(KeyboardInterrupt), CursorView() as follows, board:
        while take.running:
            prompt = take.prompt
            if not take.begun:
                waited = time.monotonic() - began
                if waited > PATIENCE_S:
                    break
                if waited > 1.0:
                    board.wait_for_samples(trouble())
            elif prompt is not None:
                board.show(prompt, trouble())
            elif (now := take.cursor) is not None:
                left = now.seconds - now.position_seconds
                follows.show(
                    {k: v[0] for k, v in now.ahead.items()}, now.ahead, now.step_seconds, (left, now.seconds)
                )
            board.judge(take.repetitions)
            time.sleep(PROMPT_POLL_S)
        board.judge(take.repetitions)
    return take.over_plan


def _followed(
    text: str | None, follow: list[str] | None, one_way: list[str] | None, seconds: float
) -> Trajectory | None:
    """Return what is to be followed; None with a plan.

    Raises:
        DataError: it cannot be.
    """
    from app.emg.recording.prompts.trajectory import Trajectory

    if (text is None) == (follow is None):
        raise click.UsageError(
            "say what is to be recorded: --label-plan for gestures, or --follow for values"
        )
    if follow is None:
        return None
    unknown = sorted(set(one_way or ()) - set(follow))
    if unknown:
        raise DataError(f"--one-way {unknown[0]}: is none of those of --follow")
    return Trajectory(tuple(follow), seconds, 0, frozenset(one_way or ()))


class _Board:
    """The prompts on stderr: a bar a step in a terminal, a line a step elsewhere."""

    def __init__(self) -> None:
        self._bar: Any = None
        self._step = -1
        self._draws = _can_draw()
        self._waiting = False
        self._judged: set[int] = set()  # first samples of those of which it was said how they went

    def __enter__(self) -> _Board:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def wait_for_samples(self, trouble: str | None) -> None:
        if not self._waiting:
            self._waiting = True
            click.echo(f"waiting for the source{': ' + trouble if trouble else ''}", err=True)

    def show(self, prompt: Prompt, trouble: str | None) -> None:
        if prompt.step != self._step:
            self._close()
            self._step = prompt.step
            self._open(prompt)
        if self._bar is not None:
            self._bar.n = min(max(self._bar.total - prompt.seconds_left, 0.0), self._bar.total)
            after = trouble or (f"then {prompt.next_label}" if prompt.next_label else "the last")
            self._bar.unit = f"{prompt.seconds_left:.1f} s, {after}"
            self._bar.refresh()

    def judge(self, repetitions: Sequence[Repetition]) -> None:
        """Say of each repetition that did not go well what was wrong, once that is known."""
        for one in repetitions:
            if one.verdict in (None, GOOD) or one.first_sample in self._judged:
                continue  # a line for each that went well would hide the others
            self._judged.add(one.first_sample)
            if self._bar is not None:
                self._bar.clear()
            click.echo(f"  {said(one)}", err=True)

    def _open(self, prompt: Prompt) -> None:
        said = f"{prompt.label.upper():16}" if prompt.label else f"get ready: {prompt.next_label}"
        if not self._draws:
            click.echo(f"{prompt.step}/{prompt.steps} {said.strip()}: {prompt.seconds_left:.1f} s", err=True)
            return
        from tqdm import tqdm

        self._bar = tqdm(
            total=prompt.seconds_left,
            desc=f"{prompt.step}/{prompt.steps} {said}",
            file=sys.stderr,
            leave=False,
            bar_format="{desc} |{bar:30}| {unit}",
        )

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def _can_draw() -> bool:
    """Whether stderr is a terminal that has a size; tqdm draws nothing on one without."""
    try:
        return sys.stderr.isatty() and os.get_terminal_size(sys.stderr.fileno()).lines > 1
    except OSError:
        return False


def _expect_subject(subject: str | None) -> None:
    from app.emg.recording.folder import SUBJECT, SUBJECT_ALLOWED

    if subject is not None and SUBJECT.fullmatch(subject) is None:
        raise DataError(f"--subject {SUBJECT_ALLOWED}, got {subject!r}")


def _report(held: Summary, out: Path, complete: bool) -> dict[str, Any]:
    return {
        "recording": str(out),
        "complete": complete,
        "samples": held.samples,
        "seconds": round(held.seconds, 3),
        "gaps": held.gaps,
        "lost_samples": held.lost_samples,
        "labelled_seconds": held.labelled_seconds,
    }


def _words(report: dict[str, Any]) -> str:
    labelled = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in report["labelled_seconds"].items())
    early = "" if report["complete"] else " (the plan did not come to its end)"
    samples, gaps = report["lost_samples"], report["gaps"]
    were = f"{counted(samples, 'sample')} {verb(samples, 'was', 'were')}"
    lost = f"; {were} lost in {counted(gaps, 'gap')}" if gaps else ""
    said = f": {labelled}" if labelled else ""
    return f"wrote {report['recording']}: {report['seconds']:.1f} s{early}{said}{lost}"
