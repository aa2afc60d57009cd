"""Which of the pushed sources are this worker's, and the way to those of others.

Whoever is the first to be asked for a source claims it. The others push on to it; when it dies, the next that is pushed
to claims the source as it was declared, and the sample index, which the client counts, goes on.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from dataclasses import replace

from app.emg.pushed_source import PushSource
from app.errors import FencedError, NodeGoneError, NotReadyError, SourceElsewhereError
from app.serving.bus.bus import Bus, Lease, Ownership, oldest_source
from app.serving.pipelines.pipeline import SourcePipeline
from app.serving.pipelines.prepared_uses import pick_of
from app.serving.pipelines.pushed_messages import NEXT, PUSH, read_message, receipt_message
from app.serving.pipelines.pushed_sources import PushedSources
from app.serving.pipelines.remote_source import PATIENCE_S, RemoteSource
from app.serving.pipelines.source_pipelines import SourcePipelines
from app.serving.sources.declaration import read, written
from app.serving.sources.declared import Declared

log = logging.getLogger(__name__)

DECLARE = "declare"  # the kind of call
DECLARED_S = 15.0  # for another worker to do so: it may have to open a model
LOOK_S = 0.02  # while a source is being claimed, here or elsewhere


class OwnedSources:
    """Opens, takes over and ends the pushed sources of this worker, as the only one that has them."""

    def __init__(self, bus: Bus, pushed: PushedSources, pipelines: SourcePipelines) -> None:
        self.bus, self._pushed, self._pipelines = bus, pushed, pipelines
        self._leases: dict[str, Lease] = {}
        self._declared: dict[str, tuple[Declared, object]] = {}  # and the model that it began with
        self._remote: dict[str, tuple[bytes, RemoteSource]] = {}  # by name, with its declaration
        self._lock = threading.Lock()  # one source is opened at a time
        self._closed = False
        pipelines.elsewhere = self._elsewhere
        pushed.ended = self._ended
        bus.serve(DECLARE, self._declare_here)
        bus.serve(PUSH, self._push_here)
        bus.serve(NEXT, self._next_here)

    def declare(self, declared: Declared) -> tuple[SourcePipeline, bool]:
        """Return the pipeline of a source that a client brings to this worker, and whether it is new.

        Raises:
            SourceElsewhereError: another worker has it, which is to be asked.
            NotReadyError: it could not be claimed in time.
            MyostreamError: as `PushedSources.declare`.
        """
        ends = time.monotonic() + PATIENCE_S
        while True:
            if self._pipelines.find(declared.name) is not None:
                return self._pushed.declare(declared)
            owner = self.bus.owner(declared.name)
            if owner is not None and owner.alive and owner.node != self.bus.node:
                raise SourceElsewhereError(declared.name, owner.node)
            opened = self._claimed(declared, owner)
            if opened is not None:
                return opened, True
            if time.monotonic() > ends:
                raise NotReadyError(f"the source {declared.name} is being taken by another worker; try again")
            time.sleep(LOOK_S)

    def declare_anywhere(self, declared: Declared) -> SourcePipeline | None:
        """Declare a source at the worker that has it; return its pipeline where that is this one, else None.

        Raises:
            NotReadyError: that worker does not answer.
            MyostreamError: as `PushedSources.declare`.
        """
        ends = time.monotonic() + PATIENCE_S
        while True:
            try:
                return self.declare(declared)[0]
            except SourceElsewhereError as elsewhere:
                try:
                    self.bus.call(elsewhere.node, DECLARE, written(declared), DECLARED_S)
                    return None
                except (NodeGoneError, FencedError):
                    if time.monotonic() > ends:
                        raise
            time.sleep(LOOK_S)

    def remote(self, name: str) -> RemoteSource | None:
        """Return the way to a source that another worker has, or had until it died; None where nobody has it."""
        owner = self.bus.look(name)
        if owner is None or (owner.alive and owner.node == self.bus.node):
            return None
        known = self._remote.get(name)
        if known is None or known[0] != owner.declaration:
            source = RemoteSource(read(owner.declaration), self.bus, self.here, self.take_over)
            known = self._remote[name] = owner.declaration, source
        return known[1]

    def here(self, name: str) -> PushSource | None:
        """Return a source of this worker."""
        pipeline = self._pipelines.find(name)
        return pipeline.source if pipeline is not None and isinstance(pipeline.source, PushSource) else None

    def lease(self, name: str) -> Lease | None:
        """Return that of a source of this worker."""
        return self._leases.get(name)

    def take_over(self, owner: Ownership) -> None:
        """Go on with a source whose worker has died, unless another does so first.

        Raises:
            MyostreamError: as `PushedSources.declare`.
        """
        declared = read(owner.declaration)
        if self._claimed(declared, owner) is not None:
            log.warning("the source %s goes on in this worker: the one that read it is gone", owner.source)

    def forget(self, name: str) -> bool:
        """End a source whose worker has died; False where there is none."""
        owner = self.bus.owner(name)
        if owner is None or owner.alive:
            return False
        lease = self.bus.claim(name, owner.declaration)
        if lease is not None:
            lease.release()
        return lease is not None

    def tick(self) -> None:
        """Have the others know which models read the sources here: whoever takes one over opens that."""
        for name in [name for name in self._remote if self.bus.owner(name) is None]:
            del self._remote[name]
        for name, (declared, began) in list(self._declared.items()):
            pipeline, lease = self._pipelines.find(name), self._leases.get(name)
            if pipeline is None or lease is None:
                continue
            pick = pick_of(pipeline.use)
            if pick != began:
                now = replace(declared, model=pick.model, profile=pick.profile)
                self._declared[name] = now, pick
                lease.declare(written(now))

    def close(self) -> None:
        """Leave the sources to other workers. Safe to call twice."""
        self._closed = True
        self.bus.close()

    def _claimed(self, declared: Declared, before: Ownership | None) -> SourcePipeline | None:
        """Return the pipeline of a source that is this worker's now; None where another was first."""
        name = declared.name
        if self._closed:
            raise NotReadyError("the server is shutting down")
        with self._lock:
            lease = self.bus.claim(name, written(declared), lambda: self._lost(name))
            if lease is None:
                return None
            self._leases[name] = lease
            try:
                pipeline, _ = self._pushed.declare(declared, restart=before is not None)
            except BaseException:
                del self._leases[name]
                lease.release(ended=before is None)
                raise
            pipeline.lease = lease
            self._declared[name] = declared, pick_of(pipeline.use)
        if (
            lease.lost
        ):  # while the source was opened, which may take long: there was no pipeline to fall silent
            self._lost(name)
            return None
        return pipeline

    def _elsewhere(self, name: str | None) -> None:
        """See that this worker, and not another, is to be asked for a source; None: for the oldest that is read.

        Raises:
            SourceElsewhereError: another is.
        """
        owner = oldest_source(self.bus) if name is None else self.bus.look(name)
        if owner is not None and not (owner.alive and owner.node == self.bus.node):
            raise SourceElsewhereError(owner.source, owner.node, owner.alive)

    def _ended(self, pipeline: SourcePipeline) -> None:
        lease = self._leases.pop(pipeline.name, None)
        self._declared.pop(pipeline.name, None)
        if lease is not None:
            lease.release(ended=not self._closed)

    def _lost(self, name: str) -> None:
        """Fall silent: another worker has the source by now."""
        self._leases.pop(name, None)
        self._declared.pop(name, None)
        pipeline = self._pipelines.find(name)
        log.warning(
            "the source %s is another worker's by now: this one could not say in time that it lives", name
        )
        if pipeline is not None:
            pipeline.moved = True
            self._pipelines.remove(pipeline)

    def _declare_here(self, message: bytes) -> bytes:
        declared = read(message)
        self._own(declared.name)
        self._pushed.declare(declared)
        return b""

    def _push_here(self, message: bytes) -> bytes:
        pushed = read_message(message)
        return receipt_message(self._own(pushed.source).push(pushed.first_sample, pushed.samples, pushed.aux))

    def _next_here(self, message: bytes) -> bytes:
        return json.dumps(self._own(message.decode()).next_sample).encode()

    def _own(self, name: str) -> PushSource:
        source = self.here(name)
        if source is not None:
            return source
        if name in self._leases:
            raise NodeGoneError(f"the source {name} is being opened; try again")
        raise FencedError(f"the source {name} is not this worker's any more; try again")
