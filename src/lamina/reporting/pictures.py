"""Small grey pictures as PNG data, written here so that the page needs no imaging package.

    PNG = signature, IHDR (size, 8 bits, grey), IDAT (zlib of rows, each after a filter byte 0), IEND

Units      pixels are bytes, 0 black to 255 white, row by row
Reference  PNG (ISO/IEC 15948), https://www.w3.org/TR/png-3/
"""

import base64
import struct
import zlib

MOST_SIDE = 1024  # pixels


def png(pixels: bytes, height: int, width: int) -> bytes:
    """The PNG file of a grey picture; raises ValueError where `pixels` are not height x width bytes."""
    if not (0 < height <= MOST_SIDE and 0 < width <= MOST_SIDE) or len(pixels) != height * width:
        raise ValueError(f"{len(pixels)} bytes are no picture of {height} x {width} pixels")
    rows = b"".join(b"\0" + pixels[y * width : (y + 1) * width] for y in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        _chunk(kind, data) for kind, data in ((b"IHDR", header), (b"IDAT", zlib.compress(rows, 9)), (b"IEND", b""))
    )


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def data_uri(pixels: bytes, height: int, width: int) -> str:
    """The picture as the `src` of an image element."""
    return "data:image/png;base64," + base64.b64encode(png(pixels, height, width)).decode()
