/*
 * Loaded before libc in a test: makes one allocation fail.
 *
 * PROCTOR_FAILING names a file that test and server map: one 32-bit number.
 * While it is 0 every allocation is libc's.  Else each allocation takes one
 * away, and the one that finds 1 fails.
 */

#define _GNU_SOURCE

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>


extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *p, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);


static _Atomic uint32_t *failing_left;


__attribute__((constructor)) static void
failing_map(void)
{
    int fd;
    void *p;
    const char *file;

    file = getenv("PROCTOR_FAILING");
    fd = (file == NULL) ? -1 : open(file, O_RDWR | O_CLOEXEC);

    if (fd == -1) {
        return;
    }

    p = mmap(NULL, sizeof(uint32_t), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    (void) close(fd);

    if (p != MAP_FAILED) {
        failing_left = p;
    }
}


static int
failing_now(void)
{
    uint32_t left;

    if (failing_left == NULL) {
        return 0;
    }

    left = atomic_load(failing_left);

    while (left != 0) {
        if (atomic_compare_exchange_weak(failing_left, &left, left - 1)) {
            break;
        }
    }

    if (left != 1) {
        return 0;
    }

    errno = ENOMEM;
    return 1;
}


void *
malloc(size_t size)
{
    return failing_now() ? NULL : __libc_malloc(size);
}


void *
calloc(size_t n, size_t size)
{
    return failing_now() ? NULL : __libc_calloc(n, size);
}


void *
realloc(void *p, size_t size)
{
    return failing_now() ? NULL : __libc_realloc(p, size);
}


void *
memalign(size_t alignment, size_t size)
{
    return failing_now() ? NULL : __libc_memalign(alignment, size);
}


int
posix_memalign(void **p, size_t alignment, size_t size)
{
    *p = failing_now() ? NULL : __libc_memalign(alignment, size);

    return (*p == NULL) ? ENOMEM : 0;
}
