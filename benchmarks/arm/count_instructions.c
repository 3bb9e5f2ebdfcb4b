/* A plug-in of QEMU (interface 1, QEMU 6.0 to 8.x): counts what instructions an emulated AArch64 program runs.
 *
 *     qemu-aarch64 -plugin ./count_instructions.so,out=COUNTS -cpu cortex-a76 PROGRAM
 *
 * The program sets a mark by closing the file descriptor MARK + n, which is never open. With each mark a line is
 * appended to COUNTS: n, then the running totals of all instructions, of 8-bit dot products (sdot, udot, usdot,
 * sudot), of 8-bit matrix products (smmla, ummla, usmmla), of float multiply-adds (fmla) and of widening integer
 * products (smull, smlal and their unsigned kin, which 8-bit kernels use where there are no dot products).
 *
 * Few declarations of the interface are needed, and no package holds its header, so they stand here. */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define MARK 0x4c500000
#define CLOSE 57 /* the system call's number on AArch64 */
#define VISIBLE __attribute__((visibility("default")))

typedef uint64_t plugin_id;
struct block;
struct instruction;
struct host; /* what emulator this is: not needed */

extern void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id, void (*)(plugin_id, struct block *));
extern void qemu_plugin_register_vcpu_syscall_cb(plugin_id, void (*)(plugin_id, unsigned, int64_t, uint64_t, uint64_t,
                                                                     uint64_t, uint64_t, uint64_t, uint64_t, uint64_t,
                                                                     uint64_t));
extern size_t qemu_plugin_tb_n_insns(const struct block *);
extern struct instruction *qemu_plugin_tb_get_insn(const struct block *, size_t);
extern const void *qemu_plugin_insn_data(const struct instruction *);
extern void qemu_plugin_register_vcpu_tb_exec_inline(struct block *, int, void *, uint64_t);

enum { ADD_U64 = 0 };

VISIBLE int qemu_plugin_version = 1;

enum kind { ALL, DOT, MATRIX, FLOAT, WIDENING, KINDS };
static uint64_t totals[KINDS];
static FILE *out;

/* An encoding is a pattern of bits under a mask (Arm Architecture Reference Manual, C4.1 "Data Processing -- SIMD"). */
static const struct {
    enum kind kind;
    uint32_t mask, pattern;
} encodings[] = {
    {DOT, 0x9fe0fc00, 0x0e809400},      /* sdot, udot: vectors */
    {DOT, 0x9fc0f400, 0x0f80e000},      /* by element */
    {DOT, 0xbfe0fc00, 0x0e809c00},      /* usdot: vectors */
    {DOT, 0xbf40f400, 0x0f00f000},      /* usdot, sudot by element */
    {MATRIX, 0xdfe0fc00, 0x4e80a400},   /* smmla, ummla */
    {MATRIX, 0xffe0fc00, 0x4e80ac00},   /* usmmla */
    {FLOAT, 0xbfa0fc00, 0x0e20cc00},    /* fmla: vectors */
    {FLOAT, 0xbf80f400, 0x0f801000},    /* by element */
    {WIDENING, 0x9f20fc00, 0x0e208000}, /* smlal, umlal: vectors */
    {WIDENING, 0x9f20fc00, 0x0e20c000}, /* smull, umull */
    {WIDENING, 0x9f00f400, 0x0f002000}, /* smlal, umlal by element */
    {WIDENING, 0x9f00f400, 0x0f00a000}, /* smull, umull by element */
};

static enum kind kind_of(uint32_t word) {
    for (size_t i = 0; i < sizeof encodings / sizeof *encodings; i++)
        if ((word & encodings[i].mask) == encodings[i].pattern) return encodings[i].kind;
    return ALL;
}

/* The emulator adds a block's numbers whenever it runs the block: quick, since nothing is called. */
static void translated(plugin_id id, struct block *block) {
    uint64_t found[KINDS] = {0};
    (void)id;
    found[ALL] = qemu_plugin_tb_n_insns(block);
    for (size_t i = 0; i < found[ALL]; i++) {
        uint32_t word;
        memcpy(&word, qemu_plugin_insn_data(qemu_plugin_tb_get_insn(block, i)), sizeof word);
        enum kind kind = kind_of(word);
        if (kind != ALL) found[kind]++;
    }
    for (int kind = 0; kind < KINDS; kind++)
        if (found[kind]) qemu_plugin_register_vcpu_tb_exec_inline(block, ADD_U64, &totals[kind], found[kind]);
}

static void called(plugin_id id, unsigned cpu, int64_t number, uint64_t first, uint64_t a2, uint64_t a3, uint64_t a4,
                   uint64_t a5, uint64_t a6, uint64_t a7, uint64_t a8) {
    (void)id, (void)cpu, (void)a2, (void)a3, (void)a4, (void)a5, (void)a6, (void)a7, (void)a8;
    if (number != CLOSE || (first & 0xffff0000) != MARK) return;
    fprintf(out, "%u", (unsigned)(first & 0xffff));
    for (int kind = 0; kind < KINDS; kind++) fprintf(out, " %" PRIu64, totals[kind]);
    fprintf(out, "\n");
    fflush(out);
}

VISIBLE int qemu_plugin_install(plugin_id id, const struct host *host, int argc, char **argv) {
    (void)host;
    for (int i = 0; i < argc; i++)
        if (strncmp(argv[i], "out=", 4) == 0) out = fopen(argv[i] + 4, "w");
    if (!out) {
        fprintf(stderr, "count_instructions: give a file that can be written, out=FILE\n");
        return 1;
    }
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_vcpu_syscall_cb(id, called);
    return 0;
}
