// y = x wT for weights of 8 or 4 bits, read once, as they are saved, at the memory's speed.
//
// x is written with two digits of 8 bits, x = step (first + second / 254), so that nothing but the weights is rounded
// noticeably; each row has its own step. Products are of bytes, four to an instruction (AVX512-VNNI).

#include <immintrin.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define LEVELS 127
#define DIGIT 254
#define BYTES 64   // in a vector
#define GROUP 64   // int4 weights that share scale and zero
#define TILE 4     // rows of x at once, whose sums fit the registers
#define AHEAD 8192 // bytes of weights asked for, into the second cache, before they are needed
#define INLINE static inline __attribute__((always_inline))

typedef uint16_t bf16;

typedef struct {
    uint8_t *first, *second; // digits [rows, inputs]: plus 128 for int8; for int4 signed, in the order of its nibbles
    float *steps;            // [rows]
    float *groups;           // [rows, inputs / GROUP], sums of x for int4
    float *wide;             // [inputs]
    long rows, inputs;
} Input;

typedef struct {
    void *values; // [rows, outputs]
    long outputs;
    int half;
} Output;

static float widen(bf16 half) {
    uint32_t bits = (uint32_t)half << 16;
    float wide;
    memcpy(&wide, &bits, sizeof wide);
    return wide;
}

static bf16 narrow(float wide) {
    uint32_t bits;
    memcpy(&bits, &wide, sizeof bits);
    return (bits + 0x7fff + (bits >> 16 & 1)) >> 16; // to nearest, ties to even
}

static void store(const Output *y, long row, long output, float value) {
    const long place = row * y->outputs + output;
    if (y->half) ((bf16 *)y->values)[place] = narrow(value);
    else ((float *)y->values)[place] = value;
}

// A byte of int4 weights holds an even place in its upper half and the odd one in the lower: per vector of bytes all
// even places stand before all odd ones.
static void part_nibbles(uint8_t *digits, long n) {
    uint8_t odd[BYTES];
    for (uint8_t *block = digits; block < digits + n; block += 2 * BYTES) {
        for (int k = 0; k < BYTES; k++) odd[k] = block[2 * k + 1];
        for (int k = 0; k < BYTES; k++) block[k] = block[2 * k];
        memcpy(block + BYTES, odd, BYTES);
    }
}

static void write_digits(const Input *in, const float *x, long r, int nibbles) {
    const long n = in->inputs;
    const float bias = nibbles ? 0 : 128;
    uint8_t *first = in->first + r * n, *second = in->second + r * n;
    uint32_t peak = 0; // as bits, which are in the order of the numbers
    for (long k = 0; k < n; k++) {
        uint32_t bits;
        memcpy(&bits, x + k, sizeof bits);
        bits &= 0x7fffffff;
        peak = bits > peak ? bits : peak;
    }
    float most;
    memcpy(&most, &peak, sizeof most);
    const float scale = most > 0 ? LEVELS / most : 0;
    in->steps[r] = most / LEVELS;
    for (long k = 0; k < n; k++) {
        const float scaled = x[k] * scale, whole = rintf(scaled);
        first[k] = (uint8_t)(int)(whole + bias);
        second[k] = (uint8_t)(int)(rintf((scaled - whole) * DIGIT) + bias);
    }
    if (!nibbles) return;
    part_nibbles(first, n), part_nibbles(second, n);
    for (long g = 0; g < n / GROUP; g++) {
        float sum = 0;
        for (long k = 0; k < GROUP; k++) sum += x[g * GROUP + k];
        in->groups[r * (n / GROUP) + g] = sum;
    }
}

static int read_input(Input *in, const void *x, int half, int nibbles) {
    const long rows = in->rows, n = in->inputs, size = 2 * rows * n + sizeof(float) * (n + rows + rows * (n / GROUP));
    in->first = aligned_alloc(BYTES, (size + BYTES - 1) / BYTES * BYTES);
    if (!in->first) return 0;
    in->second = in->first + rows * n;
    in->wide = (float *)(in->second + rows * n);
    in->steps = in->wide + n;
    in->groups = in->steps + rows;
    for (long r = 0; r < rows; r++) {
        const float *row = (const float *)x + r * n;
        if (half) for (long k = 0; k < n; k++) in->wide[k] = widen(((const bf16 *)x)[r * n + k]);
        write_digits(in, half ? in->wide : row, r, nibbles);
    }
    return 1;
}

// The instruction wants one factor unsigned: 128 was added to x and is taken off again, 128 times the sum of weights.
INLINE void dot8(const Input *in, const Output *y, long r, long o, const int8_t *w, const float *scale,
                 const int32_t *sums, const int rows) {
    __m512i first[TILE], second[TILE];
    for (int i = 0; i < rows; i++) first[i] = second[i] = _mm512_setzero_si512();
    w += o * in->inputs;
    for (long k = 0; k < in->inputs; k += BYTES) {
        const __m512i weights = _mm512_loadu_si512(w + k);
        _mm_prefetch((const char *)w + k + AHEAD, _MM_HINT_T1);
        for (int i = 0; i < rows; i++) {
            const long place = (r + i) * in->inputs + k;
            first[i] = _mm512_dpbusd_epi32(first[i], _mm512_load_si512(in->first + place), weights);
            second[i] = _mm512_dpbusd_epi32(second[i], _mm512_load_si512(in->second + place), weights);
        }
    }
    for (int i = 0; i < rows; i++) {
        const int upper = _mm512_reduce_add_epi32(first[i]) - 128 * sums[o];
        const int lower = _mm512_reduce_add_epi32(second[i]) - 128 * sums[o];
        store(y, r + i, o, (upper + (float)lower / DIGIT) * scale[o] * in->steps[r + i]);
    }
}

// Sixteen numbers of half the width, as many as there are.
INLINE __m512 widened(const bf16 *from, __mmask16 there) {
    const __m512i wide = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(there, from));
    return _mm512_castsi512_ps(_mm512_slli_epi32(wide, 16));
}

// The scales of two groups, half a vector each.
INLINE __m512 two_scales(const bf16 *scale) {
    const __m512i shifts = _mm512_set_epi32(0, 0, 0, 0, 0, 0, 0, 0, 16, 16, 16, 16, 16, 16, 16, 16);
    int two;
    memcpy(&two, scale, sizeof two);
    const __m512i shifted = _mm512_sllv_epi32(_mm512_set1_epi32(two), shifts);
    return _mm512_castsi512_ps(_mm512_and_si512(shifted, _mm512_set1_epi32((int)0xffff0000)));
}

// (code - 8) scale + zero = code scale + offset; the offset meets the sum of x over its group.
INLINE __m512 offsets(const Input *in, long r, const bf16 *scale, const bf16 *zero) {
    const long groups = in->inputs / GROUP;
    __m512 total = _mm512_setzero_ps();
    for (long g = 0; g < groups; g += 16) {
        const __mmask16 there = groups - g < 16 ? (1u << (groups - g)) - 1 : 0xffff;
        const __m512 offset =
            _mm512_fnmadd_ps(_mm512_set1_ps(8), widened(scale + g, there), widened(zero + g, there));
        total = _mm512_fmadd_ps(offset, _mm512_maskz_loadu_ps(there, in->groups + r * groups + g), total);
    }
    return total;
}

INLINE void dot4(const Input *in, const Output *y, long r, long o, const uint8_t *w, const bf16 *scale,
                 const bf16 *zero, const int rows) {
    const long groups = in->inputs / GROUP;
    const __m512i nibble = _mm512_set1_epi8(15), none = _mm512_setzero_si512();
    const __m512 digit = _mm512_set1_ps(1.0f / DIGIT);
    __m512 products[TILE];
    for (int i = 0; i < rows; i++) products[i] = _mm512_setzero_ps();
    w += o * in->inputs / 2, scale += o * groups, zero += o * groups;
    for (long block = 0; block < groups / 2; block++) {
        const __m512i pairs = _mm512_loadu_si512(w + block * BYTES);
        _mm_prefetch((const char *)w + block * BYTES + AHEAD, _MM_HINT_T1);
        const __m512i even = _mm512_and_si512(_mm512_srli_epi16(pairs, 4), nibble);
        const __m512i odd = _mm512_and_si512(pairs, nibble);
        const __m512 scales = two_scales(scale + 2 * block);
        for (int i = 0; i < rows; i++) {
            const uint8_t *a = in->first + (r + i) * in->inputs + block * 2 * BYTES;
            const uint8_t *b = in->second + (r + i) * in->inputs + block * 2 * BYTES;
            __m512i upper = _mm512_dpbusd_epi32(none, even, _mm512_load_si512(a));
            __m512i lower = _mm512_dpbusd_epi32(none, even, _mm512_load_si512(b));
            upper = _mm512_dpbusd_epi32(upper, odd, _mm512_load_si512(a + BYTES));
            lower = _mm512_dpbusd_epi32(lower, odd, _mm512_load_si512(b + BYTES));
            const __m512 whole = _mm512_fmadd_ps(_mm512_cvtepi32_ps(lower), digit, _mm512_cvtepi32_ps(upper));
            products[i] = _mm512_fmadd_ps(whole, scales, products[i]);
        }
    }
    for (int i = 0; i < rows; i++) {
        const __m512 rest = offsets(in, r + i, scale, zero);
        const __m512 total = _mm512_fmadd_ps(products[i], _mm512_set1_ps(in->steps[r + i]), rest);
        store(y, r + i, o, _mm512_reduce_add_ps(total));
    }
}

// `rows` of a dot is a constant wherever it is called, so that its sums stay in registers.
#define EVERY_OUTPUT(DOT, ...)                                                                                         \
    _Pragma("omp parallel for num_threads(threads) schedule(static)")                                                  \
    for (long o = 0; o < outputs; o++)                                                                                 \
        for (long r = 0; r < rows; r += TILE) switch (rows - r) {                                                      \
            case 1: DOT(&in, &out, r, o, __VA_ARGS__, 1); break;                                                       \
            case 2: DOT(&in, &out, r, o, __VA_ARGS__, 2); break;                                                       \
            case 3: DOT(&in, &out, r, o, __VA_ARGS__, 3); break;                                                       \
            default: DOT(&in, &out, r, o, __VA_ARGS__, 4);                                                             \
            }

// x [rows, inputs] and y [rows, outputs], bfloat16 if half, else float32; inputs are a multiple of 64, and for int4 of
// 128. Both return 0 where memory is missing.
int int8_linear(const void *x, const int8_t *w, const float *scale, const int32_t *sums, void *y, long rows,
                long outputs, long inputs, int half, int threads) {
    Input in = {.rows = rows, .inputs = inputs};
    const Output out = {.values = y, .outputs = outputs, .half = half};
    if (!read_input(&in, x, half, 0)) return 0;
    EVERY_OUTPUT(dot8, w, scale, sums)
    free(in.first);
    return 1;
}

int int4_linear(const void *x, const uint8_t *w, const bf16 *scale, const bf16 *zero, void *y, long rows, long outputs,
                long inputs, int half, int threads) {
    Input in = {.rows = rows, .inputs = inputs};
    const Output out = {.values = y, .outputs = outputs, .half = half};
    if (!read_input(&in, x, half, 1)) return 0;
    EVERY_OUTPUT(dot4, w, scale, zero)
    free(in.first);
    return 1;
}
