"""Machines that share nothing but the bus: models and profiles that one has, and another needs."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from app.config import Settings
from app.errors import DataError, ModelNameError, NotReadyError, ProfileNameError
from app.inference import artefact
from app.serving.machines.keeper import Keeper
from app.serving.machines.lent_models import FILE, KEPT_S, PIECE, LentModels
from app.serving.machines.lent_profiles import LentProfiles
from app.serving.machines.machines import Machine, Machines, own_machine
from app.serving.models.shelf import ModelShelf
from app.serving.profile_catalogue import ProfileCatalogue
from app.serving.profiles.profile import Profile
from tests.inference.artefacts import make_artefact
from tests.serving.bus.memory_bus import MemoryBus, MemoryHub


@dataclass
class Server:
    """A machine with one worker and a folder of its own."""

    folder: Path
    bus: MemoryBus
    machine: Machine
    now: float = field(default_factory=time.time)
    uses: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        settings = Settings(instance=self.folder)
        self.shelf = ModelShelf((self.folder / "models",))
        self.machines = Machines(self.bus, self.machine)
        self.catalogue = ProfileCatalogue(lambda: settings, self.shelf)
        self.models = LentModels(
            self.folder / "borrowed", self.shelf, self.machines, self.uses.get, lambda: self.now
        )
        self.profiles = LentProfiles(self.catalogue, self.machines)
        self.keeper = Keeper(self.machines, self.models, self.profiles)

    def copies(self) -> list[str]:
        folder = self.folder / "borrowed"
        return sorted(path.name for path in folder.iterdir()) if folder.exists() else []

    def has(self, name: str) -> artefact.Artefact:
        return make_artefact(self.folder / "models" / name)


Add = Callable[..., Server]


@pytest.fixture
def hub() -> MemoryHub:
    return MemoryHub()


@pytest.fixture
def add(hub: MemoryHub, tmp_path: Path) -> Iterator[Add]:
    """Makes one machine more."""
    servers: list[Server] = []

    def one(name: str) -> Server:
        servers.append(Server(tmp_path / name, hub.node(name), Machine(f"key of {name}", name)))
        return servers[-1]

    yield one
    for server in servers:
        server.keeper.close()
        server.shelf.close()


def declared(**named: str) -> bytes:
    return json.dumps({"name": "arm", "channels": 8, **named}).encode()


def test_a_model_that_another_machine_has_is_borrowed_byte_for_byte(add: Add) -> None:
    one, two = add("one"), add("two")
    lent = one.has("anna")
    borrowed = two.shelf.sound("anna")
    assert borrowed.sha256 == lent.sha256
    assert borrowed.path == two.folder / "borrowed" / "anna"
    for name in lent.manifest.files:
        assert (borrowed.path / name).read_bytes() == (lent.path / name).read_bytes()
    assert [entry.name for entry in two.shelf.entries()] == []  # it is in no list
    assert two.copies() == ["anna"]


def test_a_file_larger_than_a_piece_comes_whole(add: Add) -> None:
    one, two = add("one"), add("two")
    lent = one.has("anna")
    card = os.urandom(PIECE + 1).hex()[: 2 * PIECE]  # the last piece is empty
    (lent.path / artefact.CARD).write_text(card)
    assert (two.shelf.sound("anna").path / artefact.CARD).read_text() == card


def test_many_who_want_it_at_once_have_it_fetched_once(add: Add, hub: MemoryHub) -> None:
    one, two = add("one"), add("two")
    lent = one.has("anna")
    honest, weights = hub.nodes["one"]._handlers[FILE], []

    def counting(message: bytes) -> bytes:
        if json.loads(message)["file"] == "weights.safetensors":
            weights.append(message)
        return honest(message)

    hub.nodes["one"].serve(FILE, counting)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: two.shelf.sound("anna").sha256, range(8)))
    assert set(found) == {lent.sha256}
    assert len(weights) == 1


def test_what_nobody_has_is_no_model(add: Add) -> None:
    _, two = add("one"), add("two")
    with pytest.raises(ModelNameError, match="on any machine"):
        two.shelf.sound("anna")
    with pytest.raises(ModelNameError):
        two.shelf.sound("../anna")
    assert two.copies() == []


def test_one_of_its_own_comes_first_and_nobody_is_asked(add: Add) -> None:
    one, two = add("one"), add("two")
    one.has("anna")
    own = two.has("anna")
    assert two.shelf.sound("anna").path == own.path


def test_a_copy_becomes_what_its_owner_has_by_now(add: Add) -> None:
    one, two = add("one"), add("two")
    one.has("anna")
    before = two.shelf.sound("anna").sha256
    one.shelf.remove("anna")
    after = make_artefact(one.folder / "models" / "anna", classes=("rest", "fist", "point"))
    assert after.sha256 != before
    assert two.shelf.sound("anna").sha256 == after.sha256


def test_a_model_that_is_deleted_is_so_for_those_who_had_a_copy(add: Add) -> None:
    one, two = add("one"), add("two")
    one.has("anna")
    two.shelf.sound("anna")
    one.shelf.remove("anna")
    with pytest.raises(ModelNameError, match="on any machine"):
        two.shelf.sound("anna")


def test_a_copy_goes_on_when_its_owner_is_gone_and_is_lent_on(hub: MemoryHub, add: Add) -> None:
    one, two, three = add("one"), add("two"), add("three")
    lent = one.has("anna")
    two.shelf.sound("anna")
    hub.kill("one")
    assert two.shelf.sound("anna").sha256 == lent.sha256
    assert three.shelf.sound("anna").sha256 == lent.sha256


def test_a_file_that_is_damaged_on_the_way_is_not_taken(add: Add, hub: MemoryHub) -> None:
    one, two = add("one"), add("two")
    lent = one.has("anna")
    honest = hub.nodes["one"]._handlers[FILE]

    def damaged(message: bytes) -> bytes:
        answer = honest(message)
        if json.loads(message)["file"] == "weights.safetensors":
            return answer[:-1] + bytes([answer[-1] ^ 1])
        return answer

    hub.nodes["one"].serve(FILE, damaged)
    assert "weights.safetensors" in lent.manifest.files
    with pytest.raises(NotReadyError, match="damaged"):
        two.shelf.sound("anna")
    assert two.copies() == []


@pytest.mark.parametrize("file", ["../../state.json", "/etc/passwd", "other.bin"])
def test_nothing_is_lent_that_the_manifest_does_not_name(add: Add, hub: MemoryHub, file: str) -> None:
    one, two = add("one"), add("two")
    one.has("anna")
    asked = json.dumps({"name": "anna", "file": file, "from": 0}).encode()
    with pytest.raises(DataError, match="no file"):
        two.bus.call("one", FILE, asked, 1.0)


def test_a_model_that_is_borrowed_and_used_is_neither_deleted_nor_replaced(add: Add) -> None:
    one, two = add("one"), add("two")
    one.has("anna")
    assert one.models.used_elsewhere("anna") is None
    two.shelf.sound("anna")
    two.uses["anna"] = "this server runs it, for arm"
    assert one.models.used_elsewhere("anna") == "two has borrowed it: this server runs it, for arm"
    two.has("anna")  # its own by now: another's affair
    assert one.models.used_elsewhere("anna") is None


def test_a_copy_that_nobody_needs_goes_after_a_while(add: Add) -> None:
    one, two = add("one"), add("two")
    for name in ("used", "declared", "neither"):
        one.has(name)
        two.shelf.sound(name)
    two.uses["used"] = "this server runs it"
    lease = one.bus.claim("arm", declared(model="declared"))
    assert lease is not None
    two.keeper.tidy()
    assert two.copies() == ["declared", "neither", "used"]
    two.now += KEPT_S + 5
    two.keeper.tidy()
    assert two.copies() == ["declared", "used"]


def test_workers_of_one_machine_are_one_machine(hub: MemoryHub, add: Add, tmp_path: Path) -> None:
    one = add("one")
    Machines(hub.node("one, second worker"), one.machine)
    two = add("two")
    assert [reached.machine.name for reached in two.machines.others()] == ["one"]
    assert [reached.machine.name for reached in one.machines.others()] == ["two"]


def test_machines_have_names_for_people_and_keys_that_tell_no_secret() -> None:
    machine = own_machine("0123456789abcdef", "0.0.0.0:8000")
    assert machine.name.endswith(":8000")
    assert "0123456789abcdef" not in machine.key + machine.name
    assert machine.key != own_machine("fedcba9876543210", "0.0.0.0:8000").key


def test_a_profile_is_borrowed_as_it_is_now_and_kept_on_no_disk(hub: MemoryHub, add: Add) -> None:
    one, two = add("one"), add("two")
    one.catalogue.put(Profile(name="anna", person="Anna", montage="1-8"))
    assert two.catalogue.find("anna").montage == "1-8"
    one.catalogue.put(Profile(name="anna", person="Anna", montage="3,1,2"))
    assert two.catalogue.find("anna").montage == "3,1,2"
    with pytest.raises(ProfileNameError):
        two.catalogue.own("anna")
    assert not list(two.folder.rglob("*.json"))
    hub.kill("one")
    assert two.catalogue.find("anna").montage == "3,1,2"


def test_a_profile_that_is_deleted_is_so_for_those_who_had_a_copy(add: Add) -> None:
    one, two = add("one"), add("two")
    one.catalogue.put(Profile(name="anna"))
    two.catalogue.find("anna")
    one.catalogue.delete("anna")
    with pytest.raises(ProfileNameError, match="on any machine"):
        two.catalogue.find("anna")


def test_one_machine_beside_the_owner_keeps_what_a_source_needs(hub: MemoryHub, add: Add) -> None:
    """Else it would be gone with a machine that dies, and nobody could take the source over."""
    servers = [add(name) for name in ("one", "two", "three", "four")]
    owner, others = servers[0], servers[1:]
    owner.has("anna")
    owner.catalogue.put(Profile(name="anna", person="Anna", model="anna"))
    assert owner.bus.claim("arm", declared(model="anna", profile="anna")) is not None
    for server in servers:
        server.keeper.look()
    (keeper,) = [server for server in others if server.copies()]
    assert owner.copies() == []
    hub.kill("one")
    for server in others:
        server.keeper.tidy()
        assert server.shelf.sound("anna").manifest.classes
        assert server.catalogue.find("anna").person == "Anna"
    assert keeper.copies() == ["anna"]


def test_a_source_that_is_read_by_another_model_has_that_kept(add: Add) -> None:
    one, two = add("one"), add("two")
    for name in ("before", "after"):
        one.has(name)
    lease = one.bus.claim("arm", declared(model="before"))
    assert lease is not None
    two.keeper.look()
    lease.declare(declared(model="after"))
    two.keeper.look()
    assert two.copies() == ["after", "before"]


def test_a_declaration_that_is_none_stops_nothing(add: Add) -> None:
    one, two = add("one"), add("two")
    one.has("anna")
    for source, text in (("a", b"{"), ("b", b"[]"), ("c", b'{"model": 7}'), ("d", declared(model="anna"))):
        assert one.bus.claim(source, text) is not None
    two.keeper.look()
    two.keeper.tidy()
    assert two.copies() == ["anna"]


def test_sources_are_dealt_out_among_the_machines(add: Add) -> None:
    servers = [add(name) for name in ("one", "two", "three", "four")]
    found = [servers[1].machines.keeper(f"source {number}", "one") for number in range(300)]
    same = [servers[3].machines.keeper(f"source {number}", "one") for number in range(300)]
    assert found == same
    for server in servers[1:]:
        assert 60 < found.count(server.machine) < 140
    assert servers[0].machine not in found
