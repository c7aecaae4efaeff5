"""Stills read back by Pillow; contact sheets whose cells lie where they should."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from poses import InputError, UsageError
from render.stills import check_still, clock_text, contact_sheet, fullest_columns, write_still
from render.style import DARK


def plain(count: int, size: tuple[int, int] = (160, 90)) -> list[np.ndarray]:
    """Pictures of one colour each."""
    return [np.full((size[1], size[0], 3), (20 * index, 255 - 20 * index, 128), np.uint8) for index in range(count)]


def cells(sheet: np.ndarray, images: list[np.ndarray]) -> list[tuple[int, int, int, int]]:
    """(left, top, right, bottom) of each picture's colour on the sheet."""
    boxes = []
    for image in images:
        rows, columns = np.nonzero((sheet == image[0, 0]).all(axis=-1))
        assert len(rows), "the picture is not on the sheet"
        boxes.append((columns.min(), rows.min(), columns.max() + 1, rows.max() + 1))
        assert len(rows) == (rows.max() + 1 - rows.min()) * (columns.max() + 1 - columns.min())
    return boxes


@pytest.mark.parametrize(("name", "tolerance"), [("a.png", 0), ("b.JPG", 6), ("c.jpeg", 6)])
def test_still_comes_back(tmp_path: Path, name: str, tolerance: int) -> None:
    across, down = np.meshgrid(np.arange(0, 256, 4), np.arange(0, 192, 4))
    image = np.stack([across, down, 255 - across], axis=-1).astype(np.uint8)
    write_still(tmp_path / name, image)
    with Image.open(tmp_path / name) as picture:
        got = np.asarray(picture.convert("RGB"))[..., ::-1]
    np.testing.assert_allclose(got.astype(int), image, atol=tolerance)
    assert list(tmp_path.iterdir()) == [tmp_path / name]


def test_still_that_cannot_be(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"a\.bmp: a still needs one of the endings \.png, \.jpg, \.jpeg"):
        check_still(tmp_path / "a.bmp")
    with pytest.raises(InputError, match=r"a\.png: cannot be written"):
        write_still(tmp_path / "missing" / "a.png", plain(1)[0])


@pytest.mark.parametrize(
    ("time_s", "text"), [(0, "0:00.00"), (5.2, "0:05.20"), (59.999, "1:00.00"), (61.5, "1:01.50"), (3600, "60:00.00")]
)
def test_clock(time_s: float, text: str) -> None:
    assert clock_text(time_s) == text


@pytest.mark.parametrize(("columns", "width_px"), [(1, 640), (3, 640), (4, 1280), (7, 1000)])
def test_pictures_stand_in_a_grid(columns: int, width_px: int) -> None:
    images = plain(7)
    sheet = contact_sheet(iter(images), np.arange(7.0), columns, width_px)
    assert sheet.shape[1] == width_px
    boxes = cells(sheet, images)
    widths = {right - left for left, _, right, _ in boxes}
    assert len(widths) == 1
    width, height = widths.pop(), boxes[0][3] - boxes[0][1]
    assert width / height == pytest.approx(160 / 90, rel=0.03)
    assert columns * width > 0.85 * width_px
    for number, (left, top, right, bottom) in enumerate(boxes):
        row, column = divmod(number, columns)
        assert (left, top) == (boxes[column][0], boxes[row * columns][1])
        assert right <= width_px
        assert bottom <= sheet.shape[0]
    # The same room on both sides, to a pixel.
    assert abs(boxes[0][0] - (width_px - boxes[columns - 1][2])) <= 1


def test_times_stand_below_their_pictures_and_can_be_read() -> None:
    images = plain(4)
    sheet = contact_sheet(images, [0.0, 1.5, 3.0, 4.5], 2, 640)
    for left, _, right, bottom in cells(sheet, images):
        below = sheet[bottom : bottom + 19, left:right].astype(int)
        ink = np.abs(below - DARK.background).max(axis=-1) > 100
        rows, across = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
        # Digits at least 8 pixels tall, from the picture's left edge, apart from the picture.
        assert rows[-1] - rows[0] + 1 >= 8
        assert rows[0] >= 2
        assert across[0] < 6
        assert 30 < across[-1] < 80
    other = contact_sheet(images, [0.0, 1.5, 3.0, 4.6], 2, 640)
    changed = np.nonzero((sheet != other).any(axis=-1))
    left, _, right, bottom = cells(sheet, images)[3]
    assert changed[0].min() >= bottom
    assert left <= changed[1].min() <= changed[1].max() < right


def test_columns_are_chosen_for_a_landscape_sheet() -> None:
    for size in ((160, 90), (90, 160), (100, 100)):
        sheet = contact_sheet(plain(12, size), np.arange(12.0), None, 1280)
        assert 1.0 < sheet.shape[1] / sheet.shape[0] < 2.4
    assert contact_sheet(plain(1), [0.0]).shape[1] == 1280


@pytest.mark.parametrize(
    ("count", "wished", "columns"),
    [(6, 4.0, 3), (5, 4.0, 5), (12, 4.0, 4), (8, 3.6, 4), (2, 4.0, 2), (3, 1.4, 1), (1, 0.3, 1)],
)
def test_the_number_of_columns_is_near_the_wished_one_and_leaves_few_places_empty(
    count: int, wished: float, columns: int
) -> None:
    assert fullest_columns(count, wished) == columns


def test_rows_are_filled_where_the_columns_are_free() -> None:
    for size in ((160, 90), (90, 160), (100, 100)):
        for count in (4, 6, 12):
            sheet = contact_sheet([np.full((size[1], size[0], 3), 255, np.uint8)] * count, np.arange(count), None, 1280)
            # Above the last row's times: white from the first picture to the last.
            white = (sheet == 255).all(axis=-1)
            last = np.flatnonzero(white.mean(axis=1) > 0.3)[-1]
            assert white[last].mean() > 0.85, (size, count)


def test_pictures_are_let_go_of() -> None:
    references: list[weakref.ref[np.ndarray]] = []
    most = 0

    def given() -> Iterator[np.ndarray]:
        nonlocal most
        for number in range(20):
            image = np.full((90, 160, 3), number, np.uint8)
            references.append(weakref.ref(image))
            yield image
            del image
            most = max(most, sum(reference() is not None for reference in references))

    contact_sheet(given(), np.arange(20.0), 5, 640)
    assert most <= 2


def test_sheets_that_cannot_be() -> None:
    with pytest.raises(UsageError, match="20 columns do not fit on 640 pixels"):
        contact_sheet(plain(2), [0.0, 1.0], 20, 640)
    with pytest.raises(ValueError, match="at least one picture"):
        contact_sheet([], [])
    with pytest.raises(ValueError, match="got 2 pictures for 3 times"):
        contact_sheet(plain(2), [0.0, 1.0, 2.0])
    with pytest.raises(ValueError, match="got more than 1 pictures for 1 times"):
        contact_sheet(plain(2), [0.0])


def test_a_picture_of_another_shape_is_fitted_into_its_cell() -> None:
    images = [*plain(1), np.full((200, 50, 3), (5, 6, 250), np.uint8)]
    sheet = contact_sheet(images, [0.0, 1.0], 2, 640)
    first, second = cells(sheet, images)
    assert second[1] == first[1]
    assert second[3] == first[3]
    assert (second[2] - second[0]) / (second[3] - second[1]) == pytest.approx(0.25, rel=0.05)
