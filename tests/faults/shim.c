/* Interposes (LD_PRELOAD) the calls with which a process changes files or starts another, counts them over all
   processes of one run, and lets a disaster happen at one of them.

   FAULT_FILE  a file of all zeros, mapped by every process: struct shared
   FAULT_KIND  tree: every process stops here, for the harness to kill them; child: this process dies, if it is not the
               first one; gr2: the first process dies; enospc: from here on nothing that needs space succeeds
   FAULT_AT    the number of the call, from 1; for "child" calls of the first process do not count; 0 only counts

   A write of more than one byte is two calls: one before it, one with its first half written. */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <unistd.h>
#include <utime.h>

#define TRACE (1 << 20)

struct shared {
    _Atomic uint64_t total;
    _Atomic uint64_t child;
    _Atomic int32_t first;
    _Atomic int32_t fired;
    char unused[40];
    uint8_t trace[TRACE]; /* what each call was; the top bit: not in the first process */
};

static struct shared *shared;
static enum { TREE, CHILD, GR2, ENOSPC_ } kind;
static uint64_t at;

static void stop(void)
{
    for (;;)
        pause();
}

__attribute__((constructor)) static void begin(void)
{
    const char *file = getenv("FAULT_FILE"), *named = getenv("FAULT_KIND"), *number = getenv("FAULT_AT");
    int (*plain_open)(const char *, int, ...) = dlsym(RTLD_NEXT, "open");
    int fd;
    int32_t none = 0;

    if (!file || !named || !number || (fd = plain_open(file, O_RDWR | O_CLOEXEC)) < 0)
        return;
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (shared == MAP_FAILED)
        abort();
    kind = !strcmp(named, "tree") ? TREE : !strcmp(named, "child") ? CHILD : !strcmp(named, "gr2") ? GR2 : ENOSPC_;
    at = strtoull(number, NULL, 10);
    atomic_compare_exchange_strong(&shared->first, &none, getpid());
}

/* Counts one call; gives its number in the order that FAULT_AT is about, 0 if it is not in it. */
static uint64_t arrive(char what)
{
    int child;
    uint64_t number, among_children = 0;

    if (!shared)
        return 0;
    if (kind == TREE && shared->fired)
        stop();
    child = getpid() != shared->first;
    number = ++shared->total;
    if (child)
        among_children = ++shared->child;
    if (number <= TRACE)
        shared->trace[number - 1] = (uint8_t)what | (child ? 0x80 : 0);
    return kind == CHILD ? among_children : number;
}

static int is_due(uint64_t number)
{
    return at && number && (kind == ENOSPC_ ? number >= at : number == at);
}

/* Lets the disaster happen; returns 1 when the call must fail for want of space. */
static int act(uint64_t number)
{
    int saved = errno;

    if (!is_due(number)) {
        if (kind == TREE && at && number > at)
            stop();
        return 0;
    }
    shared->fired = 1;
    switch (kind) {
    case TREE:
        stop();
        break;
    case CHILD:
        kill(getpid(), SIGKILL);
        stop();
        break;
    case GR2:
        kill(shared->first, SIGKILL);
        if (getpid() == shared->first)
            stop();
        usleep(2000);
        errno = saved;
        return 0;
    case ENOSPC_:
        errno = ENOSPC;
        return 1;
    }
    return 0;
}

static void point(char what)
{
    uint64_t number = arrive(what);
    if (kind != ENOSPC_ || !is_due(number))
        act(number);
}

#define FULL(what) act(arrive(what))
#define REAL(name) \
    static __typeof__(&name) real; \
    if (!real) \
        real = dlsym(RTLD_NEXT, #name)

static int is_regular(int fd)
{
    struct stat found;
    int saved = errno, yes = fstat(fd, &found) == 0 && S_ISREG(found.st_mode);
    errno = saved;
    return yes;
}

static int lacks(int folder, const char *path)
{
    int saved = errno, no = faccessat(folder, path, F_OK, AT_SYMLINK_NOFOLLOW) != 0;
    errno = saved;
    return no;
}

/* 1 when opening must fail. Opening what is there takes no space; a device is nobody's state. */
static int opening(int folder, const char *path, int flags)
{
    if (!shared || !(flags & (O_CREAT | O_TRUNC)) || !strncmp(path, "/dev/", 5))
        return 0;
    if ((flags & O_CREAT) && lacks(folder, path))
        return FULL('o');
    if (flags & O_TRUNC)
        point('o');
    return 0;
}

#define MODE \
    mode_t mode = 0; \
    if (flags & (O_CREAT | __O_TMPFILE)) { \
        va_list rest; \
        va_start(rest, flags); \
        mode = va_arg(rest, mode_t); \
        va_end(rest); \
    }
#define OPEN(name) \
    int name(const char *path, int flags, ...) \
    { \
        REAL(name); \
        MODE \
        return opening(AT_FDCWD, path, flags) ? -1 : real(path, flags, mode); \
    }
#define OPENAT(name) \
    int name(int folder, const char *path, int flags, ...) \
    { \
        REAL(name); \
        MODE \
        return opening(folder, path, flags) ? -1 : real(folder, path, flags, mode); \
    }
#define CREAT(name) \
    int name(const char *path, mode_t mode) \
    { \
        REAL(name); \
        return opening(AT_FDCWD, path, O_CREAT | O_TRUNC) ? -1 : real(path, mode); \
    }
#define FOPEN(name) \
    FILE *name(const char *restrict path, const char *restrict how) \
    { \
        REAL(name); \
        int flags = *how == 'w' ? O_CREAT | O_TRUNC : *how == 'a' ? O_CREAT : 0; \
        return opening(AT_FDCWD, path, flags) ? NULL : real(path, how); \
    }
OPEN(open)
OPEN(open64)
OPENAT(openat)
OPENAT(openat64)
CREAT(creat)
CREAT(creat64)
FOPEN(fopen)
FOPEN(fopen64)

/* 1 when what a stream still holds must be lost. */
static int flushing(FILE *stream)
{
    return shared && stream && __fpending(stream) && is_regular(fileno(stream)) && FULL('w');
}

int fflush(FILE *stream)
{
    REAL(fflush);
    if (flushing(stream)) {
        __fpurge(stream);
        return EOF;
    }
    return real(stream);
}

int fclose(FILE *stream)
{
    REAL(fclose);
    if (flushing(stream)) {
        __fpurge(stream);
        real(stream);
        errno = ENOSPC;
        return EOF;
    }
    return real(stream);
}

/* Whether the k-th call is the middle of this write. `number` gets its number. */
static int is_torn(size_t count, uint64_t *number)
{
    if (count < 2)
        return 0;
    *number = arrive('t');
    return is_due(*number);
}

#define TORN(half) \
    do { \
        ssize_t part = half; \
        act(number); \
        return part; \
    } while (0)

ssize_t write(int fd, const void *data, size_t count)
{
    REAL(write);
    uint64_t number;
    if (shared && is_regular(fd)) {
        if (FULL('w'))
            return -1;
        if (is_torn(count, &number))
            TORN(real(fd, data, count / 2));
    }
    return real(fd, data, count);
}

#define PWRITE(name, offset_type) \
    ssize_t name(int fd, const void *data, size_t count, offset_type where) \
    { \
        REAL(name); \
        uint64_t number; \
        if (shared && is_regular(fd)) { \
            if (FULL('w')) \
                return -1; \
            if (is_torn(count, &number)) \
                TORN(real(fd, data, count / 2, where)); \
        } \
        return real(fd, data, count, where); \
    }
PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)

ssize_t writev(int fd, const struct iovec *parts, int count)
{
    REAL(writev);
    return shared && is_regular(fd) && FULL('w') ? -1 : real(fd, parts, count);
}

#define SENDFILE(name, offset_type) \
    ssize_t name(int to, int from, offset_type *where, size_t count) \
    { \
        REAL(name); \
        return shared && is_regular(to) && FULL('w') ? -1 : real(to, from, where, count); \
    }
SENDFILE(sendfile, off_t)
SENDFILE(sendfile64, off64_t)

ssize_t copy_file_range(int from, off64_t *here, int to, off64_t *there, size_t count, unsigned flags)
{
    REAL(copy_file_range);
    return shared && FULL('w') ? -1 : real(from, here, to, there, count, flags);
}

/* 1 when running `path` cannot start anything: whoever searches PATH tries one place after the other. */
static int cannot_run(const char *path)
{
    int saved = errno, no = access(path, X_OK) != 0;
    errno = saved;
    return no;
}

/* Calls that need space for a new name, and calls that need none; those that can only fail change nothing. */
#define NEEDS(what, name, parameters, arguments) NEEDS_IF(1, what, name, parameters, arguments)
#define NEEDS_IF(changes, what, name, parameters, arguments) \
    int name parameters \
    { \
        REAL(name); \
        return shared && (changes) && FULL(what) ? -1 : real arguments; \
    }
#define FREE(what, name, parameters, arguments) FREE_IF(1, what, name, parameters, arguments)
#define FREE_IF(changes, what, name, parameters, arguments) \
    int name parameters \
    { \
        REAL(name); \
        if (shared && (changes)) \
            point(what); \
        return real arguments; \
    }
NEEDS_IF(lacks(AT_FDCWD, path), 'm', mkdir, (const char *path, mode_t mode), (path, mode))
NEEDS_IF(lacks(folder, path), 'm', mkdirat, (int folder, const char *path, mode_t mode), (folder, path, mode))
NEEDS('l', link, (const char *from, const char *to), (from, to))
NEEDS('l', linkat, (int a, const char *from, int b, const char *to, int flags), (a, from, b, to, flags))
NEEDS('l', symlink, (const char *from, const char *to), (from, to))
NEEDS('l', symlinkat, (const char *from, int folder, const char *to), (from, folder, to))
FREE_IF(!lacks(AT_FDCWD, from), 'r', rename, (const char *from, const char *to), (from, to))
FREE('r', renameat, (int a, const char *from, int b, const char *to), (a, from, b, to))
FREE('r', renameat2, (int a, const char *from, int b, const char *to, unsigned flags), (a, from, b, to, flags))
FREE_IF(!lacks(AT_FDCWD, path), 'u', unlink, (const char *path), (path))
FREE_IF(!lacks(folder, path), 'u', unlinkat, (int folder, const char *path, int flags), (folder, path, flags))
FREE_IF(!lacks(AT_FDCWD, path), 'u', remove, (const char *path), (path))
FREE_IF(!lacks(AT_FDCWD, path), 'u', rmdir, (const char *path), (path))
FREE('n', ftruncate, (int fd, off_t size), (fd, size))
FREE('n', ftruncate64, (int fd, off64_t size), (fd, size))
FREE('n', truncate, (const char *path, off_t size), (path, size))
FREE('n', truncate64, (const char *path, off64_t size), (path, size))
FREE('c', chmod, (const char *path, mode_t mode), (path, mode))
FREE('c', fchmod, (int fd, mode_t mode), (fd, mode))
FREE('c', fchmodat, (int folder, const char *path, mode_t mode, int flags), (folder, path, mode, flags))
FREE('i', utime, (const char *path, const struct utimbuf *times), (path, times))
FREE('i', utimes, (const char *path, const struct timeval times[2]), (path, times))
FREE('i', utimensat, (int folder, const char *path, const struct timespec times[2], int flags), (folder, path, times, flags))
FREE('i', futimens, (int fd, const struct timespec times[2]), (fd, times))

pid_t fork(void)
{
    REAL(fork);
    if (shared)
        point('f');
    return real();
}

FREE_IF(!cannot_run(path), 'x', execve, (const char *path, char *const argv[], char *const envp[]), (path, argv, envp))
FREE_IF(!cannot_run(path), 'x', execv, (const char *path, char *const argv[]), (path, argv))
FREE('x', execvp, (const char *path, char *const argv[]), (path, argv))
FREE('x', posix_spawn,
     (pid_t *restrict pid, const char *restrict path, const posix_spawn_file_actions_t *actions,
      const posix_spawnattr_t *restrict attributes, char *const argv[restrict], char *const envp[restrict]),
     (pid, path, actions, attributes, argv, envp))
FREE('x', posix_spawnp,
     (pid_t *restrict pid, const char *restrict path, const posix_spawn_file_actions_t *actions,
      const posix_spawnattr_t *restrict attributes, char *const argv[restrict], char *const envp[restrict]),
     (pid, path, actions, attributes, argv, envp))
