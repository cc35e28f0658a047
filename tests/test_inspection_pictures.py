"""Pictures and masks of every usual kind come as one kind."""

import io
import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image as Pillow

from engine.errors import SightlineError
from engine.inspection.pictures import read_any, read_mask, white_for

GREY = np.tile(np.arange(0, 256, 4, np.uint8), (40, 1))
COLOUR = np.dstack([GREY, GREY // 2, 255 - GREY])  # BGR
RGB = np.ascontiguousarray(COLOUR[:, :, ::-1])
UPRIGHT = np.rot90(COLOUR, -1)


def turned() -> Pillow.Exif:
    exif = Pillow.Exif()
    exif[0x0112] = 6  # the camera was turned clockwise
    return exif


def saved(path, pixels, mode=None, convert=None, **how):
    image = Pillow.fromarray(pixels, mode) if mode else Pillow.fromarray(pixels)
    (image.convert(convert) if convert else image).save(path, **how)
    return path


def stored(path, pixels):
    path.write_bytes(cv2.imencode(path.suffix, pixels)[1].tobytes())
    return path


def close(image, expected, by=0):
    assert image.dtype == np.uint8
    assert image.shape == expected.shape
    assert image.flags.c_contiguous
    assert np.abs(image.astype(int) - expected).max() <= by


THREE = np.dstack([GREY] * 3)
HALF_CLEAR = np.full_like(GREY, 128)


@pytest.mark.parametrize(
    ("name", "pixels", "how", "expected", "by"),
    [
        ("grey.png", GREY, {}, THREE, 0),
        ("grey.jpg", GREY, {"quality": 95}, THREE, 6),
        ("colour.png", RGB, {}, COLOUR, 0),
        ("colour.jpg", RGB, {"quality": 95}, COLOUR, 12),
        ("colour.bmp", RGB, {}, COLOUR, 0),
        ("colour.webp", RGB, {"lossless": True}, COLOUR, 0),
        ("colour.tif", RGB, {"compression": "tiff_lzw"}, COLOUR, 0),
        ("cmyk.jpg", RGB, {"convert": "CMYK", "quality": 95}, COLOUR, 16),
        ("cmyk.tif", RGB, {"convert": "CMYK"}, COLOUR, 1),
        ("palette.png", RGB, {"convert": "P"}, COLOUR, 60),
        ("turned.jpg", RGB, {"exif": turned(), "quality": 95}, UPRIGHT, 12),
        ("turned.png", RGB, {"exif": turned()}, UPRIGHT, 0),
        ("turned.webp", RGB, {"exif": turned(), "lossless": True}, UPRIGHT, 0),
        ("turned.tif", RGB, {"exif": turned()}, UPRIGHT, 0),
        ("alpha.png", np.dstack([RGB, HALF_CLEAR]), {}, COLOUR, 0),
        ("alpha.tif", np.dstack([RGB, HALF_CLEAR]), {}, COLOUR, 0),
        ("alpha.webp", np.dstack([RGB, HALF_CLEAR]), {"lossless": True}, COLOUR, 0),
        ("grey alpha.png", np.dstack([GREY, HALF_CLEAR]), {}, THREE, 0),
        ("grey alpha.tif", np.dstack([GREY, HALF_CLEAR]), {}, THREE, 0),
        ("16 bits.png", GREY.astype(np.uint16) * 257, {}, THREE, 0),
        ("floating.tif", GREY.astype(np.float32) / 255, {}, THREE, 0),
        ("32 bits.tif", GREY.astype(np.int32) * 257, {}, THREE, 0),
    ],
)
def test_every_kind_of_picture_comes_as_upright_bgr_of_8_bits(tmp_path, name, pixels, how, expected, by):
    close(read_any(saved(tmp_path / name, pixels, **how)), expected, by)


def test_what_only_opencv_writes(tmp_path):
    close(read_any(stored(tmp_path / "16.png", COLOUR.astype(np.uint16) * 257)), COLOUR)
    close(read_any(stored(tmp_path / "16.tif", COLOUR.astype(np.uint16) * 257)), COLOUR)
    close(read_any(stored(tmp_path / "alpha.png", np.dstack([COLOUR, HALF_CLEAR]).astype(np.uint16) * 257)), COLOUR)
    close(read_any(stored(tmp_path / "f32.tif", COLOUR.astype(np.float32) / 255)), COLOUR)
    close(read_any(stored(tmp_path / "f64.tif", GREY.astype(np.float64))), THREE)
    close(read_any(stored(tmp_path / "s16.tif", GREY.astype(np.int16) * 16)), THREE, 1)
    close(read_any(stored(tmp_path / "s8.tif", (GREY // 2).astype(np.int8))), THREE, 2)


def test_of_several_pages_the_first_is_read(tmp_path):
    pages = [Pillow.fromarray(255 - RGB)]
    saved(tmp_path / "pages.tif", RGB, save_all=True, append_images=pages)
    close(read_any(tmp_path / "pages.tif"), COLOUR)


def test_a_12_bit_camera_in_a_16_bit_file_is_not_black_and_its_pictures_stay_comparable(tmp_path):
    bright = (GREY.astype(np.float64) / 255 * 4095).astype(np.uint16)
    close(read_any(stored(tmp_path / "bright.png", bright)), THREE, 1)
    # half the light is half as bright: nothing is stretched by its own brightest pixel
    close(read_any(stored(tmp_path / "dark.png", bright // 2)), THREE // 2, 1)


def test_a_white_can_be_settled_for_a_whole_category(tmp_path):
    bright = GREY.astype(np.uint16) * 257
    paths = [stored(tmp_path / f"{n}.png", bright // 2**n) for n in range(6)]
    assert white_for(paths) == 65535
    # on its own the darkest one (at most 1,968) would pass for 12 bits
    assert read_any(paths[5]).max() > 100
    close(read_any(paths[5], white_for(paths)), THREE // 32, 1)
    assert white_for([saved(tmp_path / "8.png", RGB)]) is None
    (tmp_path / "no.png").write_bytes(b"no")
    assert white_for([tmp_path / "no.png"]) is None
    assert white_for([]) is None


def test_floating_pictures_with_strange_numbers(tmp_path):
    odd = GREY.astype(np.float32) / 255
    odd[0, :4] = [np.nan, np.inf, -np.inf, -3.0]
    odd[1, 0] = 1.3
    image = read_any(stored(tmp_path / "odd.tif", odd))
    assert image[0, :4, 0].tolist() == [0, 255, 0, 0]
    assert image[1, 0, 0] == 255
    close(image[2:], THREE[2:])
    assert read_any(stored(tmp_path / "black.tif", np.zeros((8, 8), np.float32))).max() == 0
    assert read_any(stored(tmp_path / "huge.tif", np.full((8, 8), 3e30, np.float32))).min() == 255


def test_a_name_with_any_letters(tmp_path):
    close(read_any(saved(tmp_path / "Größe 検査 ñ.png", RGB)), COLOUR)


def claiming(width, height):
    """A PNG of some bytes that says it is large."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 99)) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "There is no file"),
        (b"", "is empty"),
        (b"just words, no picture", "damaged or no picture"),
        (b"\x89PNG\r\n\x1a\n but no more", "damaged or no picture"),
        (b"II*\0\xff\xff\xff\xff", "damaged or no picture"),
        (claiming(20_000, 15_000), "20000 x 15000 pixels, and 200 million is the limit"),
        (claiming(200_000, 200_000), "200 million is the limit"),
    ],
    ids=["missing", "empty", "words", "png", "tiff", "large", "bomb"],
)
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_what_cannot_be_read_is_said_in_one_sentence(tmp_path, content, says):
    path = tmp_path / "wrong.png"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SightlineError, match=says) as caught:
        read_any(path)
    assert "wrong.png" in str(caught.value)
    assert "\n" not in str(caught.value)
    with pytest.raises(SightlineError, match=says):
        read_mask(path, (40, 64))


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif", ".bmp", ".webp"])
def test_half_a_file_is_no_picture(tmp_path, suffix):
    noise = np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8)
    path = stored(tmp_path / f"half{suffix}", noise)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    with pytest.raises(SightlineError, match=r"half\.\w+ cannot be read"):
        read_any(path)


def test_a_folder_is_no_picture(tmp_path):
    with pytest.raises(SightlineError, match="cannot be read"):
        read_any(tmp_path)


SPOT = np.zeros((40, 64), bool)
SPOT[10:20, 30:50] = True


@pytest.mark.parametrize(
    ("name", "pixels"),
    [
        ("0 255.png", SPOT * np.uint8(255)),
        ("0 1.png", SPOT * np.uint8(1)),
        ("bits.png", SPOT),
        ("bits.tif", SPOT),
        ("colour.png", np.dstack([SPOT * np.uint8(200), SPOT * 0, SPOT * 0]).astype(np.uint8)),
        ("alpha.png", np.dstack([SPOT * np.uint8(255)] * 4)),
        ("black paint.png", np.dstack([np.zeros((40, 64, 3), np.uint8), SPOT * np.uint8(255)])),
        ("16 bits.png", SPOT.astype(np.uint16) * 65535),
        ("16 bits 0 1.png", SPOT.astype(np.uint16)),
        ("floating.tif", SPOT.astype(np.float32)),
    ],
)
def test_every_kind_of_mask_comes_as_bool(tmp_path, name, pixels):
    mask = read_mask(saved(tmp_path / name, pixels), (40, 64))
    assert mask.dtype == np.bool_
    assert (mask == SPOT).all()


def test_a_mask_of_one_value(tmp_path):
    assert not read_mask(saved(tmp_path / "none.png", np.zeros((4, 5), np.uint8)), (4, 5)).any()
    assert read_mask(saved(tmp_path / "all.png", np.full((4, 5), 255, np.uint8)), (4, 5)).all()


def test_a_mask_with_kinds_is_a_defect_wherever_it_is_not_black(tmp_path):
    kinds = np.zeros((40, 64), np.uint8)
    kinds[5:9], kinds[20:30] = 1, 3
    assert (read_mask(saved(tmp_path / "numbers.png", kinds), (40, 64)) == (kinds > 0)).all()
    palette = Pillow.fromarray(kinds, "P")
    palette.putpalette([0, 0, 0, 128, 0, 0, 0, 128, 0, 64, 0, 0])
    palette.save(tmp_path / "palette.png")
    assert (read_mask(tmp_path / "palette.png", (40, 64)) == (kinds > 0)).all()


@pytest.mark.parametrize("kind", ["soft.png", "soft 16.png", "lossy.jpg", "soft.tif"])
def test_a_mask_with_soft_edges_is_cut_at_the_half(tmp_path, kind):
    soft = cv2.GaussianBlur(SPOT.astype(np.float32), (0, 0), 1.5)
    pixels = {
        "soft.png": (soft * 255).astype(np.uint8),
        "soft 16.png": (soft * 65535).astype(np.uint16),
        "lossy.jpg": SPOT * np.uint8(255),
        "soft.tif": soft,
    }[kind]
    mask = read_mask(saved(tmp_path / kind, pixels), (40, 64))
    wrong = mask != SPOT
    assert wrong.sum() <= 8
    assert not mask[:8].any()


def test_a_mask_of_another_size_names_both(tmp_path):
    path = saved(tmp_path / "000_mask.png", np.zeros((30, 20), np.uint8))
    with pytest.raises(SightlineError, match=r"mask 000_mask\.png has 20 x 30 pixels and its picture 64 x 40"):
        read_mask(path, (40, 64))


def test_the_real_ones(assets):
    for category in ("magnetic_tile", "leather_tiles"):
        folder = assets / "anomaly" / category
        for path in sorted(folder.glob("ground_truth/*/000_mask.png")):
            picture = folder / "test" / path.parent.name / "000.png"
            image = read_any(picture)
            with Pillow.open(io.BytesIO(picture.read_bytes())) as other:
                assert (image == np.asarray(other.convert("RGB"))[:, :, ::-1]).all()
            mask = read_mask(path, image.shape[:2])
            assert 0 < mask.mean() < 0.6
