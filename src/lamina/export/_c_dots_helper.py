"""The helper of `_c_dots` in C: sums of products of cells with rows of weights, for the dot products that a CPU has.

    columns of cells   `parts` stretches of n cells, `step` apart; a second column lies `apart` further
    rows of weights    parts x n bytes each, `row` apart
    sum                four rows (or fewer) of the first column, then of the second

A second column reuses every weight that was loaded: eight sums are in flight. Vector code reads whole steps, so n is
rounded up: what lies beyond is a zero on one side or the other.
"""

DOTS = """
/* sums of products of columns of cells with rows of weights */
#if !defined(LAMINA_SCALAR) && ((defined(__AVX512VNNI__) && defined(__AVX512VL__)) || defined(__AVXVNNI__))
#include <immintrin.h>
#define ${p}_SHIFTED 1 /* a cell is a byte above 0 */
#define ${p}_AT_ONCE 32
typedef uint8_t ${p}_cell;
#ifdef __AVXVNNI__
#define ${p}_ADD(a, x, w) _mm256_dpbusd_avx_epi32(a, x, w)
#else
#define ${p}_ADD(a, x, w) _mm256_dpbusd_epi32(a, x, w)
#endif
#define ${p}_WEIGHTS(at) _mm256_loadu_si256((const __m256i *)(const void *)(at))
#elif !defined(LAMINA_SCALAR) && defined(__AVX2__)
#include <immintrin.h>
#define ${p}_SHIFTED 0
#define ${p}_AT_ONCE 16
typedef int16_t ${p}_cell;
#define ${p}_ADD(a, x, w) _mm256_add_epi32(a, _mm256_madd_epi16(x, w))
#define ${p}_WEIGHTS(at) _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(const void *)(at)))
#else
#define ${p}_SHIFTED 0
typedef int16_t ${p}_cell;
#endif
#ifdef ${p}_AT_ONCE
#define ${p}_CELLS(at) _mm256_loadu_si256((const __m256i *)(const void *)(at))
static inline void ${p}_four(__m256i a, __m256i b, __m256i c, __m256i d, int32_t *sum)
{
    a = _mm256_hadd_epi32(_mm256_hadd_epi32(a, b), _mm256_hadd_epi32(c, d));
    const __m128i four = _mm_add_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
    memcpy(sum, &four, sizeof four);
}
static inline void ${p}_dots(const ${p}_cell *x, int step, int parts, const int8_t *w, int n, int row, int32_t *sum)
{
    __m256i a = _mm256_setzero_si256(), b = a, c = a, d = a;
    for (int part = 0; part < parts; ++part, x += step, w += n) {
        for (int i = 0; i < n; i += ${p}_AT_ONCE) {
            const __m256i v = ${p}_CELLS(x + i);
            a = ${p}_ADD(a, v, ${p}_WEIGHTS(w + i));
            b = ${p}_ADD(b, v, ${p}_WEIGHTS(w + row + i));
            c = ${p}_ADD(c, v, ${p}_WEIGHTS(w + 2 * row + i));
            d = ${p}_ADD(d, v, ${p}_WEIGHTS(w + 3 * row + i));
        }
    }
    ${p}_four(a, b, c, d, sum);
}
static inline int32_t ${p}_dot(const ${p}_cell *x, int step, int parts, const int8_t *w, int n)
{
    __m256i a = _mm256_setzero_si256();
    int32_t sum[8];
    for (int part = 0; part < parts; ++part, x += step, w += n) {
        for (int i = 0; i < n; i += ${p}_AT_ONCE) {
            a = ${p}_ADD(a, ${p}_CELLS(x + i), ${p}_WEIGHTS(w + i));
        }
    }
    memcpy(sum, &a, sizeof sum);
    return ((sum[0] + sum[4]) + (sum[2] + sum[6])) + ((sum[1] + sum[5]) + (sum[3] + sum[7]));
}
#else
static inline int32_t ${p}_dot(const ${p}_cell *x, int step, int parts, const int8_t *w, int n)
{
    int32_t a = 0;
    for (int part = 0; part < parts; ++part, x += step, w += n) {
        for (int i = 0; i < n; ++i) {
            a += (int32_t)x[i] * (int16_t)w[i];
        }
    }
    return a;
}
static inline void ${p}_dots(const ${p}_cell *x, int step, int parts, const int8_t *w, int n, int row, int32_t *sum)
{
    int32_t a = 0, b = 0, c = 0, d = 0;
    for (int part = 0; part < parts; ++part, x += step, w += n) {
        for (int i = 0; i < n; ++i) {
            const int32_t v = x[i];
            a += v * (int16_t)w[i];
            b += v * (int16_t)w[row + i];
            c += v * (int16_t)w[2 * row + i];
            d += v * (int16_t)w[3 * row + i];
        }
    }
    sum[0] = a;
    sum[1] = b;
    sum[2] = c;
    sum[3] = d;
}
#endif
"""
DOTS2 = """
#ifdef ${p}_AT_ONCE
static inline void ${p}_dots2(const ${p}_cell *x, int apart, int step, int parts, const int8_t *w, int n, int row,
                              int32_t *sum)
{
    __m256i a = _mm256_setzero_si256(), b = a, c = a, d = a, e = a, f = a, g = a, h = a;
    for (int part = 0; part < parts; ++part, x += step, w += n) {
        for (int i = 0; i < n; i += ${p}_AT_ONCE) {
            const __m256i u = ${p}_CELLS(x + i), v = ${p}_CELLS(x + apart + i);
            const __m256i w0 = ${p}_WEIGHTS(w + i), w1 = ${p}_WEIGHTS(w + row + i);
            const __m256i w2 = ${p}_WEIGHTS(w + 2 * row + i), w3 = ${p}_WEIGHTS(w + 3 * row + i);
            a = ${p}_ADD(a, u, w0);
            b = ${p}_ADD(b, u, w1);
            c = ${p}_ADD(c, u, w2);
            d = ${p}_ADD(d, u, w3);
            e = ${p}_ADD(e, v, w0);
            f = ${p}_ADD(f, v, w1);
            g = ${p}_ADD(g, v, w2);
            h = ${p}_ADD(h, v, w3);
        }
    }
    ${p}_four(a, b, c, d, sum);
    ${p}_four(e, f, g, h, sum + 4);
}
#else
static inline void ${p}_dots2(const ${p}_cell *x, int apart, int step, int parts, const int8_t *w, int n, int row,
                              int32_t *sum)
{
    ${p}_dots(x, step, parts, w, n, row, sum);
    ${p}_dots(x + apart, step, parts, w, n, row, sum + 4);
}
#endif
"""
