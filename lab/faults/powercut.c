// SPDX-License-Identifier: EUPL-1.2
// Records every change of files below $POWERCUT_PREFIX, in the order in which a process makes them, into $POWERCUT_LOG.
// Loaded with LD_PRELOAD. lab/faults/powercut.py rebuilds from the record what a disk may hold after the power went.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

// One record: this header, then `name` bytes of the path, then `size` bytes that were written.
struct header {
    char kind;  // W write, T truncate to offset, S made durable, U unlinked
    uint8_t pad[3];
    uint32_t name;
    uint64_t offset;
    uint64_t size;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int sink = -1;

#define REAL(type, name, ...) static type (*real)(__VA_ARGS__); \
    if (!real) real = (type (*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)

static ssize_t plain_write(int fd, const void *data, size_t size) {
    REAL(ssize_t, "write", int, const void *, size_t);
    return real(fd, data, size);
}

static const char *watched(int fd, char *path) {
    const char *prefix = getenv("POWERCUT_PREFIX");
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    if (!prefix || length <= 0) return NULL;
    path[length] = 0;
    return strncmp(path, prefix, strlen(prefix)) == 0 ? path : NULL;
}

static void put(char kind, const char *path, uint64_t offset, const void *data, uint64_t size) {
    struct header head = {.kind = kind, .name = (uint32_t)strlen(path), .offset = offset, .size = size};
    pthread_mutex_lock(&lock);
    if (sink < 0) {
        const char *name = getenv("POWERCUT_LOG");
        REAL(int, "open", const char *, int, ...);
        if (name) sink = real(name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    }
    if (sink >= 0) {
        plain_write(sink, &head, sizeof head);
        plain_write(sink, path, head.name);
        if (size) plain_write(sink, data, size);
    }
    pthread_mutex_unlock(&lock);
}

static void wrote(int fd, off_t offset, const void *data, ssize_t size) {
    char path[PATH_MAX];
    if (size > 0 && watched(fd, path)) put('W', path, (uint64_t)offset, data, (uint64_t)size);
}

ssize_t write(int fd, const void *data, size_t size) {
    off_t offset = lseek(fd, 0, SEEK_CUR);
    ssize_t done = plain_write(fd, data, size);
    if (offset >= 0) wrote(fd, offset, data, done);
    return done;
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t offset) {
    REAL(ssize_t, "pwrite", int, const void *, size_t, off_t);
    ssize_t done = real(fd, data, size, offset);
    wrote(fd, offset, data, done);
    return done;
}

ssize_t pwrite64(int fd, const void *data, size_t size, off_t offset) {
    REAL(ssize_t, "pwrite64", int, const void *, size_t, off_t);
    ssize_t done = real(fd, data, size, offset);
    wrote(fd, offset, data, done);
    return done;
}

static void told(int fd, char kind, uint64_t offset) {
    char path[PATH_MAX];
    if (watched(fd, path)) put(kind, path, offset, NULL, 0);
}

int fsync(int fd) {
    REAL(int, "fsync", int);
    told(fd, 'S', 0);
    return getenv("POWERCUT_FAST") ? 0 : real(fd);
}

int fdatasync(int fd) {
    REAL(int, "fdatasync", int);
    told(fd, 'S', 0);
    return getenv("POWERCUT_FAST") ? 0 : real(fd);
}

int ftruncate(int fd, off_t size) {
    REAL(int, "ftruncate", int, off_t);
    told(fd, 'T', (uint64_t)size);
    return real(fd, size);
}

int ftruncate64(int fd, off_t size) {
    REAL(int, "ftruncate64", int, off_t);
    told(fd, 'T', (uint64_t)size);
    return real(fd, size);
}

int unlink(const char *path) {
    REAL(int, "unlink", const char *);
    const char *prefix = getenv("POWERCUT_PREFIX");
    if (prefix && strncmp(path, prefix, strlen(prefix)) == 0) put('U', path, 0, NULL, 0);
    return real(path);
}
