"""Skins, clothes, hair and faces: the colour of a place on the body.

Colours are BGR from 0 to 255. Shape letters: n places.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from detectors.synthetic.body import FACE_OFFSETS_M, MATERIALS

_SKINS = (
    (180, 205, 240),
    (150, 185, 228),
    (120, 160, 215),
    (95, 135, 190),
    (70, 100, 155),
    (50, 72, 115),
    (38, 52, 85),
)
_HAIRS = ((25, 25, 30), (30, 42, 60), (45, 75, 115), (90, 150, 190), (60, 80, 150), (150, 150, 155))
_CLOTHES = (
    *((225, 225, 220), (40, 40, 45), (120, 70, 40), (60, 50, 170), (70, 120, 60), (60, 160, 215), (150, 150, 145)),
    *((170, 90, 150), (180, 150, 60), (110, 60, 25), (80, 110, 150), (200, 190, 160), (40, 70, 120), (90, 40, 110)),
)
_TROUSERS = ((110, 75, 45), (60, 45, 35), (45, 45, 48), (120, 135, 150), (70, 85, 70), (170, 170, 170), (35, 30, 60))
_SHOES = ((235, 235, 235), (35, 35, 38), (40, 65, 110), (50, 50, 160), (130, 90, 50))
_PATTERNS = ("plain", "plain", "stripes", "pinstripes", "checks", "print", "jacket")
_SLEEVE_ENDS_M = (0.0, 0.12, 0.17, 0.40)
_HEM_ENDS_M = (0.25, 0.40, 0.90, 0.90, 0.90)
_GRAIN = 256


@dataclass(frozen=True)
class Wardrobe:
    """One person's colours and clothes.

    Attributes
    ----------
    skin, hair, shirt, accent, trousers, shoes : (3,) BGR.
    pattern : of the shirt.
    sleeve_m : length of the sleeve from the shoulder; 0 for none.
    hem_m : length of the trousers from the hip.
    watch : a dark band on the left wrist, which tells left from right.
    grain : (256, 256) float32 about 1, the cloth's unevenness.
    """

    skin: np.ndarray
    hair: np.ndarray
    shirt: np.ndarray
    accent: np.ndarray
    trousers: np.ndarray
    shoes: np.ndarray
    pattern: str
    sleeve_m: float
    hem_m: float
    watch: bool
    grain: np.ndarray


def random_wardrobe(rng: np.random.Generator) -> Wardrobe:
    """Clothes drawn at random."""

    def one_of(colours: tuple[tuple[int, int, int], ...], spread: float = 14.0) -> np.ndarray:
        colour = np.array(colours[rng.integers(len(colours))], np.float32) + rng.normal(0, spread, 3)
        return np.clip(colour, 12, 245).astype(np.float32)

    shirt, accent = one_of(_CLOTHES), one_of(_CLOTHES)
    while np.abs(shirt - accent).sum() < 90:
        accent = one_of(_CLOTHES)
    return Wardrobe(
        skin=one_of(_SKINS, 6.0),
        hair=one_of(_HAIRS, 6.0),
        shirt=shirt,
        accent=accent,
        trousers=one_of(_TROUSERS),
        shoes=one_of(_SHOES),
        pattern=str(rng.choice(_PATTERNS)),
        sleeve_m=float(rng.choice(_SLEEVE_ENDS_M)),
        hem_m=float(rng.choice(_HEM_ENDS_M)),
        watch=bool(rng.random() < 0.5),
        grain=_cloth_grain(rng),
    )


def _cloth_grain(rng: np.random.Generator) -> np.ndarray:
    """(256, 256) float32 folds and fibres, seamless at its edges."""
    grain = np.zeros((_GRAIN, _GRAIN), np.float32)
    for cells, strength in ((4, 0.05), (10, 0.05), (64, 0.025)):
        noise = rng.standard_normal((cells, cells)).astype(np.float32)
        wrapped = np.pad(noise, 2, mode="wrap")
        size = _GRAIN * (cells + 4) // cells
        large = cv2.resize(wrapped, (size, size), interpolation=cv2.INTER_CUBIC)
        margin = (size - _GRAIN) // 2
        grain += strength * large[margin : margin + _GRAIN, margin : margin + _GRAIN]
    return np.clip(1 + grain, 0.6, 1.3).astype(np.float32)


def paint(material: int, place_m: np.ndarray, size: float, side: int, clothes: Wardrobe) -> np.ndarray:
    """(n, 3) float32 unlit colours.

    `place_m` (n, 3) is left, front and along the limb, or for parts of the head in the head's frame. `size` is the
    length of the body's limbs relative to an adult's. `side` 1 for the left, -1 for the right.
    """
    kind = MATERIALS[material]
    along = place_m[:, 2] / size
    if kind == "head":
        return _face(place_m, clothes)
    if kind == "hair":
        streaks = _grain(clothes, place_m[:, 0] * 9, place_m[:, 2] * 1.5)
        return clothes.hair * streaks[:, None]
    if kind == "trunk":
        return _shirt(place_m, clothes)
    if kind in ("sleeve", "forearm"):
        from_shoulder = along + (0.28 if kind == "forearm" else 0.0)
        cloth = clothes.shirt if clothes.pattern != "stripes" else _striped(place_m[:, 2], clothes)
        colour = np.where((from_shoulder < clothes.sleeve_m)[:, None], _woven(cloth, place_m, clothes), clothes.skin)
        if kind == "forearm" and side > 0 and clothes.watch:
            colour = np.where(((along > 0.205) & (along < 0.235))[:, None], np.float32(28), colour)
        return colour
    if kind in ("thigh", "shin"):
        from_hip = along + (0.44 if kind == "shin" else 0.0)
        return np.where(
            (from_hip < clothes.hem_m)[:, None], _woven(clothes.trousers, place_m, clothes), clothes.skin
        ).astype(np.float32)
    if kind == "shoe":
        sole = place_m[:, 1] > 0.022
        return np.where(sole[:, None], 0.5 * clothes.shoes + 90, clothes.shoes).astype(np.float32)
    return np.broadcast_to(clothes.skin, place_m.shape)


def _grain(clothes: Wardrobe, across: np.ndarray, along: np.ndarray) -> np.ndarray:
    """(n,) brightness of the cloth; the pattern repeats every metre of its arguments."""
    u = (across * _GRAIN).astype(np.int32) % _GRAIN
    v = (along * _GRAIN).astype(np.int32) % _GRAIN
    return clothes.grain[v, u]


def _woven(colour: np.ndarray, place_m: np.ndarray, clothes: Wardrobe) -> np.ndarray:
    return colour * _grain(clothes, 2.0 * place_m[:, 0] + place_m[:, 1], 1.6 * place_m[:, 2])[:, None]


def _striped(height_m: np.ndarray, clothes: Wardrobe) -> np.ndarray:
    return np.where((np.floor(height_m / 0.035).astype(int) % 2 == 0)[:, None], clothes.shirt, clothes.accent)


def _shirt(place_m: np.ndarray, clothes: Wardrobe) -> np.ndarray:
    """The trunk: `place_m` in the trunk's frame; places from 9 m on belong to the shoulders, which bear no pattern."""
    x, front, height = place_m[:, 0], place_m[:, 1], place_m[:, 2]
    chest = height < 5
    colour = np.broadcast_to(clothes.shirt, place_m.shape)
    other: np.ndarray | None = None
    if clothes.pattern == "stripes":
        other = np.floor(height / 0.035).astype(int) % 2 == 1
    elif clothes.pattern == "pinstripes":
        other = np.abs(x % 0.04 - 0.02) < 0.004
    elif clothes.pattern == "checks":
        other = (np.floor(x / 0.045) + np.floor(height / 0.045)).astype(int) % 2 == 1
    elif clothes.pattern == "print":
        other = (front > 0) & ((x / 0.085) ** 2 + ((height - 0.33) / 0.07) ** 2 < 1)
    elif clothes.pattern == "jacket":
        other = (front > 0) & (np.abs(x) < 0.015 + 0.10 * np.clip(height - 0.1, 0, 1))
    if other is not None:
        colour = np.where((other & chest)[:, None], clothes.accent, colour)
    # The neck's opening is deeper in front; it tells the front from the back.
    opening = chest & (front > 0) & ((x / 0.065) ** 2 + ((height - 0.49) / 0.08) ** 2 < 1)
    colour = np.where(opening[:, None], clothes.skin, colour)
    return _woven(colour, place_m, clothes)


def _face(place_m: np.ndarray, clothes: Wardrobe) -> np.ndarray:
    """Eyes, brows, mouth, ears and cheeks, `place_m` (left, front, up) from the midpoint between the ears."""
    x, front, up = place_m[:, 0], place_m[:, 1], place_m[:, 2]
    colour = np.array(np.broadcast_to(clothes.skin, place_m.shape), np.float32)
    before = front > 0.03
    cheeks = before & (((np.abs(x) - 0.042) / 0.02) ** 2 + ((up + 0.035) / 0.016) ** 2 < 1)
    colour[cheeks] = 0.8 * clothes.skin + 0.2 * np.array([90, 90, 220], np.float32)
    mouth = before & ((x / 0.024) ** 2 + ((up + 0.066) / 0.007) ** 2 < 1)
    colour[mouth] = 0.45 * clothes.skin + 0.55 * np.array([70, 60, 150], np.float32)
    eye_x, eye_up = FACE_OFFSETS_M[1, 1], FACE_OFFSETS_M[1, 2]
    sideways = np.abs(x) - eye_x
    white = before & ((sideways / 0.015) ** 2 + ((up - eye_up) / 0.0085) ** 2 < 1)
    colour[white] = 235
    colour[before & (sideways**2 + (up - eye_up) ** 2 < 0.0068**2)] = 25
    brows = before & (np.abs(sideways) < 0.018) & (np.abs(up - eye_up - 0.024 + 4 * sideways**2) < 0.004)
    colour[brows] = clothes.hair
    ears = np.abs(x) > 0.0745
    colour[ears] = 0.88 * clothes.skin + 0.12 * np.array([70, 70, 200], np.float32)
    # A parting on the left and a mark on the left cheek: sides that a mirror image exchanges.
    mark = before & ((x - 0.05) ** 2 + (up + 0.052) ** 2 < 0.0055**2)
    colour[mark] = 0.35 * clothes.skin
    return colour
