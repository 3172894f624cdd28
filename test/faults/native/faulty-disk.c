// Preloaded into a process, makes its disk calls fail or wait as a control file says. The file is mapped, so that the
// test turns a fault on and off while the process runs; its layout is that of `struct control`, and of DiskFaults in
// disk-faults.ts. Only files whose path has a given part in it are concerned.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { CALL_SYNC = 1, CALL_WRITE = 2, CALL_READ = 4 };

struct control {
  _Atomic uint32_t calls;    // bits of the calls that are concerned; 0: no fault
  _Atomic int32_t error;     // errno to fail with; 0: the call is made, after the wait
  _Atomic uint32_t wait_ms;  // first
  _Atomic int32_t times;     // calls still to be hit; negative: all
  _Atomic uint32_t hits;     // counted here
  char unused[44];
  char part[256];            // of the path, ended by NUL
};

static struct control *control = NULL;

__attribute__((constructor)) static void map_control(void) {
  const char *path = getenv("FAULTY_DISK_CONTROL");
  int file = path == NULL ? -1 : open(path, O_RDWR | O_CLOEXEC);
  if (file == -1) return;
  void *mapped = mmap(NULL, sizeof(struct control), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  close(file);
  if (mapped != MAP_FAILED) control = mapped;
}

static int concerns(int file) {
  char link[64];
  char path[4096];
  snprintf(link, sizeof link, "/proc/self/fd/%d", file);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (length < 0) return 0;
  path[length] = '\0';
  return strstr(path, control->part) != NULL;
}

// Waits as told. Returns the error to fail with; 0: make the call.
static int fault(int file, uint32_t call) {
  if (control == NULL || (atomic_load(&control->calls) & call) == 0) return 0;
  if (!concerns(file)) return 0;
  int32_t times = atomic_load(&control->times);
  do {
    if (times == 0) return 0;
  } while (times > 0 && !atomic_compare_exchange_weak(&control->times, &times, times - 1));
  atomic_fetch_add(&control->hits, 1);
  uint32_t wait = atomic_load(&control->wait_ms);
  if (wait > 0) {
    struct timespec left = {wait / 1000, (long)(wait % 1000) * 1000000};
    while (nanosleep(&left, &left) == -1 && errno == EINTR) {
    }
  }
  return atomic_load(&control->error);
}

#define INTERPOSE(result, name, call, parameters, arguments) \
  result name parameters {                                   \
    static result(*real) parameters = NULL;                  \
    if (real == NULL) real = dlsym(RTLD_NEXT, #name);        \
    int error = fault(file, call);                           \
    if (error != 0) {                                        \
      errno = error;                                         \
      return -1;                                             \
    }                                                        \
    return real arguments;                                   \
  }

INTERPOSE(int, fsync, CALL_SYNC, (int file), (file))
INTERPOSE(int, fdatasync, CALL_SYNC, (int file), (file))
INTERPOSE(ssize_t, write, CALL_WRITE, (int file, const void *data, size_t size), (file, data, size))
INTERPOSE(ssize_t, pwrite, CALL_WRITE, (int file, const void *data, size_t size, off_t at), (file, data, size, at))
INTERPOSE(ssize_t, pwrite64, CALL_WRITE, (int file, const void *data, size_t size, off64_t at), (file, data, size, at))
INTERPOSE(ssize_t, writev, CALL_WRITE, (int file, const struct iovec *parts, int count), (file, parts, count))
INTERPOSE(ssize_t, pwritev, CALL_WRITE, (int file, const struct iovec *parts, int count, off_t at),
          (file, parts, count, at))
INTERPOSE(ssize_t, pwritev64, CALL_WRITE, (int file, const struct iovec *parts, int count, off64_t at),
          (file, parts, count, at))
INTERPOSE(ssize_t, pread, CALL_READ, (int file, void *data, size_t size, off_t at), (file, data, size, at))
INTERPOSE(ssize_t, pread64, CALL_READ, (int file, void *data, size_t size, off64_t at), (file, data, size, at))
INTERPOSE(ssize_t, preadv, CALL_READ, (int file, const struct iovec *parts, int count, off_t at),
          (file, parts, count, at))
INTERPOSE(ssize_t, preadv64, CALL_READ, (int file, const struct iovec *parts, int count, off64_t at),
          (file, parts, count, at))
