"""The profile that EMG_PROFILE names, put into the settings of the server's own source; and what a profile needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from app.config import Settings
from app.counted import counted
from app.emg.signal.channel_choice import parse_channels
from app.errors import ConfigError, DataError, MyostreamError, NotReadyError, ProfileNameError
from app.inference import artefact
from app.inference.manifest import Manifest
from app.serving.profiles.profile import Profile, ProfileFieldError
from app.serving.profiles.store import ProfileStore


def with_profile(settings: Settings) -> Settings:
    """Return the settings with model and montage of the profile of EMG_PROFILE, so far as it has them.

    Raises:
        ConfigError: there is no such profile, it cannot be used, or EMG_MODEL or EMG_CHANNELS contradicts it.
    """
    if settings.profile is None:
        return settings
    profile = _profile_of(settings, settings.profile)
    said = f"EMG_PROFILE={profile.name}"
    if profile.model is not None and not _is_model(settings, profile.model):
        raise ConfigError(
            f"EMG_MODEL={settings.model} contradicts {said}, whose model is {profile.model}: leave EMG_MODEL out"
        )
    if profile.montage is not None and not _is_montage(settings.montage, profile.montage):
        raise ConfigError(
            f"EMG_CHANNELS={settings.montage} contradicts {said}, whose montage is {profile.montage}: "
            "leave EMG_CHANNELS out"
        )
    return replace(
        settings, model=settings.model or profile.model, montage=profile.montage or settings.montage
    )


def expect_usable(profile: Profile, find: Callable[[str], Manifest]) -> None:
    """See that the model is there that a profile names, and fits its montage and its rules.

    `find` returns a model's manifest by its name, or raises in one line why it cannot.

    Raises:
        ProfileFieldError: the profile cannot be used; says why.
    """
    if profile.model is None:
        return
    try:
        manifest = find(profile.model)
    except MyostreamError as error:
        raise ProfileFieldError("model", str(error)) from None
    for name in () if profile.gesture_rules is None else profile.gesture_rules.overrides:
        if name not in manifest.classes:
            known = ", ".join(manifest.classes[:20]) or "none"
            raise ProfileFieldError(
                "gesture_rules", f"classes has {name[:40]!r}; those of the model {manifest.name} are {known}"
            )
    columns = profile.columns
    if columns is not None and len(columns) != manifest.channels:
        raise ProfileFieldError(
            "montage",
            f"{profile.montage} chooses {counted(len(columns), 'channel')}; the model {manifest.name} reads "
            f"{manifest.channels}",
        )


def _profile_of(settings: Settings, name: str) -> Profile:
    store = ProfileStore(settings.instance)
    try:
        profile = store.find(name)
        expect_usable(profile, lambda model: artefact.find(model, settings.model_folders).manifest)
    except ProfileNameError:
        there = ", ".join(store.names()[:20]) or "none"
        raise ConfigError(
            f"EMG_PROFILE={name}: no such profile in {store.folder}, which has {there}"
        ) from None
    except (NotReadyError, DataError) as error:
        raise ConfigError(f"EMG_PROFILE={name} cannot be used: {error}") from None
    except OSError as error:
        raise ConfigError(f"EMG_PROFILE={name} cannot be read: {error.strerror or error}") from None
    return profile


def _is_model(settings: Settings, name: str) -> bool:
    """Whether EMG_MODEL is not set, or names that model, by its name or its path."""
    if settings.model is None or settings.model == name:
        return True
    place = artefact.place(name, settings.model_folders)
    try:
        return place is not None and Path(settings.model).samefile(place)
    except (OSError, ValueError):  # it is no path
        return False


def _is_montage(chosen: str | None, montage: str) -> bool:
    return chosen is None or parse_channels(chosen) == parse_channels(montage)
