"""C functions that several operations share; a network's source holds those it uses, under its own prefix.

    round_shift32/64   round_half_even(a / 2^k): the floor, plus one where the rest is above half, or half and odd
    divide             round_half_even(a / d)
    nearest32/64       rint in float32, clipped while still a float, so that no conversion overflows
    tanh32             tanh without libm; the coefficients are a least-squares fit of our own, relative error weighted
    clip32/64          into low..high
    lanes floats ints  neighbouring channels in one variable, see `_c_lanes`

Shifts of negative numbers are arithmetic on every compiler that such code meets; the host test would show another.
"""

from lamina.export._c_dots_helper import DOTS, DOTS2
from lamina.export._c_text import fill

HELPERS = {
    "lanes": """
/* neighbouring channels that are computed at once */
#if !defined(LAMINA_SCALAR) && (defined(__clang__) || (defined(__GNUC__) && __GNUC__ >= 9))
#if defined(__AVX__)
#define ${p}_LANES 8
#elif defined(__SSE2__) || defined(__ARM_NEON)
#define ${p}_LANES 4
#endif
#endif
#ifndef ${p}_LANES
#define ${p}_LANES 1
#endif
""",
    "floats": """
#if ${p}_LANES > 1
typedef float ${p}_floats __attribute__((vector_size(${p}_LANES * 4)));
#else
typedef float ${p}_floats;
#endif
""",
    "load_floats": """
static inline ${p}_floats ${p}_load_floats(const float *p)
{
    ${p}_floats v;
    memcpy(&v, p, sizeof v);
    return v;
}
""",
    "ints": """
#if ${p}_LANES > 1
typedef int32_t ${p}_ints __attribute__((vector_size(${p}_LANES * 4)));
#else
typedef int32_t ${p}_ints;
#endif
""",
    # GCC 12 turns the conversion below into single bytes; the instruction takes a quarter of the time
    "load_ints": """
#if ${p}_LANES == 8 && defined(__AVX2__)
#include <immintrin.h>
static inline ${p}_ints ${p}_load_ints(const int8_t *p)
{
    return (${p}_ints)_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)p));
}
#elif ${p}_LANES > 1
typedef int8_t ${p}_bytes __attribute__((vector_size(${p}_LANES)));
static inline ${p}_ints ${p}_load_ints(const int8_t *p)
{
    ${p}_bytes v;
    memcpy(&v, p, sizeof v);
    return __builtin_convertvector(v, ${p}_ints);
}
#else
static inline ${p}_ints ${p}_load_ints(const int8_t *p)
{
    return *p;
}
#endif
""",
    "round_shift32": """
/* round_half_even(a / 2^k), 1 <= k <= 30 */
static int32_t ${p}_round_shift32(int32_t a, int k)
{
    const int32_t floor = a >> k, rest = a & (((int32_t)1 << k) - 1);
    return floor + (rest + (floor & 1) > (int32_t)1 << (k - 1));
}
""",
    "round_shift64": """
/* round_half_even(a / 2^k), -31 <= k <= 62 */
static int64_t ${p}_round_shift64(int64_t a, int k)
{
    if (k <= 0) {
        return a * ((int64_t)1 << -k);
    }
    const int64_t floor = a >> k, rest = a & (((int64_t)1 << k) - 1);
    return floor + (rest + (floor & 1) > (int64_t)1 << (k - 1));
}
""",
    "floor_shift32": """
/* floor(a / 2^k), 1 <= k <= 30 */
static int32_t ${p}_floor_shift32(int32_t a, int k)
{
    return a >> k;
}
""",
    "floor_shift64": """
/* floor(a / 2^k), -31 <= k <= 62 */
static int64_t ${p}_floor_shift64(int64_t a, int k)
{
    return k <= 0 ? a * ((int64_t)1 << -k) : a >> k;
}
""",
    "divide": """
/* round_half_even(a / d), d > 0 */
static int64_t ${p}_divide(int64_t a, int64_t d)
{
    int64_t floor = a / d, rest = a % d;
    if (rest < 0) {
        rest += d;
        floor -= 1;
    }
    return floor + (rest > d - rest || (rest == d - rest && (floor & 1) == 1));
}
""",
    "floor_divide": """
/* floor(a / d), d > 0 */
static int64_t ${p}_floor_divide(int64_t a, int64_t d)
{
    return a / d - (a % d < 0);
}
""",
    "tanh32": """
/* tanh to 5e-7 of its value: a fraction of polynomials, which compilers compute for several numbers at once */
static inline float ${p}_tanh32(float v)
{
    const float x = v < -7.99f ? -7.99f : v > 7.99f ? 7.99f : v, u = x * x;
    const float above = 0.9999999f + u * (0.1292654f + u * (2.951969e-3f + u * 1.1438733e-5f));
    const float below = 1.0f + u * (0.46259758f + u * (2.3819413e-2f + u * (2.3880332e-4f + u * 2.4625254e-7f)));
    return x * above / below;
}
""",
    "exp32": """
/* exp to 2e-7 of its value, 0 below -87.3: 2^n times a polynomial on half an octave, for several numbers at once */
static inline float ${p}_exp32(float v)
{
    const float x = v < -87.3f ? -87.3f : v > 88.7f ? 88.7f : v;
    const float n = (x * 1.44269504f + 12582912.0f) - 12582912.0f; /* the nearest integer */
    const float r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
    const float q = 0.16666667f + r * (4.1666668e-2f + r * (8.333335e-3f + r * 1.3888889e-3f));
    const float p = 1.0f + r * (1.0f + r * (0.5f + r * q));
    const int32_t half = ((int32_t)n + 126) * 8388608;
    float scale;
    memcpy(&scale, &half, sizeof scale);
    return v < -87.3f ? 0.0f : v > 88.7228f ? INFINITY : p * scale * 2.0f;
}
""",
    "place": """
/* an index into `size` places, negative ones from the end; one outside becomes the nearest inside */
static int ${p}_place(int64_t index, int size)
{
    const int64_t at = index < 0 ? index + size : index;
    return at < 0 ? 0 : at < size ? (int)at : size - 1;
}
""",
    "plus64": """
/* a + b, the low 64 bits */
static int64_t ${p}_plus64(int64_t a, int64_t b)
{
    return (int64_t)((uint64_t)a + (uint64_t)b);
}
""",
    "minus64": """
/* a - b, the low 64 bits */
static int64_t ${p}_minus64(int64_t a, int64_t b)
{
    return (int64_t)((uint64_t)a - (uint64_t)b);
}
""",
    "times64": """
/* a b, the low 64 bits */
static int64_t ${p}_times64(int64_t a, int64_t b)
{
    return (int64_t)((uint64_t)a * (uint64_t)b);
}
""",
    "quotient": """
/* a / b toward zero; 0 where b is 0 */
static int64_t ${p}_quotient(int64_t a, int64_t b)
{
    return b == 0 ? 0 : b == -1 ? (int64_t)(0 - (uint64_t)a) : a / b;
}
""",
    "remains": """
/* what a / b toward zero leaves: the sign of a; 0 where b is 0 */
static int64_t ${p}_remains(int64_t a, int64_t b)
{
    return b == 0 || b == -1 ? 0 : a % b;
}
""",
    "modulo": """
/* what the floor of a / b leaves: the sign of b; 0 where b is 0 */
static int64_t ${p}_modulo(int64_t a, int64_t b)
{
    const int64_t rest = b == 0 || b == -1 ? 0 : a % b;
    return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
}
""",
    "remainder32": """
/* what the floor of a / b leaves: the sign of b */
static float ${p}_remainder32(float a, float b)
{
    const float rest = fmodf(a, b);
    return rest != 0.0f && (rest < 0.0f) != (b < 0.0f) ? rest + b : rest;
}
""",
    "remainder64": """
/* what the floor of a / b leaves: the sign of b */
static double ${p}_remainder64(double a, double b)
{
    const double rest = fmod(a, b);
    return rest != 0.0 && (rest < 0.0) != (b < 0.0) ? rest + b : rest;
}
""",
    "truncated": """
/* v toward zero, within low..high; not a number gives 0 */
static int64_t ${p}_truncated(double v, int64_t low, int64_t high)
{
    return v != v ? 0 : v >= (double)high ? high : v <= (double)low ? low : (int64_t)v;
}
""",
    "philox": """
/* ten rounds of Philox 4x32 */
static void ${p}_philox(uint32_t word[4], uint32_t key0, uint32_t key1)
{
    for (int round = 0; round < 10; ++round) {
        const uint64_t a = (uint64_t)word[0] * 0xD2511F53u, b = (uint64_t)word[2] * 0xCD9E8D57u;
        word[0] = (uint32_t)(b >> 32) ^ word[1] ^ key0;
        word[1] = (uint32_t)b;
        word[2] = (uint32_t)(a >> 32) ^ word[3] ^ key1;
        word[3] = (uint32_t)a;
        key0 += 0x9E3779B9u;
        key1 += 0xBB67AE85u;
    }
}
""",
    "sum32": """
/* the sum of n numbers, in eight chains that are emptied every 512 numbers */
static float ${p}_sum32(const float *x, int n)
{
    float total = 0;
    int i = 0;
    while (i + 8 <= n) {
        float chain[8] = {0};
        for (const int end = n - i > 512 ? i + 512 : n; i + 8 <= end; i += 8) {
            for (int j = 0; j < 8; ++j) {
                chain[j] += x[i + j];
            }
        }
        total += ((chain[0] + chain[4]) + (chain[2] + chain[6])) + ((chain[1] + chain[5]) + (chain[3] + chain[7]));
    }
    for (; i < n; ++i) {
        total += x[i];
    }
    return total;
}
""",
    "sum64": """
/* the sum of n numbers, in eight chains */
static double ${p}_sum64(const double *x, int n)
{
    double chain[8] = {0}, total = 0;
    int i = 0;
    for (; i + 8 <= n; i += 8) {
        for (int j = 0; j < 8; ++j) {
            chain[j] += x[i + j];
        }
    }
    for (int j = 0; j < 8; ++j) {
        total += chain[j];
    }
    for (; i < n; ++i) {
        total += x[i];
    }
    return total;
}
""",
    "power64": """
/* a^b, the low 64 bits; toward zero where b is negative */
static int64_t ${p}_power64(int64_t a, int64_t b)
{
    uint64_t result = 1, square = (uint64_t)a;
    if (b < 0) {
        return a == 1 ? 1 : a == -1 ? 1 - 2 * (b & 1) : 0;
    }
    for (; b > 0; b >>= 1, square *= square) {
        result *= (b & 1) != 0 ? square : 1;
    }
    return (int64_t)result;
}
""",
    "dots": DOTS,
    "dots2": DOTS2,
    "clip32": """
static int32_t ${p}_clip32(int32_t v, int32_t low, int32_t high)
{
    return v < low ? low : v > high ? high : v;
}
""",
    "clip64": """
static int64_t ${p}_clip64(int64_t v, int64_t low, int64_t high)
{
    return v < low ? low : v > high ? high : v;
}
""",
    "nearest32": """
/* rint(v) within low..high; v not a number gives low */
static int32_t ${p}_nearest32(float v, float low, float high)
{
    return (int32_t)rintf(!(v > low) ? low : v > high ? high : v);
}
""",
    "nearest64": """
/* rint(v), at most 2^62 either way; v not a number gives -2^62 */
static int64_t ${p}_nearest64(float v)
{
    return (int64_t)rintf(!(v > -0x1p62f) ? -0x1p62f : v > 0x1p62f ? 0x1p62f : v);
}
""",
}


def functions(prefix: str, used: set[str]) -> str:
    """The text of the helpers named in `used`, in table order."""
    return "".join(fill(text, p=prefix) for name, text in HELPERS.items() if name in used)
