// y = x wT in bfloat16 for a few rows x. Weights are read once, at memory bandwidth, and used for four rows at a time.
// While later rows compute with a block of weights, the next block is prefetched. Matrix libraries are optimized for
// many rows and reach half of this speed here. A row's sums are added in the same order however many rows there are, so
// that they do not depend on the other rows; matrix libraries choose another order for another number of rows. Below are the other operations of a step with few rows, where call
// overhead exceeds the computation.

#include <immintrin.h>
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef uint16_t bf16;

enum { TILE = 4 }; // rows or outputs of one tile
enum { BLOCK = 32, BLOCK_OF_LONG = 16, LONG = 4096 }; // outputs per task: the weights of two tasks fit into the L2 cache
enum { LINES = 2 }; // cache lines of 64 bytes to prefetch per step of a tile

static bf16 narrow(float wide) {
    uint32_t bits;
    memcpy(&bits, &wide, sizeof bits);
    return (bits + 0x7fff + (bits >> 16 & 1)) >> 16; // to nearest, ties to even
}

static float widen(bf16 half) {
    uint32_t bits = (uint32_t)half << 16;
    float wide;
    memcpy(&wide, &bits, sizeof wide);
    return wide;
}

// `rows` rows of x times `outs` rows of w. All callers pass constants, so that the sums stay in registers.
static inline __attribute__((always_inline)) void tile(
    const bf16 *x, const bf16 *w, bf16 *y, long outputs, long inputs, const int rows, const int outs,
    const char **ahead) {
    __m512 sums[TILE][TILE];
    for (int r = 0; r < rows; r++)
        for (int o = 0; o < outs; o++) sums[r][o] = _mm512_setzero_ps();
#pragma GCC unroll 4
    for (long k = 0; k < inputs; k += 32) {
        for (int line = 0; ahead && line < LINES; line++, *ahead += 64) _mm_prefetch(*ahead, _MM_HINT_T1);
        __m512bh weights[TILE];
        for (int o = 0; o < outs; o++) weights[o] = (__m512bh)_mm512_loadu_si512(w + o * inputs + k);
        for (int r = 0; r < rows; r++) {
            __m512bh values = (__m512bh)_mm512_loadu_si512(x + r * inputs + k);
            for (int o = 0; o < outs; o++) sums[r][o] = _mm512_dpbf16_ps(sums[r][o], weights[o], values);
        }
    }
    for (int r = 0; r < rows; r++)
        for (int o = 0; o < outs; o++) y[r * outputs + o] = narrow(_mm512_reduce_add_ps(sums[r][o]));
}

// `rows` rows, again a constant, for `count` outputs. One output at a time is fastest if the rows fit into the L1 cache.
static inline __attribute__((always_inline)) void strip(
    const bf16 *x, const bf16 *w, bf16 *y, long count, long outputs, long inputs, const int rows, const char **ahead) {
    long o = 0;
    if (rows > 2 || rows * inputs > 8192)
        for (; o + TILE <= count; o += TILE) tile(x, w + o * inputs, y + o, outputs, inputs, rows, TILE, ahead);
    for (; o < count; o++) tile(x, w + o * inputs, y + o, outputs, inputs, rows, 1, ahead);
}

// x [rows, inputs], w [outputs, inputs], y [rows, outputs]; inputs is a multiple of 32.
void skinny_linear(const bf16 *x, const bf16 *w, bf16 *y, long rows, long outputs, long inputs, int threads) {
    long block = inputs > LONG ? BLOCK_OF_LONG : BLOCK;
#pragma omp parallel for num_threads(threads) schedule(static)
    for (long first = 0; first < outputs; first += block) {
        long count = outputs - first < block ? outputs - first : block, r = 0;
        const bf16 *part = w + first * inputs;
        const char *ahead = (const char *)(part + block * inputs), *end = ahead + block * inputs * sizeof *part;
        if (rows >= 4) strip(x, part, y + first, count, outputs, inputs, 4, NULL), r = 4;
        for (; r + 4 <= rows; r += 4)
            strip(x + r * inputs, part, y + r * outputs + first, count, outputs, inputs, 4, ahead < end ? &ahead : NULL);
        const bf16 *rest = x + r * inputs;
        bf16 *out = y + r * outputs + first;
        if (rows - r == 3) strip(rest, part, out, count, outputs, inputs, 3, NULL);
        if (rows - r == 2) strip(rest, part, out, count, outputs, inputs, 2, NULL);
        if (rows - r == 1) strip(rest, part, out, count, outputs, inputs, 1, NULL);
    }
}

static inline __mmask16 lanes(long left) { return left >= 16 ? 0xffff : left > 0 ? (1u << left) - 1 : 0; }

static inline __m512 load(const bf16 *from, __mmask16 there) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(there, from)), 16));
}

static inline void save(bf16 *to, __mmask16 there, __m512 numbers) {
    _mm256_mask_storeu_epi16(to, there, (__m256i)_mm512_cvtneps_pbh(numbers));
}

// Rows [rows, width] divided by their root mean square, times a weight [width].
void norm_rows(const bf16 *x, const bf16 *weight, bf16 *y, long rows, long width, float eps) {
    for (long r = 0; r < rows; r++, x += width, y += width) {
        __m512 squares = _mm512_setzero_ps();
        for (long k = 0; k < width; k += 16) {
            const __m512 some = load(x + k, lanes(width - k));
            squares = _mm512_fmadd_ps(some, some, squares);
        }
        const __m512 scale = _mm512_set1_ps(1 / sqrtf(_mm512_reduce_add_ps(squares) / width + eps));
        for (long k = 0; k < width; k += 16) {
            const __mmask16 there = lanes(width - k);
            const __m512 scaled = _mm512_mul_ps(load(x + k, there), scale);
            save(y + k, there, _mm512_mul_ps(scaled, load(weight + k, there)));
        }
    }
}

// e^x for x <= 0: a power of two times a polynomial of the remainder, |r| <= ln 2 / 2, with an error of 2e-7.
static inline __m512 exponential(__m512 x) {
    x = _mm512_max_ps(x, _mm512_set1_ps(-104));
    const __m512 n = _mm512_roundscale_ps(_mm512_mul_ps(x, _mm512_set1_ps(1.44269504f)), _MM_FROUND_TO_NEAREST_INT);
    __m512 r = _mm512_fnmadd_ps(n, _mm512_set1_ps(0.693359375f), x), sum = _mm512_set1_ps(1.0f / 720);
    r = _mm512_fnmadd_ps(n, _mm512_set1_ps(-2.12194440e-4f), r);
    const float factors[] = {1.0f / 120, 1.0f / 24, 1.0f / 6, 0.5f, 1, 1};
    for (int k = 0; k < 6; k++) sum = _mm512_fmadd_ps(sum, r, _mm512_set1_ps(factors[k]));
    return _mm512_scalef_ps(sum, n);
}

// Exponentials of `length` scores minus their maximum, in place; returns their sum, the divisor of the softmax.
static float exponentials(float *scores, long length) {
    __m512 most = _mm512_set1_ps(-INFINITY), sum = _mm512_setzero_ps();
    for (long s = 0; s < length; s += 16)
        most = _mm512_max_ps(most, _mm512_mask_loadu_ps(most, lanes(length - s), scores + s));
    const __m512 top = _mm512_set1_ps(_mm512_reduce_max_ps(most));
    for (long s = 0; s < length; s += 16) {
        const __mmask16 there = lanes(length - s);
        const __m512 raised = exponential(_mm512_sub_ps(_mm512_maskz_loadu_ps(there, scores + s), top));
        _mm512_mask_storeu_ps(scores + s, there, raised);
        sum = _mm512_mask_add_ps(sum, there, sum, raised);
    }
    return _mm512_reduce_add_ps(sum);
}

// Attention of one row: query and y [pairs, queries, width], keys [pairs, width, length], values [pairs, length, width],
// mask [pairs / heads, length] or NULL, added to the scores. A pair is a clip and a key head.
void attend_text(const bf16 *query, const bf16 *keys, const bf16 *values, const bf16 *mask, bf16 *y, long pairs,
                 long heads, long queries, long length, long width, float scale, int threads) {
#pragma omp parallel for num_threads(threads) schedule(static)
    for (long pair = 0; pair < pairs; pair++) {
        const bf16 *key = keys + pair * width * length, *value = values + pair * length * width;
        for (long q = pair * queries; q < (pair + 1) * queries; q++) {
            float scores[length];
            for (long s = 0; s < length; s += 32) {
                const __mmask16 first = lanes(length - s), second = lanes(length - s - 16);
                __m512 a = _mm512_setzero_ps(), b = a;
                for (long d = 0; d < width; d++) {
                    const __m512 one = _mm512_set1_ps(widen(query[q * width + d]) * scale);
                    a = _mm512_fmadd_ps(one, load(key + d * length + s, first), a);
                    b = _mm512_fmadd_ps(one, load(key + d * length + s + 16, second), b);
                }
                if (mask) a = _mm512_add_ps(a, load(mask + pair / heads * length + s, first));
                if (mask) b = _mm512_add_ps(b, load(mask + pair / heads * length + s + 16, second));
                _mm512_mask_storeu_ps(scores + s, first, a);
                if (second) _mm512_mask_storeu_ps(scores + s + 16, second, b);
            }
            const __m512 share = _mm512_set1_ps(1 / exponentials(scores, length));
            for (long d = 0; d < width; d += 32) {
                const __mmask16 first = lanes(width - d), second = lanes(width - d - 16);
                __m512 a = _mm512_setzero_ps(), b = a;
                for (long s = 0; s < length; s++) {
                    a = _mm512_fmadd_ps(_mm512_set1_ps(scores[s]), load(value + s * width + d, first), a);
                    b = _mm512_fmadd_ps(_mm512_set1_ps(scores[s]), load(value + s * width + d + 16, second), b);
                }
                save(y + q * width + d, first, _mm512_mul_ps(a, share));
                if (second) save(y + q * width + d + 16, second, _mm512_mul_ps(b, share));
            }
        }
    }
}
