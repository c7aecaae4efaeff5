"""The files of weights that can be fetched: address, size, licence, and how each is checked.

Addresses and hashes were collected from the publishers' own lists (`WeightFile.page`). Hashes come from three places:

- the publisher's file name holds the beginning of one (`hash_prefix`): torchvision and OpenMMLab's .pth files SHA-256,
  detectron2 MD5 (its MODEL_ZOO.md says so);
- where the publisher gives none, `sha256` stands here only if several independent public projects that pin the same
  file state the same value;
- where neither is known (None), the first download is taken as it is: its length must be the one that the server
  announced, a .zip must pass its own checksums, and its SHA-256 is recorded beside it and compared from then on.

The eight letters in the names of OpenMMLab's .zip files are those of the .pth that they were made from, not their own.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

_TORCHVISION = "https://download.pytorch.org/models"
_DETECTRON2 = "https://dl.fbaipublicfiles.com/detectron2/COCO-Keypoints"
_YOLOX = "https://github.com/Megvii-BaseDetection/YOLOX/releases/download/0.1.1rc0"
_RTMPOSE = "https://download.openmmlab.com/mmpose/v1/projects/rtmposev1"

_TORCHVISION_PAGE = "https://pytorch.org/vision/stable/models.html"
_DETECTRON2_PAGE = "https://github.com/facebookresearch/detectron2/blob/main/MODEL_ZOO.md"
_YOLOX_PAGE = "https://github.com/Megvii-BaseDetection/YOLOX/tree/main/demo/ONNXRuntime"
_RTMPOSE_PAGE = "https://github.com/open-mmlab/mmpose/tree/main/projects/rtmpose"

_BODY7 = "AI Challenger, COCO, CrowdPose, MPII, sub-JHMDB, Halpe, PoseTrack18"
_HUMANART = "Human-Art (whose images are for non-commercial use), COCO"


@dataclass(frozen=True)
class WeightFile:
    """One file that can be fetched by name.

    Attributes
    ----------
    name : what `--detector-weights` and `python -m detectors.weights get` call it.
    detectors : registry names of the detectors that read it.
    summary : what it holds.
    url, page : the file, and the publisher's page that lists it.
    licence, trained_on : of the weights; the images that they were trained on have terms of their own.
    size_bytes : exact size of what is fetched, None where it is not known.
    about_mb : size in megabytes for the list, from the publisher's parameter count where nothing better is known.
    sha256 : of what is fetched, 64 hexadecimal digits; None where it is not known.
    hash_prefix, hash_kind : beginning of the hash in the publisher's file name, and of which hash.
    member : how the wanted file's path in a .zip ends; empty where the file is fetched as it is.
    """

    name: str
    detectors: tuple[str, ...]
    summary: str
    url: str
    page: str
    licence: str
    trained_on: str
    about_mb: float
    size_bytes: int | None = None
    sha256: str | None = None
    hash_prefix: str = ""
    hash_kind: str = "sha256"
    member: str = ""

    @property
    def download_name(self) -> str:
        """File name at the publisher's."""
        return urlsplit(self.url).path.rsplit("/", 1)[-1]

    @property
    def file_name(self) -> str:
        """File name in the cache folder: the publisher's, or `name` with the member's suffix for a part of a .zip."""
        return f"{self.name}.{self.member.rsplit('.', 1)[-1]}" if self.member else self.download_name

    @property
    def check(self) -> str:
        """How a download is checked, in a few words."""
        if self.sha256:
            return f"SHA-256 {self.sha256}"
        if self.hash_prefix:
            return f"{self.hash_kind.upper().replace('SHA256', 'SHA-256')} begins with {self.hash_prefix}"
        return "no hash is published: length, and the hash of the first download"


def _torchvision() -> list[WeightFile]:
    return [
        WeightFile(
            name="keypointrcnn-r50",
            detectors=("keypointrcnn",),
            summary="torchvision keypoint R-CNN, ResNet-50 FPN, COCO_V1 (65.0 keypoint AP)",
            url=f"{_TORCHVISION}/keypointrcnn_resnet50_fpn_coco-fc266e95.pth",
            page=_TORCHVISION_PAGE,
            licence="BSD-3-Clause (torchvision)",
            trained_on="COCO",
            about_mb=237,
            size_bytes=237_034_793,
            sha256="fc266e953d2b302cdcbb9ae66f71f6b0d4649928bf02dc573961e361e4918926",
            hash_prefix="fc266e95",
        )
    ]


def _detectron2() -> list[WeightFile]:
    rows = (
        ("r50", "ResNet-50 FPN 3x (65.5 keypoint AP)", "keypoint_rcnn_R_50_FPN_3x/137849621", "a6e10b", 237),
        ("r101", "ResNet-101 FPN 3x (66.1 keypoint AP)", "keypoint_rcnn_R_101_FPN_3x/138363331", "997cc7", 313),
    )
    return [
        WeightFile(
            name=f"maskrcnn-d2-{short}",
            detectors=("maskrcnn-d2",),
            summary=f"detectron2 keypoint R-CNN, {what}",
            url=f"{_DETECTRON2}/{folder}/model_final_{digits}.pkl",
            page=_DETECTRON2_PAGE,
            licence="CC BY-SA 3.0",
            trained_on="COCO",
            about_mb=size,
            hash_prefix=digits,
            hash_kind="md5",
        )
        for short, what, folder, digits, size in rows
    ]


def _yolox() -> list[WeightFile]:
    rows = (
        ("nano", 416, 3_659_407, "c789161ed43c8269fcd4e67c67eeeb4e80c622da2eb296a20bc6007bd18a0b7d"),
        ("tiny", 416, 20_219_662, "427cc366d34e27ff7a03e2899b5e3671425c262ea2291f88bb942bc1cc70b0f7"),
        ("s", 640, 35_858_002, "c5c2d13e59ae883e6af3b45daea64af4833a4951c92d116ec270d9ddbe998063"),
        ("m", 640, 101_259_744, "21ff6cfdeb53b013bac2249599e55f00bff3cfdfdab37ed7a4620818c1d15b3f"),
        ("l", 640, 216_746_733, "7860ae79de6c89a3c1eb72ae9a2756c0ccfbe04b7791bb5880afabd97855a411"),
    )
    return [
        WeightFile(
            name=f"yolox-{size}",
            detectors=("rtmpose",),
            summary=f"person boxes: YOLOX-{size}, {side} x {side}, ONNX",
            url=f"{_YOLOX}/yolox_{size}.onnx",
            page=_YOLOX_PAGE,
            licence="Apache-2.0",
            trained_on="COCO",
            about_mb=round(length / 1e6),
            size_bytes=length,
            sha256=digest,
        )
        for size, side, length, digest in rows
    ]


def _yolox_humanart() -> list[WeightFile]:
    rows = (("tiny", 416, "6f3252f9", 20), ("m", 640, "c2c7a14a", 94), ("x", 640, "a39d44ed", 396))
    return [
        WeightFile(
            name=f"yolox-{size}-humanart",
            detectors=("rtmpose",),
            summary=f"person boxes: YOLOX-{size}, {side} x {side}, also finds drawn people, ONNX",
            url=f"{_RTMPOSE}/onnx_sdk/yolox_{size}_8xb8-300e_humanart-{letters}.zip",
            page=_RTMPOSE_PAGE,
            licence="Apache-2.0",
            trained_on=_HUMANART,
            about_mb=about,
            member="end2end.onnx",
        )
        for size, side, letters, about in rows
    ]


def _rtmdet() -> list[WeightFile]:
    rows = (("nano", 320, "05d8511e", 4), ("m", 640, "235e8209", 99))
    return [
        WeightFile(
            name=f"rtmdet-{size}",
            detectors=("rtmpose",),
            summary=f"person boxes: RTMDet-{size}, {side} x {side}, ONNX",
            url=f"{_RTMPOSE}/onnx_sdk/rtmdet_{size}_8xb32-100e_coco-obj365-person-{letters}.zip",
            page=_RTMPOSE_PAGE,
            licence="Apache-2.0",
            trained_on="Objects365, COCO",
            about_mb=about,
            member="end2end.onnx",
        )
        for size, side, letters, about in rows
    ]


def _rtmpose() -> list[WeightFile]:
    t_zip = "937003a70832d9cc34ea16927f504792f3133e92dda1b9c626236bbbe9e805cb"
    s_zip = "7673922e531014906ca4f0f239b7e233b740146a10b632deaa2a28d45470d802"
    body, halpe = "body7_420e-256x192", "body7-halpe26_700e-256x192"
    large, large_halpe = "body7_420e-384x288", "body7-halpe26_700e-384x288"
    rows: tuple[tuple[str, str, str, str, float, int | None, str | None], ...] = (
        ("t", "t", body, "026a1439_20230504", 13, 12_547_710, t_zip),
        ("s", "s", body, "acd4a1ef_20230504", 20, 20_496_303, s_zip),
        ("m", "m", body, "e48f03d0_20230504", 51, None, None),
        ("l", "l", body, "4dba18fc_20230504", 111, None, None),
        ("m-384", "m", large, "65e718c4_20230504", 55, None, None),
        ("l-384", "l", large, "3f5a1437_20230504", 111, None, None),
        ("t-halpe26", "t", halpe, "6020f8a6_20230605", 14, None, None),
        ("s-halpe26", "s", halpe, "7f134165_20230605", 23, None, None),
        ("m-halpe26", "m", halpe, "4d3e73dd_20230605", 56, None, None),
        ("l-halpe26", "l", halpe, "2abb7558_20230605", 112, None, None),
        ("m-384-halpe26", "m", large_halpe, "89e6428b_20230605", 56, None, None),
        ("l-384-halpe26", "l", large_halpe, "734182ce_20230605", 113, None, None),
    )
    files = []
    for variant, size, kind, letters, about, length, digest in rows:
        stem = f"rtmpose-{size}_simcc-body7_pt-{kind}-{letters}"
        what = f"RTMPose-{size}, {kind[-7:]}, {'Halpe-26' if 'halpe' in kind else 'COCO-17'}"
        files.append(
            WeightFile(
                name=f"rtmpose-{variant}",
                detectors=("rtmpose",),
                summary=f"keypoints: {what}, ONNX",
                url=f"{_RTMPOSE}/onnx_sdk/{stem}.zip",
                page=_RTMPOSE_PAGE,
                licence="Apache-2.0",
                trained_on=_BODY7,
                about_mb=about,
                size_bytes=length,
                sha256=digest,
                member="end2end.onnx",
            )
        )
        files.append(
            WeightFile(
                name=f"mmpose-rtmpose-{variant}",
                detectors=("mmpose",),
                summary=f"keypoints: {what}, checkpoint",
                url=f"{_RTMPOSE}/{stem}.pth",
                page=_RTMPOSE_PAGE,
                licence="Apache-2.0",
                trained_on=_BODY7,
                about_mb=about,
                hash_prefix=letters[:8],
            )
        )
    return files


_FILES = [*_torchvision(), *_detectron2(), *_yolox(), *_yolox_humanart(), *_rtmdet(), *_rtmpose()]

CATALOGUE: dict[str, WeightFile] = {file.name: file for file in _FILES}
"""Every file that can be fetched, by name."""
