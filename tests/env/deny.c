/* Usage: deny ERROR CALL... -- PROGRAM [ARGUMENT]... Runs a program to which the kernel refuses some system calls with the given
 * errno: EPERM and ENOSYS are what containers answer. */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "tests/env/env.h"

static const struct {
    const char *name;
    unsigned number;
} calls[] = {
    {"madvise", SYS_madvise},       {"mremap", SYS_mremap},       {"mbind", SYS_mbind},
    {"get_mempolicy", SYS_get_mempolicy}, {"set_mempolicy", SYS_set_mempolicy}, {"mlock", SYS_mlock},
    {"membarrier", SYS_membarrier}, {"getrandom", SYS_getrandom}, {"sched_getaffinity", SYS_sched_getaffinity},
    {"getcpu", SYS_getcpu},         {"openat", SYS_openat},       {"readlink", SYS_readlink},
    {"prctl", SYS_prctl},           {"munmap", SYS_munmap},       {"sysinfo", SYS_sysinfo},
};

static unsigned call_number(const char *name) {
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
        if (strcmp(calls[i].name, name) == 0)
            return calls[i].number;
    say("deny: a system call that it does not know\n");
    _exit(2);
}

int main(int argc, char **argv) {
    CHECK(argc > 3);
    unsigned error = strcmp(argv[1], "ENOSYS") == 0 ? ENOSYS : strcmp(argv[1], "ENOMEM") == 0 ? ENOMEM : EPERM;
    struct sock_filter filter[64];
    unsigned short length = 0;
    filter[length++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    int i = 2;
    for (; i < argc && strcmp(argv[i], "--") != 0; i++) {
        CHECK(length < 60);
        filter[length++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call_number(argv[i]), 0, 1);
        filter[length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error);
    }
    filter[length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    CHECK(i + 1 < argc);
    struct sock_fprog program = {length, filter};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
        return 77;
    execv(argv[i + 1], argv + i + 1);
    say("deny: no such program\n");
    return 2;
}
