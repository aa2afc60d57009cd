"""What other machines have, with the machine's name."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

import pytest

from app.api.schemas.jobs import JobsSchema
from app.api.schemas.models import ModelsSchema
from app.api.schemas.profiles import ProfilesSchema
from app.config import Settings
from app.serving.jobs.job import RUNNING, Job
from app.serving.jobs.trainings import Trainings
from app.serving.machines.lists import LIST
from app.serving.machines.machines import Machine
from app.serving.machines.service import OtherMachines
from app.serving.model_catalogue import ModelCatalogue
from app.serving.models.open_models import OpenModels
from app.serving.pipelines.source_pipelines import SourcePipelines
from app.serving.profiles.profile import Profile
from tests.inference.artefacts import make_artefact
from tests.serving.bus.memory_bus import MemoryHub


def catalogue_only(_: object) -> NoReturn:
    raise AssertionError("no model is opened here")


class Jobs(Trainings):
    """Made up ones, without a folder in which they lie."""

    def __init__(self, jobs: list[Job]) -> None:
        self._jobs = jobs

    def all(self) -> list[Job]:
        return self._jobs


Add = Callable[[str], tuple[ModelCatalogue, OtherMachines, list[Job]]]


@pytest.fixture
def hub() -> MemoryHub:
    return MemoryHub()


@pytest.fixture
def add(hub: MemoryHub, tmp_path: Path) -> Iterator[Add]:
    """Makes one machine more: its models and profiles, what it knows of others, and its jobs."""
    made: list[tuple[ModelCatalogue, OtherMachines]] = []

    def one(name: str) -> tuple[ModelCatalogue, OtherMachines, list[Job]]:
        settings = Settings(instance=tmp_path / name)
        nothing = OpenModels(None, catalogue_only, catalogue_only, 1)
        catalogue = ModelCatalogue(lambda: settings, lambda: nothing, SourcePipelines(4))
        jobs: list[Job] = []
        machine = Machine(f"key of {name}", name)
        others = OtherMachines(hub.node(name), machine, settings.instance, catalogue, Jobs(jobs))
        others.start()
        made.append((catalogue, others))
        return catalogue, others, jobs

    yield one
    for catalogue, others in made:
        others.close()
        catalogue.close()


def job(name: str) -> Job:
    return Job(
        id=f"{name}-1",
        owner="a worker",
        name=name,
        recordings=("a secret",),
        base=None,
        person="Anna",
        use="if-better",
        source=None,
        created_at=1700000000.0,
        state=RUNNING,
        progress=0.25,
    )


def test_models_profiles_and_jobs_of_other_machines_are_listed_with_the_machine(
    add: Add, tmp_path: Path
) -> None:
    one, _, jobs = add("one")
    _, two, _ = add("two")
    model = make_artefact(tmp_path / "one" / "models" / "anna")
    one.profiles.put(Profile(name="anna", person="Anna", model="anna", notes="of nobody's business"))
    jobs.append(job("ben"))

    (row,) = two.elsewhere("models")  # those that came with the code are at every machine
    version = model.manifest.version
    assert row == {
        "machine": "one",
        "name": "anna",
        "version": version,
        "sha256": model.sha256,
        "used": False,
    }
    assert two.elsewhere("profiles") == [
        {"machine": "one", "name": "anna", "person": "Anna", "model": "anna"}
    ]
    assert two.elsewhere("jobs") == [
        {
            "machine": "one",
            "id": "ben-1",
            "name": "ben",
            "state": "running",
            "progress": 0.25,
            "created_at": 1700000000.0,
        }
    ]


@pytest.mark.parametrize(
    ("what", "schema"),
    [("models", ModelsSchema), ("profiles", ProfilesSchema), ("jobs", JobsSchema)],
    ids=["models", "profiles", "jobs"],
)
def test_the_api_tells_all_of_it(
    add: Add, tmp_path: Path, what: str, schema: type[ModelsSchema | ProfilesSchema | JobsSchema]
) -> None:
    one, _, jobs = add("one")
    _, two, _ = add("two")
    make_artefact(tmp_path / "one" / "models" / "anna")
    one.profiles.put(Profile(name="anna"))
    jobs.append(job("ben"))
    rows = two.elsewhere(what)
    assert rows
    assert schema(only=("elsewhere",)).dump({"elsewhere": rows}) == {"elsewhere": rows}


def test_a_machine_that_does_not_answer_is_left_out_and_the_log_says_so(
    add: Add, hub: MemoryHub, caplog: pytest.LogCaptureFixture
) -> None:
    add("one")
    _, two, _ = add("two")
    three, _, _ = add("three")
    three.profiles.put(Profile(name="anna"))
    hub.nodes["one"].serve(LIST, lambda _: b"{")
    with caplog.at_level(logging.WARNING):
        assert [row["machine"] for row in two.elsewhere("profiles")] == ["three"]
    assert any("one does not say which profiles it has" in record.message for record in caplog.records)


def test_alone_there_is_nothing_elsewhere(add: Add) -> None:
    _, one, _ = add("one")
    assert one.elsewhere("models") == one.elsewhere("profiles") == one.elsewhere("jobs") == []
