"""What may change about a window without changing the gesture: physics of an armband, not of images.

Sources:
    Rotation: the armband sits turned a little further or less on every arm and day; between two electrodes
        the signal is near their mixture. Channel shift as augmentation: Cote-Allard et al., "Deep learning
        for electromyographic hand gesture signal classification using transfer learning", IEEE Trans.
        Neural Syst. Rehabil. Eng. 27(4), 2019, arXiv:1801.07756;
        electrode shift as the problem: Young, Hargrove, Kuiken, "The effects of electrode size and
        orientation on the sensitivity of myoelectric pattern recognition systems to electrode shift", IEEE
        Trans. Biomed. Eng. 58(9), 2011.
    Gains, noise, lost channels, time shift: Tsinganos et al., "Data augmentation of surface electromyography
        for hand gesture recognition", Sensors 20(17), 2020; Um et al., "Data augmentation of wearable sensor
        data for Parkinson's disease monitoring using convolutional neural networks", ICMI 2017,
        arXiv:1706.00527. Skin contact changes the gain of an electrode and the noise of its amplifier.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Augmentation:
    """How much each change may do; 0 turns it off. Windows are normalised, (batch, length, channels)."""

    roll: float = 0.7  # sd of the ring's turn, in electrodes
    fraction: bool = True  # turns end between two electrodes too, else on the nearest
    gain: float = 0.25  # sd of the logarithm of all channels' common gain
    channel_gain: float = 0.15  # the same of each channel's own
    drop: float = 0.1  # chance that one channel is silent
    noise: float = 0.2  # largest sd of added white noise, in sd of the signal
    shift: int = 10  # samples that a window may start earlier or later in its segment

    def __call__(self, windows: Tensor, chance: torch.Generator) -> Tensor:
        """Return changed copies, every window by its own draw."""
        if self.roll:
            windows = self._turned(windows, chance)
        windows = windows * self._gains(windows, chance)
        if self.noise:
            level = torch.rand(len(windows), 1, 1, generator=chance) * self.noise
            windows = windows + level * torch.randn(windows.shape, generator=chance)
        return windows

    def _turned(self, windows: Tensor, chance: torch.Generator) -> Tensor:
        """Return the ring of electrodes rolled by a whole and a fractional number."""
        batch, _, channels = windows.shape
        turn = self.roll * torch.randn(batch, generator=chance)
        if not self.fraction:
            turn = torch.round(turn)
        below = torch.floor(turn)
        part = (turn - below)[:, None, None]
        near = (torch.arange(channels) - below.long()[:, None]) % channels  # (batch, channels)
        far = (near - 1) % channels
        mixed = (1 - part) * _pick(windows, near) + part * _pick(windows, far)
        # neighbours are taken as uncorrelated, so that a turn does not weaken the signal
        return mixed / torch.sqrt((1 - part) ** 2 + part**2)

    def _gains(self, windows: Tensor, chance: torch.Generator) -> Tensor:
        batch, _, channels = windows.shape
        common = self.gain * torch.randn(batch, 1, 1, generator=chance)
        gains = torch.exp(common + self.channel_gain * torch.randn(batch, 1, channels, generator=chance))
        lost = torch.rand(batch, generator=chance) < self.drop
        which = torch.randint(0, channels, (batch,), generator=chance)
        gains[lost, 0, which[lost]] = 0.0
        return gains


# One session's own variation, while features are learned; the person and the ring stay what they are.
WITHIN_SESSION = Augmentation(roll=0.15, gain=0.1, channel_gain=0.1, drop=0.0, noise=0.075)
# The same where a person's own few windows are all there is: wider, for they do not show it.
OWN_SESSION = Augmentation(roll=0.15, gain=0.25, channel_gain=0.25, drop=0.0, noise=0.075)
# And where they are of several sessions: then it is for the next one, too, with the band put on anew.
OWN_SESSIONS = Augmentation(roll=0.25, gain=0.25, channel_gain=0.25, drop=0.0, noise=0.075)


def _pick(windows: Tensor, channels: Tensor) -> Tensor:
    """Those channels (batch, channels) of each window."""
    return windows.gather(2, channels[:, None, :].expand(-1, windows.shape[1], -1))
