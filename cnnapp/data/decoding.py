"""Untrusted image files into pictures that a network can get.

Few formats, limits before anything is decoded, and every way in which a decoder fails becomes one sentence. Nothing
here changes Pillow's global settings, so that threads do not disturb each other.
"""

import io
import re

import numpy as np
from PIL import Image, UnidentifiedImageError

from cnnapp.data.resizing import squash
from cnnapp.errors import InvalidImage
from cnnapp.settings import Settings, read_settings

FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "BMP")
FORMATS_TEXT = "JPEG, PNG, GIF, WebP or BMP"
SENSOR_BITS = (8, 10, 12, 14, 16)
ORIENTATION = 0x0112  # EXIF tag
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def decode_image(data: bytes, name: str = "image") -> Image.Image:
    """The picture in an image file, upright, opaque, and with 8 bits a channel.

    Of an animation it is the first frame; transparent places become white. Grey images of 16 bits are scaled by the
    smallest usual depth (8, 10, 12, 14 or 16 bits) that holds their values: cameras store fewer bits in 16.

    Args:
        data: The file's bytes, from anybody.
        name: What to call it in a message.

    Returns:
        Mode L where the file is grey, else RGB.

    Raises:
        InvalidImage: It is too large, damaged, or no image; the text says which and what to do.
    """
    settings = read_settings()
    name = _shown(name)
    _check_bytes(data, name, settings)
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            _check_pixels(image, name, settings)
            image.load()
            return _upright(_opaque(image), image)
    except InvalidImage:
        raise
    except UnidentifiedImageError as error:
        raise InvalidImage(f"{name} is not an image that can be opened here. Choose a {FORMATS_TEXT} file.") from error
    except Image.DecompressionBombError as error:
        raise InvalidImage(_too_many_pixels(name, "far more", settings)) from error
    except Exception as error:  # decoders raise whatever their input makes them raise
        raise InvalidImage(
            f"{name} is damaged: it begins like an image, but its content cannot be decoded. "
            "Get or save it again, and choose the new file."
        ) from error


def fit_image(image: Image.Image, channels: int, size: int) -> np.ndarray:
    """An image as a network gets it, resized as datasets are (squashed, not cropped).

    Args:
        image: As ``decode_image`` returns it.
        channels: 1 for grey (ITU-R 601 luma), 3 for RGB.
        size: Pixels per side.

    Returns:
        (channels, size, size) uint8.
    """
    if channels not in (1, 3):
        raise ValueError(f"an image has 1 or 3 channels, not {channels}")
    pixels = np.asarray(squash(image.convert("L" if channels == 1 else "RGB"), size))
    x_HWC = pixels.reshape(size, size, channels)
    return np.ascontiguousarray(x_HWC.transpose(2, 0, 1))


def _shown(name: str) -> str:
    """The name in quotation marks, on one line, of at most 80 characters."""
    name = "".join(character if character.isprintable() else " " for character in name)
    name = re.sub(r" +", " ", name).strip() or "image"
    return f"“{name if len(name) <= 80 else name[:79] + '…'}”"


def _check_bytes(data: bytes, name: str, settings: Settings) -> None:
    if not data:
        raise InvalidImage(f"{name} is empty: it has no bytes. Get or save it again, and choose the new file.")
    if len(data) > settings.max_upload_mb * 1e6:
        raise InvalidImage(
            f"{name} has {len(data) / 1e6:.1f} MB, but images of at most {settings.max_upload_mb:g} MB are opened. "
            "Save it smaller, or raise CNNAPP_MAX_UPLOAD_MB."
        )


def _check_pixels(image: Image.Image, name: str, settings: Settings) -> None:
    if image.width * image.height > settings.max_megapixels * 1e6:
        raise InvalidImage(_too_many_pixels(name, f"{image.width}×{image.height}", settings))


def _too_many_pixels(name: str, found: str, settings: Settings) -> str:
    return (
        f"{name} has {found} pixels, but images of at most {settings.max_megapixels:g} million pixels are decoded. "
        "Save it smaller, or raise CNNAPP_MAX_MEGAPIXELS."
    )


def _opaque(image: Image.Image) -> Image.Image:
    """Any mode as L or RGB, on white where it was transparent."""
    if image.mode.startswith("I"):
        return _from_16_bits(image)
    if image.mode == "1":
        image = image.convert("L")
    is_grey = image.mode in ("L", "LA", "La")
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert("RGB")
    return image.convert("L" if is_grey else "RGB")


def _from_16_bits(image: Image.Image) -> Image.Image:
    values_HW = np.asarray(image).astype(np.int64).clip(0, 2**16 - 1)
    transparent_HW = values_HW == image.info.get("transparency", -1)
    highest = int(values_HW.max(where=~transparent_HW, initial=0))
    full = next(2**bits - 1 for bits in SENSOR_BITS if highest < 2**bits)
    grey_HW = (values_HW.clip(0, full) * 255 + full // 2) // full
    return Image.fromarray(np.where(transparent_HW, 255, grey_HW).astype(np.uint8))


def _upright(picture: Image.Image, source: Image.Image) -> Image.Image:
    """``picture`` turned as the camera that made ``source`` was held; unreadable EXIF data is as good as none."""
    try:
        method = UPRIGHT.get(source.getexif().get(ORIENTATION, 1))
    except Exception:  # a picture that decodes is worth more than its metadata
        method = None
    return picture if method is None else picture.transpose(method)
