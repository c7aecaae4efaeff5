"""What colours look like with each kind of colour blindness."""

from __future__ import annotations

import cv2
import numpy as np

from render.style import Color

# Simulation of full protanopia, deuteranopia and tritanopia on linear RGB: Machado, Oliveira, Fernandes, "A
# Physiologically-based Model for Simulation of Color Vision Deficiency", IEEE TVCG 15(6), 2009, severity 1.0.
VISION = {
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
    "full": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
}


def seen_lab(color: Color, vision: str) -> np.ndarray:
    """CIE L*a*b* of what is seen; distances of 2.3 are just noticeable side by side."""
    rgb = np.array(color[::-1]) / 255
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    seen = np.clip(np.array(VISION[vision]) @ linear, 0, 1)
    back = np.where(seen <= 0.0031308, 12.92 * seen, 1.055 * seen ** (1 / 2.4) - 0.055)
    return cv2.cvtColor(back[None, None].astype(np.float32), cv2.COLOR_RGB2LAB)[0, 0]
