"""The worker's runtime, as a request finds it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

from flask import current_app

from app.api.errors import InvalidBody
from app.errors import ModelNameError, ProfileNameError, SourceElsewhereError, SourceNameError
from app.serving.pipelines.pipeline import SourcePipeline
from app.serving.runtime import Runtime


def current_runtime() -> Runtime:
    """Return the runtime that `create_app` was given, or the one that it opens when first asked."""
    return cast(Runtime, current_app.extensions["runtime"]())


def current_pipeline(source: str | None) -> SourcePipeline:
    """Return the pipeline that a body names in `source`, of this request's runtime; as `pipeline_in`."""
    return pipeline_in(current_runtime(), source)


def pipeline_in(runtime: Runtime, source: str | None) -> SourcePipeline:
    """Return the pipeline that a body names in `source`; the default one where it names none.

    Raises:
        InvalidBody: there is none of that name.
        NotReadyError: there is none at all yet.
    """
    try:
        return runtime.pipelines.named(source)
    except SourceNameError as error:
        raise InvalidBody({"source": [str(error)]}) from None


def source_in(runtime: Runtime, source: str | None) -> SourcePipeline | str:
    """Return the same, or its name where another worker reads it."""
    try:
        return pipeline_in(runtime, source)
    except SourceElsewhereError as error:
        return error.source


@contextmanager
def named_in_body() -> Iterator[None]:
    """Have a model or a profile that a body or a query names, and that is not there, said by its field.

    Raises:
        InvalidBody: there is none of that name.
    """
    try:
        yield
    except ModelNameError as error:
        raise InvalidBody({"model": [str(error)]}) from None
    except ProfileNameError as error:
        raise InvalidBody({"profile": [str(error)]}) from None
