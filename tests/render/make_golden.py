"""Write the expected pictures anew: `python -m tests.render.make_golden`. Look at each of them before it is kept."""

from __future__ import annotations

import sys

import cv2

from tests.render.golden import FOLDER, PICTURES, difference, draw, known_scene


def main() -> None:
    """Write every picture; say which ones have changed."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    known = known_scene()
    for name, options in PICTURES.items():
        path, image = FOLDER / f"{name}.png", draw(known, options)
        before = cv2.imread(str(path)) if path.is_file() else None
        if before is None:
            said = "new"
        elif before.shape != image.shape:
            said = f"was {before.shape[1]}x{before.shape[0]}"
        else:
            said = f"differs by {difference(before, image):.1f}"
        cv2.imwrite(str(path), image, [cv2.IMWRITE_PNG_COMPRESSION, 9])
        sys.stdout.write(f"{path}: {image.shape[1]}x{image.shape[0]}, {path.stat().st_size // 1000} kB, {said}\n")


if __name__ == "__main__":
    main()
