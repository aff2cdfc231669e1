"""Decoding of files from anybody: odd ones become a sensible picture, bad ones a sentence."""

import io
import struct
import subprocess
import sys
import zlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import numpy as np
import pytest
import torch
import torch.nn.functional as nnf
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from cnnapp.data import decoding
from cnnapp.data.decoding import decode_image, fit_image
from cnnapp.errors import InvalidImage


def encode(image: Image.Image, kind: str = "PNG", **options) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def png(width: int, height: int, depth: int, colour: int, rows: bytes, *chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG written by hand, for headers that Pillow would not write."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    parts = [(b"IHDR", header), *chunks, (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    body = [struct.pack(">I", len(d)) + t + d + struct.pack(">I", zlib.crc32(t + d)) for t, d in parts]
    return b"\x89PNG\r\n\x1a\n" + b"".join(body)


def sixteen_bits(values: np.ndarray, *chunks: tuple[bytes, bytes]) -> bytes:
    height, width = values.shape
    return png(width, height, 16, 0, b"".join(b"\0" + row.astype(">u2").tobytes() for row in values), *chunks)


def test_every_usable_picture_becomes_one_of_the_right_size(good_picture):
    picture = decode_image(good_picture.read_bytes(), good_picture.name)
    with Image.open(good_picture) as source:
        upright = ImageOps.exif_transpose(source).size
    assert picture.mode in ("L", "RGB")
    assert picture.size == upright
    assert np.asarray(picture).std() > 10  # there is something to see
    for channels in (1, 3):
        x_CHW = fit_image(picture, channels, 32)
        assert (x_CHW.shape, x_CHW.dtype) == ((channels, 32, 32), np.uint8)


def test_every_bad_picture_gives_one_paragraph_with_its_name(bad_picture):
    with pytest.raises(InvalidImage) as caught:
        decode_image(bad_picture.read_bytes(), bad_picture.name)
    text = str(caught.value)
    assert bad_picture.name in text
    assert "\n" not in text
    assert "Error" not in text


def test_a_photo_held_sideways_is_turned(shared_data):
    path = shared_data / "images" / "odd_exif_rotated_6.jpg"
    picture = decode_image(path.read_bytes())
    assert picture.size == (1800, 1200)
    with Image.open(path) as source:
        np.testing.assert_array_equal(np.asarray(picture), np.rot90(np.asarray(source), -1))


@pytest.mark.parametrize("orientation", range(10))
def test_every_orientation_is_undone(orientation):
    pixels = np.arange(12, dtype=np.uint8).reshape(3, 4) * 20
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encode(Image.fromarray(pixels), exif=exif)
    undone = {2: pixels[:, ::-1], 3: pixels[::-1, ::-1], 4: pixels[::-1], 5: pixels.T, 6: np.rot90(pixels, -1)}
    undone |= {7: pixels[::-1, ::-1].T, 8: np.rot90(pixels)}
    np.testing.assert_array_equal(np.asarray(decode_image(data)), undone.get(orientation, pixels))


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_broken_exif_data_does_not_cost_the_picture():
    exif = b"Exif\0\0MM\0*\xff\xff\xff\xff broken"
    data = encode(Image.new("RGB", (8, 8), "red"), "JPEG", exif=exif)
    assert decode_image(data).size == (8, 8)


def test_transparent_places_become_white(shared_data):
    path = shared_data / "images" / "odd_rgba_transparent.png"
    with Image.open(path) as source:
        rgba = np.asarray(source).astype(float)
    alpha = rgba[..., 3:] / 255
    expected = rgba[..., :3] * alpha + 255 * (1 - alpha)
    picture = np.asarray(decode_image(path.read_bytes())).astype(float)
    assert abs(picture - expected).max() <= 1
    assert (picture[rgba[..., 3] == 0] == 255).all()


def test_transparent_grey_stays_grey_and_a_transparent_palette_becomes_colour():
    grey = Image.merge("LA", [Image.new("L", (2, 1), 40), Image.frombytes("L", (2, 1), b"\xff\x00")])
    picture = decode_image(encode(grey))
    assert picture.mode == "L"
    assert np.asarray(picture).tolist() == [[40, 255]]
    palette = Image.frombytes("P", (2, 1), b"\x00\x01")
    palette.putpalette([10, 20, 30, 40, 50, 60])
    picture = decode_image(encode(palette, transparency=1))
    assert np.asarray(picture).tolist() == [[[10, 20, 30], [255, 255, 255]]]


def test_cmyk_is_converted_and_looks_like_its_rgb_twin(shared_data):
    """The file is a photograph's CMYK version: an inverted reading would be its negative."""
    picture = decode_image((shared_data / "images" / "odd_cmyk.jpg").read_bytes())
    with Image.open(shared_data / "images" / "odd_cmyk.jpg") as source:
        cmyk = np.asarray(source).astype(float) / 255
    expected = 255 * (1 - cmyk[..., :3]) * (1 - cmyk[..., 3:])
    assert picture.mode == "RGB"
    assert abs(np.asarray(picture) - expected).max() <= 2


@pytest.mark.parametrize(("highest", "full"), [(200, 255), (1000, 1023), (4000, 4095), (16000, 16383), (60000, 65535)])
def test_sixteen_bits_are_scaled_by_the_depth_that_holds_them(highest, full):
    values = np.linspace(0, highest, 35).astype(np.uint16).reshape(5, 7)
    picture = decode_image(sixteen_bits(values))
    assert picture.mode == "L"
    assert abs(np.asarray(picture) - values * (255 / full)).max() <= 0.51


def test_a_transparent_value_of_sixteen_bits_becomes_white(shared_data):
    values = np.array([[0, 30000, 65535]], np.uint16)
    picture = decode_image(sixteen_bits(values, (b"tRNS", struct.pack(">H", 30000))))
    assert np.asarray(picture).tolist() == [[0, 255, 255]]
    path = shared_data / "images" / "odd_16bit_gray.png"
    with Image.open(path) as source:
        stored = np.asarray(source)
    assert stored.max() == 255  # eight bits in sixteen: dividing by 257 would make it all black
    np.testing.assert_array_equal(np.asarray(decode_image(path.read_bytes())), stored)


def test_of_an_animation_the_first_frame_is_shown(shared_data):
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue", "lime")]
    for kind in ("GIF", "PNG", "WEBP"):
        options = {"lossless": True} if kind == "WEBP" else {}
        data = encode(frames[0], kind, save_all=True, append_images=frames[1:], **options)
        assert np.asarray(decode_image(data))[0, 0].tolist() == [255, 0, 0]


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "LA", "I;16"])
def test_a_single_pixel_of_any_mode_is_fine(mode):
    assert fit_image(decode_image(encode(Image.new(mode, (1, 1)))), 3, 8).shape == (3, 8, 8)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"\0" * 100, "not an image"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not an image"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n", "not an image"),
        (encode(Image.new("RGB", (9, 9)), "TIFF"), "JPEG, PNG, GIF, WebP or BMP"),
        (encode(Image.effect_noise((64, 64), 50))[:-900], "damaged"),
        (b"\x89PNG\r\n\x1a\n", "not an image"),
        (png(8000, 7000, 8, 0, b""), "8000×7000 pixels"),
        (png(2**31 - 1, 2**31 - 1, 8, 0, b""), "pixels"),
        (png(0, 5, 8, 0, b""), "damaged|not an image"),
        (b"\xff\xd8\xff", "not an image|damaged"),
    ],
)
def test_what_is_no_picture_gets_a_sentence(data, words):
    with pytest.raises(InvalidImage, match=words):
        decode_image(data, "holiday.png")


def test_limits_are_settings_and_are_named(monkeypatch):
    picture = encode(Image.effect_noise((100, 100), 50))
    monkeypatch.setenv("CNNAPP_MAX_MEGAPIXELS", "0.005")
    with pytest.raises(InvalidImage, match=r"100×100 pixels.*0\.005 million.*CNNAPP_MAX_MEGAPIXELS"):
        decode_image(picture)
    monkeypatch.setenv("CNNAPP_MAX_UPLOAD_MB", "0.001")
    with pytest.raises(InvalidImage, match=r"0\.001 MB.*CNNAPP_MAX_UPLOAD_MB"):
        decode_image(picture)


def test_too_many_pixels_are_refused_before_any_is_decoded(monkeypatch):
    monkeypatch.setattr(Image.Image, "load", lambda _: pytest.fail("decoded"))
    with pytest.raises(InvalidImage, match="million pixels"):
        decode_image(png(9000, 9000, 8, 0, b""))


def test_a_name_is_shown_short_and_on_one_line():
    with pytest.raises(InvalidImage) as caught:
        decode_image(b"", "a\nb\x1b[31m\u202e" + "c" * 300)
    text = str(caught.value)
    assert text.startswith("“a b [31m c")
    assert text.index("”") == 81
    assert text.isprintable()


@pytest.mark.parametrize(
    "error", [OSError, ValueError, SyntaxError, TypeError, MemoryError, struct.error, IndexError, ZeroDivisionError]
)
def test_whatever_a_decoder_raises_becomes_a_sentence(monkeypatch, error):
    def fail(_: Image.Image) -> None:
        raise error("inside")

    data = encode(Image.new("L", (3, 3)))
    monkeypatch.setattr(decoding, "_opaque", fail)
    with pytest.raises(InvalidImage, match="damaged"):
        decode_image(data)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(["JPEG", "PNG", "GIF", "WEBP", "BMP"]), st.data())
def test_a_file_with_changed_bytes_decodes_or_gives_a_sentence(kind, data):
    content = bytearray(encode(Image.radial_gradient("L").resize((24, 24)).convert("RGB"), kind))
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), max_size=6)):
        content[place] = data.draw(st.integers(0, 255))
    with suppress(InvalidImage):  # any other error fails the test
        assert decode_image(bytes(content[: data.draw(st.integers(0, len(content)))])).mode in ("L", "RGB")


def test_threads_do_not_disturb_each_other():
    pictures = [encode(Image.new("RGB", (40 + k, 30), (k * 9, 0, 0))) for k in range(12)]
    with ThreadPoolExecutor(8) as pool:
        sizes = list(pool.map(lambda data: decode_image(data).size, pictures * 10))
    assert sizes == [(40 + k, 30) for k in range(12)] * 10


@pytest.mark.parametrize(("width", "height", "size"), [(96, 64, 32), (7, 13, 28), (50, 50, 49)])
def test_fitting_equals_torchs_antialiased_bilinear_resize(width, height, size):
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    x_1CHW = torch.from_numpy(pixels).permute(2, 0, 1)[None].float()
    expected = nnf.interpolate(x_1CHW, (size, size), mode="bilinear", antialias=True, align_corners=False)[0]
    assert abs(fit_image(Image.fromarray(pixels), 3, size) - expected.numpy()).max() <= 1.01


def test_fitting_leaves_an_image_of_the_right_size_alone():
    pixels = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    np.testing.assert_array_equal(fit_image(Image.fromarray(pixels), 3, 16), pixels.transpose(2, 0, 1))


def test_fitting_turns_colour_to_luma_and_grey_to_three_channels():
    picture = Image.new("RGB", (4, 4), (200, 100, 50))
    luma = 0.299 * 200 + 0.587 * 100 + 0.114 * 50
    assert abs(fit_image(picture, 1, 4).astype(float) - luma).max() <= 0.5
    assert (fit_image(Image.new("L", (4, 4), 77), 3, 4) == 77).all()
    with pytest.raises(ValueError, match="not 4"):
        fit_image(picture, 4, 4)


def test_decoding_needs_no_torch():
    code = "import sys, cnnapp.data.decoding, cnnapp.data.loading as _; print({'torch', 'sklearn'} & {*sys.modules})"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"
