"""The README.md of a model of values: what it was taught with, and how good it is."""

from __future__ import annotations

from app.inference.manifest import Manifest
from app.learning.values.followed import Followed


def card(manifest: Manifest, found: Followed) -> bytes:
    """Return the card."""
    figures, span = manifest.metrics["values"], 1e3 / manifest.sampling_rate
    beside = figures["beside"]
    ranges = ", ".join(
        f"{value.name} ({value.low:g} to {value.high:g}{f' {value.units}' if value.units else ''})"
        for value in found.values
    )
    lines = [
        f"# {manifest.name}",
        "",
        f"Values of one person's own recordings: {ranges}. {manifest.channels} channels at "
        f"{manifest.sampling_rate:g} Hz, windows of {manifest.length * span:.0f} ms with "
        f"{manifest.context * span:.0f} ms before them. Kernel ridge regression on logarithms of channel covariances, "
        "in closed form.",
        "",
        "## Data",
        "",
        f"- Recordings: {', '.join(found.joined.names)}",
        f"- {found.stream}: {manifest.training['seconds']:g} s, which the signal follows {figures['lag_s']:g} s late",
        "",
        "## Figures",
        "",
        f"On {figures['split']} ({figures['windows']} windows); errors are shares of a value's range.",
        "",
        "| | R2 | mean error |",
        "| --- | --- | --- |",
        f"| this model | **{figures['r2']:.3f}** | **{figures['mae']:.3f}** |",
        *(f"| {name} | {one['r2']:.3f} | {one['mae']:.3f} |" for name, one in figures["of_each"].items()),
        *(
            f"| {said} | | {figures[key]['mae']:.3f} |"
            for key, said in (("between", "at levels between"), ("combined", "two or more at once"))
            if key in figures
        ),
        f"| linear regression of amplitudes | {beside['linear']['r2']:.3f} | {beside['linear']['mae']:.3f} |",
        f"| the mean | {beside['mean']['r2']:.3f} | {beside['mean']['mae']:.3f} |",
        *(["", "## What would make it better", ""] if figures["advice"] else []),
        *(f"- {line}" for line in figures["advice"]),
        "",
        "## Limits",
        "",
        "It knows one person and one placement of the electrodes: follow the cursor again when they are put on anew. "
        "It is no medical device, and not for anything that moves with force.",
        "",
    ]
    return "\n".join(lines).encode()
