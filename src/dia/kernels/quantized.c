// y = x wT for weights of 8 or 4 bits, read once, at memory bandwidth.
//
// Weights are stored in tiles of 16 outputs, in the order in which they are read. In a vector of 64 bytes, each lane
// has 4 weights of 8 bits, or 8 of 4 bits, of one output. Each lane sums its own output; there are no sums across lanes.
//
// x is represented by two digits of 8 bits, x = step (first + second / 254), so that only the weights are rounded
// noticeably; each row has its own step. AVX512-VNNI multiplies four bytes per lane and requires one factor to be
// unsigned. Therefore weights have a bias of 128 or 8, and sums start at minus the bias times the sum of the digits.

#include <immintrin.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define LEVELS 127
#define DIGIT 254
#define LEAST 1e-30f // a row with a lower peak counts as zero
#define OUTPUTS 16   // per tile
#define BYTES 64     // per vector
#define TOGETHER 4   // rows of x at a time, so that their sums fit into registers
#define AHEAD 8192   // bytes of weights to prefetch into the L2 cache
#define INLINE static inline __attribute__((always_inline))

typedef uint16_t bf16;

typedef struct {
    int8_t *first, *second; // digits [rows, inputs]
    int32_t *sums;          // of the digits of a group [rows, groups, 2]
    float *steps;           // [rows]
    float *wide;            // x [rows, inputs]
    long rows, inputs, group, groups;
} Input;

typedef struct {
    void *values; // [rows, outputs]
    long outputs;
    int half;
} Output;

static int reserve(Input *in) {
    const long numbers = in->rows * in->inputs, sums = 2 * in->rows * in->groups;
    in->wide = malloc(sizeof(float) * (numbers + in->rows) + sizeof(int32_t) * sums + 2 * numbers);
    if (!in->wide) return 0;
    in->steps = in->wide + numbers;
    in->sums = (int32_t *)(in->steps + in->rows);
    in->first = (int8_t *)(in->sums + sums);
    in->second = in->first + numbers;
    return 1;
}

static const float *widen(const Input *in, const void *x, long r, int half) {
    if (!half) return (const float *)x + r * in->inputs;
    float *wide = in->wide + r * in->inputs;
    for (long k = 0; k < in->inputs; k++) {
        const uint32_t bits = (uint32_t)((const bf16 *)x)[r * in->inputs + k] << 16;
        memcpy(wide + k, &bits, sizeof bits);
    }
    return wide;
}

static float peak_of(const float *x, long n) {
    uint32_t peak = 0; // the bits of positive floats have the same order as the floats
    for (long k = 0; k < n; k++) {
        uint32_t bits;
        memcpy(&bits, x + k, sizeof bits);
        bits &= 0x7fffffff;
        peak = bits > peak ? bits : peak;
    }
    float most;
    memcpy(&most, &peak, sizeof most);
    return most;
}

static void write_digits(const Input *in, const void *given, long r, int half) {
    const float *x = widen(in, given, r, half), most = peak_of(x, in->inputs);
    const float scale = most > LEAST ? LEVELS / most : 0;
    int8_t *first = in->first + r * in->inputs, *second = in->second + r * in->inputs;
    for (long k = 0; k < in->inputs; k++) {
        const float scaled = x[k] * scale, whole = rintf(scaled);
        first[k] = (int8_t)(int)whole;
        second[k] = (int8_t)(int)rintf((scaled - whole) * DIGIT);
    }
    in->steps[r] = most / LEVELS;
    for (long g = 0; g < in->groups; g++) {
        int32_t *sums = in->sums + 2 * (r * in->groups + g);
        sums[0] = sums[1] = 0;
        for (long k = g * in->group; k < (g + 1) * in->group; k++) sums[0] += first[k], sums[1] += second[k];
    }
}

INLINE void begin(const Input *in, long r, long g, int bias, __m512i (*sums)[2], const int rows) {
    for (int i = 0; i < rows; i++)
        for (int d = 0; d < 2; d++)
            sums[i][d] = _mm512_set1_epi32(-bias * in->sums[2 * ((r + i) * in->groups + g) + d]);
}

INLINE __m512i four(const int8_t *digits) {
    int bits;
    memcpy(&bits, digits, sizeof bits);
    return _mm512_set1_epi32(bits);
}

INLINE void add(const Input *in, long r, long k, __m512i weights, __m512i (*sums)[2], const int rows) {
    for (int i = 0; i < rows; i++) {
        const long place = (r + i) * in->inputs + k;
        sums[i][0] = _mm512_dpbusd_epi32(sums[i][0], weights, four(in->first + place));
        sums[i][1] = _mm512_dpbusd_epi32(sums[i][1], weights, four(in->second + place));
    }
}

INLINE __m512 with_digits(__m512i first, __m512i second) {
    const __m512 digit = _mm512_set1_ps(1.0f / DIGIT);
    return _mm512_fmadd_ps(_mm512_cvtepi32_ps(second), digit, _mm512_cvtepi32_ps(first));
}

// Store the outputs of a tile; the last tile may be incomplete.
INLINE void store(const Output *y, long row, long tile, __m512 values) {
    const long output = tile * OUTPUTS, place = row * y->outputs + output, left = y->outputs - output;
    const __mmask16 there = left < OUTPUTS ? (1u << left) - 1 : 0xffff;
    if (!y->half) {
        _mm512_mask_storeu_ps((float *)y->values + place, there, values);
        return;
    }
    const __m512i bits = _mm512_castps_si512(values); // to nearest, ties to even
    const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
    const __m512i rounded = _mm512_add_epi32(_mm512_add_epi32(bits, _mm512_set1_epi32(0x7fff)), odd);
    const __m256i halves = _mm512_cvtepi32_epi16(_mm512_srli_epi32(rounded, 16));
    _mm256_mask_storeu_epi16((bf16 *)y->values + place, there, halves);
}

// w [tiles, inputs / 4, OUTPUTS, 4], biased by 128; scale [outputs], padded to complete tiles.
INLINE void tile8(const Input *in, const Output *y, long r, long tile, const uint8_t *w, const float *scale,
                  const int rows) {
    __m512i sums[TOGETHER][2];
    begin(in, r, 0, 128, sums, rows);
    w += tile * OUTPUTS * in->inputs;
    for (long k = 0; k < in->inputs; k += 4, w += BYTES) {
        _mm_prefetch((const char *)w + AHEAD, _MM_HINT_T1);
        add(in, r, k, _mm512_loadu_si512(w), sums, rows);
    }
    for (int i = 0; i < rows; i++) {
        const __m512 steps = _mm512_mul_ps(_mm512_loadu_ps(scale + tile * OUTPUTS), _mm512_set1_ps(in->steps[r + i]));
        store(y, r + i, tile, _mm512_mul_ps(with_digits(sums[i][0], sums[i][1]), steps));
    }
}

INLINE __m512 sixteen(const bf16 *from) {
    const __m512i wide = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)from));
    return _mm512_castsi512_ps(_mm512_slli_epi32(wide, 16));
}

// w [tiles, inputs / 8, OUTPUTS, 4]: of 8 inputs, the first four are in the low nibbles and the others in the high
// nibbles. grid [tiles, groups, 2, OUTPUTS]: scale, then zero; a weight is (code - 8) scale + zero.
INLINE void tile4(const Input *in, const Output *y, long r, long tile, const uint8_t *w, const bf16 *grid,
                  const int rows) {
    const __m512i lower = _mm512_set1_epi8(15);
    __m512 totals[TOGETHER];
    for (int i = 0; i < rows; i++) totals[i] = _mm512_setzero_ps();
    w += tile * OUTPUTS * in->inputs / 2, grid += tile * in->groups * 2 * OUTPUTS;
    for (long g = 0; g < in->groups; g++, grid += 2 * OUTPUTS) {
        __m512i sums[TOGETHER][2];
        begin(in, r, g, 8, sums, rows);
        for (long k = g * in->group; k < (g + 1) * in->group; k += 8, w += BYTES) {
            const __m512i pairs = _mm512_loadu_si512(w);
            _mm_prefetch((const char *)w + AHEAD, _MM_HINT_T1);
            add(in, r, k, _mm512_and_si512(pairs, lower), sums, rows);
            add(in, r, k + 4, _mm512_and_si512(_mm512_srli_epi16(pairs, 4), lower), sums, rows);
        }
        const __m512 scale = sixteen(grid), zero = sixteen(grid + OUTPUTS);
        for (int i = 0; i < rows; i++) {
            const int32_t *own = in->sums + 2 * ((r + i) * in->groups + g);
            totals[i] = _mm512_fmadd_ps(with_digits(sums[i][0], sums[i][1]), scale, totals[i]);
            totals[i] = _mm512_fmadd_ps(_mm512_set1_ps(own[0] + (float)own[1] / DIGIT), zero, totals[i]);
        }
    }
    for (int i = 0; i < rows; i++)
        store(y, r + i, tile, _mm512_mul_ps(totals[i], _mm512_set1_ps(in->steps[r + i])));
}

// The number of rows in each call of a tile is a constant, so that its sums stay in registers.
#define PRODUCT(TILE, STEPS)                                                                                           \
    Input in = {.rows = rows, .inputs = inputs, .group = group, .groups = inputs / group};                             \
    const Output out = {.values = y, .outputs = outputs, .half = half};                                                \
    if (!reserve(&in)) return 0;                                                                                       \
    _Pragma("omp parallel num_threads(threads)") {                                                                     \
        _Pragma("omp for schedule(static)")                                                                            \
        for (long r = 0; r < rows; r++) write_digits(&in, x, r, half);                                                 \
        _Pragma("omp for schedule(static)")                                                                            \
        for (long tile = 0; tile < (outputs + OUTPUTS - 1) / OUTPUTS; tile++)                                          \
            for (long r = 0; r < rows; r += TOGETHER) switch (rows - r) {                                              \
                case 1: TILE(&in, &out, r, tile, w, STEPS, 1); break;                                                  \
                case 2: TILE(&in, &out, r, tile, w, STEPS, 2); break;                                                  \
                case 3: TILE(&in, &out, r, tile, w, STEPS, 3); break;                                                  \
                default: TILE(&in, &out, r, tile, w, STEPS, 4);                                                        \
                }                                                                                                      \
    }                                                                                                                  \
    free(in.wide);                                                                                                     \
    return 1;

// x [rows, inputs] and y [rows, outputs], bfloat16 if half, else float32. `group` inputs share a scale: for int8 all of
// them, a multiple of 4; for int4 a multiple of 8. Both functions return 0 if they run out of memory.
int int8_linear(const void *x, const uint8_t *w, const float *scale, void *y, long rows, long outputs, long inputs,
                long group, int half, int threads) {
    PRODUCT(tile8, scale)
}

int int4_linear(const void *x, const uint8_t *w, const bf16 *grid, void *y, long rows, long outputs, long inputs,
                long group, int half, int threads) {
    PRODUCT(tile4, grid)
}
