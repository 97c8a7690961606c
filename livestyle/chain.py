"""What becomes of a live picture between the camera and the sinks."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from . import effects
from .controls import Controls, Look
from .errors import LivestyleError
from .frame import Image
from .governor import Choice, Governor, Networks
from .masks import MaskedStyle, MaskSource
from .media.picture import resize
from .media.size import Size, fit
from .palette import Palette
from .steady import Steady
from .stylizer import NO_NETWORK

FADE_SECONDS = 1.0


class Chain:
    """Image to image: mirrored, made small, styled, steadied, made large again, with its colours and its split.

    Made for one thread; `observe` and the figures belong to the sink's.

    Args:
        palette: the styles, as the controls number them.
        controls: looked at anew for every picture.
        govern: makes the governor for a camera's size and a style's networks; called anew when they change.
        out_size: of the pictures that come out, if not the camera's.
        mask: who or what is styled; None for the whole picture.
        sides: numbers in the palette of the styles inside and outside the mask; None for the one chosen live.
        say: told of a style that fails and is left again, a line.

    Attributes:
        device: what ran the styles of the last picture, or will run those of the first.
    """

    def __init__(
        self,
        palette: Palette,
        controls: Controls,
        govern: Callable[[Size, Networks], Governor],
        *,
        out_size: Size | int | None = None,
        mask: MaskSource | None = None,
        sides: tuple[int | None, int | None] = (None, None),
        say: Callable[[str], object] = lambda line: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._palette, self._controls, self._govern, self._clock = palette, controls, govern, clock
        self._out_size, self._sides, self._say = out_size, sides, say
        self._mask = MaskedStyle(mask, self._side(0), self._side(1)) if mask else None
        self._steady = Steady()
        self._governed: tuple[Size, Networks] | None = None
        self._begun = False  # whether the present governor knows what a picture takes
        self.governor: Governor | None = None
        self._look, self._fade_began = controls.look, 0.0
        self._shares = {controls.look.style: 1.0}  # of each style in what is seen
        self._fading = self._shares  # what the cross-fade began with
        self._seconds: float | None = None
        self._style_is_new = False  # the skipping of the one before is not its own
        self._network = ""  # of the style chosen live
        self._last: Image | None = None
        self.device = self._device(controls.look)
        self._proven: int | None = None  # the last style that could be painted

    def __call__(self, image: Image) -> Image:
        """(H, W, 3) uint8 RGB at the size going out."""
        look = self._controls.look
        if look.freeze and self._last is not None:
            self._seconds = None
            return self._last
        began = self._clock()
        self._follow(look, Size(image.shape[1], image.shape[0]), began)
        original = effects.mirrored(image) if look.mirror else image
        target = _sized(original, fit(Size(image.shape[1], image.shape[0]), self._out_size))
        runs = self._runs(look)
        try:
            self._last = self._finished(self._painted(original, target), target, look) if runs else target
        except LivestyleError as error:
            if self._proven is None or self._proven == look.style:
                raise
            self._go_back(self._proven, error)
            return self(image)
        self._proven = look.style
        self.device = self._device(look) if runs else NO_NETWORK
        self._seconds = self._clock() - began if runs else None
        return self._last

    def describe(self) -> str:
        """One line: what is painted, and by what."""
        names = [self._palette.styles[style] for style in self._seen(self._controls.look)]
        return f"{f'{names[0]} inside, {names[1]} outside' if self._mask else names[0]}: {self.device}"

    def takes(self, index: int) -> bool:
        """Whether the camera's frame of that number is to be styled."""
        changed = self._controls.look != self._look  # what a key did is to be seen at once
        return changed or self.governor is None or self.governor.choice.takes(index)

    def observe(self, latency: float | None) -> None:
        """One more picture is out, so many seconds after its capture."""
        if self.governor is None:
            return
        if self._seconds is None or self._style_is_new:
            self._style_is_new = False
            self.governor.end_skipping(self._clock())
        elif latency is not None:
            self.governor.update(self._seconds, latency, self._clock())

    def _follow(self, look: Look, full: Size, now: float) -> None:
        """Takes note of what changed since the picture before."""
        governed = full, self._palette.choices(look.style)
        if governed != self._governed:
            self._governed, self.governor, self._begun = governed, self._govern(*governed), False
        if (look.style, look.fade_from) != (self._look.style, self._look.fade_from):
            self._fade_began, self._style_is_new = now, True
            if look.fade_from is None:
                self._shares = {look.style: 1.0}
            self._fading = self._shares
            if look.fade_from is None and self._look.fade_from is None:
                self._steady.reset()
        self._look = look

    def _go_back(self, style: int, error: LivestyleError) -> None:
        """A style whose network fails must not end a call or a performance."""
        self._controls.do("style", style + 1)
        self._say(f"{error}; back to {self._controls.styles[style]}")

    def _runs(self, look: Look) -> bool:
        styles = {look.style, *(side for side in self._sides if side is not None)}
        return look.strength > 0 and (
            self._mask is not None or look.fade_from is not None or any(self._palette.networks(s) for s in styles)
        )

    def _seen(self, look: Look) -> list[int]:
        """The style of the whole picture, or those inside and outside the mask."""
        return [look.style if side is None else side for side in self._sides] if self._mask else [look.style]

    def _device(self, look: Look) -> str:
        styles = (style for style in self._seen(look) if self._palette.networks(style))
        return next((self._palette.device_of(style) for style in styles), NO_NETWORK)

    def _painted(self, original: Image, target: Image) -> Image:
        assert self.governor is not None
        if not self._begun:
            self._begun = True
            self.governor.begin(lambda choice: self._seconds_for(choice, original, target), self._clock())
        self._network = self.governor.choice.network
        small = effects.downsample(original, self.governor.choice.size)
        return effects.upsample(self._steady(small, self._styled(small), self._look.steady), target)

    def _seconds_for(self, choice: Choice, original: Image, target: Image) -> float:
        """That a picture takes at that size by that network, once it is warm."""
        self._network = choice.network
        small = effects.downsample(original, choice.size)
        self._styled(small)
        began = self._clock()
        effects.upsample(self._styled(small), target)
        return self._clock() - began

    def _styled(self, small: Image) -> Image:
        return self._mask(small, mirrored=self._look.mirror) if self._mask else self._chosen(small)

    def _finished(self, styled: Image, target: Image, look: Look) -> Image:
        if look.keep_color:
            styled = effects.keep_color(target, styled, look.keep_color)
        return effects.compare_split(target, styled) if look.compare else styled

    def _side(self, side: int) -> Callable[[Image], Image]:
        number = self._sides[side]
        if number is None:
            return self._chosen
        return lambda image: self._palette(image, number, self._look.strength)

    def _chosen(self, image: Image) -> Image:
        """In the style chosen live, or on the way to it."""
        look = self._look
        if look.fade_from is None:
            return self._palette(image, look.style, look.strength, network=self._network)
        share = min(1.0, (self._clock() - self._fade_began) / FADE_SECONDS)
        if share == 1:
            self._controls.fade_done(look)
        self._shares = _nearer(self._fading, look.style, share)
        return self._palette.mixed(image, self._shares, look.strength, network=self._network)


def _nearer(shares: Mapping[int, float], style: int, share: float) -> dict[int, float]:
    """The shares, on their way to that style alone."""
    left = {other: (1 - share) * was for other, was in shares.items() if share < 1}
    return left | {style: left.get(style, 0.0) + share}


def _sized(image: Image, size: Size) -> Image:
    """The image at the size going out."""
    smaller = size.width <= image.shape[1] and size.height <= image.shape[0]
    return effects.downsample(image, size) if smaller else resize(image, size)
