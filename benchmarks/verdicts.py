"""How often the verdicts on repetitions are right; docs/recordings.md has the figures.

    OMP_NUM_THREADS=1 python -m benchmarks.verdicts [--people 25] [--sessions 3]

Every person and session of myo-readings follows a plan of seven gestures, three times each, with 2 s of rest between:
3 s a gesture, begun and ended 0 to 0.7 s late, the signal as it was recorded. Once as asked, which gives the false
alarms; once with every fifth repetition not done, every fourth after the first another gesture instead, every fourth
rest spent on a gesture, and a dead channel now and then. Then what is called bad is asked again, and done right.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from app.emg.recording.prompts.course import REDONE, Action, Course, Entry, course_of
from app.emg.recording.prompts.label_plan import plan_of
from app.emg.recording.prompts.step_judge import StepJudge
from app.emg.source import Chunk
from tests.conftest import RECORDINGS
from tests.prompted_person import DEAD, NOTHING, REST, Performance, Repertoire

REPETITIONS, MAINS_HZ, CHUNK = 3, 50.0, 50

AS_ASKED, NOT_JUDGED = "as asked", "not judged"

Counts = Counter[tuple[str, str, str]]  # what was done, first or later repetition, and the verdict


def run(file: Path, session: int, seed: int, *, wrong: bool) -> Counts:
    """Return how often each deed got each verdict in one plan."""
    repertoire = Repertoire.of(file, session)
    names = [name for name, found in repertoire.stretches.items() if name != REST and found]
    rng = np.random.default_rng(seed)
    order = [str(name) for name in rng.permutation(names)]
    plan = plan_of(order, REPETITIONS, countdown_seconds=3.0)
    deeds = _deeds(rng, order) if wrong else {}
    person = Performance(repertoire, deeds, seed=seed)
    fs, channels = repertoire.recording.fs, repertoire.recording.channels
    course, judge = course_of(plan, fs), StepJudge(channels, fs, MAINS_HZ)
    verdicts: dict[int, str] = {}
    did: dict[int, str] = {}  # by the begin of the entry
    turns: Counter[str] = Counter()
    again: set[int] = set()  # steps that were done again: a person does so once
    place = 0
    while not course.over(place):
        now = course.under_way(place)
        if now is not None and now.begin not in did:
            label = plan.steps[now.step].label
            turns[label] += 1
            did[now.begin] = deeds.get((label, turns[label]), AS_ASKED)
        asked = None if now is None else plan.steps[now.step].label
        person.hear(asked, None if now is None else now.begin)
        chunk = Chunk(index=place, samples=person.play(CHUNK))
        place += CHUNK
        for one in judge.take(chunk, 0, course):
            verdicts[one.entry] = one.verdict
            step = course.entries(place)[one.entry].step
            if wrong and one.verdict != "good" and step not in again:
                course = course.act(Action(place, "redo", one.entry))
                again.add(step)
    return _counted(course, course.entries(place), verdicts, did)


def _deeds(rng: np.random.Generator, names: list[str]) -> dict[tuple[str, int], str]:
    found: dict[tuple[str, int], str] = {}
    for name in names:
        for turn in range(1, REPETITIONS + 1):
            other = str(rng.choice([one for one in names if one != name]))
            wrong = [NOTHING, DEAD, REST if turn == 1 else other, ""]
            found[name, turn] = str(
                rng.choice(wrong, p=[0.2, 0.05, 0.25 if turn > 1 else 0.05, 0.5 if turn > 1 else 0.7])
            )
    for turn in range(1, REPETITIONS * len(names)):
        if rng.random() < 1 / 4:
            found[REST, turn] = str(rng.choice(names))
    return {key: NOTHING if deed == REST else deed for key, deed in found.items() if deed}


def _counted(
    course: Course, entries: Sequence[Entry], verdicts: Mapping[int, str], did: Mapping[int, str]
) -> Counts:
    counts: Counts = Counter()
    known: set[str] = set()
    for number, entry in enumerate(entries):
        label, said = course.plan.steps[entry.step].label, verdicts.get(number, NOT_JUDGED)
        if said == NOT_JUDGED and entry.state == REDONE:  # cut short
            continue
        deed = did[entry.begin]
        deed = deed if deed in (AS_ASKED, NOTHING, DEAD) else "another gesture"
        counts[deed, REST if label == REST else "later" if label in known else "first", said] += 1
        if said == "good":
            known.add(label)
    return counts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=25)
    parser.add_argument("--sessions", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    total: dict[str, Counts] = {"as asked": Counter(), "with faults": Counter()}
    for number, file in enumerate(sorted(RECORDINGS.glob("S*.npz"))[: chosen.people]):
        for session in range(1, chosen.sessions + 1):
            seed = 10 * number + session
            total["as asked"] += run(file, session, seed, wrong=False)
            total["with faults"] += run(file, session, seed, wrong=True)
    if chosen.json:
        print(
            json.dumps(
                {name: {" | ".join(key): n for key, n in found.items()} for name, found in total.items()}
            )
        )
        return
    for name, found in total.items():
        print(name)
        for deed, kind in sorted({(deed, kind) for deed, kind, _ in found}):
            row = {verdict: n for (d, k, verdict), n in found.items() if (d, k) == (deed, kind)}
            whole = sum(row.values())
            said = ", ".join(
                f"{verdict} {n / whole:.3f}" for verdict, n in sorted(row.items(), key=lambda one: -one[1])
            )
            print(f"  {deed:16} {kind:6} {whole:5}: {said}")


if __name__ == "__main__":
    main()
