// Products in the tiles of AMX, for C files that are compiled with and without them. A float32 number is the sum of
// bfloat16 numbers: two are 16 bits of its 24, three are all.
//
// A tile has 16 rows of 32 inputs, or 16 pairs of inputs of 16 outputs. Tiles 0 to 3 hold a block of 32 x 32 results,
// tiles 4 and 5 its rows, and tiles 6 and 7 the weights of its outputs. `tall` and `wide` are constants: without
// them, a block has only its upper or left half.

#ifdef __AMX_BF16__
#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { TILED = 1, TILE_ROWS = 16, TILE_INPUTS = 32, BLOCK = 32 };

typedef unsigned short bfloat16;

// Asks Linux for the tiles; 0 if the process may use them.
int permit(void) { return syscall(SYS_arch_prctl, 0x1023, 18); } // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA

static void begin_tiles(void) {
    struct {
        unsigned char palette, start, reserved[14];
        unsigned short columns[16]; // in bytes
        unsigned char rows[16];
    } sizes __attribute__((aligned(64))) = {.palette = 1};
    for (int t = 0; t < 8; t++) {
        sizes.columns[t] = 64;
        sizes.rows[t] = TILE_ROWS;
    }
    _tile_loadconfig(&sizes);
}

// Writes the next part of 16 numbers, and returns what is left of them.
static inline __m512 take_part(__m512 numbers, bfloat16 *to) {
    const __m256i part = (__m256i)_mm512_cvtneps_pbh(numbers);
    _mm256_storeu_si256((__m256i *)to, part);
    return numbers - _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(part), 16));
}

// A row x [inputs] as the sum of `count` parts, `apart` numbers apart: [whole_tiles(inputs)], filled with zeros.
static inline __attribute__((always_inline)) void split_row(const float *x, bfloat16 *parts, long inputs, long apart, const int count) {
    for (long i = 0; i < (inputs + TILE_INPUTS - 1) / TILE_INPUTS * TILE_INPUTS; i += 16) {
        const long left = inputs - i;
        __m512 rest = _mm512_maskz_loadu_ps(left >= 16 ? 0xffff : left > 0 ? (1 << left) - 1 : 0, x + i);
        for (int part = 0; part < count; part++) rest = take_part(rest, parts + part * apart + i);
    }
}

static inline __attribute__((always_inline)) void load_rows(const bfloat16 *rows, long width, const int tall) {
    _tile_loadd(4, rows, width * sizeof *rows);
    if (tall) _tile_loadd(5, rows + TILE_ROWS * width, width * sizeof *rows);
}

static inline __attribute__((always_inline)) void load_weights(const bfloat16 *weight, const int wide) {
    _tile_loadd(6, weight, 64);
    if (wide) _tile_loadd(7, weight + TILE_ROWS * TILE_INPUTS, 64);
}

static inline __attribute__((always_inline)) void begin_block(void) {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
}

static inline __attribute__((always_inline)) void multiply(const int tall, const int wide) {
    _tile_dpbf16ps(0, 4, 6);
    if (wide) _tile_dpbf16ps(1, 4, 7);
    if (tall) _tile_dpbf16ps(2, 5, 6);
    if (tall && wide) _tile_dpbf16ps(3, 5, 7);
}

// y has rows `stride` apart.
static inline __attribute__((always_inline)) void store_block(float *y, long stride, const int tall, const int wide) {
    _tile_stored(0, y, stride * sizeof *y);
    if (wide) _tile_stored(1, y + TILE_ROWS, stride * sizeof *y);
    if (tall) _tile_stored(2, y + TILE_ROWS * stride, stride * sizeof *y);
    if (tall && wide) _tile_stored(3, y + TILE_ROWS * stride + TILE_ROWS, stride * sizeof *y);
}
#else
enum { TILED = 0, TILE_ROWS = 0, TILE_INPUTS = 1 };

int permit(void) { return 0; }
#endif

// Whether weights are packed in tiles: [outputs / 32, inputs / 32, two halves of the outputs, 16 pairs of inputs, 16
// outputs, 2], bfloat16, filled with zeros.
long tiled(void) { return TILED; }

static inline long whole_tiles(long inputs) { return (inputs + TILE_INPUTS - 1) / TILE_INPUTS * TILE_INPUTS; }
