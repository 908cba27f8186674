// y = x wT for weights of 8 or 4 bits, read once, at memory bandwidth.
//
// Weights are stored in tiles of 16 outputs, in the order in which they are read. Of 64 bytes, each lane of 4 has 4
// weights of 8 bits, or 8 of 4 bits, of one output. Each lane sums its own output; there are no sums across lanes.
//
// For weights of 8 bits, x is rounded to 16 bits, so that only the weights are rounded noticeably; each row has its own
// step. Weights have a bias of 128, and sums start at minus the bias times the sum of x.
//
// AVX512-VNNI multiplies four bytes per lane and requires one factor to be unsigned: x is represented by two digits of
// 8 bits, x = step (first + second / 254). AVX2 multiplies two numbers of 16 bits per lane: the digits are joined,
// x = step / 254 (254 first + second). The sums are the same whole numbers; they are rounded when they become floats,
// so the results of the two differ by rounding.
//
// For weights of 4 bits, x is rounded to 8 bits with a step for every 64 numbers. The error is a twentieth of that of
// the weights, and half as many products are needed. Both kinds of processor multiply bytes then.

#include <immintrin.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define LEVELS 127   // of a digit
#define DIGIT 254
#define LEAST 1e-30f // a row with a lower peak counts as zero
#define OUTPUTS 16   // per tile
#define BIAS8 128
#define BIAS4 8
#define PART 64      // inputs, at most, that share a step of x, for weights of 4 bits
#define WORDS 32     // inputs whose two sums fit into 16 bits: 16 products of 15 and 127 each
#define BYTES 64     // per vector
#define TOGETHER 4   // rows of x at a time, so that their sums fit into registers
#define AHEAD 8192   // bytes of weights to prefetch into the L2 cache
#define INLINE static inline __attribute__((always_inline))

typedef uint16_t bf16;

#ifdef __AVX512VNNI__
typedef int8_t Digit;
enum { DIGITS = 2 };
#else
typedef int16_t Digit;
enum { DIGITS = 1 };
#endif

// x for weights of 8 bits. Sums of a group of products are whole numbers.
typedef struct {
    Digit *digits; // [rows, DIGITS, inputs]
    int32_t *sums; // of the digits of a group [rows, groups, DIGITS]
    float *steps;  // [rows]
    float *wide;   // x [rows, inputs]
    long rows, inputs, group, groups;
} Input8;

// x for weights of 4 bits.
typedef struct {
    int8_t *digits; // [rows, inputs]
    float *steps;   // of a part, and the step times the sum of its digits [rows, parts, 2]
    float *wide;    // x [rows, inputs]
    long rows, inputs, group, part, parts; // `group` inputs share a scale, `part` inputs a step; a part is in one group
} Input4;

typedef struct {
    void *values; // [rows, outputs]
    long outputs;
    int half;
} Output;

static int reserve8(Input8 *in) {
    const long numbers = in->rows * in->inputs, sums = DIGITS * in->rows * in->groups;
    in->wide = malloc(sizeof(float) * (numbers + in->rows) + sizeof(int32_t) * sums + sizeof(Digit) * DIGITS * numbers);
    if (!in->wide) return 0;
    in->steps = in->wide + numbers;
    in->sums = (int32_t *)(in->steps + in->rows);
    in->digits = (Digit *)(in->sums + sums);
    return 1;
}

static int reserve4(Input4 *in) {
    const long numbers = in->rows * in->inputs, steps = 2 * in->rows * in->parts;
    in->wide = malloc(sizeof(float) * (numbers + steps) + numbers);
    if (!in->wide) return 0;
    in->steps = in->wide + numbers;
    in->digits = (int8_t *)(in->steps + steps);
    return 1;
}

// A row of x as floats, in `wide` if it has to be converted.
static const float *widen(const void *x, long r, long inputs, int half, float *wide) {
    if (!half) return (const float *)x + r * inputs;
    wide += r * inputs;
    for (long k = 0; k < inputs; k++) {
        const uint32_t bits = (uint32_t)((const bf16 *)x)[r * inputs + k] << 16;
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

static const Digit *digits_of(const Input8 *in, long r, int d) { return in->digits + (DIGITS * r + d) * in->inputs; }

static int32_t *sums_of(const Input8 *in, long r, long g) { return in->sums + DIGITS * (r * in->groups + g); }

static void write_digits8(const Input8 *in, const void *given, long r, int half) {
    const float *x = widen(given, r, in->inputs, half, in->wide), most = peak_of(x, in->inputs);
    const float scale = most > LEAST ? LEVELS / most : 0;
    Digit *digits = in->digits + DIGITS * r * in->inputs;
#ifdef __AVX512VNNI__
    for (long k = 0; k < in->inputs; k++) {
        const float scaled = x[k] * scale, whole = rintf(scaled);
        digits[k] = (int8_t)(int)whole;
        digits[in->inputs + k] = (int8_t)(int)rintf((scaled - whole) * DIGIT);
    }
#else
    for (long k = 0; k < in->inputs; k += 4) { // even ones first, as `add` reads them
        static const int order[] = {0, 2, 1, 3};
        for (int i = 0; i < 4; i++) digits[k + i] = (int16_t)(int)rintf(x[k + order[i]] * scale * DIGIT);
    }
#endif
    in->steps[r] = most / LEVELS;
    for (long g = 0; g < in->groups; g++)
        for (int d = 0; d < DIGITS; d++) {
            const Digit *own = digits + d * in->inputs;
            int32_t sum = 0;
            for (long k = g * in->group; k < (g + 1) * in->group; k++) sum += own[k];
            sums_of(in, r, g)[d] = sum;
        }
}

static float *part_of(const Input4 *in, long r, long p) { return in->steps + 2 * (r * in->parts + p); }

static void write_digits4(const Input4 *in, const void *given, long r, int half) {
    const float *x = widen(given, r, in->inputs, half, in->wide);
    int8_t *digits = in->digits + r * in->inputs;
    for (long p = 0; p < in->parts; p++, x += in->part, digits += in->part) {
        const float most = peak_of(x, in->part), scale = most > LEAST ? LEVELS / most : 0, step = most / LEVELS;
        int sum = 0;
        for (long k = 0; k < in->part; k++) {
            digits[k] = (int8_t)(int)rintf(x[k] * scale);
            sum += digits[k];
        }
        part_of(in, r, p)[0] = step;
        part_of(in, r, p)[1] = step * sum;
    }
}

#ifdef __AVX512VNNI__

INLINE void begin(const Input8 *in, long r, long g, __m512i (*sums)[2], const int rows) {
    for (int i = 0; i < rows; i++)
        for (int d = 0; d < 2; d++)
            sums[i][d] = _mm512_set1_epi32(-BIAS8 * sums_of(in, r + i, g)[d]);
}

INLINE __m512i four(const void *digits) {
    int bits;
    memcpy(&bits, digits, sizeof bits);
    return _mm512_set1_epi32(bits);
}

INLINE void add(const Input8 *in, long r, long k, __m512i weights, __m512i (*sums)[2], const int rows) {
    for (int i = 0; i < rows; i++) {
        sums[i][0] = _mm512_dpbusd_epi32(sums[i][0], weights, four(digits_of(in, r + i, 0) + k));
        sums[i][1] = _mm512_dpbusd_epi32(sums[i][1], weights, four(digits_of(in, r + i, 1) + k));
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
INLINE void tile8(const Input8 *in, const Output *y, long r, long tile, const uint8_t *w, const float *scale,
                  const int rows) {
    __m512i sums[TOGETHER][2];
    begin(in, r, 0, sums, rows);
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

// Codes of 4 bits at `w`, of 8 inputs, times digits.
INLINE void add4(const Input4 *in, long r, long k, const uint8_t *w, __m512i *sums, const int rows) {
    const __m512i lower = _mm512_set1_epi8(15), codes = _mm512_loadu_si512(w);
    const __m512i low = _mm512_and_si512(codes, lower), high = _mm512_and_si512(_mm512_srli_epi16(codes, 4), lower);
    for (int i = 0; i < rows; i++) {
        const int8_t *digits = in->digits + (r + i) * in->inputs + k;
        sums[i] = _mm512_dpbusd_epi32(_mm512_dpbusd_epi32(sums[i], low, four(digits)), high, four(digits + 4));
    }
}

// w [tiles, inputs / 8, OUTPUTS, 4]: of 8 inputs, the first four are in the low nibbles and the others in the high
// nibbles. grid [tiles, groups, 2, OUTPUTS]: scale, then zero; a weight is (code - 8) scale + zero.
INLINE void tile4(const Input4 *in, const Output *y, long r, long tile, const uint8_t *w, const bf16 *grid,
                  const int rows) {
    __m512 totals[TOGETHER];
    for (int i = 0; i < rows; i++) totals[i] = _mm512_setzero_ps();
    w += tile * OUTPUTS * in->inputs / 2, grid += tile * in->inputs / in->group * 2 * OUTPUTS;
    for (long p = 0; p < in->parts; p++) {
        __m512i sums[TOGETHER];
        for (int i = 0; i < rows; i++) sums[i] = _mm512_setzero_si512();
        for (long k = p * in->part; k < (p + 1) * in->part; k += 8, w += BYTES) {
            _mm_prefetch((const char *)w + AHEAD, _MM_HINT_T1);
            add4(in, r, k, w, sums, rows);
        }
        const bf16 *own = grid + p * in->part / in->group * 2 * OUTPUTS;
        const __m512 scale = sixteen(own);
        const __m512 zero = _mm512_fnmadd_ps(_mm512_set1_ps(BIAS4), scale, sixteen(own + OUTPUTS));
        for (int i = 0; i < rows; i++) {
            const float *part = part_of(in, r + i, p);
            const __m512 factor = _mm512_mul_ps(scale, _mm512_set1_ps(part[0]));
            totals[i] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sums[i]), factor, totals[i]);
            totals[i] = _mm512_fmadd_ps(_mm512_set1_ps(part[1]), zero, totals[i]);
        }
    }
    for (int i = 0; i < rows; i++) store(y, r + i, tile, totals[i]);
}

#else

enum { LANES = 8, HALVES = OUTPUTS / LANES }; // outputs in a vector, vectors in a tile

// Two numbers of 16 bits, or four of 8 bits, for all lanes.
INLINE __m256i four(const void *digits) {
    int bits;
    memcpy(&bits, digits, sizeof bits);
    return _mm256_set1_epi32(bits);
}

INLINE __m256i load(const uint8_t *w) { return _mm256_loadu_si256((const __m256i *)w); }

INLINE void begin(const Input8 *in, long r, long g, __m256i (*sums)[HALVES], const int rows) {
    for (int i = 0; i < rows; i++)
        for (int h = 0; h < HALVES; h++) sums[i][h] = _mm256_set1_epi32(-BIAS8 * *sums_of(in, r + i, g));
}

INLINE __m256i both(__m256i even, __m256i first, __m256i odd, __m256i second) {
    return _mm256_add_epi32(_mm256_madd_epi16(even, first), _mm256_madd_epi16(odd, second));
}

// Add four products: of the weights in even places with the first two digits, of those in odd places with the others.
INLINE void add(const Input8 *in, long r, long k, const __m256i *even, const __m256i *odd, __m256i (*sums)[HALVES],
                const int rows) {
    for (int i = 0; i < rows; i++) {
        const int16_t *digits = digits_of(in, r + i, 0) + k;
        const __m256i first = four(digits), second = four(digits + 2);
        for (int h = 0; h < HALVES; h++)
            sums[i][h] = _mm256_add_epi32(sums[i][h], both(even[h], first, odd[h], second));
    }
}

// Store a half of the outputs of a tile; the last tile may be incomplete.
INLINE void store(const Output *y, long row, long tile, int h, __m256 values) {
    const long output = tile * OUTPUTS + h * LANES, left = y->outputs - output;
    float wide[LANES];
    _mm256_storeu_ps(wide, values);
    for (long lane = 0; lane < LANES && lane < left; lane++) {
        const long place = row * y->outputs + output + lane;
        uint32_t bits;
        memcpy(&bits, wide + lane, sizeof bits);
        if (!y->half) ((float *)y->values)[place] = wide[lane];
        else ((bf16 *)y->values)[place] = (bits + 0x7fff + (bits >> 16 & 1)) >> 16; // to nearest, ties to even
    }
}

// w [tiles, inputs / 4, OUTPUTS, 4], biased by 128; scale [outputs], padded to complete tiles.
INLINE void tile8(const Input8 *in, const Output *y, long r, long tile, const uint8_t *w, const float *scale,
                  const int rows) {
    __m256 totals[TOGETHER][HALVES];
    for (int i = 0; i < rows; i++)
        for (int h = 0; h < HALVES; h++) totals[i][h] = _mm256_setzero_ps();
    w += tile * OUTPUTS * in->inputs;
    for (long g = 0; g < in->groups; g++) {
        __m256i sums[TOGETHER][HALVES];
        begin(in, r, g, sums, rows);
        for (long k = g * in->group; k < (g + 1) * in->group; k += 4, w += BYTES) {
            _mm_prefetch((const char *)w + AHEAD, _MM_HINT_T0);
            __m256i even[HALVES], odd[HALVES];
            for (int h = 0; h < HALVES; h++) {
                const __m256i weights = load(w + h * BYTES / HALVES);
                even[h] = _mm256_and_si256(weights, _mm256_set1_epi16(255)), odd[h] = _mm256_srli_epi16(weights, 8);
            }
            add(in, r, k, even, odd, sums, rows);
        }
        for (int i = 0; i < rows; i++)
            for (int h = 0; h < HALVES; h++)
                totals[i][h] = _mm256_add_ps(totals[i][h], _mm256_cvtepi32_ps(sums[i][h]));
    }
    for (int i = 0; i < rows; i++)
        for (int h = 0; h < HALVES; h++) {
            const __m256 scales = _mm256_loadu_ps(scale + tile * OUTPUTS + h * LANES);
            const __m256 steps = _mm256_mul_ps(scales, _mm256_set1_ps(in->steps[r + i] / DIGIT));
            store(y, r + i, tile, h, _mm256_mul_ps(totals[i][h], steps));
        }
}

INLINE __m256 eight(const bf16 *from) {
    const __m256i wide = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)from));
    return _mm256_castsi256_ps(_mm256_slli_epi32(wide, 16));
}

// Codes of 4 bits at `w`, of 8 inputs, times digits: two sums of 16 bits per output.
INLINE void add4(const Input4 *in, long r, long k, const uint8_t *w, __m256i (*words)[HALVES], const int rows) {
    __m256i low[HALVES], high[HALVES];
    for (int h = 0; h < HALVES; h++) {
        const __m256i codes = load(w + h * BYTES / HALVES), lower = _mm256_set1_epi8(15);
        low[h] = _mm256_and_si256(codes, lower), high[h] = _mm256_and_si256(_mm256_srli_epi16(codes, 4), lower);
    }
    for (int i = 0; i < rows; i++) {
        const int8_t *digits = in->digits + (r + i) * in->inputs + k;
        const __m256i first = four(digits), second = four(digits + 4);
        for (int h = 0; h < HALVES; h++) {
            words[i][h] = _mm256_add_epi16(words[i][h], _mm256_maddubs_epi16(low[h], first));
            words[i][h] = _mm256_add_epi16(words[i][h], _mm256_maddubs_epi16(high[h], second));
        }
    }
}

// w [tiles, inputs / 8, OUTPUTS, 4]: of 8 inputs, the first four are in the low nibbles and the others in the high
// nibbles. grid [tiles, groups, 2, OUTPUTS]: scale, then zero; a weight is (code - 8) scale + zero.
INLINE void tile4(const Input4 *in, const Output *y, long r, long tile, const uint8_t *w, const bf16 *grid,
                  const int rows) {
    __m256 totals[TOGETHER][HALVES];
    for (int i = 0; i < rows; i++)
        for (int h = 0; h < HALVES; h++) totals[i][h] = _mm256_setzero_ps();
    w += tile * OUTPUTS * in->inputs / 2, grid += tile * in->inputs / in->group * 2 * OUTPUTS;
    for (long p = 0; p < in->parts; p++) {
        __m256i sums[TOGETHER][HALVES];
        for (int i = 0; i < rows; i++)
            for (int h = 0; h < HALVES; h++) sums[i][h] = _mm256_setzero_si256();
        for (long k = p * in->part, end = k + in->part; k < end;) {
            __m256i words[TOGETHER][HALVES];
            for (int i = 0; i < rows; i++)
                for (int h = 0; h < HALVES; h++) words[i][h] = _mm256_setzero_si256();
            for (const long stop = end - k < WORDS ? end : k + WORDS; k < stop; k += 8, w += BYTES) {
                _mm_prefetch((const char *)w + AHEAD, _MM_HINT_T0);
                add4(in, r, k, w, words, rows);
            }
            for (int i = 0; i < rows; i++)
                for (int h = 0; h < HALVES; h++)
                    sums[i][h] = _mm256_add_epi32(sums[i][h], _mm256_madd_epi16(words[i][h], _mm256_set1_epi16(1)));
        }
        for (int h = 0; h < HALVES; h++) {
            const bf16 *own = grid + p * in->part / in->group * 2 * OUTPUTS + h * LANES;
            const __m256 scale = eight(own);
            const __m256 zero = _mm256_fnmadd_ps(_mm256_set1_ps(BIAS4), scale, eight(own + OUTPUTS));
            for (int i = 0; i < rows; i++) {
                const float *part = part_of(in, r + i, p);
                const __m256 factor = _mm256_mul_ps(scale, _mm256_set1_ps(part[0]));
                totals[i][h] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(sums[i][h]), factor, totals[i][h]);
                totals[i][h] = _mm256_fmadd_ps(_mm256_set1_ps(part[1]), zero, totals[i][h]);
            }
        }
    }
    for (int i = 0; i < rows; i++)
        for (int h = 0; h < HALVES; h++) store(y, r + i, tile, h, totals[i][h]);
}

#endif

// The number of rows in each call of a tile is a constant, so that its sums stay in registers.
#define PRODUCT(RESERVE, WRITE, TILE, STEPS)                                                                           \
    const Output out = {.values = y, .outputs = outputs, .half = half};                                                \
    if (!RESERVE(&in)) return 0;                                                                                       \
    _Pragma("omp parallel num_threads(threads)") {                                                                     \
        _Pragma("omp for schedule(static)")                                                                            \
        for (long r = 0; r < rows; r++) WRITE(&in, x, r, half);                                                        \
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

// How many inputs are summed in whole numbers, a multiple of 4: with AVX2 all of 512 products fit into 32 bits.
static long whole_sums(long inputs) {
#ifdef __AVX512VNNI__
    return inputs;
#else
    long group = inputs < 512 ? inputs : 512;
    while (inputs % group) group -= 4;
    return group;
#endif
}

static long part_size(long group) {
    long part = group < PART ? group : PART;
    while (group % part) part -= 8;
    return part;
}

// x [rows, inputs] and y [rows, outputs], bfloat16 if half, else float32. `group` inputs share a scale: for int8 all of
// them, a multiple of 4; for int4 a multiple of 8. Both functions return 0 if they run out of memory.
int int8_linear(const void *x, const uint8_t *w, const float *scale, void *y, long rows, long outputs, long inputs,
                long group, int half, int threads) {
    group = whole_sums(inputs);
    Input8 in = {.rows = rows, .inputs = inputs, .group = group, .groups = inputs / group};
    PRODUCT(reserve8, write_digits8, tile8, scale)
}

int int4_linear(const void *x, const uint8_t *w, const bf16 *grid, void *y, long rows, long outputs, long inputs,
                long group, int half, int threads) {
    const long part = part_size(group);
    Input4 in = {.rows = rows, .inputs = inputs, .group = group, .part = part, .parts = inputs / part};
    PRODUCT(reserve4, write_digits4, tile4, grid)
}
