"""uniform in C: Philox 4x32-10 counts four numbers at a time from the key and the stream, see `ir.operators.random`."""

from lamina.export._c_kernel import Kernel, Setting
from lamina.export._c_text import fill

_UNIFORM = """\
const uint64_t key = (uint64_t)x0[0];
for (int i = 0; i < $size; i += 4) {
    uint32_t word[4] = {(uint32_t)(i / 4), 0, $low, $high};
    ${prefix}_philox(word, (uint32_t)key, (uint32_t)(key >> 32));
    for (int j = 0; j < 4 && i + j < $size; ++j) {
        y[i + j] = (float)(word[j] >> 8) * 0x1p-24f;
    }
}
"""


def uniform(setting: Setting) -> Kernel:
    stream = setting.site.attributes["stream"]
    body = fill(
        _UNIFORM, size=setting.y.size, prefix=setting.prefix, low=f"UINT32_C({stream & 0xFFFFFFFF})",
        high=f"UINT32_C({stream >> 32})",
    )  # fmt: skip
    return Kernel(reads=(0,), body=body, helpers=("philox",))
